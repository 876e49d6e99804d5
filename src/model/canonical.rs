//! Whether two cells of different servers mean the same.
//!
//! Decimals by value, JSON by structure (key order and spacing ignored; 1 and 1.0 kept apart),
//! temporal values by value, doubles by their bits, text by its bytes.

use sha2::{Digest, Sha256};

use super::json::{normal_json, same_json};
use super::number::Decimal;
use super::row::Row;
use super::value::{Value, parse_uuid};

/// Whether two rows mean the same, cell by cell.
pub fn same_row(a: &Row, b: &Row) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

/// Whether two cells mean the same.
pub fn same(a: &Value, b: &Value) -> bool {
    if a == b {
        return true;
    }
    match (a, b) {
        (Value::Int(whole), Value::Decimal(number))
        | (Value::Decimal(number), Value::Int(whole)) => number.to_integer() == Some(*whole),
        (Value::Float(double), Value::Decimal(number))
        | (Value::Decimal(number), Value::Float(double)) => {
            number.to_f64_exact().is_some_and(|exact| exact.to_bits() == double.to_bits())
        }
        (Value::Float(double), Value::Int(whole)) | (Value::Int(whole), Value::Float(double)) => {
            let exact = Decimal::from(*whole).to_f64_exact();
            exact.is_some_and(|exact| exact.to_bits() == double.to_bits())
        }
        (Value::Json(a), Value::Json(b) | Value::Text(b)) | (Value::Text(a), Value::Json(b)) => {
            same_json(a, b)
        }
        (Value::Json(json), Value::Int(whole)) | (Value::Int(whole), Value::Json(json)) => {
            json.trim().parse() == Ok(*whole)
        }
        (Value::Decimal(number), Value::Text(text))
        | (Value::Text(text), Value::Decimal(number)) => {
            Decimal::parse(text).as_ref() == Some(number)
        }
        (Value::Date(date), Value::Text(text)) | (Value::Text(text), Value::Date(date)) => {
            text.parse() == Ok(*date)
        }
        (Value::DateTime(moment), Value::Text(text))
        | (Value::Text(text), Value::DateTime(moment)) => text.parse() == Ok(*moment),
        (Value::Time(time), Value::Text(text)) | (Value::Text(text), Value::Time(time)) => {
            text.parse() == Ok(*time)
        }
        (Value::Uuid(uuid), Value::Text(text)) | (Value::Text(text), Value::Uuid(uuid)) => {
            parse_uuid(text) == Some(*uuid)
        }
        (Value::Uuid(uuid), Value::Bytes(bytes)) | (Value::Bytes(bytes), Value::Uuid(uuid)) => {
            uuid == &bytes[..]
        }
        _ => false,
    }
}

/// 128 bits of a row that are the same for rows that mean the same.
pub fn fingerprint(row: &Row) -> u128 {
    let mut hasher = Sha256::new();
    for cell in row {
        let (class, text) = normal(cell);
        hasher.update(format!("{class}{}:", text.len()));
        hasher.update(text);
    }
    hasher.finalize().iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

/// A cell in the one spelling of everything that means the same.
fn normal(cell: &Value) -> (char, Vec<u8>) {
    let number = |number: &Decimal| ('n', number.to_string().into_bytes());
    match cell {
        Value::Null => ('0', Vec::new()),
        Value::Int(whole) => number(&Decimal::from(*whole)),
        Value::Decimal(decimal) => number(decimal),
        Value::Float(double) => match Decimal::from_f64(*double) {
            Some(decimal) if double.to_bits() != (-0.0_f64).to_bits() => number(&decimal),
            _ => ('f', double.to_bits().to_be_bytes().to_vec()),
        },
        Value::Text(text) => ('t', text.as_bytes().to_vec()),
        Value::Bytes(bytes) => ('b', bytes.clone()),
        Value::Date(date) => ('d', date.to_string().into_bytes()),
        Value::DateTime(moment) => ('m', moment.to_string().into_bytes()),
        Value::Time(time) => ('c', time.to_string().into_bytes()),
        Value::Json(text) => ('j', normal_json(text).into_bytes()),
        Value::Uuid(uuid) => ('u', uuid.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_mean_the_same_have_one_fingerprint() {
        let decimal = |text: &str| Value::Decimal(Decimal::parse(text).unwrap());
        let alike = [
            (Value::Int(3), decimal("3.00")),
            (Value::Float(12.5), decimal("12.50")),
            (
                Value::Json(r#"{"a": [1, 2.50], "b": 1e1}"#.into()),
                Value::Json(r#"{"b":10.0,"a":[1,2.5]}"#.into()),
            ),
        ];
        for (a, b) in alike {
            assert!(same(&a, &b), "{a:?} {b:?}");
            assert_eq!(fingerprint(&vec![a]), fingerprint(&vec![b]));
        }
        let apart = [
            Value::Null,
            Value::text(""),
            Value::text("3"),
            Value::Int(3),
            Value::Float(-0.0),
            Value::Int(0),
            Value::Json("3".into()),
            Value::Json("3.0".into()),
            Value::Json(r#"{"a":1,"a":2}"#.into()),
            Value::Json(r#"{"a":2}"#.into()),
        ];
        let prints: std::collections::HashSet<u128> =
            apart.iter().map(|cell| fingerprint(&vec![cell.clone()])).collect();
        assert_eq!(prints.len(), apart.len());
        let row = |a: &str, b: &str| fingerprint(&vec![Value::text(a), Value::text(b)]);
        assert_ne!(row("ab", "c"), row("a", "bc"));
    }

    #[test]
    fn numbers_by_value() {
        let decimal = |text: &str| Value::Decimal(Decimal::parse(text).unwrap());
        assert!(same(&decimal("12.50"), &decimal("12.5")));
        assert!(same(&Value::Int(3), &decimal("3.00")));
        assert!(same(&Value::Float(0.1), &decimal("0.1")));
        assert!(same(&Value::Float(3.0), &Value::Int(3)));
        assert!(!same(&Value::Float(-0.0), &Value::Int(0)));
        assert!(!same(&Value::Float(0.0), &Value::Float(-0.0)));
        assert!(!same(&Value::Int(1), &Value::text("1")));
        assert!(!same(&Value::Null, &Value::text("")));
    }

    #[test]
    fn text_by_bytes_and_time_by_value() {
        assert!(!same(&Value::text("Bob"), &Value::text("bob")));
        assert!(!same(&Value::text("bob "), &Value::text("bob")));
        let time = Value::Time("10:00:00.500000".parse().unwrap());
        assert!(same(&time, &Value::text("10:00:00.5")));
        let uuid = Value::Uuid([1; 16]);
        assert!(same(&uuid, &Value::text("01010101010101010101010101010101")));
        assert!(same(&uuid, &Value::Bytes(vec![1; 16])));
    }
}
