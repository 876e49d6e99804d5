//! Leases: who is at work on a table, for longer than a lock lasts.
//!
//! A lock of a server's ends with the line that took it, and a proxy or a new connection can lose it while its run goes on. So
//! every run also leases its tables, for a minute at a time, and says so again with every batch that it writes and while it only
//! reads. Each owner has a token that is greater than those before it. Who writes checks in the very transaction that its token
//! is still the lease's, so that a run that was taken for dead can do no harm when it wakes up.

use super::lock::Locks;
use std::time::Duration;

use crate::endpoint::sql::{lease, own};
use crate::endpoint::{Connection, Dialect, Fault, Nature, Statement};
use crate::error::{self, Result, SyncError};
use crate::model::Value;

/// How long a lease lasts that nobody renews.
pub const SECONDS: u32 = 60;
/// How often it is renewed where nothing is written.
pub const BEAT: Duration = Duration::from_secs(15);

/// A table that is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    dialect: Dialect,
    id: i64,
    token: i64,
}

/// A lease that has an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The table.
    pub table: String,
    /// Who writes must have it.
    pub token: i64,
    /// The owner's line on the server; of a file, its process.
    pub line: i64,
    /// Whether the lease has not run out and its owner is still there: nobody else is given it.
    pub stands: bool,
    /// Seconds for which nothing was heard of the owner; 0 of a file, whose owners need not say anything.
    pub silence: i64,
}

/// Every lease that has an owner, by tables.
///
/// # Errors
/// The failure with its code.
pub async fn owned(connection: &mut Connection, dialect: Dialect) -> Result<Vec<Owned>> {
    let mut found = Vec::new();
    for row in connection.fetch(&lease::owned(dialect)).await? {
        let number = |at: usize| row[at].as_int().and_then(|number| i64::try_from(number).ok());
        let line = number(3).unwrap_or(0);
        let runs = number(4) == Some(1);
        let silence = match (dialect, number(0)) {
            (Dialect::Sqlite, _) | (_, None) => 0,
            (_, Some(id)) => single(connection, &lease::silence(id)).await?,
        };
        found.push(Owned {
            table: row[5].as_text().unwrap_or_default().to_owned(),
            token: number(1).unwrap_or(0),
            line,
            stands: runs && is_there(connection, dialect, line).await?,
            silence,
        });
    }
    Ok(found)
}

/// Leases a table on the line that holds its lock; `None` where another run that may be alive has leased it.
///
/// # Errors
/// The failure with its code.
pub async fn take(
    connection: &mut Connection,
    dialect: Dialect,
    table: &str,
    owner: &str,
) -> Result<Option<Lease>> {
    let mut rows = connection.fetch(&lease::find(dialect, table)).await?;
    if rows.is_empty() {
        let row = vec![Value::text(table), Value::Int(0)];
        let columns = ["table_name", "token"];
        connection.run(&own::insert(dialect, "db_sync_lease", &columns, vec![row])).await?;
        rows = connection.fetch(&lease::find(dialect, table)).await?;
    }
    let number = |at: usize| {
        let cell = rows.first().and_then(|row| row.get(at)).and_then(Value::as_int);
        cell.and_then(|number| i64::try_from(number).ok())
    };
    let (Some(id), Some(token)) = (number(0), number(1)) else { return Ok(None) };
    let theirs = rows.first().and_then(|row| row[2].as_text());
    let runs = number(4) == Some(1) && theirs.is_some_and(|theirs| theirs != owner);
    if let (true, Some(line)) = (runs, number(3))
        && is_there(connection, dialect, line).await?
    {
        return Ok(None);
    }
    let line = match dialect {
        Dialect::Sqlite => i64::from(std::process::id()),
        _ => single(connection, &lease::own_line()).await?,
    };
    let statement = lease::take(dialect, (id, token), owner, line, SECONDS);
    match connection.execute(&statement).await {
        Ok(taken) => Ok((taken == 1).then_some(Lease { dialect, id, token: token + 1 })),
        // Its owner is just writing.
        Err(Fault::LockWait | Fault::Deadlock) => Ok(None),
        Err(fault) => Err(fault.fatal(connection.place())),
    }
}

/// Ends the line that holds a table's lock, where its owner has been silent for longer than a lease lasts: the network between
/// the two is gone, and the server does not know. Answers whether there was one.
///
/// # Errors
/// The failure with its code.
pub async fn end_silent(connection: &mut Connection, nature: &Nature, table: &str) -> Result<bool> {
    if nature.dialect == Dialect::Sqlite {
        return Ok(false);
    }
    let rows = connection.fetch(&lease::find(nature.dialect, table)).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    let number = |at: usize| row[at].as_int().and_then(|number| i64::try_from(number).ok());
    let (Some(id), Some(token), Some(line), Some(0), Some(_)) =
        (number(0), number(1), number(3), number(4), row[2].as_text())
    else {
        return Ok(false);
    };
    let holder = single(connection, &lease::holder(&Locks::name(nature, table))).await?;
    // Numbers of lines begin anew with the server.
    let before = connection.fetch(&lease::uptime()).await?;
    let uptime = before.first().and_then(|row| row[1].as_text()?.parse::<i64>().ok());
    let silence = single(connection, &lease::silence(id)).await?;
    if holder != line || uptime.is_none_or(|uptime| uptime < silence) {
        return Ok(false);
    }
    // Whoever has this row locked is at work.
    let limit = connection.place().patience.lock;
    connection
        .wait_for_locks(Duration::from_secs(1))
        .await
        .map_err(|fault| fault.fatal(connection.place()))?;
    let touched = connection.execute(&lease::touch((id, token))).await;
    connection.wait_for_locks(limit).await.map_err(|fault| fault.fatal(connection.place()))?;
    match touched {
        Ok(1) => {}
        Ok(_) | Err(Fault::LockWait | Fault::Deadlock) => return Ok(false),
        Err(fault) => return Err(fault.fatal(connection.place())),
    }
    // It may be gone by now, or another account's.
    let killed = connection.run(&lease::kill(line)).await.is_ok();
    if killed {
        tracing::warn!(table, line, "a run that was silent for too long was ended");
    }
    Ok(killed)
}

/// Whether the line that took a lease still stands; of a file, the process.
async fn is_there(connection: &mut Connection, dialect: Dialect, line: i64) -> Result<bool> {
    if dialect != Dialect::Sqlite {
        return Ok(single(connection, &lease::lines(line)).await? > 0);
    }
    // Whoever asks holds the file's lock, but processes with temporary folders of their own do not see each other's. Where there
    // is no such folder of processes, the lock has to do.
    let own = line == i64::from(std::process::id());
    let process = std::fs::read_to_string(format!("/proc/{line}/stat")).unwrap_or_default();
    let state = process.rsplit(") ").next().and_then(|rest| rest.chars().next());
    // One that has ended and that nobody has asked about is a Z.
    Ok(!own && state.is_some_and(|state| state != 'Z'))
}

async fn single(connection: &mut Connection, statement: &Statement) -> Result<i64> {
    let rows = connection.fetch(statement).await?;
    let number = rows.first().and_then(|row| row[0].as_int());
    Ok(number.and_then(|number| i64::try_from(number).ok()).unwrap_or(0))
}

impl Lease {
    /// Says that its owner is at work, in the line's transaction where it has one open.
    ///
    /// # Errors
    /// `SYNC_009` where another run has leased the table since; else the failure with its code.
    pub async fn renew(&self, connection: &mut Connection) -> Result<()> {
        let statement = lease::renew(self.dialect, (self.id, self.token), SECONDS);
        if connection.run(&statement).await? == 1 {
            return Ok(());
        }
        Err(SyncError::new(error::LEASE_LOST))
    }

    /// Says that nobody is at work any more.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn end(self, connection: &mut Connection) -> Result<()> {
        connection.run(&lease::end(self.dialect, (self.id, self.token))).await.map(drop)
    }
}
