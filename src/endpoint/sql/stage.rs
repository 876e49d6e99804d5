//! The temporary table in which rows wait that will take the place of others.

use super::expression::written;
use super::{Statement, View};
use crate::model::Row;

fn name(number: usize) -> String {
    format!("db_sync_stage_{number}")
}

impl View<'_> {
    /// Makes the temporary table, with the synced columns as they are: nothing is converted on its way through.
    pub fn create_stage(&self, number: usize) -> String {
        let (columns, table) = (self.quoted_columns().join(","), self.quoted());
        let stage = self.dialect.quote(&name(number));
        format!("CREATE TEMPORARY TABLE {stage} AS SELECT {columns} FROM {table} WHERE 1=0")
    }

    /// Empties it. (`TRUNCATE` would commit.)
    pub fn empty_stage(&self, number: usize) -> String {
        format!("DELETE FROM {}", self.dialect.quote(&name(number)))
    }

    /// Puts rows into it.
    pub fn insert_into_stage(&self, number: usize, rows: &[Row]) -> Statement {
        self.insert_into(&self.dialect.quote(&name(number)), rows)
    }

    /// Every row whose key stands there takes the cells from there. The table is looked up by its key, row by row, whatever
    /// the server thinks of the sizes.
    pub fn update_from_stage(&self, number: usize) -> String {
        let (stage, table) = (self.dialect.quote(&name(number)), self.quoted());
        let cells = self.quoted_columns();
        let pairs = |columns: Vec<String>, between: &str| {
            let pair = |column: &String| format!("{table}.{column}={stage}.{column}");
            columns.iter().map(pair).collect::<Vec<_>>().join(between)
        };
        let (meets, set) = (pairs(self.quoted_key(), " AND "), pairs(cells, ","));
        format!("UPDATE {stage} STRAIGHT_JOIN {table} ON {meets} SET {set}")
    }

    /// New rows in a table of these columns, all cells given.
    pub(super) fn insert_into(&self, table: &str, rows: &[Row]) -> Statement {
        let places: Vec<&str> =
            self.columns().map(|column| written(self.dialect, column)).collect();
        let values = vec![format!("({})", places.join(",")); rows.len()].join(",");
        let columns = self.quoted_columns().join(",");
        Statement::new(format!("INSERT INTO {table} ({columns}) VALUES {values}"))
            .args(rows.iter().flatten().cloned())
    }

    fn quoted_columns(&self) -> Vec<String> {
        self.columns().map(|column| self.dialect.quote(&column.name)).collect()
    }
}
