//! Rows of any tables that stand in each other's way, written in one transaction: unique values that change places, rows
//! that refer to one another, whatever can only come about together.
//!
//! Everything that was put off is locked and checked as in any batch. Rows whose unique values change step aside, rows that
//! should go let go of their parents; then one after another is written as soon as it can be, new rows at first without
//! the references that nothing answers yet. What cannot come about in this way (a shop and its manager, neither of whom may
//! be without the other) is tried while nobody looks after foreign keys, and whether they hold is asked before the commit.
//! Either all of it goes in, or it is tried again without what still cannot.

mod room;
mod stages;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::endpoint::View;
use crate::endpoint::read::{self, Found, Lock};
use crate::engine::apply::{ATTEMPTS, prepare, read_back};
use crate::engine::batch::{Effort, Ready, Site};
use crate::engine::ledger::Turn;
use crate::engine::record::{Done, record};
use crate::engine::trouble::{Trouble, trouble};
use crate::engine::{Lines, Run, follows};
use crate::error::SyncError;
use crate::journal::base::Base;
use crate::model::{Key, Reaction, Side, Signature, row};
use crate::plan::merge::Write;
use crate::plan::schema_match::TablePair;

/// Rows that are untied at once, and their bytes.
pub(super) const ROWS: usize = 20_000;
const BYTES: usize = 64 << 20;
/// Rows of each kind that are tried first.
const FEW: usize = 200;
/// Times that rows are left out before the rest is given up.
const LEFT_OUT: u32 = 5;

/// The rows of one table to which the same is done.
struct Strand {
    turn: usize,
    pair: TablePair,
    write: Write,
    rows: Vec<Ready>,
}

/// Whether the side looks after foreign keys during a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Checks {
    On,
    Off,
}

/// What an attempt came to.
enum Outcome {
    /// Everything went in.
    Done,
    /// These rows cannot go in: by strand and ordinal.
    Without(HashSet<(usize, u64)>),
}

/// Unties what was put off on one side: a few rows of each kind, on which often all the others wait, else as many as fit at
/// once. Answers how many rows went in; the others are put off again.
pub async fn untie(run: &Run, lines: &mut Lines, turns: &mut [Turn], target: Side) -> u64 {
    let few = untie_some(run, lines, turns, target, FEW).await;
    if few > 0 { few } else { untie_some(run, lines, turns, target, ROWS).await }
}

async fn untie_some(
    run: &Run,
    lines: &mut Lines,
    turns: &mut [Turn],
    target: Side,
    each: usize,
) -> u64 {
    let mut strands = gather(run, lines, turns, target, each).await;
    let (mut attempts, mut left_out, mut checks) = (0, 0, Checks::On);
    while strands.iter().any(|strand| !strand.rows.is_empty()) {
        let outcome = attempt_with(run, lines, turns, target, &strands, checks).await;
        match outcome {
            Ok(Outcome::Done) => {
                for strand in &strands {
                    run.progress.advance(&strand.pair.name, strand.rows.len() as u64);
                }
                return strands.iter().map(|strand| strand.rows.len() as u64).sum();
            }
            Ok(Outcome::Without(_)) if checks == Checks::On && checkable(&strands, target) => {
                checks = Checks::Off;
            }
            Ok(Outcome::Without(refused)) if left_out < LEFT_OUT => {
                left_out += 1;
                checks = Checks::On;
                let stays =
                    |number: usize, ready: &Ready| !refused.contains(&(number, ready.item.ordinal));
                put_off(turns, target, &mut strands, stays);
            }
            Err(Trouble::Again(_)) if attempts + 1 < ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(20 << attempts)).await;
            }
            Err(Trouble::Again(error) | Trouble::Fatal(error)) => {
                fail(turns, &strands, &error);
                return 0;
            }
            _ => put_off(turns, target, &mut strands, |_, _| false),
        }
    }
    0
}

/// Whether every reference of these rows can be asked for: only then may the side stop looking after them.
fn checkable(strands: &[Strand], target: Side) -> bool {
    strands.iter().all(|strand| !strand.pair.tables[target].refers_elsewhere)
}

/// One transaction, rolled back unless all of it went in.
async fn attempt_with(
    run: &Run,
    lines: &mut Lines,
    turns: &mut [Turn],
    target: Side,
    strands: &[Strand],
    checks: Checks,
) -> std::result::Result<Outcome, Trouble> {
    let place = lines.writer(target).place().clone();
    let troubled = |fault| trouble(&place, fault);
    if checks == Checks::Off {
        lines.writer(target).check_foreign_keys(false).await.map_err(troubled)?;
    }
    let outcome = attempt(run, lines, turns, target, strands, checks).await;
    if !matches!(outcome, Ok(Outcome::Done)) {
        lines.writer(target).rollback().await;
        if target == Side::Remote {
            lines.local.rollback().await;
        }
        if run.options.undo.is_some() {
            for strand in strands {
                if let Some(table) = turns[strand.turn].table_mut() {
                    table.read_base_again(lines).await.map_err(Trouble::Fatal)?;
                }
            }
        }
    }
    // A line on which they could not be switched on again is of no more use, and says so at the next call.
    if checks == Checks::Off {
        lines.writer(target).check_foreign_keys(true).await.map_err(troubled)?;
    }
    outcome
}

/// Takes up what was put off: deletions from children to parents, the rest from parents to children.
async fn gather(
    run: &Run,
    lines: &mut Lines,
    turns: &mut [Turn],
    target: Side,
    each: usize,
) -> Vec<Strand> {
    let mut strands = Vec::new();
    let (mut rows_left, mut bytes_left) = (ROWS, BYTES);
    let all = 0..turns.len();
    let deletes = all.clone().rev().map(|turn| (turn, Write::Delete));
    let updates = all.clone().map(|turn| (turn, Write::Update));
    let inserts = all.map(|turn| (turn, Write::Insert));
    for (turn, write) in deletes.chain(updates).chain(inserts) {
        // Children that follow are written with all of their parents, or they would be changed once more, or seem changed.
        let few = each < ROWS && write != Write::Delete;
        if few && (follows(turns, turn, target) || is_followed(turns, turn, target)) {
            continue;
        }
        turns[turn]
            .go_on(async |table| {
                run.cancel.check()?;
                let site = Site { run, target, write, effort: Effort::First };
                let mut strand = Strand { turn, pair: table.pair.clone(), write, rows: Vec::new() };
                while rows_left > 0 && bytes_left > 0 && strand.rows.len() < each {
                    let at_once =
                        table.batch_rows(run).min(rows_left).min(each - strand.rows.len());
                    let items = table.plan.writes[target].of(write).take(at_once)?;
                    if items.is_empty() {
                        break;
                    }
                    let ready = prepare(&site, lines, table, items).await?;
                    let size: usize =
                        ready.iter().map(|ready| ready.row.as_ref().map_or(64, row::weight)).sum();
                    rows_left = rows_left.saturating_sub(ready.len());
                    bytes_left = bytes_left.saturating_sub(size);
                    strand.rows.extend(ready);
                }
                if !strand.rows.is_empty() {
                    strands.push(strand);
                }
                Ok(())
            })
            .await;
    }
    strands
}

/// Whether children follow what is to be updated in a table.
fn is_followed(turns: &[Turn], at: usize, target: Side) -> bool {
    let Some(table) = turns[at].table() else { return false };
    let mut referring = table.pair.tables[target].referenced_by.iter();
    referring.any(|key| key.on_update == Reaction::Follow)
        && !table.plan.writes[target].updates.is_empty()
}

/// Puts the rows off again that do not stay.
fn put_off(
    turns: &mut [Turn],
    target: Side,
    strands: &mut [Strand],
    stays: impl Fn(usize, &Ready) -> bool,
) {
    for (number, strand) in strands.iter_mut().enumerate() {
        let (stay, go): (Vec<Ready>, Vec<Ready>) =
            std::mem::take(&mut strand.rows).into_iter().partition(|ready| stays(number, ready));
        strand.rows = stay;
        let Some(table) = turns[strand.turn].table_mut() else { continue };
        let list = table.plan.writes[target].of(strand.write);
        if let Err(error) = go.iter().try_for_each(|ready| list.push(&ready.item)) {
            turns[strand.turn].fail(error);
        }
    }
}

fn fail(turns: &mut [Turn], strands: &[Strand], error: &SyncError) {
    let tables: HashSet<usize> = strands.iter().map(|strand| strand.turn).collect();
    for turn in tables {
        turns[turn].fail(error.clone());
    }
}

/// The rows of a strand that still are what the decision saw, and what they are.
struct Held<'a> {
    rows: Vec<&'a Ready>,
    before: HashMap<Key, Found>,
}

/// What is between the beginning and the end of a transaction.
async fn attempt(
    run: &Run,
    lines: &mut Lines,
    turns: &mut [Turn],
    target: Side,
    strands: &[Strand],
    checks: Checks,
) -> std::result::Result<Outcome, Trouble> {
    let writer = lines.writer(target);
    let place = writer.place().clone();
    let troubled = |fault| trouble(&place, fault);
    writer.begin().await.map_err(troubled)?;
    let mut held = Vec::with_capacity(strands.len());
    let mut changed_since = HashSet::new();
    for (number, strand) in strands.iter().enumerate() {
        let view = run.view(&strand.pair, target);
        let keys: Vec<Key> = strand.rows.iter().map(|ready| ready.item.key.clone()).collect();
        let before = read::rows(writer, &view, &keys, Lock::Wait).await.map_err(troubled)?;
        let mut rows = Vec::with_capacity(strand.rows.len());
        for ready in &strand.rows {
            let now = before.get(&ready.item.key).map(|found| found.signature);
            if now == ready.item.now[target] {
                rows.push(ready);
            } else if ready.item.is_from_kept() {
                changed_since.insert((number, ready.item.ordinal));
            } else if let Some(table) = turns[strand.turn].table_mut() {
                table.moved(&ready.item);
            }
        }
        held.push(Held { rows, before });
    }
    if !changed_since.is_empty() {
        // They are put off until they are tried one by one, and named then.
        return Ok(Outcome::Without(changed_since));
    }
    let views: Vec<View<'_>> =
        strands.iter().map(|strand| run.view(&strand.pair, target)).collect();
    let refused =
        stages::write_all(writer, strands, &views, &held, checks).await.map_err(troubled)?;
    if !refused.is_empty() {
        return Ok(Outcome::Without(refused));
    }
    let mut after = Vec::new();
    for (number, strand) in strands.iter().enumerate() {
        let site = Site { run, target, write: strand.write, effort: Effort::First };
        let Some(table) = turns[strand.turn].table_mut() else { continue };
        match read_back(&site, lines, table, &held[number].rows).await {
            Ok(signatures) => after.push(signatures),
            Err(Trouble::Without(refused)) => {
                let refused = refused.into_iter().map(|(ordinal, _)| (number, ordinal));
                return Ok(Outcome::Without(refused.collect()));
            }
            Err(trouble) => return Err(trouble),
        }
    }
    let bases = {
        let done = done(turns, strands, &held, after);
        let tables: Vec<usize> = done.iter().map(|(turn, _)| *turn).collect();
        let done: Vec<Done<'_>> = done.into_iter().map(|(_, done)| done).collect();
        let bases = record(run, target, lines, &done).await?;
        tables.into_iter().zip(bases).collect::<Vec<(usize, Base)>>()
    };
    for (turn, base) in bases {
        if let Some(table) = turns[turn].table_mut() {
            table.base = base;
        }
    }
    for (strand, held) in strands.iter().zip(&held) {
        if let Some(table) = turns[strand.turn].table_mut() {
            let items: Vec<_> = held.rows.iter().map(|ready| &ready.item).collect();
            table.count(target, strand.write, &items);
        }
    }
    Ok(Outcome::Done)
}

/// What was written, table by table.
fn done<'a>(
    turns: &'a [Turn],
    strands: &[Strand],
    held: &[Held<'a>],
    after: Vec<HashMap<Key, Signature>>,
) -> Vec<(usize, Done<'a>)> {
    let mut all: Vec<(usize, Done<'a>)> = Vec::new();
    for ((strand, held), after) in strands.iter().zip(held).zip(after) {
        let Some(table) = turns[strand.turn].table() else { continue };
        let known = all.iter().position(|(turn, _)| *turn == strand.turn);
        let at = known.unwrap_or_else(|| {
            let none =
                Done { table, rows: Vec::new(), before: HashMap::new(), after: HashMap::new() };
            all.push((strand.turn, none));
            all.len() - 1
        });
        let done = &mut all[at].1;
        done.rows.extend(&held.rows);
        done.before.extend(held.before.iter().map(|(key, found)| (key.clone(), found.clone())));
        done.after.extend(after);
    }
    all
}
