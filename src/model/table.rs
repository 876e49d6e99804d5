//! A table's definition, as far as a sync must know it.

use serde::{Deserialize, Serialize};

use super::key::KeyPart;

/// What a column can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Whole numbers; BOOL is an 8-bit one.
    Int {
        /// 8, 16, 24, 32 or 64.
        bits: u8,
        /// Whether it starts at zero.
        unsigned: bool,
    },
    /// BIT(n), n bits.
    Bit(u8),
    /// YEAR.
    Year,
    /// DECIMAL(precision, scale).
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// SQLite's NUMERIC affinity: integers of 64 bits and doubles, whatever the declaration says.
    Numeric,
    /// Four-byte floating point.
    Float,
    /// Eight-byte floating point.
    Double,
    /// Text.
    Text {
        /// The most characters it takes; `None` where only bytes are counted.
        chars: Option<u64>,
        /// The most bytes it takes, where the type says so.
        bytes: Option<u64>,
        /// CHAR: the server drops spaces at its end.
        fixed: bool,
    },
    /// Bytes.
    Bytes {
        /// The most it takes.
        max: Option<u64>,
        /// BINARY: the server fills up with zero bytes.
        fixed: bool,
    },
    /// DATE.
    Date,
    /// DATETIME(fraction).
    DateTime {
        /// Digits behind the second.
        fraction: u8,
    },
    /// TIMESTAMP(fraction), read and written in UTC.
    Timestamp {
        /// Digits behind the second.
        fraction: u8,
    },
    /// TIME(fraction).
    Time {
        /// Digits behind the second.
        fraction: u8,
    },
    /// ENUM, by label.
    Enum(Vec<String>),
    /// SET, by labels.
    Set(Vec<String>),
    /// JSON.
    Json {
        /// MySQL's binary form, which re-spells documents and turns large integers into doubles.
        binary: bool,
    },
    /// MariaDB's UUID.
    Uuid,
    /// MariaDB's INET4 and INET6.
    Inet,
    /// GEOMETRY and its kinds, and VECTOR: their own bytes, as the servers keep them.
    Raw,
    /// A type that the engine has no exact form for; its name stands in [`Column::declared`].
    Unknown,
}

impl Kind {
    /// How this kind is written where a key is hashed; `None` where it cannot identify a row.
    pub fn key_part(&self) -> Option<KeyPart> {
        Some(match self {
            Self::Int { .. } | Self::Bit(_) | Self::Year => KeyPart::Int,
            // A SET is shown with its labels in alphabetical order, but its server hashes them as they are declared.
            Self::Set(labels) if !labels.is_sorted() => return None,
            Self::Text { .. } | Self::Enum(_) | Self::Set(_) | Self::Inet => KeyPart::Text,
            Self::Bytes { .. } => KeyPart::Bytes,
            Self::Decimal { .. } | Self::Numeric => KeyPart::Decimal,
            Self::Date => KeyPart::Date,
            Self::DateTime { .. } | Self::Timestamp { .. } => KeyPart::DateTime,
            Self::Time { .. } => KeyPart::Time,
            Self::Uuid => KeyPart::Uuid,
            Self::Float | Self::Double | Self::Json { .. } | Self::Raw | Self::Unknown => {
                return None;
            }
        })
    }
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own in the catalogue")]
pub struct Column {
    /// Its name as the server spells it.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// The type as the server declares it, for messages.
    pub declared: String,
    /// Whether it takes NULL.
    pub nullable: bool,
    /// What it holds where a row does not say.
    pub default: Option<DefaultValue>,
    /// Whether the server counts it up.
    pub counts: bool,
    /// Whether the server sets it to the present moment whenever the row changes.
    pub touched: bool,
    /// How the server computes it; then it is never written and never compared.
    pub computed: Option<Computed>,
    /// Whether `SELECT *` leaves it out.
    pub invisible: bool,
    /// Whether it takes any value, whatever its type says: SQLite's columns do.
    pub loose: bool,
    /// Character set and collation, for text.
    pub collation: Option<String>,
}

/// What a column holds where a row does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefaultValue {
    /// This text.
    Literal(String),
    /// What this SQL comes to.
    Expression(String),
}

/// How a server computes a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Computed {
    /// The SQL expression, in its server's words.
    pub expression: String,
    /// Whether it is kept with the row.
    pub stored: bool,
}

impl Column {
    /// A column for tests, NOT NULL and without a declaration.
    #[cfg(test)]
    pub fn of(kind: Kind) -> Self {
        Self {
            name: "c".to_owned(),
            kind,
            declared: String::new(),
            nullable: false,
            default: None,
            counts: false,
            touched: false,
            computed: None,
            invisible: false,
            loose: false,
            collation: None,
        }
    }

    /// Whether a row can be inserted without naming it.
    pub fn has_default(&self) -> bool {
        self.nullable || self.default.is_some() || self.counts || self.computed.is_some()
    }
}

/// An index that is not unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// `BTREE`, `FULLTEXT` or `SPATIAL`.
    pub method: String,
    /// Its columns, each with the number of characters that count, where not all do.
    pub columns: Vec<(String, Option<u64>)>,
}

/// A unique key, by positions in [`Table::columns`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unique {
    /// The index's name.
    pub name: String,
    /// Which columns, in the index's order.
    pub columns: Vec<usize>,
    /// Whether it is the primary key.
    pub primary: bool,
}

/// What the server does to children when a value that they refer to goes or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reaction {
    /// It refuses.
    Restrict,
    /// The children follow: they go too, or take the new value.
    Follow,
    /// The children lose the reference: they take NULL or their default.
    LetGo,
}

impl Reaction {
    /// In SQL's words.
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::Restrict => "RESTRICT",
            Self::Follow => "CASCADE",
            Self::LetGo => "SET NULL",
        }
    }
}

impl Reaction {
    /// From SQL's words.
    pub fn named(words: &str) -> Self {
        match words {
            "CASCADE" => Self::Follow,
            "SET NULL" | "SET DEFAULT" => Self::LetGo,
            _ => Self::Restrict,
        }
    }
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The constraint's name (made up where the server has none).
    pub name: String,
    /// The table that refers.
    pub child: String,
    /// Its database, where that is another one of the same server.
    pub child_database: Option<String>,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub parent: String,
    /// Its columns.
    pub parent_columns: Vec<String>,
    /// What happens to children when their parent goes.
    pub on_delete: Reaction,
    /// What happens to children when the value that they refer to changes.
    pub on_update: Reaction,
}

/// What a table's triggers do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggers {
    /// Whether there are any.
    pub any: bool,
    /// Whether one may change a row that is inserted.
    pub bend_inserts: bool,
    /// Whether one may change a row that is updated.
    pub bend_updates: bool,
    /// Other tables that they name, and so may write to.
    pub touches: Vec<String>,
}

/// One table on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name as the server spells it.
    pub name: String,
    /// Its columns in the server's order.
    pub columns: Vec<Column>,
    /// Its unique keys, the primary one first.
    pub uniques: Vec<Unique>,
    /// Its other indexes.
    pub indexes: Vec<Index>,
    /// Its collation, where it has one.
    pub collation: Option<String>,
    /// Foreign keys of this table.
    pub foreign_keys: Vec<ForeignKey>,
    /// Foreign keys of any table that refer to this one.
    pub referenced_by: Vec<ForeignKey>,
    /// Whether its storage takes part in transactions.
    pub transactional: bool,
    /// What its triggers do.
    pub triggers: Triggers,
    /// Whether it refers to a table of another database, of which nothing is known.
    pub refers_elsewhere: bool,
    /// The next number that it gives a new row; 0 where it numbers none.
    pub next_number: u64,
    /// About how many rows it has; 0 where unknown.
    pub estimated_rows: u64,
    /// When it was made, or altered, in its server's words; empty where unknown.
    pub created: String,
}

impl Table {
    /// The position of a column, by its name in any letter case.
    pub fn position(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|column| column.name == name);
        let folded = name.to_lowercase();
        exact
            .or_else(|| self.columns.iter().position(|column| column.name.to_lowercase() == folded))
    }

    /// The column that says when a row was last written, where an index starts with it, so that the newest is found at once.
    pub fn dated(&self) -> Option<&Column> {
        let column = &self.columns[self.position("updated_at")?];
        let plain = self.indexes.iter().filter(|index| index.method == "BTREE");
        let mut first = plain.filter_map(|index| index.columns.first());
        let unique = |key: &Unique| {
            key.columns.first().is_some_and(|at| self.columns[*at].name == column.name)
        };
        let led = first.any(|(name, part)| *name == column.name && part.is_none());
        (led || self.uniques.iter().any(unique)).then_some(column)
    }

    /// The primary key, else the first unique key whose columns are all NOT NULL.
    pub fn key(&self) -> Option<&Unique> {
        let primary = self.uniques.iter().find(|unique| unique.primary);
        primary.or_else(|| self.identifying().next())
    }

    /// Every key that identifies a row.
    pub fn identifying(&self) -> impl Iterator<Item = &Unique> {
        self.uniques.iter().filter(|unique| {
            unique.primary || unique.columns.iter().all(|at| !self.columns[*at].nullable)
        })
    }
}
