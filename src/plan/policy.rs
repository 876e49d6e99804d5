//! What is done about a change: direction × type × strategy.
//!
//! [`super::merge`] says what happened; here it becomes at most one write on one side, what becomes
//! of the base entry, and what is written down for people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::merge::{Change, ConflictKind, Entry, Present, Write};
use crate::model::Side;

/// Which way rows may travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// Both ways.
    Both,
    /// REMOTE is the source, LOCAL the target.
    RemoteToLocal,
    /// LOCAL is the source, REMOTE the target.
    LocalToRemote,
}

/// How much of a table a run looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SyncType {
    /// Every row; one way it makes the target a mirror.
    Full,
    /// What a capture proposes.
    Incremental,
}

/// Who wins a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Strategy {
    /// REMOTE's state is copied.
    RemoteWins,
    /// LOCAL's state is copied.
    LocalWins,
    /// Both stay as they are.
    Skip,
    /// Both stay as they are until a person decides.
    Manual,
}

/// The text is none of an enumeration's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName;

macro_rules! named {
    ($type:ty { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, as users write it.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// As users write it and as it stands in our tables.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            /// Reads the name in any letter case.
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text.trim().to_ascii_uppercase().as_str() {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(UnknownName),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named!(Direction { Both => "BOTH", RemoteToLocal => "REMOTE_TO_LOCAL", LocalToRemote => "LOCAL_TO_REMOTE" });
named!(SyncType { Full => "FULL", Incremental => "INCREMENTAL" });
named!(Strategy { RemoteWins => "REMOTE_WINS", LocalWins => "LOCAL_WINS", Skip => "SKIP", Manual => "MANUAL" });

impl Direction {
    /// The only side that is written, or `None` where both are.
    pub fn target(self) -> Option<Side> {
        match self {
            Self::Both => None,
            Self::RemoteToLocal => Some(Side::Local),
            Self::LocalToRemote => Some(Side::Remote),
        }
    }

    /// The passes of a run in this direction, by the side that each writes, LOCAL first.
    pub fn passes(self) -> Vec<Side> {
        self.target().map_or_else(|| vec![Side::Local, Side::Remote], |target| vec![target])
    }

    /// The direction of the pass that writes this side.
    pub fn pass_to(target: Side) -> Self {
        match target {
            Side::Local => Self::RemoteToLocal,
            Side::Remote => Self::LocalToRemote,
        }
    }
}

impl Strategy {
    /// The side that wins, if one does.
    pub fn winner(self) -> Option<Side> {
        match self {
            Self::RemoteWins => Some(Side::Remote),
            Self::LocalWins => Some(Side::Local),
            Self::Skip | Self::Manual => None,
        }
    }
}

/// The settings that decide for one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// Which way rows may travel.
    pub direction: Direction,
    /// Whether a one-way run repairs its target.
    pub sync_type: SyncType,
    /// Who wins a conflict.
    pub strategy: Strategy,
}

impl Policy {
    /// What every installation begins with.
    pub const USUAL: Self = Self {
        direction: Direction::Both,
        sync_type: SyncType::Incremental,
        strategy: Strategy::RemoteWins,
    };

    /// What this says otherwise than [`Self::USUAL`], and the other in all else.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        let Self { direction, sync_type, strategy } = self;
        let usual = Self::USUAL;
        Self {
            direction: if direction == usual.direction { other.direction } else { direction },
            sync_type: if sync_type == usual.sync_type { other.sync_type } else { sync_type },
            strategy: if strategy == usual.strategy { other.strategy } else { strategy },
        }
    }

    /// Whether tables of which nothing identifies the rows can be synced: they are counted, one way and in full.
    pub fn takes_bags(self) -> bool {
        self.direction.target().is_some() && self.sync_type == SyncType::Full
    }
}

/// What becomes of a key's base entry once the decision is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BaseStep {
    /// It stays (or stays missing), so that the key is met again.
    Keep,
    /// It becomes what both sides hold then.
    Record,
    /// It goes.
    Forget,
    /// It becomes what it was when the write that is taken back was decided.
    Restore(Option<Entry>),
}

/// A conflict as it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conflict {
    /// What both sides did.
    pub kind: ConflictKind,
    /// Who wins; `None` where nobody does.
    pub winner: Option<Side>,
    /// Whether it waits for a person.
    pub pending: bool,
}

/// What is done about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The side that is written, and how.
    pub write: Option<(Side, Write)>,
    /// What becomes of the base entry.
    pub base: BaseStep,
    /// What is written into `db_sync_conflict`.
    pub conflict: Option<Conflict>,
    /// Whether the row is left different and somebody should look (exit status 3).
    pub skipped: bool,
}

impl Decision {
    const NOTHING: Self =
        Self { write: None, base: BaseStep::Keep, conflict: None, skipped: false };

    /// A row is written because a person says so; what the base says of it is for the next look to find.
    pub fn put(to: Side, write: Write) -> Self {
        Self { write: Some((to, write)), ..Self::NOTHING }
    }

    /// A write of a run is taken back, and with it what the base learned from it.
    pub fn take_back(to: Side, write: Write, base: Option<Entry>) -> Self {
        Self { write: Some((to, write)), base: BaseStep::Restore(base), ..Self::NOTHING }
    }

    fn base(base: BaseStep) -> Self {
        Self { base, ..Self::NOTHING }
    }

    fn write(to: Side, write: Write) -> Self {
        let base = if write == Write::Delete { BaseStep::Forget } else { BaseStep::Record };
        Self { write: Some((to, write)), base, ..Self::NOTHING }
    }

    /// Whether there is nothing to do, to record or to remember.
    pub fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }
}

impl Policy {
    /// Decides about one change. `None` where nobody has compared the rows yet.
    ///
    /// `now` is what the merge saw: it tells an update from an insert when the winner's state is copied.
    pub fn decide(self, change: Change, now: Present) -> Option<Decision> {
        Some(match change {
            Change::Undecided(_) => return None,
            Change::None => Decision::NOTHING,
            Change::Gone => Decision::base(BaseStep::Forget),
            Change::Converged => Decision::base(BaseStep::Record),
            Change::OneSided { from, write } => match self.direction.target() {
                Some(target) if target == from => self.drift(target, now),
                _ => Decision::write(from.other(), write),
            },
            Change::Conflict(kind) => self.conflict(kind, now),
        })
    }

    /// A change made on the target of a one-way run alone.
    fn drift(self, target: Side, now: Present) -> Decision {
        if self.sync_type == SyncType::Incremental {
            return Decision::NOTHING;
        }
        match self.strategy {
            Strategy::Skip => Decision { skipped: true, ..Decision::NOTHING },
            Strategy::Manual => Decision {
                conflict: Some(Conflict { kind: ConflictKind::Drift, winner: None, pending: true }),
                skipped: true,
                ..Decision::NOTHING
            },
            _ if self.strategy.winner() == Some(target) => Decision::NOTHING,
            _ => copy_state(target.other(), now),
        }
    }

    /// Both sides changed the row, differently.
    fn conflict(self, kind: ConflictKind, now: Present) -> Decision {
        let winner = self.strategy.winner();
        let pending = self.strategy == Strategy::Manual;
        let conflict = Some(Conflict { kind, winner, pending });
        let writable = |side| self.direction.target().is_none_or(|target| target == side);
        match winner {
            Some(winner) if writable(winner.other()) => {
                Decision { conflict, ..copy_state(winner, now) }
            }
            Some(_) => Decision { conflict, ..Decision::NOTHING },
            None => Decision { conflict, skipped: true, ..Decision::NOTHING },
        }
    }
}

/// Makes the other side hold what `winner` holds.
fn copy_state(winner: Side, now: Present) -> Decision {
    let loser = winner.other();
    match (now[winner], now[loser]) {
        (None, None) => Decision::base(BaseStep::Forget),
        (None, Some(_)) => Decision::write(loser, Write::Delete),
        (Some(_), None) => Decision::write(loser, Write::Insert),
        (Some(_), Some(_)) => Decision::write(loser, Write::Update),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::model::PerSide;
    use crate::plan::merge::{Entry, merge};

    /// One key in a world without servers: what each side holds (any two equal numbers are equal rows) and what the base says.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct World {
        sides: PerSide<Option<u64>>,
        base: Option<Entry>,
    }

    /// What one run does to the world, and its decision.
    fn run(world: World, policy: Policy) -> (World, Decision) {
        let World { mut sides, mut base } = world;
        let equal = sides.remote.is_some() && sides.remote == sides.local;
        let change = merge(base, sides, Some(equal));
        let decision = policy.decide(change, sides).expect("the rows were compared");
        if let Some((to, write)) = decision.write {
            let copied = sides[to.other()];
            assert_eq!(
                write == Write::Delete,
                copied.is_none(),
                "a deletion follows a missing row"
            );
            assert_eq!(write == Write::Insert, sides[to].is_none(), "an insert meets no row");
            sides[to] = copied;
        }
        match decision.base {
            BaseStep::Keep => {}
            BaseStep::Restore(entry) => base = entry,
            BaseStep::Forget => base = None,
            BaseStep::Record => {
                let (remote, local) = (sides.remote, sides.local);
                base = remote.zip(local).map(|(remote, local)| Entry { remote, local });
            }
        }
        (World { sides, base }, decision)
    }

    fn policies() -> Vec<Policy> {
        let mut all = Vec::new();
        for direction in [Direction::Both, Direction::RemoteToLocal, Direction::LocalToRemote] {
            for sync_type in [SyncType::Full, SyncType::Incremental] {
                for strategy in
                    [Strategy::RemoteWins, Strategy::LocalWins, Strategy::Skip, Strategy::Manual]
                {
                    all.push(Policy { direction, sync_type, strategy });
                }
            }
        }
        all
    }

    /// Every base × REMOTE × LOCAL: absent, as the base has it, changed alike, changed differently.
    fn worlds() -> Vec<World> {
        let held = [None, Some(1), Some(2), Some(3)];
        let bases = [None, Some(Entry { remote: 1, local: 1 })];
        let mut all = Vec::new();
        for base in bases {
            for remote in held {
                for local in held {
                    all.push(World { sides: PerSide::new(remote, local), base });
                }
            }
        }
        all
    }

    #[test]
    fn a_second_run_writes_nothing() {
        for policy in policies() {
            for world in worlds() {
                let (once, first) = run(world, policy);
                let (twice, second) = run(once, policy);
                assert_eq!(second.write, None, "{world:?} {policy:?}");
                assert_eq!((twice.sides, first.skipped), (once.sides, second.skipped));
            }
        }
    }

    #[test]
    fn both_ways_with_a_winner_makes_the_sides_equal() {
        for policy in policies() {
            let decided = policy.strategy.winner().is_some();
            if policy.direction == Direction::Both && decided {
                for world in worlds() {
                    let (after, _) = run(world, policy);
                    assert_eq!(after.sides.remote, after.sides.local, "{world:?} {policy:?}");
                }
            }
        }
    }

    #[test]
    fn one_way_never_writes_its_source_and_full_makes_a_mirror() {
        for policy in policies() {
            let Some(target) = policy.direction.target() else { continue };
            let source = target.other();
            for world in worlds() {
                let (after, _) = run(world, policy);
                assert_eq!(after.sides[source], world.sides[source], "{world:?} {policy:?}");
                if policy.sync_type == SyncType::Full && policy.strategy.winner() == Some(source) {
                    assert_eq!(after.sides[target], after.sides[source], "{world:?} {policy:?}");
                }
            }
        }
    }

    #[test]
    fn without_a_base_both_ways_deletes_nothing() {
        for policy in policies().into_iter().filter(|policy| policy.direction == Direction::Both) {
            for world in worlds().into_iter().filter(|world| world.base.is_none()) {
                let (_, decision) = run(world, policy);
                assert!(
                    !matches!(decision.write, Some((_, Write::Delete))),
                    "{world:?} {policy:?}"
                );
            }
        }
    }

    #[test]
    fn what_both_changed_differently_is_always_written_down() {
        for policy in policies() {
            for world in worlds() {
                let (_, decision) = run(world, policy);
                let now = world.sides;
                let was = |side: Side| world.base.map(|base| base[side]);
                let both = Side::BOTH.iter().all(|side| now[*side] != was(*side));
                let conflict = both && now.remote != now.local;
                let told =
                    decision.conflict.is_some_and(|conflict| conflict.kind != ConflictKind::Drift);
                assert_eq!(told, conflict, "{world:?} {policy:?}");
            }
        }
    }

    #[test]
    fn swapping_the_sides_swaps_the_outcome() {
        let swap = |pair: PerSide<Option<u64>>| PerSide::new(pair.local, pair.remote);
        for policy in policies() {
            let mirrored = Policy {
                direction: match policy.direction {
                    Direction::Both => Direction::Both,
                    Direction::RemoteToLocal => Direction::LocalToRemote,
                    Direction::LocalToRemote => Direction::RemoteToLocal,
                },
                strategy: match policy.strategy {
                    Strategy::RemoteWins => Strategy::LocalWins,
                    Strategy::LocalWins => Strategy::RemoteWins,
                    other => other,
                },
                ..policy
            };
            for world in worlds() {
                let base = world.base.map(|base| Entry { remote: base.local, local: base.remote });
                let (there, _) = run(world, policy);
                let (back, _) = run(World { sides: swap(world.sides), base }, mirrored);
                assert_eq!(swap(there.sides), back.sides, "{world:?} {policy:?}");
            }
        }
    }

    proptest! {
        /// Any history of writes and runs under any policies ends equal after one run both ways with a winner, and every
        /// row that disappeared was either overwritten by its own side or by a write that keeps what it overwrites.
        #[test]
        fn any_history_converges(
            steps in proptest::collection::vec((0_usize..24, any::<bool>(), proptest::option::of(1_u64..6)), 0..30),
        ) {
            let policies = policies();
            let mut world = World { sides: PerSide::new(None, None), base: None };
            for (policy, on_remote, row) in steps {
                let side = if on_remote { Side::Remote } else { Side::Local };
                world.sides[side] = row;
                world = run(world, policies[policy]).0;
            }
            let last = Policy { direction: Direction::Both, sync_type: SyncType::Full, strategy: Strategy::LocalWins };
            let (after, _) = run(world, last);
            prop_assert_eq!(after.sides.remote, after.sides.local);
            prop_assert_eq!(run(after, last).1.write, None);
        }
    }

    #[test]
    fn names_are_read_in_any_letter_case() {
        assert_eq!("remote_to_local".parse(), Ok(Direction::RemoteToLocal));
        assert_eq!(" Full ".parse(), Ok(SyncType::Full));
        assert_eq!("nobody".parse::<Strategy>(), Err(UnknownName));
    }
}
