//! Rows that come in any order and are taken in the order of their ordinals, while memory holds few of them.
//!
//! Only for ordinals that are hashes: those fall evenly into heaps by their first bits, and one heap after the other is sorted in
//! memory. Servers take longer to sort rows by a hash than all the rest takes. Other ordinals come in order.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{Sender, channel};

use super::walk::PARCELS;
use super::worklist::{Placed, Worklist};
use crate::endpoint::read::{self, Signed};
use crate::endpoint::sql::table::Span;
use crate::endpoint::{Connection, View};
use crate::error::{Result, SyncError};

/// How many heaps, as a power of two.
const BITS: u32 = 6;
/// Rows that are sent together.
const PARCEL: usize = 512;
/// Bytes of each that stay in memory.
const IN_MEMORY: usize = 64 << 10;

/// Rows in heaps.
pub(super) struct Heaps<T> {
    heaps: Vec<Worklist<T>>,
}

impl<T> Default for Heaps<T> {
    fn default() -> Self {
        let heap = || Worklist::within(IN_MEMORY);
        Self { heaps: std::iter::repeat_with(heap).take(1 << BITS).collect() }
    }
}

impl<T: Placed + Serialize + DeserializeOwned> Heaps<T> {
    /// Puts a row onto its heap.
    ///
    /// # Errors
    /// As [`Worklist::push`].
    pub fn push(&mut self, row: &T) -> Result<()> {
        self.heaps[(row.ordinal() >> (64 - BITS)) as usize].push(row)
    }

    /// Each heap in order: its lowest possible ordinal, and its rows in the order of theirs.
    pub fn sorted(self) -> impl Iterator<Item = Result<(u64, Vec<T>)>> {
        self.heaps.into_iter().zip(0_u64..).map(|(heap, number)| {
            let mut rows = heap.drain()?.next(usize::MAX)?;
            rows.sort_unstable_by_key(T::ordinal);
            Ok((number << (64 - BITS), rows))
        })
    }
}

/// Sends every row within the spans (ascending, disjoint), in the order of ordinals.
///
/// # Errors
/// The failure with its code.
pub(super) async fn list(
    connection: &mut Connection,
    view: &View<'_>,
    spans: &[Span],
    to: &Sender<Vec<Signed>>,
) -> Result<()> {
    if !view.pair.form.is_hashed() {
        return read::list(connection, view, spans, to).await;
    }
    let (send, mut rows) = channel(PARCELS);
    let (listed, heaps) = tokio::join!(
        async {
            let send = send;
            read::list(connection, view, spans, &send).await
        },
        async move {
            let mut heaps = Heaps::default();
            while let Some(parcel) = rows.recv().await {
                parcel.iter().try_for_each(|row| heaps.push(row))?;
            }
            Ok::<_, SyncError>(heaps)
        }
    );
    let heaps = heaps?;
    listed?;
    for heap in heaps.sorted() {
        let (_, rows) = heap?;
        for parcel in rows.chunks(PARCEL) {
            if to.send(parcel.to_vec()).await.is_err() {
                // Whoever listened has given up, and says why.
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Key, Value};

    proptest! {
        #[test]
        fn rows_come_in_order_whatever_order_they_went_in(ordinals in proptest::collection::vec(any::<u64>(), 0..500)) {
            let mut heaps = Heaps::default();
            for (number, ordinal) in (0_u64..).zip(&ordinals) {
                let key = Key(vec![Value::Int(number.into())]);
                heaps.push(&Signed { ordinal: *ordinal, key, signature: number, was: None }).unwrap();
            }
            let mut back = Vec::new();
            for heap in heaps.sorted() {
                let (low, rows) = heap.unwrap();
                prop_assert!(rows.iter().all(|row| row.ordinal >= low));
                back.extend(rows.into_iter().map(|row| row.ordinal));
            }
            let mut sorted = ordinals;
            sorted.sort_unstable();
            prop_assert_eq!(back, sorted);
        }
    }
}
