//! One run per table.
//!
//! On a server the lock is `GET_LOCK` of the connection that writes; for a SQLite file it is an operating
//! system's lock on a file of its own in the temporary folder. Both end with their owner.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};

use sha2::{Digest, Sha256};

use crate::endpoint::sql::SIGNED;
use crate::endpoint::{Connection, Dialect, Nature, Statement};
use crate::error::Result;
use crate::model::Value;
use crate::model::value::hex;

/// The locks that this run holds.
#[derive(Debug, Default)]
pub struct Locks {
    files: HashMap<String, File>,
}

impl Locks {
    /// A lock's name: what it protects, hashed to a length that every server takes.
    pub fn name(nature: &Nature, table: &str) -> String {
        let hash = Sha256::digest(format!("{}|{}", nature.identity, table));
        format!("db_sync_{}", hex(&hash[..16]))
    }

    /// Takes a table's lock at once, or says that another run has it.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn take(
        &mut self,
        connection: &mut Connection,
        nature: &Nature,
        table: &str,
    ) -> Result<bool> {
        let name = Self::name(nature, table);
        if nature.dialect != Dialect::Sqlite {
            let statement =
                Statement::new("SELECT GET_LOCK(?,0)").args([Value::Text(name)]).cells([SIGNED]);
            let rows = connection.fetch(&statement).await?;
            return Ok(rows.first().and_then(|row| row[0].as_int()) == Some(1));
        }
        if self.files.contains_key(table) {
            return Ok(true);
        }
        let path = std::env::temp_dir().join(format!("{name}.lock"));
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(|problem| {
            let place = connection.place();
            place
                .error(crate::error::CANNOT_OPEN)
                .with("address", path.display())
                .with("reason", problem.kind())
        })?;
        let taken = file.try_lock().is_ok();
        if taken {
            self.files.insert(table.to_owned(), file);
        }
        Ok(taken)
    }

    /// Gives a table's lock back.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn give_back(
        &mut self,
        connection: &mut Connection,
        nature: &Nature,
        table: &str,
    ) -> Result<()> {
        self.files.remove(table);
        if nature.dialect != Dialect::Sqlite {
            let statement = Statement::new("SELECT RELEASE_LOCK(?)")
                .args([Value::Text(Self::name(nature, table))])
                .cells([SIGNED]);
            connection.fetch(&statement).await?;
        }
        Ok(())
    }
}
