//! The `db-sync` command: the same engine without Django.
//!
//! Parses, calls, prints; exit statuses are those of the contract. Nothing is decided here.

mod check;
mod config;
mod conflicts;
mod doctor;
mod explain;
mod output;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use self::output::{Output, listening, print};
use crate::config::{Capture, bad_direction, bad_value};
use crate::endpoint::Dialect;
use crate::engine::Options;
use crate::engine::drive::drive;
use crate::engine::progress::Show;
use crate::engine::reviewed::Reviewed;
use crate::error::{Result, SyncError};
use crate::journal::schema;
use crate::plan::policy::{Strategy, SyncType};
use crate::report::Report;

/// Keeps a remote and a local database the same, both ways.
#[derive(Debug, Parser)]
#[command(name = "db-sync", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sync now.
    Run(RunFlags),
    /// Take back what a run did: put back what it overwrote and deleted, remove what it inserted.
    Undo(UndoFlags),
    /// List, show and decide conflicts.
    #[command(subcommand)]
    Conflicts(conflicts::Command),
    /// List the tables that are synced, and change how they are.
    #[command(subcommand)]
    Config(config::Command),
    /// Compare both sides without writing anything.
    Check(check::Flags),
    /// Tell of one row what each side holds, what happened to it, and what the next run would do.
    Explain(explain::Flags),
    /// Look for whatever stands in the way of a sync, or will, and say what to do about it.
    Doctor(doctor::Flags),
    /// Print the SQL that makes the sync's own tables.
    Schema {
        /// Whose SQL: mysql or sqlite.
        #[arg(long, default_value = "mysql")]
        dialect: String,
        /// For a new server: with the database and a default configuration.
        #[arg(long)]
        init: bool,
    },
}

/// The flags of an undo.
#[derive(Clone, Debug, Args)]
struct UndoFlags {
    /// The run, as the report and db_sync_log name it.
    run_id: String,
    /// This table only; may be given more than once.
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    /// Show what would be done and write nothing at all.
    #[arg(long)]
    dry_run: bool,
    /// Tell more.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    output: Output,
}

impl UndoFlags {
    /// An undo is a run of another kind.
    fn run(self) -> RunFlags {
        RunFlags {
            tables: self.tables,
            dry_run: self.dry_run,
            undo: Some(self.run_id),
            verbose: self.verbose,
            progress: "auto".to_owned(),
            output: self.output,
            triggered_by: "MANUAL".to_owned(),
            ..RunFlags::default()
        }
    }
}

/// The flags of a run. Enumerated values are taken in any letter case and checked by the engine.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command line")]
pub struct RunFlags {
    /// FULL or INCREMENTAL.
    #[arg(long = "type", value_name = "TYPE")]
    sync_type: Option<String>,
    /// BOTH, REMOTE_TO_LOCAL or LOCAL_TO_REMOTE.
    #[arg(long)]
    direction: Option<String>,
    /// Sync this table only; may be given more than once.
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    /// REMOTE_WINS, LOCAL_WINS, SKIP or MANUAL.
    #[arg(long, value_name = "STRATEGY")]
    conflict: Option<String>,
    /// auto, binlog, digest or watermark.
    #[arg(long)]
    capture: Option<String>,
    /// Show what would be done and write nothing at all.
    #[arg(long)]
    dry_run: bool,
    /// Lift the guards for this run.
    #[arg(long)]
    force: bool,
    /// Wait so many seconds for a table that another run is at work on.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// Make tables that one side lacks there, from the other side's definition.
    #[arg(long)]
    create_tables: bool,
    /// Write what this plan says (of --dry-run --json; - is stdin), as far as the rows are still what it saw, and nothing else.
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["sync_type", "direction", "tables", "conflict", "capture", "create_tables", "undo"])]
    apply: Option<PathBuf>,
    /// Take back this run instead of syncing.
    #[arg(long, value_name = "RUN_ID", conflicts_with_all = ["sync_type", "direction", "conflict", "capture", "create_tables"])]
    undo: Option<String>,
    /// Tell more.
    #[arg(short, long)]
    verbose: bool,
    /// Progress bars: auto, always or never.
    #[arg(long, default_value = "auto")]
    progress: String,
    #[command(flatten)]
    output: Output,
    /// End the process at this place, for tests.
    #[cfg(feature = "failpoints")]
    #[arg(long, value_name = "PLACE", hide = true)]
    fail_at: Option<String>,
    /// Who starts the run, for the log.
    #[arg(long, default_value = "MANUAL", hide = true)]
    triggered_by: String,
}

impl RunFlags {
    /// The flags as the engine takes them.
    ///
    /// # Errors
    /// `CFG_002` or `CFG_004` with flag, value and what is allowed.
    fn options(&self) -> Result<Options> {
        let one_of = |flag: &'static str, text: &str, allowed: &str| bad_value(flag, text, allowed);
        let sync_type = self.sync_type.as_deref().map(|text| {
            text.parse::<SyncType>().map_err(|_| one_of("--type", text, "FULL | INCREMENTAL"))
        });
        let direction = self
            .direction
            .as_deref()
            .map(|text| text.parse().map_err(|_| bad_direction("--direction", text)));
        let strategy = self.conflict.as_deref().map(|text| {
            text.parse::<Strategy>()
                .map_err(|_| one_of("--conflict", text, "REMOTE_WINS | LOCAL_WINS | SKIP | MANUAL"))
        });
        let capture = self.capture.as_deref().map(|text| {
            text.parse::<Capture>()
                .map_err(|()| one_of("--capture", text, "auto | binlog | digest | watermark"))
        });
        let progress: std::result::Result<Show, ()> = self.progress.parse();
        Ok(Options {
            sync_type: sync_type.transpose()?,
            direction: direction.transpose()?,
            strategy: strategy.transpose()?,
            capture: capture.transpose()?,
            tables: self.tables.clone(),
            dry_run: self.dry_run,
            force: self.force,
            create_tables: self.create_tables,
            wait: Duration::from_secs(self.wait),
            apply: self.apply.as_deref().map(Reviewed::read).transpose()?.map(Arc::new),
            undo: self.undo.clone(),
            resolve: None,
            progress: progress
                .map_err(|()| one_of("--progress", &self.progress, "auto | always | never"))?,
            triggered_by: self.triggered_by.clone(),
        })
    }
}

/// Runs the command with these words and answers its exit status.
pub fn main(words: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version are no failures; clap knows where each is printed.
            let _ = usage.print();
            return if usage.use_stderr() { 2 } else { 0 };
        }
    };
    let outcome = match cli.command {
        Command::Run(flags) => sync(&flags),
        Command::Undo(flags) => sync(&flags.run()),
        Command::Conflicts(command) => conflicts::answer(command),
        Command::Config(command) => config::answer(command),
        Command::Check(flags) => check::answer(&flags),
        Command::Explain(flags) => explain::answer(&flags),
        Command::Doctor(flags) => doctor::answer(&flags),
        Command::Schema { dialect, init } => show_schema(&dialect, init),
    };
    outcome.unwrap_or_else(|error| {
        let (text, exit) = match error.downcast_ref::<SyncError>() {
            Some(failure) => (format!("{failure}\n  {}", failure.hint()), failure.code().exit()),
            None => (format!("{error:#}"), 1),
        };
        // Where stderr is gone too, the exit status has to say it all.
        let _ = writeln!(std::io::stderr(), "{text}");
        exit
    })
}

fn sync(flags: &RunFlags) -> anyhow::Result<u8> {
    let report = begin(flags);
    let exit = report.as_ref().map_or(0, |report| report.exit_code);
    flags
        .output
        .tell(report, |report| report.text(flags.verbose))
        .map(|failed| failed.unwrap_or(exit))
}

fn begin(flags: &RunFlags) -> Result<Report> {
    #[cfg(feature = "failpoints")]
    flags.fail_at.iter().for_each(|place| crate::failpoint::arm(place));
    let options = flags.options()?;
    let settings = flags.output.settings()?;
    // Before, a signal ends the process: a plan may still be awaited on standard input.
    drive(settings, options, &listening(flags.verbose))
}

fn show_schema(dialect: &str, init: bool) -> anyhow::Result<u8> {
    let dialect = match dialect.to_ascii_lowercase().as_str() {
        "sqlite" => Dialect::Sqlite,
        "mysql" | "mariadb" => Dialect::MariaDb,
        _ => return Err(bad_value("--dialect", dialect, "mysql | sqlite").into()),
    };
    let statements = schema::statements(dialect, &schema::Existing::new());
    let script = statements.iter().fold(String::new(), |text, sql| text + sql + ";\n\n");
    print(&if init { schema::init_script() } else { script })?;
    Ok(0)
}
