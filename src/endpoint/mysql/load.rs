//! `LOAD DATA LOCAL`, for which there is a second driver: sqlx has no such thing.
//!
//! A line of this kind loads one table in one transaction and is closed. Foreign keys and unique keys are not looked after
//! meanwhile: whoever calls loads a table without rows from one where the same keys hold, and looks after them afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, SslOpts};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout};

use super::session;
use crate::config::{ServerAddress, SslMode};
use crate::endpoint::load::Parcel;
use crate::endpoint::{Connection, Place, Purpose, Statement, View};
use crate::error::Result;
use crate::model::{Kind, Row, Value};

/// Why a table was not loaded in this way, for the log; it is then written in another.
pub type Declined = String;

/// A line that loads one table.
pub struct LoadLine {
    line: Conn,
    limit: Duration,
}

/// Whether a server takes such loads from us, and whether our lines to it are encrypted.
///
/// # Errors
/// The failure with its code.
async fn manners(connection: &mut Connection) -> Result<(bool, bool)> {
    let text = || [Kind::Text { chars: None, bytes: None, fixed: false }];
    // MariaDB's text of it is ON, MySQL's 1.
    let allowed = Statement::new("SELECT IF(@@GLOBAL.local_infile,'1','0')").cells(text());
    let allowed = connection.fetch(&allowed).await?;
    let cipher = Statement::new("SHOW SESSION STATUS LIKE 'Ssl_cipher'");
    let cipher = connection.fetch(&cipher.cells([text(), text()].concat())).await?;
    let cell = |rows: &[Row], at: usize| -> String {
        let cell = rows.first().and_then(|row| row.get(at)).and_then(Value::as_text);
        cell.unwrap_or_default().to_owned()
    };
    Ok((cell(&allowed, 0) == "1", !cell(&cipher, 1).is_empty()))
}

impl LoadLine {
    /// Opens a line, where the server takes loads. With `same_keys` it does not look for duplicates.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn open(
        place: &Arc<Place>,
        server: &ServerAddress,
        same_keys: bool,
    ) -> std::result::Result<Self, Declined> {
        let said = |problem: &dyn std::fmt::Display| problem.to_string();
        let mut asked =
            Connection::open(place, Purpose::Write).await.map_err(|error| said(&error))?;
        let manners = manners(&mut asked).await.map_err(|error| said(&error));
        asked.close().await;
        let (allowed, encrypted) = manners?;
        if !allowed {
            return Err("local_infile is off".to_owned());
        }
        let mut ssl = SslOpts::default();
        ssl = match server.ssl_mode {
            SslMode::Disabled | SslMode::Preferred | SslMode::Required => {
                ssl.with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true)
            }
            SslMode::VerifyCa => ssl.with_danger_skip_domain_validation(true),
            SslMode::VerifyIdentity => ssl,
        };
        if let Some(authority) = &server.ssl_ca {
            ssl = ssl.with_root_certs(vec![authority.clone().into()]);
            ssl = ssl.with_disable_built_in_roots(true);
        }
        let options = OptsBuilder::default()
            .ip_or_hostname(server.host.clone())
            .tcp_port(server.port)
            .user(Some(server.user.clone()))
            .pass(Some(server.password.expose().to_owned()))
            .db_name(Some(server.database.clone()))
            .prefer_socket(false)
            .tcp_nodelay(true)
            .ssl_opts(encrypted.then_some(ssl));
        let opening = Conn::new(options);
        let opened = timeout(place.patience.connect, opening).await;
        let line = opened.map_err(|_| "no answer".to_owned())?.map_err(|problem| said(&problem))?;
        let mut opened = Self { line, limit: place.patience.read };
        let unique = u8::from(!same_keys);
        let own = format!(
            "SET SESSION foreign_key_checks=0,unique_checks={unique},sql_notes=1,max_error_count=64 \
             /*M!100300 ,idle_write_transaction_timeout=0 */"
        );
        for sql in session::setup(place, Purpose::Write).chain([own]) {
            opened.run(sql).await?;
        }
        Ok(opened)
    }

    async fn run(
        &mut self,
        sql: impl AsRef<str> + Send + Sync,
    ) -> std::result::Result<(), Declined> {
        let running = self.line.query_drop(sql.as_ref());
        let done = timeout(self.limit, running).await.map_err(|_| "no answer".to_owned())?;
        done.map_err(|problem| problem.to_string())
    }

    /// Loads every row that comes, in a transaction that stays open. Answers how many rows there are then.
    ///
    /// # Errors
    /// What the server had against it, a warning included: it then holds something else than it was given.
    pub async fn load(
        &mut self,
        view: &View<'_>,
        rows: Receiver<Parcel>,
    ) -> std::result::Result<u64, Declined> {
        let loaded = self.take(view, rows).await;
        // A server that has never asked for the rows has left them with the line, and whoever sends them would wait for ever.
        self.line.set_infile_handler(async { Ok(futures_util::stream::empty().boxed()) });
        loaded
    }

    async fn take(
        &mut self,
        view: &View<'_>,
        rows: Receiver<Parcel>,
    ) -> std::result::Result<u64, Declined> {
        let said = |problem: &dyn std::fmt::Display| problem.to_string();
        self.run("START TRANSACTION").await?;
        let taken = Arc::new(AtomicU64::new(0));
        let sent = futures_util::stream::unfold((rows, taken.clone()), |(mut rows, taken)| async {
            // Rows are for lines of another kind; without them the count is wrong, and the load is given up.
            let Parcel::Lines(text) = rows.recv().await? else { return None };
            taken.fetch_add(1, Ordering::Relaxed);
            Some((Ok(text.into()), (rows, taken)))
        });
        self.line.set_infile_handler(async move { Ok(sent.boxed()) });
        let (since, mut known) = (Instant::now(), 0);
        let mut loading = self.line.query_drop(view.load_lines());
        // A server that neither takes lines nor answers is given up. When it has them all it may have to make indexes first,
        // for as long as it took to load.
        let loaded = loop {
            let patience = self.limit.max(since.elapsed());
            match timeout(patience, &mut loading).await {
                Ok(loaded) => break loaded,
                Err(_) if taken.load(Ordering::Relaxed) == known => {
                    return Err("no answer".to_owned());
                }
                Err(_) => known = taken.load(Ordering::Relaxed),
            }
        };
        drop(loading);
        loaded.map_err(|problem| said(&problem))?;
        let (info, warnings) = (self.line.info().into_owned(), self.line.get_warnings());
        let counts: Vec<u64> =
            info.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        match (&counts[..], warnings) {
            ([records, 0, 0, 0], 0) => Ok(*records),
            _ => Err(format!("{info}; {warnings} warnings")),
        }
    }

    /// Ends the transaction, for good or ill, and the line. A server may have to make indexes first: it is waited for as
    /// long as the load itself took.
    ///
    /// # Errors
    /// What the server had against it.
    pub async fn end(mut self, keep: bool, since: Instant) -> std::result::Result<(), Declined> {
        let end = if keep { "COMMIT" } else { "ROLLBACK" };
        let limit = self.limit.max(since.elapsed());
        let ended = timeout(limit, self.line.query_drop(end)).await;
        let ended = ended
            .map_err(|_| "no answer".to_owned())
            .and_then(|ended| ended.map_err(|problem| problem.to_string()));
        // The line is going away whether or not the other end hears of it.
        let _ = timeout(Duration::from_secs(2), self.line.disconnect()).await;
        ended
    }
}
