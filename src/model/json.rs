//! JSON documents: when two of them mean the same, and what a server might quietly lose of one.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::number::Decimal;

/// JSON by structure: key order and spacing ignored, 1 and 1.0 kept apart. Documents that cannot be read, or in which a name
/// occurs twice in one object, are the same only to the letter.
pub fn same_json(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if repeats_a_name(a) || repeats_a_name(b) {
        return false;
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

/// A document in the one spelling of all that mean the same; as it is where it cannot be read or a name occurs twice.
pub fn normal_json(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(document) if !repeats_a_name(text) => {
            let mut spelled = String::new();
            spell(&document, &mut spelled);
            spelled
        }
        _ => text.to_owned(),
    }
}

fn spell(document: &Json, to: &mut String) {
    match document {
        Json::Number(number) => {
            let text = number.to_string();
            let negative = text.starts_with('-');
            match Decimal::parse(&text) {
                Some(number) if !negative || number != Decimal::from(0) => {
                    to.push_str(&number.to_string());
                    to.push_str(if is_json_integer(&text) { "" } else { "." });
                }
                _ => to.push_str(&text),
            }
        }
        Json::Array(items) => {
            to.push('[');
            for item in items {
                spell(item, to);
                to.push(',');
            }
            to.push(']');
        }
        Json::Object(fields) => {
            let mut names: Vec<(&String, &Json)> = fields.iter().collect();
            names.sort_unstable_by_key(|(name, _)| *name);
            to.push('{');
            for (name, value) in names {
                to.push_str(&Json::String(name.clone()).to_string());
                to.push(':');
                spell(value, to);
                to.push(',');
            }
            to.push('}');
        }
        other => to.push_str(&other.to_string()),
    }
}

/// Whether a name occurs twice in one object, of which MySQL keeps the last alone.
pub fn repeats_a_name(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Repeats(true)))
}

struct Repeats(bool);

impl<'de> Deserialize<'de> for Repeats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looking)
    }
}

struct Looking;

macro_rules! has_no_names {
    ($($visit:ident: $type:ty),+) => {
        $(fn $visit<E>(self, _: $type) -> Result<Repeats, E> { Ok(Repeats(false)) })+
    };
}

impl<'de> Visitor<'de> for Looking {
    type Value = Repeats;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    has_no_names!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Repeats, E> {
        Ok(Repeats(false))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Repeats, A::Error> {
        let mut repeats = false;
        while let Some(Repeats(inside)) = items.next_element()? {
            repeats |= inside;
        }
        Ok(Repeats(repeats))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Repeats, A::Error> {
        let mut names = std::collections::HashSet::new();
        let mut repeats = false;
        while let Some(name) = fields.next_key::<String>()? {
            repeats |= !names.insert(name);
            if repeats {
                fields.next_value::<IgnoredAny>()?;
            } else {
                repeats |= fields.next_value::<Repeats>()?.0;
            }
        }
        Ok(Repeats(repeats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(a: &str, b: &str) -> bool {
        same_json(a, b)
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
        let nested = |number: u32| format!("{}{number}{}", "[".repeat(100), "]".repeat(100));
        assert!(json(&nested(1), &format!(" {}", nested(1))));
        assert!(!json(&nested(1), &nested(2)));
    }

    #[test]
    fn names_that_occur_twice() {
        assert!(repeats_a_name(r#"{"a": 1, "a": 2}"#));
        assert!(repeats_a_name(r#"[{"b": {"a": 1.5, "\u0061": 18446744073709551616}}]"#));
        assert!(!repeats_a_name(r#"[{"a": 1}, {"a": {"a": 12345678901234567890123}}]"#));
        assert!(!repeats_a_name("{"));
        assert!(!json(r#"{"a": 1, "a": 2}"#, r#"{"a": 2}"#));
        assert!(json(r#"{"a": 1, "a": 2}"#, r#"{"a": 1, "a": 2}"#));
    }
}
