//! The one place that reads the environment. It is never written.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::keys::KEYS;
use super::{bad_value, dotenv, one_of, switched};
use crate::error::{self, Result, SyncError};

/// The variables of this process over those of a `.env` file.
pub(super) struct Environment {
    variables: HashMap<String, String>,
    /// The file that was read, where every user of the machine may read it too and it holds a password.
    pub(super) open_file: Option<PathBuf>,
    missing: RefCell<Vec<String>>,
}

impl Environment {
    /// Reads `.env` in the working directory if there is one, or `env_file`, which must be there.
    pub(super) fn read(env_file: Option<&Path>) -> Result<Self> {
        let path = env_file.unwrap_or(Path::new(".env"));
        let unreadable = |reason: String| {
            SyncError::new(error::BAD_ENV_FILE).with("path", path.display()).with("reason", reason)
        };
        let mut variables = HashMap::new();
        if env_file.is_some() && !path.exists() {
            return Err(SyncError::new(error::NO_ENV_FILE).with("path", path.display()));
        }
        if path.exists() {
            let text = std::fs::read_to_string(path)
                .map_err(|problem| unreadable(problem.kind().to_string()))?;
            let text = dotenv::spelled(&text);
            for line in dotenvy::from_read_iter(text.as_bytes()) {
                let (name, value) = line.map_err(|problem| match &problem {
                    dotenvy::Error::LineParse(line, _) => SyncError::new(error::BAD_ENV_LINE)
                        .with("path", path.display())
                        .with("line", number(&text, line)),
                    dotenvy::Error::Io(problem) => unreadable(problem.kind().to_string()),
                    _ => unreadable("it has no valid form".to_owned()),
                })?;
                variables.insert(name, value);
            }
        }
        let secret =
            |(name, value): (&String, &String)| name.ends_with("PASSWORD") && !value.is_empty();
        let open = variables.iter().any(secret) && anyone_reads(path);
        for key in KEYS {
            if let Ok(value) = std::env::var(key.name) {
                variables.insert(key.name.to_owned(), value);
            }
        }
        let open_file = open.then(|| path.to_owned());
        Ok(Self { open_file, ..Self::of(variables) })
    }

    pub(super) fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables = variables.into_iter().collect();
        Self { variables, open_file: None, missing: RefCell::default() }
    }

    /// The value that is set and not empty.
    pub(super) fn optional(&self, key: &str) -> Option<String> {
        self.variables
            .get(key)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// The value, or the key's default, or nothing.
    pub(super) fn text(&self, key: &str) -> String {
        let default =
            || KEYS.iter().find(|known| known.name == key).and_then(|known| known.default);
        self.optional(key).or_else(|| default().map(ToOwned::to_owned)).unwrap_or_default()
    }

    /// The value, or a note that it is missing ([`Self::missing`] tells).
    pub(super) fn required(&self, key: &str) -> String {
        self.optional(key).unwrap_or_else(|| {
            self.missing.borrow_mut().push(key.to_owned());
            String::new()
        })
    }

    /// The same for a password, which may be empty but must be set, and whose spaces count.
    pub(super) fn required_even_empty(&self, key: &str) -> String {
        self.variables.get(key).cloned().unwrap_or_else(|| self.required(key))
    }

    /// Fails with every required key that was asked for and is missing.
    pub(super) fn missing(&self) -> Result<()> {
        let missing = self.missing.borrow();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(SyncError::new(error::NOT_SET).with("keys", missing.join(", ")))
        }
    }

    pub(super) fn number(&self, key: &str, low: u64, high: u64) -> Result<u64> {
        let text = self.text(key);
        let number = text.parse().ok().filter(|number| (low..=high).contains(number));
        number.ok_or_else(|| bad_value(key, &text, &format!("{low} … {high}")))
    }

    pub(super) fn switch(&self, key: &str) -> Result<bool> {
        let text = self.text(key);
        switched(&text).ok_or_else(|| bad_value(key, &text, "True | False"))
    }

    /// A value of an enumeration, in any letter case.
    pub(super) fn name<T: FromStr>(&self, key: &str, allowed: &[&str]) -> Result<T> {
        let text = self.text(key);
        text.parse().map_err(|_| bad_value(key, &text, &one_of(allowed)))
    }

    /// A comma list.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let text = self.text(key);
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }
}

/// Whether every user of the machine may read a file.
fn anyone_reads(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// Why a file cannot be read, without the line itself: it may hold a password.
/// Which line of a file begins what could not be read: what it says may be a secret.
fn number(text: &str, unread: &str) -> usize {
    let first = unread.lines().next().unwrap_or_default();
    text.lines().position(|line| line == first).map_or(1, |at| at + 1)
}
