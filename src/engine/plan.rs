//! What one round will do with one table: the decisions, sorted by what has to be done first.

use std::collections::{HashMap, HashSet};

use super::reviewed::Allowed;
use super::worklist::{Item, Worklist};
use crate::endpoint::sql::table::Span;
use crate::error::Result;
use crate::journal::conflicts::Accepted;
use crate::model::{Key, PerSide, Side};
use crate::plan::merge::{Attempt, Change, Present, Write};
use crate::plan::policy::{BaseStep, Policy, Strategy};
use crate::report::{Conflicts, Written};

/// The writes on one side.
#[derive(Default)]
pub struct Writes {
    /// Rows that go.
    pub deletes: Worklist,
    /// Rows that take new cells.
    pub updates: Worklist,
    /// Rows that come into being.
    pub inserts: Worklist,
}

impl Writes {
    /// The list of one kind of write.
    pub fn of(&mut self, write: Write) -> &mut Worklist {
        match write {
            Write::Delete => &mut self.deletes,
            Write::Update => &mut self.updates,
            Write::Insert => &mut self.inserts,
        }
    }
}

/// What one round will do with one table.
pub struct Plan {
    /// How the table is synced.
    pub policy: Policy,
    /// Whether equal signatures of both sides mean equal rows.
    pub comparable: bool,
    /// Whether some columns make no conflict.
    pub quiet: bool,
    /// What is written on each side.
    pub writes: PerSide<Writes>,
    /// What is left as it is and written down.
    pub left: Worklist,
    /// What only changes the base.
    pub steps: Worklist,
    /// Rows that would be written on each side.
    pub planned: PerSide<Written>,
    /// Conflicts by what is done about them.
    pub conflicts: Conflicts,
    /// Rows left different that somebody should look at.
    pub skipped: u64,
    /// Rows that changed between two looks at them.
    pub moved: u64,
    /// Rows of the base that each side has changed or lost.
    pub altered: PerSide<u64>,
    /// Keys that an earlier round of this run is done with, for better or worse.
    pub done: HashSet<u64>,
    /// What runs that did not come to their end may have done to REMOTE.
    pub attempts: HashMap<Key, Attempt>,
    /// Differences that a person has let the target of a one-way table keep.
    pub accepted: Accepted,
    /// What alone may be written, where somebody has reviewed a plan.
    pub allowed: Option<Allowed>,
    /// Whether what only changes the base is to be done.
    pub for_the_base: bool,
    /// Keys with an open conflict row that this plan has not met yet.
    pub open: HashSet<u64>,
}

impl Plan {
    /// A plan of nothing.
    pub fn new(policy: Policy, comparable: bool, quiet: bool, done: HashSet<u64>) -> Self {
        Self {
            policy,
            comparable,
            quiet,
            writes: PerSide::default(),
            left: Worklist::default(),
            steps: Worklist::default(),
            planned: PerSide::default(),
            conflicts: Conflicts::default(),
            skipped: 0,
            moved: 0,
            altered: PerSide::default(),
            done,
            attempts: HashMap::new(),
            accepted: Accepted::default(),
            allowed: None,
            for_the_base: true,
            open: HashSet::new(),
        }
    }

    /// Takes up a decided item.
    ///
    /// # Errors
    /// `SYS_001` where the temporary folder has no room.
    pub fn put(&mut self, item: &Item) -> Result<()> {
        let was_open = self.open.remove(&item.ordinal);
        let Some(decision) = item.decision else { return Ok(()) };
        if decision.is_nothing() {
            // Both sides went back to what the base says: the conflict is over.
            let over = was_open && item.change == Change::None;
            return if over { self.steps.push(item) } else { Ok(()) };
        }
        if self.done.contains(&item.ordinal) {
            return Ok(());
        }
        if decision.skipped && self.accepted.covers(item.ordinal, item.now) {
            return Ok(());
        }
        if let (Some((to, write)), Some(allowed)) = (decision.write, &mut self.allowed)
            && !allowed.takes(item, to, write)
        {
            return Ok(());
        }
        if let (None, Some(allowed)) = (decision.write, &mut self.allowed)
            && (decision.conflict.is_some() || decision.skipped)
        {
            // A plan lists what is written; what waits for a person is for a sync to write down.
            allowed.unknown = true;
            return Ok(());
        }
        if let Some(conflict) = decision.conflict {
            count(&mut self.conflicts, conflict.winner, self.policy.strategy);
        }
        self.skipped += u64::from(decision.skipped);
        match decision.write {
            Some((to, write)) => {
                let planned = &mut self.planned[to];
                *match write {
                    Write::Insert => &mut planned.inserted,
                    Write::Update => &mut planned.updated,
                    Write::Delete => &mut planned.deleted,
                } += 1;
                self.writes[to].of(write).push(item)
            }
            None if decision.conflict.is_some() || decision.skipped => self.left.push(item),
            None if decision.base != BaseStep::Keep && self.for_the_base => self.steps.push(item),
            None => Ok(()),
        }
    }

    /// Takes note that neither side nor the base knows anything of the keys with open conflicts within these spans that
    /// were not met: those conflicts are over.
    ///
    /// # Errors
    /// `SYS_001` where the temporary folder has no room.
    pub fn close_unmet(&mut self, spans: &[Span]) -> Result<()> {
        let within = |ordinal: &u64| spans.iter().any(|span| span.contains(ordinal));
        for ordinal in std::mem::take(&mut self.open).into_iter().filter(within) {
            self.steps.push(&Item {
                ordinal,
                key: Key(Vec::new()),
                base: None,
                now: Present::default(),
                change: Change::None,
                decision: None,
                recorded: false,
                kept: None,
            })?;
        }
        Ok(())
    }

    /// Whether nothing is written, on either side or in the base.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty() && self.steps.is_empty() && self.writes_nothing()
    }

    /// Whether no synced row is written.
    pub fn writes_nothing(&self) -> bool {
        Side::BOTH.iter().all(|side| self.planned[*side].total() == 0)
    }
}

fn count(conflicts: &mut Conflicts, winner: Option<Side>, strategy: Strategy) {
    conflicts.detected += 1;
    *match (winner, strategy) {
        (Some(Side::Remote), _) => &mut conflicts.remote_wins,
        (Some(Side::Local), _) => &mut conflicts.local_wins,
        (None, Strategy::Manual) => &mut conflicts.manual,
        (None, _) => &mut conflicts.skipped,
    } += 1;
}
