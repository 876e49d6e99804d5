//! Cells to and from MySQL's binary protocol.

use sqlx::decode::Decode;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySql, MySqlArguments, MySqlRow};
use sqlx::{Arguments, Error, Row as _, ValueRef};

use crate::model::number::Decimal;
use crate::model::row::from_text;
use crate::model::value::uuid_dashed;
use crate::model::{Kind, Row, Value};

/// A statement's arguments.
///
/// # Errors
/// The driver's error for a value that it cannot send.
pub fn arguments(values: &[Value]) -> Result<MySqlArguments, Error> {
    let mut arguments = MySqlArguments::default();
    for value in values {
        bind(&mut arguments, value).map_err(Error::Encode)?;
    }
    Ok(arguments)
}

/// A result row, cell by cell, by the kinds that the statement announced: the result set's own types lie (MariaDB's JSON comes
/// as a BLOB).
///
/// # Errors
/// The driver's error for a cell of another form than its kind.
pub fn cells(row: &MySqlRow, kinds: &[Kind]) -> Result<Row, Error> {
    kinds.iter().enumerate().map(|(at, kind)| cell(row, at, kind)).collect()
}

/// The same for a row of the plain protocol.
///
/// # Errors
/// As [`cells`].
pub fn plain_cells(row: &MySqlRow, kinds: &[Kind]) -> Result<Row, Error> {
    let texts = Texts(row);
    let cell = |(at, kind): (usize, &Kind)| {
        let Some(text) = texts.cell(at) else { return Ok(Value::Null) };
        from_server_text(text, kind).ok_or_else(|| Error::ColumnDecode {
            index: at.to_string(),
            source: "a cell of another form than its type".into(),
        })
    };
    kinds.iter().enumerate().map(cell).collect()
}

fn bind(arguments: &mut MySqlArguments, value: &Value) -> Result<(), BoxDynError> {
    match value {
        Value::Null => arguments.add(None::<String>),
        Value::Int(number) => match i64::try_from(*number) {
            Ok(number) => arguments.add(number),
            Err(_) => arguments.add(u64::try_from(*number)?),
        },
        Value::Float(number) => arguments.add(*number),
        Value::Decimal(number) => arguments.add(number.as_str()),
        Value::Text(text) | Value::Json(text) => arguments.add(text.as_str()),
        Value::Bytes(bytes) => arguments.add(bytes.as_slice()),
        Value::Date(date) => arguments.add(date.to_string()),
        Value::DateTime(moment) => arguments.add(moment.to_string()),
        Value::Time(time) => arguments.add(time.to_string()),
        Value::Uuid(uuid) => arguments.add(uuid_dashed(uuid)),
    }
}

/// A row of the text protocol, cell by cell as the server spells them.
pub struct Texts<'r>(pub &'r MySqlRow);

impl<'r> Texts<'r> {
    /// A cell's bytes; `None` for NULL.
    pub fn cell(&self, at: usize) -> Option<&'r [u8]> {
        let raw = self.0.try_get_raw(at).ok()?;
        if raw.is_null() { None } else { <&[u8] as Decode<'_, MySql>>::decode(raw).ok() }
    }
}

/// A cell from the server's own text of it.
pub fn from_server_text(text: &[u8], kind: &Kind) -> Option<Value> {
    Some(match kind {
        Kind::Int { .. } | Kind::Bit(_) | Kind::Year => {
            Value::Int(std::str::from_utf8(text).ok()?.parse().ok()?)
        }
        Kind::Bytes { .. } | Kind::Raw | Kind::Unknown => Value::Bytes(text.to_vec()),
        _ => from_text(std::str::from_utf8(text).ok()?, kind),
    })
}

fn cell(row: &MySqlRow, at: usize, kind: &Kind) -> Result<Value, Error> {
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let wrong = |source: BoxDynError| Error::ColumnDecode { index: at.to_string(), source };
    let bytes = <&[u8] as Decode<'_, MySql>>::decode(raw).map_err(wrong)?;
    value(bytes, kind).ok_or_else(|| wrong("a cell of another form than its type".into()))
}

/// One cell from its bytes in the binary protocol.
fn value(bytes: &[u8], kind: &Kind) -> Option<Value> {
    Some(match kind {
        Kind::Int { unsigned, .. } => Value::Int(little_endian(bytes, !unsigned)?),
        Kind::Year => Value::Int(little_endian(bytes, false)?),
        Kind::Bit(_) => {
            Value::Int(bytes.iter().fold(0, |number, byte| number << 8 | i128::from(*byte)))
        }
        Kind::Float => Value::Float(f32::from_le_bytes(bytes.try_into().ok()?).into()),
        Kind::Double => Value::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        Kind::Decimal { .. } => Value::Decimal(Decimal::parse(std::str::from_utf8(bytes).ok()?)?),
        Kind::Bytes { .. } | Kind::Raw | Kind::Unknown => Value::Bytes(bytes.to_vec()),
        _ => from_text(std::str::from_utf8(bytes).ok()?, kind),
    })
}

fn little_endian(bytes: &[u8], signed: bool) -> Option<i128> {
    if bytes.is_empty() || bytes.len() > 8 {
        return None;
    }
    let number = bytes.iter().rev().fold(0_i128, |number, byte| number << 8 | i128::from(*byte));
    let negative = signed && bytes.last().is_some_and(|top| top & 0x80 != 0);
    Some(if negative { number - (1 << (8 * bytes.len())) } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width() {
        assert_eq!(little_endian(&[0xff], true), Some(-1));
        assert_eq!(little_endian(&[0xff], false), Some(255));
        assert_eq!(little_endian(&[0; 8], true), Some(0));
        assert_eq!(little_endian(&[0xff; 8], false), Some(i128::from(u64::MAX)));
        assert_eq!(little_endian(&[0, 0, 0, 0, 0, 0, 0, 0x80], true), Some(i128::from(i64::MIN)));
        assert_eq!(little_endian(&[], true), None);
    }

    #[test]
    fn bits_are_big_endian() {
        assert_eq!(value(&[1, 0], &Kind::Bit(9)), Some(Value::Int(256)));
    }
}
