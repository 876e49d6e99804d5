//! Sentences that a person should read and that are no failure: what happened, with names in places.
//!
//! As with [`crate::error`], English is the source; the Python package translates templates and fills them again.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::error::fill;

/// One sentence with its places filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The sentence, filled.
    pub message: String,
    /// The sentence with its places unfilled, for translation.
    pub template: &'static str,
    /// What stands in the places.
    pub names: BTreeMap<&'static str, String>,
}

impl Note {
    /// A sentence with nothing filled in yet.
    pub fn new(template: &'static str) -> Self {
        Self { message: template.to_owned(), template, names: BTreeMap::new() }
    }

    /// Fills one place.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.names.insert(name, value.to_string());
        self.message = fill(self.template, |name| self.names.get(name).map(String::as_str));
        self
    }
}

macro_rules! notes {
    ($($(#[$doc:meta])* $name:ident = $sentence:literal;)+) => {
        $($(#[$doc])* pub const $name: &str = $sentence;)+

        /// Every sentence, for the translations.
        pub const ALL_NOTES: &[&str] = &[$($name),+];
    };
}

notes! {
    /// A base made from something else.
    FOREIGN_BASE = "What was remembered of the table was made from other databases or keys and counts as none: equal rows are adopted, nothing is deleted because of it.";
    /// A base that was carried over.
    CARRIED_OVER = "The table's definition changed since the last sync; what was remembered of its rows was carried over.";
    /// A bag.
    BAG = "Nothing identifies the table's rows: they were counted, and the target was given as many of each as the source has.";
    /// A capture that cannot be had.
    NO_CAPTURE = "Capture {capture} is not to be had here; digests were used.";
    /// A trigger at work.
    TRIGGER_CHANGED = "A trigger on {side} changes rows as they are written; they are kept there as the trigger left them.";
    /// A reviewed plan that does not know of everything.
    NOT_IN_PLAN = "Other rows have changed than those of the plan; they are left for the next sync.";
    /// Passwords that are no secret.
    OPEN_ENV_FILE = "{path} holds passwords and every user of this machine can read it: chmod 600 {path}.";
    /// Tables that a reviewed plan does not list.
    UNPLANNED = "The plan does not list the rows of these tables, which are left out: {tables}.";
    /// Too much, or nothing to name, for a plan.
    NO_PLAN = "The table's changes are too many for a plan, or its rows have no key: --apply leaves it out.";
    /// Tables that nobody configured.
    NOT_CONFIGURED = "Both sides have tables that are not configured and were not synced: {tables}. To sync one, add its name to db_sync_config.";
    /// A word of a file that means nothing here.
    KEY_NOT_TAKEN = "{path}, line {line}: {key} is not taken, for it means nothing here.";
    /// A word of a file that means something elsewhere.
    KEY_OF_ALL = "{path}, line {line}: {key} is not taken; for all tables alike, {variable} in .env says it.";
    /// Rows of which a file says nothing.
    LEFT_ALONE = "Tables that the file does not list stay as they are: {tables}.";
    /// A column on one side only.
    ALONE = "Column {column} exists on {side} only, so it is not synced.";
    /// A column on one side only that rows need.
    ALONE_NEEDED = "Column {column} exists on {side} only, and no row can be made there without it.";
    /// A column that a rule leaves out and rows need.
    IGNORED_NEEDED = "Column {column} is left out by its rule, and on {side} no row can be made without it.";
    /// A column that one server computes.
    IGNORED_PARENT = "Column {column} is left out by its rule, but other tables refer to it on {side}: what they refer to would be another row there.";
    /// A column that one side computes.
    COMPUTED = "Column {column} is computed on {side} only, so it is not synced.";
    /// Different keys.
    KEYS = "The key is ({remote}) on REMOTE and ({local}) on LOCAL, so rows cannot be paired.";
    /// No key.
    NO_KEY = "There is no primary key and no unique key of NOT NULL columns on {side}: only a one-way FULL can sync the table, as a counted bag of rows.";
    /// Types that exclude each other.
    TYPES = "Column {column} is {remote} on REMOTE and {local} on LOCAL, which cannot hold each other's values.";
    /// A narrower type.
    NARROWER = "Column {column} is {remote} on REMOTE and {local} on LOCAL: what {side} cannot hold exactly is left where it is, row by row, with SYNC_003.";
    /// A unique key on one side only.
    UNIQUE_ALONE = "Only {side} keeps ({columns}) unique: rows of the other side that share a value there are left where they are, with SYNC_002.";
    /// A collation that sees less.
    COLLATION = "Column {column} of a unique key is compared by {remote} on REMOTE and {local} on LOCAL: what {side} takes for one value is left where it is, with SYNC_002.";
    /// No transactions.
    NO_TRANSACTIONS = "The table's storage on {side} has no transactions: a batch that fails there may be half written.";
    /// Triggers.
    TRIGGERS = "Triggers on {side} fire when rows are synced to it; what they change there stays there.";
    /// A parent that is not synced.
    PARENT_NOT_SYNCED = "Column {column} refers to {parent}, which is not synced: where both sides number its rows differently, it means another row there.";
    /// Triggers that write to other tables.
    TRIGGERS_ELSEWHERE = "Triggers on {side} fire when rows are synced to it, and name other tables: {tables}. What they write there counts as a change made on {side}.";
    /// A missing table.
    NO_TABLE = "The table does not exist on {side}.";
    /// Both sides count up alike.
    COUNTERS = "Both sides number new rows of these tables by themselves, and alike: {tables}. Rows that both sides make between two runs take the same keys and are conflicts; a configuration file should keep the setting.";
    /// Servers that spell tables' names differently.
    LETTER_CASE = "The servers keep the letter case of tables' names differently (lower_case_table_names is {remote} on REMOTE and {local} on LOCAL); names are paired in any letter case.";
    /// An index that could not be carried over.
    INDEX_LEFT_OUT = "The index {name} could not be carried over to {side}.";
    /// A foreign key that could not be carried over.
    FOREIGN_KEY_LEFT_OUT = "The foreign key {name} could not be carried over to {side}: the table that it refers to is not there.";
    /// An expression that could not be carried over.
    EXPRESSION_LEFT_OUT = "The expression that computes column {name} could not be carried over to {side}; the column is not synced.";
    /// A default that could not be carried over.
    DEFAULT_LEFT_OUT = "The default of column {name} could not be carried over to {side}.";
}
