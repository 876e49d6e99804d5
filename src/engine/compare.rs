//! What both sides hold and the base says, key by key, turned into decisions.

use std::collections::{BTreeSet, HashMap};

use super::Run;
use super::batch::by_size;
use super::cancel::Cancel;
use super::changes::{Changes, changes};
use super::plan::Plan;
use super::walk::{Lines, walk};
use super::worklist::{Item, Reading, Worklist};
use crate::capture::digest::{self, Asked};
use crate::capture::join;
use crate::endpoint::read::{self, Found, Signed};
use crate::endpoint::sql::table::Span;
use crate::endpoint::{Connection, Purpose, View};
use crate::error::{Result, SyncError};
use crate::journal::base::Base;
use crate::model::{Key, PerSide, Side, Signature, Value, canonical};
use crate::plan::merge::{Change, Entry, Present, continued, merge, quieten};

/// Rows that are compared at once.
const ROWS: usize = 500;
/// Rows whose signatures are asked for at once.
const SIGNATURES: usize = 1000;

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
        meet(entry, remote, local, plan);
        sort(items(ordinal, entry, remote, local, plan), plan, &mut undecided)
    })
    .await?;
    look(lines.sides, views, undecided, plan, &run.cancel).await?;
    plan.close_unmet(spans)?;
    Ok(rows)
}

/// The same for what each side has changed since the base, as its digests tell. Answers how many rows each side has.
///
/// # Errors
/// As [`compare`].
pub async fn compare_changes(
    lines: &mut Lines<'_>,
    views: &PerSide<View<'_>>,
    base: &Base,
    plan: &mut Plan,
    run: &Run,
) -> Result<PerSide<u64>> {
    let also = plan.open.iter().map(|ordinal| base.chunk_of(*ordinal)).collect();
    let Lines { sides, journal } = &mut *lines;
    let changed = async |side: Side, connection: &mut Connection| {
        let view = &views[side];
        let at_once = run.settings.parallel;
        let (line, endpoint) = (&mut *connection, &run.endpoints[side]);
        let asked = Asked { line, endpoint, purpose: Purpose::Snapshot, at_once };
        let proposal = digest::propose(asked, view, base, &also).await?;
        let spans = &proposal.spans;
        let changes = changes(connection, view, base, journal, spans, &plan.open, run).await?;
        Ok::<_, SyncError>((proposal.rows + changes.rows, changes))
    };
    let (remote, local) = tokio::join!(
        changed(Side::Remote, &mut sides.remote),
        changed(Side::Local, &mut sides.local),
    );
    let ((remote_rows, remote), (local_rows, local)) = (remote?, local?);
    let mut undecided = Worklist::default();
    let unclear = put_together(views, remote, local, plan, &mut undecided)?;
    let spans = unclear.spans(base);
    if !spans.is_empty() {
        walk(lines, views, base, &spans, run, |ordinal, entry, remote, local| {
            if !unclear.covers(ordinal) {
                return Ok(());
            }
            meet(entry, remote, local, plan);
            sort(items(ordinal, entry, remote, local, plan), plan, &mut undecided)
        })
        .await?;
    }
    look(lines.sides, views, undecided, plan, &run.cancel).await?;
    plan.close_unmet(&[0..=u64::MAX])?;
    Ok(PerSide::new(remote_rows, local_rows))
}

/// Where both sides have to be asked after all.
#[derive(Default)]
struct Unclear {
    /// Chunks of which the base cannot tell any more.
    damaged: Vec<Span>,
    /// Rows that one side still has and the other has not: known by their place alone.
    unnamed: BTreeSet<u64>,
}

impl Unclear {
    fn damaged(&self, ordinal: u64) -> bool {
        self.damaged.iter().any(|chunk| chunk.contains(&ordinal))
    }

    fn covers(&self, ordinal: u64) -> bool {
        self.unnamed.contains(&ordinal) || self.damaged(ordinal)
    }

    /// The chunks that are to be looked at, ascending.
    fn spans(&self, base: &Base) -> Vec<Span> {
        let damaged = self.damaged.iter().map(|chunk| *chunk.start());
        let unnamed = self.unnamed.iter().map(|ordinal| base.chunk_of(*ordinal));
        let mut spans = Vec::new();
        for low in damaged.chain(unnamed).collect::<BTreeSet<_>>() {
            join(&mut spans, low..=base.high(low));
        }
        spans
    }
}

/// Puts both sides' changes together: a side that has not changed holds what the base says.
fn put_together(
    views: &PerSide<View<'_>>,
    remote: Changes,
    local: Changes,
    plan: &mut Plan,
    undecided: &mut Worklist,
) -> Result<Unclear> {
    let form = &views.local.pair.form;
    let mut unclear = Unclear::default();
    unclear.damaged.extend(remote.damaged.into_iter().chain(local.damaged));
    let mut lists = PerSide::new(Reading::of(remote.list)?, Reading::of(local.list)?);
    while let Some(ordinal) =
        [lists.remote.ordinal()?, lists.local.ordinal()?].into_iter().flatten().min()
    {
        let changed = PerSide::new(lists.remote.take(ordinal)?, lists.local.take(ordinal)?);
        if unclear.damaged(ordinal) {
            continue;
        }
        let entry = Side::BOTH.into_iter().find_map(|side| changed[side].as_ref()?.base);
        let named = Side::BOTH.into_iter().find_map(|side| changed[side].as_ref()?.now.first());
        let key = named.map(|(key, _)| key.clone());
        let key = key.or_else(|| Some(Key(vec![Value::Int(form.integer(ordinal)?)])));
        let rows = |side: Side| -> Option<Vec<Signed>> {
            let signed = |key, signature| Signed { ordinal, key, signature, was: None };
            match (&changed[side], entry) {
                (Some(changed), _) => {
                    let rows = changed.now.iter();
                    Some(rows.map(|(key, signature)| signed(key.clone(), *signature)).collect())
                }
                (None, Some(entry)) => Some(vec![signed(key.clone()?, entry[side])]),
                (None, None) => Some(Vec::new()),
            }
        };
        if let (Some(remote), Some(local)) = (rows(Side::Remote), rows(Side::Local)) {
            meet(entry, &remote, &local, plan);
            sort(items(ordinal, entry, &remote, &local, plan), plan, undecided)?;
        } else {
            // It is looked at once more, and counted then.
            unclear.unnamed.insert(ordinal);
        }
    }
    Ok(unclear)
}

/// The same for single rows.
///
/// # Errors
/// As [`compare`].
pub async fn compare_rows(
    lines: &mut Lines<'_>,
    views: &PerSide<View<'_>>,
    base: &Base,
    keys: Vec<(u64, Key)>,
    plan: &mut Plan,
    run: &Run,
) -> Result<()> {
    let mut undecided = Worklist::default();
    for keys in keys.chunks(SIGNATURES) {
        run.cancel.check()?;
        let (ordinals, keys): (Vec<u64>, Vec<Key>) = keys.iter().cloned().unzip();
        let (remote, local) = tokio::join!(
            read::signatures(&mut lines.sides.remote, &views.remote, &keys),
            read::signatures(&mut lines.sides.local, &views.local, &keys),
        );
        let (remote, local) = (remote?, local?);
        let mut journal = lines.journal.lock().await;
        let entries = base.entries_of(&mut journal, &ordinals).await?;
        for (ordinal, key) in ordinals.into_iter().zip(keys) {
            let signed = |found: &HashMap<Key, Signature>| -> Vec<Signed> {
                let signature = found.get(&key).copied();
                let key = key.clone();
                let signed = |signature| Signed { ordinal, key, signature, was: None };
                signature.map(signed).into_iter().collect()
            };
            let entry = entries.get(&ordinal).copied();
            let items = items(ordinal, entry, &signed(&remote), &signed(&local), plan);
            sort(items, plan, &mut undecided)?;
        }
    }
    look(lines.sides, views, undecided, plan, &run.cancel).await
}

/// Counts which sides no longer hold what the base says.
fn meet(entry: Option<Entry>, remote: &[Signed], local: &[Signed], plan: &mut Plan) {
    let Some(entry) = entry else { return };
    for (side, rows) in [(Side::Remote, remote), (Side::Local, local)] {
        let same = matches!(rows, [row] if row.signature == entry[side]);
        plan.altered[side] += u64::from(!same);
    }
}

/// Puts what is decided into the plan, and what takes a look at the rows aside.
fn sort(items: Vec<Item>, plan: &mut Plan, undecided: &mut Worklist) -> Result<()> {
    items.into_iter().try_for_each(|item| {
        if item.decision.is_none() { undecided.push(&item) } else { plan.put(&item) }
    })
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
                kept: None,
            },
            None,
            plan,
        )
    });
    items.collect()
}

/// The item with what happened and, where that is known, what is done about it.
pub(super) fn decided(mut item: Item, equal: Option<bool>, plan: &Plan) -> Item {
    // The same signature by the same rule on the same bytes is the same row.
    let signed_equal =
        plan.comparable && item.now.remote.is_some() && item.now.remote == item.now.local;
    let equal = equal.or(signed_equal.then_some(true));
    let mut base = item.base;
    if let Some(attempt) = plan.attempts.get(&item.key) {
        base = continued(base, item.now, equal, *attempt);
    }
    if plan.quiet {
        let winner = plan.policy.strategy.winner().unwrap_or(Side::Remote);
        base = quieten(base, item.now, winner);
    }
    item.change = merge(base, item.now, equal);
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
