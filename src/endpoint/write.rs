//! Writing rows of one table on one side, exactly as they are handed in.
//!
//! Whoever calls has locked the rows, has fitted the cells to the columns, and takes the fault apart.

use super::{Connection, Fault, View};
use crate::model::{Column, ForeignKey, Key, Row, Value};

/// New rows, in as few statements as arguments and bytes allow. On a fault some statements may have been done:
/// the caller rolls back, or hands in the rows one statement at a time.
///
/// # Errors
/// The [`Fault`] of the first statement that was refused.
pub async fn insert(
    connection: &mut Connection,
    view: &View<'_>,
    rows: &[Row],
) -> Result<(), Fault> {
    connection.execute(&view.insert(rows)).await.map(drop)
}

/// How many rows fit into one INSERT.
pub fn rows_per_insert(view: &View<'_>) -> usize {
    (view.dialect.max_arguments() / view.pair.columns.len().max(1)).clamp(1, 500)
}

/// One row takes new cells.
///
/// # Errors
/// The [`Fault`].
pub async fn update(
    connection: &mut Connection,
    view: &View<'_>,
    key: &Key,
    row: &Row,
) -> Result<(), Fault> {
    connection.execute(&view.update(key, row)).await.map(drop)
}

/// Some columns of one row take new cells.
///
/// # Errors
/// The [`Fault`].
pub async fn update_columns(
    connection: &mut Connection,
    view: &View<'_>,
    key: &Key,
    cells: &[(usize, Value)],
) -> Result<(), Fault> {
    connection.execute(&view.update_columns(key, cells)).await.map(drop)
}

/// Rows go.
///
/// # Errors
/// The [`Fault`].
pub async fn delete(
    connection: &mut Connection,
    view: &View<'_>,
    keys: &[Key],
) -> Result<(), Fault> {
    connection.execute(&view.delete(keys)).await.map(drop)
}

/// Which of these values of a parent's columns children still refer to.
///
/// # Errors
/// The [`Fault`].
pub async fn referred(
    connection: &mut Connection,
    view: &View<'_>,
    foreign_key: &ForeignKey,
    values: &[Vec<Value>],
    parents: &[&Column],
) -> Result<Vec<Row>, Fault> {
    connection.try_fetch(&view.select_referred(foreign_key, values, parents)).await
}
