//! A session on a MySQL or MariaDB server, set up so that values arrive as they are.

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Either, Error, Executor, SqlSafeStr};

use super::values::{arguments, cells, plain_cells};
use crate::config::{ServerAddress, SslMode};
use crate::endpoint::{Fault, Place, Problem, Purpose, Statement};
use crate::error::{self, Result as Outcome};
use crate::model::Row;

/// The modes under which nothing is cut or rounded silently, rows with id 0 stay at 0, and zero dates and
/// `2024-00-00` are taken as they are.
const SQL_MODE: &str =
    "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION";

/// Seconds after which MariaDB takes back a transaction of ours that has written and is silent: its line may be gone without the
/// server's knowing, and its rows would stay locked for hours. MySQL has no such thing.
const IDLE: u32 = 600;

/// Statements that the server keeps prepared for us. Closing one costs more than keeping it: sqlx sends the request
/// as a packet of its own on a line without TCP_NODELAY, and the next request then waits some 40 ms for the server's delayed ACK.
const STATEMENTS: usize = 400;

/// The statements by which every session is set up, whatever the driver.
pub fn setup(place: &Place, purpose: Purpose) -> impl Iterator<Item = String> {
    let isolation = match purpose {
        Purpose::Snapshot => "REPEATABLE READ",
        Purpose::Write => "READ COMMITTED",
        Purpose::Uncommitted => "READ UNCOMMITTED",
    };
    // Whole seconds, and never zero: a server takes 0 for "do not wait", which MySQL refuses.
    let wait = place.patience.lock.as_secs().max(1);
    // As few as can be: each costs a round trip.
    let setup = [
        format!(
            "SET NAMES utf8mb4,SESSION sql_mode='{SQL_MODE}',SESSION time_zone='+00:00',\
             SESSION innodb_lock_wait_timeout={wait},SESSION group_concat_max_len=1048576,\
             SESSION foreign_key_checks=1,SESSION unique_checks=1,SESSION autocommit=1\
             /*!80000 ,SESSION information_schema_stats_expiry=0 */\
             /*M!100300 ,SESSION idle_write_transaction_timeout={IDLE} */"
        ),
        format!("SET SESSION TRANSACTION ISOLATION LEVEL {isolation}"),
    ];
    let snapshot = (purpose == Purpose::Snapshot)
        .then(|| "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY".to_owned());
    setup.into_iter().chain(snapshot)
}

/// Connects and sets the session up.
///
/// # Errors
/// `DB_CONN_001` to `DB_CONN_004`.
pub async fn open(place: &Place, server: &ServerAddress, purpose: Purpose) -> Outcome<Session> {
    let ssl_mode = match server.ssl_mode {
        SslMode::Disabled => MySqlSslMode::Disabled,
        SslMode::Preferred => MySqlSslMode::Preferred,
        SslMode::Required => MySqlSslMode::Required,
        SslMode::VerifyCa => MySqlSslMode::VerifyCa,
        SslMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
    };
    let mut options = MySqlConnectOptions::new()
        .host(&server.host)
        .port(server.port)
        .username(&server.user)
        .password(server.password.expose())
        .database(&server.database)
        .ssl_mode(ssl_mode)
        .charset("utf8mb4")
        .statement_cache_capacity(STATEMENTS)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        .disable_statement_logging();
    if let Some(authority) = &server.ssl_ca {
        options = options.ssl_ca(authority);
    }
    let connection = options.connect().await.map_err(|problem| {
        match place.fault(&problem.into(), "connect") {
            Fault::Fatal(failure) if failure.sentences == error::CONNECTION_LOST => {
                let reason = failure.name("reason").unwrap_or_default().to_owned();
                place.error(error::CANNOT_CONNECT).with("reason", reason)
            }
            fault => fault.fatal(place),
        }
    })?;
    let mut session = Session { connection };
    for sql in setup(place, purpose) {
        session
            .execute(&Statement::new(sql))
            .await
            .map_err(|problem| place.fault(&problem, "connect").fatal(place))?;
    }
    Ok(session)
}

/// One session on one server.
pub struct Session {
    connection: MySqlConnection,
}

impl Session {
    /// Runs a statement without result rows; answers how many rows it touched. Without arguments it goes through the plain
    /// protocol, which also takes what cannot be prepared.
    ///
    /// # Errors
    /// The driver's error.
    pub async fn execute(&mut self, statement: &Statement) -> Result<u64, Problem> {
        let sql = AssertSqlSafe(statement.sql.clone());
        let done = if statement.args.is_empty() {
            self.connection.execute(sqlx::raw_sql(sql)).await?
        } else {
            let arguments = arguments(&statement.args)?;
            self.connection.execute(sqlx::query_with(sql.into_sql_str(), arguments)).await?
        };
        Ok(done.rows_affected())
    }

    /// All rows of a result.
    ///
    /// # Errors
    /// The driver's error.
    pub async fn fetch(&mut self, statement: &Statement) -> Result<Vec<Row>, Problem> {
        let mut stream = self.stream(statement);
        let mut rows = Vec::new();
        while let Some(row) = stream.next().await {
            rows.push(row?);
        }
        Ok(rows)
    }

    /// The rows of a result as they come.
    pub fn stream<'a>(
        &'a mut self,
        statement: &'a Statement,
    ) -> BoxStream<'a, Result<Row, Problem>> {
        if statement.plain {
            let rows = self.texts(statement);
            return Box::pin(rows.map(|row| Ok(plain_cells(&row?, &statement.cells)?)));
        }
        let arguments = match arguments(&statement.args) {
            Ok(arguments) => arguments,
            Err(problem) => return Box::pin(stream::iter([Err(problem.into())])),
        };
        let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
        let rows = rows(self.connection.fetch_many(sqlx::query_with(sql, arguments)));
        Box::pin(rows.map(|row| Ok(cells(&row?, &statement.cells)?)))
    }

    /// The rows of a result as they come, through the plain protocol and as the driver has them.
    pub fn texts<'a>(
        &'a mut self,
        statement: &Statement,
    ) -> BoxStream<'a, Result<MySqlRow, Problem>> {
        let sql = AssertSqlSafe(statement.sql.clone());
        Box::pin(rows(self.connection.fetch_many(sqlx::raw_sql(sql))))
    }

    /// Says goodbye.
    pub async fn close(self) {
        // The line is going away whether or not the other end hears of it.
        let _ = self.connection.close().await;
    }
}

/// The rows among the steps of a result.
fn rows<'a, T: 'a>(
    steps: BoxStream<'a, Result<Either<T, MySqlRow>, Error>>,
) -> impl Stream<Item = Result<MySqlRow, Problem>> + 'a {
    steps.filter_map(|step| {
        std::future::ready(match step {
            Ok(Either::Left(_)) => None,
            Ok(Either::Right(row)) => Some(Ok(row)),
            Err(problem) => Some(Err(problem.into())),
        })
    })
}
