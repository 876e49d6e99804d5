//! `db-sync doctor`: what stands in the way of a sync.

use clap::Args;

use super::output::{Output, listening};
use crate::engine::doctor::diagnose;
use crate::engine::doctor::diagnosis::Diagnosis;
use crate::engine::drive::block;

/// The flags of a diagnosis.
#[derive(Clone, Debug, Args)]
pub(super) struct Flags {
    /// Mend what is safe: make the sync's own tables, and put in order what dead runs have left.
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    output: Output,
}

/// Does what is asked and answers the exit status.
///
/// # Errors
/// What `main` prints.
pub(super) fn answer(flags: &Flags) -> anyhow::Result<u8> {
    let cancel = listening(false);
    let diagnosis = flags
        .output
        .settings()
        .and_then(|settings| block(&cancel, diagnose(settings, flags.fix, cancel.clone())));
    let exit = diagnosis.as_ref().map_or(0, |diagnosis| diagnosis.exit_code);
    flags.output.tell(diagnosis, Diagnosis::text).map(|failed| failed.unwrap_or(exit))
}
