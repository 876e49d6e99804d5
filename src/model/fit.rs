//! Whether a column can hold a cell exactly, and in which form it is handed to it.
//!
//! A cell that does not fit is refused with the reason; it is never rounded, cut or padded. The
//! reasons name types and limits, never the cell.

use super::json::{is_json_integer, repeats_a_name};
use super::number::Decimal;
use super::table::{Column, Kind};
use super::temporal::{Time, fraction_digits};
use super::value::{Value, parse_uuid, uuid_dashed, uuid_digits};

/// Why a cell cannot be held, for people: `more than 2 digits behind the point`.
pub type Unfit = String;

/// The cell in the form in which this column takes it.
///
/// # Errors
/// The reason why it would not be held exactly.
pub fn fit(value: &Value, column: &Column) -> Result<Value, Unfit> {
    match value {
        Value::Null if column.nullable => Ok(Value::Null),
        Value::Null => Err("NULL where the column takes none".to_owned()),
        Value::Uuid(uuid) if is_for_digits(column) => Ok(Value::text(uuid_digits(uuid))),
        _ => match fit_present(value, &column.kind) {
            Err(_) if column.loose && is_stored_as_it_is(value) => Ok(value.clone()),
            fitted => fitted,
        },
    }
}

/// Whether a text column is too narrow for a UUID with its dashes. SQLite holds to no width, but those who declared one will
/// look for what fits it.
fn is_for_digits(column: &Column) -> bool {
    let Kind::Text { chars, .. } = column.kind else { return false };
    let declared = column.declared.split(['(', ')']).nth(1);
    let declared = declared.and_then(|width| width.trim().parse().ok());
    chars.or(declared).is_some_and(|width: u64| (32..36).contains(&width))
}

/// What SQLite keeps in any column: its own storage classes.
fn is_stored_as_it_is(value: &Value) -> bool {
    match value {
        Value::Text(_) | Value::Bytes(_) | Value::Float(_) => true,
        Value::Int(number) => i64::try_from(*number).is_ok(),
        _ => false,
    }
}

fn fit_present(value: &Value, kind: &Kind) -> Result<Value, Unfit> {
    match kind {
        Kind::Int { bits, unsigned } => fit_integer(value, *bits, *unsigned),
        Kind::Bit(bits) => fit_integer(value, *bits, true),
        Kind::Year => match value.as_int() {
            Some(0 | 1901..=2155) => Ok(value.clone()),
            _ => Err("no year that YEAR holds (0, 1901–2155)".to_owned()),
        },
        Kind::Decimal { precision, scale } => fit_decimal(value, *precision, *scale),
        Kind::Numeric => fit_numeric(value),
        Kind::Float => {
            let double = fit_double(value)?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the next line asks whether it was lossy"
            )]
            let float = double as f32;
            let exact = f64::from(float).to_bits() == double.to_bits();
            exact
                .then_some(Value::Float(double))
                .ok_or_else(|| "more precise than FLOAT".to_owned())
        }
        Kind::Double => fit_double(value).map(Value::Float),
        Kind::Text { chars, bytes, fixed } => fit_text(value, *chars, *bytes, *fixed),
        Kind::Bytes { max, fixed } => fit_bytes(value, *max, *fixed),
        Kind::Date | Kind::DateTime { .. } | Kind::Timestamp { .. } | Kind::Time { .. } => {
            fit_temporal(value, kind)
        }
        Kind::Enum(labels) => match value.as_text() {
            Some(text) if labels.iter().any(|label| label == text) => Ok(value.clone()),
            _ => Err("a label that the ENUM does not have".to_owned()),
        },
        Kind::Set(labels) => match value.as_text() {
            Some("") => Ok(value.clone()),
            Some(text) if text.split(',').all(|part| labels.iter().any(|label| label == part)) => {
                Ok(value.clone())
            }
            _ => Err("a label that the SET does not have".to_owned()),
        },
        Kind::Json { binary } => fit_json(value, *binary),
        Kind::Uuid => match value {
            Value::Uuid(_) => Ok(value.clone()),
            Value::Text(text) => {
                parse_uuid(text).map(Value::Uuid).ok_or_else(|| "no UUID".to_owned())
            }
            Value::Bytes(bytes) => {
                <[u8; 16]>::try_from(&bytes[..]).map(Value::Uuid).map_err(|_| "no UUID".to_owned())
            }
            _ => Err("no UUID".to_owned()),
        },
        Kind::Inet => value.as_text().map(Value::text).ok_or_else(|| "no address".to_owned()),
        Kind::Raw => match value {
            Value::Bytes(_) => Ok(value.clone()),
            _ => Err("no bytes".to_owned()),
        },
        Kind::Unknown => Err("a type that has no exact form here".to_owned()),
    }
}

fn fit_integer(value: &Value, bits: u8, unsigned: bool) -> Result<Value, Unfit> {
    let number = match value {
        Value::Float(double) => Decimal::from_f64(*double).and_then(|number| number.to_integer()),
        other => other.as_int(),
    };
    let number = number.ok_or_else(|| "no whole number".to_owned())?;
    let (low, high) = if unsigned {
        (0, (1_i128 << bits) - 1)
    } else {
        (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
    };
    if (low..=high).contains(&number) {
        Ok(Value::Int(number))
    } else {
        Err(format!("outside of {low} to {high}"))
    }
}

/// Any number as an exact decimal.
fn decimal(value: &Value) -> Result<Decimal, Unfit> {
    match value {
        Value::Decimal(number) => Some(number.clone()),
        Value::Int(number) => Some(Decimal::from(*number)),
        Value::Float(double) => Decimal::from_f64(*double),
        Value::Text(text) => Decimal::parse(text),
        _ => None,
    }
    .ok_or_else(|| "no decimal number".to_owned())
}

fn fit_decimal(value: &Value, precision: u8, scale: u8) -> Result<Value, Unfit> {
    let number = decimal(value)?;
    let (whole, fraction) = number.digits();
    if fraction > usize::from(scale) {
        Err(format!("more than {scale} digits behind the point"))
    } else if whole > usize::from(precision - scale) {
        Err(format!("more than {} digits before the point", precision - scale))
    } else {
        Ok(Value::Decimal(number))
    }
}

/// SQLite keeps a number as an integer of 64 bits or as a double; what is neither is refused.
fn fit_numeric(value: &Value) -> Result<Value, Unfit> {
    if let Value::Text(_) | Value::Bytes(_) = value {
        return Ok(value.clone());
    }
    let number = decimal(value)?;
    if let Some(whole) = number.to_integer().filter(|whole| i64::try_from(*whole).is_ok()) {
        return Ok(Value::Int(whole));
    }
    number
        .to_f64_exact()
        .map(Value::Float)
        .ok_or_else(|| "more digits than SQLite keeps of a number".to_owned())
}

fn fit_double(value: &Value) -> Result<f64, Unfit> {
    let double = match value {
        Value::Float(double) => Some(*double),
        Value::Int(_) | Value::Decimal(_) => decimal(value)?.to_f64_exact(),
        _ => None,
    };
    double
        .filter(|double| double.is_finite())
        .ok_or_else(|| "no number that DOUBLE holds".to_owned())
}

fn fit_text(
    value: &Value,
    chars: Option<u64>,
    bytes: Option<u64>,
    fixed: bool,
) -> Result<Value, Unfit> {
    let text = match value {
        Value::Text(text) | Value::Json(text) => text.clone(),
        Value::Uuid(uuid) => uuid_dashed(uuid),
        Value::Decimal(number) => number.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Date(date) => date.to_string(),
        Value::DateTime(moment) => moment.to_string(),
        Value::Time(time) => time.to_string(),
        _ => return Err("no text".to_owned()),
    };
    if let Some(chars) = chars.filter(|chars| text.chars().count() as u64 > *chars) {
        return Err(format!("more than {chars} characters"));
    }
    if let Some(bytes) = bytes.filter(|bytes| text.len() as u64 > *bytes) {
        return Err(format!("more than {bytes} bytes"));
    }
    if fixed && text.ends_with(' ') {
        return Err("spaces at the end, which CHAR drops".to_owned());
    }
    Ok(Value::Text(text))
}

fn fit_bytes(value: &Value, max: Option<u64>, fixed: bool) -> Result<Value, Unfit> {
    let bytes = match value {
        Value::Bytes(bytes) => bytes.clone(),
        Value::Uuid(uuid) => uuid.to_vec(),
        // SQLite's BLOB columns keep text and numbers as such.
        _ if max.is_none() => return Ok(value.clone()),
        _ => return Err("no bytes".to_owned()),
    };
    match max {
        Some(max) if bytes.len() as u64 > max => Err(format!("more than {max} bytes")),
        Some(max) if fixed && (bytes.len() as u64) < max => {
            Err(format!("fewer than {max} bytes, which BINARY fills up"))
        }
        _ => Ok(Value::Bytes(bytes)),
    }
}

fn fit_temporal(value: &Value, kind: &Kind) -> Result<Value, Unfit> {
    let wrong = || {
        format!(
            "no {}",
            match kind {
                Kind::Date => "date",
                Kind::Time { .. } => "time",
                _ => "date and time",
            }
        )
    };
    let value = match value {
        Value::Text(text) => super::row::from_text(text, kind),
        other => other.clone(),
    };
    let (time, fraction): (Time, u8) = match (&value, kind) {
        (Value::Date(_), Kind::Date) => return Ok(value),
        (Value::DateTime(moment), Kind::DateTime { fraction } | Kind::Timestamp { fraction }) => {
            (moment.time, *fraction)
        }
        (Value::Time(time), Kind::Time { fraction }) => (*time, *fraction),
        _ => return Err(wrong()),
    };
    if fraction_digits(time.micros) > fraction {
        return Err(format!("more than {fraction} digits behind the second"));
    }
    Ok(value)
}

fn fit_json(value: &Value, binary: bool) -> Result<Value, Unfit> {
    let text = match value {
        Value::Json(text) | Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        _ => return Err("no JSON".to_owned()),
    };
    let document: serde_json::Value =
        serde_json::from_str(&text).map_err(|_| "no valid JSON".to_owned())?;
    if binary {
        if repeats_a_name(&text) {
            return Err("a name twice in one object, of which MySQL keeps the last".to_owned());
        }
        json_numbers_fit(&document)?;
    }
    Ok(Value::Json(text))
}

/// MySQL's JSON holds integers of 64 bits and doubles; any other number would be turned into a double.
fn json_numbers_fit(document: &serde_json::Value) -> Result<(), Unfit> {
    match document {
        serde_json::Value::Number(number) => {
            let text = number.to_string();
            let number = Decimal::parse(&text);
            let holds = if is_json_integer(&text) {
                number.and_then(|number| number.to_integer()).is_some_and(|whole| {
                    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&whole)
                })
            } else {
                number.is_some_and(|number| number.to_f64_exact().is_some())
            };
            holds.then_some(()).ok_or_else(|| "a number that MySQL's JSON would round".to_owned())
        }
        serde_json::Value::Array(items) => items.iter().try_for_each(json_numbers_fit),
        serde_json::Value::Object(fields) => fields.values().try_for_each(json_numbers_fit),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(value: &Value, kind: &Kind) -> bool {
        fit_present(value, kind).is_err()
    }

    fn dec(text: &str) -> Value {
        Value::Decimal(Decimal::parse(text).unwrap())
    }

    #[test]
    fn numbers_are_never_rounded() {
        let money = Kind::Decimal { precision: 10, scale: 2 };
        assert_eq!(fit_present(&dec("99999999.99"), &money), Ok(dec("99999999.99")));
        assert!(refused(&dec("0.001"), &money));
        assert!(refused(&dec("100000000"), &money));
        assert_eq!(fit_present(&dec("12.5"), &Kind::Numeric), Ok(Value::Float(12.5)));
        assert_eq!(fit_present(&dec("12.00"), &Kind::Numeric), Ok(Value::Int(12)));
        assert!(refused(&dec("12345678901234567.89"), &Kind::Numeric));
        assert!(refused(&Value::Float(0.1), &Kind::Float));
        assert_eq!(fit_present(&Value::Float(0.5), &Kind::Float), Ok(Value::Float(0.5)));
        assert!(refused(&Value::Float(f64::NAN), &Kind::Double));
        let tiny = Kind::Int { bits: 8, unsigned: false };
        assert_eq!(fit_present(&Value::Int(-128), &tiny), Ok(Value::Int(-128)));
        assert!(refused(&Value::Int(128), &tiny));
        assert!(refused(&Value::Int(-1), &Kind::Int { bits: 64, unsigned: true }));
        assert!(refused(&Value::Int(1900), &Kind::Year));
    }

    #[test]
    fn text_and_bytes_are_never_cut_or_padded() {
        let char3 = Kind::Text { chars: Some(3), bytes: None, fixed: true };
        assert_eq!(fit_present(&Value::text("商品名"), &char3), Ok(Value::text("商品名")));
        assert!(refused(&Value::text("abcd"), &char3));
        assert!(refused(&Value::text("a "), &char3));
        let tiny = Kind::Text { chars: None, bytes: Some(255), fixed: false };
        assert!(refused(&Value::text("商".repeat(86)), &tiny));
        let binary4 = Kind::Bytes { max: Some(4), fixed: true };
        assert!(refused(&Value::Bytes(vec![1, 2]), &binary4));
        assert!(refused(&Value::text("abcd"), &binary4));
    }

    #[test]
    fn temporal_values_keep_their_fraction() {
        let moment = Value::DateTime("2024-01-01 00:00:00.5".parse().unwrap());
        assert!(refused(&moment, &Kind::DateTime { fraction: 0 }));
        assert_eq!(fit_present(&moment, &Kind::DateTime { fraction: 1 }), Ok(moment.clone()));
        assert!(refused(&Value::text("yesterday"), &Kind::Date));
    }

    #[test]
    fn json_labels_and_uuids() {
        let json = |text: &str| Value::Json(text.into());
        assert!(refused(&json("[18446744073709551616]"), &Kind::Json { binary: true }));
        assert!(refused(&json("0.10000000000000001"), &Kind::Json { binary: true }));
        assert!(!refused(&json("18446744073709551616"), &Kind::Json { binary: false }));
        assert!(refused(&json("{"), &Kind::Json { binary: false }));
        assert!(refused(&Value::text("c"), &Kind::Enum(vec!["a".into()])));
        assert!(!refused(&Value::text("a,b"), &Kind::Set(vec!["b".into(), "a".into()])));
        let text = |chars: Option<u64>, declared: &str| Column {
            kind: Kind::Text { chars, bytes: None, fixed: true },
            declared: declared.to_owned(),
            ..Column::of(Kind::Uuid)
        };
        let (uuid, digits) = (Value::Uuid([0; 16]), Value::text("0".repeat(32)));
        assert_eq!(fit(&uuid, &text(Some(32), "char(32)")), Ok(digits.clone()));
        assert_eq!(fit(&uuid, &text(None, "CHAR(32)")), Ok(digits));
        let dashed = Value::text("00000000-0000-0000-0000-000000000000");
        assert_eq!(fit(&uuid, &text(None, "text")), Ok(dashed.clone()));
        assert_eq!(fit(&uuid, &text(Some(36), "char(36)")), Ok(dashed));
    }
}
