//! What the tests share: databases of their own on every pairing of servers, and runs on them.

pub mod database;
pub mod pairing;

pub use database::Database;
pub use pairing::{Pair, each_pairing};
