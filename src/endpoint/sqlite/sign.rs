//! Signatures of SQLite's rows, computed by the engine.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write as _;

use sha2::{Digest, Sha256};

use crate::model::key::first_64_bits;
use crate::model::{Signature, Value};
use crate::plan::merge::QUIET;

/// 64 bits of SHA-256 over every cell, each with its length and class behind it.
///
/// Cells are signed in the form in which the engine holds them: a moment is the same moment with or
/// without the zeros of its fraction.
///
/// Cells for which `quiet` answers true, where there are such, have the last 16 bits to themselves.
pub fn signature<'a>(
    cells: impl Iterator<Item = Cow<'a, Value>> + Clone,
    quiet: Option<&dyn Fn(usize) -> bool>,
) -> Signature {
    let Some(quiet) = quiet else { return hash(cells) };
    let some = |wanted: bool| {
        let cells = cells.clone().enumerate().filter(move |(at, _)| quiet(*at) == wanted);
        cells.map(|(_, value)| value)
    };
    hash(some(false)) & !QUIET | hash(some(true)) & QUIET
}

fn hash<'a>(cells: impl Iterator<Item = Cow<'a, Value>>) -> Signature {
    let mut bytes = Vec::with_capacity(512);
    for value in cells {
        let start = bytes.len();
        let class = match value.as_ref() {
            Value::Null => b'N',
            Value::Int(number) => add(&mut bytes, &number.to_le_bytes(), b'I'),
            Value::Float(number) => add(&mut bytes, &number.to_bits().to_le_bytes(), b'F'),
            Value::Decimal(number) => add(&mut bytes, number.as_str().as_bytes(), b'D'),
            Value::Text(text) => add(&mut bytes, text.as_bytes(), b'T'),
            Value::Bytes(cell) => add(&mut bytes, cell, b'B'),
            Value::Date(date) => spell(&mut bytes, date, b'd'),
            Value::DateTime(moment) => spell(&mut bytes, moment, b'm'),
            Value::Time(time) => spell(&mut bytes, time, b't'),
            Value::Json(text) => add(&mut bytes, text.as_bytes(), b'J'),
            Value::Uuid(uuid) => add(&mut bytes, uuid, b'U'),
        };
        // Read from the end, every row falls apart into its cells in one way.
        let length = bytes.len() - start;
        bytes.extend_from_slice(&(length as u64).to_le_bytes());
        bytes.push(class);
    }
    first_64_bits(&Sha256::digest(&bytes))
}

fn add(bytes: &mut Vec<u8>, cell: &[u8], class: u8) -> u8 {
    bytes.extend_from_slice(cell);
    class
}

fn spell(bytes: &mut Vec<u8>, cell: &impl Display, class: u8) -> u8 {
    // Nothing refuses to be written to memory.
    let _ = write!(bytes, "{cell}");
    class
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Row;

    #[test]
    fn nothing_runs_together() {
        let rows: [Row; 6] = [
            vec![Value::Null, Value::text("")],
            vec![Value::text(""), Value::Null],
            vec![Value::text("N0:"), Value::text("")],
            vec![Value::text("a"), Value::text("bc")],
            vec![Value::text("ab"), Value::text("c")],
            vec![Value::Bytes(b"ab".to_vec()), Value::text("c")],
        ];
        let signatures: std::collections::HashSet<_> =
            rows.iter().map(|row| signature(row.iter().map(Cow::Borrowed), None)).collect();
        assert_eq!(signatures.len(), rows.len());
    }
}
