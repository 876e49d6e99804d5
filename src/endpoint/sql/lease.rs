//! Statements on leases: who is at work on a table, until when by the server's own clock.

use super::{Dialect, SIGNED, Statement, TEXT};
use crate::model::Value;

const TABLE: &str = "db_sync_lease";

/// The server's time, so many seconds from now.
fn clock(dialect: Dialect, seconds: u32) -> String {
    match dialect {
        Dialect::Sqlite => format!("strftime('%Y-%m-%d %H:%M:%f','now','+{seconds} seconds')"),
        _ => format!("UTC_TIMESTAMP(6) + INTERVAL {seconds} SECOND"),
    }
}

/// A table's lease: id, token, owner, its line, and whether it has not run out.
pub fn find(dialect: Dialect, table: &str) -> Statement {
    let (lease, now) = (dialect.quote(TABLE), clock(dialect, 0));
    Statement::new(format!(
        "SELECT id,token,owner,line,expires_at>{now} FROM {lease} WHERE table_name=?"
    ))
    .args([Value::text(table)])
    .cells([SIGNED, SIGNED, TEXT, SIGNED, SIGNED])
}

/// Every lease that has an owner: as [`find`], and its table.
pub fn owned(dialect: Dialect) -> Statement {
    let (lease, now) = (dialect.quote(TABLE), clock(dialect, 0));
    Statement::new(format!(
        "SELECT id,token,owner,line,expires_at>{now},table_name FROM {lease} WHERE owner IS NOT NULL ORDER BY table_name"
    ))
    .cells([SIGNED, SIGNED, TEXT, SIGNED, SIGNED, TEXT])
}

/// The lease takes a new owner, if it still has this token.
pub fn take(
    dialect: Dialect,
    (id, token): (i64, i64),
    owner: &str,
    line: i64,
    seconds: u32,
) -> Statement {
    let (lease, now, end) = (dialect.quote(TABLE), clock(dialect, 0), clock(dialect, seconds));
    Statement::new(format!(
        "UPDATE {lease} SET owner=?,line=?,token=token+1,heartbeat_at={now},expires_at={end} \
         WHERE id=? AND token=?"
    ))
    .args([Value::text(owner), Value::Int(line.into()), Value::Int(id.into())])
    .args([Value::Int(token.into())])
}

/// The lease goes on, if it still has this token.
pub fn renew(dialect: Dialect, (id, token): (i64, i64), seconds: u32) -> Statement {
    let (lease, now, end) = (dialect.quote(TABLE), clock(dialect, 0), clock(dialect, seconds));
    Statement::new(format!(
        "UPDATE {lease} SET heartbeat_at={now},expires_at={end} WHERE id=? AND token=?"
    ))
    .args([Value::Int(id.into()), Value::Int(token.into())])
}

/// Nobody is at work any more, if the lease still has this token.
pub fn end(dialect: Dialect, (id, token): (i64, i64)) -> Statement {
    let (lease, now) = (dialect.quote(TABLE), clock(dialect, 0));
    Statement::new(format!("UPDATE {lease} SET owner=NULL,expires_at={now} WHERE id=? AND token=?"))
        .args([Value::Int(id.into()), Value::Int(token.into())])
}

/// The number of the line that asks.
pub fn own_line() -> Statement {
    Statement::new("SELECT CAST(CONNECTION_ID() AS SIGNED)").cells([SIGNED])
}

/// How many lines with this number the server has, among those that the account may see: its own, at least.
pub fn lines(line: i64) -> Statement {
    Statement::new("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID=?")
        .args([Value::Int(line.into())])
        .cells([SIGNED])
}

/// The number of the line that holds a lock; 0 where none does.
pub fn holder(lock: &str) -> Statement {
    Statement::new("SELECT CAST(IFNULL(IS_USED_LOCK(?),0) AS SIGNED)")
        .args([Value::text(lock)])
        .cells([SIGNED])
}

/// Ends a line of the same account's.
pub fn kill(line: i64) -> Statement {
    Statement::new(format!("KILL {line}")).plain()
}

/// Takes a lease's row that has run out, and changes nothing of it.
pub fn touch((id, token): (i64, i64)) -> Statement {
    Statement::new(
        "UPDATE db_sync_lease SET token=token WHERE id=? AND token=? AND expires_at<=UTC_TIMESTAMP(6)",
    )
    .args([Value::Int(id.into()), Value::Int(token.into())])
}

/// For how many seconds nothing was heard of a lease's owner.
pub fn silence(id: i64) -> Statement {
    Statement::new(
        "SELECT TIMESTAMPDIFF(SECOND,heartbeat_at,UTC_TIMESTAMP(6)) FROM db_sync_lease WHERE id=?",
    )
    .args([Value::Int(id.into())])
    .cells([SIGNED])
}

/// For how many seconds the server has been there: behind the name of that number.
pub fn uptime() -> Statement {
    Statement::new("SHOW GLOBAL STATUS LIKE 'Uptime'").cells([TEXT, TEXT])
}
