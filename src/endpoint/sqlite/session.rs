//! A session on a SQLite file.

use std::ops::ControlFlow;
use std::path::Path;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Either, Executor, SqlSafeStr, SqlStr};

use super::values::{arguments, decode};
use crate::endpoint::{Place, Statement};
use crate::error::{self, Result};
use crate::model::Row;

/// One session.
pub struct SqliteSession {
    connection: SqliteConnection,
}

impl SqliteSession {
    /// Opens the file, which must exist; its journal mode is left as it is.
    ///
    /// # Errors
    /// `DB_CONN_001`, `DB_CONN_004`.
    pub async fn open(place: &Place, path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(place.error(error::NO_FILE));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(place.patience.lock)
            .disable_statement_logging();
        let connection = options
            .connect()
            .await
            .map_err(|problem| place.fault(&problem, "connect").fatal(place))?;
        Ok(Self { connection })
    }

    /// Runs a statement without result rows.
    pub async fn execute(
        &mut self,
        statement: &Statement,
    ) -> std::result::Result<u64, sqlx::Error> {
        if statement.args.is_empty() {
            let query = sqlx::raw_sql(AssertSqlSafe(statement.sql.clone()));
            return Ok(self.connection.execute(query).await?.rows_affected());
        }
        let query = sqlx::query_with(safe(statement), arguments(&statement.args)?);
        Ok(self.connection.execute(query).await?.rows_affected())
    }

    /// Hands each row of a result to `each` until it breaks off.
    pub async fn for_each(
        &mut self,
        statement: &Statement,
        each: &mut (dyn FnMut(Row) -> ControlFlow<()> + Send),
    ) -> std::result::Result<(), sqlx::Error> {
        let mut rows = self.stream(statement);
        while let Some(row) = rows.next().await {
            if each(row?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The rows of a result as they come.
    pub fn stream<'a>(
        &'a mut self,
        statement: &'a Statement,
    ) -> BoxStream<'a, std::result::Result<Row, sqlx::Error>> {
        let arguments = match arguments(&statement.args) {
            Ok(arguments) => arguments,
            Err(problem) => return Box::pin(futures_util::stream::once(async { Err(problem) })),
        };
        let query = sqlx::query_with(safe(statement), arguments);
        let rows = self.connection.fetch_many(query).filter_map(move |step| {
            std::future::ready(match step {
                Ok(Either::Left(_)) => None,
                Ok(Either::Right(row)) => Some(decode(&row, &statement.cells)),
                Err(problem) => Some(Err(problem)),
            })
        });
        Box::pin(rows)
    }

    /// Closes the file.
    pub async fn close(self) {
        // Whatever was not committed is rolled back by closing.
        let _ = self.connection.close().await;
    }
}

fn safe(statement: &Statement) -> SqlStr {
    AssertSqlSafe(statement.sql.clone()).into_sql_str()
}
