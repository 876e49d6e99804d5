//! Refusals before anything is applied, each lifted only by `--force`.

use crate::model::{PerSide, Side};

/// What a plan for one table would do, counted before anything is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    /// Rows that each side holds now.
    pub rows: PerSide<u64>,
    /// Rows that would be deleted on each side.
    pub deletes: PerSide<u64>,
}

/// Why a plan is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Rows would be deleted because the other side has none at all.
    EmptySource {
        /// The side that would lose rows.
        side: Side,
        /// How many.
        deletes: u64,
    },
    /// More of a table would be deleted than is allowed.
    TooManyDeletes {
        /// The side that would lose rows.
        side: Side,
        /// How many.
        deletes: u64,
        /// Of how many.
        rows: u64,
    },
}

/// Tables below this many rows are exempt from the share of deletions.
pub const SMALL_TABLE: u64 = 100;

/// Refuses a plan that deletes because a side is empty (at any size), or more than `max_percent` of a
/// table of at least [`SMALL_TABLE`] rows.
pub fn check(intent: &Intent, max_percent: u8) -> Option<Refusal> {
    Side::BOTH.into_iter().find_map(|side| {
        let (deletes, rows) = (intent.deletes[side], intent.rows[side]);
        if deletes == 0 {
            None
        } else if intent.rows[side.other()] == 0 {
            Some(Refusal::EmptySource { side, deletes })
        } else if rows >= SMALL_TABLE
            && u128::from(deletes) * 100 > u128::from(rows) * u128::from(max_percent)
        {
            Some(Refusal::TooManyDeletes { side, deletes, rows })
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(remote: u64, local: u64, deletes_on_local: u64) -> Intent {
        Intent { rows: PerSide::new(remote, local), deletes: PerSide::new(0, deletes_on_local) }
    }

    #[test]
    fn an_empty_source_deletes_nothing_at_any_size() {
        let refusal = Refusal::EmptySource { side: Side::Local, deletes: 1 };
        assert_eq!(check(&intent(0, 1, 1), 100), Some(refusal));
        assert_eq!(check(&intent(0, 1, 0), 0), None);
    }

    #[test]
    fn the_share_counts_from_a_hundred_rows() {
        assert_eq!(check(&intent(1, 99, 98), 50), None);
        assert_eq!(check(&intent(50, 100, 50), 50), None);
        let refusal = Refusal::TooManyDeletes { side: Side::Local, deletes: 51, rows: 100 };
        assert_eq!(check(&intent(49, 100, 51), 50), Some(refusal));
        assert!(check(&intent(99, 100, 1), 0).is_some());
    }
}
