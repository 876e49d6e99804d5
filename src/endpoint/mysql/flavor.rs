//! MySQL or MariaDB, which version, and what stays the same of it.

use uuid::Uuid;

use crate::config::Address;
use crate::endpoint::sql::{SIGNED, TEXT};
use crate::endpoint::{Connection, Dialect, Nature, Statement};
use crate::error::Result;
use crate::model::{Row, Value};

fn text(row: &Row, at: usize) -> String {
    row.get(at).and_then(Value::as_text).unwrap_or_default().to_owned()
}

/// What a server tells of itself and of us.
pub struct Told {
    /// What it is.
    pub nature: Nature,
    /// Whether it takes back the whole transaction when one of its statements waits too long for a lock.
    pub waits_end_transactions: bool,
    /// The account that it knows us by, quoted as in a GRANT.
    pub account: String,
}

/// Whether two lines lead to one server: then each sees the locks that the other holds. Two files of one identity are one.
///
/// # Errors
/// The failure with its code.
pub async fn lead_to_one_server(one: &mut Connection, other: &mut Connection) -> Result<bool> {
    if matches!(one.place().address, Address::File(_)) {
        return Ok(true);
    }
    let name = Value::Text(format!("db_sync_{}", Uuid::new_v4().simple()));
    let ask = |question: &str| Statement::new(question).args([name.clone()]).cells([SIGNED]);
    let said = |rows: Vec<Row>| rows.first().and_then(|row| row[0].as_int()) == Some(1);
    // Where it cannot be held, the servers' word for who they are has to do.
    let held = said(one.fetch(&ask("SELECT GET_LOCK(?,0)")).await?);
    let seen = said(other.fetch(&ask("SELECT IS_USED_LOCK(?) IS NOT NULL")).await?);
    one.fetch(&ask("SELECT RELEASE_LOCK(?)")).await?;
    Ok(!held || seen)
}

/// Asks a server what it is.
///
/// Its identity is MySQL's `server_uuid`, or what MariaDB has instead: host, port, data folder and server
/// id; in both cases with the database's name. A MariaDB that is started in a new container has a new identity.
///
/// # Errors
/// The failure with its code.
pub async fn ask(connection: &mut Connection) -> Result<Told> {
    let question = "SELECT VERSION(),@@version_comment,@@hostname,CAST(@@port AS CHAR),@@datadir,\
                    CAST(@@server_id AS CHAR),DATABASE(),@@max_allowed_packet,@@lower_case_table_names,\
                    @@innodb_rollback_on_timeout,CURRENT_USER()";
    let cells = [TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, SIGNED, SIGNED, SIGNED, TEXT];
    let question = Statement::new(question).cells(cells).plain();
    let row = connection.fetch(&question).await?.pop().unwrap_or_default();
    let version = text(&row, 0);
    let mariadb = version.contains("MariaDB") || text(&row, 1).contains("MariaDB");
    let dialect = if mariadb { Dialect::MariaDb } else { Dialect::MySql };
    let server = if mariadb {
        [2, 3, 4, 5].map(|at| text(&row, at)).join("|")
    } else {
        let uuid = Statement::new("SELECT @@server_uuid").cells([TEXT]).plain();
        connection.fetch(&uuid).await?.first().map(|row| text(row, 0)).unwrap_or_default()
    };
    let mut database = text(&row, 6);
    if row.get(8).and_then(Value::as_int) != Some(0) {
        database = database.to_lowercase();
    }
    let number = version.split(['-', '+']).next().unwrap_or_default();
    let max_packet =
        row.get(7).and_then(Value::as_int).and_then(|bytes| usize::try_from(bytes).ok());
    debug_assert!(matches!(connection.place().address, Address::Server(_)));
    let nature = Nature {
        dialect,
        version: format!("{} {number}", if mariadb { "MariaDB" } else { "MySQL" }),
        identity: format!("{server}|{database}"),
        name: database,
        birth: String::new(),
        max_packet: max_packet.unwrap_or(1 << 20),
        questions: if mariadb { 1 } else { 2 },
    };
    let account = text(&row, 10);
    let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
    let quoted = |name: &str| format!("'{}'", name.replace('\\', "\\\\").replace('\'', "''"));
    Ok(Told {
        nature,
        waits_end_transactions: row.get(9).and_then(Value::as_int) == Some(1),
        account: format!("{}@{}", quoted(user), quoted(host)),
    })
}
