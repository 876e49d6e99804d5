//! What both sides hold and the base says, key by key, turned into decisions.

use super::Run;
use super::batch::by_size;
use super::cancel::Cancel;
use super::plan::Plan;
use super::walk::{Lines, walk};
use super::worklist::{Item, Worklist};
use crate::endpoint::read::{self, Found, Signed};
use crate::endpoint::sql::table::Span;
use crate::endpoint::{Connection, View};
use crate::error::Result;
use crate::journal::base::Base;
use crate::model::{Key, PerSide, Side, Signature, canonical};
use crate::plan::merge::{Change, Entry, Present, merge, quieten};

/// Rows that are compared at once.
const ROWS: usize = 500;

/// Merges both sides and the base within the spans (whole chunks, ascending) into `plan`. Answers how many rows each side
/// has there.
///
/// # Errors
/// The failure with its code; `SYNC_005` when asked to stop.
pub async fn compare(
    lines: &mut Lines<'_>,
    views: &PerSide<View<'_>>,
    base: &Base,
    spans: &[Span],
    plan: &mut Plan,
    run: &Run,
) -> Result<PerSide<u64>> {
    let mut undecided = Worklist::default();
    let rows = walk(lines, views, base, spans, run, |ordinal, entry, remote, local| {
        items(ordinal, entry, remote, local, plan).into_iter().try_for_each(|item| {
            if item.decision.is_none() { undecided.push(&item) } else { plan.put(&item) }
        })
    })
    .await?;
    look(lines.sides, views, undecided, plan, &run.cancel).await?;
    plan.close_unmet(spans)?;
    Ok(rows)
}

/// What one ordinal comes to: one item, or one per key where keys share it.
fn items(
    ordinal: u64,
    base: Option<Entry>,
    remote: &[Signed],
    local: &[Signed],
    plan: &Plan,
) -> Vec<Item> {
    let single = remote.len() <= 1
        && local.len() <= 1
        && match (remote.first(), local.first()) {
            (Some(remote), Some(local)) => remote.key == local.key,
            _ => true,
        };
    let mut keys: Vec<Key> = Vec::new();
    for signed in remote.iter().chain(local) {
        if !keys.contains(&signed.key) {
            keys.push(signed.key.clone());
        }
    }
    if keys.is_empty() {
        // Only the base knows it: both sides have lost the row, and with it the key's cells.
        keys.push(Key(Vec::new()));
    }
    let of = |rows: &[Signed], key: &Key| {
        rows.iter().find(|signed| signed.key == *key).map(|signed| signed.signature)
    };
    let items = keys.into_iter().map(|key| {
        let now = Present { remote: of(remote, &key), local: of(local, &key) };
        let base = base.filter(|_| single);
        decided(
            Item {
                ordinal,
                key,
                base,
                now,
                change: Change::None,
                decision: None,
                recorded: single,
            },
            None,
            plan,
        )
    });
    items.collect()
}

/// The item with what happened and, where that is known, what is done about it.
fn decided(mut item: Item, equal: Option<bool>, plan: &Plan) -> Item {
    // The same signature by the same rule on the same bytes is the same row.
    let signed_equal =
        plan.comparable && item.now.remote.is_some() && item.now.remote == item.now.local;
    let base = if plan.quiet {
        let winner = plan.policy.strategy.winner().unwrap_or(Side::Remote);
        quieten(item.base, item.now, winner)
    } else {
        item.base
    };
    item.change = merge(base, item.now, equal.or(signed_equal.then_some(true)));
    item.decision = plan.policy.decide(item.change, item.now);
    item
}

/// Looks at the rows that both sides changed: the same, or a conflict?
async fn look(
    sides: &mut PerSide<Connection>,
    views: &PerSide<View<'_>>,
    undecided: Worklist,
    plan: &mut Plan,
    cancel: &Cancel,
) -> Result<()> {
    let mut batches = undecided.drain()?;
    loop {
        let items = batches.next(ROWS)?;
        if items.is_empty() {
            return Ok(());
        }
        for items in by_size(sides, views, items).await? {
            cancel.check()?;
            look_at(sides, views, items, plan).await?;
        }
    }
}

async fn look_at(
    sides: &mut PerSide<Connection>,
    views: &PerSide<View<'_>>,
    items: Vec<Item>,
    plan: &mut Plan,
) -> Result<()> {
    let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
    let (remote, local) = tokio::join!(
        read::rows(&mut sides.remote, &views.remote, &keys, read::Lock::None),
        read::rows(&mut sides.local, &views.local, &keys, read::Lock::None),
    );
    let remote = remote.map_err(|fault| fault.fatal(sides.remote.place()))?;
    let local = local.map_err(|fault| fault.fatal(sides.local.place()))?;
    for item in items {
        let found = (remote.get(&item.key), local.get(&item.key));
        let still = |found: &Found, now: Option<Signature>| Some(found.signature) == now;
        match found {
            (Some(a), Some(b)) if still(a, item.now.remote) && still(b, item.now.local) => {
                let equal = canonical::same_row(&a.row, &b.row);
                plan.put(&decided(item, Some(equal), plan))?;
            }
            _ => {
                plan.moved += 1;
                plan.open.remove(&item.ordinal);
            }
        }
    }
    Ok(())
}
