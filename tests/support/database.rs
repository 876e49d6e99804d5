//! One database of a test's own, spoken to in plain SQL.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection, Executor, Row, TypeInfo, ValueRef};

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
            Place::File(path) => self.file_sql(path, sql),
        }
    }

    /// The one cell of a query's only row.
    pub fn cell(&self, sql: &str) -> String {
        self.sql(sql)[0][0].clone().unwrap_or_else(|| "NULL".to_owned())
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

    fn file_sql(&self, path: &std::path::Path, sql: &str) -> Rows {
        self.runtime.block_on(async {
            let options =
                sqlx::sqlite::SqliteConnectOptions::new().filename(path).foreign_keys(true);
            let mut line = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            let rows = line.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
            let rows = rows.unwrap_or_else(|problem| panic!("{sql}: {problem}"));
            let cell = |row: &sqlx::sqlite::SqliteRow, at: usize| {
                let raw = row.try_get_raw(at).unwrap();
                let kind = raw.type_info().name().to_owned();
                match kind.as_str() {
                    _ if raw.is_null() => None,
                    "INTEGER" => Some(row.get_unchecked::<i64, _>(at).to_string()),
                    "REAL" => Some(row.get_unchecked::<f64, _>(at).to_string()),
                    _ => Some(
                        String::from_utf8_lossy(&row.get_unchecked::<Vec<u8>, _>(at)).into_owned(),
                    ),
                }
            };
            let rows = rows
                .iter()
                .map(|row| (0..row.columns().len()).map(|at| cell(row, at)).collect())
                .collect();
            line.close().await.unwrap();
            rows
        })
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
