//! Whole rows: what they hold, how they are signed, and how they are written down for people.

use serde_json::{Map, Value as Json};

use super::number::Decimal;
use super::table::Kind;
use super::value::{Value, hex, parse_uuid, unhex, uuid_dashed};

/// The cells of one row, in the order of the columns that are synced.
pub type Row = Vec<Value>;

/// 64 bits that one side computes of one row; comparable with the same side's earlier ones alone.
pub type Signature = u64;

/// About how many bytes a row's cells take.
pub fn weight(row: &Row) -> usize {
    row.iter().map(Value::weight).sum()
}

/// One cell as JSON that a person can read and [`from_json`] can read back exactly.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(number) => number.to_string().parse().map_or(Json::Null, Json::Number),
        Value::Float(number) if number.is_finite() => {
            let text = format!("{number:?}");
            text.parse().map_or(Json::String(text), Json::Number)
        }
        Value::Float(number) => Json::String(number.to_string()),
        Value::Decimal(number) => Json::String(number.to_string()),
        Value::Text(text) | Value::Json(text) => Json::String(text.clone()),
        Value::Bytes(bytes) => {
            Json::Object(Map::from_iter([("bytes".to_owned(), hex(bytes).into())]))
        }
        Value::Date(date) => Json::String(date.to_string()),
        Value::DateTime(moment) => Json::String(moment.to_string()),
        Value::Time(time) => Json::String(time.to_string()),
        Value::Uuid(uuid) => Json::String(uuid_dashed(uuid)),
    }
}

/// A cell from its JSON, for a column of this kind; `None` where the JSON is nothing that
/// [`to_json`] writes.
pub fn from_json(json: &Json, kind: &Kind) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Number(number) => {
            let text = number.to_string();
            match text.parse() {
                Ok(whole) => Value::Int(whole),
                Err(_) => Value::Float(text.parse().ok()?),
            }
        }
        Json::String(text) => from_text(text, kind),
        Json::Object(object) => Value::Bytes(unhex(object.get("bytes")?.as_str()?)?),
        Json::Bool(_) | Json::Array(_) => return None,
    })
}

/// A cell from its text, for a column of this kind; text that is none of the kind's stays text.
pub fn from_text(text: &str, kind: &Kind) -> Value {
    let parsed = match kind {
        Kind::Decimal { .. } | Kind::Numeric => Decimal::parse(text).map(Value::Decimal),
        Kind::Float | Kind::Double => text.parse().ok().map(Value::Float),
        Kind::Date => text.parse().ok().map(Value::Date),
        Kind::DateTime { .. } | Kind::Timestamp { .. } => text.parse().ok().map(Value::DateTime),
        Kind::Time { .. } => text.parse().ok().map(Value::Time),
        Kind::Json { .. } => Some(Value::Json(text.to_owned())),
        Kind::Uuid => parse_uuid(text).map(Value::Uuid),
        Kind::Set(_) => Some(Value::Text(sorted_labels(text))),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::text(text))
}

/// A SET's labels in alphabetical order, so that two servers that declare them in another order agree.
fn sorted_labels(text: &str) -> String {
    let mut labels: Vec<&str> = text.split(',').collect();
    labels.sort_unstable();
    labels.join(",")
}

/// Named cells as a JSON object.
pub fn object<'a>(cells: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Json {
    Json::Object(cells.into_iter().map(|(name, value)| (name.to_owned(), to_json(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reads_back_exactly() {
        let text = Kind::Text { chars: None, bytes: None, fixed: false };
        let cases = [
            (Value::Null, Kind::Double),
            (Value::Int(18_446_744_073_709_551_615), Kind::Int { bits: 64, unsigned: true }),
            (Value::Float(-0.0), Kind::Double),
            (Value::Float(1e300), Kind::Double),
            (Value::Float(f64::INFINITY), Kind::Double),
            (Value::Float(3.0), Kind::Double),
            (Value::Decimal(Decimal::parse("12345678901234567890.123").unwrap()), Kind::Numeric),
            (Value::text("商品 🎁"), text),
            (Value::Bytes(vec![0, 255]), Kind::Bytes { max: None, fixed: false }),
            (
                Value::DateTime("0000-00-00 00:00:00".parse().unwrap()),
                Kind::DateTime { fraction: 0 },
            ),
            (Value::Json("{\"a\": 1}".into()), Kind::Json { binary: false }),
            (Value::Uuid([7; 16]), Kind::Uuid),
        ];
        for (value, kind) in cases {
            let json: Json = serde_json::from_str(&to_json(&value).to_string()).unwrap();
            assert_eq!(from_json(&json, &kind).unwrap(), value, "{json}");
        }
    }

    #[test]
    fn sets_do_not_depend_on_their_order() {
        assert_eq!(from_text("b,a", &Kind::Set(vec![])), Value::text("a,b"));
    }
}
