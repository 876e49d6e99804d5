//! Writing a batch's rows statement by statement, and finding the rows that a server refuses.
//!
//! A statement of many rows that is refused has done nothing; it is halved until the row at fault stands alone.

use super::batch::Ready;
use crate::endpoint::{Connection, Fault, RowFault, View, write};
use crate::error::{self, SyncError};
use crate::model::{Key, Row};
use crate::plan::merge::Write;

/// Why one row was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The server refused it.
    Row(RowFault),
    /// Somebody else holds it.
    Locked,
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
            Self::Row(RowFault::ForeignKey) | Self::HasChildren => {
                SyncError::new(error::FOREIGN_KEY)
            }
            Self::Row(RowFault::NotHeld(reason)) => {
                SyncError::new(error::NOT_HELD).with("reason", reason)
            }
            Self::Locked => SyncError::new(error::ROW_LOCKED).with("rows", 1),
            Self::StoredDifferently(column) => {
                SyncError::new(error::STORED_DIFFERENTLY).with("column", column)
            }
        }
    }
}

/// Writes the rows; answers those that were refused, by ordinal.
///
/// # Errors
/// A [`Fault`] that is no single row's.
pub async fn write(
    connection: &mut Connection,
    view: &View<'_>,
    write: Write,
    rows: &[&Ready],
) -> Result<Vec<(u64, Refused)>, Fault> {
    let at_once = match write {
        Write::Update => 1,
        Write::Insert => write::rows_per_insert(view),
        Write::Delete => 500,
    };
    let mut refused = Vec::new();
    let mut waiting: Vec<&[&Ready]> = rows.chunks(at_once).rev().collect();
    while let Some(rows) = waiting.pop() {
        let fault = match one_statement(connection, view, write, rows).await {
            Ok(()) => continue,
            Err(Fault::Row(fault)) => Refused::Row(fault),
            Err(Fault::LockWait) => Refused::Locked,
            Err(fault) => return Err(fault),
        };
        if let [row] = rows {
            refused.push((row.item.ordinal, fault));
        } else {
            let (first, second) = rows.split_at(rows.len() / 2);
            waiting.extend([second, first]);
        }
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
            let rows: Vec<Row> = rows.iter().filter_map(|ready| ready.row.clone()).collect();
            write::insert(connection, view, &rows).await
        }
        Write::Update => {
            for ready in rows {
                if let Some(row) = &ready.row {
                    write::update(connection, view, &ready.item.key, row).await?;
                }
            }
            Ok(())
        }
    }
}
