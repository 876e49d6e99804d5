//! Rows of any tables that stand in each other's way, written in one transaction: unique values that change places, rows
//! that refer to one another, whatever can only come about together.
//!
//! Everything that was put off is locked and checked as in any batch. Rows whose unique values change step aside, rows that
//! should go let go of their parents; then one after another is written as soon as it can be, new rows at first without
//! the references that nothing answers yet. Either all of it goes in, or it is tried again without what still cannot.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::apply::{ATTEMPTS, prepare, read_back};
use super::batch::{Effort, Ready, Site};
use super::ledger::Turn;
use super::record::{Done, record};
use super::statements::{self, Refused};
use super::trouble::{Trouble, trouble};
use super::{Lines, Run, relations};
use crate::endpoint::read::{self, Found, Lock};
use crate::endpoint::{Connection, Fault, RowFault, View, write};
use crate::error::SyncError;
use crate::journal::base::Base;
use crate::model::{Key, Side, Signature, row};
use crate::plan::merge::Write;
use crate::plan::schema_match::TablePair;

/// Rows that are untied at once, and their bytes.
const ROWS: usize = 20_000;
const BYTES: usize = 64 << 20;
/// Times that rows are left out before the rest is given up.
const LEFT_OUT: u32 = 5;

/// The rows of one table to which the same is done.
struct Strand {
    turn: usize,
    pair: TablePair,
    write: Write,
    rows: Vec<Ready>,
}

/// What an attempt came to.
enum Outcome {
    /// Everything went in.
    Done,
    /// These rows cannot go in: by strand and ordinal.
    Without(HashSet<(usize, u64)>),
}

/// Unties what was put off on one side, as much of it as fits at once. Answers how many rows went in; the others are put
/// off again.
pub async fn untie(run: &Run, lines: &mut Lines, turns: &mut [Turn], target: Side) -> u64 {
    let mut strands = gather(run, lines, turns, target).await;
    let (mut attempts, mut left_out) = (0, 0);
    while strands.iter().any(|strand| !strand.rows.is_empty()) {
        let outcome = attempt(run, lines, turns, target, &strands).await;
        if let Ok(Outcome::Done) = outcome {
            let rows = strands.iter().map(|strand| strand.rows.len() as u64).sum();
            for strand in &strands {
                run.progress.advance(&strand.pair.name, strand.rows.len() as u64);
            }
            return rows;
        }
        lines.writer(target).rollback().await;
        if target == Side::Remote {
            lines.local.rollback().await;
        }
        match outcome {
            Ok(Outcome::Without(refused)) if left_out < LEFT_OUT => {
                left_out += 1;
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

/// Takes up what was put off: deletions from children to parents, the rest from parents to children.
async fn gather(run: &Run, lines: &mut Lines, turns: &mut [Turn], target: Side) -> Vec<Strand> {
    let mut strands = Vec::new();
    let (mut rows_left, mut bytes_left) = (ROWS, BYTES);
    let all = 0..turns.len();
    let deletes = all.clone().rev().map(|turn| (turn, Write::Delete));
    let updates = all.clone().map(|turn| (turn, Write::Update));
    let inserts = all.map(|turn| (turn, Write::Insert));
    for (turn, write) in deletes.chain(updates).chain(inserts) {
        turns[turn]
            .go_on(async |table| {
                run.cancel.check()?;
                let site = Site { run, target, write, effort: Effort::First };
                let mut strand = Strand { turn, pair: table.pair.clone(), write, rows: Vec::new() };
                while rows_left > 0 && bytes_left > 0 {
                    let at_once = table.batch_rows(run).min(rows_left);
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

/// One transaction.
async fn attempt(
    run: &Run,
    lines: &mut Lines,
    turns: &mut [Turn],
    target: Side,
    strands: &[Strand],
) -> std::result::Result<Outcome, Trouble> {
    let writer = lines.writer(target);
    let place = writer.place().clone();
    let troubled = |fault| trouble(&place, fault);
    writer.begin().await.map_err(troubled)?;
    let mut held = Vec::with_capacity(strands.len());
    for strand in strands {
        let view = run.view(&strand.pair, target);
        let keys: Vec<Key> = strand.rows.iter().map(|ready| ready.item.key.clone()).collect();
        let before = read::rows(writer, &view, &keys, Lock::Wait).await.map_err(troubled)?;
        let mut rows = Vec::with_capacity(strand.rows.len());
        for ready in &strand.rows {
            let now = before.get(&ready.item.key).map(|found| found.signature);
            if now == ready.item.now[target] {
                rows.push(ready);
            } else if let Some(table) = turns[strand.turn].table_mut() {
                table.moved(&ready.item);
            }
        }
        held.push(Held { rows, before });
    }
    let views: Vec<View<'_>> =
        strands.iter().map(|strand| run.view(&strand.pair, target)).collect();
    let refused = write_all(writer, strands, &views, &held).await.map_err(troubled)?;
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

/// Writes every row as soon as it can be written. Answers those that cannot, by strand and ordinal.
async fn write_all(
    writer: &mut Connection,
    strands: &[Strand],
    views: &[View<'_>],
    held: &[Held<'_>],
) -> std::result::Result<HashSet<(usize, u64)>, Fault> {
    make_room(writer, strands, views, held).await?;
    let mut waiting: Vec<Vec<&Ready>> = held.iter().map(|held| held.rows.clone()).collect();
    let mut open_ended: Vec<(usize, &Ready)> = Vec::new();
    let mut without_references = false;
    loop {
        let mut progress = false;
        for (number, strand) in strands.iter().enumerate() {
            let rows = std::mem::take(&mut waiting[number]);
            let (view, before) = (&views[number], &held[number].before);
            let blocked =
                relations::with_children(writer, view, strand.write, &rows, before).await?;
            let (blocked, free): (Vec<&Ready>, Vec<&Ready>) =
                rows.iter().copied().partition(|ready| blocked.contains(&ready.item.ordinal));
            let refused: HashMap<u64, Refused> =
                statements::write(writer, view, strand.write, &free).await?.into_iter().collect();
            let mut still = blocked;
            for ready in free {
                let Some(refused) = refused.get(&ready.item.ordinal) else { continue };
                let orphan = *refused == Refused::Row(RowFault::ForeignKey);
                if without_references
                    && orphan
                    && strand.write == Write::Insert
                    && insert_without_references(writer, view, ready).await?
                {
                    open_ended.push((number, ready));
                } else {
                    still.push(ready);
                }
            }
            progress |= still.len() < rows.len();
            waiting[number] = still;
        }
        if waiting.iter().all(Vec::is_empty) {
            break;
        }
        if !progress && without_references {
            let waiting = waiting.iter().enumerate();
            let left = waiting.flat_map(|(number, rows)| {
                rows.iter().map(move |ready| (number, ready.item.ordinal))
            });
            return Ok(left.collect());
        }
        without_references |= !progress;
    }
    let mut refused = HashSet::new();
    for (number, ready) in open_ended {
        let Some(row) = &ready.row else { continue };
        let cells = relations::references(&views[number], row);
        match write::update_columns(writer, &views[number], &ready.item.key, &cells).await {
            Ok(()) => {}
            Err(Fault::Row(_)) => drop(refused.insert((number, ready.item.ordinal))),
            Err(fault) => return Err(fault),
        }
    }
    Ok(refused)
}

/// Rows whose unique values change step aside; rows that should go let go of their parents.
async fn make_room(
    writer: &mut Connection,
    strands: &[Strand],
    views: &[View<'_>],
    held: &[Held<'_>],
) -> std::result::Result<(), Fault> {
    for ((strand, view), held) in strands.iter().zip(views).zip(held) {
        let rows = &held.rows;
        let blocked = if strand.write == Write::Update {
            relations::with_children(writer, view, strand.write, rows, &held.before).await?
        } else {
            HashSet::new()
        };
        for (number, ready) in rows.iter().enumerate() {
            match strand.write {
                Write::Update if !blocked.contains(&ready.item.ordinal) => {
                    relations::step_aside(writer, view, ready, &held.before, number).await?;
                }
                Write::Delete => relations::let_go(writer, view, ready).await?,
                _ => {}
            }
        }
    }
    Ok(())
}

async fn insert_without_references(
    writer: &mut Connection,
    view: &View<'_>,
    ready: &Ready,
) -> std::result::Result<bool, Fault> {
    let row = ready.row.as_ref().and_then(|row| relations::without_references(view, row));
    let Some(row) = row else { return Ok(false) };
    match write::insert(writer, view, &[row]).await {
        Ok(()) => Ok(true),
        Err(Fault::Row(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}
