//! What a server's refusal means: a bad row, a busy moment, or the end of this connection.

use rusqlite::Error as RusqliteError;
use sqlx::Error as SqlxError;
use sqlx::mysql::MySqlDatabaseError;

use super::Place;
use crate::config::Address;
use crate::error::{self, Sentences, SyncError};
use crate::model::Side;

/// What a driver had to say.
#[derive(Debug)]
pub enum Problem {
    /// That of servers.
    Server(SqlxError),
    /// That of files.
    File(rusqlite::Error),
    /// The thread that has the file open is gone.
    Ended,
}

impl From<SqlxError> for Problem {
    fn from(problem: SqlxError) -> Self {
        Self::Server(problem)
    }
}

impl Problem {
    /// Whether it is the server's or the library's answer to a statement, after which the line is still of use.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Server(SqlxError::Database(_)) | Self::File(_))
    }
}

/// A refusal of one statement.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A row of the statement is at fault; nothing of the statement was done.
    Row(RowFault),
    /// Rows are locked by somebody else; nothing of the statement was done.
    LockWait,
    /// The server rolled the whole transaction back; the same again may succeed.
    Deadlock,
    /// Anything else: it ends what was going on.
    Fatal(SyncError),
}

/// Why a row is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// The same value stands in a unique key already.
    Duplicate,
    /// A parent is missing.
    ForeignKey,
    /// Children refer to the row.
    HasChildren,
    /// A cell is larger than the server takes in one statement.
    TooLarge,
    /// The row is not held as it is; the reason names no value.
    NotHeld(String),
}

impl Fault {
    /// The failure for callers to whom every refusal is one.
    pub fn fatal(self, place: &Place) -> SyncError {
        let at = |sentences| place.error(sentences);
        match self {
            Self::Fatal(error) => error,
            Self::LockWait => {
                at(error::LOCK_TIMEOUT).with("seconds", place.patience.lock.as_secs())
            }
            Self::Deadlock => at(error::DEADLOCK),
            Self::Row(RowFault::Duplicate) => at(error::DUPLICATE).with("key", "?"),
            Self::Row(RowFault::ForeignKey) => at(error::FOREIGN_KEY).with("key", "?"),
            Self::Row(RowFault::HasChildren) => at(error::HAS_CHILDREN).with("key", "?"),
            Self::Row(RowFault::TooLarge) => at(error::ROW_TOO_LARGE).with("key", "?"),
            Self::Row(RowFault::NotHeld(reason)) => {
                at(error::NOT_HELD).with("key", "?").with("reason", reason)
            }
        }
    }
}

impl Place {
    /// A failure here, with what every sentence may say of this place.
    pub fn error(&self, sentences: Sentences) -> SyncError {
        let error =
            SyncError::new(sentences).with("side", self.side).with("address", &self.address);
        let error = error.with("alias", self.side.as_str().to_lowercase());
        match &self.address {
            Address::Server(server) => error
                .with("user", &server.user)
                .with("database", &server.database)
                .with(
                    "account",
                    self.account.clone().unwrap_or_else(|| format!("'{}'@'%'", server.user)),
                )
                .with("object", format!("`{}`.*", server.database)),
            Address::File(path) => error.with("database", path.display()).with("user", "this user"),
        }
    }

    /// What a driver's error means for a statement that was at `operation`.
    pub fn fault(&self, problem: &Problem, operation: &str) -> Fault {
        match problem {
            Problem::Server(problem) => self.server_fault(problem, operation),
            Problem::File(RusqliteError::SqliteFailure(answer, message)) => {
                let code = answer.extended_code.unsigned_abs();
                self.sqlite_fault(code, message.as_deref().unwrap_or_default(), operation)
            }
            // The statement itself is wrong: our own fault, or a table that has changed.
            Problem::File(RusqliteError::SqlInputError { msg, .. }) => {
                self.sqlite_fault(1, msg, operation)
            }
            Problem::File(_) => {
                Fault::Fatal(self.error(error::UNREADABLE).with("operation", operation))
            }
            Problem::Ended => Fault::Fatal(self.lost("the thread that had the file open ended")),
        }
    }

    fn server_fault(&self, problem: &SqlxError, operation: &str) -> Fault {
        match problem {
            SqlxError::Database(answer) => {
                self.mysql_fault(answer.downcast_ref::<MySqlDatabaseError>(), operation)
            }
            SqlxError::Io(problem) if problem.to_string().contains("certificate") => {
                let reason = plain(&problem.to_string());
                Fault::Fatal(self.error(error::NO_TLS).with("reason", reason))
            }
            SqlxError::Io(problem) => Fault::Fatal(self.lost(&plain(&problem.to_string()))),
            SqlxError::Tls(problem) => {
                Fault::Fatal(self.error(error::NO_TLS).with("reason", plain(&problem.to_string())))
            }
            SqlxError::ColumnDecode { .. } | SqlxError::Decode(_) | SqlxError::Encode(_) => {
                Fault::Fatal(self.error(error::UNREADABLE).with("operation", operation))
            }
            other => Fault::Fatal(self.lost(&plain(&other.to_string()))),
        }
    }

    /// Anything that has no sentence of its own.
    fn unknown(&self, operation: &str, number: u32, message: &str) -> SyncError {
        self.error(error::SERVER_ERROR)
            .with("operation", operation)
            .with("number", number)
            .with("reason", plain(message))
    }

    /// What a sync may need on this side's database.
    fn privileges(&self) -> &'static str {
        match self.side {
            Side::Remote => "SELECT, INSERT, UPDATE, DELETE",
            Side::Local => {
                "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, CREATE TEMPORARY TABLES"
            }
        }
    }

    fn lost(&self, reason: &str) -> SyncError {
        self.error(error::CONNECTION_LOST).with("reason", reason)
    }

    /// MySQL's and MariaDB's error numbers, which mean the same on both unless noted.
    fn mysql_fault(&self, answer: &MySqlDatabaseError, operation: &str) -> Fault {
        let fatal = |sentences: Sentences| {
            self.error(sentences)
                .with("operation", operation)
                .with("reason", format!("error {}", answer.number()))
        };
        let held = |reason: &str| {
            let place =
                column(answer.message()).map_or(String::new(), |name| format!(", column {name}"));
            Fault::Row(RowFault::NotHeld(format!("error {}{place}: {reason}", answer.number())))
        };
        Fault::Fatal(match answer.number() {
            1022 | 1062 | 1169 | 1586 => return Fault::Row(RowFault::Duplicate),
            1216 | 1452 => return Fault::Row(RowFault::ForeignKey),
            1217 | 1451 => return Fault::Row(RowFault::HasChildren),
            1048 | 1364 => return held("NULL where the column takes none"),
            1264 | 1690 => return held("a number out of range"),
            1265 | 1366 | 1292 | 1411 | 1525 => return held("a value of the wrong type"),
            1406 | 1301 | 1118 => return held("a value that is too long"),
            1416 | 3037 | 3055 | 3643 | 3618 | 6136..=6140 => {
                return held("no geometry or vector that the column takes");
            }
            3140 | 3141 | 3143 | 3144 | 3156 | 3157 => return held("no valid JSON"),
            3819 | 4025 => return held("a CHECK constraint"),
            1644 | 1442 => return held("a trigger refused it"),
            3105 | 1906 | 4123 => return held("a column that the server computes"),
            1205 if self.waits_end_transactions => return Fault::Deadlock,
            1205 | 3572 => return Fault::LockWait,
            1213 | 1020 => return Fault::Deadlock,
            1044 if operation == "connect" => fatal(error::NOT_ADMITTED),
            1045 | 1698 | 1524 if operation == "connect" => fatal(error::REFUSED),
            1049 => fatal(error::NO_DATABASE),
            1040 | 1203 | 1226 => fatal(error::TOO_MANY_CONNECTIONS),
            1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1419 => {
                let denied = fatal(error::NO_PERMISSION).with("privileges", self.privileges());
                // Rows are locked by a question, for which reading is not enough.
                let reading = answer.message().starts_with("SELECT command denied");
                if operation == "read" && !reading {
                    denied.with("operation", "write")
                } else {
                    denied
                }
            }
            1290 | 1792 | 1836 | 3100 => fatal(error::READ_ONLY),
            1114 | 1021 | 3 | 28 | 1030 => fatal(error::DISK_FULL),
            // A table that cannot be made says why by the operating system's or the storage's own number.
            1005 if full(answer.message()) => fatal(error::DISK_FULL),
            1037 | 1038 | 1041 | 3015 => fatal(error::OUT_OF_MEMORY),
            1153 => fatal(error::PACKET_TOO_LARGE),
            1927 | 1317 | 1053 | 1152 | 1184 | 2006 | 2013 | 4031 => {
                self.lost(&format!("error {}", answer.number()))
            }
            1146 | 1054 | 1932 => fatal(error::STRUCTURE_CHANGED),
            number => self.unknown(operation, u32::from(number), answer.message()),
        })
    }

    /// SQLite's extended result codes (<https://www.sqlite.org/rescode.html>).
    fn sqlite_fault(&self, code: u32, message: &str, operation: &str) -> Fault {
        let fatal = |sentences: Sentences| {
            self.error(sentences)
                .with("operation", operation)
                .with("reason", format!("SQLite error {code}"))
        };
        Fault::Fatal(match code {
            2067 | 1555 | 2579 => return Fault::Row(RowFault::Duplicate),
            787 => return Fault::Row(RowFault::ForeignKey),
            1299 => {
                return Fault::Row(RowFault::NotHeld(
                    "NULL where the column takes none".to_owned(),
                ));
            }
            275 => return Fault::Row(RowFault::NotHeld("a CHECK constraint".to_owned())),
            // A foreign key that restricts speaks as if it were a trigger.
            1811 if message.contains("FOREIGN KEY") => {
                return Fault::Row(RowFault::ForeignKey);
            }
            1811 => return Fault::Row(RowFault::NotHeld("a trigger refused it".to_owned())),
            20 | 3091 => {
                return Fault::Row(RowFault::NotHeld("a value of the wrong type".to_owned()));
            }
            18 => return Fault::Row(RowFault::NotHeld("a value that is too long".to_owned())),
            1 if gone(message) => fatal(error::STRUCTURE_CHANGED),
            _ => match code & 0xff {
                5 | 6 => return Fault::LockWait,
                8 => fatal(error::READ_ONLY),
                3 | 23 => fatal(error::NO_PERMISSION)
                    .with("privileges", "write access")
                    .with("object", "the file")
                    .with("account", "this user"),
                13 => fatal(error::DISK_FULL),
                7 => fatal(error::OUT_OF_MEMORY),
                10 | 11 | 14 | 26 => self
                    .error(error::CANNOT_OPEN)
                    .with("reason", format!("SQLite error {code}, {}", plain(message))),
                _ => self.unknown(operation, code, message),
            },
        })
    }
}

/// SQLite has no number for a table or a column that is not there.
fn gone(message: &str) -> bool {
    ["no such table", "no such column"].iter().any(|start| message.starts_with(start))
}

fn full(message: &str) -> bool {
    ["errno: 28 ", "errno: 135 "].iter().any(|number| message.contains(number))
}

/// The column at whose value a server takes offence. It stands behind the value, which must not be told and may say anything: only
/// the end of a sentence that was not cut off is believed.
fn column(message: &str) -> Option<&str> {
    let rest = message.get(..message.rfind(" at row ")?).filter(|_| message.len() < 400)?;
    let (_, name) = rest.rsplit_once(" for column ")?;
    let name = name.rsplit(['.', ' ']).next()?;
    let name = name.strip_prefix(['\'', '`'])?.strip_suffix(['\'', '`'])?;
    let plain = |letter: char| letter.is_alphanumeric() || letter == '_';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// A server's sentence without what it quotes: names are told elsewhere, and values must not be told.
fn plain(message: &str) -> String {
    let mut kept = String::new();
    let (mut quoted, mut before) = (None, ' ');
    for character in message.trim_end_matches('.').chars().take(300) {
        let last = std::mem::replace(&mut before, character);
        match (quoted, character) {
            // An apostrophe is no quote.
            (None, '\'') if last.is_alphanumeric() => kept.push(character),
            (None, '\'' | '"' | '`') => {
                quoted = Some(character);
                kept.push('…');
            }
            (Some(quote), _) if quote == character => quoted = None,
            (Some(_), _) => {}
            (None, _) => kept.push(character),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{column, plain};

    #[test]
    fn a_column_is_named_and_no_value() {
        let mariadb = "Incorrect uuid value: 'x' for column `shop`.`t`.`id` at row 1";
        assert_eq!(column(mariadb), Some("id"));
        assert_eq!(column("Data too long for column '名称' at row 3"), Some("名称"));
        assert_eq!(
            column("Incorrect value: 'a for column `b` at row 1' for column 'c' at row 2"),
            Some("c")
        );
        let cut = format!(
            "Incorrect value: '{} for column `secret` at row 1{}",
            "x".repeat(380),
            "y".repeat(90)
        );
        assert_eq!(column(&cut), None);
        assert_eq!(column("Out of range value for column 'a secret' at row 1"), None);
        assert_eq!(column("Something else"), None);
    }

    #[test]
    fn a_server_message_loses_what_it_quotes() {
        assert_eq!(plain("Duplicate entry 'secret' for key `k`."), "Duplicate entry … for key …");
        assert_eq!(plain("no such table: x"), "no such table: x");
        assert_eq!(
            plain("Can't create table `shop`.`t` (errno: 28)"),
            "Can't create table ….… (errno: 28)"
        );
    }
}
