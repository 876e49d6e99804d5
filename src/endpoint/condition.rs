//! How a server is at the moment: its settings, its clock, its room, and what our account may do there.
//!
//! This is for the doctor; a sync asks for what it needs by itself, and learns the rest by being refused.

use std::collections::HashMap;
use std::path::PathBuf;

use super::mysql::rights::Grants;
use super::{Connection, disk, mysql};
use crate::config::Address;
use crate::error::Result;

/// How a server or a file is.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// A server's settings, as new sessions get them, by name.
    pub variables: HashMap<String, String>,
    /// What its clock showed.
    pub clock: Clock,
    /// Minutes by which its time zone is ahead of UTC; none where it does not know.
    pub zone: Option<i64>,
    /// Bytes of room on its disk; none where it does not tell.
    pub free: Option<u64>,
    /// What our account may do; none of a file, which knows no accounts.
    pub grants: Option<Grants>,
    /// A file, or its folder, that this user may not write to.
    pub closed: Vec<PathBuf>,
}

/// A server's clock beside this machine's, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// How far it is ahead.
    pub ahead: i64,
    /// How far that may be wrong: half of the time that the question took.
    pub unsure: i64,
}

impl Condition {
    /// A setting.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Whether a setting is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.variable(name).is_some_and(|value| ["ON", "1"].contains(&value))
    }
}

/// Asks a server how it is; a file, what this machine knows of it.
///
/// # Errors
/// The failure with its code.
pub async fn ask(connection: &mut Connection) -> Result<Condition> {
    let path = match &connection.place().address {
        Address::Server(_) => return mysql::condition::ask(connection).await,
        Address::File(path) => path.clone(),
    };
    let folder = disk::folder(&path);
    let free = disk::free(&folder);
    let closed = [path, folder].into_iter().filter(|path| !disk::is_writable(path)).collect();
    Ok(Condition { zone: Some(0), free, closed, ..Condition::default() })
}
