//! What a server's refusal means for an attempt at a batch.

use super::statements::Refused;
use crate::config::Address;
use crate::endpoint::{Fault, Place, RowFault};
use crate::error::{self, SyncError};

/// Why an attempt at a batch came to nothing.
pub enum Trouble {
    /// The same again may succeed.
    Again(SyncError),
    /// Some rows are held by others: the same again, past those.
    Locked,
    /// Without these rows it will succeed.
    Without(Vec<(u64, Refused)>),
    /// Some row is at fault and nobody says which.
    Halve,
    /// It will not.
    Fatal(SyncError),
}

/// What a refused statement means.
pub fn trouble(place: &Place, fault: Fault) -> Trouble {
    match fault {
        Fault::Deadlock => Trouble::Again(place.error(error::DEADLOCK)),
        Fault::LockWait if matches!(place.address, Address::File(_)) => {
            Trouble::Fatal(place.error(error::BUSY))
        }
        fault => Trouble::Fatal(fault.fatal(place)),
    }
}

/// A refused COMMIT: SQLite's deferred foreign keys speak only there, and name no row.
pub fn committing(place: &Place, fault: Fault) -> Trouble {
    match fault {
        Fault::Row(RowFault::ForeignKey) => Trouble::Halve,
        fault => trouble(place, fault),
    }
}
