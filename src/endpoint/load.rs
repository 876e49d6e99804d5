//! A table without rows takes all of another's at once, in one transaction, by whatever way its server is fastest at.
//!
//! Nobody looks after foreign keys meanwhile. Whoever calls knows that the table is empty, has fitted the cells to its
//! columns, and looks after foreign keys before anybody relies on them.

use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

pub use super::mysql::load::Declined;
use super::mysql::load::LoadLine;
use super::sql::load::lines;
use super::{Connection, Dialect, Endpoint, Fault, Purpose, Statement, View, write};
use crate::config::Address;
use crate::error::Result;
use crate::model::Row;

/// Bytes of a SQLite file's pages that are kept in memory during a load: with the 2 MB that SQLite keeps otherwise, every index
/// is read and written again and again.
const CACHE: usize = 16 << 20;

/// Rows on their way into a table.
pub enum Parcel {
    /// As the engine holds them.
    Rows(Vec<Row>),
    /// As lines of a load.
    Lines(Vec<u8>),
}

/// Makes parcels of rows.
pub type Pack<'a> = Box<dyn Fn(Vec<Row>) -> Parcel + Send + 'a>;

/// A way to fill a table, open until [`Loader::end`].
pub struct Loader {
    way: Way,
    since: Instant,
}

enum Way {
    /// `LOAD DATA LOCAL`.
    Lines(Box<LoadLine>),
    /// Large INSERTs: what SQLite has, and servers that take no loads.
    Statements(Box<Connection>),
}

fn said(fault: Fault, line: &Connection) -> Declined {
    fault.fatal(line.place()).to_string()
}

impl Loader {
    /// Opens the fastest way that a side allows. With `same_keys` nobody looks for duplicates in unique keys: the same hold
    /// where the rows come from.
    ///
    /// # Errors
    /// `DB_CONN_001` to `DB_CONN_004`.
    pub async fn open(endpoint: &Endpoint, same_keys: bool) -> Result<Self> {
        let since = Instant::now();
        if let Address::Server(server) = &endpoint.place.address {
            match LoadLine::open(&endpoint.place, server, same_keys).await {
                Ok(line) => return Ok(Self { way: Way::Lines(Box::new(line)), since }),
                Err(reason) => tracing::info!(side = %endpoint.side(), reason, "no LOAD DATA"),
            }
        }
        let line = Box::new(endpoint.connect(Purpose::Write).await?);
        Ok(Self { way: Way::Statements(line), since })
    }

    /// Whether it takes lines.
    pub fn takes_lines(&self) -> bool {
        matches!(self.way, Way::Lines(_))
    }

    /// The line that is at it, where it can also be asked what it holds.
    pub fn line(&mut self) -> Option<&mut Connection> {
        match &mut self.way {
            Way::Lines(_) => None,
            Way::Statements(line) => Some(line),
        }
    }

    /// How rows are packed for this way.
    pub fn pack<'a>(&self, view: &View<'a>) -> Pack<'a> {
        let view = *view;
        match self.way {
            Way::Lines(_) => Box::new(move |rows| Parcel::Lines(lines(&view, &rows))),
            Way::Statements(_) => Box::new(Parcel::Rows),
        }
    }

    /// Takes in every row that comes. Answers how many; the transaction stays open.
    ///
    /// # Errors
    /// What the server had against it, or that it holds something else than it was given.
    pub async fn load(
        &mut self,
        view: &View<'_>,
        mut rows: Receiver<Parcel>,
    ) -> std::result::Result<u64, Declined> {
        self.since = Instant::now();
        let line = match &mut self.way {
            Way::Lines(line) => return line.load(view, rows).await,
            Way::Statements(line) => line,
        };
        line.check_foreign_keys(false).await.map_err(|fault| said(fault, line))?;
        if view.dialect == Dialect::Sqlite {
            // Negative numbers are KiB.
            let cache = Statement::new(format!("PRAGMA cache_size=-{}", CACHE >> 10));
            line.execute(&cache).await.map_err(|fault| said(fault, line))?;
        }
        line.begin().await.map_err(|fault| said(fault, line))?;
        let mut taken = 0;
        while let Some(parcel) = rows.recv().await {
            let Parcel::Rows(parcel) = parcel else {
                return Err("lines where no load is".to_owned());
            };
            taken += parcel.len() as u64;
            let done = if view.dialect == Dialect::Sqlite {
                let Some(first) = parcel.get(..1) else { continue };
                let one = view.insert(first).sql;
                line.execute_each(one, parcel).await.map(drop)
            } else {
                write::insert(line, view, &parcel).await
            };
            done.map_err(|fault| said(fault, line))?;
        }
        Ok(taken)
    }

    /// Keeps what was taken in, or forgets it.
    ///
    /// # Errors
    /// What the server had against it.
    pub async fn end(self, keep: bool) -> std::result::Result<(), Declined> {
        let mut line = match self.way {
            Way::Lines(line) => return line.end(keep, self.since).await,
            Way::Statements(line) => line,
        };
        let ended = if keep {
            line.execute(&Statement::new("COMMIT")).await.map(drop)
        } else {
            line.rollback().await;
            Ok(())
        };
        let ended = ended.map_err(|fault| said(fault, &line));
        line.close().await;
        ended
    }
}
