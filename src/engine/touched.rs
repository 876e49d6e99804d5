//! The rows that a round has written or found moved: they are looked at again.

use std::collections::BTreeMap;

use super::worklist::Item;
use crate::model::Key;

/// Rows that are looked at one by one; of more, digests say where to look.
const FEW: usize = 50_000;

/// The rows that are to be looked at again, by ordinal.
pub enum Touched {
    /// These.
    Rows(BTreeMap<u64, Key>),
    /// Too many to be named, or such as share their place with others: the whole table.
    Many,
}

impl Default for Touched {
    fn default() -> Self {
        Self::Rows(BTreeMap::new())
    }
}

impl Touched {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Rows(rows) if rows.is_empty())
    }

    /// Adds a row.
    pub(super) fn add(&mut self, item: &Item) {
        let Self::Rows(rows) = self else { return };
        let other = rows.insert(item.ordinal, item.key.clone());
        let shared = !item.recorded || other.is_some_and(|other| other != item.key);
        if shared || rows.len() > FEW {
            *self = Self::Many;
        }
    }
}
