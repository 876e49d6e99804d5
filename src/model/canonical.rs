//! Whether two cells of different servers mean the same.
//!
//! Decimals by value, JSON by structure (key order and spacing ignored; 1 and 1.0 kept apart),
//! temporal values by value, doubles by their bits, text by its bytes.

use super::json::same_json;
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

#[cfg(test)]
mod tests {
    use super::*;

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
