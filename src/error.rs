//! Every failure a user can meet: a code, what happened, and what to do.
//!
//! The sentences stand here and nowhere else, as templates with named places, so that the Django app
//! can translate them. They carry names (tables, keys, columns, host:port), never a secret and never
//! a cell's value.

use std::fmt;

use serde::{Serialize, Serializer};

/// The code of a failure (docs/errors.md explains each).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Cannot connect.
    DbConn001,
    /// Timeout.
    DbConn002,
    /// Authentication failed.
    DbConn003,
    /// No such database.
    DbConn004,
    /// Table structures do not match.
    Sync001,
    /// Key conflict, primary or unique.
    Sync002,
    /// Data types do not match.
    Sync003,
    /// A foreign key fails.
    Sync004,
    /// Interrupted.
    Sync005,
    /// The table has no usable key.
    Sync006,
    /// Conflicts wait for a decision.
    Sync007,
    /// A guard refused.
    Sync008,
    /// The table is locked by another run.
    Sync009,
    /// Verification found a difference.
    Sync010,
    /// A variable is not set.
    Cfg001,
    /// An invalid value.
    Cfg002,
    /// No configuration for the table.
    Cfg003,
    /// An invalid direction.
    Cfg004,
    /// Disk full.
    Sys001,
    /// Out of memory.
    Sys002,
    /// Too busy.
    Sys003,
    /// Permission denied.
    Sys004,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 22] = [
        Self::DbConn001,
        Self::DbConn002,
        Self::DbConn003,
        Self::DbConn004,
        Self::Sync001,
        Self::Sync002,
        Self::Sync003,
        Self::Sync004,
        Self::Sync005,
        Self::Sync006,
        Self::Sync007,
        Self::Sync008,
        Self::Sync009,
        Self::Sync010,
        Self::Cfg001,
        Self::Cfg002,
        Self::Cfg003,
        Self::Cfg004,
        Self::Sys001,
        Self::Sys002,
        Self::Sys003,
        Self::Sys004,
    ];

    /// As users see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DbConn001 => "DB_CONN_001",
            Self::DbConn002 => "DB_CONN_002",
            Self::DbConn003 => "DB_CONN_003",
            Self::DbConn004 => "DB_CONN_004",
            Self::Sync001 => "SYNC_001",
            Self::Sync002 => "SYNC_002",
            Self::Sync003 => "SYNC_003",
            Self::Sync004 => "SYNC_004",
            Self::Sync005 => "SYNC_005",
            Self::Sync006 => "SYNC_006",
            Self::Sync007 => "SYNC_007",
            Self::Sync008 => "SYNC_008",
            Self::Sync009 => "SYNC_009",
            Self::Sync010 => "SYNC_010",
            Self::Cfg001 => "CFG_001",
            Self::Cfg002 => "CFG_002",
            Self::Cfg003 => "CFG_003",
            Self::Cfg004 => "CFG_004",
            Self::Sys001 => "SYS_001",
            Self::Sys002 => "SYS_002",
            Self::Sys003 => "SYS_003",
            Self::Sys004 => "SYS_004",
        }
    }

    /// The exit status of a run that ends with this failure.
    pub fn exit(self) -> u8 {
        match self {
            Self::Cfg001 | Self::Cfg002 | Self::Cfg003 | Self::Cfg004 => 2,
            Self::Sync007 => 3,
            Self::Sync009 => 4,
            Self::Sync005 => 130,
            _ => 1,
        }
    }

    /// Whether the same attempt may succeed a moment later (a lost connection, a busy server).
    pub fn is_passing(self) -> bool {
        matches!(self, Self::DbConn001 | Self::DbConn002 | Self::Sys003)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The two sentences of one failure, with `{names}` in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentences {
    /// The code they belong to.
    pub code: Code,
    /// What happened.
    pub what: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// A failure with its code, both sentences filled in, and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncError {
    /// The sentences, unfilled.
    pub sentences: Sentences,
    /// What stands in their places.
    pub names: Vec<(&'static str, String)>,
}

/// What every fallible function of floors 2–5 returns.
pub type Result<T> = std::result::Result<T, SyncError>;

impl SyncError {
    /// A failure with nothing filled in yet.
    pub fn new(sentences: Sentences) -> Self {
        Self { sentences, names: Vec::new() }
    }

    /// Fills one place. The name `table` also says which table the failure belongs to.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.names.push((name, value.to_string()));
        self
    }

    /// Fills `table` unless it is filled already.
    #[must_use]
    pub fn in_table(self, table: &str) -> Self {
        if self.name("table").is_some() { self } else { self.with("table", table) }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.sentences.code
    }

    /// What stands in a place.
    pub fn name(&self, name: &str) -> Option<&str> {
        self.names.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// What happened, as one sentence.
    pub fn message(&self) -> String {
        self.fill(self.sentences.what)
    }

    /// What to do, as one sentence.
    pub fn hint(&self) -> String {
        self.fill(self.sentences.hint)
    }

    fn fill(&self, template: &str) -> String {
        fill(template, |name| self.name(name))
    }
}

/// A sentence with its places filled; `?` stands where nothing is known.
pub(crate) fn fill<'a>(template: &str, known: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(before);
        filled.push_str(known(name).unwrap_or("?"));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

impl std::error::Error for SyncError {}

impl From<Sentences> for SyncError {
    fn from(sentences: Sentences) -> Self {
        Self::new(sentences)
    }
}

macro_rules! sentences {
    ($($(#[$doc:meta])* $name:ident = $code:ident, $what:literal, $hint:literal;)+) => {
        $($(#[$doc])* pub const $name: Sentences = Sentences { code: Code::$code, what: $what, hint: $hint };)+

        /// Every pair of sentences, for the translations and the documentation.
        pub const ALL_SENTENCES: &[Sentences] = &[$($name),+];
    };
}

sentences! {
    /// No server answers.
    CANNOT_CONNECT = DbConn001,
        "Cannot connect to {side} at {address}: {reason}.",
        "Check that the server runs and that host, port and firewall allow a connection; the keys are DB_{side}_HOST and DB_{side}_PORT.";
    /// A SQLite file that is not there.
    NO_FILE = DbConn004,
        "The SQLite file of {side}, {address}, does not exist.",
        "Check DB_{side}_NAME, or create the file first (for a Django project: python manage.py migrate --database {alias}).";
    /// A SQLite file that cannot be opened.
    CANNOT_OPEN = DbConn001,
        "Cannot open the SQLite file of {side}, {address}: {reason}.",
        "Check that the file is a SQLite database and that this user may read and write it and its folder.";
    /// The connection broke.
    CONNECTION_LOST = DbConn001,
        "The connection to {side} at {address} was lost: {reason}.",
        "Run the sync again: everything applied so far is consistent. If it happens often, look at the server's log and at wait_timeout.";
    /// Nothing was heard for too long.
    TIMEOUT = DbConn002,
        "{side} at {address} did not answer within {seconds} s.",
        "Check the network, and whether somebody has locked whole tables; or raise DB_CONNECT_TIMEOUT or DB_READ_TIMEOUT (1–600 seconds).";
    /// TLS was asked for and cannot be had.
    NO_TLS = DbConn001,
        "No TLS connection to {side} at {address}: {reason}.",
        "Check DB_{side}_SSL_MODE and DB_{side}_SSL_CA against the server's certificate.";
    /// Wrong user or password.
    REFUSED = DbConn003,
        "{side} at {address} refused user {user}.",
        "Check DB_{side}_USER and DB_{side}_PASSWORD, and that this user may connect from this host.";
    /// A known user who has nothing to do with the database.
    NOT_ADMITTED = DbConn003,
        "{side} at {address} knows user {user}, who has no rights on database {database}.",
        "Check DB_{side}_NAME; python manage.py sync_doctor (or db-sync doctor) shows the GRANT that is missing.";
    /// The database does not exist.
    NO_DATABASE = DbConn004,
        "There is no database {database} on {side} at {address}.",
        "Create it, or correct DB_{side}_NAME.";
    /// Too many connections.
    TOO_MANY_CONNECTIONS = DbConn001,
        "{side} at {address} takes no more connections.",
        "Wait and run the sync again, or raise max_connections on the server.";

    /// A configured table is missing.
    NO_TABLE = Sync001,
        "Table {table} does not exist on {side}.",
        "Create it on {side} (for a Django project: python manage.py migrate --database {alias}), let sync_db --create-tables do it, or disable the table in db_sync_config.";
    /// A column is missing and cannot be left out.
    NO_COLUMN = Sync001,
        "Table {table}: column {column} is missing on {side}, and on the other side a row needs it.",
        "Add the column on {side}, or give it a default or allow NULL on the other side.";
    /// A column that a rule leaves out and rows need.
    IGNORED_NEEDED = Sync001,
        "Table {table}: column {column} is left out by its rule in db_sync_config, and on {side} no row can be made without it.",
        "Give the column a default or allow NULL on {side}, or take it out of the rule.";
    /// A column that a rule leaves out and other tables refer to.
    IGNORED_PARENT = Sync001,
        "Table {table}: column {column} is left out by its rule in db_sync_config, but other tables refer to it on {side}.",
        "Take the column out of the rule; or leave out the tables that refer to it as well.";
    /// Different keys.
    KEYS_DIFFER = Sync001,
        "Table {table}: the key is ({remote}) on REMOTE and ({local}) on LOCAL.",
        "Give both tables the same primary key.";
    /// A key that is left out.
    IGNORED_KEY = Sync001,
        "Table {table}: the key ({columns}) is never synced, and no other key identifies the rows.",
        "Take its columns out of ignore: python manage.py sync_config set {table} ignore=… (or db-sync config set); or give the table a unique key of other columns.";
    /// Types that cannot hold each other's values.
    TYPES_DIFFER = Sync003,
        "Table {table}: column {column} is {remote} on REMOTE and {local} on LOCAL, which cannot hold the same values.",
        "Give the column the same type on both sides.";
    /// A column that cannot be read exactly.
    NO_KEY = Sync006,
        "Table {table} has no usable key on {side}.",
        "Add a primary key, or a unique key whose columns are all NOT NULL.";
    /// A row that its key does not identify.
    NO_PLACE = Sync006,
        "Table {table}: on {side} a row's key ({columns}) is NULL or of another type than its column, so nothing identifies the row.",
        "Give the row a key, or delete it, then run the sync again; nothing of the table was written.";
    /// A table the server says is gone or changed.
    STRUCTURE_CHANGED = Sync001,
        "Table {table} on {side} changed while it was synced: {reason}.",
        "Run the sync again; if it fails again, compare the table's definition on both sides.";

    /// A duplicate key.
    DUPLICATE = Sync002,
        "Table {table}, row {key}: {side} has another row with the same value in a unique key.",
        "Change one of the two rows, then run the sync again; both are kept until then.";
    /// A cell that the column cannot hold.
    UNFIT = Sync003,
        "Table {table}, row {key}, column {column}: {side} cannot hold the value exactly ({reason}).",
        "Widen the column on {side} or change the value; the row was left as it is on both sides.";
    /// A cell that the server refused.
    NOT_HELD = Sync003,
        "Table {table}, row {key}: {side} refused the row ({reason}).",
        "Compare the column types on both sides; the row was left as it is on both sides.";
    /// A cell that the server stored differently.
    STORED_DIFFERENTLY = Sync003,
        "Table {table}, row {key}, column {column}: {side} would store the value differently.",
        "Give the column the same type on both sides; the row was left as it is on both sides.";
    /// A missing parent.
    FOREIGN_KEY = Sync004,
        "Table {table}, row {key}: a row that it refers to is missing on {side}.",
        "Sync the table that it refers to as well; where that row was deleted, bring it back or decide the conflict (python manage.py sync_conflicts list, or db-sync conflicts list). The row was left as it is on both sides.";
    /// A parent with children.
    HAS_CHILDREN = Sync004,
        "Table {table}, row {key}: other rows on {side} still refer to it, and nothing says that they should go or change.",
        "Delete or change those rows first, or sync their table as well; the row stays on {side} until then.";
    /// A row that somebody holds.
    ROW_LOCKED = Sys003,
        "Table {table}: {side} kept {rows} row(s) locked for longer than {seconds} s.",
        "Run the sync again when the application has finished, or raise DB_SYNC_LOCK_WAIT (0–600 seconds).";
    /// Rows of nobody knows which table.
    LOCK_TIMEOUT = Sys003,
        "{side} kept rows locked for longer than {seconds} s.",
        "Run the sync again when the application has finished, or raise DB_SYNC_LOCK_WAIT (0–600 seconds).";
    /// Deadlocks that do not end.
    DEADLOCK = Sys003,
        "Table {table}: {side} rolled the batch back again and again (deadlock).",
        "Run the sync again when the application is less busy, or lower DB_SYNC_BATCH_SIZE.";
    /// A SQLite file that others write.
    BUSY = Sys003,
        "The SQLite file of {side}, {address}, is locked by another program.",
        "Run the sync again when the other program has finished writing.";

    /// A cell that is nothing that its column can hold.
    UNREADABLE = Sync003,
        "Table {table}: {side} sent a cell of another form than its column's type (at {operation}).",
        "Look for damaged rows in the table; nothing of it was written.";

    /// Ctrl-C and its like.
    INTERRUPTED = Sync005,
        "The run was interrupted.",
        "Everything applied so far is consistent; run the sync again to continue.";
    /// Conflicts wait.
    CONFLICTS_WAIT = Sync007,
        "Table {table}: {count} conflict(s) wait for a decision.",
        "python manage.py sync_conflicts list (or db-sync conflicts list, or the admin) shows them, resolve decides one; --conflict with another strategy decides all of them.";
    /// The share of deletions.
    TOO_MANY_DELETES = Sync008,
        "Table {table}: this run would delete {count} of {rows} rows on {side}, more than the allowed {percent} %.",
        "If that is meant, run it again with --force; else find out where the rows went on the other side. DB_SYNC_MAX_DELETE_PERCENT sets the share.";
    /// The empty source.
    EMPTY_SOURCE = Sync008,
        "Table {table}: the other side has no rows at all, and this run would delete {count} rows on {side} because of it.",
        "If the table was emptied on purpose, run it again with --force. If its rows were lost, copy them back with --type FULL and the --direction that leads away from {side}.";
    /// A bulk update, or a broken import.
    EVERYTHING_CHANGED = Sync008,
        "Table {table}: {side} has changed all of its {rows} rows since the last sync.",
        "If that is meant, run it again with --force; else find out what changed the rows.";
    /// A restore.
    BACK_IN_TIME = Sync008,
        "Table {table}: {side} would give its next row the number {now}, which was {then} at the last sync: it seems to be restored from an earlier backup.",
        "If {side} is to count, run it again with --force. If what it has lost is to come back, run it with the --direction that leads to {side}, --type FULL and --force.";
    /// The same, as the rows themselves tell.
    OLDER_ROWS = Sync008,
        "Table {table}: the newest updated_at on {side} is older than at the last sync, and rows have changed: it seems to be restored from an earlier backup.",
        "If {side} is to count, run it again with --force. If what it has lost is to come back, run it with the --direction that leads to {side}, --type FULL and --force.";
    /// A moved server, or a wrong address.
    OTHER_DATABASE = Sync008,
        "Table {table}: {side} is another database than at the last sync.",
        "Check the address in the settings. If the database was moved or replaced on purpose, run it again with --force: nothing is deleted then, and rows that differ are conflicts.";
    /// Settings the wrong way round.
    SIDES_SWAPPED = Sync008,
        "REMOTE and LOCAL have swapped places since the last sync.",
        "Check DB_REMOTE_… and DB_LOCAL_…. If that is meant, run it again with --force.";
    /// Another run.
    LOCKED = Sync009,
        "Table {table} is being synced by another run.",
        "Wait until it has finished, then run the sync again, or let it wait with --wait SECONDS.";
    /// A run that was silent for so long that another one has taken its place.
    LEASE_LOST = Sync009,
        "Table {table}: another run has taken the place of this one, which was silent for too long.",
        "Nothing was written since; look at the other run's row in db_sync_log.";
    /// Verification.
    NOT_EQUAL = Sync010,
        "Table {table}: {count} row(s) still differ after the sync.",
        "Run the sync again; if the same rows differ again, look at their errors in db_sync_log.";

    /// A check of both sides' rows.
    SIDES_DIFFER = Sync010,
        "Table {table}: {count} row(s) are not the same on both sides.",
        "Sync them with sync_db --type FULL --table {table}, or with sync_check --repair. What a strategy leaves as it is stays different: look at sync_conflicts list.";
    /// A row that was written since the run that is taken back.
    CHANGED_SINCE = Sync010,
        "Table {table}, row {key}: {side} has changed the row since, so it stays as it is.",
        "Look at the row; the versions that are kept of it are in db_sync_undo and db_sync_conflict.";
    /// A row of a reviewed plan that has changed since.
    MOVED_SINCE_PLAN = Sync010,
        "Table {table}, row {key}: the row is no longer what the plan saw, so it stays as it is.",
        "Make a new plan with --dry-run --json, look at it, and apply that.";
    /// A conflict that was met again, with other versions, since somebody looked at it.
    OTHER_VERSIONS = Sync010,
        "Table {table}, row {key}: conflict {id} was met again with other versions since you looked at it.",
        "Look at it again with sync_conflicts show {id}, then decide.";
    /// A row that is kept with other columns than its table has now.
    OTHER_COLUMNS = Sync001,
        "Table {table}, row {key}: the table has other columns on {side} now than when the row was kept.",
        "Put the row back by hand; it is in db_sync_undo.";
    /// A run of which nothing is known.
    NO_SUCH_RUN = Cfg002,
        "Nothing is kept of run {run}, or not of these tables.",
        "Look up the run in db_sync_log; pre-images are kept for DB_SYNC_UNDO_RETENTION_DAYS days.";

    /// An id that no conflict has.
    NO_SUCH_CONFLICT = Cfg002,
        "There is no conflict {id}.",
        "List the conflicts with sync_conflicts list.";

    /// Missing variables.
    NOT_SET = Cfg001,
        "Not set: {keys}.",
        "Set them in .env or in the environment; the README lists them, .env.example in the source checkout shows each.";
    /// A bad value.
    BAD_VALUE = Cfg002,
        "{key} is {value}; allowed is {allowed}.",
        "Correct {key} where it was given: on the command line, in .env or the environment, or in db_sync_config.";
    /// A bad row of ours.
    BAD_ROW = Cfg002,
        "{key} of table {table} in db_sync_config is {value}; allowed is {allowed}.",
        "Correct the row: UPDATE db_sync_config SET {key} = … WHERE table_name = '{table}'.";
    /// A `.env` that is not there.
    NO_ENV_FILE = Cfg002,
        "The file {path} does not exist.",
        "Create it with the keys that the README lists, or name another one with --env-file.";
    /// A certificate that is not there.
    NO_AUTHORITY = Cfg002,
        "{key} is {path}, which cannot be read: {reason}.",
        "Name the PEM file with the certificate authority of that server.";
    /// A bad `.env`.
    BAD_ENV_FILE = Cfg002,
        "{path} cannot be read: {reason}.",
        "Correct the file; each line is KEY=value.";
    /// A line of `.env` that cannot be read.
    BAD_ENV_LINE = Cfg002,
        "Line {line} of {path} cannot be read.",
        "Put the value into quotes, and close them: KEY='value'.";
    /// Both sides the same.
    SAME_DATABASE = Cfg002,
        "REMOTE and LOCAL are the same database ({address}).",
        "Correct the DB_REMOTE_… or the DB_LOCAL_… keys: a database cannot be synced with itself.";
    /// A table nobody configured.
    NOT_CONFIGURED = Cfg003,
        "There is no configuration for table {table}.",
        "python manage.py sync_config list (or db-sync config list) shows the configured tables; sync_config enable {table} adds one that exists.";
    /// No table at all.
    NOTHING_TO_SYNC = Cfg003,
        "There is no table to sync: db_sync_config names none, and REMOTE and LOCAL have none in common that is not excluded.",
        "Create the tables on both sides (for a Django project: python manage.py migrate --database remote, then --database local), or let sync_db --create-tables make the missing ones.";
    /// A setting that no table has.
    NO_SUCH_SETTING = Cfg002,
        "There is no setting {key}.",
        "A table's settings are {allowed}; nothing was changed.";
    /// A value that a table's setting cannot have.
    BAD_SETTING = Cfg002,
        "Table {table}: {key} is {value}; allowed is {allowed}.",
        "Correct the value; nothing was changed.";
    /// Two rows for one table.
    TWO_ROWS = Cfg002,
        "db_sync_config has more than one row for table {table}.",
        "Delete all but one of them, and make table_name unique; nothing was done.";
    /// A rule about a column that is nowhere.
    NO_SUCH_COLUMN = Cfg002,
        "Table {table} has no column {column}, on either side.",
        "Correct the name in {key}; nothing was changed.";
    /// A rule that leaves rows without a key.
    KEY_NEEDED = Cfg002,
        "Table {table}: without {columns} nothing identifies its rows.",
        "Leave out of ignore what the key consists of, or give the table a unique key of other columns first; nothing was changed.";
    /// A table that is nowhere.
    NO_SUCH_TABLE = Cfg003,
        "There is no table {table}, on either side.",
        "Correct the name, or create the table first; nothing was changed.";
    /// A table that belongs to one side alone.
    NEVER_SYNCED = Cfg002,
        "Table {table} is never synced: it says what is true of one side alone.",
        "Leave it out; nothing was changed.";
    /// A list of tables that is not there.
    NO_DOCUMENT = Cfg002,
        "{path} cannot be read: {reason}.",
        "Name a file as sync_config export writes it, or - for standard input.";
    /// A plan that cannot be read.
    NO_PLAN_FILE = Cfg002,
        "{path} cannot be read: {reason}.",
        "Name a file with what sync_db --dry-run --json printed, or - for standard input.";
    /// No YAML.
    BAD_YAML = Cfg002,
        "{path}, line {line}: this is no YAML that can be read: {reason}.",
        "Correct the file; nothing was changed.";
    /// A file without a list.
    NO_LIST = Cfg002,
        "{path} has no list of tables.",
        "Tables are listed under tables, or under synchronization and sync_tables; nothing was changed.";
    /// An entry without a table.
    NO_NAME = Cfg002,
        "{path}, line {line}: this entry names no table.",
        "Write the table's name, alone or as table: NAME; nothing was changed.";
    /// Two values for one setting.
    GIVEN_TWICE = Cfg002,
        "{path}, line {line}: {key} says once more what another line has said.",
        "Keep one of the two; nothing was changed.";
    /// Two entries for one table.
    LISTED_TWICE = Cfg002,
        "{path}, line {line}: table {table} is listed already.",
        "Keep one of the two entries; nothing was changed.";
    /// No list of tables yet.
    NOT_INSTALLED = Sync001,
        "db_sync_config does not exist on {side} yet.",
        "In a Django project run migrate --database {alias} first; else the first sync, or db-sync config set, makes it.";
    /// A bad direction.
    BAD_DIRECTION = Cfg004,
        "{key} is {value}, which is no direction.",
        "Use BOTH, REMOTE_TO_LOCAL or LOCAL_TO_REMOTE.";

    /// No room.
    DISK_FULL = Sys001,
        "{side} at {address} has no room left on its disk.",
        "Free space on that server, then run the sync again; nothing is half written.";
    /// Too large for the server.
    PACKET_TOO_LARGE = Sys002,
        "Table {table}: a row is larger than {side} takes in one statement (max_allowed_packet).",
        "Raise max_allowed_packet on {side}: SET GLOBAL max_allowed_packet = 67108864;";
    /// A row that no statement can carry.
    ROW_TOO_LARGE = Sys002,
        "Table {table}, row {key}: a value, or what would have to be kept of the row, is larger than {side} takes at once (max_allowed_packet is {bytes} bytes).",
        "Raise max_allowed_packet on {side}, for example SET GLOBAL max_allowed_packet = 1073741824, then run the sync again; the row was left as it is.";
    /// Out of memory.
    OUT_OF_MEMORY = Sys002,
        "{side} at {address} ran out of memory.",
        "Lower DB_SYNC_BATCH_SIZE, or give the server more memory.";
    /// Missing rights.
    NO_PERMISSION = Sys004,
        "User {user} may not {operation} on {side}: {reason}.",
        "Grant it on {side}: GRANT {privileges} ON {object} TO {account};";
    /// A server that takes no writes.
    READ_ONLY = Sys004,
        "{side} at {address} takes no writes (read only).",
        "Point DB_{side}_HOST at the writable server, or make the file writable.";
    /// Anything a server says that has no sentence of its own.
    SERVER_ERROR = Sync001,
        "{side} answered error {number} while the sync was at {operation}: {reason}.",
        "Look the number up in the server's documentation; the sync can be run again safely.";
    /// An older installation's table that takes no change.
    CANNOT_UPGRADE = Sync001,
        "{table} of an older installation cannot be brought up to date: {reason}.",
        "python manage.py sync_doctor (or db-sync doctor) shows the statement that has to succeed; a foreign key or a CHECK of your own on that table may be in its way.";
    /// Our own table holds something that we did not write.
    DAMAGED = Sync010,
        "The sync's own record of table {table} cannot be read.",
        "It is treated as lost: the next FULL run builds it anew and deletes nothing.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_filled_and_end() {
        let error = SyncError::new(NO_TABLE).with("table", "shop_order").with("side", "LOCAL");
        assert_eq!(error.to_string(), "SYNC_001: Table shop_order does not exist on LOCAL.");
        for sentences in ALL_SENTENCES {
            assert!(sentences.what.ends_with('.'), "{}", sentences.what);
            assert!(sentences.hint.ends_with(['.', ';', ')']), "{}", sentences.hint);
        }
    }

    #[test]
    fn every_code_is_spelled_once() {
        let spelled: std::collections::HashSet<_> =
            Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(spelled.len(), Code::ALL.len());
    }
}
