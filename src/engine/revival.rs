//! A line was lost, or its server takes no writes while another one takes its place: new lines after a while, and the tables that
//! were not finished begin again. What was committed stays, and is found equal.
//!
//! A line on which nothing is heard any more is not tried again: whoever waits for it has waited long enough.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::ledger::Ledger;
use super::preflight::snapshots;
use super::{Lines, Run};
use crate::config::Address;
use crate::endpoint::{Connection, Purpose};
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
    run: &Run,
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
    match reopened(run).await {
        Ok(new) => std::mem::replace(lines, new).close().await,
        Err(error) => {
            tracing::debug!(%error, "the lines stay lost");
            return false;
        }
    }
    ledger.revive(run, &mut lines.local, Instant::now() + PATIENCE).await
}

async fn reopened(run: &Run) -> Result<Lines> {
    patiently(run, async || {
        let (remote, local) = tokio::join!(
            run.endpoints.remote.connect(Purpose::Write),
            run.endpoints.local.connect(Purpose::Write)
        );
        let PerSide { remote, local } = PerSide::<Connection>::new(remote?, local?);
        let snapshots = snapshots(&run.endpoints).await?;
        Ok(Lines { snapshots, local, remote, rehearsing: false })
    })
    .await
}

/// Tries something until it succeeds, fails for good, or has failed for long enough.
///
/// # Errors
/// The last failure; `SYNC_005` when asked to stop.
async fn patiently<T>(run: &Run, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
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
