//! Statements on the tables that are synced.

use std::ops::RangeInclusive;

use super::expression::{argument, former_signature, is_long, ordinal, shown, signature, written};
use super::{Dialect, SIGNED, Statement, TEXT, UNSIGNED, View};
use crate::model::{Column, ForeignKey, Index, Key, KeyForm, Kind, Row, Value, fit};

/// A stretch of ordinals, both ends included.
pub type Span = RangeInclusive<u64>;

/// Whether rows are locked as they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// They are not.
    None,
    /// They are, and those that others hold are waited for.
    Wait,
    /// They are, and those that others hold are left out of the answer.
    Skip,
}

/// Chunk bounds beyond this are not exact in `INTERVAL()`, which compares doubles.
const EXACT: i128 = 1 << 53;
/// Bits of a hash that a double has no room for.
const INEXACT: u32 = 11;

/// The number of a stretch of rows, how many rows, and the sum of their signatures.
const SUMS: [Kind; 3] = [UNSIGNED, SIGNED, Kind::Decimal { precision: 65, scale: 0 }];

impl View<'_> {
    /// Whole rows by key: the key's cells, the signature (not on SQLite), every synced cell.
    pub fn select_rows(&self, keys: &[Key], lock: Lock) -> Statement {
        let mut columns = self.shown_key();
        let mut cells: Vec<Kind> = self.key_columns().map(|column| column.kind.clone()).collect();
        if self.dialect != Dialect::Sqlite {
            columns.push(signature(self));
            cells.push(UNSIGNED);
        }
        columns.extend(self.columns().map(|column| shown(self.dialect, column)));
        cells.extend(self.columns().map(|column| column.kind.clone()));
        let lock = match lock {
            Lock::Wait if self.dialect != Dialect::Sqlite => " FOR UPDATE",
            Lock::Skip if self.dialect != Dialect::Sqlite => " FOR UPDATE SKIP LOCKED",
            _ => "",
        };
        let (columns, table, matching) =
            (columns.join(","), self.quoted(), self.matching(keys.len()));
        Statement::new(format!("SELECT {columns} FROM {table} WHERE {matching}{lock}"))
            .args(keys.iter().flat_map(|key| self.key_args(key)))
            .cells(cells)
    }

    /// Signatures by key: the key's cells, and the signature. Only for servers that sign by themselves.
    pub fn select_signatures(&self, keys: &[Key]) -> Statement {
        let cells = self.key_columns().map(|column| column.kind.clone()).chain([UNSIGNED]);
        let (key, signature) = (self.shown_key().join(","), signature(self));
        let (table, matching) = (self.quoted(), self.matching(keys.len()));
        Statement::new(format!("SELECT {key},{signature} FROM {table} WHERE {matching}"))
            .args(keys.iter().flat_map(|key| self.key_args(key)))
            .cells(cells)
    }

    /// Ordinal, key and signature of every row within the spans, in the order of ordinals where those are the key.
    /// Only for servers that sign by themselves.
    pub fn select_signed(&self, spans: &[Span]) -> Statement {
        let (ordinal, mut signed) = (ordinal(self), signature(self));
        let mut cells: Vec<Kind> = self.key_columns().map(|column| column.kind.clone()).collect();
        cells.push(UNSIGNED);
        if let Some(former) = self.former {
            let former = former_signature(self, former).unwrap_or_else(|| "NULL".to_owned());
            signed = format!("{signed},{former}");
            cells.push(UNSIGNED);
        }
        let key = self.shown_key().join(",");
        let hashed = self.pair.form.is_hashed();
        let placed = if hashed { format!(",{ordinal} AS db_sync_ordinal") } else { String::new() };
        let order = if hashed { String::new() } else { format!(" ORDER BY {ordinal}") };
        let within = self.within(&ordinal, spans);
        let table = self.quoted();
        if hashed {
            cells.push(UNSIGNED);
        }
        Statement::new(format!("SELECT {key},{signed}{placed} FROM {table}{within}{order}"))
            .cells(cells)
    }

    /// Every synced cell of every row within the spans, and where rows are signed by former columns too, those cells after
    /// them; in the order of ordinals where those are the key.
    /// For servers whose rows the engine signs.
    pub fn select_cells(&self, spans: &[Span]) -> Statement {
        let former = self.former_columns().unwrap_or_default();
        let all = || self.columns().chain(&former);
        let columns: Vec<String> = all().map(|column| shown(self.dialect, column)).collect();
        let table = self.quoted();
        let (within, order) = if self.pair.form.is_hashed() {
            (String::new(), String::new())
        } else {
            let key = self.quoted_key().concat();
            (self.within(&key, spans), format!(" ORDER BY {key}"))
        };
        Statement::new(format!("SELECT {} FROM {table}{within}{order}", columns.join(",")))
            .cells(all().map(|column| column.kind.clone()))
    }

    /// Every synced cell of every row, and by what the row is taken away alone: its signature, or SQLite's own number of it.
    pub fn select_bag(&self) -> Statement {
        let columns: Vec<String> =
            self.columns().map(|column| shown(self.dialect, column)).collect();
        let handle = match self.dialect {
            Dialect::Sqlite => "rowid".to_owned(),
            _ => signature(self),
        };
        let kind = if self.dialect == Dialect::Sqlite { SIGNED } else { UNSIGNED };
        let (columns, table) = (columns.join(","), self.quoted());
        Statement::new(format!("SELECT {handle},{columns} FROM {table}"))
            .cells([kind].into_iter().chain(self.columns().map(|column| column.kind.clone())))
    }

    /// One row goes, by what [`Self::select_bag`] gave.
    pub fn delete_one(&self, handle: Value) -> Statement {
        let table = self.quoted();
        let sql = match self.dialect {
            Dialect::Sqlite => format!("DELETE FROM {table} WHERE rowid=?"),
            _ => format!("DELETE FROM {table} WHERE {}=? LIMIT 1", signature(self)),
        };
        Statement::new(sql).args([handle])
    }

    /// Count and sum of signatures per stretch of ordinals, by the stretch's number; stretches without rows are absent. Each
    /// is a range of the key's index, added up as it is read, which is cheaper than grouping; the expression stands there for
    /// each, so that a statement should hold few.
    pub fn select_sums(&self, spans: &[Span]) -> Statement {
        let (signature, table, place) = (signature(self), self.quoted(), ordinal(self));
        let sums = spans.iter().enumerate().map(|(at, span)| {
            let within = self.within(&place, std::slice::from_ref(span));
            format!("SELECT {at},COUNT(*),SUM({signature}) FROM {table}{within} HAVING COUNT(*)>0")
        });
        Statement::new(sums.collect::<Vec<_>>().join(" UNION ALL ")).cells(SUMS).plain()
    }

    /// Count and sum of signatures per chunk, by the chunk's number. `lows` are the chunks' lowest ordinals, ascending; the last
    /// chunk ends at `last`. Chunks without rows are absent.
    pub fn select_digests(&self, lows: &[u64], last: u64) -> Statement {
        let (signature, table, place) = (signature(self), self.quoted(), ordinal(self));
        let first = lows.first().copied().unwrap_or(0);
        let within = self.within(&place, &[first..=last]);
        let bounds: Vec<i128> = lows
            .iter()
            .skip(1)
            .map(|low| self.pair.form.integer(*low).unwrap_or(i128::from(*low)))
            .collect();
        let exact = bounds.iter().all(|bound| bound.abs() <= EXACT);
        if bounds.is_empty() || !exact {
            let ends = lows.iter().skip(1).map(|low| low - 1).chain([last]);
            let spans: Vec<Span> = lows.iter().zip(ends).map(|(low, high)| *low..=high).collect();
            return self.select_sums(&spans);
        }
        let bounds: Vec<String> = bounds.iter().map(ToString::to_string).collect();
        let chunk = format!("INTERVAL({place},{})", bounds.join(","));
        Statement::new(format!(
            "SELECT {chunk} AS db_sync_chunk,COUNT(*),SUM({signature}) FROM {table}{within} GROUP BY db_sync_chunk"
        ))
        .cells(SUMS)
        .plain()
    }

    /// Count and sum of signatures per `2^shift` ordinals, for hashed keys: the cell's number, then both.
    pub fn select_hash_digests(&self, shift: u32) -> Statement {
        let (signature, table, place) = (signature(self), self.quoted(), ordinal(self));
        let cell = format!("({place})>>{shift}");
        Statement::new(format!(
            "SELECT CAST({cell} AS UNSIGNED) AS db_sync_chunk,COUNT(*),SUM({signature}) FROM {table} GROUP BY db_sync_chunk"
        ))
        .cells(SUMS)
        .plain()
    }

    /// Which of these rows have more than `least` bytes in their columns without a limit: the key, and how many bytes.
    pub fn select_large(&self, keys: &[Key], least: usize) -> Statement {
        let long = self.columns().filter(|column| is_long(&column.kind));
        let length = |column: &Column| {
            let name = self.dialect.quote(&column.name);
            match self.dialect {
                Dialect::Sqlite => format!("IFNULL(LENGTH(CAST({name} AS BLOB)),0)"),
                _ => format!("IFNULL(LENGTH({name}),0)"),
            }
        };
        let size = long.map(length).chain(["0".to_owned()]).collect::<Vec<_>>().join("+");
        let (key, table) = (self.shown_key().join(","), self.quoted());
        let matching = self.matching(keys.len());
        let mut cells: Vec<Kind> = self.key_columns().map(|column| column.kind.clone()).collect();
        cells.push(SIGNED);
        Statement::new(format!(
            "SELECT {key},CAST({size} AS {}) FROM {table} WHERE ({matching}) AND {size}>{least}",
            if self.dialect == Dialect::Sqlite { "INTEGER" } else { "SIGNED" }
        ))
        .args(keys.iter().flat_map(|key| self.key_args(key)))
        .cells(cells)
    }

    /// How many rows there are.
    pub fn select_count(&self) -> Statement {
        Statement::new(format!("SELECT COUNT(*) FROM {}", self.quoted())).cells([SIGNED]).plain()
    }

    /// When any row was last written, as text: the end of an index.
    pub fn select_newest(&self, dated: &Column) -> Statement {
        let (table, column) = (self.quoted(), self.dialect.quote(&dated.name));
        let text = if self.dialect == Dialect::Sqlite { "TEXT" } else { "CHAR" };
        Statement::new(format!("SELECT CAST(MAX({column}) AS {text}) FROM {table}")).cells([TEXT])
    }

    /// New rows, all cells given.
    pub fn insert(&self, rows: &[Row]) -> Statement {
        self.insert_into(&self.quoted(), rows)
    }

    /// One row takes new cells. Every synced column is named, so that `ON UPDATE CURRENT_TIMESTAMP` does not fire.
    pub fn update(&self, key: &Key, row: &Row) -> Statement {
        let set: Vec<String> = self.columns().map(|column| self.assignment(column)).collect();
        Statement::new(format!(
            "UPDATE {} SET {} WHERE {}",
            self.quoted(),
            set.join(","),
            self.matching(1)
        ))
        .args(row.iter().cloned())
        .args(self.key_args(key))
    }

    /// Some columns (by position) of one row take new cells.
    pub fn update_columns(&self, key: &Key, cells: &[(usize, Value)]) -> Statement {
        let column = |at: usize| &self.pair.columns[at].sides[self.side];
        let set: Vec<String> = cells.iter().map(|(at, _)| self.assignment(column(*at))).collect();
        Statement::new(format!(
            "UPDATE {} SET {} WHERE {}",
            self.quoted(),
            set.join(","),
            self.matching(1)
        ))
        .args(cells.iter().map(|(_, value)| value.clone()))
        .args(self.key_args(key))
    }

    fn assignment(&self, column: &Column) -> String {
        format!("{}={}", self.dialect.quote(&column.name), written(self.dialect, column))
    }

    /// Rows go.
    pub fn delete(&self, keys: &[Key]) -> Statement {
        Statement::new(format!("DELETE FROM {} WHERE {}", self.quoted(), self.matching(keys.len())))
            .args(keys.iter().flat_map(|key| self.key_args(key)))
    }

    /// The parents' keys, among these values of the columns that a foreign key refers to, to which
    /// children still refer.
    pub fn select_referred(
        &self,
        foreign_key: &ForeignKey,
        values: &[Vec<Value>],
        parents: &[&Column],
        orphans: bool,
    ) -> Statement {
        let columns: Vec<String> =
            foreign_key.columns.iter().map(|name| self.dialect.quote(name)).collect();
        let places =
            parents.iter().map(|parent| argument(self.dialect, parent)).collect::<Vec<_>>();
        let child = self.child(foreign_key);
        let mut matching = matching(self.dialect, &columns, &places, values.len());
        if orphans {
            let (parent, meets) = self.meeting("db_sync_child", "db_sync_parent", foreign_key);
            matching = format!(
                "({matching}) AND NOT EXISTS (SELECT 1 FROM {parent} AS db_sync_parent WHERE {meets})"
            );
        }
        // A foreign key's columns are of their parents' types.
        let child_column = |(name, parent): (&String, &&Column)| Column {
            name: name.clone(),
            ..(*parent).clone()
        };
        let child_columns = foreign_key.columns.iter().zip(parents).map(child_column);
        let columns: Vec<String> =
            child_columns.map(|column| shown(self.dialect, &column)).collect();
        let columns = columns.join(",");
        Statement::new(format!(
            "SELECT DISTINCT {columns} FROM {child} AS db_sync_child WHERE {matching}"
        ))
        .args(values.iter().flatten().cloned())
        .cells(parents.iter().map(|parent| parent.kind.clone()))
    }

    /// Which of these rows refer to a parent that is not there; the parents that are cannot go before the transaction ends.
    pub fn select_orphans(&self, foreign_key: &ForeignKey, keys: &[Key]) -> Statement {
        let table = self.quoted();
        let given = |name: &String| format!("{table}.{} IS NOT NULL", self.dialect.quote(name));
        let given: Vec<String> = foreign_key.columns.iter().map(given).collect();
        let (parent, meets) = self.meeting(&table, "db_sync_parent", foreign_key);
        let lock = if self.dialect == Dialect::Sqlite { "" } else { " LOCK IN SHARE MODE" };
        let (key, given) = (self.shown_key().join(","), given.join(" AND "));
        let matching = self.matching(keys.len());
        Statement::new(format!(
            "SELECT {key} FROM {table} WHERE ({matching}) AND {given} AND NOT EXISTS \
             (SELECT 1 FROM {parent} AS db_sync_parent WHERE {meets}{lock})"
        ))
        .args(keys.iter().flat_map(|key| self.key_args(key)))
        .cells(self.key_columns().map(|column| column.kind.clone()))
    }

    /// Which of these rows have children by a foreign key.
    pub fn select_parents(&self, foreign_key: &ForeignKey, keys: &[Key]) -> Statement {
        let (table, child) = (self.quoted(), self.child(foreign_key));
        let (_, meets) = self.meeting("db_sync_child", &table, foreign_key);
        let (key, matching) = (self.shown_key().join(","), self.matching(keys.len()));
        Statement::new(format!(
            "SELECT {key} FROM {table} WHERE ({matching}) AND EXISTS \
             (SELECT 1 FROM {child} AS db_sync_child WHERE {meets})"
        ))
        .args(keys.iter().flat_map(|key| self.key_args(key)))
        .cells(self.key_columns().map(|column| column.kind.clone()))
    }

    /// Something, where there are more than so many rows.
    pub fn select_beyond(&self, rows: usize) -> Statement {
        let table = self.quoted();
        Statement::new(format!("SELECT 1 FROM {table} LIMIT 1 OFFSET {rows}")).cells([SIGNED])
    }

    /// Every row that refers to a parent that is not there.
    pub fn select_all_orphans(&self, foreign_key: &ForeignKey) -> Statement {
        let (table, quote) = (self.quoted(), |name: &String| self.dialect.quote(name));
        let (mut given, mut meets, mut referred) = (Vec::new(), Vec::new(), Vec::new());
        let pairs = foreign_key.columns.iter().zip(&foreign_key.parent_columns);
        for (at, (column, parent)) in pairs.enumerate() {
            let column = format!("{table}.{}", quote(column));
            given.push(format!("{column} IS NOT NULL"));
            meets.push(format!("db_sync_parent.db_sync_{at}={column}"));
            referred.push(format!("{} AS db_sync_{at}", quote(parent)));
        }
        let (given, meets) = (given.join(" AND "), meets.join(" AND "));
        let (key, referred) = (self.shown_key().join(","), referred.join(","));
        let parent = quote(&foreign_key.parent);
        // A join takes half the time of a NOT EXISTS, for which MariaDB makes a list of all parents. Along the foreign key's own
        // index the parents are met in order; a server that has just taken the rows knows too little of them to see that.
        let hint = self.index_of(&foreign_key.columns);
        let hint = hint.map_or_else(String::new, |name| format!(" FORCE INDEX ({})", quote(name)));
        Statement::new(format!(
            "SELECT {key} FROM {table}{hint} LEFT JOIN (SELECT {referred} FROM {parent}) AS db_sync_parent \
             ON {meets} WHERE {given} AND db_sync_parent.db_sync_0 IS NULL"
        ))
        .cells(self.key_columns().map(|column| column.kind.clone()))
    }

    /// A server's index that begins with these columns and is not the order in which the rows lie anyway.
    fn index_of(&self, columns: &[String]) -> Option<&String> {
        let table = &self.pair.tables[self.side];
        let begins = |index: &&Index| {
            let mut both = index.columns.iter().zip(columns);
            index.columns.len() >= columns.len()
                && index.method == "BTREE"
                && both.all(|((name, part), column)| name == column && part.is_none())
        };
        let found = table.indexes.iter().find(begins).filter(|_| self.dialect != Dialect::Sqlite);
        found.map(|index| &index.name)
    }

    /// One child by a foreign key, where there is any.
    pub fn select_any_child(&self, foreign_key: &ForeignKey) -> Statement {
        let child = self.child(foreign_key);
        let given = |name: &String| format!("{} IS NOT NULL", self.dialect.quote(name));
        let given: Vec<String> = foreign_key.columns.iter().map(given).collect();
        let given = given.join(" AND ");
        Statement::new(format!("SELECT 1 FROM {child} WHERE {given} LIMIT 1")).cells([SIGNED])
    }

    /// The table that refers, which may stand in another database of the server.
    fn child(&self, foreign_key: &ForeignKey) -> String {
        let database = foreign_key.child_database.iter().map(|name| self.dialect.quote(name) + ".");
        database.collect::<String>() + &self.dialect.quote(&foreign_key.child)
    }

    /// The parent's table, and that a child and a parent, by the names that they go under, belong together.
    fn meeting(&self, child: &str, parent: &str, foreign_key: &ForeignKey) -> (String, String) {
        let quote = |name: &String| self.dialect.quote(name);
        let pairs = foreign_key.parent_columns.iter().zip(&foreign_key.columns);
        let meets = pairs.map(|(referred, column)| {
            format!("{parent}.{}={child}.{}", quote(referred), quote(column))
        });
        (quote(&foreign_key.parent), meets.collect::<Vec<_>>().join(" AND "))
    }

    /// A key's cells in the form in which this side's columns take them.
    fn key_args(&self, key: &Key) -> Vec<Value> {
        let fitted = |(column, value)| fit::fit(value, column).unwrap_or_else(|_| value.clone());
        self.key_columns().zip(&key.0).map(fitted).collect()
    }

    fn shown_key(&self) -> Vec<String> {
        self.key_columns().map(|column| shown(self.dialect, column)).collect()
    }

    fn matching(&self, keys: usize) -> String {
        let places: Vec<String> =
            self.key_columns().map(|column| argument(self.dialect, column)).collect();
        matching(self.dialect, &self.quoted_key(), &places, keys)
    }

    /// `WHERE` the ordinal lies in one of the spans; nothing where that is all of them.
    fn within(&self, place: &str, spans: &[Span]) -> String {
        if spans.iter().any(|span| *span.start() == 0 && *span.end() == u64::MAX) {
            return String::new();
        }
        if self.pair.form.is_hashed()
            && spans.len() > 1
            && let Some(within) = within_hashes(place, spans)
        {
            return format!(" WHERE {within}");
        }
        let literal = |ordinal: u64| match self.pair.form {
            KeyForm::Hashed(_) => ordinal.to_string(),
            ref form => form.integer(ordinal).unwrap_or_default().to_string(),
        };
        let ranges = spans.iter().map(|span| match (*span.start(), *span.end()) {
            (0, high) => format!("{place}<={}", literal(high)),
            (low, u64::MAX) => format!("{place}>={}", literal(low)),
            (low, high) => format!("{place} BETWEEN {} AND {}", literal(low), literal(high)),
        });
        let ranges: Vec<String> = ranges.collect();
        if ranges.is_empty() {
            " WHERE 1=0".to_owned()
        } else {
            format!(" WHERE {}", ranges.join(" OR "))
        }
    }
}

/// Whether a hash lies in one of the spans, computed once a row; `None` where a bound has digits that doubles do not have.
fn within_hashes(hash: &str, spans: &[Span]) -> Option<String> {
    let exact = |bound: u64| bound.trailing_zeros() >= INEXACT || bound == 0;
    let mut bounds = Vec::with_capacity(spans.len() * 2);
    for span in spans {
        let after = span.end().wrapping_add(1);
        if !exact(*span.start()) || !exact(after) {
            return None;
        }
        bounds.push((span.start() >> INEXACT).to_string());
        let after = if after == 0 { 1 << (64 - INEXACT) } else { after >> INEXACT };
        bounds.push(after.to_string());
    }
    // The number of bounds that the hash is not below: odd within a span.
    Some(format!("INTERVAL(({hash})>>{INEXACT},{})%2=1", bounds.join(",")))
}

/// `columns` equal one of `n` tuples of arguments, each written as its column needs it.
fn matching(dialect: Dialect, columns: &[String], places: &[String], n: usize) -> String {
    let listed = |place: &str| vec![place; n].join(",");
    match (columns, places) {
        ([column], [place]) if n == 1 => format!("{column}={place}"),
        ([column], [place]) => format!("{column} IN ({})", listed(place)),
        // MariaDB looks through the whole table for rows of several columns in a list (a thousand in 8.6 s where this takes 10 ms).
        _ if n == 1 || dialect == Dialect::MariaDb => {
            let equal =
                columns.iter().zip(places).map(|(column, place)| format!("{column}={place}"));
            let equal = format!("({})", equal.collect::<Vec<_>>().join(" AND "));
            vec![equal; n].join(" OR ")
        }
        _ => {
            let tuple = format!("({})", places.join(","));
            let values = if dialect == Dialect::Sqlite { "VALUES " } else { "" };
            format!("({}) IN ({values}{})", columns.join(","), listed(&tuple))
        }
    }
}
