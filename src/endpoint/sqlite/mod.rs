//! SQLite: the session, the catalogue, the cells, and the signatures that the engine computes itself.
//!
//! The library is in-process: a file that this very process has open through another copy of SQLite must
//! not be opened here (two copies lose each other's locks). That is for the doors to see to.

pub mod introspect;
pub mod session;
pub mod sign;
pub mod values;

use std::path::Path;

use crate::endpoint::sql::TEXT;
use crate::endpoint::{Connection, Dialect, Nature, Statement};
use crate::error::Result;
use crate::model::Value;

/// Asks the library what it is. A file's identity is its device and inode: the same file by another name
/// is the same database, a restored copy is another one. A disk may have another number when it is mounted again; then path
/// and inode tell.
///
/// # Errors
/// The failure with its code.
pub async fn nature(connection: &mut Connection, path: &Path) -> Result<Nature> {
    use std::os::unix::fs::MetadataExt as _;
    let rows = connection.fetch(&Statement::new("SELECT sqlite_version()").cells([TEXT])).await?;
    let version =
        rows.first().and_then(|row| row.first()).and_then(Value::as_text).unwrap_or_default();
    let file = std::fs::metadata(path).ok();
    let identity = file.as_ref().map(|file| format!("{}|{}", file.dev(), file.ino()));
    Ok(Nature {
        dialect: Dialect::Sqlite,
        version: format!("SQLite {version}"),
        identity: format!("sqlite|{}", identity.unwrap_or_else(|| path.display().to_string())),
        name: path.display().to_string(),
        birth: file.map(|file| file.ino().to_string()).unwrap_or_default(),
        max_packet: 64 << 20,
        questions: 1,
    })
}
