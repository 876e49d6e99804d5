//! A run that does not come to its tables, because REMOTE cannot be reached, and what is written down of it all the same: who
//! looks at `db_sync_log` alone must see that nothing is synced.
//!
//! What goes wrong here is no failure of its own: the run has one already.

use chrono::Utc;

use super::Options;
use crate::config::Settings;
use crate::endpoint::Endpoint;
use crate::error::SyncError;
use crate::journal::runs::{self, Pass};
use crate::journal::schema;
use crate::journal::settings::DEFAULTS;
use crate::model::Side;

/// Writes one failed pass, of all tables together, where LOCAL is there and has our tables.
pub(super) async fn note(settings: &Settings, options: &Options, error: &SyncError) {
    if options.dry_run || error.name("side") != Some(Side::Remote.as_str()) {
        return;
    }
    let Ok((endpoint, mut line)) = Endpoint::open(Side::Local, settings).await else { return };
    let dialect = endpoint.nature.dialect;
    let now = Utc::now();
    let pass = Pass {
        run_id: &uuid::Uuid::new_v4().to_string(),
        table: DEFAULTS,
        kind: options.sync_type.unwrap_or(settings.sync_type).as_str(),
        direction: options.direction.unwrap_or(settings.direction),
        triggered_by: &options.triggered_by,
        started: now,
    };
    if schema::is_there(&mut line, dialect).await.unwrap_or(false)
        && let Err(problem) = runs::fail(&mut line, dialect, &pass, error).await
    {
        tracing::info!(error = %problem, "nothing is written down");
    }
    line.close().await;
}
