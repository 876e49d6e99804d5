//! Signatures of SQLite's rows, computed by the engine.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::model::key::first_64_bits;
use crate::model::{Signature, Value};
use crate::plan::merge::QUIET;

/// 64 bits of SHA-256 over every cell, each with its class and length before it.
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
        match value.as_ref() {
            Value::Null => add(&mut bytes, 'N', &[]),
            Value::Int(number) => add(&mut bytes, 'I', number.to_string().as_bytes()),
            Value::Float(number) => add(&mut bytes, 'F', &number.to_bits().to_be_bytes()),
            Value::Decimal(number) => add(&mut bytes, 'D', number.as_str().as_bytes()),
            Value::Text(text) => add(&mut bytes, 'T', text.as_bytes()),
            Value::Bytes(cell) => add(&mut bytes, 'B', cell),
            Value::Date(date) => add(&mut bytes, 'd', date.to_string().as_bytes()),
            Value::DateTime(moment) => add(&mut bytes, 'm', moment.to_string().as_bytes()),
            Value::Time(time) => add(&mut bytes, 't', time.to_string().as_bytes()),
            Value::Json(text) => add(&mut bytes, 'J', text.as_bytes()),
            Value::Uuid(uuid) => add(&mut bytes, 'U', uuid),
        }
    }
    first_64_bits(&Sha256::digest(&bytes))
}

fn add(bytes: &mut Vec<u8>, class: char, cell: &[u8]) {
    bytes.extend_from_slice(format!("{class}{}:", cell.len()).as_bytes());
    bytes.extend_from_slice(cell);
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
