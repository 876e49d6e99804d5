//! One side's server by itself: its version, and settings that cost something or let applications damage what is synced.

use super::ailments;
use super::diagnosis::Symptom;
use crate::config::Address;
use crate::endpoint::condition::Condition;
use crate::endpoint::sql::remedy;
use crate::endpoint::{Dialect, Endpoint, disk};
use crate::error;

/// The oldest versions that the sync is tested with.
const OLDEST: [(Dialect, [u32; 2]); 3] =
    [(Dialect::MySql, [8, 0]), (Dialect::MariaDb, [10, 6]), (Dialect::Sqlite, [3, 35])];
/// Bytes that a server should take at once: what MariaDB is delivered with.
const PACKET: u64 = 16 << 20;
/// Bytes that are proposed instead: what MySQL is delivered with.
const LARGER_PACKET: u64 = 64 << 20;
/// Bytes of room below which a disk is told of.
pub const ROOM: u64 = 1 << 30;
/// Rights by which an account writes on a server that takes no writes.
const ABOVE_READ_ONLY: [&str; 3] = ["SUPER", "READ_ONLY ADMIN", "CONNECTION_ADMIN"];

/// What is to be said of a server; `written` says whether a sync writes there.
pub fn look(endpoint: &Endpoint, condition: &Condition, written: bool) -> Vec<Symptom> {
    let look = Look { endpoint, condition, written };
    let found = [
        look.version(),
        look.strictness(),
        look.packet(),
        look.loads(),
        look.stages(),
        look.read_only(),
        look.binlog(),
        look.room(),
    ];
    found.into_iter().flatten().chain(look.closed()).collect()
}

struct Look<'a> {
    endpoint: &'a Endpoint,
    condition: &'a Condition,
    written: bool,
}

impl Look<'_> {
    fn of(&self, ailment: ailments::Ailment) -> Symptom {
        Symptom::of(ailment).on(self.endpoint.side())
    }

    fn dialect(&self) -> Dialect {
        self.endpoint.nature.dialect
    }

    fn version(&self) -> Option<Symptom> {
        let version = &self.endpoint.nature.version;
        let found = || self.of(ailments::OLD_VERSION).with("version", version);
        is_old(self.dialect(), version).then(found)
    }

    fn strictness(&self) -> Option<Symptom> {
        let modes = self.condition.variable("sql_mode")?;
        let strict = ["STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"];
        if modes.split(',').any(|mode| strict.contains(&mode)) {
            return None;
        }
        let wanted: Vec<&str> =
            modes.split(',').chain([strict[0]]).filter(|mode| !mode.is_empty()).collect();
        let sql = remedy::set_global("sql_mode", &wanted.join(","));
        Some(self.of(ailments::NOT_STRICT).sql([sql]))
    }

    fn packet(&self) -> Option<Symptom> {
        let bytes: u64 = self.condition.variable("max_allowed_packet")?.parse().ok()?;
        let sql = remedy::set_global("max_allowed_packet", &LARGER_PACKET.to_string());
        (bytes < PACKET).then(|| self.of(ailments::SMALL_PACKET).with("bytes", bytes).sql([sql]))
    }

    fn loads(&self) -> Option<Symptom> {
        self.condition.variable("local_infile")?;
        let slow = self.written && !self.condition.is_on("local_infile");
        let sql = remedy::set_global("local_infile", "1");
        slow.then(|| self.of(ailments::NO_LOADS).sql([sql]))
    }

    fn stages(&self) -> Option<Symptom> {
        let right = "CREATE TEMPORARY TABLES";
        let allowed = self.condition.grants.as_ref()?.on_database(right);
        (self.written && !allowed).then(|| {
            let found = self.of(ailments::NO_STAGES).with("user", self.user());
            found.sql([self.grant(right, false)])
        })
    }

    fn read_only(&self) -> Option<Symptom> {
        let above = self.condition.grants.as_ref().is_some_and(|grants| {
            ABOVE_READ_ONLY.iter().any(|privilege| grants.on_server(privilege))
        });
        let strictly = self.condition.is_on("super_read_only");
        let closed = strictly || self.condition.is_on("read_only") && !above;
        (self.written && closed).then(|| {
            // MySQL clears the stricter of the two by clearing the other.
            let sql = remedy::set_global("read_only", "0");
            Symptom::from(&self.endpoint.place().error(error::READ_ONLY)).sql([sql])
        })
    }

    /// What near real time would want.
    fn binlog(&self) -> Option<Symptom> {
        let grants = self.condition.grants.as_ref()?;
        let mut lacking = Vec::new();
        let mut sql = Vec::new();
        if !self.condition.is_on("log_bin") {
            lacking.push("log_bin=OFF".to_owned());
            sql.push(remedy::keep_binlog());
        }
        for (name, wanted) in [("binlog_format", "ROW"), ("binlog_row_image", "FULL")] {
            let value = self.condition.variable(name).unwrap_or(wanted);
            if !value.eq_ignore_ascii_case(wanted) {
                lacking.push(format!("{name}={value}"));
                sql.push(remedy::set_global(name, wanted));
            }
        }
        let rights: &[&str] = match self.dialect() {
            Dialect::MariaDb => &["REPLICATION SLAVE", "BINLOG MONITOR"],
            _ => &["REPLICATION SLAVE", "REPLICATION CLIENT"],
        };
        for right in rights.iter().filter(|right| !grants.on_server(right)) {
            lacking.push((*right).to_owned());
            sql.push(self.grant(right, true));
        }
        let found = || self.of(ailments::NO_BINLOG).with("lacking", lacking.join(", "));
        (!lacking.is_empty()).then(|| found().sql(sql))
    }

    fn room(&self) -> Option<Symptom> {
        let path = match &self.endpoint.place().address {
            Address::Server(_) => self.condition.variable("datadir")?.to_owned(),
            Address::File(path) => disk::folder(path).display().to_string(),
        };
        let found = little_room(self.condition.free?, &path, self.endpoint.side().as_str())?;
        Some(found.on(self.endpoint.side()))
    }

    fn closed(&self) -> Vec<Symptom> {
        let paths = self.condition.closed.iter().filter(|_| self.written);
        let found = |path: &std::path::PathBuf| {
            self.of(ailments::CLOSED_FOLDER)
                .with("path", path.display())
                .command(format!("chmod u+w {}", word(path)))
        };
        paths.map(found).collect()
    }

    fn user(&self) -> &str {
        match &self.endpoint.place().address {
            Address::Server(server) => &server.user,
            Address::File(_) => "",
        }
    }

    /// A right to the database, or on the whole server.
    fn grant(&self, right: &str, server: bool) -> String {
        let place = self.endpoint.place();
        let object = match &place.address {
            Address::Server(named) if !server => {
                remedy::object(self.dialect(), &named.database, None)
            }
            _ => "*.*".to_owned(),
        };
        remedy::grant(&[right], &object, place.account.as_deref().unwrap_or_default())
    }
}

/// Whether a version (`MariaDB 10.5.29`) is older than those that the sync is tested with. Nothing is said of what is no version.
fn is_old(dialect: Dialect, version: &str) -> bool {
    let numbers = version.rsplit(' ').next().unwrap_or_default().split('.');
    let numbers: Vec<u32> = numbers.map_while(|number| number.parse().ok()).take(2).collect();
    let oldest = OLDEST.iter().find(|(known, _)| *known == dialect);
    oldest.is_some_and(|(_, oldest)| numbers.len() == 2 && numbers[..] < oldest[..])
}

/// A disk that is nearly full; `owner` says whose it is.
pub fn little_room(free: u64, path: &str, owner: &str) -> Option<Symptom> {
    let found = || {
        Symptom::of(ailments::LITTLE_ROOM)
            .with("megabytes", free >> 20)
            .with("path", path)
            .with("owner", owner)
            .command(format!("df -h {}", word(std::path::Path::new(path))))
    };
    (free < ROOM).then(found)
}

/// A path as one word of a shell.
pub fn word(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@".contains(letter);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text;
    }
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (dialect, version, old) in [
            (Dialect::MariaDb, "MariaDB 10.5.29", true),
            (Dialect::MariaDb, "MariaDB 10.6.0", false),
            (Dialect::MariaDb, "MariaDB 11.0.2", false),
            (Dialect::MySql, "MySQL 5.7.44", true),
            (Dialect::MySql, "MySQL 8.0.11", false),
            (Dialect::Sqlite, "SQLite 3.9.2", true),
            (Dialect::Sqlite, "SQLite 3.35.0", false),
            (Dialect::Sqlite, "SQLite", false),
        ] {
            assert_eq!(is_old(dialect, version), old, "{version}");
        }
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for (path, spelled) in [
            ("/srv/shop/.env", "/srv/shop/.env"),
            ("it's here", "'it'\\''s here'"),
            ("-rf", "'./-rf'"),
            ("a;b", "'a;b'"),
            ("", "''"),
        ] {
            assert_eq!(word(Path::new(path)), spelled);
        }
    }
}
