//! The one definition of our tables, and what turns any older installation into it.
//!
//! The engine's own install step, the Django migration and `mariadb/init/01-init.sql` all come from here.

use std::collections::{BTreeMap, BTreeSet};

use crate::endpoint::{Connection, Dialect, Statement, introspect};
use crate::error::Result;

/// Names of tables and of the columns that they have already.
pub type Existing = BTreeMap<String, BTreeSet<String>>;

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

/// The database that the script for new servers makes.
const DATABASE: &str = "tiktok_products";

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
        indexes: &[&["table_name", "status"], &["run_id"]],
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
        columns.is_some_and(|columns| table.columns.iter().any(|of| !columns.contains(of.0)))
    });
    (missing.map(|table| table.name).collect(), older.map(|table| table.name).collect())
}

/// The statements that bring about our tables where `existing` is what there is: none where nothing is
/// missing. They only add; no column and no row of an older installation is lost.
pub fn statements(dialect: Dialect, existing: &Existing) -> Vec<String> {
    if is_complete(existing) {
        return Vec::new();
    }
    let statement = |table: &TableOf| match existing.get(table.name) {
        None => create(dialect, table),
        Some(columns) => upgrade(dialect, table, columns),
    };
    TABLES.iter().flat_map(statement).collect()
}

fn create(dialect: Dialect, table: &TableOf) -> Vec<String> {
    let quote = |name: &str| dialect.quote(name);
    let list =
        |columns: &[&str]| columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let mut lines: Vec<String> =
        table.columns.iter().map(|column| definition(dialect, column)).collect();
    let mut after = Vec::new();
    if dialect == Dialect::Sqlite {
        lines.extend(table.unique.iter().map(|columns| format!("UNIQUE ({})", list(columns))));
        after.extend(table.indexes.iter().map(|columns| {
            let name = quote(&format!("{}_{}", table.name, columns.join("_")));
            format!(
                "CREATE INDEX IF NOT EXISTS {name} ON {} ({})",
                quote(table.name),
                list(columns)
            )
        }));
    } else {
        let key = |columns: &[&str]| quote(&columns.join("_"));
        lines.extend(
            table
                .unique
                .iter()
                .map(|columns| format!("UNIQUE KEY {} ({})", key(columns), list(columns))),
        );
        lines.extend(
            table.indexes.iter().map(|columns| format!("KEY {} ({})", key(columns), list(columns))),
        );
    }
    let options = match dialect {
        Dialect::Sqlite => "",
        _ => " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci",
    };
    let body = lines.join(",\n  ");
    let mut statements =
        vec![format!("CREATE TABLE IF NOT EXISTS {} (\n  {body}\n){options}", quote(table.name))];
    statements.extend(after);
    statements
}

/// Adds what an older installation lacks, and widens what it may have made too narrow.
fn upgrade(dialect: Dialect, table: &TableOf, columns: &BTreeSet<String>) -> Vec<String> {
    let missing: Vec<&ColumnOf> =
        table.columns.iter().filter(|column| !columns.contains(column.0)).collect();
    let name = dialect.quote(table.name);
    let mut statements: Vec<String> = missing
        .iter()
        .map(|column| {
            // Rows are there already, so a new column needs a value for them.
            let ColumnOf(column_name, holds, nullable, default) = **column;
            let constant = default
                .filter(|default| dialect != Dialect::Sqlite || *default != "CURRENT_TIMESTAMP");
            let column = ColumnOf(column_name, holds, nullable || constant.is_none(), constant);
            format!("ALTER TABLE {name} ADD COLUMN {}", definition(dialect, &column))
        })
        .collect();
    if dialect != Dialect::Sqlite {
        let narrow = |column: &&ColumnOf| {
            matches!(
                (table.name, column.0),
                (_, "table_name") | ("db_sync_log", "status" | "sync_type" | "error_message")
            )
        };
        let widened =
            table.columns.iter().filter(narrow).filter(|column| columns.contains(column.0));
        statements.extend(widened.map(|column| {
            format!("ALTER TABLE {name} MODIFY COLUMN {}", definition(dialect, column))
        }));
    }
    statements
}

fn definition(dialect: Dialect, column: &ColumnOf) -> String {
    let ColumnOf(name, holds, nullable, default) = *column;
    let quoted = dialect.quote(name);
    let kind = if dialect == Dialect::Sqlite { sqlite_type(holds) } else { mysql_type(holds) };
    if matches!(holds, Id | BigId) {
        return format!("{quoted} {kind}");
    }
    let null = if nullable { "NULL" } else { "NOT NULL" };
    let touched = dialect != Dialect::Sqlite && name == "updated_at";
    let default = default.map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
    let touch = if touched { " ON UPDATE CURRENT_TIMESTAMP" } else { "" };
    format!("{quoted} {kind} {null}{default}{touch}")
}

fn mysql_type(holds: Holds) -> String {
    match holds {
        Id => "int NOT NULL AUTO_INCREMENT PRIMARY KEY".to_owned(),
        BigId => "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY".to_owned(),
        Short(length) => format!("varchar({length})"),
        Name => "varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin".to_owned(),
        LongText => "longtext".to_owned(),
        Count => "bigint".to_owned(),
        Number => "int".to_owned(),
        Switch => "tinyint(1)".to_owned(),
        Names(names) => format!(
            "enum({})",
            names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(",")
        ),
        Moment(0) => "datetime".to_owned(),
        Moment(digits) => format!("datetime({digits})"),
        Seconds => "decimal(12,3)".to_owned(),
        Bytes(length) => format!("binary({length})"),
        Blob => "longblob".to_owned(),
    }
}

fn sqlite_type(holds: Holds) -> String {
    match holds {
        Id | BigId => "integer NOT NULL PRIMARY KEY AUTOINCREMENT".to_owned(),
        Short(length) => format!("varchar({length})"),
        Name => "varchar(100)".to_owned(),
        LongText => "text".to_owned(),
        Count => "bigint".to_owned(),
        Number => "integer".to_owned(),
        Switch => "bool".to_owned(),
        Names(names) => {
            format!("varchar({})", names.iter().map(|name| name.len()).max().unwrap_or(0))
        }
        Moment(_) => "datetime".to_owned(),
        Seconds => "decimal".to_owned(),
        Bytes(_) | Blob => "BLOB".to_owned(),
    }
}

/// The script with which a new MariaDB server begins: a database, our tables in it, and a configuration whose one row, named
/// `*`, holds the defaults of tables that the first run registers.
pub fn init_script() -> String {
    let statements = statements(Dialect::MariaDb, &Existing::new());
    let tables = statements.iter().fold(String::new(), |script, sql| script + sql + ";\n\n");
    format!(
        "-- Made by `make init-sql` from the engine's own definition of its tables; a test compares them.\n\
         CREATE DATABASE IF NOT EXISTS `{DATABASE}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n\
         USE `{DATABASE}`;\n\n\
         {tables}\
         -- The defaults with which the first run registers the tables that exist on both sides.\n\
         INSERT INTO `db_sync_config` (`table_name`)\n  \
         SELECT '*' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM `db_sync_config`);\n"
    )
}

/// What is there of our tables.
///
/// # Errors
/// The failure with its code.
pub async fn existing(connection: &mut Connection, dialect: Dialect) -> Result<Existing> {
    let tables = introspect::tables(connection, dialect).await?;
    let ours = tables.into_values().filter(|table| names().any(|name| name == table.name));
    Ok(ours
        .map(|table| (table.name, table.columns.into_iter().map(|column| column.name).collect()))
        .collect())
}

/// Whether nothing of our tables is missing.
pub fn is_complete(existing: &Existing) -> bool {
    let (missing, older) = lacking(existing);
    missing.is_empty() && older.is_empty()
}

/// Brings about our tables.
///
/// # Errors
/// The failure with its code; `SYS_004` where the user may not create tables.
pub async fn install(
    connection: &mut Connection,
    dialect: Dialect,
    existing: &Existing,
) -> Result<()> {
    for sql in statements(dialect, existing) {
        connection.run(&Statement::new(sql)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Existing {
        let columns =
            |table: &TableOf| table.columns.iter().map(|column| column.0.to_owned()).collect();
        TABLES.iter().map(|table| (table.name.to_owned(), columns(table))).collect()
    }

    #[test]
    fn a_complete_installation_needs_nothing() {
        for dialect in [Dialect::MariaDb, Dialect::Sqlite] {
            assert!(statements(dialect, &complete()).is_empty());
        }
        assert!(is_complete(&complete()));
    }

    #[test]
    fn an_older_installation_is_added_to_and_never_taken_from() {
        let mut older = complete();
        let compat =
            ["id", "table_name", "status", "start_time", "duration", "error_message", "created_at"];
        older.insert("db_sync_log".into(), compat.iter().map(|name| (*name).to_owned()).collect());
        for dialect in [Dialect::MySql, Dialect::Sqlite] {
            let statements = statements(dialect, &older);
            assert!(statements.iter().all(|sql| sql.starts_with("ALTER TABLE")));
            assert!(statements.iter().all(|sql| !sql.contains("DROP")));
            assert!(
                statements.iter().any(|sql| sql.contains("ADD COLUMN") && sql.contains("run_id"))
            );
        }
        assert!(!is_complete(&older));
    }
}
