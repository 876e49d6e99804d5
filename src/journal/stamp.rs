//! What a base was made from: two databases, a key, and the columns that enter the signatures.

use serde::{Deserialize, Serialize};

use crate::endpoint::sql::FormerColumn;
use crate::model::{KeyForm, PerSide, Side};

/// What is known of a database, by which it is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// What tells it from every other database that is there at the same time.
    pub identity: String,
    /// What it is called there.
    pub name: String,
    /// When the table was made there; empty where unknown.
    pub created: String,
}

impl Origin {
    /// Whether both are the same database. A server that was moved, renamed or put into a new container takes its data along:
    /// then the table is as old as it was, to the second, in a database of the same name. A copy that was restored elsewhere is
    /// younger; that two tables were made in the same second is for a look at their rows to find.
    pub fn is(&self, other: &Self) -> bool {
        let as_old = !self.created.is_empty() && self.created == other.created;
        self.identity == other.identity || self.name == other.name && as_old
    }
}

/// What one side's half of a base was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The database.
    pub origin: Origin,
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
const VERSION: u32 = 5;

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
    /// REMOTE was another database when it was made. LOCAL never was: the base lives there and goes where its rows go.
    Elsewhere,
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
        Some(stored.sides.map(|source| source.origin.identity))
    }

    /// Whether a stored stamp is written as stamps are now; a base with another one counts as none.
    pub fn is_current(stored: &str) -> bool {
        serde_json::from_str::<Self>(stored).is_ok_and(|stored| stored.version == VERSION)
    }

    /// Whether REMOTE is not where it was.
    pub fn has_moved(&self, stored: &str) -> bool {
        let then = Self::databases(stored);
        then.is_some_and(|then| then.remote != self.sides.remote.origin.identity)
    }

    /// How a base with this stored stamp stands.
    pub fn standing(&self, stored: Option<&str>) -> Standing {
        let Some(stored) = stored else { return Standing::None };
        let Ok(stored) = serde_json::from_str::<Self>(stored) else { return Standing::Foreign };
        if !self.sides.remote.origin.is(&stored.sides.remote.origin) {
            return Standing::Elsewhere;
        }
        let same_rows = |side: Side| {
            let (now, then) = (&self.sides[side], &stored.sides[side]);
            now.key == then.key && now.form == then.form
        };
        let signed = |side: Side| {
            let (now, then) = (&self.sides[side], &stored.sides[side]);
            same_rows(side) && now.rule == then.rule && now.columns == then.columns
        };
        if stored.version == VERSION && Side::BOTH.into_iter().all(signed) {
            Standing::Current
        } else if stored.version == VERSION && Side::BOTH.into_iter().all(same_rows) {
            Standing::Former(stored.sides.map(|source| source.columns))
        } else {
            Standing::Foreign
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(identity: &str, name: &str, created: &str) -> Origin {
        let [identity, name, created] = [identity, name, created].map(ToOwned::to_owned);
        Origin { identity, name, created }
    }

    #[test]
    fn a_database_is_known_again_by_what_it_is_or_by_how_old_its_table_is() {
        let then = origin("host-a|shop", "shop", "2026-01-06 14:30:00");
        assert!(then.is(&then));
        assert!(then.is(&origin("host-a|shop", "shop", "2026-03-01 00:00:00")), "altered");
        assert!(then.is(&origin("host-b|shop", "shop", "2026-01-06 14:30:00")), "moved");
        assert!(!then.is(&origin("host-b|shop", "shop", "2026-03-01 00:00:00")), "a copy");
        assert!(!then.is(&origin("host-a|stage", "stage", "2026-01-06 14:30:00")), "a neighbour");
        assert!(!origin("a", "shop", "").is(&origin("b", "shop", "")), "nothing is known");
    }
}
