//! The catalogue of a MySQL or MariaDB database.

use std::collections::{HashMap, HashSet};

use super::foreign_keys;
use crate::endpoint::introspect::{self, Trigger};
use crate::endpoint::sql::{SIGNED, TEXT, UNSIGNED};
use crate::endpoint::{Connection, Dialect, Statement};
use crate::error::Result;
use crate::model::{
    Column, Computed, DefaultValue, ForeignKey, Index, Kind, Reaction, Row, Table, Triggers,
    Unique, Value,
};

const TABLES: &str = "SELECT t.TABLE_NAME,IFNULL(t.ENGINE,''),CAST(IFNULL(t.TABLE_ROWS,0) AS UNSIGNED),IFNULL(t.TABLE_COLLATION,''),CAST(IFNULL(t.AUTO_INCREMENT,0) AS UNSIGNED),IFNULL(CAST(t.CREATE_TIME AS CHAR),'') \
    FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA=DATABASE() AND t.TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED') ORDER BY 1";

const TRIGGERS: &str = "SELECT EVENT_OBJECT_TABLE,ACTION_STATEMENT,ACTION_TIMING,EVENT_MANIPULATION \
    FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA=DATABASE()";

const COLUMNS: &str = "SELECT TABLE_NAME,COLUMN_NAME,DATA_TYPE,COLUMN_TYPE,IS_NULLABLE,IFNULL(EXTRA,''),\
    COLUMN_DEFAULT,CAST(IFNULL(CHARACTER_MAXIMUM_LENGTH,0) AS UNSIGNED),CAST(IFNULL(CHARACTER_OCTET_LENGTH,0) AS UNSIGNED),\
    CAST(IFNULL(NUMERIC_PRECISION,0) AS UNSIGNED),CAST(IFNULL(NUMERIC_SCALE,0) AS UNSIGNED),CAST(IFNULL(DATETIME_PRECISION,0) AS UNSIGNED),IFNULL(COLLATION_NAME,''),\
    IFNULL(GENERATION_EXPRESSION,'') \
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=DATABASE() ORDER BY TABLE_NAME,ORDINAL_POSITION";

const INDEXES: &str = "SELECT TABLE_NAME,INDEX_NAME,IFNULL(COLUMN_NAME,''),CAST(IFNULL(SUB_PART,0) AS UNSIGNED),NON_UNIQUE,INDEX_TYPE \
    FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=DATABASE() \
    ORDER BY TABLE_NAME,INDEX_NAME='PRIMARY' DESC,INDEX_NAME,SEQ_IN_INDEX";

/// MariaDB's JSON is a LONGTEXT with this check.
const JSON_CHECKS: &str = "SELECT TABLE_NAME,CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
    WHERE CONSTRAINT_SCHEMA=DATABASE() AND CHECK_CLAUSE LIKE 'json_valid(%'";

fn text(row: &Row, at: usize) -> String {
    row.get(at).and_then(Value::as_text).unwrap_or_default().to_owned()
}

fn optional(row: &Row, at: usize) -> Option<String> {
    Some(text(row, at)).filter(|text| !text.is_empty())
}

fn number(row: &Row, at: usize) -> u64 {
    row.get(at).and_then(Value::as_int).and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

fn small(row: &Row, at: usize) -> u8 {
    u8::try_from(number(row, at)).unwrap_or(u8::MAX)
}

/// Every base table of the database, by name.
///
/// # Errors
/// The failure with its code.
pub async fn tables(
    connection: &mut Connection,
    dialect: Dialect,
) -> Result<HashMap<String, Table>> {
    let question =
        Statement::new(TABLES).cells([TEXT, TEXT, UNSIGNED, TEXT, UNSIGNED, TEXT]).plain();
    let mut tables: HashMap<String, Table> = HashMap::new();
    for row in connection.fetch(&question).await? {
        let table = Table {
            name: text(&row, 0),
            columns: Vec::new(),
            uniques: Vec::new(),
            indexes: Vec::new(),
            collation: optional(&row, 3),
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
            transactional: text(&row, 1).eq_ignore_ascii_case("innodb"),
            triggers: Triggers::default(),
            refers_elsewhere: false,
            next_number: number(&row, 4),
            estimated_rows: number(&row, 2),
            created: text(&row, 5),
        };
        tables.insert(table.name.clone(), table);
    }
    let json: HashSet<(String, String)> = if dialect == Dialect::MariaDb {
        let checks =
            connection.fetch(&Statement::new(JSON_CHECKS).cells([TEXT, TEXT]).plain()).await?;
        checks.iter().map(|row| (text(row, 0), json_column(&text(row, 1)))).collect()
    } else {
        HashSet::new()
    };
    let cells = [
        TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, UNSIGNED, UNSIGNED, UNSIGNED, UNSIGNED, UNSIGNED,
        TEXT, TEXT,
    ];
    for row in connection.fetch(&Statement::new(COLUMNS).cells(cells).plain()).await? {
        let Some(table) = tables.get_mut(&text(&row, 0)) else { continue };
        let is_json = json.contains(&(table.name.clone(), text(&row, 1)));
        table.columns.push(column(&row, is_json, dialect));
    }
    let indexes = Statement::new(INDEXES).cells([TEXT, TEXT, TEXT, UNSIGNED, SIGNED, TEXT]).plain();
    for row in connection.fetch(&indexes).await? {
        let Some(table) = tables.get_mut(&text(&row, 0)) else { continue };
        if number(&row, 4) == 0 { unique_column(table, &row) } else { index_column(table, &row) }
    }
    for table in tables.values_mut() {
        // A part of a column, or an expression, does not identify a row by its cells.
        table.uniques.retain(|unique| !unique.columns.contains(&usize::MAX));
    }
    add_foreign_keys(&mut tables, &foreign_keys::rows(connection, dialect).await?);
    let triggers = connection.fetch(&Statement::new(TRIGGERS).cells(vec![TEXT; 4]).plain()).await?;
    // Only before a row is there can a trigger change it.
    let bends = |row: &Row, event: &str| text(row, 2) == "BEFORE" && text(row, 3) == event;
    let trigger = |row: &Row| Trigger {
        table: text(row, 0),
        sql: text(row, 1),
        bends: ["INSERT", "UPDATE"].map(|event| bends(row, event)),
    };
    introspect::add_triggers(&mut tables, triggers.iter().map(trigger));
    Ok(tables)
}

fn index_column(table: &mut Table, row: &Row) {
    let (name, method) = (text(row, 1), text(row, 5));
    let column = (text(row, 2), Some(number(row, 3)).filter(|part| *part > 0));
    match table.indexes.last_mut() {
        Some(index) if index.name == name => index.columns.push(column),
        _ => table.indexes.push(Index { name, method, columns: vec![column] }),
    }
}

fn unique_column(table: &mut Table, row: &Row) {
    let (name, column) = (text(row, 1), text(row, 2));
    let at = table.columns.iter().position(|known| known.name == column);
    let at = at.filter(|_| number(row, 3) == 0).unwrap_or(usize::MAX);
    match table.uniques.last_mut() {
        Some(unique) if unique.name == name => unique.columns.push(at),
        _ => table.uniques.push(Unique { primary: name == "PRIMARY", name, columns: vec![at] }),
    }
}

fn add_foreign_keys(tables: &mut HashMap<String, Table>, rows: &[Row]) {
    let mut found: Vec<ForeignKey> = Vec::new();
    for row in rows {
        let (child, name) = (text(row, 0), text(row, 1));
        if optional(row, 8).is_some() {
            if let Some(child) = tables.get_mut(&child) {
                child.refers_elsewhere = true;
            }
            continue;
        }
        let child_database = optional(row, 7);
        match found.last_mut() {
            Some(key)
                if key.child == child
                    && key.name == name
                    && key.child_database == child_database =>
            {
                key.columns.push(text(row, 2));
                key.parent_columns.push(text(row, 4));
            }
            _ => found.push(ForeignKey {
                name,
                child,
                child_database,
                columns: vec![text(row, 2)],
                parent: text(row, 3),
                parent_columns: vec![text(row, 4)],
                on_delete: Reaction::named(&text(row, 5)),
                on_update: Reaction::named(&text(row, 6)),
            }),
        }
    }
    for key in found {
        let child = tables.get_mut(&key.child).filter(|_| key.child_database.is_none());
        if let Some(child) = child {
            child.foreign_keys.push(key.clone());
        }
        if let Some(parent) = tables.get_mut(&key.parent) {
            parent.referenced_by.push(key);
        }
    }
}

/// The column of ``json_valid(`attributes`)``.
fn json_column(clause: &str) -> String {
    let inside = clause.trim_start_matches("json_valid(").trim_end_matches(')');
    inside.trim_matches('`').replace("``", "`")
}

fn column(row: &Row, is_json: bool, dialect: Dialect) -> Column {
    let declared = text(row, 3);
    let extra = text(row, 5).to_lowercase();
    let nullable = text(row, 4) == "YES";
    let computed = optional(row, 13).map(|expression| Computed {
        expression: if dialect == Dialect::MySql { unescaped(&expression) } else { expression },
        stored: extra.contains("stored") || extra.contains("persistent"),
    });
    let default = row.get(6).and_then(Value::as_text);
    let default = default.filter(|_| computed.is_none());
    let kind =
        if is_json { Kind::Json { binary: false } } else { kind(row, &declared.to_lowercase()) };
    Column {
        name: text(row, 1),
        kind,
        default: default.and_then(|default| default_value(default, &extra, dialect)),
        counts: extra.contains("auto_increment"),
        touched: extra.contains("on update current_timestamp"),
        invisible: extra.contains("invisible"),
        declared,
        nullable,
        computed,
        loose: false,
        collation: optional(row, 12),
    }
}

/// MySQL tells a literal without its quotes, and marks expressions; MariaDB tells everything as SQL.
fn default_value(default: &str, extra: &str, dialect: Dialect) -> Option<DefaultValue> {
    let inside = default.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match (dialect, inside) {
        (Dialect::MySql, _) if extra.contains("default_generated") => {
            Some(DefaultValue::Expression(unescaped(default)))
        }
        (Dialect::MySql, _) if default.starts_with("b'") => {
            Some(DefaultValue::Expression(default.to_owned()))
        }
        (Dialect::MySql, _) => Some(DefaultValue::Literal(default.to_owned())),
        (_, Some(inside)) => Some(DefaultValue::Literal(unquoted(inside))),
        _ if default.eq_ignore_ascii_case("null") => None,
        _ => Some(DefaultValue::Expression(default.to_owned())),
    }
}

/// MySQL writes quotes in its catalogue's expressions with a backslash before them.
fn unescaped(expression: &str) -> String {
    expression.replace("\\'", "'")
}

fn kind(row: &Row, declared: &str) -> Kind {
    let int = |bits| Kind::Int {
        bits,
        unsigned: declared.contains("unsigned") || declared.contains("zerofill"),
    };
    let (chars, bytes) = (number(row, 7), number(row, 8));
    let fraction = small(row, 11);
    match text(row, 2).to_lowercase().as_str() {
        "tinyint" => int(8),
        "smallint" => int(16),
        "mediumint" => int(24),
        "int" => int(32),
        "bigint" => int(64),
        "bit" => Kind::Bit(small(row, 9).max(1)),
        "year" => Kind::Year,
        "decimal" => Kind::Decimal { precision: small(row, 9), scale: small(row, 10) },
        "float" => Kind::Float,
        "double" => Kind::Double,
        "char" => Kind::Text { chars: Some(chars), bytes: None, fixed: true },
        "varchar" => Kind::Text { chars: Some(chars), bytes: None, fixed: false },
        "tinytext" | "text" | "mediumtext" | "longtext" => {
            Kind::Text { chars: None, bytes: Some(bytes), fixed: false }
        }
        "binary" => Kind::Bytes { max: Some(bytes), fixed: true },
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            Kind::Bytes { max: Some(bytes), fixed: false }
        }
        "date" => Kind::Date,
        "datetime" => Kind::DateTime { fraction },
        "timestamp" => Kind::Timestamp { fraction },
        "time" => Kind::Time { fraction },
        "enum" => Kind::Enum(labels(&text(row, 3))),
        "set" => Kind::Set(labels(&text(row, 3))),
        "json" => Kind::Json { binary: true },
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" | "vector" => Kind::Raw,
        "uuid" => Kind::Uuid,
        "inet4" | "inet6" => Kind::Inet,
        _ => Kind::Unknown,
    }
}

/// What stands between quotes, whose own quotes are doubled and whose special characters have a backslash before them.
fn unquoted(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\'' => {
                letters.next();
                '\''
            }
            '\\' => match letters.next() {
                Some('0') => '\0',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('Z') => '\u{1a}',
                other => other.unwrap_or('\\'),
            },
            other => other,
        });
    }
    plain
}

/// The labels of `enum('a','it''s')`.
fn labels(declared: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut rest = declared;
    while let Some(start) = rest.find('\'') {
        rest = &rest[start + 1..];
        let (mut end, bytes) = (0, rest.as_bytes());
        while end < bytes.len() {
            match (bytes[end], bytes.get(end + 1)) {
                (b'\\', _) | (b'\'', Some(b'\'')) => end += 2,
                (b'\'', _) => break,
                _ => end += 1,
            }
        }
        let end = end.min(bytes.len());
        labels.push(unquoted(&rest[..end]));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_quotes_and_commas() {
        assert_eq!(labels("enum('a','it''s','b,c','')"), ["a", "it's", "b,c", ""]);
        let escaped = labels(r"set('a\\b','\\','l\nf','''\\')");
        assert_eq!(escaped, ["a\\b", "\\", "l\nf", "'\\"]);
    }

    #[test]
    fn the_column_of_a_json_check() {
        assert_eq!(json_column("json_valid(`at``tributes`)"), "at`tributes");
    }
}
