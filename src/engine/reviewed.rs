//! A plan that somebody has looked at: what `--dry-run --json` said of every row, carried out later.
//!
//! The run decides again, as always; what it would write and the plan does not say, or says of other versions of the row, is left.
//! So nothing is written that nobody has seen, and a plan that is old does no harm.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;

use super::table::TableRun;
use super::worklist::{Item, Worklist};
use crate::config::bad_value;
use crate::error::{self, Result, SyncError};
use crate::model::{Key, Side, Signature};
use crate::note::{self, Note};
use crate::plan::merge::Write;
use crate::plan::policy::{Policy, Strategy};
use crate::plan::schema_match::TablePair;
use crate::report::{PlannedRow, TablePlan};

/// Rows of a table that a report lists: it is made in memory.
const ROWS: u64 = 50_000;
/// Rows that are taken out of a list at once.
const BATCH: usize = 1000;

/// The plans of some tables.
#[derive(Clone, Debug, Default)]
pub struct Reviewed {
    tables: HashMap<String, (Policy, Vec<PlannedRow>)>,
    /// Tables of which the dry run could not list every row: they are left out.
    pub unplanned: Vec<String>,
}

/// As much of a report as says what would be done.
#[derive(Deserialize)]
struct Said {
    dry_run: bool,
    tables: Vec<SaidOfTable>,
}

#[derive(Deserialize)]
struct SaidOfTable {
    table: String,
    strategy: Strategy,
    plan: Option<TablePlan>,
}

impl Reviewed {
    /// Reads a plan; `-` is standard input.
    ///
    /// # Errors
    /// `CFG_002` where it cannot be read, is no report of a dry run, or lists no rows.
    pub fn read(path: &Path) -> Result<Self> {
        let bad = || bad_value("--apply", &path.display().to_string(), note::A_PLAN);
        let mut text = String::new();
        let read = if path == Path::new("-") {
            std::io::stdin().read_to_string(&mut text)
        } else {
            std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
        };
        read.map_err(|problem| {
            SyncError::new(error::NO_PLAN_FILE)
                .with("path", path.display())
                .with("reason", problem.to_string())
        })?;
        let said: Said = serde_json::from_str(&text).map_err(|_| bad())?;
        let unplanned = said.tables.iter().filter(|table| table.plan.is_none());
        let unplanned = unplanned.map(|table| table.table.clone()).collect();
        let planned = said.tables.into_iter().filter_map(|table| {
            let SaidOfTable { table, strategy, plan } = table;
            let TablePlan { sync_type, direction, rows } = plan?;
            Some((table, (Policy { direction, sync_type, strategy }, rows)))
        });
        let tables: HashMap<_, _> = planned.collect();
        if said.dry_run && !tables.is_empty() { Ok(Self { tables, unplanned }) } else { Err(bad()) }
    }

    /// The tables that it is about.
    pub fn tables(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tables.keys().cloned().collect();
        names.sort();
        names
    }

    /// How a table was synced when the plan was made.
    pub fn policy(&self, table: &str) -> Option<Policy> {
        self.tables.get(table).map(|(policy, _)| *policy)
    }

    /// What may be done to a table, by key.
    ///
    /// # Errors
    /// `SYNC_001` where the table has other columns now.
    pub fn of(&self, pair: &TablePair) -> Result<Allowed> {
        let rows = self.tables.get(&pair.name).map(|(_, rows)| &rows[..]).unwrap_or_default();
        let mut allowed = Allowed::default();
        for row in rows {
            let key = pair.key_from_json(&row.key).ok_or_else(|| {
                let error = SyncError::new(error::STRUCTURE_CHANGED).with("side", Side::Local);
                error.in_table(&pair.name)
            })?;
            allowed.rows.insert(key, row.clone());
        }
        Ok(allowed)
    }
}

/// What may be done to a table, and what has become of it.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    rows: HashMap<Key, PlannedRow>,
    /// Rows that it was asked about.
    pub(super) met: HashSet<Key>,
    moved: Vec<Key>,
    /// Whether rows have changed that the plan says nothing of.
    pub unknown: bool,
}

impl Allowed {
    /// Whether a row may be written as it is decided now.
    pub fn takes(&mut self, item: &Item, to: Side, write: Write) -> bool {
        let Some(row) = self.rows.get(&item.key) else {
            self.unknown = true;
            return false;
        };
        self.met.insert(item.key.clone());
        let same = *row == planned(item, row.key.clone(), to, write);
        if !same {
            self.moved.push(item.key.clone());
        }
        same
    }

    /// The rows that are not what they were when the plan was made, each once; those too that need nothing any more.
    pub fn take_moved(&mut self) -> Vec<Key> {
        let mut moved = std::mem::take(&mut self.moved);
        moved.extend(self.rows.keys().filter(|key| !self.met.contains(*key)).cloned());
        self.met.extend(moved.iter().cloned());
        moved
    }
}

fn hex(signature: Option<Signature>) -> Option<String> {
    signature.map(|bits| format!("{bits:016x}"))
}

fn planned(item: &Item, key: Json, to: Side, write: Write) -> PlannedRow {
    let action = match write {
        Write::Insert => "INSERT",
        Write::Update => "UPDATE",
        Write::Delete => "DELETE",
    };
    PlannedRow {
        key,
        action: action.to_owned(),
        to: to.as_str().to_owned(),
        remote: hex(item.now.remote),
        local: hex(item.now.local),
    }
}

/// What a dry run says of every row that it would write, for [`Reviewed::read`]; `None` where they are too many.
///
/// # Errors
/// `SYS_002` where the temporary files cannot be read back.
pub fn plan(table: &mut TableRun) -> Result<Option<TablePlan>> {
    let Policy { sync_type, direction, .. } = table.settings.policy;
    let total: u64 = Side::BOTH.iter().map(|side| table.plan.planned[*side].total()).sum();
    if total > ROWS || table.pair.is_bag() {
        table.note(Note::new(note::NO_PLAN));
        return Ok(None);
    }
    let mut rows = Vec::new();
    for to in Side::BOTH {
        for write in [Write::Delete, Write::Update, Write::Insert] {
            let list = table.plan.writes[to].of(write);
            let (mut batches, mut again) = (std::mem::take(list).drain()?, Worklist::default());
            loop {
                let items = batches.next(BATCH)?;
                if items.is_empty() {
                    break;
                }
                for item in &items {
                    again.push(item)?;
                    rows.push(planned(item, table.key_json(&item.key), to, write));
                }
            }
            *table.plan.writes[to].of(write) = again;
        }
    }
    Ok(Some(TablePlan { sync_type, direction, rows }))
}
