//! Whole tables at once: what `LOAD DATA` is told, and rows as its lines.

use std::io::Write as _;

use super::expression::shown;
use super::{Statement, View};
use crate::model::value::{hex, uuid_dashed};
use crate::model::{Kind, Row, Value};

/// The name under which the lines are asked for; no file has it.
pub const LINES: &str = "db_sync";

impl View<'_> {
    /// Every synced cell of every row, in the order of the key, in which a table without rows takes them best.
    pub fn select_every(&self) -> Statement {
        let columns: Vec<String> =
            self.columns().map(|column| shown(self.dialect, column)).collect();
        let (columns, table) = (columns.join(","), self.quoted());
        let order = self.quoted_key().join(",");
        Statement::new(format!("SELECT {columns} FROM {table} ORDER BY {order}"))
            .cells(self.columns().map(|column| column.kind.clone()))
    }

    /// What takes [`lines`] in. `REPLACE` has the server refuse what it would otherwise coerce or leave out; on a table
    /// without rows there is nothing to replace, and rows that replace each other are counted.
    /// (<https://dev.mysql.com/doc/refman/8.4/en/load-data.html>)
    pub fn load_lines(&self) -> String {
        let (mut places, mut sets) = (Vec::new(), Vec::new());
        for (at, column) in self.columns().enumerate() {
            let name = self.dialect.quote(&column.name);
            let cell = match column.kind {
                Kind::Bytes { .. } => format!("UNHEX(@c{at})"),
                Kind::Raw => format!("CAST(UNHEX(@c{at}) AS BINARY)"),
                Kind::Bit(_) => format!("CAST(@c{at} AS UNSIGNED)"),
                _ => {
                    places.push(name);
                    continue;
                }
            };
            places.push(format!("@c{at}"));
            sets.push(format!("{name}={cell}"));
        }
        let sets = if sets.is_empty() { String::new() } else { format!(" SET {}", sets.join(",")) };
        let (table, places) = (self.quoted(), places.join(","));
        format!(
            "LOAD DATA LOCAL INFILE '{LINES}' REPLACE INTO TABLE {table} CHARACTER SET utf8mb4 \
             FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({places}){sets}"
        )
    }
}

/// Rows as lines: cells between tabs, bytes in hexadecimal digits, `\N` for NULL.
pub fn lines(rows: &[Row]) -> Vec<u8> {
    let mut text = Vec::with_capacity(rows.len() * 256);
    for row in rows {
        for (at, value) in row.iter().enumerate() {
            if at > 0 {
                text.push(b'\t');
            }
            cell(&mut text, value);
        }
        text.push(b'\n');
    }
    text
}

fn cell(text: &mut Vec<u8>, value: &Value) {
    // Writing to memory does not fail.
    let _ = match value {
        Value::Null => text.write_all(b"\\N"),
        Value::Int(number) => write!(text, "{number}"),
        Value::Float(number) => write!(text, "{number:?}"),
        Value::Decimal(number) => text.write_all(number.as_str().as_bytes()),
        Value::Text(cell) | Value::Json(cell) => {
            escaped(text, cell.as_bytes());
            Ok(())
        }
        Value::Bytes(bytes) => text.write_all(hex(bytes).as_bytes()),
        Value::Date(date) => write!(text, "{date}"),
        Value::DateTime(moment) => write!(text, "{moment}"),
        Value::Time(time) => write!(text, "{time}"),
        Value::Uuid(uuid) => text.write_all(uuid_dashed(uuid).as_bytes()),
    };
}

/// Text in which nothing ends a cell or a line.
fn escaped(text: &mut Vec<u8>, mut cell: &[u8]) {
    let special = |byte: &u8| matches!(byte, b'\\' | b'\t' | b'\n' | b'\0');
    while let Some(at) = cell.iter().position(special) {
        text.extend_from_slice(&cell[..at]);
        let letter = match cell[at] {
            b'\t' => b't',
            b'\n' => b'n',
            b'\0' => b'0',
            other => other,
        };
        text.extend_from_slice(&[b'\\', letter]);
        cell = &cell[at + 1..];
    }
    text.extend_from_slice(cell);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_cell_ends_it() {
        let row = vec![
            Value::Int(-1),
            Value::Null,
            Value::text("a\tb\nc\\N\0\r'\""),
            Value::text(""),
            Value::text("\\N"),
            Value::Bytes(vec![0, 10, 255]),
            Value::Float(1e300),
            Value::Float(-0.0),
        ];
        let text = String::from_utf8(lines(&[row.clone(), row])).unwrap();
        let line = "-1\t\\N\ta\\tb\\nc\\\\N\\0\r'\"\t\t\\\\N\t000aff\t1e300\t-0.0\n";
        assert_eq!(text, format!("{line}{line}"));
    }
}
