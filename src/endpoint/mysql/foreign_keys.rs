//! Foreign keys, of this database and into it.
//!
//! Children in other databases of the server count too: a cascade reaches them as well. Of parents in other databases nothing is
//! known but that there are such.

use crate::config::Address;
use crate::endpoint::sql::TEXT;
use crate::endpoint::{Connection, Dialect, Statement};
use crate::error::Result;
use crate::model::{Row, Value};

const COLUMNS: &str = "SELECT k.TABLE_NAME,k.CONSTRAINT_NAME,k.COLUMN_NAME,k.REFERENCED_TABLE_NAME,k.REFERENCED_COLUMN_NAME,r.DELETE_RULE,r.UPDATE_RULE,\
    IF(k.TABLE_SCHEMA=DATABASE(),'',k.TABLE_SCHEMA),IF(k.REFERENCED_TABLE_SCHEMA=DATABASE(),'',k.REFERENCED_TABLE_SCHEMA) \
    FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r \
    ON r.CONSTRAINT_SCHEMA=k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME=k.CONSTRAINT_NAME AND r.TABLE_NAME=k.TABLE_NAME";
const ORDER: &str = "ORDER BY k.TABLE_SCHEMA,k.TABLE_NAME,k.CONSTRAINT_NAME,k.ORDINAL_POSITION";

/// The databases with tables that refer to this one, as InnoDB spells them; takes the PROCESS privilege.
const REFERRING: &str = "SELECT DISTINCT SUBSTRING_INDEX(FOR_NAME,'/',1) FROM information_schema.INNODB_SYS_FOREIGN \
    WHERE LEFT(REF_NAME,CHAR_LENGTH(DATABASE())+1)=CONCAT(DATABASE(),'/') AND SUBSTRING_INDEX(FOR_NAME,'/',1)<>DATABASE()";

const NEIGHBOURS: &str = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN \
    (DATABASE(),'information_schema','performance_schema','mysql','sys')";

/// A column of a foreign key for each row: child, name, column, parent, the parent's column, what deletions and updates do, and
/// the child's and the parent's database where it is another one.
///
/// # Errors
/// The failure with its code.
pub async fn rows(connection: &mut Connection, dialect: Dialect) -> Result<Vec<Row>> {
    let cells = || vec![TEXT; 9];
    if dialect != Dialect::MariaDb {
        let either = "k.REFERENCED_TABLE_SCHEMA=DATABASE() OR k.TABLE_SCHEMA=DATABASE() AND k.REFERENCED_TABLE_SCHEMA IS NOT NULL";
        let all = Statement::new(format!("{COLUMNS} WHERE {either} {ORDER}"));
        return connection.fetch(&all.cells(cells()).plain()).await;
    }
    // MariaDB opens every table of every database for a question that names none, and has been seen to crash while tables come
    // and go beside that (10.11.19): so each database is asked about by its name.
    let own = "k.TABLE_SCHEMA=DATABASE() AND r.CONSTRAINT_SCHEMA=DATABASE() AND k.REFERENCED_TABLE_SCHEMA IS NOT NULL";
    let own = Statement::new(format!("{COLUMNS} WHERE {own} {ORDER}"));
    let mut rows = connection.fetch(&own.cells(cells()).plain()).await?;
    for neighbour in referring(connection).await? {
        let theirs =
            "k.TABLE_SCHEMA=? AND r.CONSTRAINT_SCHEMA=? AND k.REFERENCED_TABLE_SCHEMA=DATABASE()";
        let theirs = Statement::new(format!("{COLUMNS} WHERE {theirs} {ORDER}"));
        let name = || Value::text(&neighbour);
        rows.extend(connection.fetch(&theirs.args([name(), name()]).cells(cells())).await?);
    }
    Ok(rows)
}

/// Databases whose tables may refer to this one: those that do, or every one that the account sees, where InnoDB may not be asked
/// or spells names in a way of its own.
async fn referring(connection: &mut Connection) -> Result<Vec<String>> {
    let plain =
        |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let spelled =
        matches!(&connection.place().address, Address::Server(server) if plain(&server.database));
    if spelled {
        let asked = Statement::new(REFERRING).cells([TEXT]).plain();
        if let Ok(found) = connection.try_fetch(&asked).await {
            let found = names(&found);
            if found.iter().all(|name| plain(name)) {
                return Ok(found);
            }
        }
    }
    let all = connection.fetch(&Statement::new(NEIGHBOURS).cells([TEXT]).plain()).await?;
    Ok(names(&all))
}

fn names(rows: &[Row]) -> Vec<String> {
    rows.iter().filter_map(|row| row.first()?.as_text().map(ToOwned::to_owned)).collect()
}
