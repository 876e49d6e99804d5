//! The log: one row per table and direction pass of a run.

use chrono::{DateTime, Utc};

use super::{count, moment, optional};
use crate::endpoint::sql::{TEXT, own};
use crate::endpoint::{Connection, Dialect};
use crate::error::{Result, SyncError};
use crate::model::number::Decimal;
use crate::model::{Row, Value};
use crate::plan::policy::Direction;

const TABLE: &str = "db_sync_log";
/// Runs that are looked up in one statement.
const RUNS: usize = 200;

/// How a pass stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// At work, or died.
    Running,
    /// Both sides are as the policy wants them.
    Success,
    /// Finished, with rows skipped or left for a person.
    Partial,
    /// Nothing of the table was done, or not all.
    Failed,
    /// Stopped from outside.
    Interrupted,
}

impl Status {
    /// As it stands in the log and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Partial => "PARTIAL",
            Self::Failed => "FAILED",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}

/// One pass, as it begins.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The run it belongs to.
    pub run_id: &'a str,
    /// The table.
    pub table: &'a str,
    /// FULL or INCREMENTAL; APPLY, UNDO or RESOLVE where this is no sync.
    pub kind: &'a str,
    /// The direction of this pass alone.
    pub direction: Direction,
    /// Who started the run.
    pub triggered_by: &'a str,
    /// When it began.
    pub started: DateTime<Utc>,
}

/// One pass, as it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How.
    pub status: Status,
    /// When.
    pub ended: DateTime<Utc>,
    /// Rows looked at.
    pub scanned: u64,
    /// Rows written by this pass, by what was done.
    pub inserted: u64,
    /// Rows that took new cells.
    pub updated: u64,
    /// Rows that went.
    pub deleted: u64,
    /// Rows left different that somebody should look at.
    pub skipped: u64,
    /// Conflicts met.
    pub conflicts: u64,
    /// The first failure's code.
    pub error_code: Option<&'static str>,
    /// What to know of it.
    pub message: Option<String>,
}

/// Notes that passes begin.
///
/// # Errors
/// The failure with its code.
pub async fn begin(
    connection: &mut Connection,
    dialect: Dialect,
    passes: &[Pass<'_>],
) -> Result<()> {
    let columns = [
        "run_id",
        "table_name",
        "sync_type",
        "sync_direction",
        "status",
        "start_time",
        "triggered_by",
        "created_at",
    ];
    let rows = passes.iter().map(|pass| {
        vec![
            Value::text(pass.run_id),
            Value::text(pass.table),
            Value::text(pass.kind),
            Value::text(pass.direction.as_str()),
            Value::text(Status::Running.as_str()),
            moment(pass.started),
            Value::text(pass.triggered_by),
            whole_second(pass.started),
        ]
    });
    connection.run(&own::insert(dialect, TABLE, &columns, rows.collect())).await.map(drop)
}

/// A moment without its fraction: older installations have `created_at` without one.
fn whole_second(now: DateTime<Utc>) -> Value {
    moment(DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now))
}

/// Notes how a pass ended.
///
/// # Errors
/// The failure with its code.
pub async fn end(
    connection: &mut Connection,
    dialect: Dialect,
    pass: &Pass<'_>,
    outcome: &Outcome,
) -> Result<()> {
    let milliseconds = (outcome.ended - pass.started).num_milliseconds().max(0);
    let duration =
        Decimal::parse(&format!("{milliseconds}e-3")).map_or(Value::Null, Value::Decimal);
    let set = [
        ("status", Value::text(outcome.status.as_str())),
        ("end_time", moment(outcome.ended)),
        ("duration", duration),
        ("rows_scanned", count(outcome.scanned)),
        ("rows_inserted", count(outcome.inserted)),
        ("rows_updated", count(outcome.updated)),
        ("rows_deleted", count(outcome.deleted)),
        ("rows_skipped", count(outcome.skipped)),
        ("conflicts", count(outcome.conflicts)),
        ("error_code", optional(outcome.error_code)),
        ("error_message", optional(outcome.message.as_deref())),
    ];
    let this = [
        ("run_id", Value::text(pass.run_id)),
        ("table_name", Value::text(pass.table)),
        ("sync_direction", Value::text(pass.direction.as_str())),
    ];
    connection.run(&own::update(dialect, TABLE, &set, &this)).await.map(drop)
}

/// Notes a pass that failed before it could begin.
///
/// # Errors
/// The failure with its code.
pub async fn fail(
    connection: &mut Connection,
    dialect: Dialect,
    pass: &Pass<'_>,
    error: &SyncError,
) -> Result<()> {
    begin(connection, dialect, std::slice::from_ref(pass)).await?;
    let outcome = Outcome {
        status: Status::Failed,
        ended: pass.started,
        scanned: 0,
        inserted: 0,
        updated: 0,
        deleted: 0,
        skipped: 0,
        conflicts: 0,
        error_code: Some(error.code().as_str()),
        message: Some(error.message()),
    };
    end(connection, dialect, pass, &outcome).await
}

/// Notes that whatever was at work on a table before has died: only its lock's new owner may say so.
///
/// # Errors
/// The failure with its code.
pub async fn bury(
    connection: &mut Connection,
    dialect: Dialect,
    table: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let set = [("status", Value::text(Status::Interrupted.as_str())), ("end_time", moment(now))];
    let dead =
        [("table_name", Value::text(table)), ("status", Value::text(Status::Running.as_str()))];
    connection.run(&own::update_runs(dialect, TABLE, &set, &dead)).await.map(drop)
}

/// The tables of which some pass is noted as at work: by a run that is, or by one that died.
///
/// # Errors
/// The failure with its code.
pub async fn running(connection: &mut Connection, dialect: Dialect) -> Result<Vec<String>> {
    let running = [("status", Value::text(Status::Running.as_str()))];
    let columns = [("table_name", TEXT), ("run_id", TEXT)];
    let statement = own::select(dialect, TABLE, &columns, &running, "table_name");
    let rows = connection.fetch(&statement).await?;
    let ours = rows.iter().filter(|row| row[1].as_text().is_some());
    Ok(ours.filter_map(|row| row[0].as_text().map(ToOwned::to_owned)).collect())
}

/// The runs that may have written a table's rows on REMOTE without remembering it.
///
/// # Errors
/// The failure with its code.
pub async fn unfinished(
    connection: &mut Connection,
    dialect: Dialect,
    table: &str,
) -> Result<Vec<String>> {
    let texts = |rows: Vec<Row>| -> Vec<String> {
        rows.iter().filter_map(|row| row[0].as_text().map(ToOwned::to_owned)).collect()
    };
    let unfinished = texts(connection.fetch(&own::unfinished_runs(dialect, table)).await?);
    let mut found = Vec::new();
    for runs in unfinished.chunks(RUNS) {
        found.extend(texts(connection.fetch(&own::runs_with_writes(dialect, table, runs)).await?));
    }
    Ok(found)
}

/// Forgets passes that began before a moment; what an older installation wrote down stays.
///
/// # Errors
/// The failure with its code.
pub async fn prune(
    connection: &mut Connection,
    dialect: Dialect,
    before: DateTime<Utc>,
) -> Result<()> {
    connection
        .run(&own::delete_runs_below(dialect, TABLE, "start_time", moment(before)))
        .await
        .map(drop)
}
