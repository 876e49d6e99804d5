//! What a MySQL or MariaDB server tells of itself to whoever asks.

use std::time::{SystemTime, UNIX_EPOCH};

use super::rights::Grants;
use crate::config::Address;
use crate::endpoint::condition::{Clock, Condition};
use crate::endpoint::sql::{SIGNED, TEXT};
use crate::endpoint::{Connection, Statement};
use crate::error::Result;
use crate::model::{Row, Value};

/// A server that lacks one of them tells of the others.
const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('sql_mode','local_infile','max_allowed_packet',\
    'log_bin','binlog_format','binlog_row_image','read_only','super_read_only','datadir')";

/// Microseconds since 1970, and the minutes by which the server's own time zone is ahead of UTC.
const CLOCK: &str = "SELECT TIMESTAMPDIFF(MICROSECOND,'1970-01-01 00:00:00',UTC_TIMESTAMP(6)),\
    TIMESTAMPDIFF(MINUTE,UTC_TIMESTAMP(),CONVERT_TZ(UTC_TIMESTAMP(),'+00:00',@@GLOBAL.time_zone))";

/// The disks that MariaDB's plugin of this name sees, in kB.
const DISKS: &str = "SELECT Path,CAST(Available AS SIGNED) FROM information_schema.DISKS";

/// Asks a server how it is.
///
/// # Errors
/// The failure with its code.
pub async fn ask(connection: &mut Connection) -> Result<Condition> {
    let variables = Statement::new(VARIABLES).cells([TEXT, TEXT]).plain();
    let variables = connection.fetch(&variables).await?;
    let (clock, zone) = clock(connection).await?;
    let mut condition = Condition {
        variables: variables.iter().map(|row| (text(row, 0), text(row, 1))).collect(),
        clock,
        zone,
        ..Condition::default()
    };
    condition.free = free(connection, condition.variable("datadir").unwrap_or_default()).await;
    let grants = connection.fetch(&Statement::new("SHOW GRANTS").cells([TEXT]).plain()).await?;
    let lines: Vec<String> = grants.iter().map(|row| text(row, 0)).collect();
    if let Address::Server(server) = &connection.place().address {
        condition.grants = Some(Grants::read(&lines, &server.database));
    }
    Ok(condition)
}

fn text(row: &Row, at: usize) -> String {
    row.get(at).and_then(Value::as_text).unwrap_or_default().to_owned()
}

fn number(row: &Row, at: usize) -> Option<i64> {
    i64::try_from(row.get(at)?.as_int()?).ok()
}

async fn clock(connection: &mut Connection) -> Result<(Clock, Option<i64>)> {
    let question = Statement::new(CLOCK).cells([SIGNED, SIGNED]).plain();
    let before = here();
    let row = connection.fetch(&question).await?.pop().unwrap_or_default();
    let after = here();
    let unsure = (after - before) / 2;
    let there = number(&row, 0).unwrap_or(before);
    Ok((Clock { ahead: there - before - unsure, unsure }, number(&row, 1)))
}

/// Microseconds since 1970 by this machine's clock.
fn here() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The room on the disk that the data are on: the one whose path is the longest beginning of theirs. Servers without the plugin,
/// and accounts that may not ask it, do not know.
async fn free(connection: &mut Connection, data: &str) -> Option<u64> {
    let disks = connection.try_fetch(&Statement::new(DISKS).cells([TEXT, SIGNED]).plain()).await;
    let disks = disks.ok()?;
    let holds = |row: &&Row| std::path::Path::new(data).starts_with(text(row, 0));
    let disk = disks.iter().filter(holds).max_by_key(|row| text(row, 0).len())?;
    u64::try_from(number(disk, 1)?).ok().map(|kilobytes| kilobytes.saturating_mul(1024))
}
