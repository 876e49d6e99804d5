//! Writing a batch's rows statement by statement, and finding the rows that a server refuses.
//!
//! A statement of many rows that is refused has done nothing; it is halved until the row at fault stands alone.

use std::time::Duration;

use super::batch::Ready;
use super::relations;
use crate::endpoint::{Connection, Fault, RowFault, View, stage, write};
use crate::error::{self, SyncError};
use crate::model::{Key, Row, Side, row};
use crate::plan::merge::Write;

/// Fewer rows than that are updated one by one.
const FEW: usize = 4;

/// Why one row was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The server refused it.
    Row(RowFault),
    /// Both versions of it would have to be kept, and LOCAL does not take them at once.
    TooLargeToKeep,
    /// Somebody else holds it.
    Locked,
    /// It is no longer what the run left that is taken back.
    ChangedSince,
    /// Rows that were not meant to go refer to it.
    HasChildren,
    /// The server stored something else in this column.
    StoredDifferently(String),
}

impl Refused {
    /// The failure that it is for people.
    pub fn error(&self) -> SyncError {
        match self {
            Self::Row(RowFault::Duplicate) => SyncError::new(error::DUPLICATE),
            Self::Row(RowFault::ForeignKey) => SyncError::new(error::FOREIGN_KEY),
            Self::Row(RowFault::HasChildren) | Self::HasChildren => {
                SyncError::new(error::HAS_CHILDREN)
            }
            Self::Row(RowFault::NotHeld(reason)) => {
                SyncError::new(error::NOT_HELD).with("reason", reason)
            }
            Self::TooLargeToKeep => SyncError::new(error::ROW_TOO_LARGE).with("side", Side::Local),
            Self::Row(RowFault::TooLarge) => SyncError::new(error::ROW_TOO_LARGE),
            Self::ChangedSince => SyncError::new(error::CHANGED_SINCE),
            Self::Locked => SyncError::new(error::ROW_LOCKED).with("rows", 1),
            Self::StoredDifferently(column) => {
                SyncError::new(error::STORED_DIFFERENTLY).with("column", column)
            }
        }
    }
}

/// Writes the rows; answers those that were refused, by ordinal. Rows that somebody else holds are waited for once; then every
/// further wait is short, and when they have taken as long as the first the rest counts as held too.
///
/// # Errors
/// A [`Fault`] that is no single row's.
pub async fn write(
    connection: &mut Connection,
    view: &View<'_>,
    write: Write,
    rows: &[&Ready],
) -> Result<Vec<(u64, Refused)>, Fault> {
    let limit = connection.place().patience.lock;
    let mut waits = Waits { limit, short: false, left: limit.max(SHORT) };
    let refused = write_patiently(connection, view, write, rows, &mut waits).await;
    if waits.short && !connection.is_ended() {
        connection.wait_for_locks(limit).await?;
    }
    refused
}

/// A wait for rows that somebody else holds, after the first.
const SHORT: Duration = Duration::from_secs(1);

/// How long is still waited for rows that somebody else holds.
struct Waits {
    limit: Duration,
    short: bool,
    left: Duration,
}

impl Waits {
    /// A statement has waited in vain.
    async fn spent(&mut self, connection: &mut Connection) -> Result<(), Fault> {
        if self.short {
            self.left = self.left.saturating_sub(SHORT);
        } else {
            self.short = true;
            if self.limit > SHORT {
                connection.wait_for_locks(SHORT).await?;
            }
        }
        Ok(())
    }
}

async fn write_patiently(
    connection: &mut Connection,
    view: &View<'_>,
    write: Write,
    rows: &[&Ready],
    waits: &mut Waits,
) -> Result<Vec<(u64, Refused)>, Fault> {
    let at_once = match write {
        // Where a statement that fails may have done half of its work, each row has its own. Few are not worth the three
        // statements of updating them at once.
        Write::Update if !view.pair.tables[view.side].transactional || rows.len() < FEW => 1,
        Write::Update if stage::prepare(connection, view).await? => 1000,
        Write::Update => 1,
        Write::Insert => write::rows_per_insert(view),
        Write::Delete => 500,
    };
    let mut refused = Vec::new();
    // Rows that do not fit into one statement together go one by one.
    let size: usize = rows.iter().filter_map(|ready| ready.row.as_ref()).map(row::weight).sum();
    let at_once = if size < view.packet / 2 { at_once } else { 1 };
    let chunks = rows.chunks(at_once).rev();
    let mut waiting: Vec<(Vec<&Ready>, bool)> = chunks.map(|rows| (rows.to_vec(), true)).collect();
    while let Some((rows, whole)) = waiting.pop() {
        if waits.left.is_zero() {
            refused.extend(rows.iter().map(|ready| (ready.item.ordinal, Refused::Locked)));
            continue;
        }
        let fault = match one_statement(connection, view, write, &rows).await {
            Ok(()) => continue,
            // SQLite does not say which end of the foreign key fails.
            Err(Fault::Row(RowFault::ForeignKey)) if write == Write::Delete => Refused::HasChildren,
            Err(Fault::Row(fault)) => Refused::Row(fault),
            Err(Fault::LockWait) => {
                waits.spent(connection).await?;
                Refused::Locked
            }
            Err(fault) => return Err(fault),
        };
        if let [row] = &rows[..] {
            refused.push((row.item.ordinal, fault));
            continue;
        }
        let orphaned = write == Write::Insert && fault == Refused::Row(RowFault::ForeignKey);
        if whole && orphaned {
            // Most often many rows lack one parent: they are found at once, rather than one by one.
            let orphans = relations::orphans_to_be(connection, view, &rows).await?;
            let (out, rest): (Vec<&Ready>, Vec<&Ready>) =
                rows.into_iter().partition(|ready| orphans.contains(&ready.item.ordinal));
            refused.extend(out.iter().map(|ready| (ready.item.ordinal, fault.clone())));
            if !rest.is_empty() {
                waiting.push((rest, false));
            }
            continue;
        }
        let (first, second) = rows.split_at(rows.len() / 2);
        waiting.extend([(second.to_vec(), false), (first.to_vec(), false)]);
    }
    Ok(refused)
}

async fn one_statement(
    connection: &mut Connection,
    view: &View<'_>,
    write: Write,
    rows: &[&Ready],
) -> Result<(), Fault> {
    match write {
        Write::Delete => {
            let keys: Vec<Key> = rows.iter().map(|ready| ready.item.key.clone()).collect();
            write::delete(connection, view, &keys).await
        }
        Write::Insert => {
            if let [Ready { item, row: Some(row), .. }] = rows {
                return write::insert_one(connection, view, &item.key, row).await;
            }
            let rows: Vec<Row> = rows.iter().filter_map(|ready| ready.row.clone()).collect();
            write::insert(connection, view, &rows).await
        }
        Write::Update => {
            let rows = rows.iter().filter_map(|ready| Some((&ready.item.key, ready.row.as_ref()?)));
            stage::update_all(connection, view, &rows.collect::<Vec<_>>()).await
        }
    }
}
