//! Statements on our own tables (`db_sync_…`), from names of the one definition in `journal::schema`.

use super::{BYTES, Dialect, Statement, TEXT, places};
use crate::model::{Kind, Value};

/// A condition `column = value`.
pub type Equal<'a> = (&'a str, Value);

fn names(dialect: Dialect, columns: &[&str]) -> String {
    columns.iter().map(|column| dialect.quote(column)).collect::<Vec<_>>().join(",")
}

/// Columns as they are read: moments as text.
fn shown(dialect: Dialect, columns: &[(&str, Kind)]) -> String {
    let column = |(name, kind): &(&str, Kind)| match kind {
        Kind::DateTime { .. } => format!("CAST({} AS CHAR)", dialect.quote(name)),
        _ => dialect.quote(name),
    };
    columns.iter().map(column).collect::<Vec<_>>().join(",")
}

fn condition(dialect: Dialect, equal: &[Equal<'_>]) -> String {
    if equal.is_empty() {
        return String::new();
    }
    let conditions: Vec<String> =
        equal.iter().map(|(column, _)| format!("{}=?", dialect.quote(column))).collect();
    format!(" WHERE {}", conditions.join(" AND "))
}

fn values(equal: &[Equal<'_>]) -> impl Iterator<Item = Value> {
    equal.iter().map(|(_, value)| value.clone())
}

/// Rows whose columns equal these values, oldest first by `order`.
pub fn select(
    dialect: Dialect,
    table: &str,
    columns: &[(&str, Kind)],
    equal: &[Equal<'_>],
    order: &str,
) -> Statement {
    let (listed, table) = (shown(dialect, columns), dialect.quote(table));
    let (condition, order) = (condition(dialect, equal), dialect.quote(order));
    Statement::new(format!("SELECT {listed} FROM {table}{condition} ORDER BY {order}"))
        .args(values(equal))
        .cells(columns.iter().map(|(_, kind)| kind.clone()))
}

/// Every row, oldest first by `order`, which nobody else may change until the transaction ends. A file is locked as a whole
/// by then.
pub fn select_to_change(
    dialect: Dialect,
    table: &str,
    columns: &[(&str, Kind)],
    order: &str,
) -> Statement {
    let mut statement = select(dialect, table, columns, &[], order);
    if dialect != Dialect::Sqlite {
        statement.sql.push_str(" FOR UPDATE");
    }
    statement
}

/// The values that a column has in rows whose columns equal these values.
pub fn select_distinct(
    dialect: Dialect,
    table: &str,
    column: (&str, Kind),
    equal: &[Equal<'_>],
) -> Statement {
    let (name, table, condition) =
        (dialect.quote(column.0), dialect.quote(table), condition(dialect, equal));
    Statement::new(format!("SELECT DISTINCT {name} FROM {table}{condition} ORDER BY {name}"))
        .args(values(equal))
        .cells([column.1])
}

/// Rows of which `column` equals any of these values and the others their one value.
pub fn select_any(
    dialect: Dialect,
    table: &str,
    columns: &[(&str, Kind)],
    equal: &[Equal<'_>],
    any: (&str, &[Value]),
) -> Statement {
    let listed: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let (listed, quoted) = (names(dialect, &listed), dialect.quote(table));
    let condition = condition(dialect, equal);
    let (column, list) = (dialect.quote(any.0), places(any.1.len()));
    Statement::new(format!(
        "SELECT {listed} FROM {quoted}{condition} AND {column} IN {list} ORDER BY {column}"
    ))
    .args(values(equal))
    .args(any.1.iter().cloned())
    .cells(columns.iter().map(|(_, kind)| kind.clone()))
}

/// New rows.
pub fn insert(dialect: Dialect, table: &str, columns: &[&str], rows: Vec<Vec<Value>>) -> Statement {
    let list = vec![places(columns.len()); rows.len()].join(",");
    let (table, listed) = (dialect.quote(table), names(dialect, columns));
    Statement::new(format!("INSERT INTO {table} ({listed}) VALUES {list}"))
        .args(rows.into_iter().flatten())
}

/// New values in the rows whose columns equal these values.
pub fn update(dialect: Dialect, table: &str, set: &[Equal<'_>], equal: &[Equal<'_>]) -> Statement {
    let assignments: Vec<String> =
        set.iter().map(|(column, _)| format!("{}=?", dialect.quote(column))).collect();
    let condition = condition(dialect, equal);
    Statement::new(format!(
        "UPDATE {} SET {}{condition}",
        dialect.quote(table),
        assignments.join(",")
    ))
    .args(values(set))
    .args(values(equal))
}

/// The same, and only of rows that a run wrote: an older installation's have none.
pub fn update_runs(
    dialect: Dialect,
    table: &str,
    set: &[Equal<'_>],
    equal: &[Equal<'_>],
) -> Statement {
    let mut statement = update(dialect, table, set, equal);
    statement.sql.push_str(" AND run_id IS NOT NULL");
    statement
}

/// Rows go whose columns equal these values.
pub fn delete(dialect: Dialect, table: &str, equal: &[Equal<'_>]) -> Statement {
    Statement::new(format!("DELETE FROM {}{}", dialect.quote(table), condition(dialect, equal)))
        .args(values(equal))
}

/// Rows go of which `column` equals any of these values.
pub fn delete_any(
    dialect: Dialect,
    table: &str,
    equal: &[Equal<'_>],
    any: (&str, &[Value]),
) -> Statement {
    let condition = condition(dialect, equal);
    let (column, list) = (dialect.quote(any.0), places(any.1.len()));
    Statement::new(format!(
        "DELETE FROM {}{condition} AND {column} IN {list}",
        dialect.quote(table)
    ))
    .args(values(equal))
    .args(any.1.iter().cloned())
}

/// What runs wrote down goes where `column` is below `bound`.
pub fn delete_runs_below(dialect: Dialect, table: &str, column: &str, bound: Value) -> Statement {
    let (table, column) = (dialect.quote(table), dialect.quote(column));
    Statement::new(format!("DELETE FROM {table} WHERE {column}<? AND run_id IS NOT NULL"))
        .args([bound])
}

/// The runs of this table that did not come to their end, since the last sync that looked at all that LOCAL had for REMOTE and
/// left nothing open.
pub fn unfinished_runs(dialect: Dialect, table: &str) -> Statement {
    let log = dialect.quote("db_sync_log");
    Statement::new(format!(
        "SELECT DISTINCT run_id FROM {log} WHERE table_name=? AND status NOT IN ('SUCCESS','PARTIAL') \
         AND run_id IS NOT NULL AND sync_type IN ('FULL','INCREMENTAL','APPLY') \
         AND id>(SELECT COALESCE(MAX(id),0) FROM {log} WHERE table_name=? AND status='SUCCESS' \
         AND sync_direction='LOCAL_TO_REMOTE' AND sync_type IN ('FULL','INCREMENTAL'))"
    ))
    .args([table, table].map(Value::text))
    .cells([TEXT])
}

/// Those of some runs that have written down writes of this table's rows on REMOTE. The log of an older installation has other
/// collations, so the two tables cannot be asked together.
pub fn runs_with_writes(dialect: Dialect, table: &str, runs: &[String]) -> Statement {
    let (undo, runs_list) = (dialect.quote("db_sync_undo"), places(runs.len()));
    Statement::new(format!(
        "SELECT DISTINCT run_id FROM {undo} WHERE table_name=? AND side='REMOTE' AND run_id IN {runs_list}"
    ))
    .args([Value::text(table)])
    .args(runs.iter().map(Value::text))
    .cells([TEXT])
}

/// The places of a table's conflicts that a person has decided for a side, and the two versions that were decided between.
pub fn decided_conflicts(dialect: Dialect, table: &str, winner: &str) -> Statement {
    let conflict = dialect.quote("db_sync_conflict");
    Statement::new(format!(
        "SELECT key_ordinal,seen FROM {conflict} WHERE table_name=? AND state='RESOLVED' AND winner=? \
         AND resolved_by NOT IN ('strategy','application') ORDER BY id"
    ))
    .args([table, winner].map(Value::text))
    .cells([BYTES, TEXT])
}
