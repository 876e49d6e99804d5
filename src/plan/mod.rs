//! Floor 1: what should happen.
//!
//! Pure decisions: the three-way merge and its policy, the pairing of two tables, the order of
//! tables, the guards. This room never sees a connection, a clock, randomness or async code; it
//! does not know SQL, and it does not know how its decisions are carried out.

pub mod batch;
pub mod guard;
pub mod merge;
pub mod order;
pub mod policy;
pub mod schema_match;
pub mod stand_in;
pub mod types;
