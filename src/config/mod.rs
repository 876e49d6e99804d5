//! Settings: read once, from the environment and `.env`, checked as a whole, then only passed on.
//!
//! This room reads the environment and never writes it. It knows nothing of connections or tables;
//! what a row of `db_sync_config` says is `journal::settings`' business.

mod dotenv;
mod environment;
pub mod keys;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use environment::Environment;

use crate::error::{self, Result, SyncError};
use crate::model::{PerSide, Side};
use crate::plan::policy::{Direction, Strategy, SyncType};

/// A password: shown nowhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that hands it to the driver.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// How one side is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A MySQL or MariaDB server.
    Server(Box<ServerAddress>),
    /// A SQLite file.
    File(PathBuf),
}

/// A server, a database on it, and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// How much TLS is asked for.
    pub ssl_mode: SslMode,
    /// The certificate authority's file.
    pub ssl_ca: Option<PathBuf>,
}

impl fmt::Display for Address {
    /// `host:port/database` or the file's path; never a user or a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => {
                write!(f, "{}:{}/{}", server.host, server.port, server.database)
            }
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How much TLS is asked for, as in MySQL's own client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// None.
    Disabled,
    /// Where the server has it.
    Preferred,
    /// Always, from anybody.
    Required,
    /// Always, from a server that the authority vouches for.
    VerifyCa,
    /// Always, from that very host.
    VerifyIdentity,
}

impl SslMode {
    /// As users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "DISABLED",
            Self::Preferred => "PREFERRED",
            Self::Required => "REQUIRED",
            Self::VerifyCa => "VERIFY_CA",
            Self::VerifyIdentity => "VERIFY_IDENTITY",
        }
    }
}

impl FromStr for SslMode {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let known =
            [Self::Disabled, Self::Preferred, Self::Required, Self::VerifyCa, Self::VerifyIdentity];
        known.into_iter().find(|mode| mode.as_str().eq_ignore_ascii_case(text.trim())).ok_or(())
    }
}

/// How an INCREMENTAL finds candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// The engine chooses.
    Auto,
    /// The server's binary log.
    Binlog,
    /// Digests of chunks.
    Digest,
    /// A timestamp column.
    Watermark,
}

impl Capture {
    /// As users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Binlog => "binlog",
            Self::Digest => "digest",
            Self::Watermark => "watermark",
        }
    }
}

impl FromStr for Capture {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let known = [Self::Auto, Self::Binlog, Self::Digest, Self::Watermark];
        known
            .into_iter()
            .find(|capture| capture.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or(())
    }
}

/// Everything that the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How each side is reached.
    pub sides: PerSide<Address>,
    /// Which side Django's `default` alias uses.
    pub default_side: Side,
    /// Until when a connection must stand.
    pub connect_timeout: Duration,
    /// How long a line may be silent.
    pub read_timeout: Duration,
    /// How long locked rows are waited for.
    pub lock_wait: Duration,
    /// Scheduled sync on or off.
    pub enabled: bool,
    /// Minutes between scheduled runs.
    pub interval_minutes: u32,
    /// For newly registered tables and for runs of none.
    pub direction: Direction,
    /// For newly registered tables and for runs of none.
    pub sync_type: SyncType,
    /// For newly registered tables.
    pub strategy: Strategy,
    /// Patterns of tables to register.
    pub tables: Vec<String>,
    /// Patterns of tables never to register.
    pub exclude: Vec<String>,
    /// How an INCREMENTAL finds candidates.
    pub capture: Capture,
    /// Rows per applied batch.
    pub batch_size: usize,
    /// Tables or key ranges in flight.
    pub parallel: usize,
    /// The largest share of a table that a run may delete.
    pub max_delete_percent: u8,
    /// The outbox length from which health warns.
    pub queue_capacity: u32,
    /// Days that the log is kept; 0 for ever.
    pub log_retention_days: u32,
    /// Days that pre-images are kept; 0 for ever.
    pub undo_retention_days: u32,
    /// The `.env` that passwords were read from, where every user of the machine may read them too.
    pub open_file: Option<PathBuf>,
}

impl Settings {
    /// Reads `.env` (or `env_file`, which then must exist) and the environment, which wins.
    ///
    /// # Errors
    /// `CFG_001` with every missing key at once; `CFG_002` and `CFG_004` with key, value and what is allowed.
    pub fn load(env_file: Option<&Path>) -> Result<Self> {
        Self::from_environment(&Environment::read(env_file)?)
    }

    /// The same from given variables instead of the process's own.
    pub fn from_variables<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let owned = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self::from_environment(&Environment::of(owned))
    }

    fn from_environment(env: &Environment) -> Result<Self> {
        let sides = PerSide::new(address(env, Side::Remote)?, address(env, Side::Local)?);
        env.missing()?;
        let seconds = |key, low, high| env.number(key, low, high).map(Duration::from_secs);
        let default_side = match env.text("DB_ENV").to_ascii_lowercase().as_str() {
            "remote" => Side::Remote,
            "local" => Side::Local,
            other => return Err(bad_value("DB_ENV", other, "remote | local")),
        };
        let direction = env.text("DB_SYNC_DIRECTION");
        let direction =
            direction.parse().map_err(|_| bad_direction("DB_SYNC_DIRECTION", &direction))?;
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            sides,
            default_side,
            connect_timeout: seconds("DB_CONNECT_TIMEOUT", 1, 600)?,
            read_timeout: seconds("DB_READ_TIMEOUT", 1, 600)?,
            lock_wait: seconds("DB_SYNC_LOCK_WAIT", 0, 600)?,
            enabled: env.switch("DB_SYNC_ENABLED")?,
            interval_minutes: narrow(env.number("DB_SYNC_INTERVAL", 1, 10_080)?),
            direction,
            sync_type: env.name("DB_SYNC_TYPE", SyncType::NAMES)?,
            strategy: env.name("DB_SYNC_CONFLICT", Strategy::NAMES)?,
            tables: env.list("DB_SYNC_TABLES"),
            exclude: env.list("DB_SYNC_EXCLUDE"),
            capture: env.name("DB_SYNC_CAPTURE", &["auto", "binlog", "digest", "watermark"])?,
            batch_size: size(env.number("DB_SYNC_BATCH_SIZE", 1, 100_000)?),
            parallel: size(env.number("DB_SYNC_PARALLEL", 1, 64)?),
            max_delete_percent: u8::try_from(env.number("DB_SYNC_MAX_DELETE_PERCENT", 0, 100)?)
                .unwrap_or(100),
            queue_capacity: narrow(env.number("DB_SYNC_QUEUE_CAPACITY", 1, 1_000_000)?),
            log_retention_days: narrow(env.number("DB_SYNC_LOG_RETENTION_DAYS", 0, 3650)?),
            undo_retention_days: narrow(env.number("DB_SYNC_UNDO_RETENTION_DAYS", 0, 3650)?),
            open_file: env.open_file.clone(),
        })
    }
}

/// A value that is not allowed, as the error that names key, value and what is.
pub fn bad_value(key: &str, value: &str, allowed: &str) -> SyncError {
    SyncError::new(error::BAD_VALUE)
        .with("key", key)
        .with("value", format!("{value:?}"))
        .with("allowed", allowed)
}

/// A direction that is none.
pub fn bad_direction(key: &str, value: &str) -> SyncError {
    SyncError::new(error::BAD_DIRECTION).with("key", key).with("value", format!("{value:?}"))
}

/// `A | B | C`: in no language, as what is allowed stands in sentences of several.
pub fn one_of(names: &[&str]) -> String {
    names.join(" | ")
}

/// What a switch's text says, in any letter case; none where it says neither.
pub fn switched(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn address(env: &Environment, side: Side) -> Result<Address> {
    let key = |name: &str| format!("DB_{side}_{name}");
    let engine = env.text(&key("ENGINE"));
    let database = env.required(&key("NAME"));
    match engine.to_ascii_lowercase().as_str() {
        "sqlite" => Ok(Address::File(PathBuf::from(database))),
        "mysql" | "mariadb" => {
            let modes = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];
            Ok(Address::Server(Box::new(ServerAddress {
                host: env.required(&key("HOST")),
                port: u16::try_from(env.number(&key("PORT"), 1, 65_535)?).unwrap_or(u16::MAX),
                database,
                user: env.required(&key("USER")),
                password: Secret(env.required_even_empty(&key("PASSWORD"))),
                ssl_mode: env.name(&key("SSL_MODE"), &modes)?,
                ssl_ca: authority(env, &key("SSL_CA"))?,
            })))
        }
        _ => Err(bad_value(&key("ENGINE"), &engine, "mysql | sqlite")),
    }
}

/// The file with a certificate authority, which must be readable.
fn authority(env: &Environment, key: &str) -> Result<Option<PathBuf>> {
    let Some(path) = env.optional(key).map(PathBuf::from) else { return Ok(None) };
    match std::fs::metadata(&path).and_then(|_| std::fs::File::open(&path)) {
        Ok(_) => Ok(Some(path)),
        Err(problem) => Err(SyncError::new(error::NO_AUTHORITY)
            .with("key", key)
            .with("path", path.display())
            .with("reason", problem.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    const COMPLETE: [(&str, &str); 8] = [
        ("DB_REMOTE_HOST", "db.example.com"),
        ("DB_REMOTE_NAME", "shop"),
        ("DB_REMOTE_USER", "sync"),
        ("DB_REMOTE_PASSWORD", "s3cret"),
        ("DB_LOCAL_ENGINE", "sqlite"),
        ("DB_LOCAL_NAME", "/tmp/local.sqlite3"),
        ("DB_SYNC_CONFLICT", "local_wins"),
        ("DB_SYNC_EXCLUDE", "a, b_*"),
    ];

    fn with(key: &'static str, value: &'static str) -> Result<Settings> {
        Settings::from_variables(COMPLETE.into_iter().chain([(key, value)]))
    }

    #[test]
    fn defaults_stand_in_and_names_take_any_case() {
        let settings = Settings::from_variables(COMPLETE).unwrap();
        assert_eq!(settings.strategy, Strategy::LocalWins);
        assert_eq!(settings.exclude, ["a", "b_*"]);
        assert_eq!(settings.batch_size, 1000);
        assert_eq!(settings.sides.remote.to_string(), "db.example.com:3306/shop");
        assert!(!settings.enabled);
    }

    #[test]
    fn every_missing_key_is_named_at_once() {
        let error = Settings::from_variables([("DB_REMOTE_HOST", "h"), ("DB_LOCAL_PASSWORD", "")])
            .unwrap_err();
        assert_eq!(error.code(), Code::Cfg001);
        let expected = "DB_REMOTE_NAME, DB_REMOTE_USER, DB_REMOTE_PASSWORD, DB_LOCAL_NAME, DB_LOCAL_HOST, DB_LOCAL_USER";
        assert_eq!(error.name("keys"), Some(expected));
    }

    #[test]
    fn a_bad_value_names_key_value_and_range() {
        for (key, value, allowed) in [
            ("DB_SYNC_BATCH_SIZE", "0", "1 … 100000"),
            ("DB_SYNC_PARALLEL", "two", "1 … 64"),
            ("DB_READ_TIMEOUT", "601", "1 … 600"),
            ("DB_SYNC_INTERVAL", "-5", "1 … 10080"),
            ("DB_SYNC_TYPE", "PARTIAL", "FULL | INCREMENTAL"),
            ("DB_SYNC_ENABLED", "maybe", "True | False"),
            ("DB_REMOTE_PORT", "99999", "1 … 65535"),
            ("DB_LOCAL_ENGINE", "oracle", "mysql | sqlite"),
        ] {
            let error = with(key, value).unwrap_err();
            assert_eq!(error.code(), Code::Cfg002, "{key}");
            assert_eq!(error.message(), format!("{key} is {value:?}; allowed is {allowed}."));
        }
        assert_eq!(with("DB_SYNC_DIRECTION", "SIDEWAYS").unwrap_err().code(), Code::Cfg004);
    }

    #[test]
    fn a_password_is_never_shown() {
        assert!(!format!("{:?}", Settings::from_variables(COMPLETE).unwrap()).contains("s3cret"));
    }
}
