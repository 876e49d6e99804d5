//! What one side holds that is not what the base says of it.
//!
//! Each side is looked at for itself, both at once: where its digests are the base's, it holds what the base says. What the two
//! sides' changes come to is found where they are put together.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::channel;

use super::walk::{Cursor, Journal, PARCELS, Remembered};
use super::worklist::{Placed, Worklist};
use super::{Run, heaps};
use crate::endpoint::read::Signed;
use crate::endpoint::sql::table::Span;
use crate::endpoint::{Connection, View};
use crate::error::{Result, SyncError};
use crate::journal::base::Base;
use crate::model::{Key, Signature};
use crate::plan::merge::Entry;

/// One place on one side that is not as the base says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Which place.
    pub ordinal: u64,
    /// What the base says.
    pub base: Option<Entry>,
    /// The rows that are there now: one, unless two keys share the place, or none.
    pub now: Vec<(Key, Signature)>,
}

impl Placed for Changed {
    fn ordinal(&self) -> u64 {
        self.ordinal
    }
}

/// A side's changes.
#[derive(Default)]
pub struct Changes {
    /// In the order of ordinals.
    pub list: Worklist<Changed>,
    /// Rows that were looked at.
    pub rows: u64,
    /// Chunks of which the base cannot tell any more: what is there is not on the list.
    pub damaged: Vec<Span>,
}

/// Lists a side within the spans (whole chunks, ascending) and keeps what is not as the base says, and whatever is at the
/// `wanted` places.
///
/// # Errors
/// The failure with its code; `SYNC_005` when asked to stop.
pub async fn changes(
    connection: &mut Connection,
    view: &View<'_>,
    base: &Base,
    journal: &Journal<'_>,
    spans: &[Span],
    wanted: &HashSet<u64>,
    run: &Run,
) -> Result<Changes> {
    let (to, from) = channel(PARCELS);
    let mut cursor = Cursor::new(from);
    let mut remembered = Remembered::within(base, journal, spans);
    let mut list = Worklist::default();
    let comparing = async {
        let mut looked: u64 = 0;
        loop {
            let places = [cursor.ordinal().await, remembered.ordinal().await?];
            let Some(ordinal) = places.into_iter().flatten().min() else { break };
            let entry = remembered.take(ordinal).await?;
            let now = cursor.take(ordinal).await;
            looked += 1;
            if looked.is_multiple_of(1024) {
                run.cancel.check()?;
                run.progress.looked(&view.pair.name, looked);
            }
            let as_it_was = match (&now[..], entry) {
                ([row], Some(entry)) => row.signature == entry[view.side],
                _ => false,
            };
            if as_it_was && !wanted.contains(&ordinal) {
                continue;
            }
            if remembered.damaged.last().is_some_and(|chunk| chunk.contains(&ordinal)) {
                continue;
            }
            let pair = |row: Signed| (row.key, row.signature);
            let now = now.into_iter().map(pair).collect();
            list.push(&Changed { ordinal, base: entry, now })?;
        }
        let found = (cursor.seen, std::mem::take(&mut remembered.damaged));
        // The sender notices that nobody listens only when the channel closes.
        drop(cursor);
        Ok::<_, SyncError>(found)
    };
    let (listed, compared) = tokio::join!(
        async {
            let to = to;
            heaps::list(connection, view, spans, &to).await
        },
        comparing,
    );
    let (rows, damaged) = compared?;
    listed?;
    Ok(Changes { list, rows, damaged })
}
