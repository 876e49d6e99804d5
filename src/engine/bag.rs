//! Tables of which nothing identifies the rows: a one-way FULL makes the target hold as many of each row as the source.
//!
//! Rows are counted by a fingerprint of what they mean. Both sides are read once for every window of fingerprints, so that the
//! counts fit in memory, and once more for the rows that are to be written. There is no base and no conflict: a row that only
//! the target has is drift.

use std::collections::HashMap;

use tokio::sync::mpsc::channel;

use super::statements::Refused;
use super::table::TableRun;
use super::worklist::Worklist;
use super::{Lines, Run, relations};
use crate::endpoint::{Fault, read, write};
use crate::error::{self, Result, SyncError};
use crate::journal::undo::{self, PreImage};
use crate::model::{Row, Side, Value, canonical, fit};
use crate::note::{self, Note};
use crate::plan::merge::Write;
use crate::plan::policy::Strategy;

/// Rows that are counted at once.
const WINDOW: u64 = 200_000;
/// Parcels that wait between a server and the count.
const PARCELS: usize = 4;

/// How many more of each row the source has than the target, by fingerprint; only those that differ.
pub type Surplus = HashMap<u128, i64>;

/// A row by what it is taken away alone, and its cells.
type Handled = (Value, Row);

/// Counts both sides, and plans what the target lacks and has too much.
///
/// # Errors
/// The failure with its code; `SYNC_005` when asked to stop.
pub async fn look(run: &Run, lines: &mut Lines, table: &mut TableRun) -> Result<()> {
    let Some(target) = table.settings.policy.direction.target() else { return Ok(()) };
    let (surplus, unfit) = count(run, lines, table, target).await?;
    table.surplus = surplus;
    unfit.into_iter().for_each(|error| table.fail(0, error));
    let lacking: i64 = table.surplus.values().filter(|number| **number > 0).sum();
    let extra: i64 = -table.surplus.values().filter(|number| **number < 0).sum::<i64>();
    table.plan.planned[target].inserted = lacking.unsigned_abs();
    let strategy = table.settings.policy.strategy;
    if strategy.winner() == Some(target.other()) {
        table.plan.planned[target].deleted = extra.unsigned_abs();
    } else {
        table.surplus.retain(|_, number| *number > 0);
        if matches!(strategy, Strategy::Skip | Strategy::Manual) {
            table.plan.skipped = extra.unsigned_abs();
        }
    }
    table.note(Note::new(note::BAG));
    Ok(())
}

/// Writes what was planned.
///
/// # Errors
/// The failure with its code; `SYNC_005` when asked to stop. What was committed until then stays.
pub async fn apply(run: &Run, lines: &mut Lines, table: &mut TableRun, target: Side) -> Result<()> {
    let surplus = std::mem::take(&mut table.surplus);
    let (mut lacking, mut extra) = (surplus.clone(), surplus);
    lacking.retain(|_, number| *number > 0);
    extra.retain(|_, number| *number < 0);
    extra.values_mut().for_each(|number| *number = -*number);
    for (side, write, mut wanted) in
        [(target, Write::Delete, extra), (target.other(), Write::Insert, lacking)]
    {
        if wanted.is_empty() {
            continue;
        }
        let mut rows = Worklist::default();
        each(run, lines, table, side, |(handle, row)| {
            let Some(print) = print(table, target, side, &row) else { return Ok(()) };
            let Some(left) = wanted.get_mut(&print).filter(|left| **left > 0) else {
                return Ok(());
            };
            *left -= 1;
            rows.push(&(handle, row))
        })
        .await?;
        written(run, lines, table, target, write, rows).await?;
    }
    // What was written is counted once more, in fresh snapshots.
    lines.refresh(&run.endpoints).await?;
    let (left, _) = count(run, lines, table, target).await?;
    let kept = table.settings.policy.strategy.winner() != Some(target.other());
    table.looks_settled = left.values().all(|number| kept && *number < 0);
    Ok(())
}

/// Writes rows batch by batch, each in one transaction with its pre-images.
async fn written(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
    target: Side,
    write: Write,
    rows: Worklist<Handled>,
) -> Result<()> {
    let pair = table.pair.clone();
    let view = run.view(&pair, target);
    let mut batches = rows.drain()?;
    loop {
        run.cancel.check()?;
        let rows = batches.next(table.batch_rows(run))?;
        if rows.is_empty() {
            return Ok(());
        }
        let place = lines.writer(target).place().clone();
        let fatal = |fault: Fault| fault.fatal(&place);
        lines.writer(target).begin().await.map_err(fatal)?;
        if target == Side::Remote {
            lines.local.begin().await.map_err(|fault| fault.fatal(&place))?;
        }
        let (mut images, mut done) = (Vec::new(), 0);
        for (handle, row) in rows {
            let writer = lines.writer(target);
            let outcome = if write == Write::Delete {
                if relations::bag_has_children(writer, &view, &row).await.map_err(fatal)? {
                    let error = Refused::HasChildren.error().with("key", table.row_json(&row));
                    table.fail(0, error.with("side", target));
                    continue;
                }
                writer.execute(&view.delete_one(handle)).await
            } else {
                let row = fitted(table, target, &row).unwrap_or_else(|_| row.clone());
                write::insert(writer, &view, &[row]).await.map(|()| 1)
            };
            match outcome {
                Ok(0) => table.plan.moved += 1,
                Ok(_) => {
                    done += 1;
                    let json = table.row_json(&row);
                    let before = (write == Write::Delete).then(|| json.clone());
                    images.push(PreImage {
                        write,
                        key: json,
                        before,
                        written: None,
                        found: None,
                        base: None,
                    });
                }
                Err(Fault::Row(fault)) => {
                    let error = Refused::Row(fault).error();
                    let error = error.with("key", table.row_json(&row)).with("side", target);
                    table.fail(0, error);
                }
                Err(fault) => return Err(fault.fatal(&place)),
            }
        }
        let (dialect, name) = (run.dialect(Side::Local), &table.pair.name);
        if let Some(lease) = &table.lease {
            lease.renew(&mut lines.local).await?;
        }
        undo::record(&mut lines.local, dialect, &run.run_id, name, target, &images).await?;
        lines.local.commit().await.map_err(|fault| fault.fatal(&place))?;
        if target == Side::Remote {
            lines.remote.commit().await.map_err(|fault| fault.fatal(&place))?;
        }
        let written = &mut table.written[target];
        if write == Write::Delete {
            written.deleted += done;
            table.rows[target] = table.rows[target].saturating_sub(done);
        } else {
            written.inserted += done;
            table.rows[target] += done;
        }
        run.progress.advance(&table.pair.name, done);
    }
}

/// What the source has more of each row than the target, counted window by window; and rows that the target cannot have.
async fn count(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
    target: Side,
) -> Result<(Surplus, Vec<SyncError>)> {
    let mut rows = 0;
    for side in Side::BOTH {
        let view = run.view(&table.pair, side);
        let number = read::count(&mut lines.snapshots[side], &view).await?;
        table.rows[side] = number;
        rows += number;
    }
    table.scanned = table.rows.remote.max(table.rows.local);
    let windows = (rows / WINDOW + 1).next_power_of_two();
    let (mut surplus, mut unfit) = (Surplus::new(), Vec::new());
    for window in 0..windows {
        let mut counted = Surplus::new();
        for side in Side::BOTH {
            let step = if side == target { -1 } else { 1 };
            each(run, lines, table, side, |(_, row)| {
                match print(table, target, side, &row) {
                    Some(print) if print % u128::from(windows) == u128::from(window) => {
                        *counted.entry(print).or_default() += step;
                    }
                    None if window == 0 => unfit.extend(fitted(table, target, &row).err()),
                    _ => {}
                }
                Ok(())
            })
            .await?;
        }
        counted.retain(|_, number| *number != 0);
        surplus.extend(counted);
    }
    Ok((surplus, unfit))
}

/// The row as the target takes it.
fn fitted(table: &TableRun, target: Side, row: &Row) -> Result<Row> {
    let columns = &table.pair.columns;
    let cells = row.iter().zip(columns).map(|(cell, column)| {
        fit::fit(cell, &column.sides[target]).map_err(|reason| {
            SyncError::new(error::UNFIT)
                .with("key", table.row_json(row))
                .with("column", &column.name)
                .with("side", target)
                .with("reason", reason)
        })
    });
    cells.collect()
}

/// A row's fingerprint in the form in which the target has it; `None` where the target cannot have it.
fn print(table: &TableRun, target: Side, side: Side, row: &Row) -> Option<u128> {
    if side == target {
        return Some(canonical::fingerprint(row));
    }
    fitted(table, target, row).ok().map(|row| canonical::fingerprint(&row))
}

/// Hands every row of a side to `act`.
async fn each(
    run: &Run,
    lines: &mut Lines,
    table: &TableRun,
    side: Side,
    mut act: impl FnMut(Handled) -> Result<()>,
) -> Result<()> {
    let (to, mut from) = channel(PARCELS);
    let view = run.view(&table.pair, side);
    let line = &mut lines.snapshots[side];
    let (sent, taken) = tokio::join!(
        async {
            let to = to;
            read::bag(line, &view, &to).await
        },
        async {
            while let Some(parcel) = from.recv().await {
                run.cancel.check()?;
                parcel.into_iter().try_for_each(&mut act)?;
            }
            Ok(())
        }
    );
    // When the taker gives up, the server's own error is only its echo.
    let taken: Result<()> = taken;
    taken.and(sent)
}
