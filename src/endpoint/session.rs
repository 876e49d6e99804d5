//! What a session does on either kind of server.
//!
//! How a session is opened, and how cells travel, is each server's own business (`mysql`, `sqlite`).

use std::ops::ControlFlow;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::{
    AssertSqlSafe, Connection, Database, Either, Error, Executor, IntoArguments, SqlSafeStr,
};

use super::Statement;
use crate::model::{Kind, Row, Value};

/// A driver, and how cells travel through it.
pub trait Driver: Database<Connection: Send> + Sized {
    /// A statement's arguments.
    ///
    /// # Errors
    /// The driver's error for a value that it cannot send.
    fn arguments(values: &[Value]) -> Result<Self::Arguments, Error>;

    /// A result row, cell by cell, by the kinds that the statement announced.
    ///
    /// # Errors
    /// The driver's error for a cell of another form than its kind.
    fn decode(row: &Self::Row, kinds: &[Kind]) -> Result<Row, Error>;

    /// The same for a row of the plain protocol.
    ///
    /// # Errors
    /// As [`Self::decode`].
    fn decode_plain(row: &Self::Row, kinds: &[Kind]) -> Result<Row, Error>;

    /// How many rows a statement touched.
    fn touched(done: &Self::QueryResult) -> u64;
}

/// One session on one server.
pub struct Session<D: Driver> {
    connection: D::Connection,
}

impl<D: Driver> Session<D>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    D::Arguments: IntoArguments<D>,
{
    /// A session on an open connection.
    pub fn on(connection: D::Connection) -> Self {
        Self { connection }
    }

    /// Runs a statement without result rows. Without arguments it goes through the plain protocol, which also takes what
    /// cannot be prepared.
    ///
    /// # Errors
    /// The driver's error.
    pub async fn execute(&mut self, statement: &Statement) -> Result<u64, Error> {
        let sql = AssertSqlSafe(statement.sql.clone());
        let done = if statement.args.is_empty() {
            self.connection.execute(sqlx::raw_sql(sql)).await?
        } else {
            let arguments = D::arguments(&statement.args)?;
            self.connection.execute(sqlx::query_with(sql.into_sql_str(), arguments)).await?
        };
        Ok(D::touched(&done))
    }

    /// Hands each row of a result to `each` until it breaks off.
    ///
    /// # Errors
    /// The driver's error.
    pub async fn for_each(
        &mut self,
        statement: &Statement,
        each: &mut (dyn FnMut(Row) -> ControlFlow<()> + Send),
    ) -> Result<(), Error> {
        let mut rows = self.stream(statement);
        while let Some(row) = rows.next().await {
            if each(row?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The rows of a result as they come.
    pub fn stream<'a>(&'a mut self, statement: &'a Statement) -> BoxStream<'a, Result<Row, Error>> {
        if statement.plain {
            let rows = self.texts(statement);
            return Box::pin(rows.map(|row| D::decode_plain(&row?, &statement.cells)));
        }
        let arguments = match D::arguments(&statement.args) {
            Ok(arguments) => arguments,
            Err(problem) => {
                return Box::pin(futures_util::stream::once(std::future::ready(Err(problem))));
            }
        };
        let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
        let steps = self.connection.fetch_many(sqlx::query_with(sql, arguments));
        let rows = steps.filter_map(move |step| {
            std::future::ready(match step {
                Ok(Either::Left(_)) => None,
                Ok(Either::Right(row)) => Some(D::decode(&row, &statement.cells)),
                Err(problem) => Some(Err(problem)),
            })
        });
        Box::pin(rows)
    }

    /// The rows of a result as they come, through the plain protocol and as the driver has them.
    pub fn texts<'a>(&'a mut self, statement: &Statement) -> BoxStream<'a, Result<D::Row, Error>> {
        let sql = AssertSqlSafe(statement.sql.clone());
        let steps = self.connection.fetch_many(sqlx::raw_sql(sql));
        Box::pin(steps.filter_map(|step| {
            std::future::ready(match step {
                Ok(Either::Left(_)) => None,
                Ok(Either::Right(row)) => Some(Ok(row)),
                Err(problem) => Some(Err(problem)),
            })
        }))
    }

    /// Says goodbye.
    pub async fn close(self) {
        // The line is going away whether or not the other end hears of it.
        let _ = self.connection.close().await;
    }
}
