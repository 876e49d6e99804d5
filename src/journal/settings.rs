//! `db_sync_config`: which tables are synced, and how.

use chrono::{DateTime, Utc};

use serde::{Deserialize, Serialize};

use super::moment;
use crate::config::bad_direction;
use crate::endpoint::sql::{SIGNED, TEXT, own};
use crate::endpoint::{Connection, Dialect, Fault, RowFault};
use crate::error::{self, Result, SyncError};
use crate::model::{Row, Value};
use crate::plan::policy::Policy;
use crate::plan::schema_match::ColumnRules;

const TABLE: &str = "db_sync_config";

/// The row that holds the defaults of newly registered tables rather than a table's settings.
pub const DEFAULTS: &str = "*";

/// How one table is synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSettings {
    /// Its name.
    pub table: String,
    /// Whether it is.
    pub enabled: bool,
    /// Direction, type and strategy.
    pub policy: Policy,
    /// Greater goes first.
    pub priority: i64,
    /// Columns that are treated otherwise.
    pub rules: ColumnRules,
}

/// What stands in `column_rules`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Rules {
    ignore: Vec<String>,
    no_conflict: Vec<String>,
}

/// All rows, by table name. An older installation may not have `column_rules` yet.
///
/// # Errors
/// `CFG_002` or `CFG_004` for a row with a value that is none; else the failure with its code.
pub async fn read(
    connection: &mut Connection,
    dialect: Dialect,
    with_rules: bool,
) -> Result<Vec<TableSettings>> {
    let columns = [
        ("table_name", TEXT),
        ("sync_enabled", SIGNED),
        ("sync_type", TEXT),
        ("sync_direction", TEXT),
        ("conflict_resolution", TEXT),
        ("priority", SIGNED),
        ("column_rules", TEXT),
    ];
    let columns = if with_rules { &columns[..] } else { &columns[..6] };
    let rows = connection.fetch(&own::select(dialect, TABLE, columns, &[], "table_name")).await?;
    rows.iter().map(table_settings).collect()
}

fn table_settings(row: &Row) -> Result<TableSettings> {
    let text = |at: usize| row.get(at).and_then(Value::as_text).unwrap_or_default();
    let bad = |key: &str, at: usize, allowed: &str| {
        SyncError::new(error::BAD_ROW)
            .with("key", key)
            .with("table", text(0))
            .with("value", format!("{:?}", text(at)))
            .with("allowed", allowed)
    };
    let direction = || {
        let key = format!("sync_direction of table {} in db_sync_config", text(0));
        bad_direction(&key, text(3))
    };
    let strategies = "REMOTE_WINS, LOCAL_WINS, SKIP, MANUAL";
    let priority = row[5].as_int().and_then(|priority| i64::try_from(priority).ok());
    let rules: Rules = match text(6).trim() {
        "" => Rules::default(),
        json => serde_json::from_str(json).map_err(|_| {
            bad("column_rules", 6, r#"{"ignore": ["column"], "no_conflict": ["column"]}"#)
        })?,
    };
    Ok(TableSettings {
        table: text(0).to_owned(),
        enabled: row[1].as_int() != Some(0),
        policy: Policy {
            sync_type: text(2).parse().map_err(|_| bad("sync_type", 2, "FULL, INCREMENTAL"))?,
            direction: text(3).parse().map_err(|_| direction())?,
            strategy: text(4).parse().map_err(|_| bad("conflict_resolution", 4, strategies))?,
        },
        priority: priority.unwrap_or(0),
        rules: ColumnRules { ignore: rules.ignore, quiet: rules.no_conflict },
    })
}

/// Adds tables.
///
/// # Errors
/// The failure with its code.
pub async fn register(
    connection: &mut Connection,
    dialect: Dialect,
    tables: &[TableSettings],
    now: DateTime<Utc>,
) -> Result<()> {
    let columns = [
        "table_name",
        "sync_enabled",
        "sync_type",
        "sync_direction",
        "conflict_resolution",
        "priority",
        "created_at",
        "updated_at",
    ];
    let now = moment(DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now));
    // Two first runs may register the same tables at once: the rows are the same then, and one of each is enough.
    for table in tables {
        let row = vec![vec![
            Value::text(&table.table),
            Value::Int(table.enabled.into()),
            Value::text(table.policy.sync_type.as_str()),
            Value::text(table.policy.direction.as_str()),
            Value::text(table.policy.strategy.as_str()),
            Value::Int(table.priority.into()),
            now.clone(),
            now.clone(),
        ]];
        match connection.execute(&own::insert(dialect, TABLE, &columns, row)).await {
            Ok(_) | Err(Fault::Row(RowFault::Duplicate)) => {}
            Err(fault) => return Err(fault.fatal(connection.place())),
        }
    }
    Ok(())
}

/// Notes that a table was synced.
///
/// # Errors
/// The failure with its code.
pub async fn synced(
    connection: &mut Connection,
    dialect: Dialect,
    table: &str,
    position: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let now = moment(DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now));
    let set = [("last_sync_time", now), ("last_sync_position", Value::text(position))];
    connection
        .run(&own::update(dialect, TABLE, &set, &[("table_name", Value::text(table))]))
        .await
        .map(drop)
}
