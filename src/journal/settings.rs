//! `db_sync_config`: which tables are synced, and how.

use chrono::{DateTime, Utc};

use super::moment;
use crate::config::{bad_direction, bad_value};
use crate::endpoint::sql::{SIGNED, TEXT, own};
use crate::endpoint::{Connection, Dialect};
use crate::error::Result;
use crate::model::Value;
use crate::plan::policy::{Direction, Policy, Strategy, SyncType};

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
}

/// All rows, by table name.
///
/// # Errors
/// `CFG_002` or `CFG_004` for a row with a value that is none; else the failure with its code.
pub async fn read(connection: &mut Connection, dialect: Dialect) -> Result<Vec<TableSettings>> {
    let columns = [
        ("table_name", TEXT),
        ("sync_enabled", SIGNED),
        ("sync_type", TEXT),
        ("sync_direction", TEXT),
        ("conflict_resolution", TEXT),
        ("priority", SIGNED),
    ];
    let rows = connection.fetch(&own::select(dialect, TABLE, &columns, &[], "table_name")).await?;
    rows.iter()
        .map(|row| {
            let text = |at: usize| row[at].as_text().unwrap_or_default();
            let key = |column: &str| format!("{column} of table {} in db_sync_config", text(0));
            Ok(TableSettings {
                table: text(0).to_owned(),
                enabled: row[1].as_int() != Some(0),
                policy: Policy {
                    sync_type: text(2).parse().map_err(|_| {
                        bad_value(&key("sync_type"), text(2), "FULL or INCREMENTAL")
                    })?,
                    direction: text(3)
                        .parse()
                        .map_err(|_| bad_direction(&key("sync_direction"), text(3)))?,
                    strategy: text(4).parse().map_err(|_| {
                        bad_value(
                            &key("conflict_resolution"),
                            text(4),
                            "REMOTE_WINS, LOCAL_WINS, SKIP or MANUAL",
                        )
                    })?,
                },
                priority: row[5]
                    .as_int()
                    .and_then(|priority| i64::try_from(priority).ok())
                    .unwrap_or(0),
            })
        })
        .collect()
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
    for tables in tables.chunks(100) {
        let rows = tables.iter().map(|table| {
            vec![
                Value::text(&table.table),
                Value::Int(table.enabled.into()),
                Value::text(table.policy.sync_type.as_str()),
                Value::text(table.policy.direction.as_str()),
                Value::text(table.policy.strategy.as_str()),
                Value::Int(table.priority.into()),
                now.clone(),
                now.clone(),
            ]
        });
        connection.run(&own::insert(dialect, TABLE, &columns, rows.collect())).await?;
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

/// What stands in where neither a flag nor a row says otherwise.
pub fn policy(sync_type: SyncType, direction: Direction, strategy: Strategy) -> Policy {
    Policy { direction, sync_type, strategy }
}
