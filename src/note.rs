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
    /// What a setting takes, in a sentence that says what is allowed.
    COLUMN_NAMES = "names of columns";
    /// What a plan has to be.
    A_PLAN = "what sync_db --dry-run --json printed";
    /// What a plan is applied with.
    ONLY_A_PLAN = "nothing else that says what to sync, and how";
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
    /// A key that is left out.
    IGNORED_KEY = "The key ({columns}) is never synced, by the table's column rules, and no other key identifies the rows.";
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

    /// A server that nobody has tried.
    OLD_VERSION = "{side} is {version}, which is older than what the sync is tested with: MySQL 8.0, MariaDB 10.6, SQLite 3.35.";
    /// Applications whose values are cut.
    NOT_STRICT = "sql_mode of {side} is not strict: what applications write there may be cut or rounded without an error. The sync's own sessions are strict.";
    /// A clock that is wrong.
    CLOCK = "The clock of {side} differs from this machine's by {seconds} s. No row is decided by a clock, but times in rows and in db_sync_log do not compare.";
    /// Servers with time zones of their own.
    TIME_ZONES = "The time zone is {remote} on REMOTE, {local} on LOCAL and {here} on this machine: a DATETIME that a server fills in by itself is another moment there. TIMESTAMP columns, and what applications write in UTC, are not concerned.";
    /// Little room for one row.
    SMALL_PACKET = "{side} takes {bytes} bytes at once (max_allowed_packet): a row that is larger stays where it is, with SYS_002.";
    /// Slow first loads.
    NO_LOADS = "{side} takes no LOAD DATA LOCAL (local_infile is off): a first load goes by INSERTs there and takes longer.";
    /// Slow updates.
    NO_STAGES = "User {user} may not make temporary tables on {side}: changed rows are written there one by one, each in a round trip of its own.";
    /// A server that cannot tell what has changed.
    NO_BINLOG = "{side} does not tell of its changes by its binary log ({lacking}). Only capture in near real time would want that; no sync needs it.";
    /// Missing rights.
    NO_RIGHTS = "User {user} lacks rights on {side} that the sync needs: {privileges} on {tables}.";
    /// A folder in which SQLite cannot work.
    CLOSED_FOLDER = "This user may not write to {path}, which a sync that writes to {side} has to do.";
    /// A disk that is nearly full.
    LITTLE_ROOM = "There are {megabytes} MB of room left at {path} ({owner}).";
    /// No tables of our own yet.
    NO_CONTROL_TABLES = "The sync's own tables are not on LOCAL yet ({tables}): the first run makes them.";
    /// Tables of our own from an older version.
    OLD_CONTROL_TABLES = "The sync's own tables on LOCAL are those of an older version ({tables}): the next run brings them up to date and loses no row.";
    /// Tables of our own that a crash may damage.
    CONTROL_STORAGE = "The storage of the sync's own table {table} has no transactions: after a crash it may say what is not so.";
    /// A base of another version.
    OTHER_BASE = "What is remembered of these tables was written by another version and counts as none: {tables}. The next run adopts equal rows and deletes nothing because of it.";
    /// A lease that nobody needs.
    STUCK_LEASE = "A run that is gone has left its lease of these tables: {tables}. The next run takes them over.";
    /// Runs that died.
    DEAD_RUNS = "db_sync_log says RUNNING of these tables, on which nobody is at work: {tables}. The next run corrects that.";
    /// A run is under way.
    AT_WORK = "A run is at work on these tables: {tables}.";
    /// A run that is silent.
    SILENT_RUN = "The run that holds table {table} has not been heard of for {seconds} s, and its line to LOCAL still stands. The next run ends that line and takes the table over.";
    /// What was mended of tables of our own.
    FIXED_TABLES = "Made or brought up to date: {tables}.";
    /// What was mended of leases.
    FIXED_LEASES = "Given back: the leases of {tables}.";
    /// What was mended of the log.
    FIXED_RUNS = "Closed as INTERRUPTED in db_sync_log: the runs of {tables}.";
}
