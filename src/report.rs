//! What a run did, for people and for scripts.
//!
//! The JSON form is the contract of `sync_db --json`; the text form is what the `db-sync` command prints.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::SyncError;
use crate::note::Note;
use crate::plan::policy::{Direction, SyncType};

/// Rows written in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Rows that came into being.
    pub inserted: u64,
    /// Rows that took new cells.
    pub updated: u64,
    /// Rows that went.
    pub deleted: u64,
}

impl Written {
    /// All of them.
    pub fn total(self) -> u64 {
        self.inserted + self.updated + self.deleted
    }
}

/// Conflicts met, by what was done about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Conflicts {
    /// All of them.
    pub detected: u64,
    /// REMOTE's version stands.
    pub remote_wins: u64,
    /// LOCAL's version stands.
    pub local_wins: u64,
    /// Both stand.
    pub skipped: u64,
    /// Both stand until a person decides.
    pub manual: u64,
}

impl Conflicts {
    /// Of each kind as many as there are in either.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        Self {
            detected: self.detected.max(other.detected),
            remote_wins: self.remote_wins.max(other.remote_wins),
            local_wins: self.local_wins.max(other.local_wins),
            skipped: self.skipped.max(other.skipped),
            manual: self.manual.max(other.manual),
        }
    }

    /// Adds those of another look.
    pub fn add(&mut self, more: Self) {
        self.detected += more.detected;
        self.remote_wins += more.remote_wins;
        self.local_wins += more.local_wins;
        self.skipped += more.skipped;
        self.manual += more.manual;
    }
}

/// Rows that each side holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// On REMOTE.
    pub remote: u64,
    /// On LOCAL.
    pub local: u64,
}

/// One row that a dry run would write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedChange {
    /// The key's columns.
    pub key: Json,
    /// `INSERT`, `UPDATE` or `DELETE`; `KEEP` for a conflict that both versions would survive.
    pub action: &'static str,
    /// The side that would be written; `BOTH` for a row that stays as it is on both.
    pub to: &'static str,
    /// The columns that would change; for inserts and deletes all.
    pub columns: Vec<String>,
    /// The conflict that would be decided so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<PlannedConflict>,
}

/// What would be done to a table, in full: what `--apply` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TablePlan {
    /// FULL or INCREMENTAL.
    pub sync_type: SyncType,
    /// Which way rows would travel.
    pub direction: Direction,
    /// Every row that would be written.
    pub rows: Vec<PlannedRow>,
}

/// One row that would be written, with what the decision was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRow {
    /// The key's columns.
    pub key: Json,
    /// `INSERT`, `UPDATE` or `DELETE`.
    pub action: String,
    /// The side that would be written.
    pub to: String,
    /// REMOTE's signature, 16 hexadecimal digits; none where the row is not there.
    pub remote: Option<String>,
    /// LOCAL's.
    pub local: Option<String>,
}

/// A conflict that a dry run meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedConflict {
    /// As in `db_sync_conflict.kind`.
    pub kind: &'static str,
    /// `REMOTE` or `LOCAL`; none where nobody would win.
    pub winner: Option<&'static str>,
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// Its code.
    pub code: &'static str,
    /// The table that it belongs to.
    pub table: Option<String>,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The first sentence with its places unfilled, for translation.
    pub template: &'static str,
    /// The second sentence with its places unfilled, for translation.
    pub hint_template: &'static str,
    /// What stands in the places.
    pub names: std::collections::BTreeMap<&'static str, String>,
}

impl From<&SyncError> for Failure {
    fn from(error: &SyncError) -> Self {
        Self {
            code: error.code().as_str(),
            table: error.name("table").map(ToOwned::to_owned),
            message: error.message(),
            hint: error.hint(),
            template: error.sentences.what,
            hint_template: error.sentences.hint,
            names: error.names.iter().rev().map(|(name, value)| (*name, value.clone())).collect(),
        }
    }
}

/// What became of one table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableReport {
    /// Its name.
    pub table: String,
    /// `SUCCESS`, `PARTIAL`, `FAILED` or `INTERRUPTED`.
    pub status: &'static str,
    /// How changes were found: `scan` or `digest`.
    pub capture: &'static str,
    /// Who wins conflicts.
    pub strategy: &'static str,
    /// Rows written on LOCAL.
    pub remote_to_local: Written,
    /// Rows written on REMOTE.
    pub local_to_remote: Written,
    /// Conflicts met.
    pub conflicts: Conflicts,
    /// Rows on both sides afterwards.
    pub rows: Rows,
    /// Whether both sides are as the policy wants them.
    pub verified: bool,
    /// Milliseconds of work on the table.
    pub duration_ms: u64,
    /// The first failure's code and sentence.
    pub error: Option<Failure>,
    /// What is worth knowing and no failure.
    pub notes: Vec<Note>,
    /// What made the table on the side that lacked it, or would make it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create: Vec<String>,
    /// What a dry run would write: the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<PlannedChange>>,
    /// The same in full, for `--apply`; none where that is too much for a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<TablePlan>,
    /// Whether there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes_truncated: Option<bool>,
    /// How many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes_total: Option<u64>,
}

/// A row that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The key's columns.
    pub key: Json,
    /// Where there is such a row: `REMOTE`, `LOCAL` or `BOTH`.
    pub on: &'static str,
    /// The columns that differ; all where only one side has the row.
    pub columns: Vec<String>,
}

/// What both sides hold of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Contents {
    /// Its name.
    pub table: String,
    /// Whether both sides hold the same rows.
    pub equal: bool,
    /// How many.
    pub rows: Rows,
    /// Rows that REMOTE alone has.
    pub only_remote: u64,
    /// Rows that LOCAL alone has.
    pub only_local: u64,
    /// Rows that both have, and differently.
    pub differing: u64,
    /// The first of them all.
    pub differences: Vec<Difference>,
    /// Whether there are more.
    pub differences_truncated: bool,
    /// That they differ, or why they cannot be compared.
    pub error: Option<Failure>,
}

/// What a check of both sides' rows found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContentsReport {
    /// Table by table.
    pub tables: Vec<Contents>,
    /// What the sync of those that differ did, where it was asked for.
    pub repair: Option<Box<Report>>,
    /// Those that differed, looked at again.
    pub after: Option<Vec<Contents>>,
    /// 0 where both sides hold the same, at the end.
    pub exit_code: u8,
}

impl ContentsReport {
    /// As text, table by table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.tables.iter().for_each(|table| table.write(&mut text));
        if let Some(repair) = &self.repair {
            text += &repair.text(false);
        }
        self.after.iter().flatten().for_each(|table| table.write(&mut text));
        text
    }
}

impl Contents {
    fn write(&self, text: &mut String) {
        let Self { table, rows, only_remote, only_local, differing, .. } = self;
        let outcome = match (&self.error, self.equal) {
            (_, true) => "equal",
            (Some(failure), _) if failure.code != "SYNC_010" => "not compared",
            _ => "different",
        };
        let _ = writeln!(
            text,
            "{table:<32} {outcome:<12} rows {}/{}  only on REMOTE {only_remote}, only on LOCAL {only_local}, different {differing}",
            rows.remote, rows.local
        );
        for Difference { key, on, columns } in &self.differences {
            let place = if *on == "BOTH" {
                format!("differs in {}", columns.join(", "))
            } else {
                format!("only on {on}")
            };
            let _ = writeln!(text, "  {key} {place}");
        }
        if self.differences_truncated && !self.differences.is_empty() {
            let _ = writeln!(text, "  …");
        }
        write_failures(text, self.error.as_slice());
    }
}

/// How much a difference between two definitions matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The table cannot be synced.
    Error,
    /// Some rows may be left where they are.
    Warning,
    /// Worth knowing.
    Note,
}

impl Level {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One difference between two definitions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The table; `*` for the servers as a whole.
    pub table: String,
    /// The column, or columns, that it is about.
    pub column: Option<String>,
    /// How much it matters.
    pub level: Level,
    /// The code with which the sync would tell of it.
    pub code: Option<&'static str>,
    /// What it means for the sync.
    #[serde(flatten)]
    pub note: Note,
    /// The SQL that would mend it.
    pub sql: Option<String>,
}

/// What a check of both sides' definitions found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SchemaReport {
    /// How many tables were compared.
    pub tables: usize,
    /// Every difference.
    pub findings: Vec<Finding>,
    /// 1 where a table cannot be synced.
    pub exit_code: u8,
}

impl SchemaReport {
    /// As text, finding by finding.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Finding { table, column, level, code, note, sql } in &self.findings {
            let level = level.as_str();
            let place = column.as_ref().map_or(table.clone(), |column| format!("{table}.{column}"));
            let code = code.map(|code| format!(" {code}")).unwrap_or_default();
            let _ = writeln!(text, "{level}{code} {place}: {}", note.message);
            for line in sql.iter().flat_map(|sql| sql.lines()) {
                let _ = writeln!(text, "    {line}");
            }
        }
        let _ = writeln!(text, "{} table(s), {} finding(s)", self.tables, self.findings.len());
        text
    }
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The run's name, as in our tables.
    pub run_id: String,
    /// FULL or INCREMENTAL.
    pub sync_type: &'static str,
    /// BOTH or one way.
    pub sync_direction: &'static str,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// `SUCCESS`, `PARTIAL`, `FAILED` or `INTERRUPTED`.
    pub status: &'static str,
    /// UTC.
    pub started_at: String,
    /// Milliseconds.
    pub duration_ms: u64,
    /// Table by table, in the order of the work.
    pub tables: Vec<TableReport>,
    /// What is worth knowing of the run and no failure.
    pub notes: Vec<Note>,
    /// Every failure, rows' first hundred included.
    pub errors: Vec<Failure>,
    /// The exit status that belongs to all this.
    pub exit_code: u8,
}

impl Report {
    /// As text, table by table; `verbose` adds what is worth knowing of each.
    pub fn text(&self, verbose: bool) -> String {
        let mut text = String::new();
        for table in &self.tables {
            table.write(&mut text, verbose, self.dry_run);
        }
        for note in &self.notes {
            let _ = writeln!(text, "{}", note.message);
        }
        write_failures(&mut text, &self.errors);
        let written: u64 = self
            .tables
            .iter()
            .map(|table| table.remote_to_local.total() + table.local_to_remote.total())
            .sum();
        let verb = if self.dry_run { "would be written (dry run)" } else { "written" };
        let count = self.tables.len();
        let _ = writeln!(
            text,
            "{}: {} {}, {count} table(s), {written} row(s) {verb}, {} ms (run {})",
            self.status, self.sync_type, self.sync_direction, self.duration_ms, self.run_id
        );
        text
    }
}

/// Failures of one kind that are told one by one.
const ONE_BY_ONE: usize = 5;

/// Failures, those of one kind in one table together: the first few, how many more there are, and what to do.
fn write_failures(text: &mut String, failures: &[Failure]) {
    let mut kinds: Vec<Vec<&Failure>> = Vec::new();
    for failure in failures {
        let alike = |kind: &&mut Vec<&Failure>| {
            (&kind[0].table, kind[0].code, kind[0].template)
                == (&failure.table, failure.code, failure.template)
        };
        match kinds.iter_mut().find(alike) {
            Some(kind) => kind.push(failure),
            None => kinds.push(vec![failure]),
        }
    }
    for kind in kinds {
        for failure in kind.iter().take(ONE_BY_ONE) {
            let _ = writeln!(text, "{}: {}", failure.code, failure.message);
        }
        if let Some(more) = kind.len().checked_sub(ONE_BY_ONE).filter(|more| *more > 0) {
            let _ = writeln!(text, "  … and {more} more of this kind (--json lists them)");
        }
        let _ = writeln!(text, "  {}", kind[0].hint);
    }
}

impl TableReport {
    fn write(&self, text: &mut String, verbose: bool, dry_run: bool) {
        let arrow = |written: Written| {
            format!("+{} ~{} -{}", written.inserted, written.updated, written.deleted)
        };
        let verified = match (dry_run, self.verified) {
            (true, _) => "planned",
            (false, true) => "verified",
            (false, false) => "not verified",
        };
        let _ = writeln!(
            text,
            "{:<32} {:<8} to LOCAL {}  to REMOTE {}  conflicts {}  {verified}  {} ms",
            self.table,
            self.status,
            arrow(self.remote_to_local),
            arrow(self.local_to_remote),
            self.conflicts.detected,
            self.duration_ms
        );
        if verbose {
            let _ = writeln!(
                text,
                "  capture {}, strategy {}, rows {} on REMOTE and {} on LOCAL",
                self.capture, self.strategy, self.rows.remote, self.rows.local
            );
        }
        if verbose || self.status != "SUCCESS" {
            for note in &self.notes {
                let _ = writeln!(text, "  {}", note.message);
            }
        }
        for statement in &self.create {
            let _ = writeln!(text, "  {};", statement.replace('\n', "\n  "));
        }
        for change in self.changes.iter().flatten() {
            let columns = change.columns.join(", ");
            let conflict = change.conflict.map_or_else(String::new, |conflict| {
                let winner = conflict.winner.unwrap_or("nobody");
                format!(" (conflict {}, {winner} wins)", conflict.kind)
            });
            let PlannedChange { action, key, to, .. } = change;
            let _ = writeln!(text, "  {action} {key} on {to}: {columns}{conflict}");
        }
        if self.changes_truncated == Some(true) {
            let shown = self.changes.as_ref().map_or(0, Vec::len) as u64;
            let more = self.changes_total.unwrap_or(shown).saturating_sub(shown);
            let _ = writeln!(text, "  … and {more} more");
        }
    }
}
