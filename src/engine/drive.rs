//! One run from outside any runtime: a runtime of its own, which ends with the call.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::cancel::Cancel;
use super::{Options, run};
use crate::config::Settings;
use crate::error::{self, Result, SyncError};
use crate::report::Report;

/// How long a run may take to come to a batch edge once it was asked to stop.
const GRACE: Duration = Duration::from_millis(1500);
/// How often the request to stop is looked at between batch edges.
const LOOK: Duration = Duration::from_millis(50);

/// Syncs on a runtime that lives no longer than this call.
///
/// # Errors
/// What stops a run as a whole; `SYNC_005` where it had to be dropped.
pub fn drive(settings: Settings, options: Options, cancel: &Cancel) -> Result<Report> {
    block(cancel, run(settings, options, cancel.clone()))
}

/// Does some work on a runtime that lives no longer than this call. Work that does not come to a batch edge in time after it
/// was asked to stop is dropped where it is: its transactions roll back.
///
/// # Errors
/// Those of the work; `SYNC_005` where it had to be dropped.
pub fn block<T>(cancel: &Cancel, work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|problem| {
        SyncError::new(error::OUT_OF_MEMORY)
            .with("side", "The machine that syncs")
            .with("address", problem.kind())
    })?;
    let outcome = runtime.block_on(async {
        let mut working = Box::pin(work);
        let asked = async {
            while cancel.check().is_ok() {
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            outcome = &mut working => return outcome,
            () = asked => {}
        }
        timeout(GRACE, working).await.unwrap_or_else(|_| Err(error::INTERRUPTED.into()))
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}
