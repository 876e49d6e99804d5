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
use crate::model::{Kind, PerSide, Side, Table};
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
    definitions(run, lines, &tables, &settings).await
}

/// The same for tables that are known already, and for the settings of those that count.
///
/// # Errors
/// The failure with its code.
pub async fn definitions(
    run: &Run,
    lines: &mut PerSide<Connection>,
    tables: &Tables,
    settings: &[TableSettings],
) -> Result<SchemaReport> {
    let collations = PerSide::new(
        introspect::collations(&mut lines.remote, run.dialect(Side::Remote)).await?,
        introspect::collations(&mut lines.local, run.dialect(Side::Local)).await?,
    );
    let counters = PerSide::new(
        introspect::counters(&mut lines.remote, run.dialect(Side::Remote)).await?,
        introspect::counters(&mut lines.local, run.dialect(Side::Local)).await?,
    );
    let look = Look { run, tables, collations: &collations, counters };
    let mut found: Vec<Finding> = settings.iter().flat_map(|row| look.table(row)).collect();
    found.extend(look.parents(settings));
    found.extend(look.counting(settings));
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
        let sql = here(on, &made.statements().join(";\n"));
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
            let sql = self.translation(on).modify_column(table(on.other()), theirs, to)?;
            Some(here(on, &sql))
        };
        let dialect = |side: Side| self.run.dialect(side);
        let (level, code, of, sql) = match difference {
            Difference::Alone { column: named, on, needed } => {
                let (table, other) = (table(*on), on.other());
                let added = column(*on, named).map(|column| {
                    let sql =
                        self.translation(other).add_column(table, column, &tables[other].name);
                    // Rows that are there get a value that nobody gave them, which would count as a change.
                    let then = format!(
                        "\n-- then, before any other sync: sync_db --table {name} --type FULL --direction {on}_TO_{other}"
                    );
                    here(other, &sql) + if *needed { &then } else { "" }
                });
                let level = if *needed { Level::Error } else { Level::Note };
                (level, needed.then_some(Code::Sync001), Some(named), added)
            }
            Difference::Ignored { column, .. } | Difference::IgnoredParent { column, .. } => {
                (Level::Error, Some(Code::Sync001), Some(column), None)
            }
            Difference::Computed { column, .. } => (Level::Note, None, Some(column), None),
            Difference::Keys { keys } => {
                let sql =
                    mend::change_key(dialect(Side::Local), &table(Side::Local).name, &keys.remote);
                (Level::Error, Some(Code::Sync001), None, sql.map(|sql| here(Side::Local, &sql)))
            }
            Difference::IgnoredKey { .. } => (Level::Error, Some(Code::Sync001), None, None),
            Difference::NoKey { on } => {
                let sql = mend::add_key(dialect(*on), &table(*on).name);
                (Level::Error, Some(Code::Sync006), None, sql.map(|sql| here(*on, &sql)))
            }
            Difference::Types { column, .. } => {
                (Level::Error, Some(Code::Sync003), Some(column), retyped(Side::Local, column))
            }
            Difference::Narrower { column: named, on, .. } => {
                let kinds = (column(*on, named), column(on.other(), named));
                // Each server's own type for one thing: it is as it should be, and single values decide.
                let own = kinds.0.zip(kinds.1).is_some_and(|(a, b)| {
                    [a, b].iter().any(|column| column.kind == Kind::Uuid)
                        || [a, b].iter().all(|column| matches!(column.kind, Kind::Json { .. }))
                });
                if own {
                    (Level::Note, Some(Code::Sync003), Some(named), None)
                } else {
                    (Level::Warning, Some(Code::Sync003), Some(named), retyped(*on, named))
                }
            }
            Difference::UniqueAlone { columns, on } => {
                let other = on.other();
                let sql = mend::add_unique(dialect(other), &table(other).name, columns);
                (Level::Warning, Some(Code::Sync002), Some(columns), Some(here(other, &sql)))
            }
            Difference::Collation { column, on, .. } => {
                // A file compares bytes, and no collation of a server's does quite that.
                let servers = Side::BOTH.into_iter().all(|side| dialect(side) != Dialect::Sqlite);
                let sql = servers.then(|| retyped(*on, column)).flatten();
                (Level::Warning, Some(Code::Sync002), Some(column), sql)
            }
            Difference::NoTransactions { on } => {
                let sql = mend::change_storage(dialect(*on), &table(*on).name);
                (Level::Warning, None, None, Some(here(*on, &sql)))
            }
            Difference::Triggers { .. } => (Level::Note, None, None, None),
        };
        finding(name, of, level, code, findings::sentence(difference), sql)
    }

    /// Foreign keys to tables that are not synced.
    fn parents(&self, settings: &[TableSettings]) -> Vec<Finding> {
        let is_synced =
            |name: &String| settings.iter().any(|row| row.table.eq_ignore_ascii_case(name));
        let mut found = Vec::new();
        for row in settings {
            let mut keys: Vec<(String, &String)> = Vec::new();
            for table in
                Side::BOTH.into_iter().filter_map(|side| find(self.tables, side, &row.table))
            {
                for key in table.foreign_keys.iter().filter(|key| !is_synced(&key.parent)) {
                    let key = (key.columns.join(", "), &key.parent);
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            }
            for (columns, parent) in keys {
                let note = Note::new(note::PARENT_NOT_SYNCED)
                    .with("column", &columns)
                    .with("parent", parent);
                found.push(finding(&row.table, Some(&columns), Level::Warning, None, note, None));
            }
        }
        found
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
            [
                here(Side::Remote, &mend::count_in_twos(1)),
                here(Side::Local, &mend::count_in_twos(2)),
            ]
            .join(";\n")
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

/// SQL with a word on where it is to be run.
fn here(on: Side, sql: &str) -> String {
    format!("-- on {on}\n{sql};")
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
