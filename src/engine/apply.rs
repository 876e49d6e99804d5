//! The guarded apply: rows are written only where they still are what the decision saw, and what is
//! overwritten is kept.
//!
//! Per batch, in one transaction on the side that is written: lock the keys, leave out what moved, write by key,
//! read back, and store pre-images, conflicts and base entries. On LOCAL all of that is one transaction; for
//! REMOTE the pre-images are committed on LOCAL before it and the base after it, so that a run that dies anywhere has
//! lost nothing and believes nothing that is not so.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::batch::{Effort, Ready, Site, by_size};
use super::record::{Done, record, record_collisions};
use super::statements::{self, Refused};
use super::table::TableRun;
use super::trouble::{Trouble, trouble};
use super::worklist::{Item, Worklist};
use super::{Lines, Run, relations, undo};
use crate::endpoint::read::{self, Found, Lock};
use crate::endpoint::{Dialect, Fault, RowFault};
use crate::error::{self, Result, SyncError};
use crate::failpoint::reach;
use crate::model::{Key, Row, Side, Signature, canonical, fit, row};
use crate::note::{self, Note};
use crate::plan::merge::Write;

/// Attempts at a batch that the server rolls back.
pub(super) const ATTEMPTS: u32 = 6;

/// Carries out a list of writes of one kind on one side. What other rows stand in the way of ends up in `put_off`.
///
/// # Errors
/// The failure with its code; `SYNC_005` when asked to stop. What was committed until then stays.
pub async fn apply(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &mut TableRun,
    list: Worklist,
    put_off: &mut Worklist,
) -> Result<()> {
    let mut batches = list.drain()?;
    loop {
        let items = batches.next(table.batch_rows(site.run))?;
        if items.is_empty() {
            return Ok(());
        }
        let done = items.len() as u64;
        let pair = table.pair.clone();
        for items in by_size(&mut lines.snapshots, &site.run.views(&pair), items).await? {
            site.run.cancel.check()?;
            let batch = prepare(site, lines, table, items).await?;
            batch_with_patience(site, lines, table, batch, put_off).await?;
        }
        site.run.progress.advance(&table.pair.name, done);
    }
}

/// Reads the rows that are to be copied and fits their cells to the other side's columns. Rows that moved are left out,
/// rows that do not fit have failed.
pub(super) async fn prepare(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &mut TableRun,
    items: Vec<Item>,
) -> Result<Vec<Ready>> {
    if site.write == Write::Delete {
        return Ok(items.into_iter().map(|item| Ready { item, source: None, row: None }).collect());
    }
    if items.iter().any(|item| item.kept.is_some()) {
        return kept(site, lines, table, items).await;
    }
    let source = site.target.other();
    let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
    let pair = table.pair.clone();
    let view = site.run.view(&pair, source);
    let snapshot = &mut lines.snapshots[source];
    let found = read::rows(snapshot, &view, &keys, Lock::None).await;
    let mut found = found.map_err(|fault| fault.fatal(lines.snapshots[source].place()))?;
    let mut ready = Vec::with_capacity(items.len());
    for item in items {
        let Some(found) =
            found.remove(&item.key).filter(|found| Some(found.signature) == item.now[source])
        else {
            table.moved(&item);
            continue;
        };
        table.weigh(row::weight(&found.row));
        let fitted: std::result::Result<Row, (usize, String)> = found
            .row
            .iter()
            .enumerate()
            .map(|(at, value)| {
                fit::fit(value, &pair.columns[at].sides[site.target]).map_err(|reason| (at, reason))
            })
            .collect();
        match fitted {
            Ok(row) => ready.push(Ready { item, source: Some(found.row), row: Some(row) }),
            Err((at, reason)) => {
                let error = SyncError::new(error::UNFIT)
                    .with("key", table.key_json(&item.key))
                    .with("column", &pair.columns[at].name)
                    .with("side", site.target)
                    .with("reason", reason);
                table.fail(item.ordinal, error);
            }
        }
    }
    Ok(ready)
}

/// Rows that are written again as they were on this very side.
async fn kept(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &mut TableRun,
    items: Vec<Item>,
) -> Result<Vec<Ready>> {
    let ids: Vec<i64> = items.iter().filter_map(|item| item.kept).collect();
    let rows = match (&table.decided[site.target], &ids[..]) {
        (Some(row), [id]) => HashMap::from([(*id, row.clone())]),
        _ => undo::rows(site.run, lines, table, site.target, &ids).await?,
    };
    let mut ready = Vec::with_capacity(items.len());
    for item in items {
        if let Some(row) = item.kept.and_then(|id| rows.get(&id)) {
            ready.push(Ready { item, source: None, row: Some(row.clone()) });
        } else {
            let error = SyncError::new(error::OTHER_COLUMNS).with("side", site.target);
            table.fail(item.ordinal, error.with("key", table.key_json(&item.key)));
        }
    }
    Ok(ready)
}

/// Tries a batch until it is done, taking apart whatever does not go in whole.
async fn batch_with_patience(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &mut TableRun,
    batch: Vec<Ready>,
    put_off: &mut Worklist,
) -> Result<()> {
    let mut waiting = vec![batch];
    while let Some(mut batch) = waiting.pop() {
        let (mut attempts, mut lock) = (0, Lock::Wait);
        while !batch.is_empty() {
            let trouble = match attempt(site, lines, table, &batch, lock).await {
                Ok(refused) => {
                    settle_refused(site, lines, table, &batch, refused, put_off).await?;
                    break;
                }
                Err(trouble) => trouble,
            };
            lines.writer(site.target).rollback().await;
            if site.target == Side::Remote {
                lines.local.rollback().await;
            }
            if site.run.options.undo.is_some() {
                table.read_base_again(lines).await?;
            }
            match trouble {
                Trouble::Fatal(error) => return Err(error.in_table(&table.pair.name)),
                Trouble::Locked => lock = Lock::Skip,
                Trouble::Again(error) if attempts + 1 == ATTEMPTS => {
                    return Err(error.in_table(&table.pair.name));
                }
                Trouble::Again(_) => {
                    attempts += 1;
                    tokio::time::sleep(Duration::from_millis(20 << attempts)).await;
                }
                Trouble::Without(refused) => {
                    let ordinals: HashSet<u64> =
                        refused.iter().map(|(ordinal, _)| *ordinal).collect();
                    let (out, rest): (Vec<Ready>, Vec<Ready>) =
                        batch.into_iter().partition(|ready| ordinals.contains(&ready.item.ordinal));
                    settle_refused(site, lines, table, &out, refused, put_off).await?;
                    batch = rest;
                }
                Trouble::Halve if batch.len() == 1 => {
                    let refused = vec![(batch[0].item.ordinal, Refused::Row(RowFault::ForeignKey))];
                    settle_refused(site, lines, table, &batch, refused, put_off).await?;
                    break;
                }
                Trouble::Halve => {
                    waiting.push(batch.split_off(batch.len() / 2));
                    attempts = 0;
                }
            }
        }
    }
    Ok(())
}

/// Puts off what other rows stand in the way of, and notes what has failed.
async fn settle_refused(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &mut TableRun,
    batch: &[Ready],
    refused: Vec<(u64, Refused)>,
    put_off: &mut Worklist,
) -> Result<()> {
    let mut collided = Vec::new();
    let last = site.effort == Effort::Last && !refused.is_empty();
    let moved =
        if last { moved_at_the_source(site, lines, table, batch).await? } else { HashSet::new() };
    for (ordinal, refused) in refused {
        let Some(ready) = batch.iter().find(|ready| ready.item.ordinal == ordinal) else {
            continue;
        };
        if moved.contains(&ordinal) {
            table.moved(&ready.item);
            continue;
        }
        match refused {
            Refused::Row(RowFault::Duplicate | RowFault::ForeignKey | RowFault::HasChildren)
            | Refused::HasChildren
                if site.effort != Effort::Last =>
            {
                put_off.push(&ready.item)?;
            }
            refused => {
                // Conflicts are kept on LOCAL, whichever side is written.
                let kept = matches!(refused, Refused::TooLargeToKeep);
                let side = if kept { Side::Local } else { site.target };
                let error = refused
                    .error()
                    .with("key", table.key_json(&ready.item.key))
                    .with("side", side)
                    .with("seconds", site.run.settings.lock_wait.as_secs())
                    .with("bytes", site.run.endpoints[side].nature.max_packet);
                table.fail(ordinal, error);
                collided.push((ready.item.clone(), refused));
            }
        }
    }
    record_collisions(site, lines, table, collided).await
}

/// Rows whose source is no longer what the decision saw. They have not failed; they are looked at again.
async fn moved_at_the_source(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &TableRun,
    batch: &[Ready],
) -> Result<HashSet<u64>> {
    if site.write == Write::Delete || batch.iter().any(|ready| ready.item.is_from_kept()) {
        return Ok(HashSet::new());
    }
    let source = site.target.other();
    let view = site.run.view(&table.pair, source);
    let keys: Vec<Key> = batch.iter().map(|ready| ready.item.key.clone()).collect();
    let line = lines.writer(source);
    let found = read::rows(line, &view, &keys, Lock::None).await;
    let found = found.map_err(|fault| fault.fatal(line.place()))?;
    let moved = |ready: &&Ready| {
        found.get(&ready.item.key).map(|found| found.signature) != ready.item.now[source]
    };
    Ok(batch.iter().filter(moved).map(|ready| ready.item.ordinal).collect())
}

/// Whether both versions of a conflict are more than LOCAL takes in one statement.
fn too_large_to_keep(run: &Run, ready: &Ready, found: &Found) -> bool {
    let conflict = ready.item.decision.is_some_and(|decision| decision.conflict.is_some());
    let source = ready.source.as_ref().map_or(0, row::weight);
    conflict && !fits_a_conflict(run, source + row::weight(&found.row))
}

/// Whether rows of so many bytes can be written down as a conflict: bytes are written as twice as many digits.
pub(super) fn fits_a_conflict(run: &Run, bytes: usize) -> bool {
    run.dialect(Side::Local) == Dialect::Sqlite || 2 * bytes < run.endpoints.local.nature.max_packet
}

/// One transaction. Answers which rows were refused one by one while the others went in.
async fn attempt(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &mut TableRun,
    batch: &[Ready],
    lock: Lock,
) -> std::result::Result<Vec<(u64, Refused)>, Trouble> {
    let pair = table.pair.clone();
    let view = site.run.view(&pair, site.target);
    let writer = lines.writer(site.target);
    writer.begin().await.map_err(|fault| trouble(writer.place(), fault))?;
    let keys: Vec<Key> = batch.iter().map(|ready| ready.item.key.clone()).collect();
    let found = read::rows(writer, &view, &keys, lock).await;
    let before: HashMap<Key, Found> = match found {
        Err(Fault::LockWait) if lock == Lock::Wait && view.dialect != Dialect::Sqlite => {
            return Err(Trouble::Locked);
        }
        // On such a server that looks like a deadlock: it ends the whole transaction.
        Err(Fault::Deadlock) if lock == Lock::Wait && writer.place().waits_end_transactions => {
            return Err(Trouble::Locked);
        }
        other => other.map_err(|fault| trouble(writer.place(), fault))?,
    };
    reach("apply.locked");
    let (mut refused, mut current) = (Vec::new(), Vec::new());
    for ready in batch {
        let now = before.get(&ready.item.key).map(|found| found.signature);
        if now == ready.item.now[site.target] {
            match before.get(&ready.item.key) {
                Some(found) if too_large_to_keep(site.run, ready, found) => {
                    refused.push((ready.item.ordinal, Refused::TooLargeToKeep));
                }
                _ => current.push(ready),
            }
        } else if lock == Lock::Skip && now.is_none() {
            refused.push((ready.item.ordinal, Refused::Locked));
        } else if ready.item.is_from_kept() {
            refused.push((ready.item.ordinal, Refused::ChangedSince));
        } else {
            table.moved(&ready.item);
        }
    }
    let children =
        relations::with_children(writer, &view, site.write, &current, &before, false).await;
    let children = children.map_err(|fault| trouble(writer.place(), fault))?;
    refused.extend(children.iter().map(|ordinal| (*ordinal, Refused::HasChildren)));
    current.retain(|ready| !children.contains(&ready.item.ordinal));
    let faults = statements::write(writer, &view, site.write, &current).await;
    let faults = faults.map_err(|fault| trouble(writer.place(), fault))?;
    let failed: HashSet<u64> = faults.iter().map(|(ordinal, _)| *ordinal).collect();
    current.retain(|ready| !failed.contains(&ready.item.ordinal));
    refused.extend(faults);
    reach("apply.written");
    let after = read_back(site, lines, table, &current).await?;
    let done = Done { table, rows: current.clone(), before, after };
    if let Some(base) = record(site.run, site.target, lines, &[done]).await?.pop() {
        table.base = base;
    }
    table.count(
        site.target,
        site.write,
        &current.iter().map(|ready| &ready.item).collect::<Vec<_>>(),
    );
    Ok(refused)
}

/// Reads what was written, and refuses to leave anything that is not what was meant. Only where triggers may
/// change it may a row come out differently: then what came out is what the base remembers.
pub(super) async fn read_back(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &mut TableRun,
    written: &[&Ready],
) -> std::result::Result<HashMap<Key, Signature>, Trouble> {
    if site.write == Write::Delete {
        return Ok(HashMap::new());
    }
    let pair = table.pair.clone();
    let view = site.run.view(&pair, site.target);
    let keys: Vec<Key> = written.iter().map(|ready| ready.item.key.clone()).collect();
    let writer = lines.writer(site.target);
    let stored = read::rows(writer, &view, &keys, Lock::None)
        .await
        .map_err(|fault| trouble(writer.place(), fault))?;
    let mut different = Vec::new();
    for ready in written {
        let stored = stored.get(&ready.item.key).map(|found| &found.row);
        let meant = ready.source.as_ref().or(ready.row.as_ref());
        let (Some(stored), Some(meant)) = (stored, meant) else {
            different.push((ready.item.ordinal, Refused::StoredDifferently("?".to_owned())));
            continue;
        };
        let column =
            meant.iter().zip(stored).position(|(meant, stored)| !canonical::same(meant, stored));
        if let Some(at) = column {
            different.push((
                ready.item.ordinal,
                Refused::StoredDifferently(pair.columns[at].name.clone()),
            ));
        }
    }
    if different.is_empty() {
        return Ok(stored.into_iter().map(|(key, found)| (key, found.signature)).collect());
    }
    let triggers = &pair.tables[site.target].triggers;
    // A row that is too large for one statement is inserted and then updated.
    if !triggers.bend_updates && (site.write == Write::Update || !triggers.bend_inserts) {
        return Err(Trouble::Without(different));
    }
    table.note(Note::new(note::TRIGGER_CHANGED).with("side", site.target));
    Ok(stored.into_iter().map(|(key, found)| (key, found.signature)).collect())
}
