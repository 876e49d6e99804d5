//! What a base was made from: two databases, a key, and the columns that enter the signatures.

use serde::{Deserialize, Serialize};

use crate::endpoint::sql::FormerColumn;
use crate::model::{KeyForm, PerSide, Side};

/// What one side's half of a base was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The database.
    pub database: String,
    /// The key's columns.
    pub key: Vec<String>,
    /// How keys become ordinals.
    pub form: KeyForm,
    /// The rule by which rows are signed.
    pub rule: String,
    /// The columns that enter the signatures.
    pub columns: Vec<FormerColumn>,
}

/// What a base was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// How the base itself is written.
    pub version: u32,
    /// Each side's half.
    pub sides: PerSide<Source>,
}

/// How the base is written now.
const VERSION: u32 = 4;

/// How a stored base stands to what would be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    None,
    /// It says what it says.
    Current,
    /// It is of the same rows, signed by other columns: it can be carried over.
    Former(PerSide<Vec<FormerColumn>>),
    /// It is of other keys, or written otherwise, and counts as none.
    Foreign,
    /// This side was another database when it was made.
    Elsewhere(Side),
}

impl Stamp {
    /// What a base would be made from now.
    pub fn new(sides: PerSide<Source>) -> Self {
        Self { version: VERSION, sides }
    }

    /// As it is stored.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The databases that a stored stamp is of; `None` where it is none.
    pub fn databases(stored: &str) -> Option<PerSide<String>> {
        let stored: Self = serde_json::from_str(stored).ok()?;
        Some(stored.sides.map(|source| source.database))
    }

    /// How a base with this stored stamp stands.
    pub fn standing(&self, stored: Option<&str>) -> Standing {
        let Some(stored) = stored else { return Standing::None };
        let Ok(stored) = serde_json::from_str::<Self>(stored) else { return Standing::Foreign };
        let other = |side: &Side| self.sides[*side].database != stored.sides[*side].database;
        if let Some(side) = Side::BOTH.into_iter().find(other) {
            return Standing::Elsewhere(side);
        }
        let same_rows = |side: Side| {
            let (now, then) = (&self.sides[side], &stored.sides[side]);
            now.key == then.key && now.form == then.form
        };
        if stored == *self {
            Standing::Current
        } else if stored.version == VERSION && Side::BOTH.into_iter().all(same_rows) {
            Standing::Former(stored.sides.map(|source| source.columns))
        } else {
            Standing::Foreign
        }
    }
}
