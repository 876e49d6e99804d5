//! What the doctor found, for people and for scripts.

use std::fmt::Write as _;

use serde::Serialize;

use super::ailments::{Ailment, HARMLESS_DIFFERENCE};
use crate::error::SyncError;
use crate::model::{PerSide, Side};
use crate::note::Note;
use crate::report::{Finding, Level};

/// Lines of statements that the text shows of one finding.
const SHOWN: usize = 12;

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Symptom {
    /// The code with which a sync would tell of it, or one of the doctor's own (`DOC_…`).
    pub code: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The side that it is about; none where it is about both, or about this machine.
    pub side: Option<Side>,
    /// The table, where it is about one.
    pub table: Option<String>,
    /// The column, or columns, that it is about.
    pub column: Option<String>,
    /// What it means for the sync.
    #[serde(flatten)]
    pub note: Note,
    /// What to do, where no statement or command says so.
    pub hint: Option<Note>,
    /// The statements that would mend it, each with its semicolon; comments say on which side they are to be run.
    pub sql: Option<String>,
    /// The command that would mend it, or look closer.
    pub command: Option<String>,
    /// What was done about it.
    pub fixed: Option<Note>,
}

impl Symptom {
    /// A finding of a kind, whose places [`Self::with`] fills.
    pub fn of(ailment: Ailment) -> Self {
        Self {
            code: ailment.code,
            level: ailment.level,
            side: None,
            table: None,
            column: None,
            note: Note::new(ailment.says),
            hint: None,
            sql: None,
            command: None,
            fixed: None,
        }
    }

    /// Says on which side it is.
    #[must_use]
    pub fn on(self, side: Side) -> Self {
        Self { side: Some(side), ..self }.with("side", side)
    }

    /// Fills one place.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.note = self.note.with(name, value);
        self
    }

    /// Adds the statements that would mend it.
    #[must_use]
    pub fn sql(self, statements: impl IntoIterator<Item = String>) -> Self {
        let statements: Vec<String> = statements.into_iter().collect();
        let sql = (!statements.is_empty()).then(|| statements.join("\n"));
        Self { sql, ..self }
    }

    /// Adds the command that would mend it.
    #[must_use]
    pub fn command(self, command: String) -> Self {
        Self { command: Some(command), ..self }
    }
}

impl From<&SyncError> for Symptom {
    /// What would end a run.
    fn from(error: &SyncError) -> Self {
        let filled = |template: &'static str| {
            let names = error.names.iter().rev();
            names.fold(Note::new(template), |note, (name, value)| note.with(name, value))
        };
        let side = error.name("side");
        Self {
            code: error.code().as_str(),
            level: Level::Error,
            side: Side::BOTH.into_iter().find(|known| side == Some(known.as_str())),
            table: error.name("table").map(ToOwned::to_owned),
            column: error.name("column").map(ToOwned::to_owned),
            note: filled(error.sentences.what),
            hint: Some(filled(error.sentences.hint)),
            sql: None,
            command: None,
            fixed: None,
        }
    }
}

impl From<Finding> for Symptom {
    /// A difference between both sides' definitions.
    fn from(finding: Finding) -> Self {
        let Finding { table, column, level, code, note, sql } = finding;
        Self {
            code: code.unwrap_or(HARMLESS_DIFFERENCE),
            level,
            side: None,
            table: Some(table).filter(|table| table != "*"),
            column,
            note,
            hint: None,
            sql,
            command: None,
            fixed: None,
        }
    }
}

/// What a side turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vitals {
    /// Name and version.
    pub server: String,
    /// `host:port/database`, or the file's path.
    pub address: String,
    /// Milliseconds by which its clock is ahead of this machine's.
    pub clock_ms: i64,
    /// Minutes by which its time zone is ahead of UTC; none where it does not know.
    pub time_zone_minutes: Option<i64>,
    /// Bytes of room on its disk; none where it does not tell.
    pub free_bytes: Option<u64>,
}

/// What the doctor found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// What each side turned out to be; none where it was not reached.
    pub sides: PerSide<Option<Vitals>>,
    /// Every finding, the worst first.
    pub findings: Vec<Symptom>,
    /// 1 where something stops a sync and was not mended.
    pub exit_code: u8,
}

impl Diagnosis {
    /// Puts the findings in order.
    pub fn new(sides: PerSide<Option<Vitals>>, mut findings: Vec<Symptom>) -> Self {
        findings.sort_by_key(|finding| finding.level);
        let stops =
            findings.iter().any(|found| found.level == Level::Error && found.fixed.is_none());
        Self { sides, findings, exit_code: u8::from(stops) }
    }

    /// As text: the sides, finding by finding, and how many there are.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Nothing refuses to be written to memory.
        for side in Side::BOTH {
            let _ = match &self.sides[side] {
                Some(Vitals { server, address, .. }) => {
                    writeln!(text, "{side}: {server} at {address}")
                }
                None => writeln!(text, "{side}: not reached"),
            };
        }
        for finding in &self.findings {
            finding.write(&mut text);
        }
        let count = |level| self.findings.iter().filter(|found| found.level == level).count();
        let [errors, warnings, notes] = [Level::Error, Level::Warning, Level::Note].map(count);
        let fixed = self.findings.iter().filter(|found| found.fixed.is_some()).count();
        let _ = writeln!(
            text,
            "{errors} error(s), {warnings} warning(s), {notes} note(s), {fixed} fixed"
        );
        text
    }
}

impl Symptom {
    fn write(&self, text: &mut String) {
        let side = self.side.map(Side::as_str);
        let table = self.table.as_ref().map(|table| {
            self.column.as_ref().map_or(table.clone(), |column| format!("{table}.{column}"))
        });
        let place: Vec<&str> = side.into_iter().chain(table.as_deref()).collect();
        let place = if place.is_empty() { String::new() } else { format!(" {}", place.join(" ")) };
        let _ =
            writeln!(text, "{} {}{place}: {}", self.level.as_str(), self.code, self.note.message);
        if let Some(fixed) = &self.fixed {
            let _ = writeln!(text, "    fixed: {}", fixed.message);
            return;
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "    {}", hint.message);
        }
        let lines: Vec<&str> =
            self.sql.iter().chain(&self.command).flat_map(|remedy| remedy.lines()).collect();
        for line in lines.iter().take(SHOWN) {
            let _ = writeln!(text, "    {line}");
        }
        if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(text, "    … and {more} more lines (--json has all of them)");
        }
    }
}
