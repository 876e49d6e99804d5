//! Signatures of a server's rows, computed by the engine while the rows pass through it.
//!
//! The same as the server's own (`sql::expression::signature`), bit by bit, so that a table need not be read once more when it
//! was read whole anyway. What the server would sign is known where its text travels as it is; of other columns (character
//! sets that are converted on their way, doubles that the engine holds as doubles) this room says that it cannot tell. Whoever
//! uses such signatures asks the server what it makes of the rows that were written.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::endpoint::sql::expression::{LONG, is_long, may_hold_commas};
use crate::endpoint::{Dialect, View};
use crate::model::key::first_64_bits;
use crate::model::temporal::Time;
use crate::model::value::{hex, uuid_dashed};
use crate::model::{Column, Kind, Signature, Value};

/// Signs rows of one table as its server would.
pub struct Signer {
    cells: Vec<Framing>,
    signed: Vec<u8>,
}

/// How a cell stands among the others.
#[derive(Clone, Copy)]
struct Framing {
    length: bool,
    long: bool,
}

impl Signer {
    /// For cells that arrive as the server's own text of them; `None` where some column's text would arrive in another
    /// character set.
    pub fn of_texts(view: &View<'_>) -> Option<Self> {
        if view.dialect == Dialect::Sqlite || view.pair.has_quiet_columns() {
            return None;
        }
        let framing = |column: &Column| {
            let kind = &column.kind;
            let known = !matches!(kind, Kind::Text { .. }) || is_utf8(column);
            known.then(|| Framing { length: may_hold_commas(kind), long: is_long(kind) })
        };
        let cells = view.columns().map(framing).collect::<Option<Vec<_>>>()?;
        Some(Self { cells, signed: Vec::new() })
    }

    /// For cells that the engine holds; `None` where it does not know the server's text of some column.
    pub fn of_values(view: &View<'_>) -> Option<Self> {
        let signer = Self::of_texts(view)?;
        let known = |column: &Column| match &column.kind {
            Kind::Float | Kind::Double | Kind::Numeric | Kind::Unknown => false,
            Kind::Int { .. } | Kind::Decimal { .. } | Kind::Year => {
                !column.declared.to_ascii_lowercase().contains("zerofill")
            }
            // Documents are spelled anew.
            Kind::Json { binary } => !binary,
            _ => true,
        };
        view.columns().all(known).then_some(signer)
    }

    /// Signs a row's cells, in the order of the synced columns.
    pub fn sign<'a>(&mut self, cells: impl Iterator<Item = Option<Cow<'a, [u8]>>>) -> Signature {
        self.signed.clear();
        for (cell, framing) in cells.zip(&self.cells) {
            if !self.signed.is_empty() {
                self.signed.push(b',');
            }
            let Some(cell) = cell else {
                self.signed.push(b'N');
                continue;
            };
            if framing.length {
                self.signed.extend_from_slice(cell.len().to_string().as_bytes());
                self.signed.push(b',');
            }
            if framing.long && cell.len() as u64 > LONG {
                self.signed.extend_from_slice(hex(&Sha256::digest(&*cell)).as_bytes());
            } else {
                self.signed.extend_from_slice(&cell);
            }
        }
        first_64_bits(&Sha256::digest(&self.signed))
    }
}

/// Whether a column's text travels in the bytes that the server has of it.
fn is_utf8(column: &Column) -> bool {
    let utf8 = |name: &String| name.starts_with("utf8") || name.starts_with("ascii");
    column.collation.as_ref().is_some_and(utf8)
}

/// A cell in the server's text of it, or of doubles in a text that it takes for the same.
pub fn server_text<'a>(value: &'a Value, column: &Column) -> Option<Cow<'a, [u8]>> {
    let owned = |text: String| Some(Cow::Owned(text.into_bytes()));
    match (value, &column.kind) {
        (Value::Null, _) => None,
        (Value::Text(text), Kind::Set(labels)) => {
            let set: Vec<&str> = text.split(',').collect();
            let held = labels.iter().filter(|label| set.contains(&label.as_str()));
            owned(held.map(String::as_str).collect::<Vec<_>>().join(","))
        }
        (Value::Text(text) | Value::Json(text), _) => Some(Cow::Borrowed(text.as_bytes())),
        (Value::Bytes(bytes), _) => Some(Cow::Borrowed(bytes)),
        (Value::Int(year), Kind::Year) => owned(format!("{year:04}")),
        (Value::Int(number), _) => owned(number_text(*number)),
        (Value::Decimal(number), Kind::Decimal { scale, .. }) => {
            owned(number.with_scale(usize::from(*scale)))
        }
        (Value::Decimal(number), _) => owned(number.to_string()),
        (Value::Float(number), _) => owned(format!("{number:?}")),
        (Value::Date(date), _) => owned(date.to_string()),
        (Value::DateTime(moment), Kind::DateTime { fraction } | Kind::Timestamp { fraction }) => {
            owned(format!("{} {}", moment.date, clock(moment.time, *fraction)))
        }
        (Value::DateTime(moment), _) => owned(moment.to_string()),
        (Value::Time(time), Kind::Time { fraction }) => owned(clock(*time, *fraction)),
        (Value::Time(time), _) => owned(time.to_string()),
        (Value::Uuid(uuid), _) => owned(uuid_dashed(uuid)),
    }
}

/// Most numbers fit 64 bits, which are spelled much faster than 128.
fn number_text(number: i128) -> String {
    i64::try_from(number).map_or_else(|_| number.to_string(), |short| short.to_string())
}

/// A time with so many digits behind the second.
fn clock(time: Time, fraction: u8) -> String {
    let whole = Time { micros: 0, ..time }.to_string();
    if fraction == 0 {
        return whole;
    }
    let micros = format!("{:06}", time.micros);
    format!("{whole}.{}", micros.get(..usize::from(fraction)).unwrap_or(&micros))
}
