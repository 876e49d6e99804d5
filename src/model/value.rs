//! One cell.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::number::Decimal;
use super::temporal::{Date, DateTime, Time};

/// One cell as the engine holds it: nothing rounded, nothing cut.
///
/// Equality here is equality of representation and total (doubles by their bits). Whether two cells
/// of different servers *mean* the same is asked of [`super::canonical::same`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// Any whole number from −2⁶³ to 2⁶⁴−1; also BIT, BOOL and YEAR.
    Int(i128),
    /// FLOAT and DOUBLE; every FLOAT is a double.
    Float(f64),
    /// DECIMAL.
    Decimal(Decimal),
    /// Text, ENUM and SET labels, INET addresses.
    Text(String),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
    /// DATE.
    Date(Date),
    /// DATETIME, and TIMESTAMP in UTC.
    DateTime(DateTime),
    /// TIME.
    Time(Time),
    /// A JSON document as the server spelled it.
    Json(String),
    /// A UUID's sixteen bytes.
    Uuid([u8; 16]),
}

impl Value {
    /// About how many bytes it takes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Text(text) | Self::Json(text) => text.len() + 8,
            Self::Bytes(bytes) => bytes.len() + 8,
            Self::Decimal(number) => number.as_str().len() + 8,
            _ => 24,
        }
    }

    /// Whether this is SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Text from anything that has a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The whole number in this cell, if it holds one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Decimal(number) => number.to_integer(),
            _ => None,
        }
    }

    /// The text in this cell, if it holds text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Json(text) => Some(text),
            _ => None,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::Text(a), Self::Text(b)) | (Self::Json(a), Self::Json(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::DateTime(a), Self::DateTime(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Uuid(a), Self::Uuid(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Int(number) => number.hash(state),
            Self::Float(number) => number.to_bits().hash(state),
            Self::Decimal(number) => number.hash(state),
            Self::Text(text) | Self::Json(text) => text.hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
            Self::Date(date) => date.hash(state),
            Self::DateTime(moment) => moment.hash(state),
            Self::Time(time) => time.hash(state),
            Self::Uuid(uuid) => uuid.hash(state),
        }
    }
}

/// The sixteen bytes of a UUID written with or without dashes, in any case; `None` for other text.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let dashed = text.len() == 36
        && [8, 13, 18, 23].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    if text.len() != 32 && !dashed {
        return None;
    }
    let digits: String = text.chars().filter(|c| !(dashed && *c == '-')).collect();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

/// The 32 lower-case digits of a UUID.
pub fn uuid_digits(uuid: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*uuid))
}

/// The usual spelling of a UUID, with dashes.
pub fn uuid_dashed(uuid: &[u8; 16]) -> String {
    let digits = uuid_digits(uuid);
    format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    )
}

/// Lower-case hexadecimal digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes behind hexadecimal digits; `None` where there are others or an odd number of them.
pub fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_equal_by_their_bits() {
        assert_ne!(Value::Float(0.0), Value::Float(-0.0));
        assert_eq!(Value::Float(f64::NAN), Value::Float(f64::NAN));
        assert_ne!(Value::text(""), Value::Null);
    }

    #[test]
    fn uuids_in_both_spellings() {
        let uuid = parse_uuid("6CCD780C-BABA-1026-9564-5B8C656024DB").unwrap();
        assert_eq!(uuid_dashed(&uuid), "6ccd780c-baba-1026-9564-5b8c656024db");
        assert_eq!(parse_uuid(&uuid_digits(&uuid)), Some(uuid));
        for text in [
            "",
            "6ccd780c",
            "6ccd780c-baba-1026-95645-b8c656024db",
            "zccd780cbaba102695645b8c656024db",
        ] {
            assert_eq!(parse_uuid(text), None, "{text}");
        }
        assert_eq!(unhex("00ff").unwrap(), [0, 255]);
        assert_eq!(hex(&[0, 255]), "00ff");
        assert_eq!(unhex("0"), None);
    }
}
