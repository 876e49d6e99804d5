//! What a run remembers: pre-images, conflicts, and the base; with the rows that it writes, and without.
//!
//! On LOCAL everything is one transaction with the rows. For REMOTE the pre-images are committed on LOCAL before its own commit
//! and the base after it, so that a run that dies anywhere has lost nothing and believes nothing that is not so.

use std::collections::HashMap;

use chrono::Utc;

use super::apply::fits_a_conflict;
use super::batch::{Ready, Site, by_size};
use super::statements::Refused;
use super::table::TableRun;
use super::trouble::{Trouble, committing, trouble};
use super::worklist::Item;
use super::{Lines, Run};
use crate::endpoint::read::{self, Found, Lock};
use crate::endpoint::{Connection, RowFault};
use crate::error::{self, Result, SyncError};
use crate::failpoint::reach;
use crate::journal::base::Base;
use crate::journal::chunk::Step;
use crate::journal::conflicts::{self, Met};
use crate::journal::undo::{self, PreImage};
use crate::model::{Key, PerSide, Side, Signature, row};
use crate::plan::merge::{ConflictKind, Entry, Write};
use crate::plan::policy::{BaseStep, Conflict};

/// What was written to one table in the open transaction on the target.
pub(super) struct Done<'a> {
    /// The table.
    pub table: &'a TableRun,
    /// The rows, each in the form in which it was written.
    pub rows: Vec<&'a Ready>,
    /// What they were.
    pub before: HashMap<Key, Found>,
    /// The signatures of what they are now.
    pub after: HashMap<Key, Signature>,
}

/// Stores pre-images, conflicts and the base, and commits: in one transaction on LOCAL; around REMOTE's own for REMOTE.
/// Answers each table's base as it is now.
pub(super) async fn record(
    run: &Run,
    target: Side,
    lines: &mut Lines,
    done: &[Done<'_>],
) -> std::result::Result<Vec<Base>, Trouble> {
    let place = lines.local.place().clone();
    if target == Side::Remote {
        lines.local.begin().await.map_err(|fault| trouble(&place, fault))?;
    }
    for done in done {
        if let Some(lease) = &done.table.lease {
            lease.renew(&mut lines.local).await.map_err(Trouble::Fatal)?;
        }
        keep(run, target, &mut lines.local, done).await.map_err(Trouble::Fatal)?;
    }
    reach("record.kept");
    let mut bases = Vec::new();
    if target == Side::Remote {
        if run.options.undo.is_some() {
            // What a run has learned is forgotten before its rows go back: whoever meets them then decides as if they had never
            // been written.
            bases = remembered(target, lines, done).await?;
        }
        lines.local.commit().await.map_err(|fault| trouble(&place, fault))?;
        reach("record.kept_for_remote");
        // Whoever thinks that this run is dead waits for the leases' rows until REMOTE has what is written, and the base too.
        lines.local.begin().await.map_err(|fault| trouble(&place, fault))?;
        for lease in done.iter().filter_map(|done| done.table.lease) {
            lease.renew(&mut lines.local).await.map_err(Trouble::Fatal)?;
        }
        let remote = lines.writer(Side::Remote);
        remote.commit().await.map_err(|fault| committing(remote.place(), fault))?;
        reach("record.remote_committed");
    }
    if bases.is_empty() {
        bases = remembered(target, lines, done).await?;
    }
    reach("record.base_written");
    lines.local.commit().await.map_err(|fault| committing(&place, fault))?;
    reach("record.committed");
    Ok(bases)
}

/// Writes what the base learns, and answers each table's base as it is then.
async fn remembered(
    target: Side,
    lines: &mut Lines,
    done: &[Done<'_>],
) -> std::result::Result<Vec<Base>, Trouble> {
    let mut bases = Vec::new();
    for done in done {
        let steps = steps(target, &done.rows, &done.after);
        let base = done.table.base.with_steps(&mut lines.local, &steps).await;
        bases.push(base.map_err(Trouble::Fatal)?);
    }
    Ok(bases)
}

/// Keeps what is overwritten: pre-images, and both versions of conflicts.
async fn keep(run: &Run, target: Side, local: &mut Connection, done: &Done<'_>) -> Result<()> {
    let Done { table, rows, before, after } = done;
    let images: Vec<PreImage> =
        rows.iter().filter_map(|ready| pre_image(table, ready, before, after)).collect();
    let met: Vec<Met> =
        rows.iter().filter_map(|ready| conflict(target, table, ready, before)).collect();
    let (dialect, name, run_id) = (run.dialect(Side::Local), &table.pair.name, &run.run_id);
    undo::record(local, dialect, run_id, name, target, &images).await?;
    let strategy = table.settings.policy.strategy;
    conflicts::record(local, dialect, run_id, name, strategy, &met, Utc::now()).await?;
    let decided =
        |ready: &&&Ready| ready.item.decision.is_some_and(|decision| decision.conflict.is_some());
    for ready in rows.iter().filter(|ready| !decided(ready)) {
        if let Some(id) = table.open_conflicts.get(&ready.item.ordinal) {
            conflicts::settle(local, dialect, *id, Utc::now()).await?;
        }
    }
    Ok(())
}

fn pre_image(
    table: &TableRun,
    ready: &Ready,
    before: &HashMap<Key, Found>,
    after: &HashMap<Key, Signature>,
) -> Option<PreImage> {
    let (_, write) = ready.item.decision?.write?;
    Some(PreImage {
        write,
        key: table.key_json(&ready.item.key),
        before: before.get(&ready.item.key).map(|found| table.row_json(&found.row)),
        written: after.get(&ready.item.key).copied(),
        found: before.get(&ready.item.key).map(|found| found.signature),
        base: ready.item.base,
    })
}

fn conflict(
    target: Side,
    table: &TableRun,
    ready: &Ready,
    before: &HashMap<Key, Found>,
) -> Option<Met> {
    let conflict = ready.item.decision?.conflict?;
    let old = before.get(&ready.item.key).map(|found| table.row_json(&found.row));
    let source = ready.source.as_ref().map(|row| table.row_json(row));
    let (remote, local) = if target == Side::Local { (source, old) } else { (old, source) };
    let key = table.key_json(&ready.item.key);
    let Item { ordinal, now, .. } = ready.item;
    Some(Met { ordinal, key, conflict, now, applied: true, remote, local })
}

/// What the base learns from the rows that were written.
fn steps(target: Side, written: &[&Ready], after: &HashMap<Key, Signature>) -> Vec<(u64, Step)> {
    let mut steps: Vec<(u64, Step)> = written
        .iter()
        .filter(|ready| ready.item.recorded)
        .filter_map(|ready| {
            let item = &ready.item;
            match item.decision?.base {
                BaseStep::Keep => None,
                BaseStep::Forget | BaseStep::Restore(None) => Some((item.ordinal, Step::Forget)),
                BaseStep::Restore(Some(entry)) => Some((item.ordinal, Step::Record(entry))),
                BaseStep::Record => {
                    let mut now = PerSide { remote: item.now.remote, local: item.now.local };
                    now[target] = after.get(&item.key).copied();
                    Some((
                        item.ordinal,
                        Step::Record(Entry { remote: now.remote?, local: now.local? }),
                    ))
                }
            }
        })
        .collect();
    steps.sort_unstable_by_key(|(ordinal, _)| *ordinal);
    steps
}

/// Carries out what changes nothing but the base and the conflicts: rows that have become the same, rows that are gone on
/// both sides, and rows that are left different.
///
/// # Errors
/// The failure with its code.
pub async fn remember(run: &Run, lines: &mut Lines, table: &mut TableRun) -> Result<()> {
    let mut batches = std::mem::take(&mut table.plan.steps).drain()?;
    loop {
        run.cancel.check()?;
        let items = batches.next(run.settings.batch_size)?;
        if items.is_empty() {
            break;
        }
        let mut steps: Vec<(u64, Step)> = items
            .iter()
            .filter(|item| item.recorded)
            .filter_map(|item| match (item.decision?.base, item.now.remote, item.now.local) {
                (BaseStep::Record, Some(remote), Some(local)) => {
                    Some((item.ordinal, Step::Record(Entry { remote, local })))
                }
                (BaseStep::Forget, ..) => Some((item.ordinal, Step::Forget)),
                _ => None,
            })
            .collect();
        steps.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        let settled: Vec<i128> = items
            .iter()
            .filter_map(|item| table.open_conflicts.get(&item.ordinal).copied())
            .collect();
        let place = lines.local.place().clone();
        lines.local.begin().await.map_err(|fault| fault.fatal(&place))?;
        let dialect = run.dialect(Side::Local);
        if let Some(lease) = &table.lease {
            lease.renew(&mut lines.local).await?;
        }
        for id in settled {
            conflicts::settle(&mut lines.local, dialect, id, Utc::now()).await?;
        }
        if let Some(side) = table.unsigned {
            let images = loaded(table, side, &items);
            undo::record(&mut lines.local, dialect, &run.run_id, &table.pair.name, side, &images)
                .await?;
        }
        let base = table.base.with_steps(&mut lines.local, &steps).await?;
        reach("remember.written");
        lines.local.commit().await.map_err(|fault| fault.fatal(&place))?;
        reach("remember.committed");
        table.base = base;
    }
    let mut batches = std::mem::take(&mut table.plan.left).drain()?;
    loop {
        run.cancel.check()?;
        let items = batches.next(table.batch_rows(run))?;
        if items.is_empty() {
            return Ok(());
        }
        let pair = table.pair.clone();
        for items in by_size(&mut lines.snapshots, &run.views(&pair), items).await? {
            write_down(run, lines, table, &items).await?;
        }
    }
}

/// What is kept of rows that the first load brought without signing them, now that both sides hold them: somebody who changes
/// them later keeps them when the run is taken back.
fn loaded(table: &TableRun, side: Side, items: &[Item]) -> Vec<PreImage> {
    let both = |item: &&Item| item.now.remote.is_some() && item.now.local.is_some();
    let image = |item: &Item| PreImage {
        write: Write::Insert,
        key: table.key_json(&item.key),
        before: None,
        written: item.now[side],
        found: None,
        base: None,
    };
    items.iter().filter(both).map(image).collect()
}

/// Stores the conflicts that are left as they are.
async fn write_down(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
    items: &[Item],
) -> Result<()> {
    table.done.extend(items.iter().map(|item| item.ordinal));
    let conflict = |item: &Item| Some((item.clone(), item.decision?.conflict?));
    let met = items.iter().filter_map(conflict).collect();
    store(run, lines, table, met).await
}

/// Writes down rows that collided with other rows for good.
///
/// # Errors
/// The failure with its code.
pub(super) async fn record_collisions(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &mut TableRun,
    collided: Vec<(Item, Refused)>,
) -> Result<()> {
    let kind = |refused: &Refused| match refused {
        Refused::Row(RowFault::Duplicate) => Some(ConflictKind::Unique),
        Refused::Row(RowFault::ForeignKey | RowFault::HasChildren) | Refused::HasChildren => {
            Some(ConflictKind::Parent)
        }
        _ => None,
    };
    let conflict = |(item, refused): (Item, Refused)| {
        Some((item, Conflict { kind: kind(&refused)?, winner: None, pending: true }))
    };
    let met: Vec<(Item, Conflict)> = collided.into_iter().filter_map(conflict).collect();
    table.conflicts.detected += met.len() as u64;
    table.conflicts.manual += met.len() as u64;
    table.collided += met.len() as u64;
    store(site.run, lines, table, met).await
}

/// Stores conflicts with both rows as they are now.
async fn store(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
    conflicts: Vec<(Item, Conflict)>,
) -> Result<()> {
    if conflicts.is_empty() {
        return Ok(());
    }
    let keys: Vec<Key> = conflicts.iter().map(|(item, _)| item.key.clone()).collect();
    let mut rows = PerSide::<HashMap<Key, Found>>::default();
    for side in Side::BOTH {
        let line = &mut lines.snapshots[side];
        let found = read::rows(line, &run.view(&table.pair, side), &keys, Lock::None).await;
        rows[side] = found.map_err(|fault| fault.fatal(lines.snapshots[side].place()))?;
    }
    let weight = |key: &Key| -> usize {
        let found = Side::BOTH.into_iter().filter_map(|side| rows[side].get(key));
        found.map(|found| row::weight(&found.row)).sum()
    };
    let (conflicts, large): (Vec<_>, Vec<_>) =
        conflicts.into_iter().partition(|(item, _)| fits_a_conflict(run, weight(&item.key)));
    for (item, _) in large {
        let error = SyncError::new(error::ROW_TOO_LARGE).with("side", Side::Local);
        let error = error.with("bytes", run.endpoints.local.nature.max_packet);
        table.fail(item.ordinal, error.with("key", table.key_json(&item.key)));
    }
    let json = |side: Side, key: &Key| rows[side].get(key).map(|found| table.row_json(&found.row));
    let signed = |side: Side, key: &Key| rows[side].get(key).map(|found| found.signature);
    let met: Vec<Met> = conflicts
        .iter()
        .map(|(item, conflict)| Met {
            ordinal: item.ordinal,
            key: table.key_json(&item.key),
            conflict: *conflict,
            // What is written down, not what the write looked at: an undo looks at the side that it writes alone.
            now: PerSide::new(signed(Side::Remote, &item.key), signed(Side::Local, &item.key)),
            applied: false,
            remote: json(Side::Remote, &item.key),
            local: json(Side::Local, &item.key),
        })
        .collect();
    let place = lines.local.place().clone();
    lines.local.begin().await.map_err(|fault| fault.fatal(&place))?;
    let (dialect, strategy) = (run.dialect(Side::Local), table.settings.policy.strategy);
    conflicts::record(
        &mut lines.local,
        dialect,
        &run.run_id,
        &table.pair.name,
        strategy,
        &met,
        Utc::now(),
    )
    .await?;
    lines.local.commit().await.map_err(|fault| fault.fatal(&place))
}
