//! The catalogue of a SQLite file.

use std::collections::HashMap;

use crate::endpoint::introspect::{self, Trigger};
use crate::endpoint::sql::{SIGNED, TEXT};
use crate::endpoint::{Connection, Statement};
use crate::error::Result;
use crate::model::{
    Column, Computed, DefaultValue, ForeignKey, Index, Kind, Reaction, Row, Table, Triggers,
    Unique, Value,
};

const TABLES: &str = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
/// SQLite makes this table with the first column that is numbered.
const NUMBERING: &str = "SELECT 1 FROM sqlite_master WHERE name='sqlite_sequence'";
const TRIGGERS: &str = "SELECT tbl_name,sql FROM sqlite_master WHERE type='trigger'";
const COLUMNS: &str =
    "SELECT name,type,\"notnull\",dflt_value,pk,hidden FROM pragma_table_xinfo(?) ORDER BY cid";
const INDEXES: &str = "SELECT l.name,i.name,l.\"unique\" FROM pragma_index_list(?) l JOIN pragma_index_info(l.name) i \
    WHERE l.partial=0 AND l.origin<>'pk' ORDER BY l.name,i.seqno";
const FOREIGN_KEYS: &str = "SELECT id,\"table\",\"from\",\"to\",on_delete,on_update FROM pragma_foreign_key_list(?) ORDER BY id,seq";

fn text(row: &Row, at: usize) -> String {
    row.get(at).and_then(Value::as_text).unwrap_or_default().to_owned()
}

fn number(row: &Row, at: usize) -> i128 {
    row.get(at).and_then(Value::as_int).unwrap_or(0)
}

/// Every table of the file, by name.
///
/// # Errors
/// The failure with its code.
pub async fn tables(connection: &mut Connection) -> Result<HashMap<String, Table>> {
    let names = connection.fetch(&Statement::new(TABLES).cells([TEXT])).await?;
    let mut tables = HashMap::new();
    for name in names.iter().map(|row| text(row, 0)) {
        let table = table(connection, &name).await?;
        tables.insert(name, table);
    }
    // A foreign key may spell its parent in any letter case; from here on it has the table's own name.
    let names: HashMap<String, String> =
        tables.keys().map(|name: &String| (name.to_lowercase(), name.clone())).collect();
    for key in tables.values_mut().flat_map(|table: &mut Table| &mut table.foreign_keys) {
        if let Some(name) = names.get(&key.parent.to_lowercase()) {
            key.parent.clone_from(name);
        }
    }
    let keys: Vec<ForeignKey> =
        tables.values().flat_map(|table: &Table| table.foreign_keys.clone()).collect();
    for mut key in keys {
        let Some(parent) = tables.get_mut(&key.parent) else { continue };
        if key.parent_columns.iter().any(String::is_empty) {
            // Without a column named, a foreign key refers to the primary key.
            let primary = parent.uniques.iter().find(|unique| unique.primary);
            let columns = primary.map(|unique| unique.columns.clone()).unwrap_or_default();
            key.parent_columns =
                columns.iter().map(|at| parent.columns[*at].name.clone()).collect();
        }
        parent.referenced_by.push(key.clone());
        let child = tables.get_mut(&key.child).map(|child| &mut child.foreign_keys);
        if let Some(same) = child.into_iter().flatten().find(|same| same.name == key.name) {
            same.parent_columns = key.parent_columns;
        }
    }
    if !connection.fetch(&Statement::new(NUMBERING).cells([SIGNED])).await?.is_empty() {
        let numbers = Statement::new("SELECT name,seq FROM sqlite_sequence");
        for row in connection.fetch(&numbers.cells([TEXT, SIGNED])).await? {
            if let Some(table) = tables.get_mut(&text(&row, 0)) {
                table.next_number = u64::try_from(number(&row, 1) + 1).unwrap_or(0);
            }
        }
    }
    let triggers = connection.fetch(&Statement::new(TRIGGERS).cells([TEXT, TEXT])).await?;
    // Whenever a trigger fires here, it may write to its own table.
    let trigger =
        |row: &Row| Trigger { table: text(row, 0), sql: text(row, 1), bends: [true, true] };
    introspect::add_triggers(&mut tables, triggers.iter().map(trigger));
    Ok(tables)
}

async fn table(connection: &mut Connection, name: &str) -> Result<Table> {
    let ask =
        |sql: &str, cells: Vec<Kind>| Statement::new(sql).args([Value::text(name)]).cells(cells);
    let mut table = Table {
        name: name.to_owned(),
        columns: Vec::new(),
        uniques: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
        transactional: true,
        triggers: Triggers::default(),
        refers_elsewhere: false,
        next_number: 0,
        created: String::new(),
        estimated_rows: 0,
    };
    let mut primary: Vec<(i128, usize)> = Vec::new();
    for row in
        connection.fetch(&ask(COLUMNS, vec![TEXT, TEXT, SIGNED, TEXT, SIGNED, SIGNED])).await?
    {
        // 1 is a hidden column of a virtual table, 2 and 3 are computed ones.
        if number(&row, 5) == 1 {
            continue;
        }
        if number(&row, 4) > 0 {
            primary.push((number(&row, 4), table.columns.len()));
        }
        table.columns.push(column(&row));
    }
    primary.sort_unstable();
    if !primary.is_empty() {
        let columns = primary.into_iter().map(|(_, at)| at).collect();
        table.uniques.push(Unique { name: "PRIMARY".to_owned(), columns, primary: true });
    }
    for row in connection.fetch(&ask(INDEXES, vec![TEXT, TEXT, SIGNED])).await? {
        if number(&row, 2) == 0 {
            index_column(&mut table, &row);
            continue;
        }
        let Some(at) = table.columns.iter().position(|column| column.name == text(&row, 1)) else {
            continue;
        };
        match table.uniques.last_mut() {
            Some(unique) if unique.name == text(&row, 0) => unique.columns.push(at),
            _ => table.uniques.push(Unique {
                name: text(&row, 0),
                columns: vec![at],
                primary: false,
            }),
        }
    }
    let mut last = None;
    for row in
        connection.fetch(&ask(FOREIGN_KEYS, vec![SIGNED, TEXT, TEXT, TEXT, TEXT, TEXT])).await?
    {
        if last == Some(number(&row, 0)) {
            if let Some(key) = table.foreign_keys.last_mut() {
                key.columns.push(text(&row, 2));
                key.parent_columns.push(text(&row, 3));
            }
            continue;
        }
        last = Some(number(&row, 0));
        table.foreign_keys.push(ForeignKey {
            name: format!("{name}_fk_{}", number(&row, 0)),
            child: name.to_owned(),
            child_database: None,
            columns: vec![text(&row, 2)],
            parent: text(&row, 1),
            parent_columns: vec![text(&row, 3)],
            on_delete: Reaction::named(&text(&row, 4)),
            on_update: Reaction::named(&text(&row, 5)),
        });
    }
    Ok(table)
}

fn index_column(table: &mut Table, row: &Row) {
    let (name, column) = (text(row, 0), (text(row, 1), None));
    match table.indexes.last_mut() {
        Some(index) if index.name == name => index.columns.push(column),
        _ => table.indexes.push(Index { name, method: "BTREE".to_owned(), columns: vec![column] }),
    }
}

fn column(row: &Row) -> Column {
    let declared = text(row, 1);
    let generated = number(row, 5) > 1;
    let nullable = number(row, 2) == 0 && number(row, 4) == 0;
    let kind = kind(&declared.to_lowercase());
    let rowid = number(row, 4) > 0 && declared.eq_ignore_ascii_case("integer");
    Column {
        name: text(row, 0),
        kind,
        default: row.get(3).and_then(Value::as_text).and_then(default_value),
        counts: rowid,
        touched: false,
        computed: generated
            .then(|| Computed { expression: String::new(), stored: number(row, 5) == 3 }),
        invisible: false,
        declared,
        nullable,
        loose: true,
        collation: None,
    }
}

/// SQLite tells defaults as SQL.
fn default_value(default: &str) -> Option<DefaultValue> {
    let inside = default.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match inside {
        Some(inside) => Some(DefaultValue::Literal(inside.replace("''", "'"))),
        None if default.eq_ignore_ascii_case("null") => None,
        None => Some(DefaultValue::Expression(default.to_owned())),
    }
}

/// What a declared type means: dates and JSON by their names, the rest by SQLite's rules of affinity
/// (<https://www.sqlite.org/datatype3.html>). Lengths bind nobody in SQLite.
fn kind(declared: &str) -> Kind {
    let base = declared.split('(').next().unwrap_or_default().trim();
    let has = |word: &str| base.contains(word);
    match base {
        "date" => Kind::Date,
        "datetime" | "timestamp" => Kind::DateTime { fraction: 6 },
        "time" => Kind::Time { fraction: 6 },
        "json" => Kind::Json { binary: false },
        "bool" | "boolean" => Kind::Int { bits: 64, unsigned: false },
        _ if has("int") => Kind::Int { bits: 64, unsigned: false },
        _ if has("char") || has("clob") || has("text") => {
            Kind::Text { chars: None, bytes: None, fixed: false }
        }
        _ if base.is_empty() || has("blob") || has("binary") => {
            Kind::Bytes { max: None, fixed: false }
        }
        _ if has("real") || has("floa") || has("doub") => Kind::Double,
        _ => Kind::Numeric,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn django_and_affinity_types() {
        assert_eq!(kind("decimal"), Kind::Numeric);
        assert_eq!(kind("integer unsigned"), Kind::Int { bits: 64, unsigned: false });
        assert_eq!(kind("varchar(100)"), Kind::Text { chars: None, bytes: None, fixed: false });
        assert_eq!(kind("bool"), Kind::Int { bits: 64, unsigned: false });
        assert_eq!(kind("datetime"), Kind::DateTime { fraction: 6 });
        assert_eq!(kind("real"), Kind::Double);
        assert_eq!(kind(""), Kind::Bytes { max: None, fixed: false });
    }
}
