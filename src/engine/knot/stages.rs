//! The rows of one knot, one after another, within one transaction. It decides nothing and commits nothing.

use std::collections::{HashMap, HashSet};

use super::{Checks, Held, Strand, room};
use crate::endpoint::{Connection, Fault, RowFault, View, write};
use crate::engine::batch::Ready;
use crate::engine::relations;
use crate::engine::statements::{self, Refused};
use crate::plan::merge::Write;

/// How hard a row is tried: each when nothing goes in any more without it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// As it is.
    Whole,
    /// A new row at first without the references that may be NULL.
    WithoutReferences,
    /// As it is, while nobody looks after foreign keys.
    WithoutChecks,
}

/// What is still to be written, and what of it lacks its references.
struct Progress<'a> {
    waiting: Vec<Vec<&'a Ready>>,
    open_ended: Vec<(usize, &'a Ready)>,
}

/// Writes every row as soon as it can be written. Answers those that cannot, by strand and ordinal.
pub(super) async fn write_all(
    writer: &mut Connection,
    strands: &[Strand],
    views: &[View<'_>],
    held: &[Held<'_>],
    checks: Checks,
) -> std::result::Result<HashSet<(usize, u64)>, Fault> {
    make_room(writer, strands, views, held, checks).await?;
    let mut all = Progress {
        waiting: held.iter().map(|held| held.rows.clone()).collect(),
        open_ended: Vec::new(),
    };
    let stages = match checks {
        Checks::On => &[Stage::Whole, Stage::WithoutReferences][..],
        Checks::Off => &[Stage::WithoutChecks],
    };
    for stage in stages {
        while all.waiting.iter().any(|rows| !rows.is_empty())
            && sweep(writer, strands, views, held, &mut all, *stage).await?
        {}
    }
    let mut refused: HashSet<(usize, u64)> = HashSet::new();
    for (number, rows) in all.waiting.iter().enumerate() {
        refused.extend(rows.iter().map(|ready| (number, ready.item.ordinal)));
    }
    for (number, ready) in all.open_ended {
        let Some(row) = &ready.row else { continue };
        let cells = room::references(&views[number], row);
        match write::update_columns(writer, &views[number], &ready.item.key, &cells).await {
            Ok(()) => {}
            Err(Fault::Row(_)) => drop(refused.insert((number, ready.item.ordinal))),
            Err(fault) => return Err(fault),
        }
    }
    if checks == Checks::Off {
        for (number, held) in held.iter().enumerate() {
            let (view, write) = (&views[number], strands[number].write);
            let broken = relations::broken(writer, view, write, &held.rows, &held.before).await?;
            refused.extend(broken.into_iter().map(|ordinal| (number, ordinal)));
        }
    }
    Ok(refused)
}

/// Tries everything that waits once, in order. Answers whether anything went in.
async fn sweep<'a>(
    writer: &mut Connection,
    strands: &[Strand],
    views: &[View<'_>],
    held: &[Held<'a>],
    all: &mut Progress<'a>,
    stage: Stage,
) -> std::result::Result<bool, Fault> {
    let mut progress = false;
    for (number, strand) in strands.iter().enumerate() {
        let rows = std::mem::take(&mut all.waiting[number]);
        let (view, before) = (&views[number], &held[number].before);
        let blocked = match stage {
            Stage::WithoutChecks => {
                relations::with_hidden_children(writer, view, strand.write, &rows).await?
            }
            _ => relations::with_children(writer, view, strand.write, &rows, before, true).await?,
        };
        let (blocked, free): (Vec<&Ready>, Vec<&Ready>) =
            rows.iter().copied().partition(|ready| blocked.contains(&ready.item.ordinal));
        let refused: HashMap<u64, Refused> =
            statements::write(writer, view, strand.write, &free).await?.into_iter().collect();
        let mut still = blocked;
        for ready in free {
            let Some(refused) = refused.get(&ready.item.ordinal) else { continue };
            let orphan = *refused == Refused::Row(RowFault::ForeignKey);
            if stage == Stage::WithoutReferences
                && orphan
                && strand.write == Write::Insert
                && insert_without_references(writer, view, ready).await?
            {
                all.open_ended.push((number, ready));
            } else {
                still.push(ready);
            }
        }
        progress |= still.len() < rows.len();
        all.waiting[number] = still;
    }
    Ok(progress)
}

/// Rows whose unique values change step aside; rows that should go let go of their parents.
async fn make_room(
    writer: &mut Connection,
    strands: &[Strand],
    views: &[View<'_>],
    held: &[Held<'_>],
    checks: Checks,
) -> std::result::Result<(), Fault> {
    let unchecked = checks == Checks::Off;
    for ((strand, view), held) in strands.iter().zip(views).zip(held) {
        let rows = &held.rows;
        let blocked = if strand.write == Write::Update && !unchecked {
            relations::with_children(writer, view, strand.write, rows, &held.before, true).await?
        } else {
            HashSet::new()
        };
        for (number, ready) in rows.iter().enumerate() {
            match strand.write {
                Write::Update if !blocked.contains(&ready.item.ordinal) => {
                    room::step_aside(writer, view, ready, &held.before, (number, unchecked))
                        .await?;
                }
                Write::Delete if !unchecked => room::let_go(writer, view, ready).await?,
                _ => {}
            }
        }
    }
    Ok(())
}

async fn insert_without_references(
    writer: &mut Connection,
    view: &View<'_>,
    ready: &Ready,
) -> std::result::Result<bool, Fault> {
    let row = ready.row.as_ref().and_then(|row| room::without_references(view, row));
    let Some(row) = row else { return Ok(false) };
    match write::insert(writer, view, &[row]).await {
        Ok(()) => Ok(true),
        Err(Fault::Row(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}
