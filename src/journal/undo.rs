//! Pre-images: what every run overwrote, deleted and inserted, on either side.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::mpsc::{Sender, channel};

use super::moment;
use crate::endpoint::sql::{BYTES, SIGNED, TEXT, own};
use crate::endpoint::{Connection, Dialect};
use crate::error::Result;
use crate::model::{Kind, Row, Side, Signature, Value, row};
use crate::plan::batch::Limit;
use crate::plan::merge::{Entry, Write};

const TABLE: &str = "db_sync_undo";
/// Pre-images that go into one statement, and their bytes.
const ROWS: usize = 200;
const STATEMENT: usize = 512 << 10;

/// Bytes of a pre-image that go into one row of ours: less than any server takes in one statement.
const PIECE: usize = 256 << 10;
/// Where the number of the piece stands in a row of ours.
const PART: usize = 7;
/// And the signature of the row that was met.
const FOUND: usize = 9;

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
    /// The signature of the row as it was left; `None` for a row that was deleted, and for one that nobody signed.
    pub written: Option<Signature>,
    /// The signature of the row as it was; `None` for a row that was inserted.
    pub found: Option<Signature>,
    /// What the base said before.
    pub base: Option<Entry>,
}

fn name(write: Write) -> &'static str {
    match write {
        Write::Insert => "INSERT",
        Write::Update => "UPDATE",
        Write::Delete => "DELETE",
    }
}

fn entry_bytes(entry: Entry) -> Vec<u8> {
    [entry.remote.to_be_bytes(), entry.local.to_be_bytes()].concat()
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
    let row = |action: Write, key: String, before: Value, written: Value, base: Option<Entry>| {
        let (run, table, side) =
            (Value::text(run_id), Value::text(table), Value::text(side.as_str()));
        let action = Value::text(name(action));
        let base = base.map_or(Value::Null, |entry| Value::Bytes(entry_bytes(entry)));
        let (part, found) = (Value::Int(0), Value::Null);
        vec![run, table, side, action, Value::Text(key), before, written, part, base, found]
    };
    let signature = |image: &PreImage| {
        image.written.map_or(Vec::new(), |signature| signature.to_be_bytes().to_vec())
    };
    let mut rows = Vec::new();
    let together = |image: &&PreImage| image.write == Write::Insert && image.base.is_none();
    let inserted: Vec<&PreImage> = images.iter().filter(together).collect();
    if !inserted.is_empty() {
        let keys = Json::Array(inserted.iter().map(|image| image.key.clone()).collect());
        let written = inserted.iter().flat_map(|image| signature(image)).collect();
        rows.push(row(Write::Insert, keys.to_string(), Value::Null, Value::Bytes(written), None));
    }
    for image in images.iter().filter(|image| !together(image)) {
        let written = image.written.map_or(Value::Null, |_| Value::Bytes(signature(image)));
        let before = image.before.as_ref().map(ToString::to_string);
        for (part, piece) in pieces(before.as_deref().unwrap_or_default()).enumerate() {
            let piece = before.as_ref().map_or(Value::Null, |_| Value::text(piece));
            let key = image.key.to_string();
            let mut row = row(image.write, key, piece, written.clone(), image.base);
            row[PART] = super::count(part as u64);
            row[FOUND] =
                image.found.map_or(Value::Null, |found| Value::Bytes(found.to_be_bytes().to_vec()));
            rows.push(row);
        }
    }
    let columns = [
        "run_id",
        "table_name",
        "side",
        "action",
        "row_key",
        "row_before",
        "written",
        "part",
        "base",
        "found",
    ];
    let size = |row: &Vec<Value>| row.iter().map(|cell| cell.as_text().map_or(16, str::len)).sum();
    for rows in (Limit { rows: ROWS, bytes: STATEMENT }).cut(rows, size) {
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
    connection
        .run(&own::delete_runs_below(dialect, TABLE, "created_at", moment(before)))
        .await
        .map(drop)
}

/// What a run did to one row once, as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The pre-image's id; several inserted rows have one in common.
    pub id: i64,
    /// Where.
    pub side: Side,
    /// What.
    pub write: Write,
    /// The key's columns; of rows that nothing identifies, all of them.
    pub key: Json,
    /// The signature of the row as it was left.
    pub written: Option<Signature>,
    /// The signature of the row that was met, as far as that was written down.
    pub found: Option<Signature>,
    /// What the base said before.
    pub base: Option<Entry>,
}

/// What a run did to one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Touch {
    /// The run.
    pub run_id: String,
    /// Where.
    pub side: String,
    /// `INSERT`, `UPDATE` or `DELETE`.
    pub action: String,
    /// When, in UTC.
    pub at: String,
}

/// What runs did to one row, the oldest first, as far as it is kept.
///
/// # Errors
/// The failure with its code.
pub async fn touches(
    connection: &mut Connection,
    dialect: Dialect,
    table: &str,
    key: &Json,
) -> Result<Vec<Touch>> {
    let columns = [
        ("run_id", TEXT),
        ("side", TEXT),
        ("action", TEXT),
        ("row_key", TEXT),
        ("created_at", Kind::DateTime { fraction: 0 }),
        ("part", SIGNED),
    ];
    let statement =
        own::select(dialect, TABLE, &columns, &[("table_name", Value::text(table))], "id");
    // An object ends where its key ends, so a key is found whole within a list of keys.
    let key = key.to_string();
    let (to, mut from) = channel(1);
    let moment_of = |cell: &Value| row::to_json(cell).as_str().unwrap_or_default().to_owned();
    let touch = |row: Row| {
        let text = |at: usize| row[at].as_text().unwrap_or_default().to_owned();
        let it =
            row[5].as_int() == Some(0) && row[3].as_text().is_some_and(|keys| keys.contains(&key));
        Ok(it.then(|| Touch {
            run_id: text(0),
            side: text(1),
            action: text(2),
            at: moment_of(&row[4]),
        }))
    };
    let mut found = Vec::new();
    let (sent, ()) = tokio::join!(
        async {
            let to = to;
            connection.stream(&statement, &to, touch, |_| 128).await
        },
        async {
            while let Some(parcel) = from.recv().await {
                found.extend(parcel);
            }
        }
    );
    sent.map(|()| found)
}

/// The tables of which a run wrote rows.
///
/// # Errors
/// The failure with its code.
pub async fn tables(
    connection: &mut Connection,
    dialect: Dialect,
    run_id: &str,
) -> Result<Vec<String>> {
    let run = [("run_id", Value::text(run_id))];
    let rows =
        connection.fetch(&own::select_distinct(dialect, TABLE, ("table_name", TEXT), &run)).await?;
    Ok(rows.iter().filter_map(|row| row[0].as_text().map(ToOwned::to_owned)).collect())
}

/// Sends what a run did to the rows of one table, in the order in which it was done, without the rows themselves.
///
/// # Errors
/// The failure with its code.
pub async fn stored(
    connection: &mut Connection,
    dialect: Dialect,
    run_id: &str,
    table: &str,
    to: &Sender<Vec<Vec<Stored>>>,
) -> Result<()> {
    let columns = [
        ("id", SIGNED),
        ("side", TEXT),
        ("action", TEXT),
        ("row_key", TEXT),
        ("written", BYTES),
        ("part", SIGNED),
        ("base", BYTES),
        ("found", BYTES),
    ];
    let equal = [("run_id", Value::text(run_id)), ("table_name", Value::text(table))];
    let statement = own::select(dialect, TABLE, &columns, &equal, "id");
    // A key takes some hundred bytes once it is taken apart.
    connection.stream(&statement, to, |row| Ok(read(&row)), |rows| rows.len() * 512).await
}

/// What a run did to the rows of one table last: at least so many of them, if there are, and no more than twice as many.
///
/// # Errors
/// The failure with its code.
pub async fn last(
    connection: &mut Connection,
    dialect: Dialect,
    run_id: &str,
    table: &str,
    rows: usize,
) -> Result<Vec<Stored>> {
    let (to, mut from) = channel::<Vec<Vec<Stored>>>(1);
    let mut kept = Vec::new();
    let (sent, ()) = tokio::join!(
        async {
            let to = to;
            stored(connection, dialect, run_id, table, &to).await
        },
        async {
            while let Some(parcel) = from.recv().await {
                kept.extend(parcel.into_iter().flatten());
                if kept.len() > 2 * rows {
                    kept.drain(..kept.len() - rows);
                }
            }
        }
    );
    sent.map(|()| kept)
}

/// `None` for the further pieces of a row, and for what nobody stored so.
fn read(row: &[Value]) -> Option<Vec<Stored>> {
    let first = row[5].as_int() == Some(0);
    let id = i64::try_from(row[0].as_int()?).ok().filter(|_| first)?;
    let side = Side::BOTH.into_iter().find(|side| Some(side.as_str()) == row[1].as_text())?;
    let writes = [Write::Insert, Write::Update, Write::Delete];
    let write = writes.into_iter().find(|write| Some(name(*write)) == row[2].as_text())?;
    let bytes = |at: usize| match &row[at] {
        Value::Bytes(bytes) => &bytes[..],
        _ => &[],
    };
    let signatures = numbers(bytes(4));
    let found = numbers(bytes(7)).first().copied();
    let base = match numbers(bytes(6))[..] {
        [remote, local] => Some(Entry { remote, local }),
        _ => None,
    };
    let keys = match serde_json::from_str(row[3].as_text()?).ok()? {
        Json::Array(keys) => keys,
        key => vec![key],
    };
    // Of a batch either every row was signed, or none.
    let signed = signatures.len() == keys.len();
    let keys = keys.into_iter().enumerate();
    let stored = keys.map(|(at, key)| {
        let written = signatures.get(at).copied().filter(|_| signed);
        Stored { id, side, write, key, written, found, base }
    });
    Some(stored.collect())
}

/// Numbers of eight bytes each.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect()
}

/// Rows as they were, by the ids of their pre-images.
///
/// # Errors
/// The failure with its code.
pub async fn rows_before(
    connection: &mut Connection,
    dialect: Dialect,
    run_id: &str,
    table: &str,
    ids: &[i64],
) -> Result<HashMap<i64, Json>> {
    let mut found = HashMap::new();
    let equal = [("run_id", Value::text(run_id)), ("table_name", Value::text(table))];
    let columns = [("id", SIGNED), ("row_key", TEXT), ("row_before", TEXT)];
    for ids in ids.chunks(ROWS) {
        let ids: Vec<Value> = ids.iter().map(|id| Value::Int((*id).into())).collect();
        let statement = own::select_any(dialect, TABLE, &columns, &equal, ("id", &ids));
        for row in connection.fetch(&statement).await? {
            let (Some(id), Some(key), Some(text)) =
                (row[0].as_int(), row[1].as_text(), row[2].as_text())
            else {
                continue;
            };
            let mut text = text.to_owned();
            if text.len() + 4 > PIECE {
                further_pieces(connection, dialect, &equal, (id, key), &mut text).await?;
            }
            if let (Ok(id), Ok(row)) = (i64::try_from(id), serde_json::from_str(&text)) {
                found.insert(id, row);
            }
        }
    }
    Ok(found)
}

/// Adds the pieces of a row that follow its first.
async fn further_pieces(
    connection: &mut Connection,
    dialect: Dialect,
    equal: &[own::Equal<'_>],
    (id, key): (i128, &str),
    text: &mut String,
) -> Result<()> {
    let mut last = id;
    for part in 1.. {
        let part = equal.iter().cloned().chain([("part", Value::Int(part))]).collect::<Vec<_>>();
        let columns = [("id", SIGNED), ("row_key", TEXT)];
        let rows = connection.fetch(&own::select(dialect, TABLE, &columns, &part, "id")).await?;
        let follows = |row: &&Row| {
            row[0].as_int().is_some_and(|id| id > last) && row[1].as_text() == Some(key)
        };
        let Some(next) = rows.iter().find(follows).and_then(|row| row[0].as_int()) else { break };
        last = next;
        let this = [("id", Value::Int(next))];
        let piece = own::select(dialect, TABLE, &[("row_before", TEXT)], &this, "id");
        let piece = connection.fetch(&piece).await?;
        let piece = piece.first().and_then(|row| row[0].as_text()).unwrap_or_default();
        text.push_str(piece);
        if piece.len() + 4 <= PIECE {
            break;
        }
    }
    Ok(())
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
