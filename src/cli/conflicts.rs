//! `db-sync conflicts`: listed, shown and decided.

use std::fmt::Write as _;

use clap::Subcommand;
use serde_json::Value as Json;

use super::output::{Output, listening};
use crate::config::bad_value;
use crate::engine::Options;
use crate::engine::cancel::Cancel;
use crate::engine::drive::{block, drive};
use crate::engine::progress::Show;
use crate::engine::resolve::{self, Asked, Verdict};
use crate::error::Result;
use crate::journal::conflicts::{ConflictList, Stored};
use crate::model::value::parse_uuid;
use crate::model::{PerSide, Side};
use crate::report::Report;

/// What is to be done with conflicts.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// The conflicts that wait for a person.
    List {
        /// Those that are decided too.
        #[arg(long)]
        all: bool,
        /// Of this table only; may be given more than once.
        #[arg(long = "table", value_name = "NAME")]
        tables: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Both rows of one conflict, side by side.
    Show {
        /// The conflict's id.
        id: i64,
        #[command(flatten)]
        output: Output,
    },
    /// Write one of the two rows on both sides. Decided conflicts can be decided otherwise.
    Resolve {
        /// The conflict's id.
        id: i64,
        /// Whose row: remote or local.
        #[arg(long, value_name = "SIDE")]
        keep: String,
        /// The versions that were looked at, as `show --json` names them; refused where others are kept by now.
        #[arg(long, value_name = "VERSIONS")]
        seen: Option<String>,
        /// Who decides, for db_sync_conflict.
        #[arg(long, default_value = "db-sync")]
        by: String,
        #[command(flatten)]
        output: Output,
    },
}

/// Does what is asked and answers the exit status.
///
/// # Errors
/// What `main` prints.
pub(super) fn answer(command: Command) -> anyhow::Result<u8> {
    let cancel = listening(false);
    match command {
        Command::List { all, tables, output } => {
            let list = output.settings().and_then(|settings| {
                block(&cancel, resolve::list(settings, Asked { all, tables }))
            });
            output.tell(list, list_text).map(|failed| failed.unwrap_or(0))
        }
        Command::Show { id, output } => {
            let found =
                output.settings().and_then(|settings| block(&cancel, resolve::show(settings, id)));
            output.tell(found, row_text).map(|failed| failed.unwrap_or(0))
        }
        Command::Resolve { id, keep, seen, by, output } => {
            let report = side(&keep).and_then(|keep| {
                let verdict = Verdict { conflict: id, keep, by, seen };
                decided(verdict, &output, &cancel)
            });
            let exit = report.as_ref().map_or(0, |report| report.exit_code);
            output.tell(report, |report| report.text(false)).map(|failed| failed.unwrap_or(exit))
        }
    }
}

fn side(keep: &str) -> Result<Side> {
    let side = Side::BOTH.into_iter().find(|side| side.as_str().eq_ignore_ascii_case(keep));
    side.ok_or_else(|| bad_value("--keep", keep, "remote | local"))
}

fn decided(verdict: Verdict, output: &Output, cancel: &Cancel) -> Result<Report> {
    let options = Options {
        resolve: Some(verdict),
        progress: Show::Never,
        triggered_by: "MANUAL".to_owned(),
        ..Options::default()
    };
    drive(output.settings()?, options, cancel)
}

/// A line for each conflict.
fn list_text(list: &ConflictList) -> String {
    let line = |conflict: &Stored| {
        let Stored { id, table, key, kind, state, winner, .. } = conflict;
        let winner = winner.as_ref().map(|winner| format!(" ({winner})")).unwrap_or_default();
        format!("{id}  {table}  {key}  {kind}  {state}{winner}\n")
    };
    let lines: String = list.conflicts.iter().map(line).collect();
    format!("{lines}{} conflict(s)\n", list.conflicts.len())
}

/// Both rows one above the other, column by column; `*` marks columns that differ.
fn row_text(conflict: &Stored) -> String {
    let Stored { id, table, key, kind, state, strategy, rows, .. } = conflict;
    format!("{id}  {table}  {key}  {kind}  {strategy}  {state}\n{}", columns_text(rows))
}

/// Whether two JSON texts are one UUID, which servers spell with and without dashes.
fn is_one_uuid(one: &str, other: &str) -> bool {
    let read = |text: &str| parse_uuid(text.trim_matches('"'));
    read(one).is_some_and(|uuid| Some(uuid) == read(other))
}

/// The columns of both rows; `*` marks those that differ.
pub(super) fn columns_text(rows: &PerSide<Option<Json>>) -> String {
    let mut text = String::new();
    let mut names: Vec<&String> = Vec::new();
    for row in [&rows.remote, &rows.local].into_iter().flatten() {
        let columns = row.as_object().into_iter().flat_map(serde_json::Map::keys);
        for name in columns.filter(|name| !names.contains(name)).collect::<Vec<_>>() {
            names.push(name);
        }
    }
    let cell = |row: &Option<Json>, name: &str| match row {
        None => "(gone)".to_owned(),
        Some(row) => row.get(name).map_or_else(|| "-".to_owned(), ToString::to_string),
    };
    for name in names {
        let (remote, local) = (cell(&rows.remote, name), cell(&rows.local, name));
        let mark = if remote == local || is_one_uuid(&remote, &local) { ' ' } else { '*' };
        // Nothing refuses to be written to memory.
        let _ = write!(text, "{mark} {name}\n    REMOTE  {remote}\n    LOCAL   {local}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_uuid_in_two_spellings_is_no_difference() {
        let dashed = "6f8d3a90-0b1c-4d2e-8f30-123456789abc";
        let (bare, other) = (dashed.replace('-', "").to_uppercase(), dashed.replace("abc", "abd"));
        let marked = |remote: &str, local: &str| {
            let rows = PerSide::new(Some(json!({"id": remote})), Some(json!({"id": local})));
            columns_text(&rows).starts_with('*')
        };
        assert!(!marked(dashed, &bare) && !marked(dashed, dashed));
        assert!(marked(dashed, &other) && marked("a", "b") && marked("", dashed));
    }
}
