//! One database of a test's own, spoken to in plain SQL.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection, Executor, Row};

/// A database that goes away with its test.
pub struct Database {
    /// Where it is.
    pub place: Place,
    runtime: tokio::runtime::Runtime,
}

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// On a server: its URL without a database, and the database's name.
    Server(String, String),
    /// In a file, whose folder goes away too.
    File(PathBuf),
}

/// Rows as text; `None` for NULL.
pub type Rows = Vec<Vec<Option<String>>>;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl Database {
    /// A new database on a server.
    pub fn on_server(url: &str) -> Self {
        let name = format!("db_sync_test_{}", uuid::Uuid::new_v4().simple());
        let database =
            Self { place: Place::Server(url.to_owned(), name.clone()), runtime: runtime() };
        database.server_sql(
            "",
            &format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"),
        );
        database
    }

    /// A new SQLite file.
    pub fn in_file() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let path = folder.join("side.sqlite3");
        std::fs::File::create(&path).unwrap();
        Self { place: Place::File(path), runtime: runtime() }
    }

    /// Another new database on the same server.
    pub fn neighbour(&self) -> Self {
        let Place::Server(url, _) = &self.place else { panic!("a file has no neighbours") };
        Self::on_server(url)
    }

    /// Its name on its server.
    pub fn name(&self) -> &str {
        let Place::Server(_, name) = &self.place else { panic!("a file has no name") };
        name
    }

    /// Whether it is a SQLite file.
    pub fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// Runs statements (separated by semicolons) and answers the last one's rows.
    pub fn sql(&self, sql: &str) -> Rows {
        match &self.place {
            Place::Server(_, name) => self.server_sql(name, sql),
            Place::File(path) => Self::file_sql(path, sql),
        }
    }

    /// The one cell of a query's only row.
    pub fn cell(&self, sql: &str) -> String {
        self.sql(sql)[0][0].clone().unwrap_or_else(|| "NULL".to_owned())
    }

    /// A line to the database that stands for as long as what is answered lives.
    pub fn held_line(&self) -> HeldLine {
        let Place::Server(url, name) = &self.place else { panic!("a file has no lines") };
        let runtime = runtime();
        let (line, id) = runtime.block_on(async {
            let mut line = sqlx::MySqlConnection::connect(&format!("{url}{name}")).await.unwrap();
            let asked = sqlx::query_scalar("SELECT CAST(CONNECTION_ID() AS SIGNED)");
            let id = asked.fetch_one(&mut line).await.unwrap();
            (line, id)
        });
        HeldLine { id, line, runtime }
    }

    fn server_sql(&self, database: &str, sql: &str) -> Rows {
        let Place::Server(url, _) = &self.place else { unreachable!("asked of a file") };
        let url = format!("{url}{database}");
        self.runtime.block_on(async {
            let mut line = sqlx::MySqlConnection::connect(&url).await.unwrap();
            line.execute(
                "SET sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
            )
            .await
            .unwrap();
            let rows = line.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
            let rows = rows.unwrap_or_else(|problem| panic!("{sql}: {problem}"));
            let cell = |row: &sqlx::mysql::MySqlRow, at: usize| {
                let raw = row.try_get_raw(at).unwrap();
                let bytes = <Option<&[u8]> as sqlx::Decode<'_, sqlx::MySql>>::decode(raw).unwrap();
                bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            let rows = rows
                .iter()
                .map(|row| (0..row.columns().len()).map(|at| cell(row, at)).collect())
                .collect();
            line.close().await.unwrap();
            rows
        })
    }

    fn file_sql(path: &std::path::Path, sql: &str) -> Rows {
        use rusqlite::fallible_iterator::FallibleIterator as _;
        use rusqlite::types::ValueRef;
        let line = rusqlite::Connection::open(path).unwrap();
        line.execute_batch("PRAGMA foreign_keys=ON").unwrap();
        let cell = |value: ValueRef<'_>| match value {
            ValueRef::Null => None,
            ValueRef::Integer(number) => Some(number.to_string()),
            ValueRef::Real(number) => Some(number.to_string()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
        };
        let mut found = Rows::new();
        let mut statements = rusqlite::Batch::new(&line, sql);
        let failed = |problem| panic!("{sql}: {problem}");
        while let Some(mut statement) = statements.next().unwrap_or_else(failed) {
            let columns = statement.column_count();
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().unwrap_or_else(|problem| panic!("{sql}: {problem}")) {
                found.push((0..columns).map(|at| cell(row.get_ref(at).unwrap())).collect());
            }
        }
        found
    }
}

/// A line that stands.
pub struct HeldLine {
    /// Its number on the server.
    pub id: i64,
    line: sqlx::MySqlConnection,
    runtime: tokio::runtime::Runtime,
}

impl HeldLine {
    /// Runs a statement on it.
    pub fn sql(&mut self, sql: &str) {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let done = self.runtime.block_on(self.line.execute(statement));
        done.unwrap_or_else(|problem| panic!("{sql}: {problem}"));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        match &self.place {
            Place::Server(_, name) => {
                if !std::thread::panicking() {
                    self.server_sql("", &format!("DROP DATABASE `{name}`"));
                }
            }
            Place::File(path) => {
                let folder = path.parent().expect("the file has a folder of its own");
                let _ = std::fs::remove_dir_all(folder);
            }
        }
    }
}
