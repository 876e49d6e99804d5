//! Pre-images: what every run overwrote, deleted and inserted, on either side.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::moment;
use crate::endpoint::sql::own;
use crate::endpoint::{Connection, Dialect};
use crate::error::Result;
use crate::model::{Side, Signature, Value};
use crate::plan::batch::Limit;
use crate::plan::merge::Write;

const TABLE: &str = "db_sync_undo";
/// Pre-images that go into one statement, and their bytes.
const ROWS: usize = 200;
const BYTES: usize = 512 << 10;

/// Bytes of a pre-image that go into one row of ours: less than any server takes in one statement.
const PIECE: usize = 256 << 10;
/// Where the number of the piece stands in a row of ours.
const PART: usize = 7;

/// A pre-image in pieces of whole characters; one empty piece where there is nothing.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, after) = text.split_at(text.floor_char_boundary(PIECE));
        rest = Some(after).filter(|after| !after.is_empty());
        Some(piece)
    })
}

/// What was done to one row.
#[derive(Clone, Debug, PartialEq)]
pub struct PreImage {
    /// What was done.
    pub write: Write,
    /// The key's columns.
    pub key: Json,
    /// The row as it was; `None` for a row that was inserted.
    pub before: Option<Json>,
    /// The signature of the row as it was left; `None` for a row that was deleted.
    pub written: Option<Signature>,
}

fn name(write: Write) -> &'static str {
    match write {
        Write::Insert => "INSERT",
        Write::Update => "UPDATE",
        Write::Delete => "DELETE",
    }
}

/// Stores the pre-images of one batch; inserted rows are kept together, as they have nothing but their keys.
///
/// # Errors
/// The failure with its code.
pub async fn record(
    connection: &mut Connection,
    dialect: Dialect,
    run_id: &str,
    table: &str,
    side: Side,
    images: &[PreImage],
) -> Result<()> {
    let row = |action: Write, key: String, before: Value, written: Value| {
        let (run, table, side) =
            (Value::text(run_id), Value::text(table), Value::text(side.as_str()));
        let action = Value::text(name(action));
        vec![run, table, side, action, Value::Text(key), before, written, Value::Int(0)]
    };
    let signature = |image: &PreImage| {
        image.written.map_or(Vec::new(), |signature| signature.to_be_bytes().to_vec())
    };
    let mut rows = Vec::new();
    let inserted: Vec<&PreImage> =
        images.iter().filter(|image| image.write == Write::Insert).collect();
    if !inserted.is_empty() {
        let keys = Json::Array(inserted.iter().map(|image| image.key.clone()).collect());
        let written = inserted.iter().flat_map(|image| signature(image)).collect();
        rows.push(row(Write::Insert, keys.to_string(), Value::Null, Value::Bytes(written)));
    }
    for image in images.iter().filter(|image| image.write != Write::Insert) {
        let written = image.written.map_or(Value::Null, |_| Value::Bytes(signature(image)));
        let before = image.before.as_ref().map(ToString::to_string);
        for (part, piece) in pieces(before.as_deref().unwrap_or_default()).enumerate() {
            let piece = before.as_ref().map_or(Value::Null, |_| Value::text(piece));
            let mut row = row(image.write, image.key.to_string(), piece, written.clone());
            row[PART] = super::count(part as u64);
            rows.push(row);
        }
    }
    let columns =
        ["run_id", "table_name", "side", "action", "row_key", "row_before", "written", "part"];
    let size = |row: &Vec<Value>| row.iter().map(|cell| cell.as_text().map_or(16, str::len)).sum();
    for rows in (Limit { rows: ROWS, bytes: BYTES }).cut(rows, size) {
        connection.run(&own::insert(dialect, TABLE, &columns, rows)).await?;
    }
    Ok(())
}

/// Forgets pre-images that were stored before a moment.
///
/// # Errors
/// The failure with its code.
pub async fn prune(
    connection: &mut Connection,
    dialect: Dialect,
    before: DateTime<Utc>,
) -> Result<()> {
    connection.run(&own::delete_below(dialect, TABLE, "created_at", moment(before))).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole_again() {
        assert_eq!(pieces("").collect::<Vec<_>>(), [""]);
        assert_eq!(pieces("a").collect::<Vec<_>>(), ["a"]);
        let text = "商".repeat(PIECE);
        let cut: Vec<&str> = pieces(&text).collect();
        assert!(cut.len() == 4 && cut.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(cut.concat(), text);
    }
}
