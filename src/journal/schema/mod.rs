//! The one definition of our tables, and what turns any older installation into it.
//!
//! The engine's own install step, the Django migration and `mariadb/init/01-init.sql` all come from here. What the tables'
//! rows mean is said by the files beside this one.

mod statements;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::endpoint::sql::SIGNED;
use crate::endpoint::{Connection, Dialect, Statement, introspect};
use crate::error::{self, Code, Result, SyncError};
use crate::model::table::{Column, Table};

pub use statements::{init_script, statements};

/// What there is already: tables by name, and their columns by name.
pub type Existing = BTreeMap<String, BTreeMap<String, Had>>;

/// A column that is there already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Had {
    /// Its type, in the server's words.
    pub declared: String,
    /// Of text.
    #[serde(default)]
    pub collation: Option<String>,
    /// Whether each new row must name it: it takes no NULL, and nothing else says what it holds.
    #[serde(default)]
    pub required: bool,
    /// Whether the server sets it to the present moment whenever the row changes.
    #[serde(default)]
    pub touched: bool,
}

/// What a column of ours holds.
#[derive(Clone, Copy, Debug)]
enum Holds {
    Id,
    BigId,
    /// Text of at most this many characters.
    Short(u16),
    /// A table's name, compared byte by byte: two tables may differ in letter case alone.
    Name,
    LongText,
    Count,
    Number,
    Switch,
    Names(&'static [&'static str]),
    /// With this many digits behind the second.
    Moment(u8),
    Seconds,
    /// Exactly this many bytes.
    Bytes(u8),
    Blob,
}

/// One column: name, contents, whether it takes NULL, its default as SQL.
#[derive(Clone, Copy, Debug)]
struct ColumnOf(&'static str, Holds, bool, Option<&'static str>);

/// One table.
#[derive(Clone, Copy, Debug)]
struct TableOf {
    name: &'static str,
    columns: &'static [ColumnOf],
    /// Columns of unique keys and of other indexes.
    unique: &'static [&'static [&'static str]],
    indexes: &'static [&'static [&'static str]],
}

use Holds::{
    BigId, Blob, Bytes, Count, Id, LongText, Moment, Name, Names, Number, Seconds, Short, Switch,
};

const NOW: Option<&str> = Some("CURRENT_TIMESTAMP");
const ZERO: Option<&str> = Some("0");

/// A column that every row has.
const fn always(name: &'static str, holds: Holds) -> ColumnOf {
    ColumnOf(name, holds, false, None)
}

/// A column that may be NULL.
const fn maybe(name: &'static str, holds: Holds) -> ColumnOf {
    ColumnOf(name, holds, true, None)
}

const TABLES: &[TableOf] = &[
    TableOf {
        name: "db_sync_config",
        columns: &[
            always("id", Id),
            always("table_name", Name),
            ColumnOf("sync_enabled", Switch, false, Some("1")),
            ColumnOf("sync_type", Names(&["FULL", "INCREMENTAL"]), false, Some("'INCREMENTAL'")),
            ColumnOf(
                "sync_direction",
                Names(&["BOTH", "REMOTE_TO_LOCAL", "LOCAL_TO_REMOTE"]),
                false,
                Some("'BOTH'"),
            ),
            maybe("last_sync_time", Moment(0)),
            maybe("last_sync_position", Short(255)),
            ColumnOf("priority", Number, false, ZERO),
            ColumnOf(
                "conflict_resolution",
                Names(&["REMOTE_WINS", "LOCAL_WINS", "SKIP", "MANUAL"]),
                false,
                Some("'REMOTE_WINS'"),
            ),
            ColumnOf("created_at", Moment(0), false, NOW),
            ColumnOf("updated_at", Moment(0), false, NOW),
            // JSON: the columns that are never synced, and those that make no conflict.
            maybe("column_rules", LongText),
        ],
        unique: &[&["table_name"]],
        indexes: &[],
    },
    TableOf {
        name: "db_sync_log",
        columns: &[
            always("id", BigId),
            maybe("run_id", Short(36)),
            always("table_name", Name),
            maybe("sync_type", Short(20)),
            maybe("sync_direction", Short(20)),
            always("status", Short(20)),
            always("start_time", Moment(6)),
            maybe("end_time", Moment(6)),
            maybe("duration", Seconds),
            ColumnOf("triggered_by", Short(20), false, Some("'MANUAL'")),
            ColumnOf("rows_scanned", Count, false, ZERO),
            ColumnOf("rows_inserted", Count, false, ZERO),
            ColumnOf("rows_updated", Count, false, ZERO),
            ColumnOf("rows_deleted", Count, false, ZERO),
            ColumnOf("rows_skipped", Count, false, ZERO),
            ColumnOf("conflicts", Count, false, ZERO),
            maybe("error_code", Short(20)),
            maybe("error_message", LongText),
            ColumnOf("created_at", Moment(0), false, NOW),
        ],
        unique: &[],
        indexes: &[&["table_name", "status"], &["run_id"], &["start_time"]],
    },
    TableOf {
        name: "db_sync_conflict",
        columns: &[
            always("id", BigId),
            always("run_id", Short(36)),
            always("table_name", Name),
            always("row_key", LongText),
            always("kind", Short(20)),
            maybe("remote_row", LongText),
            maybe("local_row", LongText),
            always("strategy", Short(20)),
            always("state", Short(10)),
            maybe("winner", Short(10)),
            maybe("resolved_by", Short(150)),
            maybe("resolved_at", Moment(6)),
            ColumnOf("created_at", Moment(0), false, NOW),
            // The key's ordinal, by which a row is found, and both signatures, by which a conflict is known again.
            always("key_ordinal", Bytes(8)),
            always("seen", Short(40)),
        ],
        unique: &[],
        indexes: &[&["table_name", "key_ordinal"], &["state"]],
    },
    TableOf {
        name: "db_sync_undo",
        columns: &[
            always("id", BigId),
            always("run_id", Short(36)),
            always("table_name", Name),
            always("side", Short(6)),
            always("action", Short(6)),
            // For INSERT a whole batch: an array of keys, and their signatures in the same order.
            always("row_key", LongText),
            maybe("row_before", LongText),
            maybe("written", Blob),
            // A row too large for one statement is kept in pieces, one after another.
            ColumnOf("part", Number, false, ZERO),
            // What the base said before: both signatures, NULL where it said nothing.
            maybe("base", Blob),
            // The signature of the row that was met; NULL for rows that came.
            maybe("found", Blob),
            ColumnOf("created_at", Moment(0), false, NOW),
        ],
        unique: &[],
        indexes: &[&["run_id", "table_name"], &["created_at"]],
    },
    TableOf {
        name: "db_sync_base",
        columns: &[
            always("id", BigId),
            always("table_name", Name),
            always("low", Bytes(8)),
            always("row_count", Count),
            always("digest_remote", Bytes(8)),
            always("digest_local", Bytes(8)),
            always("entries", Blob),
        ],
        unique: &[&["table_name", "low"]],
        indexes: &[],
    },
    TableOf {
        name: "db_sync_state",
        columns: &[
            always("id", Id),
            always("table_name", Name),
            always("stamp", LongText),
            // JSON: how far each side had come at the end of the last sync.
            maybe("seen", LongText),
            ColumnOf("updated_at", Moment(0), false, NOW),
        ],
        unique: &[&["table_name"]],
        indexes: &[],
    },
    TableOf {
        name: "db_sync_lease",
        columns: &[
            always("id", Id),
            always("table_name", Name),
            // The run that is at work, NULL where none is, and the line or process that it works on.
            maybe("owner", Short(36)),
            maybe("line", Count),
            // Greater with every owner: who writes must have the last one.
            always("token", Count),
            // By the server's own clock.
            maybe("heartbeat_at", Moment(6)),
            maybe("expires_at", Moment(6)),
        ],
        unique: &[&["table_name"]],
        indexes: &[],
    },
    TableOf {
        name: "db_sync_outbox",
        columns: &[
            always("id", BigId),
            always("table_name", Name),
            maybe("row_key", LongText),
            ColumnOf("created_at", Moment(6), false, None),
        ],
        unique: &[],
        indexes: &[&["table_name"]],
    },
];

/// The names of all our tables.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name)
}

/// Our tables that are not there, and those that lack columns.
pub fn lacking(existing: &Existing) -> (Vec<&'static str>, Vec<&'static str>) {
    let missing = TABLES.iter().filter(|table| !existing.contains_key(table.name));
    let older = TABLES.iter().filter(|table| {
        let columns = existing.get(table.name);
        columns.is_some_and(|columns| table.columns.iter().any(|of| !columns.contains_key(of.0)))
    });
    (missing.map(|table| table.name).collect(), older.map(|table| table.name).collect())
}

/// Whether nothing of our tables is missing.
///
/// # Errors
/// The failure with its code.
pub async fn is_there(connection: &mut Connection, dialect: Dialect) -> Result<bool> {
    Ok(is_complete(&existing(connection, dialect).await?))
}

async fn existing(connection: &mut Connection, dialect: Dialect) -> Result<Existing> {
    let tables = introspect::tables(connection, dialect).await?;
    let ours = tables.into_values().filter(|table| names().any(|name| name == table.name));
    Ok(ours.map(|table| (table.name.clone(), columns(&table))).collect())
}

/// The columns of a table of ours, as they are there.
pub fn columns(table: &Table) -> BTreeMap<String, Had> {
    let had = |column: &Column| Had {
        declared: column.declared.clone(),
        collation: column.collation.clone(),
        touched: column.touched,
        required: !(column.nullable || column.default.is_some() || column.counts)
            && column.computed.is_none(),
    };
    table.columns.iter().map(|column| (column.name.clone(), had(column))).collect()
}

/// Whether nothing of our tables is missing.
pub fn is_complete(existing: &Existing) -> bool {
    let (missing, older) = lacking(existing);
    missing.is_empty() && older.is_empty()
}

/// Brings about our tables, or brings them up to date. Several first runs may want to at once: the others wait, and find it done.
///
/// # Errors
/// The failure with its code; `SYS_004` where the user may not create tables, `SYNC_001` where an older table cannot be changed.
pub async fn install(connection: &mut Connection, dialect: Dialect) -> Result<()> {
    let place = connection.place().clone();
    if dialect == Dialect::Sqlite {
        connection.begin().await.map_err(|fault| fault.fatal(&place))?;
        let made = make(connection, dialect).await;
        return match made {
            Ok(()) => connection.commit().await.map_err(|fault| fault.fatal(&place)),
            Err(error) => {
                connection.rollback().await;
                Err(error)
            }
        };
    }
    let lock = "CONCAT('db_sync_',LEFT(SHA2(DATABASE(),256),32))";
    let seconds = place.patience.lock.as_secs();
    // Where it cannot be had, the statements themselves say what is in the way.
    let take = Statement::new(format!("SELECT GET_LOCK({lock},{seconds})")).cells([SIGNED]);
    connection.fetch(&take).await?;
    let made = make(connection, dialect).await;
    connection
        .fetch(&Statement::new(format!("SELECT RELEASE_LOCK({lock})")).cells([SIGNED]))
        .await?;
    made
}

async fn make(connection: &mut Connection, dialect: Dialect) -> Result<()> {
    let existing = existing(connection, dialect).await?;
    for (table, sql) in statements::by_table(dialect, &existing) {
        let upgrades = existing.contains_key(table);
        connection.run(&Statement::new(sql)).await.map_err(|error| match error.code() {
            Code::Sync001 | Code::Sync003 if upgrades => SyncError::new(error::CANNOT_UPGRADE)
                .in_table(table)
                .with("reason", error.message().trim_end_matches('.')),
            _ => error,
        })?;
    }
    Ok(())
}
