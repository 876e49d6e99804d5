//! The guarded apply: rows are written only where they still are what the decision saw, and what is
//! overwritten is kept.
//!
//! Per batch, in one transaction on the side that is written: lock the keys, leave out what moved, write by key,
//! read back, and store pre-images, conflicts and base entries. On LOCAL all of that is one transaction; for
//! REMOTE the pre-images are committed on LOCAL before it and the base after it, so that a run that dies anywhere has
//! lost nothing and believes nothing that is not so.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::Utc;

use super::statements::{self, Refused};
use super::table::TableRun;
use super::worklist::{Item, Worklist};
use super::{Lines, Run, relations};
use crate::endpoint::read::{self, Found, Lock};
use crate::endpoint::{Dialect, Fault, RowFault};
use crate::error::{self, Result, SyncError};
use crate::journal::base::{Base, Step};
use crate::journal::conflicts::{self, Met};
use crate::journal::undo::{self, PreImage};
use crate::model::{Key, PerSide, Row, Side, Signature, canonical, fit, row};
use crate::plan::batch::Limit;
use crate::plan::merge::{Entry, Write};
use crate::plan::policy::BaseStep;

/// Attempts at a batch that the server rolls back.
const ATTEMPTS: u32 = 6;

/// How a batch is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Rows that other rows stand in the way of are put off.
    First,
    /// The same, and rows that stand in each other's way make room for each other.
    Untangle,
    /// Whatever fails now has failed.
    Last,
}

/// One row to be written, ready for its side.
pub struct Ready {
    /// The decision.
    pub item: Item,
    /// The row as the other side has it; `None` where it goes.
    source: Option<Row>,
    /// The same in the form in which this side takes it.
    pub row: Option<Row>,
}

/// Why an attempt at a batch came to nothing.
enum Trouble {
    /// The same again may succeed.
    Again(SyncError),
    /// Some rows are held by others: the same again, past those.
    Locked,
    /// Without these rows it will succeed.
    Without(Vec<(u64, Refused)>),
    /// Some row is at fault and nobody says which.
    Halve,
    /// It will not.
    Fatal(SyncError),
}

/// A batch's place of work.
pub struct Site<'a> {
    /// The run.
    pub run: &'a Run,
    /// The side that is written.
    pub target: Side,
    /// What is done to the rows.
    pub write: Write,
    /// How hard.
    pub effort: Effort,
}

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
        site.run.cancel.check()?;
        let done = items.len();
        let ready = prepare(site, lines, table, items).await?;
        let size = |ready: &Ready| ready.row.as_ref().map_or(64, bytes);
        let limit = Limit {
            bytes: Limit::rows(1).bytes.min(site.run.endpoints[site.target].statement_bytes()),
            rows: usize::MAX,
        };
        for batch in limit.cut(ready, size) {
            batch_with_patience(site, lines, table, batch, put_off).await?;
        }
        site.run.progress.advance(&table.pair.name, done as u64);
    }
}

/// About how many bytes a row's cells take.
fn bytes(row: &Row) -> usize {
    use crate::model::Value;
    let cell = |value: &Value| match value {
        Value::Text(text) | Value::Json(text) => text.len() + 8,
        Value::Bytes(bytes) => bytes.len() + 8,
        Value::Decimal(number) => number.as_str().len() + 8,
        _ => 24,
    };
    row.iter().map(cell).sum()
}

/// Reads the rows that are to be copied and fits their cells to the other side's columns. Rows that moved are left out,
/// rows that do not fit have failed.
async fn prepare(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &mut TableRun,
    items: Vec<Item>,
) -> Result<Vec<Ready>> {
    if site.write == Write::Delete {
        return Ok(items.into_iter().map(|item| Ready { item, source: None, row: None }).collect());
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
        table.weigh(bytes(&found.row));
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
    for (ordinal, refused) in refused {
        let Some(ready) = batch.iter().find(|ready| ready.item.ordinal == ordinal) else {
            continue;
        };
        match refused {
            Refused::Row(RowFault::Duplicate | RowFault::ForeignKey) | Refused::HasChildren
                if site.effort != Effort::Last =>
            {
                put_off.push(&ready.item)?;
            }
            refused => {
                let error = refused
                    .error()
                    .with("key", table.key_json(&ready.item.key))
                    .with("side", site.target);
                table.fail(ordinal, error.with("seconds", site.run.settings.lock_wait.as_secs()));
                collided.push((ready.item.clone(), refused));
            }
        }
    }
    relations::record_collisions(site, lines, table, collided).await
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
        other => other.map_err(|fault| trouble(writer.place(), fault))?,
    };
    let (mut refused, mut current) = (Vec::new(), Vec::new());
    for ready in batch {
        let now = before.get(&ready.item.key).map(|found| found.signature);
        if now == ready.item.now[site.target] {
            current.push(ready);
        } else if lock == Lock::Skip && now.is_none() {
            refused.push((ready.item.ordinal, Refused::Locked));
        } else {
            table.moved(&ready.item);
        }
    }
    if site.write == Write::Delete {
        let children = relations::with_children(writer, &view, &current, &before).await;
        let children = children.map_err(|fault| trouble(writer.place(), fault))?;
        refused.extend(children.iter().map(|ordinal| (*ordinal, Refused::HasChildren)));
        current.retain(|ready| !children.contains(&ready.item.ordinal));
    }
    let faults = match site.effort {
        Effort::Untangle => relations::untangle(writer, &view, site.write, &current, &before).await,
        _ => statements::write(writer, &view, site.write, &current).await,
    };
    let faults = faults.map_err(|fault| trouble(writer.place(), fault))?;
    if site.effort == Effort::Untangle && !faults.is_empty() {
        // Others were moved aside for these rows; without them, from the beginning.
        return Err(Trouble::Without(faults));
    }
    let failed: HashSet<u64> = faults.iter().map(|(ordinal, _)| *ordinal).collect();
    current.retain(|ready| !failed.contains(&ready.item.ordinal));
    refused.extend(faults);
    let after = read_back(site, lines, table, &current).await?;
    let base = record(site, lines, table, &current, &before, &after).await?;
    table.base = base;
    table.count(
        site.target,
        site.write,
        &current.iter().map(|ready| &ready.item).collect::<Vec<_>>(),
    );
    Ok(refused)
}

/// Reads what was written, and refuses to leave anything that is not what was meant. Only where triggers fire may a
/// row come out differently: then what came out is what the base remembers.
async fn read_back(
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
    if !pair.tables[site.target].triggers {
        return Err(Trouble::Without(different));
    }
    table.note(&format!(
        "A trigger on {} changes rows as they are written; they are kept there as the trigger left them.",
        site.target
    ));
    Ok(stored.into_iter().map(|(key, found)| (key, found.signature)).collect())
}

/// Stores pre-images, conflicts and the base, and commits: in one transaction on LOCAL; around REMOTE's own for REMOTE.
/// Answers the base as it is now.
async fn record(
    site: &Site<'_>,
    lines: &mut Lines,
    table: &TableRun,
    written: &[&Ready],
    before: &HashMap<Key, Found>,
    after: &HashMap<Key, Signature>,
) -> std::result::Result<Base, Trouble> {
    let images: Vec<PreImage> =
        written.iter().map(|ready| pre_image(site, table, ready, before, after)).collect();
    let met: Vec<Met> =
        written.iter().filter_map(|ready| conflict(site, table, ready, before)).collect();
    let steps = steps(site, written, after);
    let settled: Vec<i128> = written
        .iter()
        .filter(|ready| ready.item.decision.is_none_or(|decision| decision.conflict.is_none()))
        .filter_map(|ready| table.open_conflicts.get(&ready.item.ordinal).copied())
        .collect();
    let dialect = site.run.dialect(Side::Local);
    let place = lines.local.place().clone();
    let fatal = Trouble::Fatal;
    if site.target == Side::Remote {
        lines.local.begin().await.map_err(|fault| trouble(&place, fault))?;
    }
    let name = &table.pair.name;
    let run_id = &site.run.run_id;
    undo::record(&mut lines.local, dialect, run_id, name, site.target, &images)
        .await
        .map_err(fatal)?;
    let strategy = table.settings.policy.strategy;
    conflicts::record(&mut lines.local, dialect, run_id, name, strategy, &met, Utc::now())
        .await
        .map_err(fatal)?;
    for id in settled {
        conflicts::settle(&mut lines.local, dialect, id, Utc::now()).await.map_err(fatal)?;
    }
    if site.target == Side::Remote {
        lines.local.commit().await.map_err(|fault| trouble(&place, fault))?;
        let remote = lines.writer(Side::Remote);
        remote.commit().await.map_err(|fault| committing(remote.place(), fault))?;
        lines.local.begin().await.map_err(|fault| trouble(&place, fault))?;
    }
    let base = table.base.with_steps(&mut lines.local, &steps).await.map_err(fatal)?;
    lines.local.commit().await.map_err(|fault| committing(&place, fault))?;
    Ok(base)
}

fn pre_image(
    site: &Site<'_>,
    table: &TableRun,
    ready: &Ready,
    before: &HashMap<Key, Found>,
    after: &HashMap<Key, Signature>,
) -> PreImage {
    PreImage {
        write: site.write,
        key: table.key_json(&ready.item.key),
        before: before.get(&ready.item.key).map(|found| table.row_json(&found.row)),
        written: after.get(&ready.item.key).copied(),
    }
}

fn conflict(
    site: &Site<'_>,
    table: &TableRun,
    ready: &Ready,
    before: &HashMap<Key, Found>,
) -> Option<Met> {
    let conflict = ready.item.decision?.conflict?;
    let target = before.get(&ready.item.key).map(|found| table.row_json(&found.row));
    let source = ready.source.as_ref().map(|row| table.row_json(row));
    let (remote, local) =
        if site.target == Side::Local { (source, target) } else { (target, source) };
    let key = table.key_json(&ready.item.key);
    Some(Met { ordinal: ready.item.ordinal, key, conflict, now: ready.item.now, remote, local })
}

/// What the base learns from the rows that were written.
fn steps(site: &Site<'_>, written: &[&Ready], after: &HashMap<Key, Signature>) -> Vec<(u64, Step)> {
    let mut steps: Vec<(u64, Step)> = written
        .iter()
        .filter(|ready| ready.item.recorded)
        .filter_map(|ready| {
            let item = &ready.item;
            match item.decision?.base {
                BaseStep::Keep => None,
                BaseStep::Forget => Some((item.ordinal, Step::Forget)),
                BaseStep::Record => {
                    let mut now = PerSide { remote: item.now.remote, local: item.now.local };
                    now[site.target] = after.get(&item.key).copied();
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

fn trouble(place: &crate::endpoint::Place, fault: Fault) -> Trouble {
    match fault {
        Fault::Deadlock => Trouble::Again(place.error(error::DEADLOCK)),
        Fault::LockWait if matches!(place.address, crate::config::Address::File(_)) => {
            Trouble::Fatal(place.error(error::BUSY))
        }
        fault => Trouble::Fatal(fault.fatal(place)),
    }
}

/// A refused COMMIT: SQLite's deferred foreign keys speak only there, and name no row.
fn committing(place: &crate::endpoint::Place, fault: Fault) -> Trouble {
    match fault {
        Fault::Row(RowFault::ForeignKey) => Trouble::Halve,
        fault => trouble(place, fault),
    }
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
        for id in settled {
            conflicts::settle(&mut lines.local, run.dialect(Side::Local), id, Utc::now()).await?;
        }
        let base = table.base.with_steps(&mut lines.local, &steps).await?;
        lines.local.commit().await.map_err(|fault| fault.fatal(&place))?;
        table.base = base;
    }
    let mut batches = std::mem::take(&mut table.plan.left).drain()?;
    loop {
        run.cancel.check()?;
        let items = batches.next(table.batch_rows(run))?;
        if items.is_empty() {
            return Ok(());
        }
        write_down(run, lines, table, &items).await?;
    }
}

/// Stores the conflicts that are left as they are, with both rows.
async fn write_down(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
    items: &[Item],
) -> Result<()> {
    table.done.extend(items.iter().map(|item| item.ordinal));
    let items: Vec<&Item> = items
        .iter()
        .filter(|item| item.decision.is_some_and(|decision| decision.conflict.is_some()))
        .collect();
    if items.is_empty() {
        return Ok(());
    }
    let pair = table.pair.clone();
    let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
    let mut rows = PerSide::<HashMap<Key, Found>>::default();
    for side in Side::BOTH {
        let line = &mut lines.snapshots[side];
        let found = read::rows(line, &run.view(&pair, side), &keys, Lock::None).await;
        rows[side] = found.map_err(|fault| fault.fatal(lines.snapshots[side].place()))?;
    }
    let json = |side: Side, key: &Key| rows[side].get(key).map(|found| table.row_json(&found.row));
    let met: Vec<Met> = items
        .iter()
        .filter_map(|item| {
            let (remote, local) = (json(Side::Remote, &item.key), json(Side::Local, &item.key));
            let conflict = item.decision?.conflict?;
            Some(Met {
                ordinal: item.ordinal,
                key: table.key_json(&item.key),
                conflict,
                now: item.now,
                remote,
                local,
            })
        })
        .collect();
    let place = lines.local.place().clone();
    lines.local.begin().await.map_err(|fault| fault.fatal(&place))?;
    let strategy = table.settings.policy.strategy;
    let dialect = run.dialect(Side::Local);
    conflicts::record(
        &mut lines.local,
        dialect,
        &run.run_id,
        &pair.name,
        strategy,
        &met,
        Utc::now(),
    )
    .await?;
    lines.local.commit().await.map_err(|fault| fault.fatal(&place))
}

impl TableRun {
    /// Rows per batch: as many as are asked for, fewer where rows are large.
    pub fn batch_rows(&self, run: &Run) -> usize {
        let average = self.weighed.bytes / self.weighed.rows.max(1);
        let unknown = self.weighed.rows == 0 && self.pair.has_long_columns();
        let fitting = if unknown { 50 } else { Limit::rows(1).bytes / average.max(1) };
        run.settings.batch_size.min(fitting).max(1)
    }

    fn weigh(&mut self, bytes: usize) {
        self.weighed.bytes += bytes;
        self.weighed.rows += 1;
    }

    /// Notes a row that changed between two looks at it: it is looked at again in the next round.
    fn moved(&mut self, item: &Item) {
        self.plan.moved += 1;
        self.touched.insert(self.base.chunk_of(item.ordinal));
    }

    fn count(&mut self, target: Side, write: Write, items: &[&Item]) {
        let rows = items.len() as u64;
        let written = &mut self.written[target];
        match write {
            Write::Insert => {
                written.inserted += rows;
                self.rows[target] += rows;
            }
            Write::Update => written.updated += rows,
            Write::Delete => {
                written.deleted += rows;
                self.rows[target] = self.rows[target].saturating_sub(rows);
            }
        }
        for item in items {
            self.touched.insert(self.base.chunk_of(item.ordinal));
        }
    }

    /// A key as a JSON object of its columns.
    pub fn key_json(&self, key: &Key) -> serde_json::Value {
        row::object(self.pair.key_names().zip(&key.0))
    }

    /// A row as a JSON object of its columns.
    pub fn row_json(&self, cells: &Row) -> serde_json::Value {
        row::object(self.pair.columns.iter().map(|column| column.name.as_str()).zip(cells))
    }
}
