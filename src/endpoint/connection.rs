//! One line to one server, of either kind.
//!
//! Every call is bounded in time. A call that was given up half-way leaves a line that nobody may use
//! again (sqlx is not cancellation-safe): it answers every later call with the error that it ended with,
//! and is dropped by its owner.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::stage::Stages;
use super::{Fault, Place, Problem, Purpose, Statement};
use crate::config::Address;
use crate::endpoint::mysql::values::Texts;
use crate::endpoint::{mysql, sqlite};
use crate::error::{self, Result, SyncError};
use crate::model::Row;

enum Session {
    MySql(Box<mysql::session::Session>),
    Sqlite(Box<sqlite::session::Session>),
}

/// One line to one server.
pub struct Connection {
    pub(super) place: Arc<Place>,
    session: Session,
    ended: Option<SyncError>,
    /// Whether a transaction that may write is open.
    open: bool,
    pub(super) stages: Stages,
}

/// Rows that travel together from a stream to whoever takes them, and their bytes, about: memory must not grow with the rows.
const PARCEL: usize = 512;
const PARCEL_BYTES: usize = 1 << 20;

impl Connection {
    /// Opens a line and sets the session up for its purpose.
    ///
    /// # Errors
    /// `DB_CONN_001` to `DB_CONN_004`.
    pub async fn open(place: &Arc<Place>, purpose: Purpose) -> Result<Self> {
        let opening = async {
            Ok(match &place.address {
                Address::Server(server) => {
                    Session::MySql(Box::new(mysql::session::open(place, server, purpose).await?))
                }
                Address::File(path) => {
                    Session::Sqlite(Box::new(sqlite::session::open(place, path).await?))
                }
            })
        };
        let limit = place.patience.connect;
        let session =
            timeout(limit, opening).await.unwrap_or_else(|_| Err(silence(place, limit)))?;
        let place = Arc::clone(place);
        Ok(Self { place, session, ended: None, open: false, stages: Stages::default() })
    }

    /// Where this line leads.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Says goodbye; errors no longer matter.
    pub async fn close(self) {
        if let (Session::Sqlite(session), true) = (&self.session, self.is_ended()) {
            // Nobody waits for its answer any more, and it may hold the file.
            session.interrupt();
        }
        let goodbye = async {
            match self.session {
                Session::MySql(session) => session.close().await,
                Session::Sqlite(session) => session.close().await,
            }
        };
        let _ = timeout(Duration::from_secs(2), goodbye).await;
    }

    /// Runs a statement that has no result rows; answers how many rows it touched.
    ///
    /// # Errors
    /// The [`Fault`]; after [`Fault::Row`] and [`Fault::LockWait`] the transaction goes on.
    pub async fn execute(&mut self, statement: &Statement) -> std::result::Result<u64, Fault> {
        self.usable().map_err(Fault::Fatal)?;
        let limit = self.place.patience.read + self.place.patience.lock;
        let running = async {
            match &mut self.session {
                Session::MySql(session) => session.execute(statement).await,
                Session::Sqlite(session) => session.execute(statement).await,
            }
        };
        let outcome = timeout(limit, running).await;
        self.outcome(outcome, limit, "write")
    }

    /// Runs a statement of SQLite once for each of many rows of arguments; answers how many rows there were.
    ///
    /// # Errors
    /// The [`Fault`]; the caller rolls back. `SYS_002` on servers, where each would cost a round trip.
    pub async fn execute_each(
        &mut self,
        sql: String,
        rows: Vec<Row>,
    ) -> std::result::Result<u64, Fault> {
        self.usable().map_err(Fault::Fatal)?;
        let limit = self.place.patience.read + self.place.patience.lock;
        let Session::Sqlite(session) = &mut self.session else {
            let refused = self.place.error(error::UNREADABLE).with("operation", "write");
            return Err(Fault::Fatal(refused));
        };
        let outcome = timeout(limit, session.execute_each(sql, rows)).await;
        self.outcome(outcome, limit, "write")
    }

    /// Runs a statement to whom every refusal is a failure.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn run(&mut self, statement: &Statement) -> Result<u64> {
        self.execute(statement).await.map_err(|fault| fault.fatal(&self.place))
    }

    /// All rows of a result.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn fetch(&mut self, statement: &Statement) -> Result<Vec<Row>> {
        self.try_fetch(statement).await.map_err(|fault| fault.fatal(&self.place))
    }

    /// All rows of a result, for callers to whom a refusal is not the end (locks).
    ///
    /// # Errors
    /// The [`Fault`].
    pub async fn try_fetch(
        &mut self,
        statement: &Statement,
    ) -> std::result::Result<Vec<Row>, Fault> {
        self.usable().map_err(Fault::Fatal)?;
        let limit = self.place.patience.read + self.place.patience.lock;
        let running = async {
            match &mut self.session {
                Session::MySql(session) => session.fetch(statement).await,
                Session::Sqlite(session) => session.fetch(statement).await,
            }
        };
        let outcome = timeout(limit, running).await;
        self.outcome(outcome, limit, "read")
    }

    /// Sends the rows of a result as they come, converted, weighed in bytes and in parcels, to a channel that holds few of
    /// them: memory does not grow with the result. A row that cannot be converted is told in the end, when the result was
    /// read through: the line stays of use.
    ///
    /// # Errors
    /// The failure with its code, or that of `convert`.
    pub async fn stream<T>(
        &mut self,
        statement: &Statement,
        to: &Sender<Vec<T>>,
        convert: impl FnMut(Row) -> Result<Option<T>>,
        weigh: impl Fn(&T) -> usize,
    ) -> Result<()> {
        self.usable()?;
        let place = Arc::clone(&self.place);
        let rows = match &mut self.session {
            Session::MySql(session) => session.stream(statement),
            Session::Sqlite(session) => session.stream(statement),
        };
        let (ended, line) = sent(&place, rows, to, convert, weigh).await;
        self.ended = line;
        ended
    }

    /// The same for the texts of a result of MySQL or MariaDB: nothing is taken apart on the way.
    ///
    /// # Errors
    /// As [`Self::stream`]; `SYS_002` on SQLite, which has no such thing.
    pub async fn stream_texts<T>(
        &mut self,
        statement: &Statement,
        to: &Sender<Vec<T>>,
        mut convert: impl FnMut(&Texts<'_>) -> Result<Option<T>>,
        weigh: impl Fn(&T) -> usize,
    ) -> Result<()> {
        self.usable()?;
        let place = Arc::clone(&self.place);
        let Session::MySql(session) = &mut self.session else {
            return Err(place.error(error::UNREADABLE).with("operation", "read"));
        };
        let rows = session.texts(statement);
        let (ended, line) = sent(&place, rows, to, |row| convert(&Texts(&row)), weigh).await;
        self.ended = line;
        ended
    }

    /// Begins a transaction that may write. One that somebody has given up half-way is taken back first: a server would keep
    /// it.
    ///
    /// # Errors
    /// The [`Fault`]: on SQLite another program may hold the file.
    pub async fn begin(&mut self) -> std::result::Result<(), Fault> {
        let begin = match self.session {
            Session::MySql(_) => "START TRANSACTION",
            Session::Sqlite(_) => "BEGIN IMMEDIATE",
        };
        if self.open {
            self.rollback().await;
        }
        self.execute(&Statement::new(begin)).await?;
        self.open = true;
        Ok(())
    }

    /// Whether this line looks after foreign keys, cascades included, from the next transaction on. SQLite does not listen
    /// to this within a transaction.
    ///
    /// # Errors
    /// The [`Fault`].
    pub async fn check_foreign_keys(&mut self, checked: bool) -> std::result::Result<(), Fault> {
        let sql = match (&self.session, checked) {
            (Session::MySql(_), true) => "SET SESSION foreign_key_checks=1",
            (Session::MySql(_), false) => "SET SESSION foreign_key_checks=0",
            (Session::Sqlite(_), true) => "PRAGMA foreign_keys=ON",
            (Session::Sqlite(_), false) => "PRAGMA foreign_keys=OFF",
        };
        self.execute(&Statement::new(sql)).await.map(drop)
    }

    /// How long the next statements wait for rows that others have locked: on servers, whole seconds and one at least. A file
    /// is locked as a whole, when a transaction begins.
    ///
    /// # Errors
    /// The [`Fault`].
    pub async fn wait_for_locks(&mut self, limit: Duration) -> std::result::Result<(), Fault> {
        if matches!(self.session, Session::Sqlite(_)) {
            return Ok(());
        }
        let seconds = limit.as_secs().max(1);
        let set = format!("SET SESSION innodb_lock_wait_timeout={seconds}");
        self.execute(&Statement::new(set)).await.map(drop)
    }

    /// Commits.
    ///
    /// # Errors
    /// The [`Fault`]; SQLite's deferred foreign keys speak only here, and the transaction is still open then.
    pub async fn commit(&mut self) -> std::result::Result<(), Fault> {
        self.execute(&Statement::new("COMMIT")).await?;
        self.open = false;
        Ok(())
    }

    /// Rolls back; a line that is of no more use has done so already.
    pub async fn rollback(&mut self) {
        if self.ended.is_none() {
            // A failure here ends the line, and with it the transaction.
            let _ = self.execute(&Statement::new("ROLLBACK")).await;
        }
        self.open = false;
    }

    /// Whether the line is of no more use.
    pub fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    fn usable(&self) -> Result<()> {
        self.ended.clone().map_or(Ok(()), Err)
    }

    fn outcome<T>(
        &mut self,
        outcome: std::result::Result<std::result::Result<T, Problem>, tokio::time::error::Elapsed>,
        limit: Duration,
        operation: &str,
    ) -> std::result::Result<T, Fault> {
        let fault = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(problem)) => {
                let fault = self.place.fault(&problem, operation);
                if let (Fault::Fatal(error), false) = (&fault, problem.is_answer()) {
                    self.ended = Some(error.clone());
                }
                fault
            }
            Err(_) => {
                let error = silence(&self.place, limit);
                self.ended = Some(error.clone());
                Fault::Fatal(error)
            }
        };
        Err(fault)
    }
}

/// Sends rows as they come, in parcels. Answers how it ended, and the error with which the line ended where it did.
async fn sent<R, T>(
    place: &Place,
    mut rows: BoxStream<'_, std::result::Result<R, Problem>>,
    to: &Sender<Vec<T>>,
    mut convert: impl FnMut(R) -> Result<Option<T>>,
    weigh: impl Fn(&T) -> usize,
) -> (Result<()>, Option<SyncError>) {
    let limit = place.patience.read;
    let mut parcel = Vec::with_capacity(PARCEL);
    let (mut weight, mut unconverted) = (0, None);
    let ended = loop {
        // A clock is only needed where there is something to wait for.
        let next = match rows.next().now_or_never() {
            Some(next) => next,
            None => match timeout(limit, rows.next()).await {
                Ok(next) => next,
                Err(_) => break Err(silence(place, limit)),
            },
        };
        match next {
            None => break Ok(()),
            Some(Err(problem)) => break Err(place.fault(&problem, "read").fatal(place)),
            Some(Ok(_)) if unconverted.is_some() => {}
            Some(Ok(row)) => match convert(row) {
                Ok(Some(item)) => {
                    weight += weigh(&item);
                    parcel.push(item);
                }
                Ok(None) => {}
                Err(error) => unconverted = Some(error),
            },
        }
        if parcel.len() == PARCEL || weight >= PARCEL_BYTES {
            weight = 0;
            let full = std::mem::replace(&mut parcel, Vec::with_capacity(PARCEL));
            if to.send(full).await.is_err() {
                break Err(place.error(error::INTERRUPTED));
            }
        }
    };
    match (ended, unconverted) {
        (Ok(()), Some(error)) => (Err(error), None),
        (Ok(()), None) => {
            if !parcel.is_empty() {
                // Nobody listening any more is the listener's affair.
                let _ = to.send(parcel).await;
            }
            (Ok(()), None)
        }
        // The result was not read to its end: the line is of no more use.
        (Err(error), _) => (Err(error.clone()), Some(error)),
    }
}

fn silence(place: &Place, limit: Duration) -> SyncError {
    place.error(error::TIMEOUT).with("seconds", limit.as_secs())
}
