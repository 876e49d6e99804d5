//! The first load: tables without rows on one side take all of the other side's at once, several tables at a time.
//!
//! Nothing is decided here that the merge would not decide: without a base, a row that one side alone has is copied. What is
//! not taken in (a row that does not fit, a table whose server declines) is left to the ordinary way, which names it. Foreign
//! keys are looked after once every table is there, and only then does the base learn of the rows; afterwards the table is
//! looked at like any other.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::ledger::Turn;
use super::table::TableRun;
use super::worklist::Worklist;
use super::{Lines, Run};
use crate::endpoint::load::{Declined, Loader};
use crate::endpoint::read::{self, Placed};
use crate::endpoint::{Connection, Dialect, Fault, Purpose, write};
use crate::error::Result;
use crate::journal::base::Step;
use crate::journal::undo::{self, PreImage};
use crate::model::{Column, Key, PerSide, Row, Side, Signature, fit, row};
use crate::plan::merge::{Entry, Write};
use crate::plan::schema_match::TablePair;

/// Parcels of rows that wait between two servers.
const PARCELS: usize = 8;
/// Entries that the base takes at once.
const ENTRIES: usize = 50_000;
/// Rows whose keys are kept as one pre-image.
const IMAGES: usize = 1000;

/// One row that was taken in: where it stands, its key, and its signature on the side that had it.
type Taken = (u64, Key, Signature);

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
    taken: Worklist<Taken>,
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
    let outcomes: Vec<_> =
        futures_util::stream::iter(loads).buffer_unordered(at_once).collect().await;
    run.cancel.check()?;
    let mut filled: Vec<Filled> = outcomes.into_iter().flatten().collect();
    orphans_go(run, &mut filled).await?;
    lines.refresh(&run.endpoints).await?;
    for Filled { job, taken, took } in filled {
        turns[job.turn].spent(took);
        turns[job.turn]
            .go_on(async |table| {
                table.written[job.target].inserted += taken.len();
                table.filled = !taken.is_empty() && job.comparable && !job.pair.form.is_hashed();
                if table.filled { remember(lines, table, taken).await } else { Ok(()) }
            })
            .await;
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
        Ok(taken) => Some(Filled { job, taken, took: clock.elapsed() }),
        Err(reason) => {
            tracing::debug!(table = job.pair.name, reason, "not loaded at once");
            None
        }
    }
}

async fn take_in(run: &Run, job: &Job) -> std::result::Result<Worklist<Taken>, Declined> {
    let said = |error: crate::error::SyncError| error.to_string();
    let (target, source) = (job.target, job.target.other());
    let (from, to) = (run.view(&job.pair, source), run.view(&job.pair, target));
    let mut reader = run.endpoints[source].connect(Purpose::Snapshot).await.map_err(said)?;
    let mut loader = Loader::open(&run.endpoints[target], same_keys_hold(&job.pair, target))
        .await
        .map_err(said)?;
    let (send_rows, rows) = channel(PARCELS);
    let (send_fitted, fitted) = channel(PARCELS);
    let (read, sorted, loaded) = tokio::join!(
        async {
            let to = send_rows;
            read::every(&mut reader, &from, &to).await
        },
        fitting(run, job, rows, send_fitted),
        loader.load(&to, fitted),
    );
    reader.close().await;
    // When one of them gives up, the others' errors are its echo.
    let outcome = match (loaded, sorted, read) {
        (_, Err(problem), _) | (_, _, Err(problem)) => Err(problem.to_string()),
        (Err(problem), ..) => Err(problem),
        (Ok(rows), Ok(taken), Ok(())) if rows == taken.len() => Ok(taken),
        (Ok(rows), Ok(taken), _) => Err(format!("{rows} rows of {}", taken.len())),
    };
    let taken = match outcome {
        Ok(taken) => taken,
        Err(problem) => {
            loader.end(false).await?;
            return Err(problem);
        }
    };
    if run.dialect(target) == Dialect::Sqlite && target == Side::Local {
        // One file takes one writer: here the keys can only be kept afterwards.
        loader.end(true).await?;
        return keep_keys(run, job, taken).await.map_err(said);
    }
    let kept = keep_keys(run, job, taken).await.map_err(said);
    loader.end(kept.is_ok()).await?;
    kept
}

/// Fits every row to the target's columns and passes it on. Rows that do not fit, or hardly into a statement, are left out.
async fn fitting(
    run: &Run,
    job: &Job,
    mut rows: Receiver<Vec<Placed>>,
    to: Sender<Vec<Row>>,
) -> Result<Worklist<Taken>> {
    let (target, source) = (job.target, job.target.other());
    let columns = &job.pair.columns;
    let alike = run.dialect(target) == run.dialect(source)
        && columns
            .iter()
            .all(|column| takes_as_it_is(&column.sides[source], &column.sides[target]));
    let heavy = run.endpoints[target].nature.max_packet / 4;
    let mut taken = Worklist::default();
    while let Some(parcel) = rows.recv().await {
        run.cancel.check()?;
        let mut fitted = Vec::with_capacity(parcel.len());
        for Placed { ordinal, found } in parcel {
            if row::weight(&found.row) > heavy {
                continue;
            }
            let row = if alike {
                Some(found.row)
            } else {
                let cells = found.row.iter().zip(columns);
                cells.map(|(cell, column)| fit::fit(cell, &column.sides[target]).ok()).collect()
            };
            if let Some(row) = row {
                taken.push(&(ordinal, found.key, found.signature))?;
                fitted.push(row);
            }
        }
        run.progress.advance(&job.pair.name, fitted.len() as u64);
        if to.send(fitted).await.is_err() {
            // Whoever loads has given up, and says why.
            break;
        }
    }
    Ok(taken)
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

/// Keeps the keys of the rows that came.
async fn keep_keys(run: &Run, job: &Job, taken: Worklist<Taken>) -> Result<Worklist<Taken>> {
    let mut local = run.endpoints.local.connect(Purpose::Write).await?;
    let kept = keep_keys_on(run, job, taken, &mut local).await;
    local.close().await;
    kept
}

async fn keep_keys_on(
    run: &Run,
    job: &Job,
    taken: Worklist<Taken>,
    local: &mut Connection,
) -> Result<Worklist<Taken>> {
    let fatal = |fault: Fault| fault.fatal(run.endpoints.local.place());
    let (dialect, name) = (run.dialect(Side::Local), &job.pair.name);
    let mut again = Worklist::default();
    let mut batches = taken.drain()?;
    local.begin().await.map_err(fatal)?;
    loop {
        run.cancel.check()?;
        let items = batches.next(IMAGES)?;
        if items.is_empty() {
            break;
        }
        let image = |(_, key, signature): &Taken| PreImage {
            write: Write::Insert,
            key: row::object(job.pair.key_names().zip(&key.0)),
            before: None,
            written: job.comparable.then_some(*signature),
        };
        let images: Vec<PreImage> = items.iter().map(image).collect();
        undo::record(local, dialect, &run.run_id, name, job.target, &images).await?;
        items.iter().try_for_each(|item| again.push(item))?;
    }
    local.commit().await.map_err(fatal)?;
    Ok(again)
}

/// Takes away again what refers to nothing: rows that came while their parents went. Their tables' bases learn nothing from
/// the load.
async fn orphans_go(run: &Run, filled: &mut [Filled]) -> Result<()> {
    let mut lines = PerSide::<Option<Connection>>::default();
    let mut clean = false;
    while !clean {
        clean = true;
        for Filled { job, taken, .. } in &mut *filled {
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
                    *taken = Worklist::default();
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

/// The base learns of the rows.
async fn remember(lines: &mut Lines, table: &mut TableRun, taken: Worklist<Taken>) -> Result<()> {
    let place = lines.local.place().clone();
    let fatal = |fault: Fault| fault.fatal(&place);
    lines.local.begin().await.map_err(fatal)?;
    let mut batches = taken.drain()?;
    loop {
        let items = batches.next(ENTRIES)?;
        if items.is_empty() {
            break;
        }
        let step = |(ordinal, _, signature): &Taken| {
            (*ordinal, Step::Record(Entry { remote: *signature, local: *signature }))
        };
        let steps: Vec<(u64, Step)> = items.iter().map(step).collect();
        table.base = table.base.with_steps(&mut lines.local, &steps).await?;
    }
    lines.local.commit().await.map_err(fatal)
}
