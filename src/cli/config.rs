//! `db-sync config`: how tables are synced, listed and changed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value as Json;

use super::output::{Output, listening};
use crate::config::Settings;
use crate::engine::configure::{
    self, Altered, Change, Changes, Exported, Listed, Listing, document,
};
use crate::engine::drive::block;
use crate::error::Result;
use crate::journal::settings::Setting;
use crate::report::Failure;

/// What is to be done with the tables' settings.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// All tables with their settings.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Sync a table from now on.
    Enable {
        /// The table.
        table: String,
        #[command(flatten)]
        output: Output,
    },
    /// Leave a table out from now on.
    Disable {
        /// The table.
        table: String,
        #[command(flatten)]
        output: Output,
    },
    /// Change a table's settings.
    Set {
        /// The table; `*` for the defaults of tables that are registered from now on.
        table: String,
        /// Of enabled, type, direction, conflict, priority, ignore and no_conflict.
        #[arg(required = true, value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Take settings from a YAML file: all of them, or none where anything is wrong.
    Import {
        /// The file; - is stdin.
        file: PathBuf,
        /// Show what would change and write nothing at all.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Print the settings as a YAML file that import takes back.
    Export {
        #[command(flatten)]
        output: Output,
    },
}

/// Does what is asked and answers the exit status.
///
/// # Errors
/// What `main` prints.
pub(super) fn answer(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::List { output } => {
            let listing = ask(&output, configure::list);
            let none = |listing: &Listing| listing.tables.is_empty() && listing.errors.is_empty();
            if !output.json && listing.as_ref().is_ok_and(none) {
                let line = "No table is configured yet: the first run registers them.";
                // Nobody needs to hear it where stderr is gone.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            told(listing, &output, |listing| (&listing.errors, listing.exit_code), list_text)
        }
        Command::Export { output } => {
            let exported = ask(&output, configure::export);
            let text = |exported: &Exported| document::write(&exported.tables);
            told(exported, &output, |_| (&[], 0), text)
        }
        Command::Enable { table, output } => set(&table, &["enabled=true".to_owned()], &output),
        Command::Disable { table, output } => set(&table, &["enabled=false".to_owned()], &output),
        Command::Set { table, pairs, output } => set(&table, &pairs, &output),
        Command::Import { file, dry_run, output } => {
            let import =
                |document| ask(&output, |settings| configure::import(settings, document, dry_run));
            let changes = document::open(&file).and_then(import);
            told(changes, &output, |changes| (&changes.errors, changes.exit_code), import_text)
        }
    }
}

fn set(table: &str, pairs: &[String], output: &Output) -> anyhow::Result<u8> {
    let changes = ask(output, |settings| configure::set(settings, table, pairs));
    let text = |changes: &Changes| match changes.errors[..] {
        [] => format!("{table} is changed.\n"),
        _ => String::new(),
    };
    told(changes, output, |changes| (&changes.errors, changes.exit_code), text)
}

/// Has the engine do something with the settings.
fn ask<T, W: Future<Output = Result<T>>>(
    output: &Output,
    work: impl FnOnce(Settings) -> W,
) -> Result<T> {
    let cancel = listening(false);
    let settings = output.settings()?;
    block(&cancel, work(settings))
}

/// Prints what came out, and on stderr what is wrong.
fn told<T: Serialize>(
    outcome: Result<T>,
    output: &Output,
    wrong: impl Fn(&T) -> (&[Failure], u8),
    text: impl Fn(&T) -> String,
) -> anyhow::Result<u8> {
    let lines =
        |failure: &Failure| format!("{}: {}\n  {}\n", failure.code, failure.message, failure.hint);
    let ended = outcome.as_ref().map(|outcome| {
        let (failures, exit) = wrong(outcome);
        (failures.iter().map(lines).collect::<String>(), exit)
    });
    let (lines, exit) = ended.unwrap_or_default();
    let failed = output.tell(outcome, text)?;
    if !output.json {
        // Where stderr is gone too, the exit status has to say it all.
        let _ = write!(std::io::stderr(), "{lines}");
    }
    Ok(failed.unwrap_or(exit))
}

/// A line for each table.
fn list_text(listing: &Listing) -> String {
    let line = |Listed { table, settings }: &Listed| {
        let word = |(setting, value): (&Setting, &Json)| match (setting, value) {
            (Setting::Enabled, value) => Some(if value == true { "on" } else { "off" }.to_owned()),
            (_, Json::String(text)) => Some(text.clone()),
            (_, Json::Array(names)) if names.is_empty() => None,
            (setting, value) => Some(format!("{}={}", setting.as_str(), names(value))),
        };
        let words: Vec<String> = settings.iter().filter_map(word).collect();
        format!("{table:<32}  {}\n", words.join("  "))
    };
    listing.tables.iter().map(line).collect()
}

/// A line for each row that changes, and what else is to be said.
fn import_text(changes: &Changes) -> String {
    let mut text = String::new();
    for Change { table, registered, settings } in &changes.tables {
        let altered = |(setting, altered): (&Setting, &Altered)| {
            let from = altered.from.as_ref().map(|from| format!("{} → ", names(from)));
            format!("{} {}{}", setting.as_str(), from.unwrap_or_default(), names(&altered.to))
        };
        // A new table's lists are worth a word where something is in them.
        let told =
            |altered: &Altered| altered.from.is_some() || altered.to != serde_json::json!([]);
        let settings = settings.iter().filter(|(_, altered)| told(altered));
        let altered: Vec<String> = settings.map(altered).collect();
        let registered = if *registered { "registered, " } else { "" };
        // Nothing refuses to be written to memory.
        let _ = writeln!(text, "{table}: {registered}{}", altered.join(", "));
    }
    for note in &changes.notes {
        let _ = writeln!(text, "{}", note.message);
    }
    if changes.errors.is_empty() {
        let verb = if changes.dry_run { "would be changed" } else { "changed" };
        let (count, unchanged) = (changes.tables.len(), changes.unchanged);
        let _ = writeln!(text, "{count} table(s) {verb}, {unchanged} as they were");
    }
    text
}

/// A value as people read it.
fn names(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(values) if values.is_empty() => "-".to_owned(),
        Json::Array(values) => values.iter().map(names).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
