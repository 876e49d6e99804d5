//! Whether both sides hold the same rows: counts and digests first, then the rows that differ.
//!
//! What the base remembers only says where to look; the rows themselves are compared, whatever a strategy makes of them. Nothing
//! is written, unless the differences are to be repaired: then a FULL of the tables that differ, as anybody can run it.

use std::collections::{BTreeSet, HashSet};

use tokio::sync::Mutex;

use super::cancel::Cancel;
use super::compare::compare;
use super::plan::Plan;
use super::preflight::{Job, jobs, snapshots};
use super::progress::Show;
use super::table::TableRun;
use super::{Lines, Options, Run, bag, begin, preview, run, walk};
use crate::capture::digest::{self, Asked};
use crate::capture::{join, scan};
use crate::config::Settings;
use crate::endpoint::sql::table::Span;
use crate::endpoint::{Connection, Purpose, View, read};
use crate::error::{self, Code, Result, SyncError};
use crate::journal::base::Base;
use crate::model::{PerSide, Side};
use crate::plan::policy::{Direction, Policy, Strategy, SyncType};
use crate::report::{Contents, ContentsReport, Difference, Failure, PlannedChange, Rows};

/// What is asked of a check.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// These tables alone; all enabled ones where there are none.
    pub tables: Vec<String>,
    /// Whether tables that differ are synced, and checked again.
    pub repair: bool,
    /// Whether bars are drawn.
    pub progress: Show,
}

/// Nothing is decided: every row that differs is to be told of.
const EVERYTHING: Policy =
    Policy { direction: Direction::Both, sync_type: SyncType::Full, strategy: Strategy::Manual };

/// Rows of which nothing tells them apart are counted, as a mirror would.
const COUNTED: Policy = Policy {
    direction: Direction::RemoteToLocal,
    sync_type: SyncType::Full,
    strategy: Strategy::RemoteWins,
};

/// Compares what both sides hold.
///
/// # Errors
/// What stops a run as a whole: settings, connections, an unknown table.
pub async fn check(settings: Settings, wanted: Wanted, cancel: Cancel) -> Result<ContentsReport> {
    let tables = look(settings.clone(), &wanted, &cancel).await?;
    let differing: Vec<String> = tables
        .iter()
        .filter(|table| !table.equal && table.error.as_ref().is_none_or(is_difference))
        .map(|table| table.table.clone())
        .collect();
    if !wanted.repair || differing.is_empty() {
        let exit_code = worst(&tables);
        return Ok(ContentsReport { tables, repair: None, after: None, exit_code });
    }
    let options = Options {
        sync_type: Some(SyncType::Full),
        tables: differing.clone(),
        progress: wanted.progress,
        triggered_by: "MANUAL".to_owned(),
        ..Options::default()
    };
    let repair = Box::pin(run(settings.clone(), options, cancel.clone())).await?;
    let again = Wanted { tables: differing, ..wanted };
    let after = look(settings, &again, &cancel).await?;
    let left = tables.iter().filter(|table| !again.tables.contains(&table.table));
    let others = worst(&left.cloned().collect::<Vec<_>>());
    let exit_code = if repair.exit_code > 0 { repair.exit_code } else { worst(&after).max(others) };
    Ok(ContentsReport { tables, repair: Some(Box::new(repair)), after: Some(after), exit_code })
}

fn is_difference(failure: &Failure) -> bool {
    failure.code == Code::Sync010.as_str()
}

/// 1 where anything differs or cannot be compared.
fn worst(tables: &[Contents]) -> u8 {
    u8::from(tables.iter().any(|table| !table.equal))
}

async fn look(settings: Settings, wanted: &Wanted, cancel: &Cancel) -> Result<Vec<Contents>> {
    let options = Options {
        tables: wanted.tables.clone(),
        dry_run: true,
        force: true,
        progress: wanted.progress,
        ..Options::default()
    };
    let (mut run, mut writers) = begin(settings, options, cancel.clone()).await?;
    let jobs = jobs(&mut run, &mut writers).await?;
    let snapshots = snapshots(&run.endpoints).await?;
    let PerSide { remote, local } = writers;
    let mut lines = Lines { snapshots, local, remote, rehearsing: false };
    let mut found = Vec::new();
    for job in jobs {
        run.cancel.check()?;
        let name = job.settings.table.clone();
        run.progress.look(&name);
        match table(&run, &mut lines, job).await {
            Ok(contents) => found.push(contents),
            Err(error) if error.code() == Code::Sync005 => return Err(error),
            Err(error) => found.push(Contents {
                table: name.clone(),
                error: Some(Failure::from(&error.in_table(&name))),
                ..Contents::default()
            }),
        }
    }
    lines.close().await;
    Ok(found)
}

async fn table(run: &Run, lines: &mut Lines, job: Job) -> Result<Contents> {
    let Job { settings, pair, .. } = job;
    let pair = pair?;
    let name = settings.table.clone();
    let mut table = TableRun::open(run, lines, settings, pair.clone()).await?;
    let views = run.views(&pair);
    let rows = if pair.is_bag() {
        table.settings.policy = COUNTED;
        bag::look(run, lines, &mut table).await?;
        let (remote, local) = tokio::join!(
            read::count(&mut lines.snapshots.remote, &views.remote),
            read::count(&mut lines.snapshots.local, &views.local),
        );
        PerSide::new(remote?, local?)
    } else {
        let mut plan = Plan::new(EVERYTHING, table.plan.comparable, false, HashSet::new());
        plan.for_the_base = false;
        table.plan = plan;
        by_key(run, lines, &mut table, &views).await?
    };
    let planned = table.plan.planned;
    let counts = Contents {
        only_remote: planned.local.inserted,
        only_local: if pair.is_bag() { planned.local.deleted } else { planned.remote.inserted },
        differing: table.plan.conflicts.detected,
        ..Contents::default()
    };
    let all = counts.only_remote + counts.only_local + counts.differing;
    let differences = if all > 0 && !pair.is_bag() {
        let (shown, _) = preview::preview(run, lines, &mut table).await?;
        shown.into_iter().map(difference).collect()
    } else {
        Vec::new()
    };
    let error = (all > 0).then(|| {
        let error = SyncError::new(error::SIDES_DIFFER).with("count", all);
        Failure::from(&error.in_table(&name))
    });
    let error = error.or_else(|| table.failures.first().cloned());
    Ok(Contents {
        table: name,
        equal: error.is_none(),
        rows: Rows { remote: rows.remote, local: rows.local },
        differences_truncated: differences.len() as u64 != all,
        differences,
        error,
        ..counts
    })
}

/// Compares the rows of all places of which the digests do not say that they are equal. Answers how many rows each side has.
async fn by_key(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
    views: &PerSide<View<'_>>,
) -> Result<PerSide<u64>> {
    let TableRun { base, plan, .. } = table;
    let (spans, elsewhere) = if base.is_none() {
        (scan::propose().spans, PerSide::default())
    } else {
        suspects(run, &mut lines.snapshots, base, plan.comparable, views).await?
    };
    let Lines { snapshots, local, .. } = lines;
    let mut asked = walk::Lines { sides: snapshots, journal: Mutex::new(local) };
    let rows = if spans.is_empty() {
        PerSide::default()
    } else {
        compare(&mut asked, views, &base.forgotten(), &spans, plan, run).await?
    };
    let sides = PerSide::new(Side::Remote, Side::Local);
    Ok(sides.map(|side| rows[side] + elsewhere[side]))
}

/// The chunks that are not, on both sides, what they were when both sides were equal; and the rows elsewhere.
async fn suspects(
    run: &Run,
    snapshots: &mut PerSide<Connection>,
    base: &Base,
    comparable: bool,
    views: &PerSide<View<'_>>,
) -> Result<(Vec<Span>, PerSide<u64>)> {
    let lows = base.lows();
    // Where both sides sign alike, the base is not taken at its word: its two digests have to be the same.
    let doubtful = |low: &&u64| comparable && base.digest(**low).remote != base.digest(**low).local;
    let also: BTreeSet<u64> = lows.iter().filter(doubtful).copied().collect();
    let ask = |side: Side, line| {
        let (endpoint, at_once) = (&run.endpoints[side], run.settings.parallel);
        let asked = Asked { line, endpoint, purpose: Purpose::Snapshot, at_once };
        digest::propose(asked, &views[side], base, &also)
    };
    let (remote, local) = tokio::join!(
        ask(Side::Remote, &mut snapshots.remote),
        ask(Side::Local, &mut snapshots.local)
    );
    let proposed = PerSide::new(remote?.spans, local?.spans);
    let (mut spans, mut elsewhere) = (Vec::new(), PerSide::<u64>::default());
    for low in lows {
        let within = |side: Side| {
            let spans = &proposed[side];
            let at = spans.partition_point(|span| *span.end() < low);
            spans.get(at).is_some_and(|span| span.contains(&low))
        };
        if Side::BOTH.into_iter().any(within) {
            join(&mut spans, low..=base.high(low));
        } else {
            let digest = base.digest(low);
            Side::BOTH.into_iter().for_each(|side| elsewhere[side] += digest[side].rows);
        }
    }
    Ok((spans, elsewhere))
}

/// What would have to be written, said as what is there.
fn difference(change: PlannedChange) -> Difference {
    let on = match (change.action, change.to) {
        ("INSERT", "LOCAL") => "REMOTE",
        ("INSERT", _) => "LOCAL",
        _ => "BOTH",
    };
    Difference { key: change.key, on, columns: change.columns }
}
