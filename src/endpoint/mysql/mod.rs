//! MySQL and MariaDB: the session, the catalogue, the cells.
//!
//! Nothing here knows which side it is on, nor makes SQL text for synced tables.

pub mod condition;
pub mod flavor;
pub mod foreign_keys;
pub mod introspect;
pub mod load;
pub mod rights;
pub mod session;
pub mod sign;
pub mod values;
