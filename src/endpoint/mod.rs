//! Floor 2: how to talk to one server.
//!
//! An [`Endpoint`] is our handle on one side's server, a [`Connection`] one line to it. Both kinds of
//! server are asked the same questions, in the same words: what tables are there ([`introspect`]),
//! which keys and signatures ([`read`]), which rows, and please write these ([`write`]). All SQL text is made in
//! [`sql`].
//!
//! This room does not know what a sync, a base, a run or a conflict is: it never decides, it never
//! retries, and it writes only what it is handed.

pub mod condition;
pub mod connection;
pub mod disk;
pub mod fault;
pub mod introspect;
pub mod load;
pub mod mysql;
pub mod read;
pub mod sql;
pub mod sqlite;
pub mod stage;
pub mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use connection::Connection;
pub use fault::{Fault, Problem, RowFault};
pub use sql::{Dialect, Statement, View};

use crate::config::{Address, Settings};
use crate::error::Result;
use crate::model::Side;

/// What a connection is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Reading from one consistent snapshot where the server has such a thing.
    Snapshot,
    /// Reading what is there now, and writing.
    Write,
    /// Reading what is there now, whether or not whoever wrote it has kept it yet.
    Uncommitted,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// Of silence on a line.
    pub read: Duration,
    /// For rows that others have locked.
    pub lock: Duration,
}

/// What every message about one side's server says of it.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which side it is.
    pub side: Side,
    /// How it is reached.
    pub address: Address,
    /// How long to wait for it.
    pub patience: Patience,
    /// Whether the server takes back the whole transaction when one of its statements waits too long for a lock.
    pub waits_end_transactions: bool,
    /// The account that the server knows us by, quoted; none until it has told.
    pub account: Option<String>,
}

/// What a server turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nature {
    /// Which words it understands.
    pub dialect: Dialect,
    /// Name and version, for people: `MariaDB 10.11.19`.
    pub version: String,
    /// What tells it from every other database that is there at the same time, however it is reached.
    pub identity: String,
    /// What it is called there: the database's name, or the file's path.
    pub name: String,
    /// What stays with a file for as long as it lives; empty on servers, whose tables have such a mark each.
    pub birth: String,
    /// The most bytes that it takes in one statement.
    pub max_packet: usize,
    /// How many questions it took to learn this, one after the other.
    pub questions: u32,
}

/// Our handle on one side's server.
#[derive(Clone, Debug)]
pub struct Endpoint {
    place: Arc<Place>,
    /// What the server turned out to be.
    pub nature: Nature,
    /// How long it took to answer a question that costs it nothing.
    pub trip: Duration,
}

impl Endpoint {
    /// Connects, and asks what the server is. Answers the line too, on which may be written.
    ///
    /// # Errors
    /// `DB_CONN_001` to `DB_CONN_004`.
    pub async fn open(side: Side, settings: &Settings) -> Result<(Self, Connection)> {
        let mut place = Place {
            side,
            address: settings.sides[side].clone(),
            patience: Patience {
                connect: settings.connect_timeout,
                read: settings.read_timeout,
                lock: settings.lock_wait,
            },
            waits_end_transactions: false,
            account: None,
        };
        let mut connection = Connection::open(&Arc::new(place.clone()), Purpose::Write).await?;
        let clock = Instant::now();
        let nature = match &place.address {
            Address::Server(_) => {
                let told = mysql::flavor::ask(&mut connection).await?;
                place.waits_end_transactions = told.waits_end_transactions;
                place.account = Some(told.account);
                told.nature
            }
            Address::File(path) => sqlite::nature(&mut connection, path).await?,
        };
        let trip = clock.elapsed() / nature.questions;
        let place = Arc::new(place);
        connection.place = Arc::clone(&place);
        Ok((Self { place, nature, trip }, connection))
    }

    /// Which side this is.
    pub fn side(&self) -> Side {
        self.place.side
    }

    /// Where it is, for messages.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A new line to the server.
    ///
    /// # Errors
    /// `DB_CONN_001` to `DB_CONN_004`.
    pub async fn connect(&self, purpose: Purpose) -> Result<Connection> {
        Connection::open(&self.place, purpose).await
    }
}
