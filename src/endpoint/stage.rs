//! Many rows take new cells at once: the rows go into a temporary table of ours, and one statement takes them from there.
//!
//! An UPDATE for each row would cost a round trip for each row. Servers that give us no temporary tables (the privilege, or
//! `sql_require_primary_key`), and SQLite, which has no way to go, get one UPDATE for each row.

use super::write::{rows_per_insert, update};
use super::{Connection, Dialect, Fault, Statement, View};
use crate::model::{Key, Row};

/// The temporary tables that a line has, and whether it can have any.
#[derive(Debug, Default)]
pub(super) struct Stages {
    tables: Vec<String>,
    refused: bool,
}

impl Stages {
    /// The number of the temporary table that was made for a table.
    fn of(&self, table: &str) -> Option<usize> {
        self.tables.iter().position(|known| known == table)
    }
}

/// Whether many rows of a table can be updated at once: makes the temporary table where there is none yet.
///
/// # Errors
/// The [`Fault`], after which the transaction is over.
pub async fn prepare(connection: &mut Connection, view: &View<'_>) -> Result<bool, Fault> {
    if view.dialect == Dialect::Sqlite || connection.stages.refused {
        return Ok(false);
    }
    if connection.stages.of(view.table()).is_some() {
        return Ok(true);
    }
    let number = connection.stages.tables.len();
    match connection.execute(&Statement::new(view.create_stage(number))).await {
        Ok(_) => {
            connection.stages.tables.push(view.table().to_owned());
            Ok(true)
        }
        Err(fault) if connection.is_ended() || matches!(fault, Fault::Deadlock) => Err(fault),
        Err(fault) => {
            let reason = fault.fatal(connection.place()).to_string();
            tracing::info!(side = %view.side, reason, "no temporary tables: rows are updated one by one");
            connection.stages.refused = true;
            Ok(false)
        }
    }
}

/// Rows, each with its key, take new cells: all of them or, on a fault, none. More than one only where [`prepare`] said so.
///
/// # Errors
/// The [`Fault`].
pub async fn update_all(
    connection: &mut Connection,
    view: &View<'_>,
    rows: &[(&Key, &Row)],
) -> Result<(), Fault> {
    let stage = connection.stages.of(view.table());
    let Some(stage) = stage.filter(|_| rows.len() > 1) else {
        for (key, row) in rows {
            update(connection, view, key, row).await?;
        }
        return Ok(());
    };
    connection.execute(&Statement::new(view.empty_stage(stage))).await?;
    for rows in rows.chunks(rows_per_insert(view)) {
        let rows: Vec<Row> = rows.iter().map(|(_, row)| (*row).clone()).collect();
        connection.execute(&view.insert_into_stage(stage, &rows)).await?;
    }
    connection.execute(&Statement::new(view.update_from_stage(stage))).await.map(drop)
}
