//! What both sides hold and the base says, key by key, turned into decisions.
//!
//! Both sides' keys and signatures and the base's entries come in the order of ordinals and are merged like
//! three sorted lists: memory holds a few parcels of each, whatever the table's size.

use std::collections::VecDeque;

use tokio::sync::mpsc::{Receiver, channel};

use super::batch::by_size;
use super::cancel::Cancel;
use super::plan::Plan;
use super::worklist::{Item, Worklist};
use crate::endpoint::read::{self, Found, Signed};
use crate::endpoint::sql::table::Span;
use crate::endpoint::{Connection, View};
use crate::error::Result;
use crate::journal::base::{Base, Entries};
use crate::model::{Key, PerSide, Signature, canonical};
use crate::plan::merge::{Change, Entry, Present, merge};

/// Parcels that wait between a server and the merge.
const PARCELS: usize = 4;
/// Chunks of the base that are read at once.
const CHUNKS: usize = 32;
/// Rows that are compared at once.
const ROWS: usize = 500;

/// One side's rows, with a look at the next.
struct Cursor {
    from: Receiver<Vec<Signed>>,
    parcel: VecDeque<Signed>,
    seen: u64,
}

impl Cursor {
    async fn ordinal(&mut self) -> Option<u64> {
        while self.parcel.is_empty() {
            self.parcel = self.from.recv().await?.into();
        }
        self.parcel.front().map(|signed| signed.ordinal)
    }

    /// Every row with this ordinal: one, unless two keys share a hash.
    async fn take(&mut self, ordinal: u64) -> Vec<Signed> {
        let mut taken = Vec::new();
        while self.ordinal().await == Some(ordinal) {
            taken.extend(self.parcel.pop_front());
            self.seen += 1;
        }
        taken
    }
}

/// The base's entries within some chunks, with a look at the next.
struct Remembered<'a> {
    base: &'a Base,
    connection: &'a mut Connection,
    lows: VecDeque<u64>,
    entries: VecDeque<(u64, Entry)>,
}

impl Remembered<'_> {
    async fn ordinal(&mut self) -> Result<Option<u64>> {
        while self.entries.is_empty() && !self.lows.is_empty() {
            let lows: Vec<u64> = self.lows.drain(..self.lows.len().min(CHUNKS)).collect();
            let entries: Entries = self.base.entries(self.connection, &lows).await?;
            self.entries = entries.into();
        }
        Ok(self.entries.front().map(|(ordinal, _)| *ordinal))
    }

    async fn take(&mut self, ordinal: u64) -> Result<Option<Entry>> {
        let found = self.ordinal().await? == Some(ordinal);
        Ok(if found { self.entries.pop_front().map(|(_, entry)| entry) } else { None })
    }
}

/// Who is asked.
pub struct Lines<'a> {
    /// Reading both sides.
    pub sides: &'a mut PerSide<Connection>,
    /// Reading the base.
    pub journal: &'a mut Connection,
}

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
    cancel: &Cancel,
) -> Result<PerSide<u64>> {
    let (to_remote, from_remote) = channel(PARCELS);
    let (to_local, from_local) = channel(PARCELS);
    let cursor = |from| Cursor { from, parcel: VecDeque::new(), seen: 0 };
    let mut cursors = PerSide::new(cursor(from_remote), cursor(from_local));
    let within = |low: &u64| spans.iter().any(|span| span.contains(low));
    let lows = base.lows().into_iter().filter(within).collect();
    let mut remembered =
        Remembered { base, connection: lines.journal, lows, entries: VecDeque::new() };
    let mut undecided = Worklist::default();
    let merging = async {
        while let Some(ordinal) = lowest(&mut cursors, &mut remembered).await? {
            let entry = remembered.take(ordinal).await?;
            let remote = cursors.remote.take(ordinal).await;
            let local = cursors.local.take(ordinal).await;
            for item in items(ordinal, entry, &remote, &local, plan) {
                if item.decision.is_none() { undecided.push(&item)? } else { plan.put(&item)? }
            }
            if ordinal.is_multiple_of(64) {
                cancel.check()?;
            }
        }
        // The senders notice that nobody listens only when their channels close.
        drop(remembered);
        let rows = PerSide::new(cursors.remote.seen, cursors.local.seen);
        drop(cursors);
        Ok::<_, crate::error::SyncError>(rows)
    };
    let sides = &mut *lines.sides;
    let (remote, local, merged) = tokio::join!(
        async {
            let to = to_remote;
            read::list(&mut sides.remote, &views.remote, spans, &to).await
        },
        async {
            let to = to_local;
            read::list(&mut sides.local, &views.local, spans, &to).await
        },
        merging,
    );
    // When the merge gives up, the servers' own errors are only its echo; when a server fails, the merge ends early.
    let rows = merged?;
    remote?;
    local?;
    look(lines.sides, views, undecided, plan, cancel).await?;
    plan.close_unmet(spans)?;
    Ok(rows)
}

async fn lowest(
    cursors: &mut PerSide<Cursor>,
    remembered: &mut Remembered<'_>,
) -> Result<Option<u64>> {
    let sides = [
        cursors.remote.ordinal().await,
        cursors.local.ordinal().await,
        remembered.ordinal().await?,
    ];
    Ok(sides.into_iter().flatten().min())
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
    item.change = merge(item.base, item.now, equal.or(signed_equal.then_some(true)));
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
