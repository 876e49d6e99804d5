//! Tests against real servers, in one binary.
//!
//! `make test` starts the servers and says where they are; see `support::pairing`. Every test makes databases of
//! its own and drops them.

mod bags;
mod changes;
mod check;
mod columns;
mod conflicts;
mod contents;
#[cfg(feature = "failpoints")]
mod crashes;
mod create;
mod decision_table;
mod doctor;
mod documents;
mod errors;
mod explain;
mod histories;
mod houses;
mod installation;
mod keys;
mod leases;
mod loads;
mod locks;
mod redefined;
mod relations;
mod reviewed;
mod scenarios;
mod support;
mod undo;
mod values;
