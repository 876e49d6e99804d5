//! What tables a database has.

use std::collections::HashMap;

use super::{Connection, Dialect, mysql, sqlite};
use crate::error::Result;
use crate::model::Table;

/// Every base table, by the name that the server gives it.
///
/// # Errors
/// The failure with its code.
pub async fn tables(
    connection: &mut Connection,
    dialect: Dialect,
) -> Result<HashMap<String, Table>> {
    match dialect {
        Dialect::Sqlite => sqlite::introspect::tables(connection).await,
        Dialect::MySql | Dialect::MariaDb => mysql::introspect::tables(connection, dialect).await,
    }
}
