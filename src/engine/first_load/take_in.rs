//! One table takes the rows of another: read, signed, made to fit, and sent, all at the same time.
//!
//! Between two servers of one kind, whose columns take whatever the others hold, rows pass as the server spells them and nothing
//! is taken apart. Elsewhere every cell is made to fit, and a row that does not fit is left out.

use std::collections::BTreeSet;
use std::time::Instant;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::learn::{Learner, Passed};
use super::{Filled, Job};
use crate::capture::digest::{self, Asked};
use crate::endpoint::load::{Declined, Loader, Pack, Parcel};
use crate::endpoint::mysql::sign::Signer;
use crate::endpoint::read::{self, Sign, Travelling};
use crate::endpoint::{Connection, Dialect, Purpose, View};
use crate::engine::Run;
use crate::error::{Result, SyncError};
use crate::failpoint::reach;
use crate::journal::base::Base;
use crate::model::{Column, Kind, PerSide, Row, Side, fit};
use crate::plan::merge::Entry;
use crate::plan::schema_match::{ColumnPair, TablePair};

/// Parcels of rows that wait between two servers.
const PARCELS: usize = 4;
/// Bytes of a row beyond which it goes by itself, later.
const HEAVY: usize = 1 << 20;

/// Fills one table; `None` where it was left as it is. `loading` is dropped when the rows are there.
pub(super) async fn one_table(
    run: &Run,
    job: Job,
    base: Option<Base>,
    loading: Sender<()>,
) -> Option<Filled> {
    let clock = Instant::now();
    match take_in(run, &job, base, loading).await {
        Ok((rows, base, settled)) => {
            Some(Filled { job, rows, base, settled, took: clock.elapsed() })
        }
        Err(reason) => {
            tracing::info!(table = job.pair.name, reason, "not loaded at once");
            None
        }
    }
}

/// Answers how many rows came, what the base says of them, and whether they are known to be what was sent.
async fn take_in(
    run: &Run,
    job: &Job,
    base: Option<Base>,
    loading: Sender<()>,
) -> std::result::Result<(u64, Option<Base>, bool), Declined> {
    let said = |error: SyncError| error.to_string();
    let (target, source) = (job.target, job.target.other());
    let (from, to) = (run.view(&job.pair, source), run.view(&job.pair, target));
    let mut reader = run.endpoints[source].connect(Purpose::Snapshot).await.map_err(said)?;
    let same_keys = same_keys_hold(&job.pair, target);
    let mut loader = Loader::open(&run.endpoints[target], same_keys).await.map_err(said)?;
    let heavy = HEAVY.min(run.endpoints[target].nature.max_packet / 4);
    let as_it_is = loader.takes_lines() && takes_as_it_is(run, job);
    let signer = if as_it_is { Signer::of_texts(&from) } else { None };
    let passing = Passing::of(run, job);
    let signed = signer.is_some() || passing.signers.is_some();
    let known = base.filter(|_| signed);
    let mut learner = Learner::open(run, job, known).await.map_err(said)?;
    let by_text = signer.is_some();
    let (to_load, parcels) = channel(PARCELS);
    let (read, sent, loaded) = if let Some(signer) = signer {
        let (send, rows) = channel(PARCELS);
        tokio::join!(
            async {
                let send = send;
                read::every_line(&mut reader, &from, signer, heavy, &send).await
            },
            as_lines(run, job, rows, to_load, &mut learner),
            loader.load(&to, parcels),
        )
    } else {
        let (send, rows) = channel(PARCELS);
        tokio::join!(
            async {
                let send = send;
                read::every(&mut reader, &from, heavy, &send).await
            },
            as_rows(run, job, passing, rows, (loader.pack(&to), to_load), &mut learner),
            loader.load(&to, parcels),
        )
    };
    reader.close().await;
    // When one of them gives up, the others' errors are its echo.
    let outcome = match (loaded, sent, read) {
        (_, Err(problem), _) | (_, _, Err(problem)) => Err(problem.to_string()),
        (Err(problem), ..) => Err(problem),
        (Ok(rows), Ok(sent), Ok(heavy)) if rows == sent.rows => Ok((rows, sent.left_out + heavy)),
        (Ok(rows), Ok(sent), _) => Err(format!("{rows} rows of {}", sent.rows)),
    };
    reach("load.sent");
    // Nobody else sees the rows yet: what the target holds otherwise now, it has understood otherwise.
    let taken = match outcome {
        Ok((rows, left_out)) => {
            let remembered = remember(run, job, &mut learner, &mut loader, by_text).await;
            remembered.map(|(base, held)| (rows, base, held && left_out == 0))
        }
        Err(problem) => Err(problem),
    };
    reach("load.verified");
    let ended = loader.end(taken.is_ok()).await;
    reach("load.committed");
    let (rows, base, settled) = match taken.and_then(|taken| ended.map(|()| taken)) {
        Ok(taken) => taken,
        Err(problem) => {
            learner.drop().await;
            return Err(problem);
        }
    };
    drop(loading);
    // Without a base the next look finds equal rows on both sides, and learns of them.
    let kept = learner.keep().await;
    let kept = kept.inspect_err(|error| tracing::info!(%error, "nothing is remembered")).is_ok();
    Ok((rows, base.filter(|_| kept), settled && kept))
}

/// Writes down what passed, and asks both sides whether they hold it. Answers the base, where there is one, and whether the side
/// that the rows come from still holds what it says.
async fn remember(
    run: &Run,
    job: &Job,
    learner: &mut Learner<'_>,
    loader: &mut Loader,
    by_text: bool,
) -> std::result::Result<(Option<Base>, bool), Declined> {
    let said = |error: SyncError| error.to_string();
    let (target, source) = (job.target, job.target.other());
    // A file takes one writer: what is remembered of a file's rows goes in with them.
    let one_file = target == Side::Local && run.dialect(target) == Dialect::Sqlite;
    let theirs = loader.line().filter(|_| one_file);
    let Some(base) = learner.finish(theirs).await.map_err(said)? else {
        let theirs = loader.line().filter(|_| one_file);
        learner.fence(theirs).await.map_err(said)?;
        return Ok((None, false));
    };
    let (came, held) = tokio::join!(
        async {
            if let Some(line) = loader.line() {
                return holds(run, job, target, &base, line).await;
            }
            let mut line = run.endpoints[target].connect(Purpose::Uncommitted).await?;
            let came = holds(run, job, target, &base, &mut line).await;
            line.close().await;
            came
        },
        async {
            // Rows that were signed in their server's own words, or always by the engine, were read for it.
            if by_text || run.dialect(source) == Dialect::Sqlite {
                return Ok(true);
            }
            let mut line = run.endpoints[source].connect(Purpose::Snapshot).await?;
            let held = holds(run, job, source, &base, &mut line).await;
            line.close().await;
            held
        }
    );
    if !came.map_err(said)? {
        return Err("the rows came out differently".to_owned());
    }
    let theirs = loader.line().filter(|_| one_file);
    learner.fence(theirs).await.map_err(said)?;
    Ok((Some(base), held.unwrap_or_default()))
}

/// Whether a side holds what the base says.
async fn holds(
    run: &Run,
    job: &Job,
    side: Side,
    base: &Base,
    line: &mut Connection,
) -> Result<bool> {
    let view = run.view(&job.pair, side);
    let (endpoint, at_once) = (&run.endpoints[side], run.settings.parallel);
    let purpose = if side == job.target { Purpose::Uncommitted } else { Purpose::Snapshot };
    let asked = Asked { line, endpoint, purpose, at_once };
    let proposal = digest::propose(asked, &view, base, &BTreeSet::new()).await;
    proposal.map(|proposal| proposal.spans.is_empty())
}

/// Rows that were passed on, and such as were not.
#[derive(Default)]
struct Sent {
    rows: u64,
    left_out: u64,
}

/// Passes rows on as the lines that they are.
async fn as_lines(
    run: &Run,
    job: &Job,
    mut rows: Receiver<Vec<Travelling>>,
    to: Sender<Parcel>,
    learner: &mut Learner<'_>,
) -> Result<Sent> {
    let mut sent = Sent::default();
    while let Some(parcel) = rows.recv().await {
        run.cancel.check()?;
        let count = parcel.len();
        let mut text = Vec::with_capacity(parcel.iter().map(|row| row.line.len()).sum());
        let mut passed = Vec::with_capacity(count);
        for Travelling { ordinal, key, signature, line } in parcel {
            text.extend_from_slice(&line);
            passed.push(Passed { ordinal, key, entry: Some(PerSide::new(signature, signature)) });
        }
        sent.rows += count as u64;
        run.progress.advance(&job.pair.name, count as u64);
        if to.send(Parcel::Lines(text)).await.is_err() {
            // Whoever loads has given up, and says why.
            break;
        }
        learner.pass(passed).await?;
    }
    Ok(sent)
}

/// Makes rows fit and passes them on. Those that do not fit, and such as nothing identifies, are left out.
async fn as_rows(
    run: &Run,
    job: &Job,
    mut passing: Passing<'_>,
    mut rows: Receiver<Vec<Row>>,
    (pack, to): (Pack<'_>, Sender<Parcel>),
    learner: &mut Learner<'_>,
) -> Result<Sent> {
    let mut sent = Sent::default();
    while let Some(parcel) = rows.recv().await {
        run.cancel.check()?;
        let all = parcel.len() as u64;
        let (fitted, passed): (Vec<Row>, Vec<Passed>) =
            parcel.into_iter().filter_map(|row| passing.pass(row)).unzip();
        let count = fitted.len() as u64;
        sent.rows += count;
        sent.left_out += all - count;
        run.progress.advance(&job.pair.name, count);
        if to.send(pack(fitted)).await.is_err() {
            break;
        }
        learner.pass(passed).await?;
    }
    Ok(sent)
}

/// How rows pass from one side to the other.
struct Passing<'a> {
    from: View<'a>,
    to: View<'a>,
    /// Whether nothing has to be made to fit.
    as_it_is: bool,
    /// How the source's and the target's rows are signed, where both are known.
    signers: Option<(Sign<'a>, Sign<'a>)>,
    /// Whether both sign what passes alike.
    alike: bool,
}

impl<'a> Passing<'a> {
    fn of(run: &Run, job: &'a Job) -> Self {
        let (from, to) = (run.view(&job.pair, job.target.other()), run.view(&job.pair, job.target));
        let signers = read::signer(&from).zip(read::signer(&to));
        let as_it_is = takes_as_it_is(run, job);
        let alike = as_it_is && run.dialect(job.target) == Dialect::Sqlite;
        Self { from, to, as_it_is, signers, alike }
    }

    fn pass(&mut self, row: Row) -> Option<(Row, Passed)> {
        let (ordinal, key) = read::placed(&self.from, &row)?;
        let signed = self.signers.as_mut().map(|(source, _)| source(&row));
        let row = if self.as_it_is {
            row
        } else {
            let cells = row.iter().zip(self.to.columns());
            cells.map(|(cell, column)| fit::fit(cell, column).ok()).collect::<Option<Row>>()?
        };
        let entry = self.signers.as_mut().zip(signed).map(|((_, target), source)| {
            let mut entry = Entry::default();
            entry[self.from.side] = source;
            entry[self.to.side] = if self.alike { source } else { target(&row) };
            entry
        });
        Some((row, Passed { ordinal, key, entry }))
    }
}

/// Whether rows can be passed on without being made to fit.
fn takes_as_it_is(run: &Run, job: &Job) -> bool {
    let (target, source) = (job.target, job.target.other());
    let takes =
        |column: &ColumnPair| column_takes_as_it_is(&column.sides[source], &column.sides[target]);
    run.dialect(target) == run.dialect(source) && job.pair.columns.iter().all(takes)
}

/// Whether whatever one column holds the other takes without a word.
fn column_takes_as_it_is(from: &Column, to: &Column) -> bool {
    let set = |column: &Column| {
        column.collation.as_ref().and_then(|name| name.split('_').next()).map(ToOwned::to_owned)
    };
    // MySQL makes doubles of decimals within JSON: what it would change is for `fit` to see.
    let plain = !matches!(to.kind, Kind::Json { binary: true });
    plain && from.kind == to.kind && (to.nullable || !from.nullable) && set(from) == set(to)
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
