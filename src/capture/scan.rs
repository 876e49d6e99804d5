//! Looks everywhere.

use super::Proposal;

/// Proposes every row.
pub fn propose() -> Proposal {
    Proposal { spans: vec![0..=u64::MAX], rows: 0 }
}
