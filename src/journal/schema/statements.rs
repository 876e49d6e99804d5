//! The SQL by which our tables come about: made anew, brought up to date, or by the script for new servers.

use std::collections::BTreeMap;

use super::{ColumnOf, Existing, Had, Holds, TABLES, TableOf};
use crate::endpoint::Dialect;
use Holds::{
    BigId, Blob, Bytes, Count, Id, LongText, Moment, Name, Names, Number, Seconds, Short, Switch,
};

/// The database that the script for new servers makes.
const DATABASE: &str = "tiktok_products";

/// The statements that bring about our tables where `existing` is what there is: none where nothing is
/// missing. No column and no row of an older installation is lost.
pub fn statements(dialect: Dialect, existing: &Existing) -> Vec<String> {
    by_table(dialect, existing).map(|(_, sql)| sql).collect()
}

/// The same, each with the table that it makes or changes.
pub(super) fn by_table(
    dialect: Dialect,
    existing: &Existing,
) -> impl Iterator<Item = (&'static str, String)> {
    TABLES.iter().flat_map(move |table| {
        let statements = match existing.get(table.name) {
            None => create(dialect, table),
            Some(columns) => upgrade(dialect, table, columns),
        };
        statements.into_iter().map(|sql| (table.name, sql))
    })
}

fn create(dialect: Dialect, table: &TableOf) -> Vec<String> {
    let quote = |name: &str| dialect.quote(name);
    let list =
        |columns: &[&str]| columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let mut lines: Vec<String> =
        table.columns.iter().map(|column| definition(dialect, column)).collect();
    let mut after = Vec::new();
    if dialect == Dialect::Sqlite {
        lines.extend(table.unique.iter().map(|columns| format!("UNIQUE ({})", list(columns))));
        after.extend(table.indexes.iter().map(|columns| {
            let name = quote(&format!("{}_{}", table.name, columns.join("_")));
            format!(
                "CREATE INDEX IF NOT EXISTS {name} ON {} ({})",
                quote(table.name),
                list(columns)
            )
        }));
    } else {
        let key = |columns: &[&str]| quote(&columns.join("_"));
        lines.extend(
            table
                .unique
                .iter()
                .map(|columns| format!("UNIQUE KEY {} ({})", key(columns), list(columns))),
        );
        lines.extend(
            table.indexes.iter().map(|columns| format!("KEY {} ({})", key(columns), list(columns))),
        );
    }
    let options = match dialect {
        Dialect::Sqlite => "",
        _ => " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci",
    };
    let body = lines.join(",\n  ");
    let mut statements =
        vec![format!("CREATE TABLE IF NOT EXISTS {} (\n  {body}\n){options}", quote(table.name))];
    statements.extend(after);
    statements
}

/// Adds what an older installation lacks, and widens what it made too narrow for us.
fn upgrade(dialect: Dialect, table: &TableOf, columns: &BTreeMap<String, Had>) -> Vec<String> {
    let missing: Vec<ColumnOf> =
        table.columns.iter().filter(|column| !columns.contains_key(column.0)).copied().collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let name = dialect.quote(table.name);
    let added = missing.iter().map(|&ColumnOf(column, holds, nullable, default)| {
        // Rows are there already, so a new column needs a value for them.
        let constant =
            default.filter(|default| dialect != Dialect::Sqlite || *default != "CURRENT_TIMESTAMP");
        let column = ColumnOf(column, holds, nullable || constant.is_none(), constant);
        format!("ADD COLUMN {}", definition(dialect, &column))
    });
    if dialect == Dialect::Sqlite {
        // It adds one column at a time, and changes none: none needs it, as any takes what does not fit its type.
        return added.map(|added| format!("ALTER TABLE {name} {added}")).collect();
    }
    // The indexes that cannot be there yet, under names that nobody else gives.
    let indexes =
        table.indexes.iter().filter(|of| missing.iter().any(|added| of.contains(&added.0)));
    let indexes = indexes.map(|of| {
        let list: Vec<String> = of.iter().map(|column| dialect.quote(column)).collect();
        format!(
            "ADD KEY {} ({})",
            dialect.quote(&format!("db_sync_{}", of.join("_"))),
            list.join(", ")
        )
    });
    let modified = columns.iter().filter_map(|(column, had)| {
        let ours = table.columns.iter().find(|of| of.0 == column);
        modification(dialect, (column, had), ours).map(|sql| format!("MODIFY COLUMN {sql}"))
    });
    // New text takes every script, whatever the database's own character set, and is compared as the server compares. As one
    // statement this is done whole or not at all.
    let actions = ["DEFAULT CHARACTER SET utf8mb4".to_owned()];
    let actions: Vec<String> =
        actions.into_iter().chain(added).chain(modified).chain(indexes).collect();
    vec![format!("ALTER TABLE {name}\n  {}", actions.join(",\n  "))]
}

/// How a column that is there already has to change: it holds less than ours does, each new row would have to name it and ours do
/// not, or it moves by itself. What serves as it is stays as it is: queries of users know its type and its collation.
fn modification(
    dialect: Dialect,
    (name, had): (&str, &Had),
    ours: Option<&ColumnOf>,
) -> Option<String> {
    let stays = |rest: &str| format!("{} {} {rest}", dialect.quote(name), had.declared);
    let Some(column) = ours else { return had.required.then(|| stays("NULL")) };
    let ColumnOf(_, holds, nullable, default) = *column;
    match holds {
        _ if had.is_narrower_than(holds) || (nullable && had.required) => {
            let holds = if matches!(holds, Name) { Short(100) } else { holds };
            Some(definition(dialect, &ColumnOf(column.0, holds, nullable, default)))
        }
        Moment(_) if had.touched && column.0 != "updated_at" => {
            let digits = had.declared.find('(').map_or("", |at| &had.declared[at..]);
            Some(stays(&format!("NOT NULL DEFAULT CURRENT_TIMESTAMP{digits}")))
        }
        // Each row that we write names its moments.
        Moment(_) => None,
        _ => default
            .filter(|_| had.required)
            .map(|default| stays(&format!("NOT NULL DEFAULT {default}"))),
    }
}

impl Had {
    /// Whether it does not take all that a column of ours takes. What it says of types that nobody would have given it, it need
    /// not know.
    fn is_narrower_than(&self, holds: Holds) -> bool {
        let declared = self.declared.to_lowercase();
        let letters = match &self.collation {
            None => false,
            // Names of tables are letters of the first plane.
            Some(collation) => {
                !collation.starts_with("utf8")
                    || !matches!(holds, Name) && !collation.starts_with("utf8mb4")
            }
        };
        let length = || -> Option<u16> {
            let inner =
                declared.strip_prefix("varchar(").or_else(|| declared.strip_prefix("char("))?;
            inner.trim_end_matches(')').parse().ok()
        };
        match holds {
            Short(needed) => {
                letters
                    || declared.starts_with("enum")
                    || length().is_some_and(|length| length < needed)
            }
            Name => letters || length().is_some_and(|length| length < 100),
            LongText => letters || declared != "longtext",
            Seconds => declared.contains("int"),
            _ => false,
        }
    }
}

fn definition(dialect: Dialect, column: &ColumnOf) -> String {
    let ColumnOf(name, holds, nullable, default) = *column;
    let quoted = dialect.quote(name);
    let kind = if dialect == Dialect::Sqlite { sqlite_type(holds) } else { mysql_type(holds) };
    if matches!(holds, Id | BigId) {
        return format!("{quoted} {kind}");
    }
    let null = if nullable { "NULL" } else { "NOT NULL" };
    let touched = dialect != Dialect::Sqlite && name == "updated_at";
    let default = default.map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
    let touch = if touched { " ON UPDATE CURRENT_TIMESTAMP" } else { "" };
    format!("{quoted} {kind} {null}{default}{touch}")
}

fn mysql_type(holds: Holds) -> String {
    match holds {
        Id => "int NOT NULL AUTO_INCREMENT PRIMARY KEY".to_owned(),
        BigId => "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY".to_owned(),
        Short(length) => format!("varchar({length})"),
        Name => "varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin".to_owned(),
        LongText => "longtext".to_owned(),
        Count => "bigint".to_owned(),
        Number => "int".to_owned(),
        Switch => "tinyint(1)".to_owned(),
        Names(names) => format!(
            "enum({})",
            names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(",")
        ),
        Moment(0) => "datetime".to_owned(),
        Moment(digits) => format!("datetime({digits})"),
        Seconds => "decimal(12,3)".to_owned(),
        Bytes(length) => format!("binary({length})"),
        Blob => "longblob".to_owned(),
    }
}

fn sqlite_type(holds: Holds) -> String {
    match holds {
        Id | BigId => "integer NOT NULL PRIMARY KEY AUTOINCREMENT".to_owned(),
        Short(length) => format!("varchar({length})"),
        Name => "varchar(100)".to_owned(),
        LongText => "text".to_owned(),
        Count => "bigint".to_owned(),
        Number => "integer".to_owned(),
        Switch => "bool".to_owned(),
        Names(names) => {
            format!("varchar({})", names.iter().map(|name| name.len()).max().unwrap_or(0))
        }
        Moment(_) => "datetime".to_owned(),
        Seconds => "decimal".to_owned(),
        Bytes(_) | Blob => "BLOB".to_owned(),
    }
}

/// The script with which a new MariaDB server begins: a database, our tables in it, and a configuration whose one row, named
/// `*`, holds the defaults of tables that the first run registers.
pub fn init_script() -> String {
    let statements = statements(Dialect::MariaDb, &Existing::new());
    // Named, so that an older table takes the row too: it may have no defaults of its own.
    let config = TABLES.iter().find(|table| table.name == "db_sync_config");
    let defaults = config.into_iter().flat_map(|table| table.columns);
    let (columns, values): (Vec<_>, Vec<_>) = defaults
        .filter_map(|&ColumnOf(name, _, _, default)| Some((format!("`{name}`"), default?)))
        .unzip();
    let (columns, values) = (columns.join(", "), values.join(", "));
    let tables = statements.iter().fold(String::new(), |script, sql| script + sql + ";\n\n");
    format!(
        "-- Made by `make init-sql` from the engine's own definition of its tables; a test compares them.\n\
         CREATE DATABASE IF NOT EXISTS `{DATABASE}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n\
         USE `{DATABASE}`;\n\n\
         {tables}\
         -- The defaults with which the first run registers the tables that exist on both sides.\n\
         INSERT INTO `db_sync_config` (`table_name`, {columns})\n  \
         SELECT '*', {values} FROM DUAL\n  WHERE NOT EXISTS (SELECT 1 FROM `db_sync_config`);\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::is_complete;
    use super::*;

    fn complete() -> Existing {
        let columns = |table: &TableOf| {
            table.columns.iter().map(|column| (column.0.to_owned(), Had::default())).collect()
        };
        TABLES.iter().map(|table| (table.name.to_owned(), columns(table))).collect()
    }

    fn had(declared: &str, required: bool) -> Had {
        Had { declared: declared.to_owned(), required, ..Had::default() }
    }

    fn text(declared: &str, collation: &str) -> Had {
        Had { collation: Some(collation.to_owned()), ..had(declared, false) }
    }

    /// What becomes of the log's columns.
    fn modified(columns: &[(&str, Had)]) -> Vec<String> {
        let [sql] = &statements(Dialect::MariaDb, &with_old_log(columns))[..] else {
            panic!("one statement")
        };
        let lines = sql.lines().filter_map(|line| line.trim().strip_prefix("MODIFY COLUMN "));
        lines.map(|line| line.trim_end_matches(',').to_owned()).collect()
    }

    fn with_old_log(columns: &[(&str, Had)]) -> Existing {
        let mut older = complete();
        let columns = columns.iter().map(|(name, had)| ((*name).to_owned(), had.clone()));
        older.insert("db_sync_log".into(), columns.collect());
        older
    }

    #[test]
    fn a_complete_installation_needs_nothing() {
        for dialect in [Dialect::MariaDb, Dialect::Sqlite] {
            assert!(statements(dialect, &complete()).is_empty());
        }
        assert!(is_complete(&complete()));
    }

    #[test]
    fn an_older_installation_is_added_to_and_never_taken_from() {
        let compat =
            ["id", "table_name", "status", "start_time", "duration", "error_message", "created_at"];
        let older = with_old_log(&compat.map(|name| (name, Had::default())));
        for dialect in [Dialect::MySql, Dialect::Sqlite] {
            let statements = statements(dialect, &older);
            assert!(statements.iter().all(|sql| sql.starts_with("ALTER TABLE")));
            assert!(statements.iter().all(|sql| !sql.contains("DROP")));
            assert!(
                statements.iter().any(|sql| sql.contains("ADD COLUMN") && sql.contains("run_id"))
            );
        }
        assert!(!is_complete(&older));
    }

    #[test]
    fn columns_that_a_new_row_would_have_to_name_need_no_name_any_more() {
        let columns = [
            ("id", had("int(11)", false)),
            ("duration", had("int(11)", true)),
            ("rows_inserted", had("int(11)", true)),
            ("created_at", had("datetime(6)", true)),
            ("operator", had("varchar(7)", true)),
            ("remark", had("text", false)),
        ];
        assert_eq!(
            modified(&columns),
            [
                "`duration` decimal(12,3) NULL",
                "`operator` varchar(7) NULL",
                "`rows_inserted` int(11) NOT NULL DEFAULT 0",
            ]
        );
    }

    #[test]
    fn what_is_too_narrow_becomes_wider() {
        let columns = [
            ("table_name", text("varchar(50)", "utf8mb4_general_ci")),
            ("status", text("enum('SUCCESS','FAILED')", "utf8mb4_general_ci")),
            ("error_message", text("text", "latin1_swedish_ci")),
            ("sync_type", text("char(4)", "utf8mb4_bin")),
            ("duration", had("int(11)", false)),
        ];
        assert_eq!(
            modified(&columns),
            [
                "`duration` decimal(12,3) NULL",
                "`error_message` longtext NULL",
                "`status` varchar(20) NOT NULL",
                "`sync_type` varchar(20) NULL",
                "`table_name` varchar(100) NOT NULL",
            ]
        );
    }

    #[test]
    fn what_serves_stays_as_it_is() {
        let columns = [
            ("table_name", text("varchar(100)", "utf8mb3_general_ci")),
            ("status", text("varchar(30)", "utf8mb4_general_ci")),
            ("error_message", text("longtext", "utf8mb4_unicode_ci")),
            ("duration", had("double", false)),
            ("start_time", had("timestamp", false)),
        ];
        assert_eq!(modified(&columns), [] as [&str; 0]);
    }

    #[test]
    fn a_moment_that_moves_with_every_change_is_stopped() {
        let touched = |declared| Had { touched: true, ..had(declared, false) };
        let columns =
            [("created_at", touched("timestamp(6)")), ("start_time", touched("timestamp"))];
        assert_eq!(
            modified(&columns),
            [
                "`created_at` timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)",
                "`start_time` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP",
            ]
        );
    }
}
