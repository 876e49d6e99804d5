//! Whether the two sides' definitions go together: every difference, what it means for the sync, and the SQL that would mend
//! it. Reads the catalogues and `db_sync_config`, and writes nothing.

use std::collections::HashSet;

use super::preflight::{self, Tables, find};
use super::{Run, findings};
use crate::endpoint::sql::create::Translation;
use crate::endpoint::sql::mend;
use crate::endpoint::{Connection, Dialect, introspect};
use crate::error::{Code, Result};
use crate::journal::settings::TableSettings;
use crate::model::{PerSide, Side, Table};
use crate::note::{self, Note};
use crate::plan::policy::Direction;
use crate::plan::schema_match::{Difference, pair};
use crate::report::{Finding, Level, SchemaReport};

/// Compares the definitions of the tables that a run with these options would sync; of those that one side alone has, too.
///
/// # Errors
/// What stops a run as a whole: settings, connections, an unknown table.
pub async fn schemas(run: &mut Run, lines: &mut PerSide<Connection>) -> Result<SchemaReport> {
    let (tables, settings) = preflight::configured(run, lines).await?;
    let collations = PerSide::new(
        introspect::collations(&mut lines.remote, run.dialect(Side::Remote)).await?,
        introspect::collations(&mut lines.local, run.dialect(Side::Local)).await?,
    );
    let counters = PerSide::new(
        introspect::counters(&mut lines.remote, run.dialect(Side::Remote)).await?,
        introspect::counters(&mut lines.local, run.dialect(Side::Local)).await?,
    );
    let look = Look { run, tables: &tables, collations: &collations, counters };
    let mut found: Vec<Finding> = settings.iter().flat_map(|row| look.table(row)).collect();
    found.extend(look.counting(&settings));
    found.extend(look.letter_case());
    let stops = found.iter().any(|finding| finding.level == Level::Error);
    Ok(SchemaReport { tables: settings.len(), findings: found, exit_code: u8::from(stops) })
}

struct Look<'a> {
    run: &'a Run,
    tables: &'a Tables,
    collations: &'a PerSide<HashSet<String>>,
    counters: PerSide<introspect::Counters>,
}

impl Look<'_> {
    /// What is to be said of one table.
    fn table(&self, settings: &TableSettings) -> Vec<Finding> {
        let name = &settings.table;
        let sides =
            PerSide::new(Side::Remote, Side::Local).map(|side| find(self.tables, side, name));
        let (remote, local) = match (sides.remote, sides.local) {
            (Some(remote), Some(local)) => (remote, local),
            (Some(there), None) => return vec![self.missing(name, Side::Local, there)],
            (None, Some(there)) => return vec![self.missing(name, Side::Remote, there)],
            (None, None) => {
                let gone = |side: Side| {
                    let note = Note::new(note::NO_TABLE).with("side", side);
                    finding(name, None, Level::Error, Some(Code::Sync001), note, None)
                };
                return Side::BOTH.map(gone).to_vec();
            }
        };
        let both = PerSide::new(remote, local);
        let paired = pair(name, both.map(Clone::clone), &settings.rules);
        let differences = match paired {
            Ok(pair) => pair.differences,
            Err(differences) => differences,
        };
        differences.iter().map(|difference| self.difference(name, both, difference)).collect()
    }

    fn missing(&self, name: &str, on: Side, there: &Table) -> Finding {
        let made = self.translation(on).table(there);
        let sql = [made.tables, made.foreign_keys].concat().join(";\n");
        let note = Note::new(note::NO_TABLE).with("side", on);
        finding(name, None, Level::Error, Some(Code::Sync001), note, Some(sql))
    }

    fn translation(&self, to: Side) -> Translation<'_> {
        let (from, dialect) = (self.run.dialect(to.other()), self.run.dialect(to));
        Translation { from, to: dialect, collations: &self.collations[to] }
    }

    fn difference(&self, name: &str, tables: PerSide<&Table>, difference: &Difference) -> Finding {
        let table = |side: Side| tables[side];
        let column = |side: Side, column: &str| {
            table(side).position(column).map(|at| &table(side).columns[at])
        };
        // The column of this side takes the other's type.
        let retyped = |on: Side, named: &str| {
            let (theirs, ours) = (column(on.other(), named)?, column(on, named)?);
            let to = (table(on).name.as_str(), ours.name.as_str());
            self.translation(on).modify_column(table(on.other()), theirs, to)
        };
        let dialect = |side: Side| self.run.dialect(side);
        let (level, code, of, sql) = match difference {
            Difference::Alone { column: named, on, needed } => {
                let (table, other) = (table(*on), on.other());
                let added = column(*on, named).map(|column| {
                    self.translation(other).add_column(table, column, &tables[other].name)
                });
                let level = if *needed { Level::Error } else { Level::Note };
                (level, needed.then_some(Code::Sync001), Some(named), added)
            }
            Difference::Ignored { column, .. } => {
                (Level::Error, Some(Code::Sync001), Some(column), None)
            }
            Difference::Computed { column, .. } => (Level::Note, None, Some(column), None),
            Difference::Keys { keys } => {
                let sql =
                    mend::change_key(dialect(Side::Local), &table(Side::Local).name, &keys.remote);
                (Level::Error, Some(Code::Sync001), None, sql)
            }
            Difference::NoKey { on } => {
                let sql = mend::add_key(dialect(*on), &table(*on).name);
                (Level::Error, Some(Code::Sync006), None, sql)
            }
            Difference::Types { column, .. } => {
                (Level::Error, Some(Code::Sync003), Some(column), retyped(Side::Local, column))
            }
            Difference::Narrower { column, on, .. } => {
                (Level::Warning, Some(Code::Sync003), Some(column), retyped(*on, column))
            }
            Difference::UniqueAlone { columns, on } => {
                let other = on.other();
                let sql = mend::add_unique(dialect(other), &table(other).name, columns);
                (Level::Warning, Some(Code::Sync002), Some(columns), Some(sql))
            }
            Difference::Collation { column, on, .. } => {
                (Level::Warning, Some(Code::Sync002), Some(column), retyped(*on, column))
            }
            Difference::NoTransactions { on } => {
                let sql = mend::change_storage(dialect(*on), &table(*on).name);
                (Level::Warning, None, None, Some(sql))
            }
            Difference::Triggers { .. } => (Level::Note, None, None, None),
        };
        finding(name, of, level, code, findings::sentence(difference), sql)
    }

    /// Both sides make new keys, and the same ones.
    fn counting(&self, settings: &[TableSettings]) -> Option<Finding> {
        let counted = |side: Side, name: &str| {
            find(self.tables, side, name)
                .is_some_and(|table| table.columns.iter().any(|column| column.counts))
        };
        let both = settings
            .iter()
            .filter(|row| row.policy.direction == Direction::Both)
            .filter(|row| Side::BOTH.into_iter().all(|side| counted(side, &row.table)));
        let names: Vec<&str> = both.map(|row| row.table.as_str()).collect();
        let (remote, local) = (self.counters.remote, self.counters.local);
        let meet = remote.step == 1
            || local.step == 1
            || remote.step == local.step && remote.offset == local.offset;
        if names.is_empty() || !meet {
            return None;
        }
        let note = Note::new(note::COUNTERS).with("tables", names.join(", "));
        let file = Side::BOTH.into_iter().any(|side| self.run.dialect(side) == Dialect::Sqlite);
        let sql = (!file).then(|| {
            format!(
                "-- on REMOTE\n{};\n-- on LOCAL\n{}",
                mend::count_in_twos(1),
                mend::count_in_twos(2)
            )
        });
        Some(finding("*", None, Level::Note, None, note, sql))
    }

    fn letter_case(&self) -> Option<Finding> {
        let (remote, local) = (self.counters.remote, self.counters.local);
        let servers = Side::BOTH.into_iter().all(|side| self.run.dialect(side) != Dialect::Sqlite);
        let differ = servers && remote.lower_case_table_names != local.lower_case_table_names;
        differ.then(|| {
            let note = Note::new(note::LETTER_CASE)
                .with("remote", remote.lower_case_table_names)
                .with("local", local.lower_case_table_names);
            finding("*", None, Level::Note, None, note, None)
        })
    }
}

fn finding(
    table: &str,
    column: Option<&String>,
    level: Level,
    code: Option<Code>,
    note: Note,
    sql: Option<String>,
) -> Finding {
    let column = column.cloned();
    Finding { table: table.to_owned(), column, level, code: code.map(Code::as_str), note, sql }
}
