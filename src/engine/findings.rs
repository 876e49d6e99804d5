//! What the differences between two definitions mean, in sentences; and the first of those that stop as a failure.

use crate::error::{self, SyncError};
use crate::model::{PerSide, Side};
use crate::note::{self, Note};
use crate::plan::schema_match::Difference;

/// What a difference means for the sync.
pub fn sentence(difference: &Difference) -> Note {
    let both = |template, names: &PerSide<String>| {
        Note::new(template).with("remote", &names.remote).with("local", &names.local)
    };
    match difference {
        Difference::Alone { column, on, needed } => {
            let template = if *needed { note::ALONE_NEEDED } else { note::ALONE };
            Note::new(template).with("column", column).with("side", on)
        }
        Difference::Ignored { column, on } => {
            Note::new(note::IGNORED_NEEDED).with("column", column).with("side", on)
        }
        Difference::IgnoredParent { column, on } => {
            Note::new(note::IGNORED_PARENT).with("column", column).with("side", on)
        }
        Difference::Computed { column, on } => {
            Note::new(note::COMPUTED).with("column", column).with("side", on)
        }
        Difference::Keys { keys } => both(note::KEYS, keys),
        Difference::IgnoredKey { key } => Note::new(note::IGNORED_KEY).with("columns", key),
        Difference::NoKey { on } => Note::new(note::NO_KEY).with("side", on),
        Difference::Types { column, types } => both(note::TYPES, types).with("column", column),
        Difference::Narrower { column, types, on } => {
            both(note::NARROWER, types).with("column", column).with("side", on)
        }
        Difference::UniqueAlone { columns, on } => {
            Note::new(note::UNIQUE_ALONE).with("columns", columns).with("side", on)
        }
        Difference::Collation { column, collations, on } => {
            both(note::COLLATION, collations).with("column", column).with("side", on)
        }
        Difference::NoTransactions { on } => Note::new(note::NO_TRANSACTIONS).with("side", on),
        Difference::Triggers { on, touched } if touched.is_empty() => {
            Note::new(note::TRIGGERS).with("side", on)
        }
        Difference::Triggers { on, touched } => {
            Note::new(note::TRIGGERS_ELSEWHERE).with("side", on).with("tables", touched.join(", "))
        }
    }
}

/// Whether every run should tell of a difference, not the check of schemas alone.
pub fn is_told(difference: &Difference) -> bool {
    matches!(
        difference,
        Difference::Alone { .. } | Difference::Computed { .. } | Difference::NoTransactions { .. }
    ) || matches!(difference, Difference::Triggers { touched, .. } if !touched.is_empty())
}

/// The failure that a difference that stops is.
pub fn failure(table: &str, difference: &Difference) -> SyncError {
    let error = match difference {
        Difference::Alone { column, on, .. } => {
            SyncError::new(error::NO_COLUMN).with("column", column).with("side", on.other())
        }
        Difference::Ignored { column, on } => {
            SyncError::new(error::IGNORED_NEEDED).with("column", column).with("side", on)
        }
        Difference::IgnoredParent { column, on } => {
            SyncError::new(error::IGNORED_PARENT).with("column", column).with("side", on)
        }
        Difference::Types { column, types } => SyncError::new(error::TYPES_DIFFER)
            .with("column", column)
            .with("remote", &types.remote)
            .with("local", &types.local),
        Difference::Keys { keys } => SyncError::new(error::KEYS_DIFFER)
            .with("remote", &keys.remote)
            .with("local", &keys.local),
        Difference::IgnoredKey { key } => SyncError::new(error::IGNORED_KEY).with("columns", key),
        Difference::NoKey { on } => SyncError::new(error::NO_KEY).with("side", on),
        _ => SyncError::new(error::STRUCTURE_CHANGED)
            .with("reason", sentence(difference).message)
            .with("side", Side::Local),
    };
    error.with("table", table)
}
