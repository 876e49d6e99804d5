//! The pairings of servers on which everything is tested.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use db_sync::config::Settings;
use db_sync::engine::Options;
use db_sync::engine::cancel::Cancel;
use db_sync::engine::drive::drive;
use db_sync::engine::progress::Show;
use db_sync::error::SyncError;
use db_sync::model::number::Decimal;
use db_sync::report::{Report, TableReport};

use super::database::{Database, Place, Rows};

/// Kinds of servers: REMOTE's, LOCAL's.
const PAIRINGS: [(&str, &str); 4] =
    [("MARIADB", "MARIADB2"), ("MYSQL", "MARIADB"), ("MARIADB", "SQLITE"), ("SQLITE", "SQLITE")];

/// Two databases that are synced.
pub struct Pair {
    /// What kinds they are, for messages.
    pub name: String,
    /// The one.
    pub remote: Database,
    /// The other, with our tables.
    pub local: Database,
}

fn database(kind: &str) -> Option<Database> {
    if kind == "SQLITE" {
        return Some(Database::in_file());
    }
    let variable = format!("DB_SYNC_TEST_{kind}_URL");
    match std::env::var(&variable) {
        Ok(url) => Some(Database::on_server(&url)),
        // A missing MySQL is announced by whoever starts the servers; nothing else may be missing.
        Err(_) if kind == "MYSQL" && std::env::var("DB_SYNC_TEST_MYSQL_SKIPPED").is_ok() => None,
        Err(problem) => panic!("{variable}: {problem}; run the tests with `make test`"),
    }
}

/// Runs a test on every pairing, each with fresh databases, and says on which it failed.
pub fn each_pairing(test: impl Fn(&Pair)) {
    for (remote, local) in PAIRINGS {
        let name = format!("{remote}–{local}").to_lowercase();
        let (Some(remote), Some(local)) = (database(remote), database(local)) else {
            eprintln!("!!! SKIPPED on {name}: there is no MySQL server");
            continue;
        };
        let pair = Pair { name: name.clone(), remote, local };
        if let Err(failure) = catch_unwind(AssertUnwindSafe(|| test(&pair))) {
            eprintln!("failed on {name}");
            resume_unwind(failure);
        }
    }
}

fn variables(side: &str, place: &Place) -> Vec<(String, String)> {
    let key = |name: &str| format!("DB_{side}_{name}");
    match place {
        Place::File(path) => vec![
            (key("ENGINE"), "sqlite".to_owned()),
            (key("NAME"), path.to_string_lossy().into_owned()),
        ],
        Place::Server(url, database) => {
            let url = url::Url::parse(url).unwrap();
            vec![
                (key("HOST"), url.host_str().unwrap().to_owned()),
                (key("PORT"), url.port().unwrap_or(3306).to_string()),
                (key("USER"), url.username().to_owned()),
                (key("PASSWORD"), url.password().unwrap_or_default().to_owned()),
                (key("NAME"), database.clone()),
            ]
        }
    }
}

impl Pair {
    /// One pairing by the kinds of its sides (`MARIADB`, `MARIADB2`, `SQLITE`).
    pub fn of(remote: &str, local: &str) -> Self {
        let name = format!("{remote}–{local}").to_lowercase();
        Self { name, remote: database(remote).unwrap(), local: database(local).unwrap() }
    }

    /// The same; `None` where there is no such server today.
    pub fn try_of(remote: &str, local: &str) -> Option<Self> {
        let name = format!("{remote}–{local}").to_lowercase();
        Some(Self { name, remote: database(remote)?, local: database(local)? })
    }

    /// Environment variables that name the two databases.
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut all = variables("REMOTE", &self.remote.place);
        all.extend(variables("LOCAL", &self.local.place));
        all
    }

    /// Settings for the two databases, with others on top.
    pub fn settings(&self, more: &[(&str, &str)]) -> Result<Settings, SyncError> {
        let mut all = self.variables();
        all.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Settings::from_variables(all.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// Runs the same statements on both sides.
    pub fn both(&self, sql: &str) {
        self.remote.sql(sql);
        self.local.sql(sql);
    }

    /// Syncs with these options.
    pub fn try_sync(&self, options: Options, more: &[(&str, &str)]) -> Result<Report, SyncError> {
        drive(self.settings(more)?, options, &Cancel::default())
    }

    /// Syncs with flags as on the command line: `--type FULL --direction BOTH --conflict SKIP --table t --force --dry-run`.
    pub fn sync(&self, flags: &str) -> Report {
        self.try_sync(options(flags), &[])
            .unwrap_or_else(|error| panic!("{} {flags}: {error}", self.name))
    }

    /// A second run after any sync writes nothing.
    pub fn assert_settled(&self, flags: &str) {
        let report = self.sync(flags);
        assert_eq!(
            written(&report),
            0,
            "{}: a second run `{flags}` wrote rows: {report:#?}",
            self.name
        );
    }

    /// Both sides answer a query alike; SQLite spells 12.50 as 12.5.
    pub fn assert_same(&self, sql: &str) {
        let spelled = |rows: Rows| -> Rows {
            rows.into_iter().map(|row| row.into_iter().map(number).collect()).collect()
        };
        let (remote, local) = (spelled(self.remote.sql(sql)), spelled(self.local.sql(sql)));
        assert_eq!(remote, local, "{}: REMOTE (left) and LOCAL: {sql}", self.name);
    }
}

/// A fraction in its one normal spelling; any other cell as it is.
fn number(cell: Option<String>) -> Option<String> {
    let normal = |text: &String| text.contains('.').then(|| Decimal::parse(text)).flatten();
    cell.map(|text| normal(&text).map_or(text, |number| number.to_string()))
}

/// Options from flags.
pub fn options(flags: &str) -> Options {
    let mut options =
        Options { triggered_by: "TEST".to_owned(), progress: Show::Never, ..Options::default() };
    let mut words = flags.split_whitespace();
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word {
            "--type" => options.sync_type = Some(value().parse().unwrap()),
            "--direction" => options.direction = Some(value().parse().unwrap()),
            "--conflict" => options.strategy = Some(value().parse().unwrap()),
            "--table" => options.tables.push(value().to_owned()),
            "--force" => options.force = true,
            "--create-tables" => options.create_tables = true,
            "--dry-run" => options.dry_run = true,
            _ => panic!("no such flag: {word}"),
        }
    }
    options
}

/// Rows that a run wrote.
pub fn written(report: &Report) -> u64 {
    report
        .tables
        .iter()
        .map(|table| table.remote_to_local.total() + table.local_to_remote.total())
        .sum()
}

/// A table's report.
pub fn table<'a>(report: &'a Report, name: &str) -> &'a TableReport {
    report
        .tables
        .iter()
        .find(|table| table.table == name)
        .unwrap_or_else(|| panic!("{name} is not in {report:#?}"))
}
