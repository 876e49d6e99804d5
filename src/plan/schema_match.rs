//! Pairs the two sides' tables, column by column, and names every difference.
//!
//! Columns are paired by name (order and letter case do not matter). What can be held differently but
//! without loss is paired; whether a single cell fits is asked cell by cell ([`crate::model::fit`]).

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::types;
use crate::model::key::KeyPart;
use crate::model::{Column, Key, KeyForm, Kind, PerSide, Row, Side, Table, Unique, row};

/// One column on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnPair {
    /// Its name, as LOCAL spells it.
    pub name: String,
    /// Its definition on each side.
    pub sides: PerSide<Column>,
    /// Whether it makes no conflict: what both sides changed in such columns alone, nobody is asked about.
    pub quiet: bool,
}

/// Columns that are treated otherwise than the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnRules {
    /// Never synced.
    pub ignore: Vec<String>,
    /// Synced, but no reason for a conflict.
    pub quiet: Vec<String>,
}

impl ColumnRules {
    /// Whether a column is among these names, in any letter case.
    pub fn has(names: &[String], column: &str) -> bool {
        names.iter().any(|name| name.to_lowercase() == column.to_lowercase())
    }
}

/// One table on both sides, ready to be synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePair {
    /// Its name, as it is configured.
    pub name: String,
    /// The synced columns, in LOCAL's order.
    pub columns: Vec<ColumnPair>,
    /// Which of them identify a row, in the key's order.
    pub key: Vec<usize>,
    /// How a key is written where it is compared, part by part.
    pub parts: Vec<KeyPart>,
    /// How keys become ordinals.
    pub form: KeyForm,
    /// The whole definitions.
    pub tables: PerSide<Table>,
    /// What is different and does not stop them from being synced.
    pub differences: Vec<Difference>,
}

/// What is different between two tables of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A column that one side alone has.
    Alone {
        /// The column.
        column: String,
        /// The side that has it.
        on: Side,
        /// Whether no row can come into being there without it.
        needed: bool,
    },
    /// A column that a rule leaves out, and without which no row can come into being on a side.
    Ignored {
        /// The column.
        column: String,
        /// The side whose rows need it.
        on: Side,
    },
    /// A column that one side's server computes and the other's does not.
    Computed {
        /// The column.
        column: String,
        /// The side whose server computes it.
        on: Side,
    },
    /// The sides identify rows by different columns.
    Keys {
        /// Each side's key columns, joined by commas.
        keys: PerSide<String>,
    },
    /// Every key that identifies a row has columns that are never synced.
    IgnoredKey {
        /// The columns of LOCAL's key, joined by commas.
        key: String,
    },
    /// No key that identifies a row.
    NoKey {
        /// The side without one.
        on: Side,
    },
    /// Two types that cannot hold each other's values.
    Types {
        /// The column.
        column: String,
        /// Each side's declaration.
        types: PerSide<String>,
    },
    /// A column left out by its rule to which other tables refer.
    IgnoredParent {
        /// The column.
        column: String,
        /// The side where they do.
        on: Side,
    },
    /// A type that does not hold all that the other side's does.
    Narrower {
        /// The column.
        column: String,
        /// Each side's declaration.
        types: PerSide<String>,
        /// The side that holds less.
        on: Side,
    },
    /// A unique key that one side alone has.
    UniqueAlone {
        /// Its columns, joined by commas.
        columns: String,
        /// The side that has it.
        on: Side,
    },
    /// A unique key under whose collation one side takes for one what the other keeps apart.
    Collation {
        /// The column.
        column: String,
        /// Each side's collation.
        collations: PerSide<String>,
        /// The side that sees less.
        on: Side,
    },
    /// Storage without transactions.
    NoTransactions {
        /// The side.
        on: Side,
    },
    /// Triggers that fire when rows are written.
    Triggers {
        /// The side.
        on: Side,
        /// Other tables that they name.
        touched: Vec<String>,
    },
}

impl Difference {
    /// Whether the tables cannot be synced because of it.
    pub fn stops(&self) -> bool {
        matches!(
            self,
            Self::Alone { needed: true, .. }
                | Self::Ignored { .. }
                | Self::IgnoredParent { .. }
                | Self::Keys { .. }
                | Self::IgnoredKey { .. }
                | Self::NoKey { .. }
                | Self::Types { .. }
        )
    }
}

/// Pairs two tables of one name.
///
/// # Errors
/// Every [`Difference`] found, where one of them stops.
pub fn pair(
    name: &str,
    tables: PerSide<Table>,
    rules: &ColumnRules,
) -> Result<TablePair, Vec<Difference>> {
    let mut differences = of_each_side(&tables, rules);
    let columns = paired(&tables, rules, &mut differences);
    let key = key(&tables, &columns)
        .map_err(|difference| differences.push(difference))
        .unwrap_or_default();
    let kinds = |at: &usize| {
        let sides = &columns[*at].sides;
        shared_part(&sides.remote.kind, &sides.local.kind)
    };
    let parts: Option<Vec<KeyPart>> = key.iter().map(kinds).collect();
    if parts.is_none() {
        differences.push(Difference::NoKey { on: Side::Local });
    }
    uniques(&tables, &columns, &mut differences);
    if differences.iter().any(Difference::stops) {
        return Err(differences);
    }
    let parts = parts.unwrap_or_default();
    let form = form(&parts, &key, &columns);
    Ok(TablePair { name: name.to_owned(), columns, key, parts, form, tables, differences })
}

/// Pairs two tables of which nothing identifies the rows: a bag, in which rows are only counted.
///
/// # Errors
/// Every [`Difference`] found, where one of them stops.
pub fn pair_bag(
    name: &str,
    tables: PerSide<Table>,
    rules: &ColumnRules,
) -> Result<TablePair, Vec<Difference>> {
    let mut differences = of_each_side(&tables, rules);
    let columns = paired(&tables, rules, &mut differences);
    if columns.is_empty() || differences.iter().any(Difference::stops) {
        return Err(differences);
    }
    let (key, parts, form) = (Vec::new(), Vec::new(), KeyForm::Hashed(Vec::new()));
    Ok(TablePair { name: name.to_owned(), columns, key, parts, form, tables, differences })
}

/// What is to be said of each side's table by itself.
fn of_each_side(tables: &PerSide<Table>, rules: &ColumnRules) -> Vec<Difference> {
    let mut differences = Vec::new();
    for side in Side::BOTH {
        alone(tables, side, rules, &mut differences);
        if !tables[side].transactional {
            differences.push(Difference::NoTransactions { on: side });
        }
        if tables[side].triggers.any {
            let touched = tables[side].triggers.touches.clone();
            differences.push(Difference::Triggers { on: side, touched });
        }
    }
    differences
}

/// Columns that one side alone has.
fn alone(
    tables: &PerSide<Table>,
    side: Side,
    rules: &ColumnRules,
    differences: &mut Vec<Difference>,
) {
    for column in tables[side].columns.iter().filter(|column| column.computed.is_none()) {
        let (name, needed) = (column.name.clone(), !column.has_default());
        if ColumnRules::has(&rules.ignore, &name) {
            let mut children = tables[side].referenced_by.iter();
            if children.any(|key| ColumnRules::has(&key.parent_columns, &name)) {
                differences.push(Difference::IgnoredParent { column: name, on: side });
            } else if needed {
                differences.push(Difference::Ignored { column: name, on: side });
            }
        } else if tables[side.other()].position(&name).is_none() {
            differences.push(Difference::Alone { column: name, on: side, needed });
        }
    }
}

/// The columns that both sides have and nobody computes.
fn paired(
    tables: &PerSide<Table>,
    rules: &ColumnRules,
    differences: &mut Vec<Difference>,
) -> Vec<ColumnPair> {
    let mut columns = Vec::new();
    for local in &tables.local.columns {
        let Some(at) = tables.remote.position(&local.name) else { continue };
        let remote = &tables.remote.columns[at];
        let column = local.name.clone();
        if ColumnRules::has(&rules.ignore, &column) {
            continue;
        }
        match (remote.computed.is_some(), local.computed.is_some()) {
            (false, false) => {}
            (true, true) => continue,
            (on_remote, _) => {
                let on = if on_remote { Side::Remote } else { Side::Local };
                differences.push(Difference::Computed { column, on });
                continue;
            }
        }
        let sides = PerSide::new(remote.clone(), local.clone());
        let types = PerSide::new(remote.declared.clone(), local.declared.clone());
        if compatible(&remote.kind, &local.kind) {
            for on in Side::BOTH {
                if !types::holds_all(&sides[on.other()], &sides[on]) {
                    let (column, types) = (column.clone(), types.clone());
                    differences.push(Difference::Narrower { column, types, on });
                }
            }
        } else {
            differences.push(Difference::Types { column: column.clone(), types });
        }
        let quiet = ColumnRules::has(&rules.quiet, &column);
        columns.push(ColumnPair { name: column, sides, quiet });
    }
    columns
}

/// Unique keys that one side alone has, and such as see less on one side.
fn uniques(tables: &PerSide<Table>, columns: &[ColumnPair], differences: &mut Vec<Difference>) {
    let names = |side: Side, unique: &Unique| -> BTreeSet<String> {
        unique.columns.iter().map(|at| tables[side].columns[*at].name.to_lowercase()).collect()
    };
    let mut keyed: BTreeSet<String> = BTreeSet::new();
    for on in Side::BOTH {
        let other = on.other();
        let known: Vec<BTreeSet<String>> =
            tables[other].uniques.iter().map(|unique| names(other, unique)).collect();
        for unique in &tables[on].uniques {
            let columns = names(on, unique);
            if !unique.primary && !known.contains(&columns) {
                let listed = unique.columns.iter().map(|at| tables[on].columns[*at].name.as_str());
                let columns = listed.collect::<Vec<_>>().join(", ");
                differences.push(Difference::UniqueAlone { columns, on });
            }
            keyed.extend(columns);
        }
    }
    for column in columns.iter().filter(|column| keyed.contains(&column.name.to_lowercase())) {
        let sides = &column.sides;
        let texts = |column: &Column| matches!(column.kind, Kind::Text { .. } | Kind::Enum(_));
        if !texts(&sides.remote) || !texts(&sides.local) {
            continue;
        }
        for on in Side::BOTH {
            if types::blind(&sides[on]).more_than(types::blind(&sides[on.other()])) {
                let collation = |side: Side| {
                    let collation = sides[side].collation.as_deref();
                    collation.unwrap_or("BINARY").to_owned()
                };
                differences.push(Difference::Collation {
                    column: column.name.clone(),
                    collations: PerSide::new(collation(Side::Remote), collation(Side::Local)),
                    on,
                });
            }
        }
    }
}

impl TablePair {
    /// Cells of a row that stand in key columns, as a key.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key.iter().map(|at| self.columns[*at].name.as_str())
    }

    /// A key from the JSON object of its columns; `None` where it is none.
    pub fn key_from_json(&self, object: &Json) -> Option<Key> {
        let cell = |(at, part): (&usize, &KeyPart)| {
            let column = &self.columns[*at];
            let cell = row::from_json(object.get(&column.name)?, &column.sides.local.kind)?;
            Some(part.shared(cell))
        };
        self.key.iter().zip(&self.parts).map(cell).collect::<Option<Vec<_>>>().map(Key)
    }

    /// One side's row from the JSON object of its columns; `None` where a synced column is not among them.
    pub fn row_from_json(&self, object: &Json, side: Side) -> Option<Row> {
        let cell = |column: &ColumnPair| {
            row::from_json(object.get(&column.name)?, &column.sides[side].kind)
        };
        self.columns.iter().map(cell).collect()
    }

    /// Whether nothing identifies the rows.
    pub fn is_bag(&self) -> bool {
        self.key.is_empty()
    }

    /// Whether some columns make no conflict.
    pub fn has_quiet_columns(&self) -> bool {
        self.columns.iter().any(|column| column.quiet)
    }

    /// Whether a single row may be very large.
    pub fn has_long_columns(&self) -> bool {
        let long = |kind: &Kind| match kind {
            Kind::Text { chars: None, .. } | Kind::Json { .. } => true,
            Kind::Bytes { max, .. } => max.is_none_or(|max| max > 65_535),
            _ => false,
        };
        self.columns
            .iter()
            .any(|column| long(&column.sides.remote.kind) && long(&column.sides.local.kind))
    }

    /// The synced columns as one side defines them.
    pub fn side_columns(&self, side: Side) -> impl Iterator<Item = &Column> {
        self.columns.iter().map(move |column| &column.sides[side])
    }
}

/// The columns, by position in `columns`, that identify a row on both sides.
fn key(tables: &PerSide<Table>, columns: &[ColumnPair]) -> Result<Vec<usize>, Difference> {
    let names = |side: Side, unique: &Unique| -> Vec<String> {
        unique.columns.iter().map(|at| tables[side].columns[*at].name.to_lowercase()).collect()
    };
    for side in Side::BOTH {
        if tables[side].key().is_none() {
            return Err(Difference::NoKey { on: side });
        }
    }
    // LOCAL's key decides; REMOTE must keep the same columns unique, in whatever order.
    for unique in tables.local.identifying() {
        let local = names(Side::Local, unique);
        let matches = tables.remote.identifying().any(|remote| {
            let remote = names(Side::Remote, remote);
            remote.len() == local.len() && remote.iter().all(|name| local.contains(name))
        });
        let at =
            |name: &String| columns.iter().position(|column| column.name.to_lowercase() == *name);
        if let (true, Some(key)) = (matches, local.iter().map(at).collect()) {
            return Ok(key);
        }
    }
    let of = |side: Side| {
        tables[side].key().map(|unique| names(side, unique).join(", ")).unwrap_or_default()
    };
    let keys = PerSide::new(of(Side::Remote), of(Side::Local));
    // Both have the same key, of which a column is left out.
    if keys.remote == keys.local {
        return Err(Difference::IgnoredKey { key: keys.local });
    }
    Err(Difference::Keys { keys })
}

/// How one key column is written so that both sides write the same; `None` where they cannot.
fn shared_part(remote: &Kind, local: &Kind) -> Option<KeyPart> {
    use KeyPart::{Bytes, Decimal, Int, Text, Uuid};
    match (remote.key_part()?, local.key_part()?) {
        (a, b) if a == b => Some(a),
        (Uuid, Text | Bytes) | (Text | Bytes, Uuid) => Some(Uuid),
        (Int, Decimal) | (Decimal, Int) => Some(Decimal),
        _ => None,
    }
}

/// Integers order themselves; everything else is hashed. A 64-bit unsigned key against a signed one
/// is hashed too: no 64-bit ordinal keeps the order of both.
fn form(parts: &[KeyPart], key: &[usize], columns: &[ColumnPair]) -> KeyForm {
    let wide = |kind: &Kind| matches!(kind, Kind::Int { bits: 64, unsigned: true } | Kind::Bit(64));
    match (parts, key) {
        ([KeyPart::Int], [at]) => {
            let sides = &columns[*at].sides;
            match (wide(&sides.remote.kind), wide(&sides.local.kind)) {
                (false, false) => KeyForm::Signed,
                (true, true) => KeyForm::Unsigned,
                _ => KeyForm::Hashed(parts.to_vec()),
            }
        }
        _ => KeyForm::Hashed(parts.to_vec()),
    }
}

/// Whether two kinds can hold each other's values at all; single cells may still be refused.
fn compatible(a: &Kind, b: &Kind) -> bool {
    #[derive(PartialEq)]
    enum Family {
        Number,
        Text,
        Bytes,
        Date,
        Moment,
        Time,
        Json,
        Uuid,
        None,
    }
    let family = |kind: &Kind| match kind {
        Kind::Int { .. }
        | Kind::Bit(_)
        | Kind::Year
        | Kind::Decimal { .. }
        | Kind::Numeric
        | Kind::Float
        | Kind::Double => Family::Number,
        Kind::Text { .. } | Kind::Enum(_) | Kind::Set(_) | Kind::Inet => Family::Text,
        Kind::Bytes { .. } | Kind::Raw => Family::Bytes,
        Kind::Date => Family::Date,
        Kind::DateTime { .. } | Kind::Timestamp { .. } => Family::Moment,
        Kind::Time { .. } => Family::Time,
        Kind::Json { .. } => Family::Json,
        Kind::Uuid => Family::Uuid,
        Kind::Unknown => Family::None,
    };
    let by_text = |a: &Kind, b: &Kind| {
        matches!(a, Kind::Text { .. })
            && (matches!(b, Kind::Decimal { .. })
                || matches!(
                    family(b),
                    Family::Json | Family::Uuid | Family::Date | Family::Moment | Family::Time
                ))
            || matches!(
                a,
                Kind::Bytes { max: Some(16), fixed: true } | Kind::Bytes { max: None, .. }
            ) && family(b) == Family::Uuid
    };
    family(a) != Family::None && (family(a) == family(b) || by_text(a, b) || by_text(b, a))
}
