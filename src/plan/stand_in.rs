//! Values with which a row steps aside while others take its place in a unique key.
//!
//! They last no longer than a transaction. A stand-in that some row happens to have is no harm: the server says so, and
//! the next one is tried.

use chrono::{Days, NaiveDate, TimeDelta};

use crate::model::number::Decimal;
use crate::model::{Column, Kind, Value};

/// Stand-ins that are worth trying: as many as the smallest types have values.
const TRIES: u64 = 300;
/// Far enough apart that the tries of one row do not meet those of the next thousands.
const STRIDE: u64 = 1_000_003;

/// Values that hardly any row has, for the row of this number among those that step aside; none for types that no unique
/// key has.
pub fn stand_ins(column: &Column, number: usize) -> impl Iterator<Item = Value> {
    (0..TRIES).filter_map(move |attempt| {
        let narrow = width(&column.kind).is_some_and(|values| values <= STRIDE);
        let step = if narrow { attempt } else { attempt * STRIDE };
        stand_in(column, number as u64 + step)
    })
}

/// How many values a kind has, where those are few.
fn width(kind: &Kind) -> Option<u64> {
    match kind {
        Kind::Int { bits, .. } | Kind::Bit(bits) if *bits < 32 => Some(1 << bits),
        Kind::Year => Some(155),
        Kind::Enum(labels) | Kind::Set(labels) => Some(labels.len() as u64),
        Kind::Decimal { precision, .. } if *precision < 9 => {
            Some(10_u64.pow(u32::from(*precision)))
        }
        Kind::Text { chars: Some(chars), .. } if *chars < 4 => Some(1000),
        Kind::Bytes { max: Some(max), .. } if *max < 4 => Some(1 << (8 * max)),
        Kind::Date => Some(700_000),
        _ => None,
    }
}

fn stand_in(column: &Column, number: u64) -> Option<Value> {
    let wide = i128::from(number);
    Some(match &column.kind {
        Kind::Int { bits, unsigned } => {
            let values = 1_i128 << bits;
            let top = if *unsigned { values - 1 } else { values / 2 - 1 };
            Value::Int(top - wide % values)
        }
        Kind::Bit(bits) => Value::Int((1_i128 << bits) - 1 - wide % (1_i128 << bits)),
        Kind::Year => Value::Int(2155 - wide % 155),
        Kind::Numeric => Value::Int(i128::from(i64::MAX) - wide),
        Kind::Decimal { precision, scale } => {
            let nines = 10_u128.checked_pow(u32::from(*precision)).unwrap_or(u128::MAX);
            let unscaled = nines - 1 - u128::from(number) % nines;
            Value::Decimal(Decimal::parse(&format!("{unscaled}e-{scale}"))?)
        }
        Kind::Float => {
            let bits = f32::MAX.to_bits() - u32::try_from(number % (1 << 23)).ok()?;
            Value::Float(f32::from_bits(bits).into())
        }
        Kind::Double => Value::Float(f64::from_bits(f64::MAX.to_bits() - number)),
        Kind::Text { chars, .. } => Value::Text(text(column, *chars, number)),
        Kind::Bytes { max, .. } => {
            let size = usize::try_from(max.unwrap_or(16).min(16)).ok()?;
            let bytes = (u128::MAX - u128::from(number)).to_be_bytes();
            Value::Bytes(bytes[16 - size..].to_vec())
        }
        Kind::Uuid => Value::Uuid((u128::MAX - u128::from(number)).to_be_bytes()),
        Kind::Inet if column.declared.eq_ignore_ascii_case("inet4") => {
            let [.., a, b, c] = number.to_be_bytes();
            Value::Text(format!("250.{a}.{b}.{c}"))
        }
        Kind::Inet => {
            Value::Text(format!("ff00::{:x}:{:x}", number >> 16 & 0xffff, number & 0xffff))
        }
        Kind::Date => day(number % 700_000)?,
        Kind::DateTime { .. } => clock((9999, 12, 31), number)?,
        Kind::Timestamp { .. } => clock((2038, 1, 19), number % 1_000_000_000)?,
        Kind::Time { .. } => {
            let seconds = number % (838 * 3600);
            let hours = 837 - seconds / 3600;
            let text = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
            Value::Time(text.parse().ok()?)
        }
        Kind::Enum(labels) | Kind::Set(labels) => {
            let at = number.checked_rem(labels.len() as u64)?;
            Value::text(labels.get(usize::try_from(at).ok()?)?)
        }
        Kind::Json { .. } | Kind::Raw | Kind::Unknown => return None,
    })
}

/// A token where it fits; else the number in few letters, which every character set has.
fn text(column: &Column, chars: Option<u64>, number: u64) -> String {
    let token = format!("~db_sync~{number}");
    let room = chars.unwrap_or(u64::MAX);
    if token.len() as u64 <= room {
        return token;
    }
    let unicode = column.collation.as_ref().is_none_or(|collation| collation.starts_with("utf8"));
    // Characters for private use: nobody's own, and a collation keeps them apart.
    let (first, letters) = if unicode { (0xE000, 0x1000) } else { (0x21, 0x20) };
    let mut rest = number;
    let mut text = String::new();
    for _ in 0..room.min(8) {
        let letter = u32::try_from(rest % letters).unwrap_or(0);
        text.extend(char::from_u32(first + letter));
        rest /= letters;
    }
    text
}

fn day(before: u64) -> Option<Value> {
    let date = NaiveDate::from_ymd_opt(9999, 12, 31)?.checked_sub_days(Days::new(before))?;
    Some(Value::Date(date.format("%Y-%m-%d").to_string().parse().ok()?))
}

fn clock((year, month, day): (i32, u32, u32), seconds: u64) -> Option<Value> {
    let top = NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0)?;
    let before = top.checked_sub_signed(TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?)?;
    Some(Value::DateTime(before.format("%Y-%m-%d %H:%M:%S").to_string().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fit;

    #[test]
    fn stand_ins_fit_and_differ() {
        let text = |chars| Kind::Text { chars: Some(chars), bytes: None, fixed: true };
        let kinds = [
            Kind::Int { bits: 8, unsigned: false },
            Kind::Int { bits: 64, unsigned: true },
            Kind::Bit(9),
            Kind::Year,
            Kind::Decimal { precision: 3, scale: 2 },
            Kind::Decimal { precision: 65, scale: 30 },
            Kind::Float,
            Kind::Double,
            Kind::Numeric,
            text(1),
            text(40),
            Kind::Bytes { max: Some(2), fixed: true },
            Kind::Bytes { max: Some(16), fixed: true },
            Kind::Uuid,
            Kind::Inet,
            Kind::Date,
            Kind::DateTime { fraction: 0 },
            Kind::Timestamp { fraction: 3 },
            Kind::Time { fraction: 0 },
        ];
        for kind in kinds {
            let column = Column::of(kind);
            let tried: Vec<Value> = stand_ins(&column, 5).collect();
            let different: std::collections::HashSet<_> = tried.iter().collect();
            assert!(different.len() >= 150, "{:?}: {}", column.kind, different.len());
            for value in &tried {
                assert!(fit::fit(value, &column).is_ok(), "{:?}: {value:?}", column.kind);
            }
            let neighbour = stand_ins(&column, 6).next();
            assert_ne!(neighbour.as_ref(), tried.first(), "{:?}", column.kind);
        }
    }

    #[test]
    fn few_labels_are_all_tried() {
        let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
        let column = Column::of(Kind::Enum(labels));
        let tried: std::collections::HashSet<Value> = stand_ins(&column, 1).collect();
        assert_eq!(tried.len(), 3);
        assert_eq!(stand_ins(&column, 0).count(), 300);
    }
}
