//! Room for the rows of a knot: rows whose unique values change take another meanwhile, rows that refer to one another do
//! without for a moment. Everything that is done here is done over before the transaction ends.

use std::collections::HashMap;

use crate::endpoint::read::Found;
use crate::endpoint::{Connection, Fault, RowFault, View, write};
use crate::engine::batch::Ready;
use crate::engine::relations::{changes, position, table};
use crate::model::{Key, Row, Value};
use crate::plan::stand_in::stand_ins;

/// Makes room: for each unique key whose value changes, the row takes a value meanwhile that no row has. A row that cannot
/// step aside stays where it is; one that refers to a parent can only while nobody looks after that (`unchecked`).
///
/// # Errors
/// A [`Fault`] that is no single row's.
pub(super) async fn step_aside(
    connection: &mut Connection,
    view: &View<'_>,
    ready: &Ready,
    before: &HashMap<Key, Found>,
    (number, unchecked): (usize, bool),
) -> Result<(), Fault> {
    let (Some(row), Some(found)) = (&ready.row, before.get(&ready.item.key)) else {
        return Ok(());
    };
    let columns = aside(view, &found.row, row, unchecked);
    if columns.is_empty() {
        return Ok(());
    }
    let mut meanwhile: Vec<_> = columns
        .iter()
        .map(|at| {
            let column = &view.pair.columns[*at].sides[view.side];
            let null = (column.nullable && !is_referred(view, *at)).then_some(Value::Null);
            let own = found.row[*at].clone();
            null.into_iter().chain(stand_ins(column, number).filter(move |value| *value != own))
        })
        .collect();
    loop {
        let values = columns.iter().zip(&mut meanwhile);
        let cells = values.map(|(at, values)| Some((*at, values.next()?)));
        let Some(cells) = cells.collect::<Option<Vec<_>>>() else { return Ok(()) };
        match write::update_columns(connection, view, &ready.item.key, &cells).await {
            Err(Fault::Row(RowFault::Duplicate)) => {}
            Ok(()) | Err(Fault::Row(_)) => return Ok(()),
            Err(fault) => return Err(fault),
        }
    }
}

/// The columns with which a row steps aside: one per unique key whose value changes.
fn aside(view: &View<'_>, now: &Row, then: &Row, unchecked: bool) -> Vec<usize> {
    let table = table(view);
    let mut columns = Vec::new();
    for unique in &table.uniques {
        let synced: Option<Vec<usize>> =
            unique.columns.iter().map(|at| position(view, &table.columns[*at].name)).collect();
        match synced {
            Some(of_key) if changes(now, then, &of_key) => {
                columns.extend(best(view, &of_key, unchecked));
            }
            Some(_) => {}
            // A column that the server computes is part of it: whatever changes may change it.
            None => columns.extend(all_free(view).filter(|at| changes(now, then, &[*at]))),
        }
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The column of a unique key that is the least trouble to change for a moment.
fn best(view: &View<'_>, of_key: &[usize], unchecked: bool) -> Option<usize> {
    let free = of_key.iter().copied().filter(|at| !view.pair.key.contains(at));
    free.min_by_key(|at| {
        let nullable = view.pair.columns[*at].sides[view.side].nullable;
        (is_referred(view, *at), refers(view, *at), !nullable)
    })
    .filter(|at| {
        unchecked || view.pair.columns[*at].sides[view.side].nullable || !refers(view, *at)
    })
}

/// Columns that may be changed for a moment, those of foreign keys left out.
fn all_free<'a>(view: &'a View<'_>) -> impl Iterator<Item = usize> + 'a {
    let columns = 0..view.pair.columns.len();
    columns
        .filter(|at| !view.pair.key.contains(at) && !is_referred(view, *at) && !refers(view, *at))
}

/// Lets go of the parents of a row that is about to go, so that rows that refer to one another can all go.
///
/// # Errors
/// A [`Fault`] that is no single row's.
pub(super) async fn let_go(
    connection: &mut Connection,
    view: &View<'_>,
    ready: &Ready,
) -> Result<(), Fault> {
    let cells: Vec<(usize, Value)> =
        loose_references(view).into_iter().map(|at| (at, Value::Null)).collect();
    if cells.is_empty() {
        return Ok(());
    }
    match write::update_columns(connection, view, &ready.item.key, &cells).await {
        // What keeps it from letting go will keep it from going, and is told then.
        Ok(()) | Err(Fault::Row(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// A new row without the references that may be NULL; `None` where it has none of those.
pub(super) fn without_references(view: &View<'_>, row: &Row) -> Option<Row> {
    let references = loose_references(view);
    let given = references.iter().any(|at| !row[*at].is_null());
    given.then(|| {
        let mut row = row.clone();
        references.into_iter().for_each(|at| row[at] = Value::Null);
        row
    })
}

/// The references of a row that was written without them.
pub(super) fn references(view: &View<'_>, row: &Row) -> Vec<(usize, Value)> {
    loose_references(view).into_iter().map(|at| (at, row[at].clone())).collect()
}

/// The columns of foreign keys that may be NULL and do not identify the row.
fn loose_references(view: &View<'_>) -> Vec<usize> {
    let columns = 0..view.pair.columns.len();
    let loose = |at: &usize| {
        let nullable = view.pair.columns[*at].sides[view.side].nullable;
        nullable && refers(view, *at) && !view.pair.key.contains(at)
    };
    columns.filter(loose).collect()
}

/// Whether a column refers to a parent.
fn refers(view: &View<'_>, at: usize) -> bool {
    let name = &view.pair.columns[at].sides[view.side].name;
    let mut keys = table(view).foreign_keys.iter();
    keys.any(|key| key.columns.iter().any(|column| column.eq_ignore_ascii_case(name)))
}

/// Whether children refer to a column.
fn is_referred(view: &View<'_>, at: usize) -> bool {
    let name = &view.pair.columns[at].sides[view.side].name;
    let mut keys = table(view).referenced_by.iter();
    keys.any(|key| key.parent_columns.iter().any(|column| column.eq_ignore_ascii_case(name)))
}
