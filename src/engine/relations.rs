//! Rows that stand in other rows' way: children of rows that should go, unique values that change places, rows
//! that refer to each other.

use std::collections::{HashMap, HashSet};

use super::batch::Ready;
use super::statements::{self, Refused};
use crate::endpoint::read::Found;
use crate::endpoint::{Connection, Fault, View, write};
use crate::model::{Column, Key, Kind, Value, canonical};
use crate::plan::merge::Write;

/// Which of the rows that should go have children that stay. A cascade is never left to the server: what it would take
/// along was not decided about.
///
/// # Errors
/// The [`Fault`].
pub async fn with_children(
    connection: &mut Connection,
    view: &View<'_>,
    rows: &[&Ready],
    before: &HashMap<Key, Found>,
) -> std::result::Result<HashSet<u64>, Fault> {
    let mut blocked = HashSet::new();
    let table = &view.pair.tables[view.side];
    for foreign_key in &table.referenced_by {
        let position = |name: &String| {
            view.pair
                .columns
                .iter()
                .position(|column| column.sides[view.side].name.eq_ignore_ascii_case(name))
        };
        let Some(columns) =
            foreign_key.parent_columns.iter().map(position).collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        let parents: Vec<&Column> =
            columns.iter().map(|at| &view.pair.columns[*at].sides[view.side]).collect();
        let referred_value = |ready: &Ready| -> Option<Vec<Value>> {
            let row = &before.get(&ready.item.key)?.row;
            let values: Vec<Value> = columns.iter().map(|at| row[*at].clone()).collect();
            values.iter().all(|value| !value.is_null()).then_some(values)
        };
        for rows in rows.chunks(500) {
            let values: Vec<Vec<Value>> =
                rows.iter().filter_map(|ready| referred_value(ready)).collect();
            if values.is_empty() {
                continue;
            }
            let referred =
                write::referred(connection, view, foreign_key, &values, &parents).await?;
            for child in &referred {
                let parents =
                    rows.iter().filter(|ready| referred_value(ready).as_ref() == Some(child));
                let parents: Vec<u64> = parents.map(|ready| ready.item.ordinal).collect();
                // Under a collation a child may spell its parent differently: then any of these rows may be meant.
                let all = rows.iter().map(|ready| ready.item.ordinal);
                if parents.is_empty() { blocked.extend(all) } else { blocked.extend(parents) }
            }
        }
    }
    Ok(blocked)
}

/// Writes rows that stand in each other's way: updates whose unique values change places step aside first; new rows of
/// one table that refer to each other come without the reference first. Any row refused means that the transaction must not stay.
///
/// # Errors
/// A [`Fault`] that is no single row's.
pub async fn untangle(
    connection: &mut Connection,
    view: &View<'_>,
    write: Write,
    rows: &[&Ready],
    before: &HashMap<Key, Found>,
) -> std::result::Result<Vec<(u64, Refused)>, Fault> {
    match write {
        Write::Update => {
            for (number, ready) in rows.iter().enumerate() {
                let cells = aside(view, ready, before, number);
                if !cells.is_empty() {
                    match write::update_columns(connection, view, &ready.item.key, &cells).await {
                        Ok(()) => {}
                        Err(Fault::Row(fault)) => {
                            return Ok(vec![(ready.item.ordinal, Refused::Row(fault))]);
                        }
                        Err(fault) => return Err(fault),
                    }
                }
            }
            statements::write(connection, view, write, rows).await
        }
        Write::Insert => insert_then_refer(connection, view, rows).await,
        Write::Delete => statements::write(connection, view, write, rows).await,
    }
}

/// For each unique key whose value changes, one cell with a value that no row has meanwhile.
fn aside(
    view: &View<'_>,
    ready: &Ready,
    before: &HashMap<Key, Found>,
    number: usize,
) -> Vec<(usize, Value)> {
    let (Some(row), Some(found)) = (&ready.row, before.get(&ready.item.key)) else {
        return Vec::new();
    };
    let table = &view.pair.tables[view.side];
    let position = |at: &usize| {
        let name = &table.columns[*at].name;
        view.pair.columns.iter().position(|column| column.sides[view.side].name == *name)
    };
    let mut cells: Vec<(usize, Value)> = Vec::new();
    for unique in &table.uniques {
        let columns: Vec<usize> = unique.columns.iter().filter_map(position).collect();
        let changes = columns.iter().any(|at| !canonical::same(&row[*at], &found.row[*at]));
        let mut free = columns.iter().filter(|at| !view.pair.key.contains(at));
        let meanwhile = |at: &usize| {
            let column = &view.pair.columns[*at].sides[view.side];
            let value = if column.nullable {
                Some(Value::Null)
            } else {
                stand_in(&column.kind, ready.item.ordinal, number)
            };
            value.map(|value| (*at, value))
        };
        if let (true, Some(cell)) = (changes, free.find_map(meanwhile)) {
            cells.push(cell);
        }
    }
    cells.sort_by_key(|(at, _)| *at);
    cells.dedup_by_key(|(at, _)| *at);
    cells
}

/// A value that hardly any row has; should one have it, the server says so and nothing stays.
fn stand_in(kind: &Kind, ordinal: u64, number: usize) -> Option<Value> {
    match kind {
        Kind::Int { bits, unsigned } => {
            let top = (1_i128 << if *unsigned { *bits } else { bits - 1 }) - 1;
            Some(Value::Int(top - i128::try_from(number).ok()?))
        }
        Kind::Text { chars, .. } => {
            let token = format!("~{number}~{ordinal:x}");
            let fits = chars.is_none_or(|chars| token.len() as u64 <= chars);
            let short = format!("~{number}");
            let short_fits = chars.is_none_or(|chars| short.len() as u64 <= chars);
            if fits { Some(Value::Text(token)) } else { short_fits.then_some(Value::Text(short)) }
        }
        Kind::Uuid => Some(Value::Uuid((u128::MAX - u128::from(ordinal)).to_be_bytes())),
        Kind::Bytes { max, .. } => {
            let size = max.unwrap_or(8).min(16);
            let bytes: Vec<u8> = (u128::MAX - u128::from(ordinal)).to_be_bytes().to_vec();
            usize::try_from(size).ok().map(|size| Value::Bytes(bytes[16 - size..].to_vec()))
        }
        _ => None,
    }
}

/// New rows of one table that refer to one another: all of them without the references that may be NULL, then the references.
async fn insert_then_refer(
    connection: &mut Connection,
    view: &View<'_>,
    rows: &[&Ready],
) -> std::result::Result<Vec<(u64, Refused)>, Fault> {
    let table = &view.pair.tables[view.side];
    let own = table
        .foreign_keys
        .iter()
        .filter(|key| key.parent == table.name)
        .flat_map(|key| &key.columns);
    let position = |name: &String| {
        view.pair.columns.iter().position(|column| column.sides[view.side].name == *name)
    };
    let references: Vec<usize> = own
        .filter_map(position)
        .filter(|at| {
            view.pair.columns[*at].sides[view.side].nullable && !view.pair.key.contains(at)
        })
        .collect();
    if references.is_empty() {
        return statements::write(connection, view, Write::Insert, rows).await;
    }
    let mut refused = Vec::new();
    for ready in rows {
        let Some(mut row) = ready.row.clone() else { continue };
        for at in &references {
            row[*at] = Value::Null;
        }
        match write::insert(connection, view, &[row]).await {
            Ok(()) => {}
            Err(Fault::Row(fault)) => refused.push((ready.item.ordinal, Refused::Row(fault))),
            Err(fault) => return Err(fault),
        }
    }
    for ready in rows {
        let Some(row) = &ready.row else { continue };
        let cells: Vec<(usize, Value)> =
            references.iter().map(|at| (*at, row[*at].clone())).collect();
        match write::update_columns(connection, view, &ready.item.key, &cells).await {
            Ok(()) => {}
            Err(Fault::Row(fault)) => refused.push((ready.item.ordinal, Refused::Row(fault))),
            Err(fault) => return Err(fault),
        }
    }
    refused.dedup_by_key(|(ordinal, _)| *ordinal);
    Ok(refused)
}
