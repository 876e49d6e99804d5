//! Pairs the two sides' tables, column by column, and names every mismatch.
//!
//! Columns are paired by name (order and letter case do not matter). What can be held differently but
//! without loss is paired; whether a single cell fits is asked cell by cell ([`crate::model::fit`]).

use crate::model::key::KeyPart;
use crate::model::{Column, KeyForm, Kind, PerSide, Side, Table, Unique};

/// One column on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnPair {
    /// Its name, as LOCAL spells it.
    pub name: String,
    /// Its definition on each side.
    pub sides: PerSide<Column>,
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
    /// What is different and does not matter enough to stop: one sentence each.
    pub notes: Vec<String>,
}

/// Why two tables cannot be synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// A column that one side lacks and the other cannot do without.
    MissingColumn {
        /// The column.
        column: String,
        /// The side that lacks it.
        on: Side,
    },
    /// The sides identify rows by different columns.
    Key {
        /// Each side's key columns, joined by commas.
        keys: PerSide<String>,
    },
    /// Two types that cannot hold each other's values.
    Types {
        /// The column.
        column: String,
        /// Each side's declaration.
        types: PerSide<String>,
    },
    /// No key that identifies a row.
    NoKey {
        /// The side without one.
        on: Side,
    },
}

/// Pairs two tables of one name.
///
/// # Errors
/// Every [`Mismatch`] found, never just the first.
pub fn pair(name: &str, tables: PerSide<Table>) -> Result<TablePair, Vec<Mismatch>> {
    let mut mismatches = Vec::new();
    let mut notes = Vec::new();
    for side in Side::BOTH {
        let extra = tables[side]
            .columns
            .iter()
            .filter(|column| tables[side.other()].position(&column.name).is_none());
        for column in extra.filter(|column| !column.generated) {
            if column.nullable || column.has_default {
                let other = side.other();
                notes.push(format!("Column {} exists on {side} only; {other} has no such column, so it is not synced.", column.name));
            } else {
                mismatches.push(Mismatch::MissingColumn {
                    column: column.name.clone(),
                    on: side.other(),
                });
            }
        }
        if !tables[side].transactional {
            notes.push(format!("The table's engine on {side} has no transactions: a batch that fails there may be half written."));
        }
    }
    let mut columns = Vec::new();
    for local in &tables.local.columns {
        let Some(at) = tables.remote.position(&local.name) else { continue };
        let remote = &tables.remote.columns[at];
        if local.generated || remote.generated {
            if local.generated != remote.generated {
                notes.push(format!(
                    "Column {} is computed on one side only, so it is not synced.",
                    local.name
                ));
            }
            continue;
        }
        if !compatible(&remote.kind, &local.kind) {
            mismatches.push(Mismatch::Types {
                column: local.name.clone(),
                types: PerSide::new(remote.declared.clone(), local.declared.clone()),
            });
        }
        columns.push(ColumnPair {
            name: local.name.clone(),
            sides: PerSide::new(remote.clone(), local.clone()),
        });
    }
    let key =
        key(&tables, &columns).map_err(|mismatch| mismatches.push(mismatch)).unwrap_or_default();
    let kinds = |at: &usize| {
        let sides = &columns[*at].sides;
        shared_part(&sides.remote.kind, &sides.local.kind)
    };
    let parts: Option<Vec<KeyPart>> = key.iter().map(kinds).collect();
    if parts.is_none() {
        mismatches.push(Mismatch::NoKey { on: Side::Local });
    }
    if !mismatches.is_empty() {
        return Err(mismatches);
    }
    let parts = parts.unwrap_or_default();
    let form = form(&parts, &key, &columns);
    Ok(TablePair { name: name.to_owned(), columns, key, parts, form, tables, notes })
}

impl TablePair {
    /// Cells of a row that stand in key columns, as a key.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key.iter().map(|at| self.columns[*at].name.as_str())
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
fn key(tables: &PerSide<Table>, columns: &[ColumnPair]) -> Result<Vec<usize>, Mismatch> {
    let names = |side: Side, unique: &Unique| -> Vec<String> {
        unique.columns.iter().map(|at| tables[side].columns[*at].name.to_lowercase()).collect()
    };
    for side in Side::BOTH {
        if tables[side].key().is_none() {
            return Err(Mismatch::NoKey { on: side });
        }
    }
    let complete = |side: Side, unique: &&Unique| {
        unique.primary || unique.columns.iter().all(|at| !tables[side].columns[*at].nullable)
    };
    let candidates =
        |side: Side| tables[side].uniques.iter().filter(move |unique| complete(side, unique));
    // LOCAL's key decides; REMOTE must keep the same columns unique, in whatever order.
    for unique in candidates(Side::Local) {
        let local = names(Side::Local, unique);
        let matches = candidates(Side::Remote).any(|remote| {
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
    Err(Mismatch::Key { keys: PerSide::new(of(Side::Remote), of(Side::Local)) })
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
            && matches!(
                family(b),
                Family::Json | Family::Uuid | Family::Date | Family::Moment | Family::Time
            )
            || matches!(a, Kind::Text { .. }) && matches!(b, Kind::Decimal { .. })
            || matches!(
                a,
                Kind::Bytes { max: Some(16), fixed: true } | Kind::Bytes { max: None, .. }
            ) && family(b) == Family::Uuid
    };
    family(a) != Family::None && (family(a) == family(b) || by_text(a, b) || by_text(b, a))
}
