//! Cells to and from SQLite's five storage classes.
//!
//! What a column is declared as only says how a cell is *read* where its storage fits; a cell of another
//! storage class stays what it is (SQLite lets any column hold anything).

use std::borrow::Cow;

use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
use rusqlite::{Error, Row as Fetched, Statement};

use crate::model::number::Decimal;
use crate::model::row::from_text;
use crate::model::value::uuid_digits;
use crate::model::{Kind, Row, Value};

/// Gives a statement its arguments.
///
/// # Errors
/// SQLite's error for a value that it cannot hold.
pub fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), Error> {
    for (at, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, argument(value)?)?;
    }
    Ok(())
}

fn argument(value: &Value) -> Result<ToSqlOutput<'_>, Error> {
    let whole = |number: i128| {
        i64::try_from(number).map_err(|problem| Error::ToSqlConversionFailure(problem.into()))
    };
    let text = |text: String| ToSqlOutput::Owned(Owned::Text(text));
    Ok(match value {
        Value::Null => ToSqlOutput::Owned(Owned::Null),
        Value::Int(number) => ToSqlOutput::Owned(Owned::Integer(whole(*number)?)),
        Value::Float(number) => ToSqlOutput::Owned(Owned::Real(*number)),
        Value::Decimal(number) => {
            // Keys of NUMERIC columns: the form that `model::fit` gives their cells.
            match number.to_integer().and_then(|whole| i64::try_from(whole).ok()) {
                Some(whole) => ToSqlOutput::Owned(Owned::Integer(whole)),
                None => match number.to_f64_exact() {
                    Some(double) => ToSqlOutput::Owned(Owned::Real(double)),
                    None => text(number.to_string()),
                },
            }
        }
        Value::Text(text) | Value::Json(text) => {
            ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
        }
        Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        Value::Date(date) => text(date.to_string()),
        Value::DateTime(moment) => text(moment.to_string()),
        Value::Time(time) => text(time.to_string()),
        Value::Uuid(uuid) => text(uuid_digits(uuid)),
    })
}

/// A cell as it will be read again once it is stored in a column of this kind.
pub fn as_read<'a>(value: &'a Value, kind: &Kind) -> Cow<'a, Value> {
    let decimal = match (value, kind) {
        (Value::Int(number), Kind::Numeric | Kind::Decimal { .. }) => Some(Decimal::from(*number)),
        (Value::Float(number), Kind::Numeric | Kind::Decimal { .. }) => Decimal::from_f64(*number),
        _ => None,
    };
    decimal.map_or(Cow::Borrowed(value), |decimal| Cow::Owned(Value::Decimal(decimal)))
}

/// A result row, cell by cell, by the kinds that the statement announced.
///
/// # Errors
/// SQLite's error where the row has fewer cells.
pub fn cells(row: &Fetched<'_>, kinds: &[Kind]) -> Result<Row, Error> {
    kinds.iter().enumerate().map(|(at, kind)| Ok(cell(row.get_ref(at)?, kind))).collect()
}

fn cell(stored: ValueRef<'_>, kind: &Kind) -> Value {
    let exact = matches!(kind, Kind::Numeric | Kind::Decimal { .. });
    match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) if exact => Value::Decimal(Decimal::from(i128::from(number))),
        ValueRef::Integer(number) => Value::Int(number.into()),
        ValueRef::Real(number) => match Decimal::from_f64(number) {
            Some(decimal) if exact => Value::Decimal(decimal),
            _ => Value::Float(number),
        },
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => from_text(text, kind),
            Err(_) => Value::Bytes(bytes.to_vec()),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}
