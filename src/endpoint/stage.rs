//! Many rows take new cells at once: the rows go into a temporary table of ours, and one statement takes them from there.
//!
//! An UPDATE for each row would cost a round trip for each row. Servers that give us no temporary tables (the privilege, or
//! `sql_require_primary_key`), and SQLite, which has no way to go, get one UPDATE for each row.

use super::write::{rows_per_insert, update};
use super::{Connection, Dialect, Fault, Statement, View};
use crate::model::{Key, Row};

/// Fewer rows are not worth the three statements.
const FEW: usize = 4;

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

/// Rows, each with its key, take new cells: all of them or, on a fault, none.
///
/// # Errors
/// The [`Fault`]; of rows that are written one by one some may have been written, and the caller rolls back.
pub async fn update_all(
    connection: &mut Connection,
    view: &View<'_>,
    rows: &[(&Key, &Row)],
) -> Result<(), Fault> {
    let stage = if rows.len() < FEW || view.dialect == Dialect::Sqlite {
        None
    } else {
        stage(connection, view).await?
    };
    let Some(stage) = stage else {
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

/// The temporary table for a table, made where there is none yet; `None` where the server has none for us.
async fn stage(connection: &mut Connection, view: &View<'_>) -> Result<Option<usize>, Fault> {
    let known = connection.stages.of(view.table());
    if known.is_some() || connection.stages.refused {
        return Ok(known);
    }
    let number = connection.stages.tables.len();
    match connection.execute(&Statement::new(view.create_stage(number))).await {
        Ok(_) => {
            connection.stages.tables.push(view.table().to_owned());
            Ok(Some(number))
        }
        Err(fault) if connection.is_ended() => Err(fault),
        Err(fault) => {
            let reason = fault.fatal(connection.place()).to_string();
            tracing::info!(side = %view.side, reason, "no temporary tables: rows are updated one by one");
            connection.stages.refused = true;
            Ok(None)
        }
    }
}
