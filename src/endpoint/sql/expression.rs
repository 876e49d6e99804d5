//! Expressions by which MySQL and MariaDB show, sign and place a row.
//!
//! SQLite has none of these: it is in-process, so the engine reads its rows and signs them itself.

use super::{Dialect, FormerColumn, View};
use crate::model::key::KeyPart;
use crate::model::{Column, KeyForm, Kind};
use crate::plan::merge::QUIET;

/// Bytes up to which long text and blobs enter a signature as they are; beyond, hashed one by one, so
/// that `max_allowed_packet` can never turn a row's signature into NULL.
pub const LONG: u64 = 1024;

/// A column as it is selected so that its value arrives exactly.
///
/// Temporal types travel as text: the binary protocol turns zero dates into NULL and refuses long
/// TIMEs. ENUM, SET, UUID and INET travel by their text.
pub fn shown(dialect: Dialect, column: &Column) -> String {
    let name = dialect.quote(&column.name);
    if dialect == Dialect::Sqlite {
        return name;
    }
    match column.kind {
        Kind::Date | Kind::DateTime { .. } | Kind::Timestamp { .. } | Kind::Time { .. } => {
            format!("CAST({name} AS CHAR)")
        }
        Kind::Enum(_) | Kind::Set(_) | Kind::Uuid | Kind::Inet => {
            format!("CONVERT(CAST({name} AS CHAR) USING utf8mb4)")
        }
        // sqlx does not know the result type of a VECTOR.
        Kind::Raw => format!("CAST({name} AS BINARY)"),
        _ => name,
    }
}

/// An argument as it is compared with a column, so that the comparison is the column's own: a DECIMAL or a date against bare
/// text would be compared as doubles or as text, which finds the neighbours too or nothing at all, and text of another
/// character set would be compared without the index.
pub fn argument(dialect: Dialect, column: &Column) -> String {
    if dialect == Dialect::Sqlite {
        return "?".to_owned();
    }
    match (&column.kind, &column.collation) {
        (Kind::Decimal { precision, scale }, _) => {
            format!("CAST(? AS DECIMAL({precision},{scale}))")
        }
        (Kind::Date, _) => "CAST(? AS DATE)".to_owned(),
        (Kind::DateTime { fraction } | Kind::Timestamp { fraction }, _) => {
            format!("CAST(? AS DATETIME({fraction}))")
        }
        (Kind::Time { fraction }, _) => format!("CAST(? AS TIME({fraction}))"),
        (Kind::Text { .. }, Some(collation)) if !collation.starts_with("utf8mb4") => {
            let set = collation.split('_').next().unwrap_or_default();
            format!("CONVERT(? USING {set}) COLLATE {collation}")
        }
        _ => "?".to_owned(),
    }
}

/// An argument as it is written into a column. sqlx does not know the type of an argument that is a VECTOR.
pub fn written(dialect: Dialect, column: &Column) -> &'static str {
    if column.kind == Kind::Raw && dialect != Dialect::Sqlite { "CAST(? AS BINARY)" } else { "?" }
}

/// A column's every bit, for a signature, which takes the bytes of it; NULL where the cell is NULL.
pub fn every_bit(dialect: Dialect, name: String, kind: &Kind) -> String {
    match kind {
        // As a double, whose text has every digit; adding 0 instead would make 0 of -0.
        Kind::Float => format!("({name}*1e0)"),
        Kind::Bit(_) => format!("({name}+0)"),
        Kind::Raw => format!("CAST({name} AS BINARY)"),
        Kind::Json { .. } if dialect == Dialect::MySql => format!("CAST({name} AS CHAR)"),
        Kind::Enum(_) | Kind::Set(_) | Kind::Uuid | Kind::Inet => format!("CAST({name} AS CHAR)"),
        _ => name,
    }
}

/// Whether cells of this kind may be longer than [`LONG`].
pub fn is_long(kind: &Kind) -> bool {
    match kind {
        Kind::Text { chars, .. } => chars.is_none_or(|chars| chars * 4 > LONG),
        Kind::Bytes { max, .. } => max.is_none_or(|max| max > LONG),
        Kind::Json { .. } | Kind::Raw => true,
        _ => false,
    }
}

/// One cell that enters a signature: the expression that shows it, what it holds, whether it may be NULL, and whether it
/// makes no conflict.
struct Cell<'a> {
    shown: String,
    column: &'a Column,
    kind: &'a Kind,
    nullable: bool,
    quiet: bool,
}

/// The signature of a row: 64 bits of SHA-256 over every synced cell, with commas between. What may hold a comma has its
/// length before it; NULL is a bare `N`, which is no number, moment or length. So NULL, the empty string and the text 'N'
/// differ, and no two cells run together.
///
/// Where some columns make no conflict, they have the last 16 bits to themselves, and the others the first 48.
pub fn signature(view: &View<'_>) -> String {
    let cells = view.columns().zip(&view.pair.columns).map(|(column, pair)| Cell {
        shown: view.dialect.quote(&column.name),
        column,
        kind: &column.kind,
        // Alike on both sides, so that both have one rule.
        nullable: pair.sides.remote.nullable || pair.sides.local.nullable,
        quiet: pair.quiet,
    });
    signature_of(view.dialect, &cells.collect::<Vec<_>>())
}

/// The signature that the same row has by the columns that were synced before; `None` where one of them is gone.
pub fn former_signature(view: &View<'_>, former: &[FormerColumn]) -> Option<String> {
    let table = &view.pair.tables[view.side];
    let cells = former.iter().map(|former| {
        let column = table.columns.iter().find(|column| column.name == former.name)?;
        let shown = as_it_was(view.dialect, column, former);
        Some(Cell { shown, column, kind: &former.kind, nullable: true, quiet: former.quiet })
    });
    Some(signature_of(view.dialect, &cells.collect::<Option<Vec<_>>>()?))
}

/// A column in the type that it had before. What the former type cannot show is compared cell by cell by whoever asks.
fn as_it_was(dialect: Dialect, column: &Column, former: &FormerColumn) -> String {
    let name = dialect.quote(&column.name);
    let cast = |to: String| format!("CAST({name} AS {to})");
    let set = |collation: &Option<String>| {
        collation.as_ref().and_then(|collation| collation.split('_').next()).map(ToOwned::to_owned)
    };
    match &former.kind {
        kind if *kind == column.kind => {
            let (was, is) = (set(&former.collation), set(&column.collation));
            match was.filter(|was| is.as_ref() != Some(was)) {
                Some(was) => format!("CONVERT({name} USING {was})"),
                None => name,
            }
        }
        Kind::Decimal { precision, scale } => cast(format!("DECIMAL({precision},{scale})")),
        Kind::Int { unsigned: true, .. } => cast("UNSIGNED".to_owned()),
        Kind::Int { .. } => cast("SIGNED".to_owned()),
        Kind::Date => cast("DATE".to_owned()),
        Kind::DateTime { fraction } | Kind::Timestamp { fraction } => {
            cast(format!("DATETIME({fraction})"))
        }
        Kind::Time { fraction } => cast(format!("TIME({fraction})")),
        Kind::Text { .. } => match set(&former.collation) {
            Some(was) => format!("CONVERT({name} USING {was})"),
            None => name,
        },
        _ => name,
    }
}

fn signature_of(dialect: Dialect, cells: &[Cell<'_>]) -> String {
    let hash = |quiet: bool| {
        let cells = cells.iter().filter(|cell| cell.quiet == quiet);
        let signed: Vec<String> = cells.map(|cell| signed_cell(dialect, cell)).collect();
        // The separator's character set has the bytes of every cell taken as they are.
        first_64_bits(&format!("CONCAT_WS(_binary',',{})", signed.join(",")))
    };
    if cells.iter().any(|cell| cell.quiet) {
        format!("(({} & {}) | ({} & {QUIET}))", hash(false), !QUIET, hash(true))
    } else {
        hash(false)
    }
}

/// One cell, with its length before it where it may hold a comma. `CONCAT_WS` leaves out NULLs: after the `N` in the place
/// of a length nothing follows.
fn signed_cell(dialect: Dialect, cell: &Cell<'_>) -> String {
    let bits = every_bit(dialect, cell.shown.clone(), cell.kind);
    let or_n = |text: String| if cell.nullable { format!("IFNULL({text},'N')") } else { text };
    if !may_hold_commas(cell.kind) {
        return or_n(bits);
    }
    let length = or_n(format!("LENGTH({bits})"));
    if !is_long(cell.kind) {
        return format!("{length},{bits}");
    }
    // A hash beside text of most character sets would have one of them converted.
    let utf8 = cell.column.collation.as_ref().is_some_and(|name| name.starts_with("utf8"));
    let short = if utf8 { bits.clone() } else { format!("CAST({bits} AS BINARY)") };
    format!("{length},IF(LENGTH({bits})<={LONG},{short},SHA2({bits},256))")
}

/// Whether the text of such cells may hold what stands between cells.
pub fn may_hold_commas(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Text { .. }
            | Kind::Bytes { .. }
            | Kind::Json { .. }
            | Kind::Raw
            | Kind::Enum(_)
            | Kind::Set(_)
    )
}

/// The first 64 bits of SHA-256, as an unsigned integer.
fn first_64_bits(bytes: &str) -> String {
    format!("CAST(CONV(LEFT(SHA2({bytes},256),16),16,10) AS UNSIGNED)")
}

/// Where a row stands among all rows: the key itself for integers, else a hash of the key's bytes as
/// `model::key` writes them.
pub fn ordinal(view: &View<'_>) -> String {
    let names = view.quoted_key();
    match &view.pair.form {
        KeyForm::Hashed(parts) => {
            let parts = parts.iter().zip(names.iter().zip(view.key_columns()));
            let parts = parts.map(|(part, (name, column))| {
                let bytes = key_bytes(*part, name, column);
                format!("LENGTH({bytes}),':',{bytes}")
            });
            // The first argument's character set has the bytes of all taken as they are.
            first_64_bits(&format!("CONCAT(_binary'',{})", parts.collect::<Vec<_>>().join(",")))
        }
        _ => names.concat(),
    }
}

/// One part of a key in the bytes that `model::key::KeyPart::bytes` gives for it.
fn key_bytes(part: KeyPart, name: &str, column: &Column) -> String {
    let utf8 = column.collation.as_ref().is_some_and(|name| name.starts_with("utf8"));
    match (part, &column.kind) {
        (KeyPart::Bytes, _) => name.to_owned(),
        (KeyPart::Uuid, Kind::Bytes { .. }) => format!("LOWER(HEX({name}))"),
        (KeyPart::Uuid, _) => format!("LOWER(REPLACE(CAST({name} AS CHAR),'-',''))"),
        (KeyPart::Int, _) => format!("({name}+0)"),
        (KeyPart::Decimal, _) => format!("CAST({name} AS DECIMAL(65,30))"),
        (KeyPart::Date, _) => format!("CAST({name} AS CHAR)"),
        (KeyPart::DateTime, _) => format!("CAST(CAST({name} AS DATETIME(6)) AS CHAR)"),
        (KeyPart::Time, _) => format!("CAST(CAST({name} AS TIME(6)) AS CHAR)"),
        (KeyPart::Text, Kind::Text { .. }) if utf8 => name.to_owned(),
        (KeyPart::Text, _) => format!("CONVERT(CAST({name} AS CHAR) USING utf8mb4)"),
    }
}
