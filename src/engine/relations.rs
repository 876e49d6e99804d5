//! What foreign keys and unique keys ask of a batch: children of rows that should go, rows that have to step aside for
//! others, rows that refer to one another.

use std::collections::{HashMap, HashSet};

use super::batch::Ready;
use crate::endpoint::read::Found;
use crate::endpoint::{Connection, Fault, RowFault, View, write};
use crate::model::{Column, ForeignKey, Key, Kind, Reaction, Row, Table, Value, canonical};
use crate::plan::merge::Write;
use crate::plan::stand_in::stand_ins;

/// Which of the rows have children that would suffer: those of a row that should go, whatever the foreign key says, and
/// those that the server would change because an update changes what they refer to. What a server does to children by
/// itself was not decided about. Children that follow on both sides may do so where they are written `together` with their
/// parent: those that something else was decided about are written afterwards.
///
/// # Errors
/// The [`Fault`].
pub async fn with_children(
    connection: &mut Connection,
    view: &View<'_>,
    write: Write,
    rows: &[&Ready],
    before: &HashMap<Key, Found>,
    together: bool,
) -> Result<HashSet<u64>, Fault> {
    let mut blocked = with_hidden_children(connection, view, write, rows).await?;
    for foreign_key in &table(view).referenced_by {
        let suffers = match write {
            Write::Delete => true,
            Write::Update if follows_on_both(view, foreign_key) => !together,
            Write::Update => foreign_key.on_update != Reaction::Restrict,
            Write::Insert => false,
        };
        if let (true, Some(columns)) = (suffers, parent_columns(view, foreign_key)) {
            let sought = Sought { foreign_key, columns: &columns, orphans: false };
            blocked.extend(left_behind(connection, view, rows, before, sought).await?);
        }
    }
    Ok(blocked)
}

/// Which of the rows have children that refer to them by a column that is not synced. What stands in it their side alone
/// knows, so any child is in the way of a deletion, and of an update where the server computes the column.
///
/// # Errors
/// The [`Fault`].
pub async fn with_hidden_children(
    connection: &mut Connection,
    view: &View<'_>,
    write: Write,
    rows: &[&Ready],
) -> Result<HashSet<u64>, Fault> {
    let table = table(view);
    let computed =
        |name: &String| table.position(name).is_some_and(|at| table.columns[at].computed.is_some());
    let mut blocked = HashSet::new();
    for key in &table.referenced_by {
        let suffers = match write {
            Write::Delete => true,
            Write::Update => {
                key.on_update != Reaction::Restrict && key.parent_columns.iter().any(computed)
            }
            Write::Insert => false,
        };
        if !suffers || parent_columns(view, key).is_some() {
            continue;
        }
        let keys: Vec<Key> = rows.iter().map(|ready| ready.item.key.clone()).collect();
        let parents: HashSet<Key> =
            write::parents(connection, view, key, &keys).await?.into_iter().collect();
        let theirs = rows.iter().filter(|ready| parents.contains(&ready.item.key));
        blocked.extend(theirs.map(|ready| ready.item.ordinal));
    }
    Ok(blocked)
}

/// Whether children refer to a row of a table that nothing identifies. Where they do so by a column that is not synced,
/// nobody can tell for this row, and any child counts.
///
/// # Errors
/// The [`Fault`].
pub async fn bag_has_children(
    connection: &mut Connection,
    view: &View<'_>,
    row: &Row,
) -> Result<bool, Fault> {
    for key in &table(view).referenced_by {
        let Some(columns) = parent_columns(view, key) else {
            if write::has_any(connection, view, key).await? {
                return Ok(true);
            }
            continue;
        };
        let values: Vec<Value> = columns.iter().map(|at| row[*at].clone()).collect();
        let types: Vec<&Column> =
            columns.iter().map(|at| &view.pair.columns[*at].sides[view.side]).collect();
        let given = values.iter().all(|value| !value.is_null());
        if given
            && !write::referred(connection, view, key, &[values], &types, false).await?.is_empty()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether children follow their parent's value on this side and on the other one as well.
fn follows_on_both(view: &View<'_>, foreign_key: &ForeignKey) -> bool {
    let folded = |names: &[String]| -> Vec<String> {
        names.iter().map(|name| name.to_lowercase()).collect()
    };
    let alike = |other: &ForeignKey| {
        other.on_update == Reaction::Follow
            && other.child.eq_ignore_ascii_case(&foreign_key.child)
            && folded(&other.columns) == folded(&foreign_key.columns)
            && folded(&other.parent_columns) == folded(&foreign_key.parent_columns)
    };
    let others = &view.pair.tables[view.side.other()].referenced_by;
    foreign_key.on_update == Reaction::Follow && others.iter().any(alike)
}

/// Where the columns that a foreign key refers to stand among the synced ones; `None` where one is not synced.
fn parent_columns(view: &View<'_>, foreign_key: &ForeignKey) -> Option<Vec<usize>> {
    foreign_key.parent_columns.iter().map(|name| position(view, name)).collect()
}

/// Children that are looked for.
struct Sought<'a> {
    foreign_key: &'a ForeignKey,
    /// The columns referred to, as positions among the synced ones.
    columns: &'a [usize],
    /// Whether only those count that refer to nothing any more.
    orphans: bool,
}

/// Which of the rows were, before they changed or went, something to which such children refer.
async fn left_behind(
    connection: &mut Connection,
    view: &View<'_>,
    rows: &[&Ready],
    before: &HashMap<Key, Found>,
    sought: Sought<'_>,
) -> Result<HashSet<u64>, Fault> {
    let Sought { foreign_key, columns, orphans } = sought;
    let mut blocked = HashSet::new();
    let parents: Vec<&Column> =
        columns.iter().map(|at| &view.pair.columns[*at].sides[view.side]).collect();
    let referred_value = |ready: &Ready| -> Option<Vec<Value>> {
        let row = &before.get(&ready.item.key)?.row;
        if ready.row.as_ref().is_some_and(|after| !changes(row, after, columns)) {
            return None;
        }
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
            write::referred(connection, view, foreign_key, &values, &parents, orphans).await?;
        for child in &referred {
            let parents = rows.iter().filter(|ready| referred_value(ready).as_ref() == Some(child));
            let parents: Vec<u64> = parents.map(|ready| ready.item.ordinal).collect();
            // Under a collation a child may spell its parent differently: then any of these rows may be meant.
            let all = rows.iter().map(|ready| ready.item.ordinal);
            if parents.is_empty() { blocked.extend(all) } else { blocked.extend(parents) }
        }
    }
    Ok(blocked)
}

/// Which of these new rows refer to a parent that neither is there nor comes before them among themselves. Only foreign keys
/// whose values have one spelling are looked at: what a collation makes of others its server alone can say.
///
/// # Errors
/// The [`Fault`].
pub async fn orphans_to_be(
    connection: &mut Connection,
    view: &View<'_>,
    rows: &[&Ready],
) -> Result<HashSet<u64>, Fault> {
    let mut orphans = HashSet::new();
    for key in &table(view).foreign_keys {
        let columns: Option<Vec<usize>> =
            key.columns.iter().map(|name| position(view, name)).collect();
        let Some(columns) = columns else { continue };
        let types: Vec<&Column> =
            columns.iter().map(|at| &view.pair.columns[*at].sides[view.side]).collect();
        let exact = |column: &&Column| matches!(column.kind, Kind::Int { .. } | Kind::Uuid);
        if !types.iter().all(exact) {
            continue;
        }
        let cells = |ready: &Ready, columns: &[usize]| -> Option<Vec<Value>> {
            let row = ready.row.as_ref()?;
            let values: Vec<Value> = columns.iter().map(|at| row[*at].clone()).collect();
            values.iter().all(|value| !value.is_null()).then_some(values)
        };
        let parents = ForeignKey {
            child: key.parent.clone(),
            columns: key.parent_columns.clone(),
            ..key.clone()
        };
        let wanted: HashSet<Vec<Value>> =
            rows.iter().filter_map(|ready| cells(ready, &columns)).collect();
        let wanted: Vec<Vec<Value>> = wanted.into_iter().collect();
        let mut there: HashSet<Vec<Value>> = HashSet::new();
        for wanted in wanted.chunks(500) {
            there.extend(write::referred(connection, view, &parents, wanted, &types, false).await?);
        }
        let own: Option<Vec<usize>> = (key.parent == key.child)
            .then(|| key.parent_columns.iter().map(|name| position(view, name)).collect())
            .flatten();
        for ready in rows {
            let orphan = cells(ready, &columns).is_some_and(|wanted| {
                let itself = own.as_ref().and_then(|own| cells(ready, own));
                !there.contains(&wanted) && itself.as_ref() != Some(&wanted)
            });
            if orphan {
                orphans.insert(ready.item.ordinal);
            } else if let Some(own) = &own {
                there.extend(cells(ready, own));
            }
        }
    }
    Ok(orphans)
}

/// Which rows that were written while nobody looked after foreign keys break one: they refer to nothing, or something
/// refers to what they no longer are, and to nothing else that is.
///
/// # Errors
/// The [`Fault`].
pub async fn broken(
    connection: &mut Connection,
    view: &View<'_>,
    write: Write,
    rows: &[&Ready],
    before: &HashMap<Key, Found>,
) -> Result<HashSet<u64>, Fault> {
    let mut broken = HashSet::new();
    if write != Write::Insert {
        for foreign_key in &table(view).referenced_by {
            let Some(columns) = parent_columns(view, foreign_key) else { continue };
            let sought = Sought { foreign_key, columns: &columns, orphans: true };
            broken.extend(left_behind(connection, view, rows, before, sought).await?);
        }
    }
    if write == Write::Delete {
        return Ok(broken);
    }
    let keys: Vec<Key> = rows.iter().map(|ready| ready.item.key.clone()).collect();
    for key in &table(view).foreign_keys {
        let orphans: HashSet<Key> =
            write::orphans(connection, view, key, &keys).await?.into_iter().collect();
        let theirs = rows.iter().filter(|ready| orphans.contains(&ready.item.key));
        broken.extend(theirs.map(|ready| ready.item.ordinal));
    }
    Ok(broken)
}

/// Makes room: for each unique key whose value changes, the row takes a value meanwhile that no row has. A row that cannot
/// step aside stays where it is; one that refers to a parent can only while nobody looks after that (`unchecked`).
///
/// # Errors
/// A [`Fault`] that is no single row's.
pub async fn step_aside(
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
                columns.extend(best(view, &of_key, unchecked))
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
pub async fn let_go(
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
pub fn without_references(view: &View<'_>, row: &Row) -> Option<Row> {
    let references = loose_references(view);
    let given = references.iter().any(|at| !row[*at].is_null());
    given.then(|| {
        let mut row = row.clone();
        references.into_iter().for_each(|at| row[at] = Value::Null);
        row
    })
}

/// The references of a row that was written without them.
pub fn references(view: &View<'_>, row: &Row) -> Vec<(usize, Value)> {
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

fn table<'a>(view: &View<'a>) -> &'a Table {
    &view.pair.tables[view.side]
}

/// Where a column of this side's table stands among the synced ones.
fn position(view: &View<'_>, name: &str) -> Option<usize> {
    let columns = &view.pair.columns;
    columns.iter().position(|column| column.sides[view.side].name.eq_ignore_ascii_case(name))
}

fn changes(now: &Row, then: &Row, columns: &[usize]) -> bool {
    columns.iter().any(|at| !canonical::same(&now[*at], &then[*at]))
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
