//! What a run did is taken back: its pre-images are written again, like any rows, and guarded like them.
//!
//! A row that has been written more than once goes back to what it was at first. One that somebody has changed since stays. What
//! the base learned from the run is forgotten with it, so that afterwards both sides and the base stand as if these rows had never
//! been written: the next sync decides again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::channel;

use super::heaps::Heaps;
use super::ledger::Turn;
use super::table::TableRun;
use super::walk::PARCELS;
use super::worklist::{Item, Placed};
use super::{Lines, Run};
use crate::endpoint::{Connection, read};
use crate::error::{self, Result, SyncError};
use crate::journal::stamp::Standing;
use crate::journal::undo::{self, Stored};
use crate::model::{Key, PerSide, Row, Side, Signature};
use crate::plan::merge::{Change, Entry, Present, Write};
use crate::plan::policy::Decision;

/// The tables of which a run wrote rows, or those among them that are asked for.
///
/// # Errors
/// `CFG_002` where nothing is kept of such a run.
pub async fn tables(run: &Run, local: &mut Connection, undone: &str) -> Result<Vec<String>> {
    let asked = &run.options.tables;
    let mut tables = match undo::tables(local, run.dialect(Side::Local), undone).await {
        // Nothing was ever synced.
        Err(error) if error.sentences == error::STRUCTURE_CHANGED => Vec::new(),
        tables => tables?,
    };
    tables.retain(|table| asked.is_empty() || asked.contains(table));
    if tables.is_empty() {
        return Err(SyncError::new(error::NO_SUCH_RUN).with("run", undone));
    }
    Ok(tables)
}

/// Plans to take back what a run did to every table.
pub async fn plan(run: &Run, lines: &mut Lines, turns: &mut [Turn], undone: &str) {
    for turn in turns {
        turn.begin(run, lines).await;
        turn.go_on(async |table| {
            run.cancel.check()?;
            one_table(run, lines, table, undone).await
        })
        .await;
    }
}

/// What a run did to a row once.
#[derive(Serialize, Deserialize)]
struct Done {
    /// The key's place, spread over all places: numbers lie close together.
    place: u64,
    id: i64,
    write: Write,
    key: Key,
    written: Option<Signature>,
    found: Option<Signature>,
    base: Option<Entry>,
}

impl Done {
    /// Whether this write has met what another left, as far as anybody knows.
    fn follows(&self, earlier: &Self) -> bool {
        let left = if earlier.write == Write::Delete { None } else { earlier.written };
        let met = if self.write == Write::Insert { None } else { self.found };
        let unknown = self.write != Write::Insert && self.found.is_none()
            || earlier.write != Write::Delete && earlier.written.is_none();
        unknown || left == met
    }
}

impl Placed for Done {
    fn ordinal(&self) -> u64 {
        self.place
    }
}

/// An odd number: multiplying by it gives every place another one.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

async fn one_table(run: &Run, lines: &mut Lines, table: &mut TableRun, undone: &str) -> Result<()> {
    table.capture = "undo";
    table.looks_settled = true;
    table.open_conflicts.clear();
    if table.pair.is_bag() {
        return Err(SyncError::new(error::NO_KEY).with("side", Side::Local));
    }
    table.settle_base(run, lines).await?;
    let pair = table.pair.clone();
    for side in Side::BOTH {
        let view = run.view(&pair, side);
        table.rows[side] = read::count(&mut lines.snapshots[side], &view).await?;
    }
    let mut heaps = PerSide::<Heaps<Done>>::default();
    let (to, mut from) = channel::<Vec<Vec<Stored>>>(PARCELS);
    let journal = lines.journal();
    let (sent, taken) = tokio::join!(
        async {
            let to = to;
            undo::stored(journal, run.dialect(Side::Local), undone, &pair.name, &to).await
        },
        async {
            let mut from = std::mem::replace(&mut from, channel(1).1);
            while let Some(parcel) = from.recv().await {
                run.cancel.check()?;
                for Stored { id, side, write, key, written, found, base } in
                    parcel.into_iter().flatten()
                {
                    let known = pair.key_from_json(&key);
                    let known = known.and_then(|key| Some((pair.form.ordinal(&key)?, key)));
                    let Some((ordinal, key)) = known else {
                        let error = SyncError::new(error::CHANGED_SINCE).with("side", side);
                        table.fail(0, error.with("key", key));
                        continue;
                    };
                    let place = ordinal.wrapping_mul(SPREAD);
                    heaps[side].push(&Done { place, id, write, key, written, found, base })?;
                }
            }
            Ok(())
        }
    );
    // Where the taker gives up, the server's own error is its echo.
    let taken: Result<()> = taken;
    taken.and(sent)?;
    for side in Side::BOTH {
        for heap in std::mem::take(&mut heaps[side]).sorted() {
            run.cancel.check()?;
            take_back(lines.journal(), table, side, heap?.1).await?;
        }
    }
    Ok(())
}

/// Plans what becomes of some rows of one side.
async fn take_back(
    journal: &mut Connection,
    table: &mut TableRun,
    side: Side,
    done: Vec<Done>,
) -> Result<()> {
    let mut rows: HashMap<Key, Vec<Done>> = HashMap::new();
    for step in done {
        rows.entry(step.key.clone()).or_default().push(step);
    }
    let place = |key: &Key| table.pair.form.ordinal(key);
    let ordinals: Vec<u64> = rows.keys().filter_map(place).collect();
    let known = table.base.standing == Standing::Current;
    let entries = table.base.entries_of(journal, &ordinals).await?;
    // Rows that lie together share their chunks of the base.
    let mut rows: Vec<(Key, Vec<Done>)> = rows.into_iter().collect();
    rows.sort_by_cached_key(|(key, _)| table.pair.form.ordinal(key));
    for (key, mut steps) in rows {
        steps.sort_unstable_by_key(|step| step.id);
        // What was written down but never done is no state that the row had: whoever wrote next has met another.
        let broken = |pair: &[Done]| !pair[1].follows(&pair[0]);
        if let Some(at) = steps.windows(2).rposition(broken) {
            steps.drain(..=at);
        }
        let (Some(ordinal), Some(first), Some(last)) =
            (table.pair.form.ordinal(&key), steps.first(), steps.last())
        else {
            continue;
        };
        let base = entries.get(&ordinal).copied();
        let held = last.written.filter(|_| last.write != Write::Delete);
        let write = match (first.write, last.write) {
            (Write::Insert, Write::Delete) => continue,
            (Write::Insert, _) => Write::Delete,
            (_, Write::Delete) => Write::Insert,
            _ => Write::Update,
        };
        let mut now = Present::default();
        match side {
            Side::Remote => now.remote = held,
            Side::Local => now.local = held,
        }
        table.plan.put(&Item {
            ordinal,
            key,
            base,
            now,
            change: Change::None,
            decision: Some(Decision::take_back(side, write, first.base)),
            recorded: known,
            kept: (write != Write::Delete).then_some(first.id),
        })?;
    }
    Ok(())
}

/// The rows that are written again, by the ids of their pre-images; rows with other columns than the table has are absent.
///
/// # Errors
/// The failure with its code.
pub async fn rows(
    run: &Run,
    lines: &mut Lines,
    table: &TableRun,
    side: Side,
    ids: &[i64],
) -> Result<HashMap<i64, Row>> {
    let Some(undone) = &run.options.undo else { return Ok(HashMap::new()) };
    let (dialect, name) = (run.dialect(Side::Local), &table.pair.name);
    let found = undo::rows_before(lines.journal(), dialect, undone, name, ids).await?;
    let row = |(id, json)| Some((id, table.pair.row_from_json(&json, side)?));
    Ok(found.into_iter().filter_map(row).collect())
}
