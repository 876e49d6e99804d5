//! What foreign keys ask of a batch: children of rows that should go or change, parents of rows that should come. It asks
//! and answers, and writes nothing.

use std::collections::{HashMap, HashSet};

use super::batch::Ready;
use crate::endpoint::read::Found;
use crate::endpoint::{Connection, Fault, View, write};
use crate::model::{Column, ForeignKey, Key, Kind, Reaction, Row, Table, Value, canonical};
use crate::plan::merge::Write;

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

pub(super) fn table<'a>(view: &View<'a>) -> &'a Table {
    &view.pair.tables[view.side]
}

/// Where a column of this side's table stands among the synced ones.
pub(super) fn position(view: &View<'_>, name: &str) -> Option<usize> {
    let columns = &view.pair.columns;
    columns.iter().position(|column| column.sides[view.side].name.eq_ignore_ascii_case(name))
}

pub(super) fn changes(now: &Row, then: &Row, columns: &[usize]) -> bool {
    columns.iter().any(|at| !canonical::same(&now[*at], &then[*at]))
}
