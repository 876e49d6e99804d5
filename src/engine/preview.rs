//! What a dry run shows: the first rows that would be written, with the columns that would change.

use super::table::TableRun;
use super::worklist::{Item, Worklist};
use super::{Lines, Run};
use crate::endpoint::read::{self, Lock};
use crate::error::Result;
use crate::model::{Key, Side, canonical};
use crate::plan::merge::Write;
use crate::report::{PlannedChange, PlannedConflict};

/// Rows that are shown.
const SHOWN: usize = 100;

/// The first changes of a table's plan, and how many there are. Takes the plan's lists apart.
///
/// # Errors
/// The failure with its code.
pub async fn preview(
    run: &Run,
    lines: &mut Lines,
    table: &mut TableRun,
) -> Result<(Vec<PlannedChange>, u64)> {
    let mut shown = Vec::new();
    let mut total = 0;
    let writes = [Write::Delete, Write::Update, Write::Insert];
    let passes = [Side::Local, Side::Remote];
    let mut lists: Vec<Worklist> = Vec::new();
    for target in passes {
        for write in writes {
            lists.push(std::mem::take(table.plan.writes[target].of(write)));
        }
    }
    lists.push(std::mem::take(&mut table.plan.left));
    for list in lists {
        total += list.len();
        let items = list.drain()?.next(SHOWN - shown.len())?;
        if !items.is_empty() {
            shown.extend(changes(run, lines, table, &items).await?);
        }
    }
    Ok((shown, total))
}

async fn changes(
    run: &Run,
    lines: &mut Lines,
    table: &TableRun,
    items: &[Item],
) -> Result<Vec<PlannedChange>> {
    let pair = &table.pair;
    let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
    let mut rows = Vec::new();
    if items.iter().any(|item| item.now.remote.is_some() && item.now.local.is_some()) {
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
    let change = |item: &Item| {
        let write = item.decision.and_then(|decision| decision.write);
        let conflict = item.decision.and_then(|decision| decision.conflict);
        let (action, to) = match write {
            Some((to, Write::Insert)) => ("INSERT", to.as_str()),
            Some((to, Write::Update)) => ("UPDATE", to.as_str()),
            Some((to, Write::Delete)) => ("DELETE", to.as_str()),
            None => ("KEEP", "BOTH"),
        };
        let conflict = conflict.map(|conflict| PlannedConflict {
            kind: conflict.kind.as_str(),
            winner: conflict.winner.map(Side::as_str),
        });
        let key = table.key_json(&item.key);
        PlannedChange { key, action, to, columns: differing(&item.key), conflict }
    };
    Ok(items.iter().map(change).collect())
}
