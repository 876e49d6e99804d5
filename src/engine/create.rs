//! Tables that one side lacks, made there from the other side's definition.

use std::collections::{HashMap, HashSet};

use super::Run;
use super::preflight::Tables;
use crate::endpoint::sql::create::{Creation, LeftOut, Translation};
use crate::endpoint::{Connection, Statement, introspect};
use crate::error::{self, Result, SyncError};
use crate::journal::base;
use crate::journal::settings::TableSettings;
use crate::model::{PerSide, Side, Table};
use crate::note::{self, Note};
use crate::plan::order::{Ranked, order};

/// What making one table comes to.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// The statements, in order.
    pub statements: Vec<String>,
    /// What could not be carried over.
    pub notes: Vec<Note>,
    /// In a dry run, which makes nothing: the side that has the rows, and how many these are.
    pub waiting: Option<(Side, u64)>,
    /// Why it was not made.
    pub failed: Option<SyncError>,
}

/// Makes the tables that one side lacks, where the direction lets rows go there; in a dry run only says how. Answers by the
/// tables' names, and brings `tables` up to date.
///
/// # Errors
/// The failure with its code; `SYS_004` where the user may not create tables.
pub async fn missing(
    run: &Run,
    lines: &mut PerSide<Connection>,
    tables: &mut Tables,
    settings: &[TableSettings],
) -> Result<HashMap<String, Made>> {
    let mut made = HashMap::new();
    for to in Side::BOTH {
        let wanted: Vec<&Table> = settings
            .iter()
            .filter(|row| row.policy.direction.target().is_none_or(|target| target == to))
            .filter(|row| super::preflight::find(tables, to, &row.table).is_none())
            .filter_map(|row| super::preflight::find(tables, to.other(), &row.table))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let collations = introspect::collations(&mut lines[to], run.dialect(to)).await?;
        let there: HashSet<&str> = tables[to]
            .keys()
            .map(String::as_str)
            .chain(wanted.iter().map(|table| table.name.as_str()))
            .collect();
        let translation = Translation {
            from: run.dialect(to.other()),
            to: run.dialect(to),
            collations: &collations,
        };
        let mut creations = Vec::new();
        for table in in_order(&wanted) {
            let creation = translate(&translation, table, &there);
            let mut this = Made { statements: creation.statements(), ..Made::default() };
            let mut settings = settings.iter().filter(|row| row.table == table.name);
            if table.key().is_none() && !settings.any(|row| row.policy.takes_bags()) {
                let error = SyncError::new(error::NO_KEY).with("side", to.other());
                this.failed = Some(error.in_table(&table.name));
                this.statements.clear();
            } else if run.options.dry_run {
                let from = to.other();
                let rows =
                    introspect::rows(&mut lines[from], run.dialect(from), &table.name).await?;
                this.waiting = Some((from, rows));
            } else {
                // What a table of that name held once has nothing to do with the new one: nothing was deleted from that.
                base::forget(&mut lines.local, run.dialect(Side::Local), &table.name).await?;
                let error = attempt(&mut lines[to], &creation.table).await?;
                this.failed = error.map(|error| error.in_table(&table.name));
            }
            creations.push((table.name.clone(), this, creation));
        }
        for (name, mut this, mut creation) in creations {
            if this.failed.is_none() && !run.options.dry_run {
                let indexes = creation.indexes.iter().map(|part| (LeftOut::Index, part));
                let foreign_keys = creation.foreign_keys.iter();
                let parts = indexes.chain(foreign_keys.map(|part| (LeftOut::ForeignKey, part)));
                for (what, (name, sql)) in parts {
                    if attempt(&mut lines[to], sql).await?.is_some() {
                        creation.left_out.push((what, name.clone()));
                    }
                }
            }
            this.notes =
                creation.left_out.iter().map(|(what, name)| left_out(*what, name, to)).collect();
            made.insert(name, this);
        }
    }
    if !made.is_empty() && !run.options.dry_run {
        for side in Side::BOTH {
            tables[side] = introspect::tables(&mut lines[side], run.dialect(side)).await?;
        }
    }
    Ok(made)
}

/// Runs a statement; answers what the server has against it, unless the server is the trouble.
async fn attempt(line: &mut Connection, sql: &str) -> Result<Option<SyncError>> {
    match line.run(&Statement::new(sql)).await {
        Ok(_) => Ok(None),
        Err(error) if line.is_ended() || error.code().as_str().starts_with("SYS_") => Err(error),
        Err(error) => Ok(Some(error)),
    }
}

/// A table in the other side's words, without foreign keys to tables that are not there.
fn translate(translation: &Translation<'_>, table: &Table, there: &HashSet<&str>) -> Creation {
    let mut table = table.clone();
    let (kept, lost): (Vec<_>, Vec<_>) =
        table.foreign_keys.into_iter().partition(|key| there.contains(key.parent.as_str()));
    table.foreign_keys = kept;
    let mut creation = translation.table(&table);
    creation.left_out.extend(lost.into_iter().map(|key| (LeftOut::ForeignKey, key.name)));
    creation
}

fn left_out(what: LeftOut, name: &str, to: Side) -> Note {
    let template = match what {
        LeftOut::Index => note::INDEX_LEFT_OUT,
        LeftOut::ForeignKey => note::FOREIGN_KEY_LEFT_OUT,
        LeftOut::Expression => note::EXPRESSION_LEFT_OUT,
        LeftOut::Default => note::DEFAULT_LEFT_OUT,
    };
    Note::new(template).with("name", name).with("side", to)
}

/// Parents before children.
fn in_order<'a>(tables: &[&'a Table]) -> Vec<&'a Table> {
    let ranked: Vec<Ranked<'_>> = tables
        .iter()
        .map(|table| Ranked {
            name: &table.name,
            priority: 0,
            parents: table.foreign_keys.iter().map(|key| key.parent.as_str()).collect(),
            writers: Vec::new(),
        })
        .collect();
    order(&ranked).into_iter().map(|at| tables[at]).collect()
}
