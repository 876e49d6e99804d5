//! Statements that would mend a difference between two definitions. They are shown to people and never run by us.

use super::Dialect;

/// A key for a table that has none.
pub fn add_key(dialect: Dialect, table: &str) -> Option<String> {
    let table = dialect.quote(table);
    let column = "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY FIRST";
    (dialect != Dialect::Sqlite)
        .then(|| format!("ALTER TABLE {table} ADD COLUMN {} {column}", dialect.quote("id")))
}

/// Another primary key.
pub fn change_key(dialect: Dialect, table: &str, columns: &str) -> Option<String> {
    let list: Vec<String> = columns.split(", ").map(|name| dialect.quote(name)).collect();
    let (table, list) = (dialect.quote(table), list.join(", "));
    (dialect != Dialect::Sqlite)
        .then(|| format!("ALTER TABLE {table} DROP PRIMARY KEY, ADD PRIMARY KEY ({list})"))
}

/// A unique key over columns, joined by commas.
pub fn add_unique(dialect: Dialect, table: &str, columns: &str) -> String {
    let names: Vec<&str> = columns.split(", ").collect();
    let list: Vec<String> = names.iter().map(|name| dialect.quote(name)).collect();
    let name = dialect.quote(&format!("{table}_{}_unique", names.join("_")));
    format!("CREATE UNIQUE INDEX {name} ON {} ({})", dialect.quote(table), list.join(", "))
}

/// Storage with transactions.
pub fn change_storage(dialect: Dialect, table: &str) -> String {
    format!("ALTER TABLE {} ENGINE=InnoDB", dialect.quote(table))
}

/// Counting in steps of two, from one or from two.
pub fn count_in_twos(from: u8) -> String {
    format!("SET GLOBAL auto_increment_increment=2, GLOBAL auto_increment_offset={from}")
}
