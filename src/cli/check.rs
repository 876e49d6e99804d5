//! `db-sync check`: whether both sides hold the same, or go together.

use clap::Args;

use super::output::{Output, listening};
use crate::engine::cancel::Cancel;
use crate::engine::drive::block;
use crate::engine::progress::Show;
use crate::engine::{check_schemas, contents};
use crate::report::{ContentsReport, SchemaReport};

/// The flags of a check.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Flags {
    /// The tables' definitions instead of their rows: every difference, what it means, and the SQL that would mend it.
    #[arg(long)]
    schema: bool,
    /// Sync the tables that differ, all their rows, and check them again.
    #[arg(long, conflicts_with = "schema")]
    repair: bool,
    /// Check this table only; may be given more than once.
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// Does what is asked and answers the exit status.
///
/// # Errors
/// What `main` prints.
pub(super) fn answer(flags: &Flags) -> anyhow::Result<u8> {
    let cancel = listening(false);
    if !flags.schema {
        return check_contents(flags, &cancel);
    }
    let report = flags.output.settings().and_then(|settings| {
        let work = check_schemas(settings, flags.tables.clone(), cancel.clone());
        block(&cancel, work)
    });
    let exit = report.as_ref().map_or(0, |report| report.exit_code);
    flags.output.tell(report, SchemaReport::text).map(|failed| failed.unwrap_or(exit))
}

fn check_contents(flags: &Flags, cancel: &Cancel) -> anyhow::Result<u8> {
    let (tables, repair) = (flags.tables.clone(), flags.repair);
    let wanted = contents::Wanted { tables, repair, progress: Show::Auto };
    let report = flags
        .output
        .settings()
        .and_then(|settings| block(cancel, contents::check(settings, wanted, cancel.clone())));
    let exit = report.as_ref().map_or(0, |report| report.exit_code);
    flags.output.tell(report, ContentsReport::text).map(|failed| failed.unwrap_or(exit))
}
