//! What tables a database has.

use std::collections::{HashMap, HashSet};

use super::sql::{SIGNED, TEXT};
use super::{Connection, Dialect, Statement, mysql, sqlite};
use crate::error::Result;
use crate::model::{Table, Value};

/// Every base table, by the name that the server gives it.
///
/// # Errors
/// The failure with its code.
pub async fn tables(
    connection: &mut Connection,
    dialect: Dialect,
) -> Result<HashMap<String, Table>> {
    match dialect {
        Dialect::Sqlite => sqlite::introspect::tables(connection).await,
        Dialect::MySql | Dialect::MariaDb => mysql::introspect::tables(connection, dialect).await,
    }
}

/// One trigger.
pub(super) struct Trigger {
    /// The table at which it fires.
    pub table: String,
    /// Its statements.
    pub sql: String,
    /// Whether it may change a row that is inserted, or updated, before or after it is there.
    pub bends: [bool; 2],
}

/// Notes at each table that it has triggers, what they may do to its rows, and which other tables they name.
pub(super) fn add_triggers(
    tables: &mut HashMap<String, Table>,
    triggers: impl Iterator<Item = Trigger>,
) {
    let names: HashMap<String, String> =
        tables.keys().map(|name| (name.to_lowercase(), name.clone())).collect();
    for Trigger { table, sql, bends: [inserts, updates] } in triggers {
        let Some(table) = tables.get_mut(&table) else { continue };
        table.triggers.any = true;
        table.triggers.bend_inserts |= inserts;
        table.triggers.bend_updates |= updates;
        let words = sql.split(|letter: char| !(letter.is_alphanumeric() || "_$".contains(letter)));
        for name in words.filter_map(|word| names.get(&word.to_lowercase())) {
            if *name != table.name && !table.triggers.touches.contains(name) {
                table.triggers.touches.push(name.clone());
            }
        }
    }
}

/// The collations that a server has; SQLite's columns need none.
///
/// # Errors
/// The failure with its code.
pub async fn collations(connection: &mut Connection, dialect: Dialect) -> Result<HashSet<String>> {
    // MariaDB lists its newer collations by the sets that they apply to alone.
    let question =
        "SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY";
    let question = match dialect {
        Dialect::Sqlite => return Ok(HashSet::new()),
        Dialect::MariaDb => question,
        Dialect::MySql => "SELECT COLLATION_NAME FROM information_schema.COLLATIONS",
    };
    let rows = connection.fetch(&Statement::new(question).cells([TEXT])).await?;
    Ok(rows.iter().filter_map(|row| row[0].as_text().map(ToOwned::to_owned)).collect())
}

/// How many rows a table has.
///
/// # Errors
/// The failure with its code.
pub async fn rows(connection: &mut Connection, dialect: Dialect, table: &str) -> Result<u64> {
    let question = format!("SELECT COUNT(*) FROM {}", dialect.quote(table));
    let rows = connection.fetch(&Statement::new(question).cells([SIGNED])).await?;
    let count = rows.first().and_then(|row| row.first()).and_then(Value::as_int);
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// How a server counts new keys up, and how it keeps tables' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// From one key to the next.
    pub step: i128,
    /// Where it begins.
    pub offset: i128,
    /// MySQL's `lower_case_table_names`.
    pub lower_case_table_names: i128,
}

/// Asks a server how it counts; SQLite counts one by one.
///
/// # Errors
/// The failure with its code.
pub async fn counters(connection: &mut Connection, dialect: Dialect) -> Result<Counters> {
    if dialect == Dialect::Sqlite {
        return Ok(Counters { step: 1, offset: 1, lower_case_table_names: 0 });
    }
    let question = "SELECT CAST(@@GLOBAL.auto_increment_increment AS SIGNED),CAST(@@GLOBAL.auto_increment_offset AS SIGNED),\
                    CAST(@@lower_case_table_names AS SIGNED)";
    let question = Statement::new(question).cells([SIGNED, SIGNED, SIGNED]);
    let row = connection.fetch(&question).await?.pop().unwrap_or_default();
    let number = |at: usize| row.get(at).and_then(Value::as_int).unwrap_or(1);
    Ok(Counters { step: number(0), offset: number(1), lower_case_table_names: number(2) })
}
