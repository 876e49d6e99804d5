//! The first load: tables without rows on one side take all of the other side's at once, several tables at a time.
//!
//! Nothing is decided here that the merge would not decide: without a base, a row that one side alone has is copied. What is
//! not taken in (a row that does not fit, a table whose server declines) is left to the ordinary way, which names it. Foreign
//! keys are looked after once every table is there, and only then does the base learn of the rows; afterwards the table is
//! looked at like any other.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::ledger::Turn;
use super::table::TableRun;
use super::{Lines, Run};
use crate::endpoint::load::{Declined, Loader};
use crate::endpoint::read::{self, Signed};
use crate::endpoint::{Connection, Dialect, Fault, Purpose, write};
use crate::error::{Result, SyncError};
use crate::journal::base::{Base, Step};
use crate::journal::undo::{self, PreImage};
use crate::model::{Column, PerSide, Row, Side, fit, row};
use crate::plan::merge::{Entry, Write};
use crate::plan::schema_match::TablePair;

/// Parcels of rows that wait between two servers.
const PARCELS: usize = 4;
/// Bytes of a row beyond which it goes by itself, later.
const HEAVY: usize = 1 << 20;
/// Entries that the base takes at once.
const ENTRIES: usize = 50_000;
/// Rows whose keys are kept as one pre-image.
const IMAGES: usize = 1000;

/// A table that is to be filled.
struct Job {
    turn: usize,
    target: Side,
    pair: TablePair,
    /// Whether both sides sign alike.
    comparable: bool,
    /// Whether it has more rows than go into one batch. Small tables are only filled beside large ones that may refer to them.
    large: bool,
}

/// A table that was.
struct Filled {
    job: Job,
    rows: u64,
    /// What the base says of it, where it can.
    base: Option<Base>,
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
    let one = jobs.iter().any(|job| run.dialect(job.target) == Dialect::Sqlite);
    let at_once = if one { 1 } else { run.settings.parallel };
    // The largest first, so that none of them is left alone at the end.
    jobs.sort_by_key(|job| std::cmp::Reverse(job.pair.tables[job.target.other()].estimated_rows));
    let loads = jobs.into_iter().map(|job| one_table(run, job));
    let filled: Vec<_> = stream::iter(loads).buffer_unordered(at_once).collect().await;
    run.cancel.check()?;
    let mut filled: Vec<Filled> = filled.into_iter().flatten().collect();
    orphans_go(run, &filled).await?;
    let bases = filled.drain(..).map(|filled| {
        let base = turns[filled.job.turn].table().map(|table| table.base.clone());
        remember(run, filled, base)
    });
    // LOCAL takes what is remembered, and one file takes one writer.
    let at_once = if run.dialect(Side::Local) == Dialect::Sqlite { 1 } else { at_once };
    let filled: Vec<_> = stream::iter(bases).buffer_unordered(at_once).collect().await;
    lines.refresh(&run.endpoints).await?;
    for filled in filled {
        let Filled { job, rows, base, took } = filled?;
        turns[job.turn].spent(took);
        if let Some(table) = turns[job.turn].table_mut() {
            table.written[job.target].inserted += rows;
            if let Some(base) = base {
                table.base = base;
                table.filled = Some(job.target);
            }
        }
    }
    Ok(())
}

/// Whether a table can be filled, and which side of it.
async fn job(run: &Run, lines: &mut Lines, table: &TableRun, turn: usize) -> Result<Option<Job>> {
    let pair = &table.pair;
    let none = table.base.is_none() && table.open_conflicts.is_empty() && !pair.is_bag();
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
    let plain = !pair.tables[target].triggers && pair.tables[target].transactional;
    if !allowed || !plain {
        return Ok(None);
    }
    let comparable = table.plan.comparable;
    Ok(Some(Job { turn, target, pair: pair.clone(), comparable, large }))
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

/// Fills one table; `None` where it was left as it is.
async fn one_table(run: &Run, job: Job) -> Option<Filled> {
    let clock = Instant::now();
    match take_in(run, &job).await {
        Ok(rows) => Some(Filled { job, rows, base: None, took: clock.elapsed() }),
        Err(reason) => {
            tracing::info!(table = job.pair.name, reason, "not loaded at once");
            None
        }
    }
}

async fn take_in(run: &Run, job: &Job) -> std::result::Result<u64, Declined> {
    let said = |error: SyncError| error.to_string();
    let (target, source) = (job.target, job.target.other());
    let (from, to) = (run.view(&job.pair, source), run.view(&job.pair, target));
    let mut reader = run.endpoints[source].connect(Purpose::Snapshot).await.map_err(said)?;
    let same_keys = same_keys_hold(&job.pair, target);
    let mut loader = Loader::open(&run.endpoints[target], same_keys).await.map_err(said)?;
    let (send_rows, rows) = channel(PARCELS);
    let (send_fitted, fitted) = channel(PARCELS);
    let (read, sent, loaded) = tokio::join!(
        async {
            let to = send_rows;
            let heavy = HEAVY.min(run.endpoints[target].nature.max_packet / 4);
            read::every(&mut reader, &from, heavy, &to).await
        },
        fitting(run, job, rows, send_fitted),
        loader.load(&to, fitted),
    );
    reader.close().await;
    // When one of them gives up, the others' errors are its echo.
    let outcome = match (loaded, sent, read) {
        (_, Err(problem), _) | (_, _, Err(problem)) => Err(problem.to_string()),
        (Err(problem), ..) => Err(problem),
        (Ok(rows), Ok(sent), Ok(())) if rows == sent => Ok(rows),
        (Ok(rows), Ok(sent), _) => Err(format!("{rows} rows of {sent}")),
    };
    loader.end(outcome.is_ok()).await?;
    outcome
}

/// Fits every row to the target's columns and passes it on. Rows that do not fit are left out.
async fn fitting(
    run: &Run,
    job: &Job,
    mut rows: Receiver<Vec<Row>>,
    to: Sender<Vec<Row>>,
) -> Result<u64> {
    let (target, source) = (job.target, job.target.other());
    let columns = &job.pair.columns;
    let alike = run.dialect(target) == run.dialect(source)
        && columns
            .iter()
            .all(|column| takes_as_it_is(&column.sides[source], &column.sides[target]));
    let fitted = |row: Row| -> Option<Row> {
        if alike {
            return Some(row);
        }
        let cells = row.iter().zip(columns);
        cells.map(|(cell, column)| fit::fit(cell, &column.sides[target]).ok()).collect()
    };
    let mut sent = 0;
    while let Some(parcel) = rows.recv().await {
        run.cancel.check()?;
        let fitted: Vec<Row> = parcel.into_iter().filter_map(fitted).collect();
        sent += fitted.len() as u64;
        run.progress.advance(&job.pair.name, fitted.len() as u64);
        if to.send(fitted).await.is_err() {
            // Whoever loads has given up, and says why.
            break;
        }
    }
    Ok(sent)
}

/// Whether whatever one column holds the other takes without a word.
fn takes_as_it_is(from: &Column, to: &Column) -> bool {
    let set = |column: &Column| {
        column.collation.as_ref().and_then(|name| name.split('_').next()).map(ToOwned::to_owned)
    };
    from.kind == to.kind && (to.nullable || !from.nullable) && set(from) == set(to)
}

/// Whether every unique key of the target is one of the source's under the same collations, so that nobody need look for
/// duplicates.
fn same_keys_hold(pair: &TablePair, target: Side) -> bool {
    let keys = |side: Side| -> Vec<Vec<(String, Option<String>)>> {
        let table = &pair.tables[side];
        let column = |at: &usize| {
            let column = &table.columns[*at];
            (column.name.to_lowercase(), column.collation.clone())
        };
        table.uniques.iter().map(|unique| unique.columns.iter().map(column).collect()).collect()
    };
    let source = keys(target.other());
    keys(target).iter().all(|key| source.contains(key))
}

/// Takes away again what refers to nothing: rows whose parents went while they came, or never were.
async fn orphans_go(run: &Run, filled: &[Filled]) -> Result<()> {
    let mut lines = PerSide::<Option<Connection>>::default();
    let mut clean = false;
    while !clean {
        clean = true;
        for Filled { job, .. } in filled {
            run.cancel.check()?;
            let target = job.target;
            if lines[target].is_none() {
                let mut line = run.endpoints[target].connect(Purpose::Write).await?;
                let fatal = |fault: Fault| fault.fatal(run.endpoints[target].place());
                line.check_foreign_keys(false).await.map_err(fatal)?;
                lines[target] = Some(line);
            }
            let Some(line) = &mut lines[target] else { continue };
            let view = run.view(&job.pair, target);
            let fatal = |fault: Fault| fault.fatal(run.endpoints[target].place());
            for key in &job.pair.tables[target].foreign_keys {
                let orphans = write::all_orphans(line, &view, key).await.map_err(fatal)?;
                for keys in orphans.chunks(500) {
                    clean = false;
                    write::delete(line, &view, keys).await.map_err(fatal)?;
                }
            }
        }
    }
    for side in Side::BOTH {
        if let Some(line) = lines[side].take() {
            line.close().await;
        }
    }
    Ok(())
}

/// Keeps the keys of the rows that came, and has the base learn of them where both sides sign alike. What it learns is what the
/// side that was filled holds now: whether the other side holds the same is asked afterwards.
async fn remember(run: &Run, mut filled: Filled, base: Option<Base>) -> Result<Filled> {
    let clock = Instant::now();
    let (job, places) =
        (&filled.job, (run.endpoints[filled.job.target].place(), run.endpoints.local.place()));
    let mut reader = run.endpoints[job.target].connect(Purpose::Snapshot).await?;
    let mut local = run.endpoints.local.connect(Purpose::Write).await?;
    let view = run.view(&job.pair, job.target);
    let (to, from) = channel(PARCELS);
    let all = [0..=u64::MAX];
    local.begin().await.map_err(|fault| fault.fatal(places.1))?;
    let (listed, learned) = tokio::join!(
        async {
            let to = to;
            read::list(&mut reader, &view, &all, &to).await
        },
        learn(run, job, from, base.filter(|_| job.comparable), &mut local),
    );
    reader.close().await;
    let (rows, base) = listed.and(learned)?;
    local.commit().await.map_err(|fault| fault.fatal(places.1))?;
    local.close().await;
    (filled.rows, filled.base) = (rows, base);
    filled.took += clock.elapsed();
    Ok(filled)
}

async fn learn(
    run: &Run,
    job: &Job,
    mut rows: Receiver<Vec<Signed>>,
    mut base: Option<Base>,
    local: &mut Connection,
) -> Result<(u64, Option<Base>)> {
    let (dialect, name) = (run.dialect(Side::Local), &job.pair.name);
    let (mut images, mut steps) = (Vec::new(), Vec::<(u64, Step)>::new());
    let (mut count, mut shared) = (0, HashSet::new());
    loop {
        run.cancel.check()?;
        let parcel = rows.recv().await;
        let ended = parcel.is_none();
        for Signed { ordinal, key, signature, .. } in parcel.into_iter().flatten() {
            images.push(PreImage {
                write: Write::Insert,
                key: row::object(job.pair.key_names().zip(&key.0)),
                before: None,
                written: Some(signature),
            });
            count += 1;
            // Of keys that share their place the base can say nothing.
            if steps.last().is_some_and(|(last, _)| *last == ordinal) {
                shared.insert(ordinal);
            }
            steps.push((ordinal, Step::Record(Entry { remote: signature, local: signature })));
        }
        if ended || images.len() >= IMAGES {
            undo::record(local, dialect, &run.run_id, name, job.target, &images).await?;
            images.clear();
        }
        if ended || steps.len() >= ENTRIES {
            // The next row may share its place with the last one.
            let last = if ended { None } else { steps.pop() };
            steps.retain(|(ordinal, _)| !shared.contains(ordinal));
            if let Some(base) = &mut base {
                *base = base.with_steps(local, &steps).await?;
            }
            steps = last.into_iter().collect();
        }
        if ended {
            return Ok((count, base));
        }
    }
}
