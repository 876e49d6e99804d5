//! What somebody wants a table's settings to be, read by the parsers that the engine reads them with.

use serde_json::{Value as Json, json};

use crate::config::{bad_direction, one_of, switched};
use crate::error::{self, Result, SyncError};
use crate::journal::settings::{Setting, TableSettings};
use crate::note;
use crate::plan::policy::{Strategy, SyncType};

/// A value before it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// One text; of column names, with commas between them.
    Text(String),
    /// Texts one by one.
    List(Vec<String>),
    /// Something that no setting is.
    Other,
}

/// What is wanted of one table; what is not named stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The table's name, as somebody wrote it.
    pub table: String,
    /// Settings and their values.
    pub values: Vec<(Setting, Given)>,
    /// Where in a file it stands.
    pub place: Option<Place>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as somebody named it.
    pub path: String,
    /// From 1.
    pub line: usize,
}

impl Wanted {
    /// Of `KEY=VALUE` pairs; and `CFG_002`, once for each key that is none.
    pub fn of_pairs(table: &str, pairs: &[String]) -> (Self, Vec<SyncError>) {
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for pair in pairs {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match Setting::ALL.into_iter().find(|setting| setting.as_str() == key) {
                Some(setting) => values.push((setting, Given::Text(value.to_owned()))),
                None => errors.push(
                    SyncError::new(error::NO_SUCH_SETTING)
                        .with("key", format!("{key:?}"))
                        .with("allowed", one_of(&Setting::ALL.map(Setting::as_str))),
                ),
            }
        }
        (Self { table: table.to_owned(), values, place: None }, errors)
    }
}

/// Gives a table one setting.
///
/// # Errors
/// `CFG_002`, or `CFG_004` for a direction: the value is none of this setting's.
pub fn put(table: &mut TableSettings, setting: Setting, given: &Given) -> Result<()> {
    let text = match given {
        Given::Text(text) => text.trim(),
        Given::List(_) | Given::Other => "",
    };
    let refused = |allowed: &str| bad(table, setting, given, allowed);
    let columns = || names(given).ok_or_else(|| refused(note::COLUMN_NAMES));
    match setting {
        Setting::Enabled => {
            table.enabled = switched(text).ok_or_else(|| refused("true | false"))?;
        }
        Setting::Type => {
            let read = text.parse().map_err(|_| refused(&one_of(SyncType::NAMES)));
            table.policy.sync_type = read?;
        }
        Setting::Direction => {
            let key = format!("direction of table {}", table.table);
            table.policy.direction =
                text.parse().map_err(|_| bad_direction(&key, &spelled(given)))?;
        }
        Setting::Conflict => {
            let read = text.parse().map_err(|_| refused(&one_of(Strategy::NAMES)));
            table.policy.strategy = read?;
        }
        Setting::Priority => {
            // As wide as its column.
            let range = format!("{} … {}", i32::MIN, i32::MAX);
            table.priority = text.parse::<i32>().map_err(|_| refused(&range))?.into();
        }
        Setting::Ignore => table.rules.ignore = columns()?,
        Setting::NoConflict => table.rules.quiet = columns()?,
    }
    Ok(())
}

/// The column names that are given; none where these are no names.
pub fn names(given: &Given) -> Option<Vec<String>> {
    let name = |text: &str| Some(text.trim().to_owned()).filter(|name| !name.is_empty());
    match given {
        Given::Text(text) => Some(text.split(',').filter_map(name).collect()),
        Given::List(names) => Some(names.clone()),
        Given::Other => None,
    }
}

fn bad(table: &TableSettings, setting: Setting, given: &Given, allowed: &str) -> SyncError {
    SyncError::new(error::BAD_SETTING)
        .with("table", &table.table)
        .with("key", setting.as_str())
        .with("value", format!("{:?}", spelled(given)))
        .with("allowed", allowed)
}

fn spelled(given: &Given) -> String {
    match given {
        Given::Text(text) => text.clone(),
        Given::List(names) => names.join(", "),
        Given::Other => "…".to_owned(),
    }
}

/// What a table's setting is, as JSON has it.
pub fn value(table: &TableSettings, setting: Setting) -> Json {
    match setting {
        Setting::Enabled => json!(table.enabled),
        Setting::Type => json!(table.policy.sync_type),
        Setting::Direction => json!(table.policy.direction),
        Setting::Conflict => json!(table.policy.strategy),
        Setting::Priority => json!(table.priority),
        Setting::Ignore => json!(table.rules.ignore),
        Setting::NoConflict => json!(table.rules.quiet),
    }
}
