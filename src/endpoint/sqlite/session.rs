//! A session on a SQLite file: a thread that has the file open and does one task after the other.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use rusqlite::{Connection, Error, InterruptHandle, OpenFlags};
use tokio::sync::{mpsc as parcels, oneshot};

use super::values::{bind, cells};
use crate::endpoint::{Place, Problem, Statement};
use crate::error::{self, Result as Outcome};
use crate::model::{Row, row};

/// Statements that stay prepared.
const STATEMENTS: usize = 100;
/// Rows of a result that leave the thread together, and their bytes, about.
const PARCEL: usize = 256;
const PARCEL_BYTES: usize = 256 << 10;
/// Parcels that wait for whoever takes them.
const PARCELS: usize = 4;

type Task = Box<dyn FnOnce(&Connection) + Send>;

/// One session on one file. Dropped without [`Session::close`], whatever it is at is interrupted and rolls back.
pub struct Session {
    /// Absent once the session is over.
    tasks: Option<Sender<Task>>,
    interrupt: InterruptHandle,
    /// Hears when the file is closed.
    closed: Option<oneshot::Receiver<()>>,
}

/// What comes of a result.
enum Step {
    Rows(Vec<Row>),
    Ended(Result<(), Error>),
}

/// Opens the file, which must exist; its journal mode is left as it is.
///
/// # Errors
/// `DB_CONN_001`, `DB_CONN_004`.
pub async fn open(place: &Place, path: &Path) -> Outcome<Session> {
    if !path.exists() {
        return Err(place.error(error::NO_FILE));
    }
    let (path, wait) = (path.to_owned(), place.patience.lock);
    let (tasks, todo) = mpsc::channel();
    let (opened, opening) = oneshot::channel();
    let (gone, closed) = oneshot::channel();
    let work = move || {
        // Nobody listening any more, here and below, is the listener's affair.
        match connect(&path, wait) {
            Ok(connection) => {
                let _ = opened.send(Ok(connection.get_interrupt_handle()));
                attend(&connection, &todo);
            }
            Err(problem) => drop(opened.send(Err(problem))),
        }
        let _ = gone.send(());
    };
    let thread = thread::Builder::new().name("db-sync-sqlite".to_owned()).spawn(work);
    thread.map_err(|_| place.error(error::OUT_OF_MEMORY))?;
    let interrupt = match opening.await {
        Ok(Ok(interrupt)) => Ok(interrupt),
        Ok(Err(problem)) => Err(Problem::File(problem)),
        Err(_) => Err(Problem::Ended),
    };
    let interrupt = interrupt.map_err(|problem| place.fault(&problem, "connect").fatal(place))?;
    Ok(Session { tasks: Some(tasks), interrupt, closed: Some(closed) })
}

fn connect(path: &Path, wait: std::time::Duration) -> Result<Connection, Error> {
    // One thread alone ever touches it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(wait)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch("PRAGMA foreign_keys=ON")?;
    Ok(connection)
}

fn attend(connection: &Connection, todo: &Receiver<Task>) {
    while let Ok(task) = todo.recv() {
        task(connection);
    }
}

impl Session {
    fn start(&self, task: impl FnOnce(&Connection) + Send + 'static) {
        if let Some(tasks) = &self.tasks {
            // A thread that is gone drops the task, and whoever waits for its answer hears of that.
            let _ = tasks.send(Box::new(task));
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        self.start(move |connection| drop(answer.send(question(connection))));
        answered.await.map_err(|_| Problem::Ended)?.map_err(Problem::File)
    }

    /// Runs a statement; answers how many rows it touched.
    ///
    /// # Errors
    /// SQLite's error; [`Problem::Ended`] where the thread is gone.
    pub async fn execute(&mut self, statement: &Statement) -> Result<u64, Problem> {
        let statement = statement.clone();
        self.ask(move |connection| {
            each(connection, &statement, |_| true)?;
            Ok(connection.changes())
        })
        .await
    }

    /// Runs a statement once for each of many rows of arguments. Answers how many rows there were.
    ///
    /// # Errors
    /// SQLite's error for the first row that was refused, [`Problem::Ended`]; those before it are in.
    pub async fn execute_each(&mut self, sql: String, rows: Vec<Row>) -> Result<u64, Problem> {
        self.ask(move |connection| {
            let mut prepared = connection.prepare_cached(&sql)?;
            for row in &rows {
                bind(&mut prepared, row)?;
                prepared.raw_execute()?;
            }
            Ok(rows.len() as u64)
        })
        .await
    }

    /// All rows of a result.
    ///
    /// # Errors
    /// SQLite's error; [`Problem::Ended`] where the thread is gone.
    pub async fn fetch(&mut self, statement: &Statement) -> Result<Vec<Row>, Problem> {
        let statement = statement.clone();
        self.ask(move |connection| {
            let mut rows = Vec::new();
            each(connection, &statement, |row| {
                rows.push(row);
                true
            })?;
            Ok(rows)
        })
        .await
    }

    /// The rows of a result as they come; they stop coming when the stream is dropped.
    pub fn stream(&mut self, statement: &Statement) -> BoxStream<'_, Result<Row, Problem>> {
        let statement = statement.clone();
        let (to, from) = parcels::channel(PARCELS);
        self.start(move |connection| {
            let (mut parcel, mut weight) = (Vec::with_capacity(PARCEL), 0);
            let ended = each(connection, &statement, |row| {
                weight += row::weight(&row);
                parcel.push(row);
                if parcel.len() < PARCEL && weight < PARCEL_BYTES {
                    return true;
                }
                weight = 0;
                let full = std::mem::replace(&mut parcel, Vec::with_capacity(PARCEL));
                to.blocking_send(Step::Rows(full)).is_ok()
            });
            let _ = to.blocking_send(Step::Rows(parcel));
            let _ = to.blocking_send(Step::Ended(ended));
        });
        let steps = stream::unfold(Some(from), async |from| {
            let mut from = from?;
            match from.recv().await {
                Some(Step::Rows(rows)) => Some((Ok(rows), Some(from))),
                Some(Step::Ended(Ok(()))) => None,
                Some(Step::Ended(Err(problem))) => Some((Err(Problem::File(problem)), None)),
                // A result without an end is none.
                None => Some((Err(Problem::Ended), None)),
            }
        });
        let rows = steps.flat_map(|step| match step {
            Ok(rows) => stream::iter(rows).map(Ok).left_stream(),
            Err(problem) => stream::iter([Err(problem)]).right_stream(),
        });
        Box::pin(rows)
    }

    /// Says goodbye: the file is closed when this returns. Where that is not waited for, whatever it is at is interrupted.
    pub async fn close(mut self) {
        self.tasks = None;
        if let Some(closed) = &mut self.closed {
            // The thread is gone either way.
            let _ = closed.await;
        }
        self.closed = None;
    }

    /// Interrupts whatever it is at: its transaction rolls back when the file is closed.
    pub fn interrupt(&self) {
        self.interrupt.interrupt();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.closed.is_some() {
            self.interrupt.interrupt();
        }
    }
}

/// Hands every row of a result to `take` until it has enough.
fn each(
    connection: &Connection,
    statement: &Statement,
    mut take: impl FnMut(Row) -> bool,
) -> Result<(), Error> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    bind(&mut prepared, &statement.args)?;
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        if !take(cells(row, &statement.cells)?) {
            break;
        }
    }
    Ok(())
}
