//! JSON documents: when two of them mean the same, and what a server might quietly lose of one.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::number::Decimal;

/// JSON by structure: key order and spacing ignored, 1 and 1.0 kept apart. Documents that cannot be read, in which a name
/// occurs twice in one object, or which the reader would take for something else, are the same only to the letter.
pub fn same_json(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if [a, b].into_iter().any(|text| repeats_a_name(text) || names_a_number(text)) {
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

/// Whether a document may hold the name by which the reader hands long numbers to itself: it takes an object that begins with
/// this name for a number (<https://github.com/serde-rs/json/issues/505>).
fn names_a_number(text: &str) -> bool {
    const NAME: &str = "$serde_json::private::Number";
    if !text.contains('\\') {
        return text.contains(NAME);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once("\\u") {
        plain.push_str(before);
        let code = escape.get(..4).and_then(|code| u32::from_str_radix(code, 16).ok());
        rest = if code.is_some() { &escape[4..] } else { escape };
        plain.extend(code.and_then(char::from_u32));
    }
    plain.push_str(rest);
    plain.contains(NAME)
}

/// A document in the one spelling of all that mean the same; as it is where it cannot be read or a name occurs twice.
pub fn normal_json(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(document) if !repeats_a_name(text) && !names_a_number(text) => {
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
    use proptest::prelude::*;

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
    fn an_object_is_no_number() {
        let object = r#"{"$serde_json::private::Number": "1"}"#;
        let escaped = r#"{"\u0024serde_json::private::\u004eumber": "1"}"#;
        assert!(!json("1", object) && !json("1", escaped));
        assert!(
            json(object, object) && normal_json(object) == object && normal_json("1") != object
        );
    }

    /// Documents of every form, each spelled twice: as it comes, and with its names turned round and spaces between.
    fn spelled_twice() -> impl Strategy<Value = (String, String)> {
        let text = "[ -~é商😀]{0,6}".prop_map(|text| serde_json::to_string(&text).unwrap());
        let number = prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            (any::<i32>(), 0..999_u32).prop_map(|(whole, part)| format!("{whole}.{part:03}")),
            (-9..9_i32, -30..30_i32).prop_map(|(digit, power)| format!("{digit}e{power}")),
        ];
        let word = prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(str::to_owned);
        let leaf = prop_oneof![text.clone(), number, word].prop_map(|text| (text.clone(), text));
        leaf.prop_recursive(4, 32, 5, move |inner| {
            let list = |parts: &[String], between: &str| parts.join(between);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(move |items| {
                    let (a, b): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                    (format!("[{}]", list(&a, ",")), format!("[ {} ]", list(&b, " ,\n")))
                }),
                proptest::collection::btree_map(text.clone(), inner, 0..5).prop_map(
                    move |fields| {
                        let field = |name: &String, value: &String| format!("{name}:{value}");
                        let a: Vec<_> =
                            fields.iter().map(|(name, (a, _))| field(name, a)).collect();
                        let b = fields.iter().rev().map(|(name, (_, b))| field(name, b));
                        let b: Vec<_> = b.collect();
                        (format!("{{{}}}", list(&a, ",")), format!("{{ {} }}", list(&b, "\t, ")))
                    }
                ),
            ]
        })
    }

    proptest! {
        #[test]
        fn spelling_makes_no_difference((a, b) in spelled_twice()) {
            prop_assert!(same_json(&a, &b) && same_json(&b, &a), "{} {}", a, b);
            prop_assert_eq!(normal_json(&a), normal_json(&b));
        }

        #[test]
        fn documents_are_the_same_where_their_one_spelling_is((a, _) in spelled_twice(), (b, _) in spelled_twice()) {
            prop_assert_eq!(same_json(&a, &b), normal_json(&a) == normal_json(&b), "{} {}", a, b);
        }

        #[test]
        fn hostile_texts_are_compared_and_never_panic(a in ".{0,40}", b in "[\\[\\]{}\",:0-9eE.+\\\\u$-]{0,60}") {
            for (a, b) in [(&a, &b), (&b, &a), (&b, &b)] {
                prop_assert_eq!(same_json(a, b), same_json(b, a));
                prop_assert!(!same_json(a, b) || normal_json(a) == normal_json(b));
            }
        }
    }

    #[test]
    fn documents_deeper_than_any_stack() {
        let deep = "[".repeat(1_000_000);
        assert!(!json(&deep, "[]") && json(&deep, &deep) && normal_json(&deep) == deep);
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
