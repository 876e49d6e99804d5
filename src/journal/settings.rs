//! `db_sync_config`: which tables are synced, and how.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{moment, optional};
use crate::config::{bad_direction, one_of};
use crate::endpoint::sql::{SIGNED, TEXT, own};
use crate::endpoint::{Connection, Dialect, Fault, RowFault};
use crate::error::{self, Result, SyncError};
use crate::model::{Kind, Row, Value};
use crate::plan::policy::{Direction, Policy, Strategy, SyncType};
use crate::plan::schema_match::ColumnRules;

/// Where they stand.
pub const TABLE: &str = "db_sync_config";

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

/// One setting of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// Whether it is synced.
    Enabled,
    /// FULL or INCREMENTAL.
    Type,
    /// Which way rows may travel.
    Direction,
    /// Who wins a conflict.
    Conflict,
    /// Greater goes first.
    Priority,
    /// Columns that are never synced.
    Ignore,
    /// Columns that make no conflict.
    NoConflict,
}

impl Setting {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Enabled,
        Self::Type,
        Self::Direction,
        Self::Conflict,
        Self::Priority,
        Self::Ignore,
        Self::NoConflict,
    ];

    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Type => "type",
            Self::Direction => "direction",
            Self::Conflict => "conflict",
            Self::Priority => "priority",
            Self::Ignore => "ignore",
            Self::NoConflict => "no_conflict",
        }
    }
}

/// A row as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it says. Where a cell says nothing that can be understood, the table's own default stands in.
    pub settings: TableSettings,
    /// Those cells, each with the failure that a run tells of it.
    pub unclear: Vec<(Setting, SyncError)>,
}

impl Stored {
    /// A row in which everything can be understood.
    pub fn clear(settings: TableSettings) -> Self {
        Self { settings, unclear: Vec::new() }
    }

    /// What it says, where all of it can be understood but for `given`, which somebody else says.
    ///
    /// # Errors
    /// `CFG_002` or `CFG_004` for the first cell that cannot.
    pub fn understood(self, given: &[Setting]) -> Result<TableSettings> {
        let mut unclear = self.unclear.into_iter().filter(|(setting, _)| !given.contains(setting));
        unclear.next().map_or(Ok(self.settings), |(_, error)| Err(error))
    }
}

/// What stands in `column_rules`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Rules {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignore: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    no_conflict: Vec<String>,
}

const COLUMNS: [(&str, Kind); 7] = [
    ("table_name", TEXT),
    ("sync_enabled", SIGNED),
    ("sync_type", TEXT),
    ("sync_direction", TEXT),
    ("conflict_resolution", TEXT),
    ("priority", SIGNED),
    ("column_rules", TEXT),
];

/// All rows, by table name, with what cannot be understood. An older installation may not have `column_rules` yet.
///
/// # Errors
/// The failure with its code.
pub async fn stored(
    connection: &mut Connection,
    dialect: Dialect,
    with_rules: bool,
) -> Result<Vec<Stored>> {
    let columns = if with_rules { &COLUMNS[..] } else { &COLUMNS[..6] };
    let rows = connection.fetch(&own::select(dialect, TABLE, columns, &[], "table_name")).await?;
    Ok(rows.iter().map(of_row).collect())
}

/// The same in a transaction, until whose end nobody else changes them.
///
/// # Errors
/// The failure with its code.
pub async fn stored_to_change(
    connection: &mut Connection,
    dialect: Dialect,
) -> Result<Vec<Stored>> {
    let statement = own::select_to_change(dialect, TABLE, &COLUMNS, "table_name");
    Ok(connection.fetch(&statement).await?.iter().map(of_row).collect())
}

fn of_row(row: &Row) -> Stored {
    let text = |at: usize| row.get(at).and_then(Value::as_text).unwrap_or_default();
    let mut unclear = Vec::new();
    let bad = |at: usize, allowed: &str| {
        SyncError::new(error::BAD_ROW)
            .with("key", COLUMNS[at].0)
            .with("table", text(0))
            .with("value", format!("{:?}", text(at)))
            .with("allowed", allowed)
    };
    let rules: Rules = match text(6).trim() {
        "" => Rules::default(),
        json => serde_json::from_str(json).unwrap_or_else(|_| {
            let form = bad(6, r#"{"ignore": ["column"], "no_conflict": ["column"]}"#);
            unclear.extend([(Setting::Ignore, form.clone()), (Setting::NoConflict, form)]);
            Rules::default()
        }),
    };
    let sync_type = text(2).parse().unwrap_or_else(|_| {
        unclear.push((Setting::Type, bad(2, &one_of(SyncType::NAMES))));
        SyncType::Incremental
    });
    let direction = text(3).parse().unwrap_or_else(|_| {
        let key = format!("sync_direction of table {} in db_sync_config", text(0));
        unclear.push((Setting::Direction, bad_direction(&key, text(3))));
        Direction::Both
    });
    let strategy = text(4).parse().unwrap_or_else(|_| {
        unclear.push((Setting::Conflict, bad(4, &one_of(Strategy::NAMES))));
        Strategy::RemoteWins
    });
    let priority = row[5].as_int().and_then(|priority| i64::try_from(priority).ok());
    let settings = TableSettings {
        table: text(0).to_owned(),
        enabled: row[1].as_int() != Some(0),
        policy: Policy { direction, sync_type, strategy },
        priority: priority.unwrap_or(0),
        rules: ColumnRules { ignore: rules.ignore, quiet: rules.no_conflict },
    };
    Stored { settings, unclear }
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
    if tables.is_empty() {
        return Ok(());
    }
    let place = connection.place().clone();
    // All of them or none: a later run registers nothing where there is a row.
    connection.begin().await.map_err(|fault| fault.fatal(&place))?;
    // Two first runs may register the same tables at once: the rows are the same then, and one of each is enough.
    for table in tables {
        match insert(connection, dialect, table, now).await {
            Ok(()) | Err(Fault::Row(RowFault::Duplicate)) => {}
            Err(fault) => {
                connection.rollback().await;
                return Err(fault.fatal(&place));
            }
        }
    }
    connection.commit().await.map_err(|fault| fault.fatal(&place))
}

/// Adds a table's row.
///
/// # Errors
/// The [`Fault`].
pub async fn insert(
    connection: &mut Connection,
    dialect: Dialect,
    table: &TableSettings,
    now: DateTime<Utc>,
) -> std::result::Result<(), Fault> {
    let name = ("table_name", Value::text(&table.table));
    let created = ("created_at", seconds(now));
    let cells = cells(table, now).into_iter().chain([name, created]);
    let (columns, row): (Vec<_>, Vec<_>) = cells.unzip();
    connection.execute(&own::insert(dialect, TABLE, &columns, vec![row])).await.map(drop)
}

/// Gives a table's row other settings.
///
/// # Errors
/// The [`Fault`].
pub async fn update(
    connection: &mut Connection,
    dialect: Dialect,
    table: &TableSettings,
    now: DateTime<Utc>,
) -> std::result::Result<(), Fault> {
    let name = [("table_name", Value::text(&table.table))];
    connection.execute(&own::update(dialect, TABLE, &cells(table, now), &name)).await.map(drop)
}

/// What the settings are as cells.
fn cells(table: &TableSettings, now: DateTime<Utc>) -> Vec<(&'static str, Value)> {
    let ColumnRules { ignore, quiet } = table.rules.clone();
    let rules = (!ignore.is_empty() || !quiet.is_empty())
        .then(|| serde_json::json!(Rules { ignore, no_conflict: quiet }).to_string());
    vec![
        ("sync_enabled", Value::Int(table.enabled.into())),
        ("sync_type", Value::text(table.policy.sync_type.as_str())),
        ("sync_direction", Value::text(table.policy.direction.as_str())),
        ("conflict_resolution", Value::text(table.policy.strategy.as_str())),
        ("priority", Value::Int(table.priority.into())),
        ("column_rules", optional(rules.as_deref())),
        ("updated_at", seconds(now)),
    ]
}

/// A moment without a fraction of a second, for columns that have none.
fn seconds(now: DateTime<Utc>) -> Value {
    moment(DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now))
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
    let set = [("last_sync_time", seconds(now)), ("last_sync_position", Value::text(position))];
    connection
        .run(&own::update(dialect, TABLE, &set, &[("table_name", Value::text(table))]))
        .await
        .map(drop)
}
