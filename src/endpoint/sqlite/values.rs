//! Cells to and from SQLite's five storage classes.
//!
//! What a column is declared as only says how a cell is *read* where its storage fits; a cell of another
//! storage class stays what it is (SQLite lets any column hold anything).

use sqlx::decode::Decode;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteQueryResult, SqliteRow};
use sqlx::{Arguments, Error, Row as _, TypeInfo, ValueRef};

use crate::endpoint::session::Driver;
use crate::model::number::Decimal;
use crate::model::row::from_text;
use crate::model::value::uuid_digits;
use crate::model::{Kind, Row, Value};

impl Driver for Sqlite {
    fn arguments(values: &[Value]) -> Result<SqliteArguments, Error> {
        let mut arguments = SqliteArguments::default();
        for value in values {
            bind(&mut arguments, value).map_err(Error::Encode)?;
        }
        Ok(arguments)
    }

    fn decode(row: &SqliteRow, kinds: &[Kind]) -> Result<Row, Error> {
        kinds.iter().enumerate().map(|(at, kind)| cell(row, at, kind)).collect()
    }

    fn decode_plain(row: &SqliteRow, kinds: &[Kind]) -> Result<Row, Error> {
        Self::decode(row, kinds)
    }

    fn touched(done: &SqliteQueryResult) -> u64 {
        done.rows_affected()
    }
}

fn bind(arguments: &mut SqliteArguments, value: &Value) -> Result<(), BoxDynError> {
    match value {
        Value::Null => Arguments::add(arguments, None::<i64>),
        Value::Int(number) => Arguments::add(arguments, i64::try_from(*number)?),
        Value::Float(number) => Arguments::add(arguments, *number),
        Value::Decimal(number) => {
            // Keys of NUMERIC columns: the form that `model::fit` gives their cells.
            match number.to_integer().and_then(|whole| i64::try_from(whole).ok()) {
                Some(whole) => Arguments::add(arguments, whole),
                None => match number.to_f64_exact() {
                    Some(double) => Arguments::add(arguments, double),
                    None => Arguments::add(arguments, number.to_string()),
                },
            }
        }
        Value::Text(text) | Value::Json(text) => Arguments::add(arguments, text.clone()),
        Value::Bytes(bytes) => Arguments::add(arguments, bytes.clone()),
        Value::Date(date) => Arguments::add(arguments, date.to_string()),
        Value::DateTime(moment) => Arguments::add(arguments, moment.to_string()),
        Value::Time(time) => Arguments::add(arguments, time.to_string()),
        Value::Uuid(uuid) => Arguments::add(arguments, uuid_digits(uuid)),
    }
}

/// A cell as it will be read again once it is stored in a column of this kind.
pub fn as_read(value: &Value, kind: &Kind) -> Value {
    let decimal = match (value, kind) {
        (Value::Int(number), Kind::Numeric | Kind::Decimal { .. }) => Some(Decimal::from(*number)),
        (Value::Float(number), Kind::Numeric | Kind::Decimal { .. }) => Decimal::from_f64(*number),
        _ => None,
    };
    decimal.map_or_else(|| value.clone(), Value::Decimal)
}

fn cell(row: &SqliteRow, at: usize, kind: &Kind) -> Result<Value, Error> {
    let raw = row.try_get_raw(at)?;
    let wrong = |source: BoxDynError| Error::ColumnDecode { index: at.to_string(), source };
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let storage = raw.type_info().name().to_owned();
    Ok(match storage.as_str() {
        "INTEGER" => {
            let number: i64 = Decode::<'_, Sqlite>::decode(raw).map_err(wrong)?;
            match kind {
                Kind::Numeric | Kind::Decimal { .. } => {
                    Value::Decimal(Decimal::from(i128::from(number)))
                }
                _ => Value::Int(number.into()),
            }
        }
        "REAL" => {
            let number: f64 = Decode::<'_, Sqlite>::decode(raw).map_err(wrong)?;
            match (kind, Decimal::from_f64(number)) {
                (Kind::Numeric | Kind::Decimal { .. }, Some(decimal)) => Value::Decimal(decimal),
                _ => Value::Float(number),
            }
        }
        "TEXT" => {
            let bytes: &[u8] = Decode::<'_, Sqlite>::decode(raw).map_err(wrong)?;
            match std::str::from_utf8(bytes) {
                Ok(text) => from_text(text, kind),
                Err(_) => Value::Bytes(bytes.to_vec()),
            }
        }
        _ => Value::Bytes(Decode::<'_, Sqlite>::decode(raw).map_err(wrong)?),
    })
}
