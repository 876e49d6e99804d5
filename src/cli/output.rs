//! What every command has in common: where its settings come from, and how it tells what came out.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use crate::config::Settings;
use crate::engine::cancel::Cancel;
use crate::error::Result;
use crate::report::Failure;

/// The flags of every command.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Output {
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Read settings from this file instead of .env.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

impl Output {
    /// Reads the settings.
    ///
    /// # Errors
    /// `CFG_001`, `CFG_002` or `CFG_004`.
    pub fn settings(&self) -> Result<Settings> {
        Settings::load(self.env_file.as_deref())
    }

    /// Prints what came out, as JSON or as text; answers the exit status of a failure that is told as JSON.
    ///
    /// # Errors
    /// The failure where it is not told as JSON, for `main` to print; what cannot be printed.
    pub fn tell<T: Serialize>(
        &self,
        outcome: Result<T>,
        text: impl Fn(&T) -> String,
    ) -> anyhow::Result<Option<u8>> {
        match (outcome, self.json) {
            (Ok(report), true) => {
                print(&(serde_json::to_string(&report).context("the report")? + "\n"))?;
                Ok(None)
            }
            (Ok(report), false) => print(&text(&report)).map(|()| None),
            (Err(failure), true) => {
                print(&format!("{}\n", serde_json::json!({"error": Failure::from(&failure)})))?;
                Ok(Some(failure.code().exit()))
            }
            (Err(failure), false) => Err(failure.into()),
        }
    }
}

/// Begins a command: logs go to stderr, and a signal asks it to stop.
pub(super) fn listening(verbose: bool) -> Cancel {
    log(verbose);
    let cancel = Cancel::default();
    cancel.on_signals();
    cancel
}

fn log(verbose: bool) {
    let level = if verbose { tracing::Level::INFO } else { tracing::Level::WARN };
    let logger = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false);
    // Whoever embeds us may have set up logging already; theirs stands.
    let _ = logger.try_init();
}

/// Writes to stdout at once.
///
/// # Errors
/// What cannot be printed, but for a reader that went away.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that went away (`| head`) is no failure of the sync.
        Err(problem) if problem.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to stdout"),
    }
}
