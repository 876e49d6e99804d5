//! Whole tables at once: what `LOAD DATA` is told, and rows as its lines.

use std::borrow::Cow;

use super::expression::{every_bit, shown};
use super::{Statement, View};
use crate::endpoint::mysql::sign::server_text;
use crate::model::value::hex;
use crate::model::{Column, Kind, Row};

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

    /// Every bit of every synced cell of every row, in the order of the key: the texts that signatures are made of. They stand
    /// behind a short one, as sqlx takes a row whose first cell is a very long text for the end.
    pub fn select_every_bit(&self) -> Statement {
        let bits = |column: &Column| {
            every_bit(self.dialect, self.dialect.quote(&column.name), &column.kind)
        };
        let columns: Vec<String> = self.columns().map(bits).collect();
        let (columns, table) = (columns.join(","), self.quoted());
        let order = self.quoted_key().join(",");
        Statement::new(format!("SELECT 0,{columns} FROM {table} ORDER BY {order}"))
    }

    /// What takes [`lines`] in. A local load warns of what it coerces and leaves out, and refuses nothing: its warnings have to be
    /// counted. (`REPLACE` would refuse, but looks for each row first.)
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
            "LOAD DATA LOCAL INFILE '{LINES}' INTO TABLE {table} CHARACTER SET utf8mb4 \
             FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({places}){sets}"
        )
    }
}

/// A row as a line, from the server's own texts of its cells.
pub fn line<'a>(text: &mut Vec<u8>, cells: impl Iterator<Item = (Option<&'a [u8]>, &'a Kind)>) {
    for (at, (cell, kind)) in cells.enumerate() {
        if at > 0 {
            text.push(b'\t');
        }
        match (cell, kind) {
            (None, _) => text.extend_from_slice(b"\\N"),
            (Some(bytes), Kind::Bytes { .. } | Kind::Raw) => {
                text.extend_from_slice(hex(bytes).as_bytes());
            }
            (Some(bytes), _) => escaped(text, bytes),
        }
    }
    text.push(b'\n');
}

/// Rows as lines: cells between tabs, bytes in hexadecimal digits, `\N` for NULL.
pub fn lines(view: &View<'_>, rows: &[Row]) -> Vec<u8> {
    let mut text = Vec::with_capacity(rows.len() * 256);
    let columns: Vec<&Column> = view.columns().collect();
    for row in rows {
        let cells: Vec<Option<Cow<'_, [u8]>>> =
            row.iter().zip(&columns).map(|(cell, column)| server_text(cell, column)).collect();
        let kinds = columns.iter().map(|column| &column.kind);
        line(&mut text, cells.iter().map(Option::as_deref).zip(kinds));
    }
    text
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
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    /// A line as the server reads it: <https://dev.mysql.com/doc/refman/8.4/en/load-data.html>, "Field and Line Handling".
    fn read(lines: &[u8]) -> Vec<Vec<Option<Vec<u8>>>> {
        let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), Some(Vec::new()));
        let mut bytes = lines.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\t' => row.push(cell.replace(Vec::new())),
                b'\n' => {
                    row.push(cell.replace(Vec::new()));
                    rows.push(std::mem::take(&mut row));
                }
                b'\\' => match bytes.next() {
                    Some(b'N') if cell == Some(Vec::new()) => cell = None,
                    Some(b't') => cell.as_mut().unwrap().push(b'\t'),
                    Some(b'n') => cell.as_mut().unwrap().push(b'\n'),
                    Some(b'0') => cell.as_mut().unwrap().push(0),
                    other => cell.as_mut().unwrap().extend(other),
                },
                byte => cell.as_mut().unwrap().push(*byte),
            }
        }
        rows
    }

    proptest! {
        #[test]
        fn whatever_a_cell_holds_comes_out_again(
            rows in vec(vec(option::of(vec(any::<u8>(), 0..20)), 3), 0..5),
            hostile in vec(vec(option::of("[\\\\\\t\\n\\x00N0a]{0,8}".prop_map(String::into_bytes)), 3), 0..5),
        ) {
            let kind = Kind::Text { chars: None, bytes: None, fixed: false };
            let rows: Vec<_> = rows.into_iter().chain(hostile).collect();
            let mut text = Vec::new();
            for row in &rows {
                line(&mut text, row.iter().map(|cell| (cell.as_deref(), &kind)));
            }
            prop_assert_eq!(read(&text), rows);
        }
    }

    #[test]
    fn nothing_in_a_cell_ends_it() {
        let (text, bytes) = (
            Kind::Text { chars: None, bytes: None, fixed: false },
            Kind::Bytes { max: None, fixed: false },
        );
        let cells: [(Option<&[u8]>, &Kind); 6] = [
            (Some(b"-1"), &Kind::Year),
            (None, &text),
            (Some(b"a\tb\nc\\N\0\r'\""), &text),
            (Some(b""), &text),
            (Some(b"\\N"), &text),
            (Some(&[0, 10, 255]), &bytes),
        ];
        let mut lines = Vec::new();
        line(&mut lines, cells.into_iter());
        line(&mut lines, cells.into_iter());
        let one = "-1\t\\N\ta\\tb\\nc\\\\N\\0\r'\"\t\t\\\\N\t000aff\n";
        assert_eq!(String::from_utf8(lines).unwrap(), format!("{one}{one}"));
    }
}
