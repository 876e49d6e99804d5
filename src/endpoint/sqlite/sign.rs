//! Signatures of SQLite's rows, computed by the engine.

use sha2::{Digest, Sha256};

use crate::model::key::first_64_bits;
use crate::model::{Row, Signature, Value};
use crate::plan::merge::QUIET;

/// 64 bits of SHA-256 over every cell, each with its class and length before it.
///
/// Cells are signed in the form in which the engine holds them: a moment is the same moment with or
/// without the zeros of its fraction.
///
/// Cells for which `quiet` answers true, where there are such, have the last 16 bits to themselves.
pub fn signature(row: &Row, quiet: Option<&dyn Fn(usize) -> bool>) -> Signature {
    let Some(quiet) = quiet else { return hash(row.iter()) };
    let cells = |wanted: bool| {
        let cells = row.iter().enumerate().filter(move |(at, _)| quiet(*at) == wanted);
        cells.map(|(_, value)| value)
    };
    hash(cells(false)) & !QUIET | hash(cells(true)) & QUIET
}

fn hash<'a>(cells: impl Iterator<Item = &'a Value>) -> Signature {
    let mut hasher = Sha256::new();
    for value in cells {
        let (class, bytes) = match value {
            Value::Null => ('N', Vec::new()),
            Value::Int(number) => ('I', number.to_string().into_bytes()),
            Value::Float(number) => ('F', number.to_bits().to_be_bytes().to_vec()),
            Value::Decimal(number) => ('D', number.as_str().as_bytes().to_vec()),
            Value::Text(text) => ('T', text.as_bytes().to_vec()),
            Value::Bytes(bytes) => ('B', bytes.clone()),
            Value::Date(date) => ('d', date.to_string().into_bytes()),
            Value::DateTime(moment) => ('m', moment.to_string().into_bytes()),
            Value::Time(time) => ('t', time.to_string().into_bytes()),
            Value::Json(text) => ('J', text.as_bytes().to_vec()),
            Value::Uuid(uuid) => ('U', uuid.to_vec()),
        };
        hasher.update(format!("{class}{}:", bytes.len()));
        hasher.update(bytes);
    }
    first_64_bits(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            rows.iter().map(|row| signature(row, None)).collect();
        assert_eq!(signatures.len(), rows.len());
    }
}
