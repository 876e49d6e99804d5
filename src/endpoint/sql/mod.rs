//! The only room that makes SQL text: quoting, placeholders, expressions, whole statements.
//!
//! Names come from the servers' own catalogues and are always quoted; values never become text, they
//! travel as arguments (chunk bounds, which are integers that we computed, are the one exception).

pub mod create;
pub mod expression;
pub mod lease;
pub mod load;
pub mod mend;
pub mod own;
pub mod remedy;
pub mod stage;
pub mod table;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::value::hex;
use crate::model::{Column, Kind, Side, Value};
use crate::plan::schema_match::TablePair;

/// Which words a server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// MySQL 8.0 and later.
    MySql,
    /// MariaDB 10.6 and later.
    MariaDb,
    /// SQLite 3.35 and later.
    Sqlite,
}

impl Dialect {
    /// An identifier that can be nothing but an identifier.
    pub fn quote(self, name: &str) -> String {
        match self {
            Self::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
            _ => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// The most arguments of one statement.
    pub fn max_arguments(self) -> usize {
        match self {
            Self::Sqlite => 32_000,
            _ => 65_000,
        }
    }
}

/// SQL text with its arguments, and what the cells of its result are.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    /// The text, with `?` for each argument.
    pub sql: String,
    /// The arguments in order.
    pub args: Vec<Value>,
    /// The kind of each cell of a result row.
    pub cells: Vec<Kind>,
    /// Whether it goes through the plain protocol, in one round trip instead of two, and is answered in texts.
    pub plain: bool,
}

impl Statement {
    /// A statement without arguments or result.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), ..Self::default() }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = Value>) -> Self {
        self.args.extend(args);
        self
    }

    /// For a statement without arguments that runs once, and whose cells are text and whole or decimal numbers: others would
    /// lose by it.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Says what the cells of the result are.
    #[must_use]
    pub fn cells(mut self, cells: impl IntoIterator<Item = Kind>) -> Self {
        self.cells.extend(cells);
        self
    }
}

/// One table of a pair as one side has it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Both sides' definitions.
    pub pair: &'a TablePair,
    /// The side that is asked.
    pub side: Side,
    /// The words it understands.
    pub dialect: Dialect,
    /// The most bytes that it takes in one statement.
    pub packet: usize,
    /// The columns that were synced before, where rows are to be signed by them as well.
    pub former: Option<&'a [FormerColumn]>,
}

/// A column as it entered the signatures of a base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerColumn {
    /// Its name.
    pub name: String,
    /// What it held.
    pub kind: Kind,
    /// Its collation.
    pub collation: Option<String>,
    /// Whether it made no conflict.
    pub quiet: bool,
}

impl<'a> View<'a> {
    /// The table's name as this side spells it.
    pub fn table(&self) -> &'a str {
        &self.pair.tables[self.side].name
    }

    /// The synced columns as this side has them.
    pub fn columns(&self) -> impl Iterator<Item = &'a Column> + use<'a> {
        self.pair.side_columns(self.side)
    }

    /// The key's columns as this side has them.
    pub fn key_columns(&self) -> impl Iterator<Item = &'a Column> + use<'a> {
        let (pair, side) = (self.pair, self.side);
        pair.key.iter().map(move |at| &pair.columns[*at].sides[side])
    }

    /// The rule by which this side's rows are signed: equal rules on equal bytes give equal signatures, and a
    /// base made by another rule says nothing.
    pub fn rule(&self) -> String {
        let rule = match self.dialect {
            Dialect::Sqlite => {
                let columns = self.columns().zip(&self.pair.columns);
                let columns =
                    columns.map(|(column, pair)| (&column.name, &column.kind, pair.quiet));
                format!("{:?}", columns.collect::<Vec<_>>())
            }
            _ => expression::signature(self),
        };
        hex(&Sha256::digest(rule)[..16])
    }

    /// The synced columns as they enter signatures now.
    pub fn signed_columns(&self) -> Vec<FormerColumn> {
        let columns = self.columns().zip(&self.pair.columns);
        let former = columns.map(|(column, pair)| FormerColumn {
            name: column.name.clone(),
            kind: column.kind.clone(),
            collation: column.collation.clone(),
            quiet: pair.quiet,
        });
        former.collect()
    }

    /// The former columns as this side still has them; `None` where one is gone.
    pub fn former_columns(&self) -> Option<Vec<Column>> {
        let columns = &self.pair.tables[self.side].columns;
        let present = |former: &FormerColumn| {
            let column = columns.iter().find(|column| column.name == former.name)?;
            Some(Column { kind: former.kind.clone(), ..column.clone() })
        };
        self.former?.iter().map(present).collect()
    }

    fn quoted(&self) -> String {
        self.dialect.quote(self.table())
    }

    fn quoted_key(&self) -> Vec<String> {
        self.key_columns().map(|column| self.dialect.quote(&column.name)).collect()
    }
}

/// `n` placeholders in parentheses.
fn places(n: usize) -> String {
    format!("({})", vec!["?"; n].join(","))
}

/// A whole number without a sign.
pub(crate) const UNSIGNED: Kind = Kind::Int { bits: 64, unsigned: true };
/// A whole number with a sign.
pub(crate) const SIGNED: Kind = Kind::Int { bits: 64, unsigned: false };
/// Any text.
pub(crate) const TEXT: Kind = Kind::Text { chars: None, bytes: None, fixed: false };
/// Any bytes.
pub(crate) const BYTES: Kind = Kind::Bytes { max: None, fixed: false };
