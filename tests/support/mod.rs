//! What the tests share: databases of their own on every pairing of servers, and runs on them.

pub mod database;
pub mod pairing;

pub use database::Database;
pub use pairing::{Pair, each_pairing};

/// Asks again and again what nobody can tell us by itself, for at most a minute.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "still not so: {what}");
        // A server renews its list of transactions only after a tenth of a second without a question.
        std::thread::sleep(std::time::Duration::from_millis(120));
    }
}
