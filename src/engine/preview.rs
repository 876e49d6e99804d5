//! What a dry run shows: the first rows that would be written, with the columns that would change.

use super::table::TableRun;
use super::worklist::Item;
use super::{Lines, Run};
use crate::endpoint::read::{self, Lock};
use crate::error::Result;
use crate::model::{Key, Side, canonical};
use crate::plan::merge::Write;
use crate::report::PlannedChange;

/// Rows that are shown.
const SHOWN: usize = 100;

/// The first changes of a table's plan, and whether there are more. Takes the plan's lists apart.
///
/// # Errors
/// The failure with its code.
pub async fn preview(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
) -> Result<(Vec<PlannedChange>, bool)> {
    let mut shown = Vec::new();
    let mut total = 0;
    for target in [Side::Local, Side::Remote] {
        for write in [Write::Delete, Write::Update, Write::Insert] {
            let list = std::mem::take(table.plan.writes[target].of(write));
            total += list.len();
            let items = list.drain()?.next(SHOWN - shown.len())?;
            if !items.is_empty() {
                shown.extend(changes(run, lines, table, target, write, &items).await?);
            }
        }
    }
    let truncated = total > shown.len() as u64;
    Ok((shown, truncated))
}

async fn changes(
    run: &Run,
    lines: &mut Lines,
    table: &TableRun,
    target: Side,
    write: Write,
    items: &[Item],
) -> Result<Vec<PlannedChange>> {
    let pair = &table.pair;
    let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
    let mut rows = Vec::new();
    if write == Write::Update {
        for side in Side::BOTH {
            let found =
                read::rows(&mut lines.snapshots[side], &run.view(pair, side), &keys, Lock::None)
                    .await;
            rows.push(found.map_err(|fault| fault.fatal(lines.snapshots[side].place()))?);
        }
    }
    let names = || pair.columns.iter().map(|column| column.name.clone());
    let differing = |key: &Key| -> Vec<String> {
        let cells = |at: usize| rows.get(at).and_then(|rows| rows.get(key)).map(|found| &found.row);
        match (cells(0), cells(1)) {
            (Some(a), Some(b)) => {
                let differs =
                    names().zip(a.iter().zip(b)).filter(|(_, (a, b))| !canonical::same(a, b));
                differs.map(|(name, _)| name).collect()
            }
            _ => names().collect(),
        }
    };
    let action = match write {
        Write::Insert => "INSERT",
        Write::Update => "UPDATE",
        Write::Delete => "DELETE",
    };
    let change = |item: &Item| PlannedChange {
        key: table.key_json(&item.key),
        action,
        to: target.as_str(),
        columns: differing(&item.key),
    };
    Ok(items.iter().map(change).collect())
}
