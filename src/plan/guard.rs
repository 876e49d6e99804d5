//! Refusals before anything is applied, each lifted only by `--force`.

use chrono::{NaiveDateTime, TimeDelta};

use crate::model::{PerSide, Side};

/// What a plan for one table would do, counted before anything is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    /// Rows that each side holds now.
    pub rows: PerSide<u64>,
    /// Rows that would be deleted on each side.
    pub deletes: PerSide<u64>,
    /// Rows that would be written on each side, in any way.
    pub writes: PerSide<u64>,
    /// Rows that the base knows.
    pub known: u64,
    /// Those among them that each side has changed or lost since.
    pub altered: PerSide<u64>,
    /// How far each side had come at the end of the last sync, and how far it has come now.
    pub numbers: PerSide<Option<(Numbers, Numbers)>>,
}

/// How far a side has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The next number that it gives a row; 0 where it numbers none.
    pub next: u64,
    /// Its rows.
    pub rows: u64,
    /// When any of them was last written, where that is known.
    pub newest: Option<NaiveDateTime>,
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
    /// A side has changed every row since the last sync.
    EverythingChanged {
        /// Which.
        side: Side,
        /// How many rows.
        rows: u64,
    },
    /// A side is back where it was before the last sync, as after a restore.
    BackInTime {
        /// Which.
        side: Side,
        /// The next number that it would have given a row then.
        then: u64,
        /// And now.
        now: u64,
    },
    /// The same, as told by when rows were last written.
    OlderRows {
        /// Which.
        side: Side,
    },
}

/// Tables below this many rows are exempt from the share of deletions.
pub const SMALL_TABLE: u64 = 100;

/// How far the clocks of those who write may be apart.
const CLOCKS: TimeDelta = TimeDelta::minutes(1);

/// Refuses a plan that deletes because a side is empty (at any size), or more than `max_percent` of a table of at least
/// [`SMALL_TABLE`] rows; one that carries on what every row of such a table has become at once; and one that follows a side which
/// numbers its rows from further back than it did, or of which the newest row is older than it was, and has no more of them.
pub fn check(intent: &Intent, max_percent: u8) -> Option<Refusal> {
    let found = |rule: &dyn Fn(Side) -> Option<Refusal>| Side::BOTH.into_iter().find_map(rule);
    found(&|side| deletions(intent, side, max_percent))
        .or_else(|| found(&|side| back_in_time(intent, side)))
        .or_else(|| found(&|side| older_rows(intent, side)))
        .or_else(|| found(&|side| everything_changed(intent, side)))
}

fn deletions(intent: &Intent, side: Side, max_percent: u8) -> Option<Refusal> {
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
}

fn everything_changed(intent: &Intent, side: Side) -> Option<Refusal> {
    let rows = intent.known;
    let every = rows >= SMALL_TABLE && intent.altered[side] >= rows;
    let refused = every && intent.writes[side.other()] > 0;
    refused.then_some(Refusal::EverythingChanged { side, rows })
}

fn back_in_time(intent: &Intent, side: Side) -> Option<Refusal> {
    let (then, now) = intent.numbers[side]?;
    let refused = counts_from_further_back(then, now) && intent.writes[side.other()] > 0;
    refused.then_some(Refusal::BackInTime { side, then: then.next, now: now.next })
}

/// A server that was only started anew may have forgotten numbers that it gave to nobody, but no rows.
fn counts_from_further_back(then: Numbers, now: Numbers) -> bool {
    0 < now.next && now.next < then.next && now.rows < then.rows
}

/// Whether a side may have gone back in time, whatever follows from it in this run: then what it was counts on.
pub fn may_be_back(then: Numbers, now: Numbers) -> bool {
    let older = now.newest.zip(then.newest).is_some_and(|(now, then)| now < then - CLOCKS);
    counts_from_further_back(then, now) || older && now.rows <= then.rows
}

/// Who changes a row dates it anew; rows that have changed while the newest date went back have changed back. Deletions alone
/// prove nothing: the newest row may be among them.
fn older_rows(intent: &Intent, side: Side) -> Option<Refusal> {
    let (then, now) = intent.numbers[side]?;
    let older = now.newest? < then.newest? - CLOCKS;
    let there = then.rows >= SMALL_TABLE && now.rows <= then.rows;
    let carried = intent.writes[side.other()].saturating_sub(intent.deletes[side.other()]);
    (older && there && carried > 0).then_some(Refusal::OlderRows { side })
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn intent(remote: u64, local: u64, deletes_on_local: u64) -> Intent {
        let (rows, deletes) = (PerSide::new(remote, local), PerSide::new(0, deletes_on_local));
        Intent { rows, deletes, writes: deletes, ..Intent::default() }
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

    #[test]
    fn a_side_that_changed_every_row_is_asked_about() {
        let altered = |known: u64, altered: u64, writes: u64| {
            let intent = Intent {
                rows: PerSide::new(known, known),
                writes: PerSide::new(0, writes),
                known,
                altered: PerSide::new(altered, 0),
                ..Intent::default()
            };
            check(&intent, 50)
        };
        let refusal = Refusal::EverythingChanged { side: Side::Remote, rows: 100 };
        assert_eq!(altered(100, 100, 100), Some(refusal));
        assert_eq!(altered(100, 99, 99), None);
        assert_eq!(altered(99, 99, 99), None);
        assert_eq!(altered(100, 100, 0), None, "the other side changed them alike");
    }

    #[test]
    fn a_side_that_counts_from_further_back_is_asked_about() {
        let back = |then: (u64, u64), now: (u64, u64), writes: u64| {
            let numbers = |(next, rows): (u64, u64)| Numbers { next, rows, newest: None };
            let intent = Intent {
                rows: PerSide::new(now.1, then.1),
                writes: PerSide::new(0, writes),
                numbers: PerSide::new(Some((numbers(then), numbers(now))), None),
                ..Intent::default()
            };
            check(&intent, 50)
        };
        let refusal = Refusal::BackInTime { side: Side::Remote, then: 9, now: 5 };
        assert_eq!(back((9, 8), (5, 4), 4), Some(refusal));
        assert_eq!(back((9, 8), (5, 4), 0), None, "nothing would follow from it");
        assert_eq!(back((9, 8), (9, 4), 4), None, "rows were deleted");
        assert_eq!(back((9, 4), (5, 8), 4), None, "it has come further");
        assert_eq!(back((9, 8), (5, 8), 4), None, "it was only started anew");
        assert_eq!(back((9, 8), (0, 4), 4), None, "it numbers no rows any more");
    }

    #[test]
    fn a_side_of_which_the_newest_row_is_older_is_asked_about() {
        let minute = |minute: u32| {
            NaiveDate::from_ymd_opt(2026, 1, 6).and_then(|day| day.and_hms_opt(14, minute, 0))
        };
        let back = |then: (u32, u64), now: (Option<u32>, u64), writes: u64, deletes: u64| {
            let numbers = |newest, rows| Some(Numbers { next: 0, rows, newest });
            let (then, now) = (numbers(minute(then.0), then.1), now);
            let now = numbers(now.0.and_then(minute), now.1);
            let intent = Intent {
                rows: PerSide::new(150, 150),
                writes: PerSide::new(0, writes),
                deletes: PerSide::new(0, deletes),
                numbers: PerSide::new(then.zip(now), None),
                ..Intent::default()
            };
            check(&intent, 50)
        };
        let refusal = Refusal::OlderRows { side: Side::Remote };
        assert_eq!(back((9, 150), (Some(5), 150), 3, 2), Some(refusal));
        assert_eq!(back((9, 150), (Some(5), 150), 2, 2), None, "the newest row was deleted");
        assert_eq!(back((9, 150), (Some(9), 150), 3, 2), None, "it is as new");
        assert_eq!(back((9, 150), (Some(8), 150), 3, 2), None, "clocks differ");
        assert_eq!(back((9, 150), (Some(5), 151), 3, 2), None, "it has come further");
        assert_eq!(back((9, 99), (Some(5), 99), 3, 2), None, "a small table");
        assert_eq!(back((9, 150), (None, 150), 3, 2), None, "it does not say");
    }
}
