//! What is done about a change: direction × type × strategy.
//!
//! [`super::merge`] says what happened; here it becomes at most one write on one side, what becomes
//! of the base entry, and what is written down for people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::merge::{Change, ConflictKind, Present, Write};
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

/// What becomes of a key's base entry once the decision is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BaseStep {
    /// It stays (or stays missing), so that the key is met again.
    Keep,
    /// It becomes what both sides hold then.
    Record,
    /// It goes.
    Forget,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
