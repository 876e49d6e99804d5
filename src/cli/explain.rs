//! `db-sync explain`: one row, and why.

use std::fmt::Write as _;

use clap::Args;

use super::conflicts::columns_text;
use super::output::{Output, listening};
use crate::engine::drive::block;
use crate::engine::explain::{Explanation, explain};
use crate::model::Side;

/// Which row.
#[derive(Clone, Debug, Args)]
pub(super) struct Flags {
    /// The table.
    table: String,
    /// The row's key: the value of its only column, or a JSON object of its columns.
    key: String,
    #[command(flatten)]
    output: Output,
}

/// Does what is asked and answers the exit status.
///
/// # Errors
/// What `main` prints.
pub(super) fn answer(flags: &Flags) -> anyhow::Result<u8> {
    let cancel = listening(false);
    let told = flags.output.settings().and_then(|settings| {
        block(&cancel, explain(settings, &flags.table, &flags.key, cancel.clone()))
    });
    flags.output.tell(told, text).map(|failed| failed.unwrap_or(0))
}

fn text(told: &Explanation) -> String {
    let Explanation { table, key, rows, unchanged, base, change, next, .. } = told;
    let mut text = format!("{table}  {key}\n{}", columns_text(rows));
    for side in Side::BOTH {
        let since = match (unchanged.map(|unchanged| unchanged[side]), &rows[side]) {
            (Some(true), _) => "as after the last sync",
            (Some(false), Some(_)) => "changed since the last sync",
            (Some(false), None) => "deleted since the last sync",
            (None, Some(_)) => "there; nothing is remembered of it",
            (None, None) => "not there",
        };
        // Nothing refuses to be written to memory.
        let _ = writeln!(text, "{side}: {since}");
    }
    let _ = writeln!(text, "Base: {base}\n{change}\n{next}");
    for touch in &told.touched {
        let _ = writeln!(
            text,
            "{}  run {}  {} on {}",
            touch.at, touch.run_id, touch.action, touch.side
        );
    }
    for conflict in &told.conflicts {
        let winner = conflict.winner.as_deref().unwrap_or("nobody");
        let _ = writeln!(
            text,
            "conflict {}  {}  {}  run {}  winner: {winner}",
            conflict.id, conflict.kind, conflict.state, conflict.run_id
        );
    }
    text
}
