//! What identifies a row, and where it stands among all rows of its table.
//!
//! Keys are compared bytewise, whatever a collation says. Each key has an *ordinal* of 64 bits that
//! both servers and the engine compute alike: for a single integer key the integer itself, for every
//! other key the first 64 bits of SHA-256 over the key's bytes. Chunks are ranges of ordinals.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::number::Decimal;
use super::value::{Value, parse_uuid, uuid_digits};

/// The cells that identify a row, in the key's order, in the form that both sides share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(pub Vec<Value>);

/// How one column of a key is written where the key is hashed. The servers write the same bytes
/// (`endpoint::mysql::sign`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyPart {
    /// Decimal digits.
    Int,
    /// UTF-8.
    Text,
    /// As they are.
    Bytes,
    /// 32 lower-case digits.
    Uuid,
    /// With 30 digits behind the point.
    Decimal,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD HH:MM:SS.ffffff`.
    DateTime,
    /// `[-]HH:MM:SS.ffffff`.
    Time,
}

/// How a table's keys become ordinals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyForm {
    /// One integer of at most 64 bits with a sign: order is kept.
    Signed,
    /// One integer of 64 bits without a sign: order is kept.
    Unsigned,
    /// Everything else: hashed, part by part.
    Hashed(Vec<KeyPart>),
}

const SIGN: u64 = 1 << 63;

impl KeyForm {
    /// Whether ordinals are hashes (then a chunk's bounds are powers of two apart).
    pub fn is_hashed(&self) -> bool {
        matches!(self, Self::Hashed(_))
    }

    /// The ordinal of a key; a cell that is not of its part's kind is hashed as its text. `None` for NULL and for what
    /// is no integer where the key is one: SQLite lets a key hold such cells, but they identify no row.
    pub fn ordinal(&self, key: &Key) -> Option<u64> {
        let integer = key.0.first().and_then(Value::as_int);
        match self {
            Self::Signed => {
                let number = i64::try_from(integer?).ok()?;
                Some(number.cast_unsigned() ^ SIGN)
            }
            Self::Unsigned => u64::try_from(integer?).ok(),
            Self::Hashed(_) if key.0.iter().any(Value::is_null) => None,
            Self::Hashed(parts) => {
                let mut hasher = Sha256::new();
                for (part, value) in parts.iter().zip(&key.0) {
                    let bytes = part.bytes(value);
                    hasher.update(format!("{}:", bytes.len()));
                    hasher.update(&bytes);
                }
                Some(first_64_bits(&hasher.finalize()))
            }
        }
    }

    /// The integer key that has this ordinal; `None` for hashes.
    pub fn integer(&self, ordinal: u64) -> Option<i128> {
        match self {
            Self::Signed => Some(i128::from((ordinal ^ SIGN).cast_signed())),
            Self::Unsigned => Some(i128::from(ordinal)),
            Self::Hashed(_) => None,
        }
    }
}

impl KeyPart {
    /// A cell in the form that both sides share, so that equal keys are equal values.
    #[must_use]
    pub fn shared(self, value: Value) -> Value {
        let shared = match (self, &value) {
            (Self::Uuid, Value::Text(text)) => parse_uuid(text).map(Value::Uuid),
            (Self::Uuid, Value::Bytes(bytes)) => {
                <[u8; 16]>::try_from(&bytes[..]).ok().map(Value::Uuid)
            }
            (Self::Decimal, Value::Int(number)) => Some(Value::Decimal(Decimal::from(*number))),
            (Self::Decimal, Value::Float(number)) => Decimal::from_f64(*number).map(Value::Decimal),
            _ => None,
        };
        shared.unwrap_or(value)
    }

    /// The bytes of a cell that both servers would hash for it.
    pub fn bytes(self, value: &Value) -> Vec<u8> {
        match (self, value) {
            (_, Value::Bytes(bytes)) => bytes.clone(),
            (Self::Decimal, Value::Decimal(number)) => number.with_scale(30).into_bytes(),
            (Self::Decimal, Value::Int(number)) => {
                Decimal::from(*number).with_scale(30).into_bytes()
            }
            (Self::DateTime, Value::DateTime(moment)) => {
                let clock = Value::Time(moment.time);
                [moment.date.to_string().into_bytes(), b" ".to_vec(), Self::Time.bytes(&clock)]
                    .concat()
            }
            (Self::Time, Value::Time(time)) => {
                let whole = super::temporal::Time { micros: 0, ..*time };
                let sign = if time.negative && !whole.negative { "-" } else { "" };
                format!("{sign}{whole}.{:06}", time.micros).into_bytes()
            }
            (_, Value::Uuid(uuid)) => uuid_digits(uuid).into_bytes(),
            (_, Value::Text(text) | Value::Json(text)) => text.clone().into_bytes(),
            (_, Value::Int(number)) => number.to_string().into_bytes(),
            (_, Value::Decimal(number)) => number.to_string().into_bytes(),
            (_, Value::Date(date)) => date.to_string().into_bytes(),
            (_, Value::DateTime(moment)) => moment.to_string().into_bytes(),
            (_, Value::Time(time)) => time.to_string().into_bytes(),
            (_, Value::Float(number)) => number.to_bits().to_be_bytes().to_vec(),
            (_, Value::Null) => Vec::new(),
        }
    }
}

/// The first eight bytes of a hash, big-endian, as `CONV(LEFT(SHA2(…, 256), 16), 16, 10)` gives them.
pub fn first_64_bits(hash: &[u8]) -> u64 {
    hash.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_their_order() {
        let numbers = [i64::MIN, -1, 0, 1, i64::MAX].map(i128::from);
        let ordinals =
            numbers.map(|number| KeyForm::Signed.ordinal(&Key(vec![Value::Int(number)])).unwrap());
        assert!(ordinals.is_sorted());
        assert_eq!(ordinals.map(|ordinal| KeyForm::Signed.integer(ordinal).unwrap()), numbers);
        let top = Key(vec![Value::Int(i128::from(u64::MAX))]);
        assert_eq!(KeyForm::Unsigned.ordinal(&top), Some(u64::MAX));
        assert_eq!(KeyForm::Unsigned.integer(u64::MAX), Some(i128::from(u64::MAX)));
    }

    #[test]
    fn what_identifies_no_row_has_no_place() {
        for cell in [Value::Null, Value::text("7"), Value::Int(1 << 64)] {
            let key = Key(vec![cell]);
            assert_eq!(KeyForm::Signed.ordinal(&key), None);
            assert_eq!(KeyForm::Unsigned.ordinal(&key), None);
        }
        let form = KeyForm::Hashed(vec![KeyPart::Text, KeyPart::Int]);
        assert_eq!(form.ordinal(&Key(vec![Value::text("a"), Value::Null])), None);
    }

    #[test]
    fn parts_have_boundaries() {
        let form = KeyForm::Hashed(vec![KeyPart::Text, KeyPart::Text]);
        let key = |a: &str, b: &str| Key(vec![Value::text(a), Value::text(b)]);
        assert_ne!(form.ordinal(&key("ab", "c")), form.ordinal(&key("a", "bc")));
        assert_ne!(form.ordinal(&key("Bob", "x")), form.ordinal(&key("bob", "x")));
    }

    #[test]
    fn one_value_has_one_spelling_in_a_key() {
        let decimal =
            |text: &str| KeyPart::Decimal.bytes(&Value::Decimal(Decimal::parse(text).unwrap()));
        assert_eq!(decimal("1.50"), decimal("1.5"));
        assert_eq!(decimal("2"), KeyPart::Decimal.bytes(&Value::Int(2)));
        let time = |text: &str| KeyPart::Time.bytes(&Value::Time(text.parse().unwrap()));
        assert_eq!(time("-00:00:00.5"), b"-00:00:00.500000");
        let moment = Value::DateTime("2024-01-02 03:04:05".parse().unwrap());
        assert_eq!(KeyPart::DateTime.bytes(&moment), b"2024-01-02 03:04:05.000000");
    }
}
