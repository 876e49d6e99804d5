//! A session on a SQLite file.

use std::path::Path;

use sqlx::ConnectOptions;
use sqlx::sqlite::{Sqlite, SqliteConnectOptions};

use crate::endpoint::Place;
use crate::endpoint::session::Session;
use crate::error::{self, Result};

/// Opens the file, which must exist; its journal mode is left as it is.
///
/// # Errors
/// `DB_CONN_001`, `DB_CONN_004`.
pub async fn open(place: &Place, path: &Path) -> Result<Session<Sqlite>> {
    if !path.exists() {
        return Err(place.error(error::NO_FILE));
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(place.patience.lock)
        .disable_statement_logging();
    let connection = options.connect().await;
    connection.map(Session::on).map_err(|problem| place.fault(&problem, "connect").fatal(place))
}
