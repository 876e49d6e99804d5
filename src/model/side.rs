//! The two sides that are kept the same.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// One of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Side {
    /// The database that is far away.
    Remote,
    /// The database that is near, and that holds our own tables.
    Local,
}

impl Side {
    /// Both sides, REMOTE first.
    pub const BOTH: [Self; 2] = [Self::Remote, Self::Local];

    /// The opposite side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Remote => Self::Local,
            Self::Local => Self::Remote,
        }
    }

    /// `REMOTE` or `LOCAL`, as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remote => "REMOTE",
            Self::Local => "LOCAL",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The same thing once for each side, asked for by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerSide<T> {
    /// What belongs to [`Side::Remote`].
    pub remote: T,
    /// What belongs to [`Side::Local`].
    pub local: T,
}

impl<T> PerSide<T> {
    /// Pairs what belongs to each side.
    pub fn new(remote: T, local: T) -> Self {
        Self { remote, local }
    }

    /// The same question asked of both sides.
    pub fn map<U>(self, mut question: impl FnMut(T) -> U) -> PerSide<U> {
        PerSide { remote: question(self.remote), local: question(self.local) }
    }

    /// Both by reference.
    pub fn as_ref(&self) -> PerSide<&T> {
        PerSide { remote: &self.remote, local: &self.local }
    }
}

impl<T> Index<Side> for PerSide<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Remote => &self.remote,
            Side::Local => &self.local,
        }
    }
}

impl<T> IndexMut<Side> for PerSide<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Remote => &mut self.remote,
            Side::Local => &mut self.local,
        }
    }
}
