//! Writing rows of one table on one side, exactly as they are handed in.
//!
//! Whoever calls has locked the rows, has fitted the cells to the columns, and takes the fault apart.

use super::{Connection, Dialect, Fault, RowFault, Statement, View, read};
use crate::model::{Column, ForeignKey, Key, Kind, Row, Value, row};

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

/// One new row; where it is larger than one statement may be, its large cells follow one by one.
///
/// # Errors
/// The [`Fault`]; the caller rolls back.
pub async fn insert_one(
    connection: &mut Connection,
    view: &View<'_>,
    key: &Key,
    row: &Row,
) -> Result<(), Fault> {
    let large = large_cells(view, row)?;
    if large.is_empty() {
        return insert(connection, view, std::slice::from_ref(row)).await;
    }
    let mut first = row.clone();
    for at in &large {
        let column = &view.pair.columns[*at].sides[view.side];
        first[*at] = match &column.kind {
            _ if column.nullable => Value::Null,
            Kind::Json { .. } => Value::Json("0".to_owned()),
            Kind::Bytes { .. } => Value::Bytes(Vec::new()),
            _ => Value::text(""),
        };
    }
    insert(connection, view, &[first]).await?;
    cell_by_cell(connection, view, key, row, &large).await
}

/// The cells that have to travel alone so that the rest fits into one statement, the largest first.
fn large_cells(view: &View<'_>, row: &Row) -> Result<Vec<usize>, Fault> {
    // A little is left for the statement itself.
    let room = view.packet.saturating_sub(16 << 10);
    if view.dialect == Dialect::Sqlite || row::weight(row) <= room {
        return Ok(Vec::new());
    }
    if row.iter().any(|cell| cell.weight() > room) {
        return Err(Fault::Row(RowFault::TooLarge));
    }
    let mut by_size: Vec<usize> = (0..row.len()).filter(|at| !view.pair.key.contains(at)).collect();
    by_size.sort_by_key(|at| std::cmp::Reverse(row[*at].weight()));
    let mut left = row::weight(row);
    let mut large = Vec::new();
    for at in by_size {
        if left <= room / 2 {
            break;
        }
        left -= row[at].weight();
        large.push(at);
    }
    Ok(large)
}

async fn cell_by_cell(
    connection: &mut Connection,
    view: &View<'_>,
    key: &Key,
    row: &Row,
    columns: &[usize],
) -> Result<(), Fault> {
    for at in columns {
        update_columns(connection, view, key, &[(*at, row[*at].clone())]).await?;
    }
    Ok(())
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
    let large = large_cells(view, row)?;
    if large.is_empty() {
        return connection.execute(&view.update(key, row)).await.map(drop);
    }
    let small = (0..row.len()).filter(|at| !large.contains(at));
    let cells: Vec<(usize, Value)> = small.map(|at| (at, row[at].clone())).collect();
    update_columns(connection, view, key, &cells).await?;
    cell_by_cell(connection, view, key, row, &large).await
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

/// Which of these rows refer to a parent that is not there.
///
/// # Errors
/// The [`Fault`].
pub async fn orphans(
    connection: &mut Connection,
    view: &View<'_>,
    foreign_key: &ForeignKey,
    keys: &[Key],
) -> Result<Vec<Key>, Fault> {
    such_keys(connection, view, keys, |keys| view.select_orphans(foreign_key, keys)).await
}

/// Those of the keys that a question answers with, asked for some at a time.
async fn such_keys(
    connection: &mut Connection,
    view: &View<'_>,
    keys: &[Key],
    question: impl Fn(&[Key]) -> Statement,
) -> Result<Vec<Key>, Fault> {
    let mut found = Vec::new();
    for keys in keys.chunks(500) {
        let rows = connection.try_fetch(&question(keys)).await?;
        found.extend(rows.into_iter().map(|cells| read::shared_key(view, cells)));
    }
    Ok(found)
}

/// Which of these values of a parent's columns children still refer to; with `orphans` only such as no parent has.
///
/// # Errors
/// The [`Fault`].
pub async fn referred(
    connection: &mut Connection,
    view: &View<'_>,
    foreign_key: &ForeignKey,
    values: &[Vec<Value>],
    parents: &[&Column],
    orphans: bool,
) -> Result<Vec<Row>, Fault> {
    connection.try_fetch(&view.select_referred(foreign_key, values, parents, orphans)).await
}

/// Every row that refers to a parent that is not there.
///
/// # Errors
/// The [`Fault`].
pub async fn all_orphans(
    connection: &mut Connection,
    view: &View<'_>,
    foreign_key: &ForeignKey,
) -> Result<Vec<Key>, Fault> {
    let rows = connection.try_fetch(&view.select_all_orphans(foreign_key)).await?;
    Ok(rows.into_iter().map(|cells| read::shared_key(view, cells)).collect())
}

/// Whether any row refers to a table by a foreign key.
///
/// # Errors
/// The [`Fault`].
pub async fn has_any(
    connection: &mut Connection,
    view: &View<'_>,
    foreign_key: &ForeignKey,
) -> Result<bool, Fault> {
    let found = connection.try_fetch(&view.select_any_child(foreign_key)).await?;
    Ok(!found.is_empty())
}

/// Which of these rows have children by a foreign key.
///
/// # Errors
/// The [`Fault`].
pub async fn parents(
    connection: &mut Connection,
    view: &View<'_>,
    foreign_key: &ForeignKey,
    keys: &[Key],
) -> Result<Vec<Key>, Fault> {
    such_keys(connection, view, keys, |keys| view.select_parents(foreign_key, keys)).await
}
