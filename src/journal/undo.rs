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
const BYTES: usize = 4 << 20;

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
        vec![run, table, side, Value::text(name(action)), Value::Text(key), before, written]
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
        let before =
            image.before.as_ref().map_or(Value::Null, |before| Value::Text(before.to_string()));
        let written = image.written.map_or(Value::Null, |_| Value::Bytes(signature(image)));
        rows.push(row(image.write, image.key.to_string(), before, written));
    }
    let columns = ["run_id", "table_name", "side", "action", "row_key", "row_before", "written"];
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
