//! Statements for the doctor: those that ask a server whether it would let us do something, without doing it, and those that
//! mend. The latter are shown to people and never run by us.

use super::{Dialect, Statement};

/// What to read and write rows takes, in the order in which people write it.
pub const ROWS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// Has a server explain a statement that takes one of the rights of [`ROWS`] to a table: it checks the right as if it were to
/// run the statement, and runs nothing. `None` for an update of no known column.
pub fn would(right: &str, dialect: Dialect, table: &str, columns: &[&str]) -> Option<Statement> {
    let table = dialect.quote(table);
    let statement = match right {
        "SELECT" => format!("SELECT * FROM {table}"),
        "INSERT" => format!("INSERT INTO {table} SELECT * FROM {table}"),
        "DELETE" => format!("DELETE FROM {table} WHERE 1=0"),
        "UPDATE" if !columns.is_empty() => {
            let set = |column: &&str| format!("{0}={0}", dialect.quote(column));
            let set: Vec<String> = columns.iter().map(set).collect();
            format!("UPDATE {table} SET {} WHERE 1=0", set.join(","))
        }
        _ => return None,
    };
    Some(Statement::new(format!("EXPLAIN {statement}")).plain())
}

/// Gives an account rights to an object.
pub fn grant(privileges: &[&str], object: &str, account: &str) -> String {
    format!("GRANT {} ON {object} TO {account};", privileges.join(", "))
}

/// A table, or without one every table of a database, as an object of a GRANT.
pub fn object(dialect: Dialect, database: &str, table: Option<&str>) -> String {
    let table = table.map_or_else(|| "*".to_owned(), |table| dialect.quote(table));
    format!("{}.{table}", dialect.quote(database))
}

/// A setting of the whole server, until it is started again.
pub fn set_global(name: &str, value: &str) -> String {
    let bare = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let value = if bare { value.to_owned() } else { format!("'{value}'") };
    format!("SET GLOBAL {name}={value};")
}

/// Has a server keep a binary log, which it does only from its start on.
pub fn keep_binlog() -> String {
    "-- under [mysqld] in the server's configuration file, then start it again: log_bin=binlog"
        .to_owned()
}

/// Gives back a lease that still has this token; whoever had it writes nothing any more.
pub fn give_back(dialect: Dialect, table: &str, token: i64) -> String {
    let table = literal(dialect, table);
    format!(
        "UPDATE db_sync_lease SET owner=NULL, token=token+1 WHERE table_name={table} AND token={token};"
    )
}

/// Says in the log that a table's dead runs ended.
pub fn bury(dialect: Dialect, table: &str) -> String {
    let now = match dialect {
        Dialect::Sqlite => "strftime('%Y-%m-%d %H:%M:%f','now')",
        _ => "UTC_TIMESTAMP(6)",
    };
    let table = literal(dialect, table);
    format!(
        "UPDATE db_sync_log SET status='INTERRUPTED', end_time={now} WHERE status='RUNNING' AND run_id IS NOT NULL AND table_name={table};"
    )
}

/// Has a table synced, in the way in which tables are synced where nothing else is said.
pub fn register(dialect: Dialect, table: &str) -> String {
    format!("INSERT INTO db_sync_config (table_name) VALUES ({});", literal(dialect, table))
}

/// Ends a line.
pub fn end_line(line: i64) -> String {
    format!("KILL {line};")
}

fn literal(dialect: Dialect, text: &str) -> String {
    let escaped =
        if dialect == Dialect::Sqlite { text.to_owned() } else { text.replace('\\', "\\\\") };
    format!("'{}'", escaped.replace('\'', "''"))
}
