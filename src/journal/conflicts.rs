//! Conflicts: both versions of every row that both sides changed, whoever won.
//!
//! At most one row per table and key is open. A conflict that is met again, with neither side changed since,
//! adds nothing.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value as Json;

use super::{moment, optional};
use crate::endpoint::sql::{BYTES, SIGNED, TEXT, own};
use crate::endpoint::{Connection, Dialect};
use crate::error::Result;
use crate::model::{Kind, PerSide, Row, Side, Value};
use crate::plan::batch::Limit;
use crate::plan::merge::Present;
use crate::plan::policy::{Conflict, Strategy};

const TABLE: &str = "db_sync_conflict";
/// The state of a conflict that waits for a person.
pub const PENDING: &str = "PENDING";
const RESOLVED: &str = "RESOLVED";
/// Rows that go into one statement.
const STATEMENT: Limit = Limit { rows: 100, bytes: 512 << 10 };
/// Keys that are looked up in one statement.
const KEYS: usize = 500;

/// One conflict as a run met it.
#[derive(Clone, Debug, PartialEq)]
pub struct Met {
    /// Where the key stands.
    pub ordinal: u64,
    /// The key's columns.
    pub key: Json,
    /// What it is and who wins.
    pub conflict: Conflict,
    /// What each side held.
    pub now: Present,
    /// Whether the winner's version is being written: then this is a new conflict, even where the same two versions
    /// have met before.
    pub applied: bool,
    /// REMOTE's row, `None` where it is gone.
    pub remote: Option<Json>,
    /// LOCAL's row, `None` where it is gone.
    pub local: Option<Json>,
}

/// What a conflict is known by when it is met again: both signatures.
fn seen(now: Present) -> String {
    let text = |signature: Option<u64>| {
        signature.map_or_else(|| "-".to_owned(), |bits| format!("{bits:016x}"))
    };
    format!("{}|{}", text(now.remote), text(now.local))
}

/// How a row's place stands in `key_ordinal`.
pub fn place(ordinal: u64) -> Value {
    Value::Bytes(ordinal.to_be_bytes().to_vec())
}

fn ordinal(place: &Value) -> Option<u64> {
    match place {
        Value::Bytes(bytes) => bytes.as_slice().try_into().ok().map(u64::from_be_bytes),
        _ => None,
    }
}

struct Known {
    id: i128,
    pending: bool,
    seen: String,
    kind: String,
    winner: Option<String>,
    run_id: String,
}

/// The newest row of each of these keys, the open one where there is one.
async fn known(
    connection: &mut Connection,
    dialect: Dialect,
    table: &str,
    ordinals: &[u64],
) -> Result<HashMap<Vec<u8>, Known>> {
    let columns = [
        ("id", SIGNED),
        ("key_ordinal", BYTES),
        ("state", TEXT),
        ("seen", TEXT),
        ("kind", TEXT),
        ("winner", TEXT),
        ("run_id", TEXT),
    ];
    let mut known: HashMap<Vec<u8>, Known> = HashMap::new();
    for ordinals in ordinals.chunks(KEYS) {
        let places: Vec<Value> = ordinals.iter().map(|ordinal| place(*ordinal)).collect();
        let name = [("table_name", Value::text(table))];
        let rows = connection
            .fetch(&own::select_any(dialect, TABLE, &columns, &name, ("key_ordinal", &places)))
            .await?;
        for row in rows {
            let Value::Bytes(ordinal) = &row[1] else { continue };
            let text = |at: usize| row[at].as_text().map(ToOwned::to_owned);
            let found = Known {
                id: row[0].as_int().unwrap_or(0),
                pending: text(2).as_deref() == Some(PENDING),
                seen: text(3).unwrap_or_default(),
                kind: text(4).unwrap_or_default(),
                winner: text(5),
                run_id: text(6).unwrap_or_default(),
            };
            let newer = known
                .get(ordinal)
                .is_none_or(|old| (found.pending, found.id) > (old.pending, old.id));
            if newer {
                known.insert(ordinal.clone(), found);
            }
        }
    }
    Ok(known)
}

/// Stores conflicts in the connection's current transaction.
///
/// # Errors
/// The failure with its code.
pub async fn record(
    connection: &mut Connection,
    dialect: Dialect,
    run_id: &str,
    table: &str,
    strategy: Strategy,
    met: &[Met],
    now: DateTime<Utc>,
) -> Result<()> {
    if met.is_empty() {
        return Ok(());
    }
    let ordinals: Vec<u64> = met.iter().map(|met| met.ordinal).collect();
    let known = known(connection, dialect, table, &ordinals).await?;
    let mut rows = Vec::new();
    for met in met {
        let winner = met.conflict.winner.map(|side| side.as_str().to_owned());
        let (kind, seen) = (met.conflict.kind.as_str(), seen(met.now));
        let json = |row: &Option<Json>| {
            row.as_ref().map_or(Value::Null, |row| Value::Text(row.to_string()))
        };
        let state = if met.conflict.pending { PENDING } else { RESOLVED };
        let resolved = !met.conflict.pending;
        let cells = [
            ("run_id", Value::text(run_id)),
            ("kind", Value::text(kind)),
            ("remote_row", json(&met.remote)),
            ("local_row", json(&met.local)),
            ("strategy", Value::text(strategy.as_str())),
            ("state", Value::text(state)),
            ("winner", optional(winner.as_deref())),
            ("resolved_by", if resolved { Value::text("strategy") } else { Value::Null }),
            ("resolved_at", if resolved { moment(now) } else { Value::Null }),
            ("seen", Value::Text(seen.clone())),
        ];
        let old = known.get(&met.ordinal.to_be_bytes()[..]);
        let same = |old: &&Known| {
            // The winner's version is written only now, unless this very run has tried before.
            (!met.applied || old.run_id == run_id)
                && old.seen == seen
                && old.kind == kind
                && old.winner == winner
                && old.pending == met.conflict.pending
        };
        match old {
            Some(old) if same(&old) => {}
            Some(old) if old.pending => {
                connection
                    .run(&own::update(dialect, TABLE, &cells, &[("id", Value::Int(old.id))]))
                    .await?;
            }
            _ => {
                let key = [
                    ("table_name", Value::text(table)),
                    ("row_key", Value::Text(met.key.to_string())),
                    ("key_ordinal", place(met.ordinal)),
                ];
                rows.push(key.into_iter().chain(cells).collect::<Vec<_>>());
            }
        }
    }
    let size = |row: &Vec<(&str, Value)>| {
        row.iter().map(|(_, cell)| cell.as_text().map_or(16, str::len)).sum::<usize>()
    };
    for rows in STATEMENT.cut(rows, size) {
        let columns: Vec<&str> = rows[0].iter().map(|(name, _)| *name).collect();
        let values = rows.iter().map(|row| row.iter().map(|(_, value)| value.clone()).collect());
        connection.run(&own::insert(dialect, TABLE, &columns, values.collect())).await?;
    }
    Ok(())
}

/// The ordinals of keys that have an open row, with the row's id.
///
/// # Errors
/// The failure with its code.
pub async fn open(
    connection: &mut Connection,
    dialect: Dialect,
    table: &str,
) -> Result<HashMap<u64, i128>> {
    let columns = [("id", SIGNED), ("key_ordinal", BYTES)];
    let pending = [("table_name", Value::text(table)), ("state", Value::text(PENDING))];
    let rows = connection.fetch(&own::select(dialect, TABLE, &columns, &pending, "id")).await?;
    Ok(rows.iter().filter_map(|row| Some((ordinal(&row[1])?, row[0].as_int()?))).collect())
}

/// A conflict as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stored {
    /// Its id.
    pub id: i64,
    /// The run that met it last.
    pub run_id: String,
    /// The table.
    pub table: String,
    /// The key's columns.
    pub key: Json,
    /// What both sides did.
    pub kind: String,
    /// How it was or will be decided.
    pub strategy: String,
    /// `PENDING` or `RESOLVED`.
    pub state: String,
    /// Whose version was taken, if any.
    pub winner: Option<String>,
    /// Who decided.
    pub resolved_by: Option<String>,
    /// Names the two versions that are kept: whoever has looked at them says so when deciding.
    pub seen: String,
    /// Both rows; none where a side's was gone.
    #[serde(flatten)]
    pub rows: PerSide<Option<Json>>,
}

/// Conflicts without their rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConflictList {
    /// Oldest first.
    pub conflicts: Vec<Stored>,
}

const SHOWN: [(&str, Kind); 10] = [
    ("id", SIGNED),
    ("run_id", TEXT),
    ("table_name", TEXT),
    ("row_key", TEXT),
    ("kind", TEXT),
    ("strategy", TEXT),
    ("state", TEXT),
    ("winner", TEXT),
    ("resolved_by", TEXT),
    ("seen", TEXT),
];

fn shown(row: &[Value]) -> Option<Stored> {
    let text = |at: usize| row.get(at).and_then(Value::as_text).map(ToOwned::to_owned);
    let json = |at: usize| serde_json::from_str(row.get(at).and_then(Value::as_text)?).ok();
    Some(Stored {
        id: i64::try_from(row[0].as_int()?).ok()?,
        run_id: text(1)?,
        table: text(2)?,
        key: json(3)?,
        kind: text(4)?,
        strategy: text(5)?,
        state: text(6)?,
        winner: text(7),
        resolved_by: text(8),
        seen: text(9).unwrap_or_default(),
        rows: PerSide::new(json(10), json(11)),
    })
}

/// The conflicts that are kept whose columns equal these values, without the rows.
///
/// # Errors
/// The failure with its code.
pub async fn list(
    connection: &mut Connection,
    dialect: Dialect,
    equal: &[own::Equal<'_>],
) -> Result<Vec<Stored>> {
    let rows = connection.fetch(&own::select(dialect, TABLE, &SHOWN, equal, "id")).await?;
    Ok(rows.iter().filter_map(|row| shown(row)).collect())
}

/// One conflict with both rows, by its id.
///
/// # Errors
/// The failure with its code.
pub async fn one(connection: &mut Connection, dialect: Dialect, id: i64) -> Result<Option<Stored>> {
    let columns = SHOWN.into_iter().chain([("remote_row", TEXT), ("local_row", TEXT)]);
    let columns: Vec<(&str, Kind)> = columns.collect();
    let id = [("id", Value::Int(id.into()))];
    let rows = connection.fetch(&own::select(dialect, TABLE, &columns, &id, "id")).await?;
    Ok(rows.first().and_then(|row| shown(row)))
}

/// What a person has decided.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// Whose version is kept.
    pub winner: Side,
    /// Who says so.
    pub by: &'a str,
    /// What both sides hold afterwards, where that is known.
    pub left: Option<Present>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What both sides held when a person let the target of a one-way table keep its version, by the rows' places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted(HashMap<u64, String>);

impl Accepted {
    /// Whether both sides still hold that.
    pub fn covers(&self, ordinal: u64, now: Present) -> bool {
        self.0.get(&ordinal).is_some_and(|then| *then == seen(now))
    }
}

/// What a person has let the target of a one-way table keep.
///
/// # Errors
/// The failure with its code.
pub async fn accepted(
    connection: &mut Connection,
    dialect: Dialect,
    table: &str,
    target: Side,
) -> Result<Accepted> {
    let rows = connection.fetch(&own::decided_conflicts(dialect, table, target.as_str())).await?;
    let one = |row: &Row| Some((ordinal(&row[0])?, row[1].as_text()?.to_owned()));
    Ok(Accepted(rows.iter().filter_map(one).collect()))
}

/// Writes down what a person has decided.
///
/// # Errors
/// The failure with its code.
pub async fn decide(
    connection: &mut Connection,
    dialect: Dialect,
    id: i64,
    decided: &Decided<'_>,
) -> Result<()> {
    let mut set = vec![
        ("state", Value::text(RESOLVED)),
        ("winner", Value::text(decided.winner.as_str())),
        ("resolved_by", Value::text(decided.by)),
        ("resolved_at", moment(decided.at)),
    ];
    set.extend(decided.left.map(|left| ("seen", Value::Text(seen(left)))));
    let id = [("id", Value::Int(id.into()))];
    connection.run(&own::update(dialect, TABLE, &set, &id)).await.map(drop)
}

/// Closes an open row whose two versions have become one without a decision of ours.
///
/// # Errors
/// The failure with its code.
pub async fn settle(
    connection: &mut Connection,
    dialect: Dialect,
    id: i128,
    now: DateTime<Utc>,
) -> Result<()> {
    let set = [
        ("state", Value::text(RESOLVED)),
        ("resolved_by", Value::text("application")),
        ("resolved_at", moment(now)),
    ];
    connection.run(&own::update(dialect, TABLE, &set, &[("id", Value::Int(id))])).await.map(drop)
}
