//! A table as another kind of server would define it, and the statements that bring two definitions together.

use std::collections::HashSet;

use super::Dialect;
use crate::model::value::hex;
use crate::model::{Column, DefaultValue, ForeignKey, Kind, Table};

/// Digits up to which SQLite's numbers keep every decimal number.
const SQLITE_DIGITS: u8 = 15;

/// How a table is made on another side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Creation {
    /// What makes the table.
    pub table: String,
    /// What makes those of its indexes, by name, that are not made with it.
    pub indexes: Vec<(String, String)>,
    /// What adds its foreign keys, by name, once every table is there.
    pub foreign_keys: Vec<(String, String)>,
    /// What could not be carried over, with the name of the column, index or foreign key.
    pub left_out: Vec<(LeftOut, String)>,
}

impl Creation {
    /// Everything, in order.
    pub fn statements(&self) -> Vec<String> {
        let parts = self.indexes.iter().chain(&self.foreign_keys).map(|(_, sql)| sql);
        std::iter::once(&self.table).chain(parts).cloned().collect()
    }
}

/// Part of a definition that another kind of server has no words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// An index.
    Index,
    /// A foreign key.
    ForeignKey,
    /// The expression that computes a column.
    Expression,
    /// A column's default.
    Default,
}

/// Who translates: from which words into which, and which collations the other server knows.
#[derive(Clone, Copy, Debug)]
pub struct Translation<'a> {
    /// The words of the side that has the table.
    pub from: Dialect,
    /// The words of the side that shall have it.
    pub to: Dialect,
    /// The collations that the other server has.
    pub collations: &'a HashSet<String>,
}

impl Translation<'_> {
    /// The statements that make a table.
    pub fn table(&self, table: &Table) -> Creation {
        let mut creation = Creation::default();
        let quote = |name: &str| self.to.quote(name);
        let mut lines: Vec<String> = table
            .columns
            .iter()
            .map(|column| self.definition(table, column, &mut creation.left_out))
            .collect();
        let key = table.uniques.iter().find(|unique| unique.primary);
        for unique in &table.uniques {
            let columns: Vec<String> =
                unique.columns.iter().map(|at| quote(&table.columns[*at].name)).collect();
            let columns = columns.join(", ");
            match (unique.primary, self.to) {
                (true, Dialect::Sqlite) if counts_by_itself(table) => {}
                (true, _) => lines.push(format!("PRIMARY KEY ({columns})")),
                (false, Dialect::Sqlite) => lines.push(format!("UNIQUE ({columns})")),
                (false, _) => lines.push(format!("UNIQUE KEY {} ({columns})", quote(&unique.name))),
            }
        }
        debug_assert!(key.is_none_or(|key| !key.columns.is_empty()));
        for index in &table.indexes {
            let ordinary = index.method == "BTREE" || index.method == "HASH";
            let known = |name: &String| table.columns.iter().any(|column| column.name == *name);
            let carried = (ordinary || self.to != Dialect::Sqlite && self.from != Dialect::Sqlite)
                && index.columns.iter().all(|(name, _)| known(name));
            if !carried {
                creation.left_out.push((LeftOut::Index, index.name.clone()));
                continue;
            }
            let part = |(name, part): &(String, Option<u64>)| {
                let column = table.columns.iter().find(|column| column.name == *name);
                // A server wants to know how much of a text without a length counts.
                let long = column
                    .is_some_and(|column| self.column_type(table, column).starts_with("long"));
                let part = part.or_else(|| (long && ordinary).then_some(100));
                match part.filter(|_| self.to != Dialect::Sqlite && ordinary) {
                    Some(part) => format!("{}({part})", quote(name)),
                    None => quote(name),
                }
            };
            let columns = index.columns.iter().map(part).collect::<Vec<_>>().join(", ");
            if self.to == Dialect::Sqlite {
                let name = quote(&format!("{}_{}", table.name, index.name));
                let sql = format!("CREATE INDEX {name} ON {} ({columns})", quote(&table.name));
                creation.indexes.push((index.name.clone(), sql));
            } else {
                let method = if ordinary { String::new() } else { format!("{} ", index.method) };
                lines.push(format!("{method}KEY {} ({columns})", quote(&index.name)));
            }
        }
        for foreign_key in &table.foreign_keys {
            let constraint = self.foreign_key(foreign_key);
            if self.to == Dialect::Sqlite {
                lines.push(constraint);
            } else {
                let (table, name) = (quote(&table.name), quote(&foreign_key.name));
                let sql = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {constraint}");
                creation.foreign_keys.push((foreign_key.name.clone(), sql));
            }
        }
        let options = match (self.to, &table.collation) {
            (Dialect::Sqlite, _) => String::new(),
            (_, Some(collation)) => {
                let collation = self.collation(collation);
                let set = collation.split('_').next().unwrap_or("utf8mb4");
                format!(" ENGINE=InnoDB DEFAULT CHARSET={set} COLLATE={collation}")
            }
            _ => " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin".to_owned(),
        };
        let lines = lines.join(",\n  ");
        creation.table = format!("CREATE TABLE {} (\n  {lines}\n){options}", quote(&table.name));
        creation
    }

    /// The statement that adds a column which the other side alone has.
    pub fn add_column(&self, table: &Table, column: &Column, to_table: &str) -> String {
        let definition = self.definition(table, column, &mut Vec::new());
        format!("ALTER TABLE {} ADD COLUMN {definition}", self.to.quote(to_table))
    }

    /// The statement that gives a column the type that the other side's has; SQLite cannot change a type.
    pub fn modify_column(
        &self,
        table: &Table,
        column: &Column,
        to: (&str, &str),
    ) -> Option<String> {
        let mut column = column.clone();
        to.1.clone_into(&mut column.name);
        let definition = self.definition(table, &column, &mut Vec::new());
        let table = self.to.quote(to.0);
        (self.to != Dialect::Sqlite)
            .then(|| format!("ALTER TABLE {table} MODIFY COLUMN {definition}"))
    }

    fn foreign_key(&self, key: &ForeignKey) -> String {
        let list = |names: &[String]| {
            names.iter().map(|name| self.to.quote(name)).collect::<Vec<_>>().join(", ")
        };
        format!(
            "FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE {} ON UPDATE {}",
            list(&key.columns),
            self.to.quote(&key.parent),
            list(&key.parent_columns),
            key.on_delete.as_sql(),
            key.on_update.as_sql()
        )
    }

    fn definition(
        &self,
        table: &Table,
        column: &Column,
        left_out: &mut Vec<(LeftOut, String)>,
    ) -> String {
        let name = self.to.quote(&column.name);
        let kind = self.column_type(table, column);
        if self.to == Dialect::Sqlite && column.counts && counts_by_itself(table) {
            return format!("{name} integer NOT NULL PRIMARY KEY AUTOINCREMENT");
        }
        let related = self.from != Dialect::Sqlite && self.to != Dialect::Sqlite;
        let mut text = format!("{name} {kind}");
        if let Some(computed) = &column.computed {
            if related {
                let kept = if computed.stored { "STORED" } else { "VIRTUAL" };
                return format!("{text} GENERATED ALWAYS AS ({}) {kept}", computed.expression);
            }
            left_out.push((LeftOut::Expression, column.name.clone()));
            return text;
        }
        text += match (column.nullable, &column.kind) {
            (false, _) => " NOT NULL",
            // An older MariaDB makes a TIMESTAMP without it NOT NULL.
            (true, _) => " NULL",
        };
        match self.default(column, &kind) {
            Ok(default) => text += &default,
            Err(()) => left_out.push((LeftOut::Default, column.name.clone())),
        }
        if let (true, true, Kind::DateTime { fraction } | Kind::Timestamp { fraction }) =
            (column.touched, related, &column.kind)
        {
            text = format!("{text} ON UPDATE CURRENT_TIMESTAMP({fraction})");
        }
        if column.counts && self.to != Dialect::Sqlite {
            text += " AUTO_INCREMENT";
        }
        if column.invisible && related {
            text += " INVISIBLE";
        }
        text
    }

    /// The default as SQL; an error where it cannot be carried over.
    fn default(&self, column: &Column, kind: &str) -> Result<String, ()> {
        let bytes = matches!(column.kind, Kind::Bytes { .. });
        let takes_none = self.to != Dialect::Sqlite
            && (kind.contains("text") || kind.contains("blob") || kind == "json");
        match &column.default {
            None => Ok(String::new()),
            Some(DefaultValue::Literal(text)) if bytes && !takes_none => {
                bytes_default(text).map(|hex| format!(" DEFAULT x'{hex}'")).ok_or(())
            }
            Some(DefaultValue::Literal(text)) if !takes_none => {
                Ok(format!(" DEFAULT {}", self.literal(text)))
            }
            Some(DefaultValue::Expression(sql)) => {
                let plain = sql.to_lowercase();
                let now = plain.starts_with("current_timestamp") || plain.starts_with("now(");
                let number = sql.parse::<f64>().is_ok();
                if now && self.to == Dialect::Sqlite {
                    Ok(" DEFAULT CURRENT_TIMESTAMP".to_owned())
                } else if now && self.from == Dialect::Sqlite {
                    Ok(" DEFAULT CURRENT_TIMESTAMP(6)".to_owned())
                } else if now || number || self.from == self.to {
                    let bare = now || number || self.to == Dialect::Sqlite && self.from != self.to;
                    Ok(if bare { format!(" DEFAULT {sql}") } else { format!(" DEFAULT ({sql})") })
                } else {
                    Err(())
                }
            }
            Some(DefaultValue::Literal(_)) => Err(()),
        }
    }

    fn literal(&self, text: &str) -> String {
        let quoted = text.replace('\'', "''");
        let quoted = if self.to == Dialect::Sqlite { quoted } else { quoted.replace('\\', "\\\\") };
        format!("'{quoted}'")
    }

    fn column_type(&self, table: &Table, column: &Column) -> String {
        let kind = match (self.from, self.to) {
            (_, Dialect::Sqlite) => sqlite_type(column, self.from),
            (Dialect::Sqlite, _) => server_type(table, column),
            _ => self.related_type(column),
        };
        let text = matches!(column.kind, Kind::Text { .. } | Kind::Enum(_) | Kind::Set(_));
        match (&column.collation, self.to) {
            (Some(collation), Dialect::MySql | Dialect::MariaDb) if text => {
                let collation = self.collation(collation);
                let set = collation.split('_').next().unwrap_or("utf8mb4");
                format!("{kind} CHARACTER SET {set} COLLATE {collation}")
            }
            _ => kind,
        }
    }

    /// A type of MySQL's on MariaDB, or the other way round.
    fn related_type(&self, column: &Column) -> String {
        let declared = column.declared.to_lowercase();
        let same = self.from == self.to;
        match &column.kind {
            _ if same && !matches!(column.kind, Kind::Json { .. }) => column.declared.clone(),
            Kind::Json { .. } => "json".to_owned(),
            Kind::Uuid => "char(36) CHARACTER SET ascii COLLATE ascii_general_ci".to_owned(),
            Kind::Inet => "varchar(39) CHARACTER SET ascii COLLATE ascii_general_ci".to_owned(),
            Kind::Raw if declared.starts_with("vector") => "longblob".to_owned(),
            _ => column.declared.clone(),
        }
    }

    /// The collation of this name, or the nearest that the other server has.
    fn collation(&self, name: &str) -> String {
        let known = |name: &str| self.collations.contains(name);
        if known(name) || self.collations.is_empty() {
            return name.to_owned();
        }
        let set = name.split('_').next().unwrap_or("utf8mb4").replace("utf8mb3", "utf8");
        let set = if known(&format!("{set}_bin")) { set } else { set.replace("utf8", "utf8mb3") };
        let sees_case = name.ends_with("_cs") || name.ends_with("_bin");
        let sees_accents = sees_case || name.contains("_as_");
        let pads = !name.contains("_0900_") && !name.contains("nopad");
        let wanted: Vec<String> = match (sees_case, sees_accents, pads) {
            (true, ..) if name.ends_with("_bin") => {
                vec![format!("{set}_0900_bin"), format!("{set}_nopad_bin")]
            }
            (true, _, false) => ["0900_as_cs", "uca1400_nopad_as_cs"]
                .iter()
                .map(|tail| format!("{set}_{tail}"))
                .collect(),
            (true, _, true) => vec![format!("{set}_uca1400_as_cs"), format!("{set}_0900_as_cs")],
            (_, true, _) => vec![format!("{set}_0900_as_ci"), format!("{set}_uca1400_nopad_as_ci")],
            (_, _, false) => vec![
                format!("{set}_0900_ai_ci"),
                format!("{set}_uca1400_nopad_ai_ci"),
                format!("{set}_unicode_520_nopad_ci"),
            ],
            (_, _, true) => vec![
                format!("{set}_uca1400_ai_ci"),
                format!("{set}_unicode_520_ci"),
                format!("{set}_unicode_ci"),
            ],
        };
        // Where nothing is alike, bytes: then no two values of the other side become one.
        let found = wanted.into_iter().find(|name| known(name));
        found.unwrap_or_else(|| format!("{set}_bin"))
    }
}

/// A default of bytes in digits. MySQL's catalogue has it so; MariaDB's has text, filled up to the column's width, in which
/// what is no text has become a question mark.
fn bytes_default(text: &str) -> Option<String> {
    if let Some(hex) = text.strip_prefix("0x") {
        return Some(hex.to_owned());
    }
    let text = text.trim_end_matches('\0');
    (!text.contains('?')).then(|| hex(text.as_bytes()))
}

/// Whether SQLite's own counting key stands for the table's.
fn counts_by_itself(table: &Table) -> bool {
    let key = table.uniques.iter().find(|unique| unique.primary);
    key.is_some_and(|key| matches!(&key.columns[..], [at] if table.columns[*at].counts))
}

/// An integer type without the width at which it is shown, which SQLite takes at a type's end alone.
fn integer(declared: &str) -> String {
    let declared = declared.to_lowercase();
    let name = declared.split(['(', ' ']).next().unwrap_or("bigint");
    let unsigned = declared.contains("unsigned") || declared.contains("zerofill");
    if unsigned { format!("{name} unsigned") } else { name.to_owned() }
}

/// A server's type on SQLite, whose columns are named so that every value is kept.
fn sqlite_type(column: &Column, from: Dialect) -> String {
    if from == Dialect::Sqlite {
        return column.declared.clone();
    }
    match &column.kind {
        Kind::Int { .. } => integer(&column.declared),
        Kind::Bit(_) | Kind::Year => "integer".to_owned(),
        Kind::Decimal { precision, scale } if *precision <= SQLITE_DIGITS => {
            format!("decimal({precision},{scale})")
        }
        Kind::Decimal { .. } | Kind::Json { .. } => "text".to_owned(),
        Kind::Float | Kind::Double => "real".to_owned(),
        Kind::Text { chars: Some(chars), .. } => format!("varchar({chars})"),
        Kind::Enum(_) | Kind::Set(_) => "varchar(255)".to_owned(),
        Kind::Date => "date".to_owned(),
        Kind::DateTime { .. } | Kind::Timestamp { .. } => "datetime".to_owned(),
        Kind::Time { .. } => "time".to_owned(),
        Kind::Uuid => "char(36)".to_owned(),
        Kind::Inet => "varchar(39)".to_owned(),
        Kind::Bytes { .. } | Kind::Raw => "blob".to_owned(),
        _ => "text".to_owned(),
    }
}

/// A type of SQLite's on a server.
fn server_type(table: &Table, column: &Column) -> String {
    let declared = column.declared.to_lowercase();
    let sized = declared.contains('(') && declared.ends_with(')');
    let keyed = table
        .uniques
        .iter()
        .flat_map(|unique| &unique.columns)
        .any(|at| table.columns[*at].name == column.name);
    match &column.kind {
        Kind::Int { .. } if declared.starts_with("bool") => "tinyint(1)".to_owned(),
        Kind::Int { .. } if declared.contains("unsigned") => "bigint unsigned".to_owned(),
        Kind::Int { .. } => "bigint".to_owned(),
        Kind::Numeric if sized && declared.starts_with("decimal") => declared,
        Kind::Numeric => "decimal(65,30)".to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Text { .. } if sized && declared.contains("char") => declared,
        Kind::Text { .. } if keyed => "varchar(255)".to_owned(),
        Kind::Text { .. } => "longtext".to_owned(),
        Kind::Date => "date".to_owned(),
        Kind::DateTime { .. } => "datetime(6)".to_owned(),
        Kind::Time { .. } => "time(6)".to_owned(),
        Kind::Json { .. } => "json".to_owned(),
        _ if keyed => "varbinary(255)".to_owned(),
        _ => "longblob".to_owned(),
    }
}
