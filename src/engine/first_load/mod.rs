//! The first load: tables without rows on one side take all of the other side's at once, several tables at a time.
//!
//! Nothing is decided here that the merge would not decide: without a base, a row that one side alone has is copied. What is
//! not taken in (a row that does not fit, a table whose server declines) is left to the ordinary way, which names it. Rows are
//! signed while they pass; the base learns of them, and the side that took them is asked what it makes of them before it keeps them:
//! whatever differs then is the server's doing, and the table is given up. Foreign
//! keys are looked after once every table is there; afterwards the table is looked at like any other, unless it was seen to hold
//! what it was sent.

mod learn;
mod orphans;
mod take_in;

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use self::orphans::{any_orphans, orphans_go};
use self::take_in::one_table;
use super::ledger::Turn;
use super::table::TableRun;
use super::{Lines, Run};
use crate::endpoint::{Dialect, read};
use crate::error::Result;
use crate::journal::base::Base;
use crate::journal::lease::Lease;
use crate::journal::stamp::Standing;
use crate::model::{Kind, PerSide, Side};
use crate::plan::schema_match::TablePair;

/// A table that is to be filled.
struct Job {
    turn: usize,
    target: Side,
    pair: TablePair,
    lease: Option<Lease>,
    /// Whether it has more rows than go into one batch. Small tables are only filled beside large ones that may refer to them.
    large: bool,
}

/// A table that was.
struct Filled {
    job: Job,
    rows: u64,
    /// What the base says of it, where it can.
    base: Option<Base>,
    /// Whether the side that took the rows was seen to hold what the base says, and the other was read for it.
    settled: bool,
    took: Duration,
}

/// Fills every table that can be filled. What goes wrong is no failure: the table is then synced row by row.
///
/// # Errors
/// `SYNC_005` when asked to stop; the failure where our own tables cannot be written.
pub async fn fill(run: &Run, lines: &mut Lines, turns: &mut [Turn]) -> Result<()> {
    let mut jobs = Vec::new();
    for (number, turn) in turns.iter_mut().enumerate() {
        turn.begin(run, lines).await;
        let mut found = None;
        turn.go_on(async |table| {
            found = job(run, lines, table, number).await?;
            Ok(())
        })
        .await;
        jobs.extend(found);
    }
    if !jobs.iter().any(|job: &Job| job.large) {
        return Ok(());
    }
    without_parents_stay(run, lines, turns, &mut jobs).await?;
    // One file takes one writer.
    let one = Side::BOTH.iter().any(|side| run.dialect(*side) == Dialect::Sqlite);
    let at_once = if one { 1 } else { run.settings.parallel };
    // The largest first, so that none of them is left alone at the end.
    jobs.sort_by_key(|job| std::cmp::Reverse(job.pair.tables[job.target.other()].estimated_rows));
    // Once every table has its rows, foreign keys are looked after while the last tables are still asked what they hold.
    let (loading, mut loaded) = tokio::sync::mpsc::channel::<()>(1);
    let pairs: Vec<(Side, TablePair)> =
        jobs.iter().map(|job| (job.target, job.pair.clone())).collect();
    let loads = jobs.into_iter().map(|job| {
        let source = &job.pair.tables[job.target.other()];
        run.progress.load(&job.pair.name, source.estimated_rows);
        let base = turns[job.turn].table().map(|table| table.base.clone());
        one_table(run, job, base, loading.clone())
    });
    let loads: Vec<_> = loads.collect();
    drop(loading);
    let (filled, orphans) =
        tokio::join!(stream::iter(loads).buffer_unordered(at_once).collect::<Vec<_>>(), async {
            while loaded.recv().await.is_some() {}
            any_orphans(run, &pairs).await
        });
    let mut filled: Vec<Filled> = filled.into_iter().flatten().collect();
    // A run that is told to stop says what it did before.
    for Filled { job, rows, .. } in &filled {
        run.progress.done(&job.pair.name);
        if let Some(table) = turns[job.turn].table_mut() {
            table.written[job.target].inserted += rows;
        }
    }
    run.cancel.check()?;
    let looked_after = match orphans {
        Ok(true) => orphans_go(run, &mut filled).await,
        other => other.map(drop),
    };
    lines.refresh(&run.endpoints).await?;
    for Filled { job, base, settled, took, .. } in filled {
        turns[job.turn].spent(took);
        if let Some(table) = turns[job.turn].table_mut() {
            if let Some(base) = base {
                table.base = base;
                (table.filled, table.settled) = (true, settled);
            } else {
                // Whether the base was kept, only LOCAL can tell.
                table.read_base_again(lines).await?;
                table.unsigned = Some(job.target).filter(|_| table.base.is_none());
            }
        }
    }
    looked_after
}

/// Whether a table can be filled, and which side of it.
async fn job(run: &Run, lines: &mut Lines, table: &TableRun, turn: usize) -> Result<Option<Job>> {
    let pair = &table.pair;
    // A base that can be carried over knows of rows that were deleted since.
    let none = match table.base.standing {
        Standing::None | Standing::Foreign => true,
        Standing::Elsewhere => run.options.force,
        Standing::Current | Standing::Former(_) => false,
    };
    let none = none && table.open_conflicts.is_empty() && !pair.is_bag();
    if !none || pair.has_quiet_columns() {
        return Ok(None);
    }
    let mut empty = PerSide::new(false, false);
    for side in Side::BOTH {
        empty[side] = read::is_empty(&mut lines.snapshots[side], &run.view(pair, side)).await?;
    }
    let (target, source) = match (empty.remote, empty.local) {
        (true, false) => (Side::Remote, Side::Local),
        (false, true) => (Side::Local, Side::Remote),
        _ => return Ok(None),
    };
    let allowed = table.settings.policy.direction.target().is_none_or(|only| only == target);
    let view = run.view(pair, source);
    let large =
        read::has_more(&mut lines.snapshots[source], &view, run.settings.batch_size).await?;
    let into = &pair.tables[target];
    let plain = !into.triggers.any && into.transactional && !into.refers_elsewhere;
    if !allowed || !plain || rounds(pair, target) {
        return Ok(None);
    }
    Ok(Some(Job { turn, target, pair: pair.clone(), lease: table.lease, large }))
}

/// Whether a table rounds numbers without a word: `DOUBLE(10,2)` does, where the same column of the other side does not.
fn rounds(pair: &TablePair, target: Side) -> bool {
    pair.columns.iter().any(|column| {
        let (into, from) = (&column.sides[target], &column.sides[target.other()]);
        let inexact = matches!(into.kind, Kind::Float | Kind::Double);
        inexact && into.declared.contains('(') && into.declared != from.declared
    })
}

/// A table whose parents' table has no rows yet and is not filled either would consist of orphans.
async fn without_parents_stay(
    run: &Run,
    lines: &mut Lines,
    turns: &[Turn],
    jobs: &mut Vec<Job>,
) -> Result<()> {
    loop {
        let mut stays = None;
        'jobs: for (at, Job { turn, target, pair, .. }) in jobs.iter().enumerate() {
            for key in &pair.tables[*target].foreign_keys {
                let known = |pair: &TablePair| pair.tables[*target].name == key.parent;
                if key.parent == key.child || jobs.iter().any(|job| known(&job.pair)) {
                    continue;
                }
                let mut tables = turns.iter().filter_map(Turn::table);
                let Some(parent) = tables.find(|table| known(&table.pair)) else { continue };
                let view = run.view(&parent.pair, *target);
                if read::is_empty(&mut lines.snapshots[*target], &view).await? {
                    tracing::debug!(table = turns[*turn].settings.table, "waits for its parents");
                    stays = Some(at);
                    break 'jobs;
                }
            }
        }
        match stays {
            Some(at) => drop(jobs.remove(at)),
            None => return Ok(()),
        }
    }
}
