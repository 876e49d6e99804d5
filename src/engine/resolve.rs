//! A person decides a conflict: one version is written on both sides, guarded like any row.
//!
//! A conflict that waits and one that a strategy has decided are decided in the same way: whichever of the two versions a side
//! holds, it takes the one that is kept. A side that holds neither has been changed since, and nothing is written; nor is the
//! source of a table that is synced one way.

use std::collections::HashMap;

use chrono::Utc;

use super::ledger::Turn;
use super::table::TableRun;
use super::worklist::Item;
use super::{Lines, Run};
use crate::config::Settings;
use crate::endpoint::read::{self, Found, Lock};
use crate::endpoint::{Connection, Dialect, Endpoint};
use crate::error::{self, Result, SyncError};
use crate::journal::conflicts::{self, ConflictList, Decided, Stored};
use crate::journal::stamp::Standing;
use crate::model::{Key, PerSide, Row, Side, Value, canonical, fit};
use crate::plan::merge::{Change, Present, Write};
use crate::plan::policy::Decision;

/// What a person has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The conflict's id.
    pub conflict: i64,
    /// Whose version is kept.
    pub keep: Side,
    /// Who says so.
    pub by: String,
    /// The two versions that this person has looked at, as [`Stored::seen`] names them; `None` for whichever are kept now.
    pub seen: Option<String>,
}

/// The conflict that is decided.
///
/// # Errors
/// `CFG_002` where there is none.
pub async fn conflict(run: &Run, local: &mut Connection, id: i64) -> Result<Stored> {
    stored(local, run.dialect(Side::Local), id).await
}

async fn stored(local: &mut Connection, dialect: Dialect, id: i64) -> Result<Stored> {
    let found = match conflicts::one(local, dialect, id).await {
        // Nothing was ever synced.
        Err(error) if error.sentences == error::STRUCTURE_CHANGED => None,
        found => found?,
    };
    found.ok_or_else(|| SyncError::new(error::NO_SUCH_CONFLICT).with("id", id))
}

/// Plans what each side takes.
pub async fn plan(run: &Run, lines: &mut Lines, turns: &mut [Turn], verdict: &Verdict) {
    for turn in turns {
        turn.begin(run, lines).await;
        turn.go_on(async |table| {
            run.cancel.check()?;
            // The table is locked only now: what was kept before may have been met again since.
            let conflict = conflict(run, lines.journal(), verdict.conflict).await?;
            one_row(run, lines, table, verdict, &conflict).await
        })
        .await;
    }
}

async fn one_row(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
    verdict: &Verdict,
    conflict: &Stored,
) -> Result<()> {
    table.capture = "resolve";
    table.looks_settled = true;
    table.settle_base(run, lines).await?;
    let pair = table.pair.clone();
    let unknown = || {
        let error = SyncError::new(error::OTHER_COLUMNS).with("key", &conflict.key);
        error.with("side", verdict.keep)
    };
    let key = pair.key_from_json(&conflict.key);
    let key = key.and_then(|key| Some((pair.form.ordinal(&key)?, key)));
    let Some((ordinal, key)) = key else { return Err(unknown()) };
    table.open_conflicts.remove(&ordinal);
    if verdict.seen.as_ref().is_some_and(|seen| *seen != conflict.seen) {
        let error = SyncError::new(error::OTHER_VERSIONS).with("id", verdict.conflict);
        table.fail(ordinal, error.with("key", &conflict.key));
        return Ok(());
    }
    let mut versions = PerSide::<Option<Row>>::default();
    let mut held = PerSide::<Option<Found>>::default();
    for side in Side::BOTH {
        if let Some(json) = &conflict.rows[side] {
            versions[side] = Some(pair.row_from_json(json, side).ok_or_else(unknown)?);
        }
        let line = &mut lines.snapshots[side];
        let view = run.view(&pair, side);
        let found = read::rows(line, &view, std::slice::from_ref(&key), Lock::None).await;
        let mut found: HashMap<Key, Found> = found.map_err(|fault| fault.fatal(line.place()))?;
        held[side] = found.remove(&key);
        table.rows[side] = read::count(line, &view).await?;
    }
    let changed = |side: &Side| {
        let now = held[*side].as_ref().map(|found| &found.row);
        !Side::BOTH.iter().any(|version| same(now, versions[*version].as_ref()))
    };
    if let Some(side) = Side::BOTH.into_iter().find(changed) {
        let error = SyncError::new(error::CHANGED_SINCE).with("side", side);
        table.fail(ordinal, error.with("key", &conflict.key));
        return Ok(());
    }
    let kept = versions[verdict.keep].take();
    let target = table.settings.policy.direction.target();
    let entries = table.base.entries_of(lines.journal(), &[ordinal]).await?;
    let known = table.base.standing == Standing::Current;
    let base = entries.get(&ordinal).copied().filter(|_| known);
    for to in Side::BOTH.into_iter().filter(|to| target.is_none_or(|only| only == *to)) {
        let now = held[to].as_ref();
        let write = match (now, &kept) {
            (now, kept) if same(now.map(|found| &found.row), kept.as_ref()) => continue,
            (Some(_), None) => Write::Delete,
            (None, Some(_)) => Write::Insert,
            _ => Write::Update,
        };
        if let Some(row) = &kept {
            table.decided[to] = Some(fitted(table, to, row, conflict)?);
        }
        let signature = now.map(|found| found.signature);
        let mut present = Present::default();
        match to {
            Side::Remote => present.remote = signature,
            Side::Local => present.local = signature,
        }
        table.plan.put(&Item {
            ordinal,
            key: key.clone(),
            base,
            now: present,
            change: Change::None,
            decision: Some(Decision::put(to, write)),
            recorded: true,
            kept: Some(verdict.conflict),
        })?;
    }
    Ok(())
}

/// The row as a side takes it.
fn fitted(table: &TableRun, to: Side, row: &Row, conflict: &Stored) -> Result<Row> {
    let cells = row.iter().zip(&table.pair.columns).map(|(cell, column)| {
        fit::fit(cell, &column.sides[to]).map_err(|reason| {
            SyncError::new(error::UNFIT)
                .with("key", &conflict.key)
                .with("column", &column.name)
                .with("side", to)
                .with("reason", reason)
        })
    });
    cells.collect()
}

fn same(a: Option<&Row>, b: Option<&Row>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => canonical::same_row(a, b),
        _ => false,
    }
}

/// Writes down who has decided, where both sides hold what was decided.
///
/// # Errors
/// The failure with its code.
pub async fn close(
    run: &Run,
    lines: &mut Lines,
    turns: &mut [Turn],
    verdict: &Verdict,
) -> Result<()> {
    let done = |turn: &Turn| {
        turn.table().is_some_and(|table| table.failed_rows == 0 && table.plan.moved == 0)
    };
    if !turns.iter().all(done) {
        return Ok(());
    }
    let dialect = run.dialect(Side::Local);
    // Where the target of a one-way table has won, the difference stays, and is no news from now on.
    let stays = |table: &&TableRun| table.settings.policy.direction.target() == Some(verdict.keep);
    let left = match turns.iter().find_map(Turn::table).filter(stays) {
        Some(table) => held_now(run, lines, table, verdict).await?,
        None => None,
    };
    let decided = Decided { winner: verdict.keep, by: &verdict.by, left, at: Utc::now() };
    conflicts::decide(lines.journal(), dialect, verdict.conflict, &decided).await
}

/// What both sides hold now of the row that was decided.
async fn held_now(
    run: &Run,
    lines: &mut Lines,
    table: &TableRun,
    verdict: &Verdict,
) -> Result<Option<Present>> {
    let stored = conflict(run, lines.journal(), verdict.conflict).await?;
    let Some(key) = table.pair.key_from_json(&stored.key) else { return Ok(None) };
    let mut now = Present::default();
    for side in Side::BOTH {
        let view = run.view(&table.pair, side);
        let line = lines.writer(side);
        let found = read::rows(line, &view, std::slice::from_ref(&key), Lock::None).await;
        let found = found.map_err(|fault| fault.fatal(line.place()))?;
        now[side] = found.get(&key).map(|found| found.signature);
    }
    Ok(Some(now))
}

/// The conflicts that wait, or all.
///
/// # Errors
/// What stops a run as a whole: settings, connections.
pub async fn list(settings: Settings, asked: Asked) -> Result<ConflictList> {
    let (endpoint, mut local) = Endpoint::open(Side::Local, &settings).await?;
    let pending = [("state", Value::text(conflicts::PENDING))];
    let equal = if asked.all { &[][..] } else { &pending[..] };
    let conflicts = conflicts::list(&mut local, endpoint.nature.dialect, equal).await;
    local.close().await;
    let mut conflicts = match conflicts {
        // Nothing was ever synced.
        Err(error) if error.sentences == error::STRUCTURE_CHANGED => Vec::new(),
        conflicts => conflicts?,
    };
    conflicts.retain(|conflict| asked.tables.is_empty() || asked.tables.contains(&conflict.table));
    Ok(ConflictList { conflicts })
}

/// Which conflicts are listed.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Those that are decided too.
    pub all: bool,
    /// Of these tables alone; of all where there are none.
    pub tables: Vec<String>,
}

/// One conflict with both rows.
///
/// # Errors
/// `CFG_002` where there is none; else what stops a run as a whole.
pub async fn show(settings: Settings, id: i64) -> Result<Stored> {
    let (endpoint, mut local) = Endpoint::open(Side::Local, &settings).await?;
    let found = stored(&mut local, endpoint.nature.dialect, id).await;
    local.close().await;
    found
}
