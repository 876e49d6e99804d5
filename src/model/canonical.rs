//! Whether two cells of different servers mean the same.
//!
//! Decimals by value, JSON by structure (key order and spacing ignored; 1 and 1.0 kept apart),
//! temporal values by value, doubles by their bits, text by its bytes.

use serde_json::Value as Json;

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

/// JSON by structure; documents that cannot be read are the same only to the letter.
fn same_json(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (serde_json::from_str(a), serde_json::from_str(b)) {
        (Ok(a), Ok(b)) => same_document(&a, &b),
        _ => false,
    }
}

fn same_document(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => same_json_number(&a.to_string(), &b.to_string()),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_document(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            let equal =
                |(name, a): (&String, &Json)| b.get(name).is_some_and(|b| same_document(a, b));
            a.len() == b.len() && a.iter().all(equal)
        }
        (a, b) => a == b,
    }
}

/// Whether a JSON number is written as an integer (`1`) rather than as a fraction (`1.0`, `1e0`).
pub fn is_json_integer(text: &str) -> bool {
    !text.contains(['.', 'e', 'E'])
}

fn same_json_number(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    // −0.0 is a double of its own; a decimal number has no such thing.
    let negative_zero =
        |text: &str| text.starts_with('-') && Decimal::parse(text) == Decimal::parse("0");
    is_json_integer(a) == is_json_integer(b)
        && negative_zero(a) == negative_zero(b)
        && Decimal::parse(a).is_some_and(|number| Some(number) == Decimal::parse(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(a: &str, b: &str) -> bool {
        same(&Value::Json(a.into()), &Value::Json(b.into()))
    }

    #[test]
    fn json_by_structure() {
        assert!(json(r#"{"a":1,"b":[1,2]}"#, r#"{ "b": [1, 2], "a": 1 }"#));
        assert!(json("1e2", "100.0"));
        assert!(json(r#""\u5546""#, r#""商""#));
        assert!(!json("1", "1.0"));
        assert!(!json("18446744073709551616", "18446744073709551617"));
        assert!(!json("[1,2]", "[2,1]"));
        assert!(!json("0.1", "0.10000000000000001"));
        assert!(!json("0.0", "-0.0"));
        assert!(!json("{", "{ "));
        assert!(same(&Value::Json("[1]".into()), &Value::text("[ 1 ]")));
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
