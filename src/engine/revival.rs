//! A line was lost, or its server takes no writes while another one takes its place: new lines after a while, and the tables that
//! were not finished begin again. What was committed stays, and is found equal.
//!
//! A line on which nothing is heard any more is not tried again: whoever waits for it has waited long enough.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::ledger::Ledger;
use super::preflight::{Job, jobs, reach, snapshots};
use super::{Lines, Run};
use crate::config::Address;
use crate::error::{self, Result, SyncError};
use crate::model::{PerSide, Side};

/// How often a run begins again.
pub const LIVES: u32 = 5;
/// How long it waits for a server to come back.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first pause, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Whether the same may succeed on a new line.
pub fn may_pass(run: &Run, error: &SyncError) -> bool {
    let server = |side: &Side| matches!(run.settings.sides[*side], Address::Server(_));
    let passing = [
        error::CONNECTION_LOST,
        error::CANNOT_CONNECT,
        error::TOO_MANY_CONNECTIONS,
        error::READ_ONLY,
    ];
    let side = Side::BOTH.into_iter().find(|side| error.name("side") == Some(side.as_str()));
    passing.contains(&error.sentences) && side.as_ref().is_none_or(server)
}

/// Opens the lines anew and puts the tables that had lost theirs back to where they began. Answers whether there is anything to
/// do again.
pub async fn begin_again(
    run: &mut Run,
    lines: &mut Lines,
    ledger: &mut Ledger,
    lives: &mut u32,
) -> bool {
    let sync = run.options.undo.is_none() && run.options.resolve.is_none();
    if !sync || *lives == 0 || !ledger.any_lost(run) {
        return false;
    }
    sleep(PAUSE.0 * 2_u32.pow(LIVES - *lives)).await;
    *lives -= 1;
    let jobs = match reopened(run).await {
        Ok((new, jobs)) => {
            std::mem::replace(lines, new).close().await;
            jobs
        }
        Err(error) => {
            tracing::warn!(%error, "the run does not begin again");
            return false;
        }
    };
    ledger.revive(run, &mut lines.local, jobs, Instant::now() + PATIENCE).await
}

/// New lines, and what the tables are now. Another server in the place of the one that was lost may know less than the base
/// does: then nothing begins again.
async fn reopened(run: &mut Run) -> Result<(Lines, Vec<Job>)> {
    let reached = patiently(run, async || reach(&run.settings).await);
    let (endpoints, mut writers) = reached.await?;
    for side in Side::BOTH {
        if endpoints[side].nature.identity != run.endpoints[side].nature.identity {
            return Err(SyncError::new(error::OTHER_DATABASE).with("side", side));
        }
    }
    let jobs = jobs(run, &mut writers).await?;
    let PerSide { remote, local } = writers;
    let snapshots = snapshots(&run.endpoints).await?;
    Ok((Lines { snapshots, local, remote, rehearsing: false }, jobs))
}

/// Tries something until it succeeds, fails for good, or has failed for long enough.
///
/// # Errors
/// The last failure; `SYNC_005` when asked to stop.
async fn patiently<T>(run: &Run, attempt: impl AsyncFn() -> Result<T>) -> Result<T> {
    let (until, mut pause) = (Instant::now() + PATIENCE, PAUSE.0);
    loop {
        run.cancel.check()?;
        match attempt().await {
            Err(error) if may_pass(run, &error) && Instant::now() < until => {}
            other => return other,
        }
        sleep(pause).await;
        pause = PAUSE.1.min(pause * 2);
    }
}
