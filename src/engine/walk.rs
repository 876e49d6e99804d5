//! Both sides and the base, walked through side by side.
//!
//! Keys and signatures of both sides and the base's entries come in the order of ordinals and are merged like three sorted
//! lists: memory holds a few parcels of each, whatever the table's size. What is made of them is the caller's business.

use std::collections::VecDeque;

use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, channel};

use super::{Run, heaps};
use crate::endpoint::read::Signed;
use crate::endpoint::sql::table::Span;
use crate::endpoint::{Connection, View};
use crate::error::Result;
use crate::journal::base::Base;
use crate::model::PerSide;
use crate::plan::merge::Entry;

/// Parcels that wait between a server and the merge.
pub(super) const PARCELS: usize = 4;
/// Chunks of the base that are read at once.
const CHUNKS: usize = 32;

/// One side's rows, with a look at the next.
pub(super) struct Cursor {
    from: Receiver<Vec<Signed>>,
    parcel: VecDeque<Signed>,
    /// Rows taken so far.
    pub seen: u64,
}

impl Cursor {
    pub fn new(from: Receiver<Vec<Signed>>) -> Self {
        Self { from, parcel: VecDeque::new(), seen: 0 }
    }

    /// The next row's ordinal.
    pub async fn ordinal(&mut self) -> Option<u64> {
        while self.parcel.is_empty() {
            self.parcel = self.from.recv().await?.into();
        }
        self.parcel.front().map(|signed| signed.ordinal)
    }

    /// Every row with this ordinal: one, unless two keys share a hash.
    pub async fn take(&mut self, ordinal: u64) -> Vec<Signed> {
        let mut taken = Vec::new();
        while self.ordinal().await == Some(ordinal) {
            taken.extend(self.parcel.pop_front());
            self.seen += 1;
        }
        taken
    }
}

/// The line on which the base is read, by whoever needs it at the moment.
pub type Journal<'a> = Mutex<&'a mut Connection>;

/// The base's entries within some chunks, with a look at the next.
pub(super) struct Remembered<'a, 'j> {
    base: &'a Base,
    journal: &'a Journal<'j>,
    lows: VecDeque<u64>,
    entries: VecDeque<(u64, Entry)>,
    /// Chunks of which the base cannot tell any more.
    pub damaged: Vec<Span>,
}

impl<'a, 'j> Remembered<'a, 'j> {
    /// The entries within the spans (whole chunks, ascending).
    pub fn within(base: &'a Base, journal: &'a Journal<'j>, spans: &[Span]) -> Self {
        let within = |low: &u64| {
            let at = spans.partition_point(|span| span.end() < low);
            spans.get(at).is_some_and(|span| span.contains(low))
        };
        let lows = base.lows().into_iter().filter(within).collect();
        Self { base, journal, lows, entries: VecDeque::new(), damaged: Vec::new() }
    }

    /// The next entry's ordinal.
    pub async fn ordinal(&mut self) -> Result<Option<u64>> {
        while self.entries.is_empty() && !self.lows.is_empty() {
            let lows: Vec<u64> = self.lows.drain(..self.lows.len().min(CHUNKS)).collect();
            let mut journal = self.journal.lock().await;
            let (entries, damaged) = self.base.entries(&mut journal, &lows).await?;
            self.entries = entries.into();
            self.damaged.extend(damaged.into_iter().map(|low| low..=self.base.high(low)));
        }
        Ok(self.entries.front().map(|(ordinal, _)| *ordinal))
    }

    /// What the base says of an ordinal that none of its entries lies before.
    pub async fn take(&mut self, ordinal: u64) -> Result<Option<Entry>> {
        let found = self.ordinal().await? == Some(ordinal);
        Ok(if found { self.entries.pop_front().map(|(_, entry)| entry) } else { None })
    }
}

/// Who is asked.
pub struct Lines<'a> {
    /// Reading both sides.
    pub sides: &'a mut PerSide<Connection>,
    /// Reading the base.
    pub journal: Journal<'a>,
}

/// Hands every ordinal within the spans (whole chunks, ascending) to `each`, with what the base says of it and the rows that
/// each side has there. Answers how many rows these are.
///
/// # Errors
/// The failure with its code, or that of `each`; `SYNC_005` when asked to stop.
pub async fn walk(
    lines: &mut Lines<'_>,
    views: &PerSide<View<'_>>,
    base: &Base,
    spans: &[Span],
    run: &Run,
    mut each: impl FnMut(u64, Option<Entry>, &[Signed], &[Signed]) -> Result<()>,
) -> Result<PerSide<u64>> {
    let (to_remote, from_remote) = channel(PARCELS);
    let (to_local, from_local) = channel(PARCELS);
    let mut cursors = PerSide::new(Cursor::new(from_remote), Cursor::new(from_local));
    let mut remembered = Remembered::within(base, &lines.journal, spans);
    let mut walked: u64 = 0;
    let merging = async {
        while let Some(ordinal) = lowest(&mut cursors, &mut remembered).await? {
            let entry = remembered.take(ordinal).await?;
            let remote = cursors.remote.take(ordinal).await;
            let local = cursors.local.take(ordinal).await;
            each(ordinal, entry, &remote, &local)?;
            walked += 1;
            if walked.is_multiple_of(1024) {
                run.cancel.check()?;
                run.progress.looked(&views.local.pair.name, walked);
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
            heaps::list(&mut sides.remote, &views.remote, spans, &to).await
        },
        async {
            let to = to_local;
            heaps::list(&mut sides.local, &views.local, spans, &to).await
        },
        merging,
    );
    // When the merge gives up, the servers' own errors are only its echo; when a server fails, the merge ends early.
    let rows = merged?;
    remote?;
    local?;
    Ok(rows)
}

async fn lowest(
    cursors: &mut PerSide<Cursor>,
    remembered: &mut Remembered<'_, '_>,
) -> Result<Option<u64>> {
    let sides = [
        cursors.remote.ordinal().await,
        cursors.local.ordinal().await,
        remembered.ordinal().await?,
    ];
    Ok(sides.into_iter().flatten().min())
}
