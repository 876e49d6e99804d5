//! The three-way merge: what happened to one key, on one page.
//!
//! It sees what each side holds now and what each held after the last sync (the base), as signatures,
//! and, only where both sides changed, whether the two rows mean the same. What is then done about it
//! is [`super::policy`]'s business.

use serde::{Deserialize, Serialize};

use crate::model::{PerSide, Side, Signature};

/// What one key held on each side after the last sync.
pub type Entry = PerSide<Signature>;

/// What one key holds on each side now; `None` where the row is absent.
pub type Present = PerSide<Option<Signature>>;

/// What is written to make one side follow the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Write {
    /// The row comes into being.
    Insert,
    /// The row takes the other side's cells.
    Update,
    /// The row goes.
    Delete,
}

/// How both sides changed the same key: what REMOTE did, then what LOCAL did; or which rule between
/// rows a change would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConflictKind {
    /// Both changed the row.
    #[serde(rename = "update/update")]
    UpdateUpdate,
    /// REMOTE deleted what LOCAL changed.
    #[serde(rename = "delete/update")]
    DeleteUpdate,
    /// REMOTE changed what LOCAL deleted.
    #[serde(rename = "update/delete")]
    UpdateDelete,
    /// Both have a row of which the base knows nothing, and the rows differ.
    #[serde(rename = "insert/insert")]
    InsertInsert,
    /// A one-way FULL met a change made on its target alone.
    #[serde(rename = "drift")]
    Drift,
    /// Another row has the same value in a unique key.
    #[serde(rename = "unique")]
    Unique,
    /// A row refers to a parent that is gone, or a parent that should go still has children.
    #[serde(rename = "parent")]
    Parent,
}

impl ConflictKind {
    /// As it stands in `db_sync_conflict.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpdateUpdate => "update/update",
            Self::DeleteUpdate => "delete/update",
            Self::UpdateDelete => "update/delete",
            Self::InsertInsert => "insert/insert",
            Self::Drift => "drift",
            Self::Unique => "unique",
            Self::Parent => "parent",
        }
    }
}

/// What happened to one key since the last sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// Neither side changed it.
    None,
    /// It is gone on both sides.
    Gone,
    /// Both sides hold the same new row.
    Converged,
    /// One side alone changed it.
    OneSided {
        /// The side that changed it.
        from: Side,
        /// What the other side has to write to follow.
        write: Write,
    },
    /// Both sides changed it, differently.
    Conflict(ConflictKind),
    /// Both sides hold a changed row: only the rows themselves can tell a conflict of this kind
    /// from convergence.
    Undecided(ConflictKind),
}

/// One side's row, against the base.
enum Since {
    Same,
    Changed,
    Gone,
}

fn since(base: Signature, now: Option<Signature>) -> Since {
    match now {
        None => Since::Gone,
        Some(signature) if signature == base => Since::Same,
        Some(_) => Since::Changed,
    }
}

/// The bits of a signature that columns have which make no conflict, where a table has such columns.
pub const QUIET: u64 = 0xffff;

/// The base as a merge should see it where some columns make no conflict: where both sides changed the row, a side that changed
/// nothing but such columns counts as unchanged; where neither changed more, the loser does.
pub fn quieten(base: Option<Entry>, now: Present, winner: Side) -> Option<Entry> {
    let entry = base?;
    let (Some(remote), Some(local)) = (now.remote, now.local) else { return base };
    let now = Entry { remote, local };
    if entry.remote == now.remote || entry.local == now.local {
        return base;
    }
    let loud = |side: Side| (entry[side] ^ now[side]) & !QUIET != 0;
    let unchanged = match (loud(Side::Remote), loud(Side::Local)) {
        (true, true) => return base,
        (true, false) => Side::Local,
        (false, true) => Side::Remote,
        (false, false) => winner.other(),
    };
    let mut quiet = entry;
    quiet[unchanged] = now[unchanged];
    Some(quiet)
}

/// What a run that did not come to its end was about to do, or has done, to a row of REMOTE: it had written this down before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What the base said when that was decided.
    pub base: Option<Entry>,
    /// What REMOTE holds if it was done; `None` for a deletion.
    pub written: Option<Signature>,
}

/// The base as a merge should see it where a run wrote a row of LOCAL's to REMOTE and could not remember it any more. What REMOTE
/// holds is LOCAL's then, as it was: where LOCAL holds something else by now, LOCAL alone has changed the row since.
pub fn continued(
    base: Option<Entry>,
    now: Present,
    equal: Option<bool>,
    attempt: Attempt,
) -> Option<Entry> {
    if attempt.base != base || attempt.written != now.remote {
        return base;
    }
    match (now.remote, now.local) {
        (None, None) => base,
        // That run has deleted what LOCAL had deleted, and LOCAL has a new row.
        (None, Some(_)) => None,
        (Some(remote), None) => Some(Entry { remote, local: 0 }),
        (Some(remote), Some(local)) => {
            // Most often nobody has changed anything since: then both rows are the same.
            let changed_back = base.is_some_and(|base| base.local == local);
            let differ = equal == Some(false) || equal.is_none() && changed_back;
            if differ { Some(Entry { remote, local: !local }) } else { base }
        }
    }
}

/// Decides what happened to one key.
///
/// `equal` says whether the two rows mean the same; `None` where nobody has looked yet, and then the
/// answer may be [`Change::Undecided`].
pub fn merge(base: Option<Entry>, now: Present, equal: Option<bool>) -> Change {
    use Since::{Changed, Gone, Same};
    use Write::{Delete, Insert, Update};

    let one_sided = |from, write| Change::OneSided { from, write };
    let both_changed = |kind| match equal {
        Some(true) => Change::Converged,
        Some(false) => Change::Conflict(kind),
        None => Change::Undecided(kind),
    };

    let Some(base) = base else {
        return match (now.remote, now.local) {
            (None, None) => Change::None,
            (Some(_), None) => one_sided(Side::Remote, Insert),
            (None, Some(_)) => one_sided(Side::Local, Insert),
            (Some(_), Some(_)) => both_changed(ConflictKind::InsertInsert),
        };
    };
    match (since(base.remote, now.remote), since(base.local, now.local)) {
        (Same, Same) => Change::None,
        (Changed, Same) => one_sided(Side::Remote, Update),
        (Gone, Same) => one_sided(Side::Remote, Delete),
        (Same, Changed) => one_sided(Side::Local, Update),
        (Same, Gone) => one_sided(Side::Local, Delete),
        (Gone, Gone) => Change::Gone,
        (Changed, Changed) => both_changed(ConflictKind::UpdateUpdate),
        (Gone, Changed) => Change::Conflict(ConflictKind::DeleteUpdate),
        (Changed, Gone) => Change::Conflict(ConflictKind::UpdateDelete),
    }
}

#[cfg(test)]
mod tests {
    use super::Change::{Conflict, Converged, Gone, OneSided, Undecided};
    use super::ConflictKind::{DeleteUpdate, InsertInsert, UpdateDelete, UpdateUpdate};
    use super::Side::{Local, Remote};
    use super::Write::{Delete, Insert, Update};
    use super::*;

    const BASE: Option<Entry> = Some(Entry { remote: 1, local: 2 });
    const SAME: Present = Present { remote: Some(1), local: Some(2) };

    fn one(from: Side, write: Write) -> Change {
        OneSided { from, write }
    }

    /// A run has copied LOCAL's row 8 to REMOTE as 7 and died.
    #[test]
    fn what_a_dead_run_wrote_is_local_s() {
        let after = |base, attempt: Attempt, now: Present, equal| {
            merge(continued(base, now, equal, attempt), now, equal)
        };
        let now = |remote: Option<u64>, local: Option<u64>| Present { remote, local };
        for base in [BASE, None] {
            let copied = Attempt { base, written: Some(7) };
            let kind = if base.is_some() { UpdateUpdate } else { InsertInsert };
            let told = |now, equal| after(base, copied, now, equal);
            assert_eq!(told(now(Some(7), Some(8)), None), Undecided(kind));
            assert_eq!(told(now(Some(7), Some(8)), Some(true)), Converged);
            assert_eq!(told(now(Some(7), Some(9)), Some(false)), one(Local, Update));
            assert_eq!(told(now(Some(7), None), None), one(Local, Delete));
            // REMOTE was not written, or was changed since.
            let other = now(Some(6), Some(9));
            assert_eq!(told(other, Some(false)), merge(base, other, Some(false)));
            // Another run has remembered something since.
            let later = Some(Entry { remote: 5, local: 5 });
            let now = now(Some(7), None);
            assert_eq!(after(later, copied, now, None), merge(later, now, None));
        }
        let copied = Attempt { base: BASE, written: Some(7) };
        assert_eq!(after(BASE, copied, now(Some(7), SAME.local), None), one(Local, Update));
        let deleted = Attempt { base: BASE, written: None };
        assert_eq!(after(BASE, deleted, now(None, None), None), Gone);
        assert_eq!(after(BASE, deleted, now(None, Some(9)), None), one(Local, Insert));
        assert_eq!(after(BASE, deleted, now(None, SAME.local), None), one(Local, Insert));
        assert_eq!(after(BASE, deleted, SAME, None), Change::None);
    }

    /// The whole truth table: base × remote × local × whether the rows are equal.
    #[test]
    fn the_truth_table() {
        let absent: Option<u64> = None;
        let new = Some(9);
        #[rustfmt::skip]
        let table = [
            // base  remote       local        equal rows      different rows          nobody looked
            (BASE,   SAME.remote, SAME.local, [Change::None,   Change::None,           Change::None]),
            (BASE,   new,         SAME.local, [one(Remote, Update); 3]),
            (BASE,   absent,      SAME.local, [one(Remote, Delete); 3]),
            (BASE,   SAME.remote, new,        [one(Local, Update); 3]),
            (BASE,   SAME.remote, absent,     [one(Local, Delete); 3]),
            (BASE,   absent,      absent,     [Gone; 3]),
            (BASE,   new,         new,        [Converged,      Conflict(UpdateUpdate), Undecided(UpdateUpdate)]),
            (BASE,   absent,      new,        [Conflict(DeleteUpdate); 3]),
            (BASE,   new,         absent,     [Conflict(UpdateDelete); 3]),
            (None,   absent,      absent,     [Change::None; 3]),
            (None,   new,         absent,     [one(Remote, Insert); 3]),
            (None,   absent,      new,        [one(Local, Insert); 3]),
            (None,   new,         new,        [Converged,      Conflict(InsertInsert), Undecided(InsertInsert)]),
        ];
        for (base, remote, local, expected) in table {
            let now = Present { remote, local };
            let found = [Some(true), Some(false), None].map(|equal| merge(base, now, equal));
            assert_eq!(found, expected, "base {base:?}, now {now:?}");
        }
    }

    #[test]
    fn columns_that_make_no_conflict() {
        let base = Some(Entry { remote: 0x1_0000, local: 0x2_0000 });
        let changed = |remote: u64, local: u64| {
            let now = Present { remote: Some(remote), local: Some(local) };
            merge(quieten(base, now, Remote), now, None)
        };
        let (quiet, loud) = (0x7, 0x7_0000);
        assert_eq!(changed(0x1_0000 + quiet, 0x2_0000 + loud), one(Local, Update));
        assert_eq!(changed(0x1_0000 + loud, 0x2_0000 + quiet), one(Remote, Update));
        assert_eq!(changed(0x1_0000 + quiet, 0x2_0000 + quiet), one(Remote, Update));
        assert_eq!(changed(0x1_0000 + loud, 0x2_0000 + loud), Undecided(UpdateUpdate));
        assert_eq!(changed(0x1_0000, 0x2_0000 + quiet), one(Local, Update));
        let gone = Present { remote: None, local: Some(0x2_0000 + quiet) };
        assert_eq!(merge(quieten(base, gone, Remote), gone, None), Conflict(DeleteUpdate));
    }

    #[test]
    fn swapping_the_sides_swaps_the_answer() {
        let swap = |change| match change {
            OneSided { from, write } => OneSided { from: from.other(), write },
            Conflict(DeleteUpdate) => Conflict(UpdateDelete),
            Conflict(UpdateDelete) => Conflict(DeleteUpdate),
            other => other,
        };
        let states = [None, Some(1), Some(2), Some(3)];
        for base in [None, BASE] {
            for remote in states {
                for local in states {
                    for equal in [None, Some(true), Some(false)] {
                        let there = merge(base, Present { remote, local }, equal);
                        let mirrored =
                            base.map(|base| Entry { remote: base.local, local: base.remote });
                        let back = merge(mirrored, Present { remote: local, local: remote }, equal);
                        assert_eq!(swap(there), back);
                    }
                }
            }
        }
    }
}
