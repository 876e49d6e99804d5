//! The base: what each side held after the last sync, 10 to 24 bytes a row, packed by chunks.
//!
//! A chunk is a stretch of ordinals from its `low` up to the next chunk's; the first starts at 0. Its row
//! holds each side's digest and a blob of entries in the order of ordinals. The base lives on LOCAL and is
//! written in the transaction of the local rows that it describes. It is bound to a stamp: what it was
//! made from. A base with another stamp counts as none.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::chunk::{Entries, Step, changed, digests, pack, pieces, unpack};
use super::stamp::{Stamp, Standing};
use crate::endpoint::read::Digest;
use crate::endpoint::sql::{BYTES, SIGNED, TEXT, own};
use crate::endpoint::{Connection, Dialect};
use crate::error::Result;
use crate::model::{KeyForm, PerSide, Value};
use crate::plan::merge::Entry;

const TABLE: &str = "db_sync_base";
const STATE: &str = "db_sync_state";

/// Chunks that are read in one statement.
const READ: usize = 64;
/// Bytes of blobs that are written in one statement.
const WRITTEN: usize = 2 << 20;

/// The databases of which any base is kept here.
///
/// # Errors
/// The failure with its code.
pub async fn databases(
    connection: &mut Connection,
    dialect: Dialect,
) -> Result<Vec<PerSide<String>>> {
    let rows =
        connection.fetch(&own::select(dialect, STATE, &[("stamp", TEXT)], &[], "id")).await?;
    Ok(rows.iter().filter_map(|row| Stamp::databases(row[0].as_text()?)).collect())
}

/// The tables whose base was written by another version, so that it counts as none.
///
/// # Errors
/// The failure with its code.
pub async fn outdated(connection: &mut Connection, dialect: Dialect) -> Result<Vec<String>> {
    let columns = [("table_name", TEXT), ("stamp", TEXT)];
    let rows = connection.fetch(&own::select(dialect, STATE, &columns, &[], "table_name")).await?;
    let other = rows.iter().filter(|row| !row[1].as_text().is_some_and(Stamp::is_current));
    Ok(other.filter_map(|row| row[0].as_text().map(ToOwned::to_owned)).collect())
}

/// Notes how far each side has come with a table, and (`known`) how their databases are known again.
///
/// # Errors
/// The failure with its code.
pub async fn see(
    connection: &mut Connection,
    dialect: Dialect,
    base: &Base,
    seen: PerSide<Seen>,
    known: bool,
) -> Result<()> {
    let seen = Value::Text(serde_json::to_string(&seen).unwrap_or_default());
    let name = [("table_name", Value::text(&base.table))];
    let mut set = vec![("seen", seen)];
    if known && base.standing == Standing::Current {
        set.push(("stamp", Value::Text(base.stamp.text())));
    }
    connection.run(&own::update(dialect, STATE, &set, &name)).await.map(drop)
}

/// The base of one table: which chunks there are and what they add up to. The entries stay in the database.
#[derive(Clone, Debug)]
pub struct Base {
    table: String,
    dialect: Dialect,
    hashed: bool,
    chunks: BTreeMap<u64, PerSide<Digest>>,
    /// How what was stored stands to what would be made now.
    pub standing: Standing,
    stamp: Stamp,
    stored: bool,
    /// Whether REMOTE was known again though it is not where it was.
    pub moved: bool,
    /// How far each side had come at the end of the last sync, where that is known.
    pub seen: Option<PerSide<Seen>>,
}

/// How far a side had come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// How many rows it had.
    pub rows: u64,
    /// The next number that it would have given a row; 0 where it numbers none.
    pub next: u64,
    /// When any of its rows was last written, where that is known at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Bytes(bytes) => Some(u64::from_be_bytes(bytes.as_slice().try_into().ok()?)),
        _ => None,
    }
}

fn bytes(number: u64) -> Value {
    Value::Bytes(number.to_be_bytes().to_vec())
}

/// Forgets what a table held after the last sync, in a transaction of its own: the next one is its first.
///
/// # Errors
/// The failure with its code.
pub async fn forget(connection: &mut Connection, dialect: Dialect, table: &str) -> Result<()> {
    let name = [("table_name", Value::text(table))];
    let place = connection.place().clone();
    connection.begin().await.map_err(|fault| fault.fatal(&place))?;
    for own in [STATE, TABLE] {
        connection.run(&own::delete(dialect, own, &name)).await?;
    }
    connection.commit().await.map_err(|fault| fault.fatal(&place))
}

impl Base {
    /// A base of nothing.
    pub fn none(table: &str, dialect: Dialect, form: &KeyForm, stamp: Stamp) -> Self {
        let (table, hashed) = (table.to_owned(), form.is_hashed());
        Self {
            table,
            dialect,
            hashed,
            chunks: BTreeMap::new(),
            standing: Standing::None,
            stamp,
            stored: false,
            moved: false,
            seen: None,
        }
    }

    /// Reads which chunks there are. `stamp` says what the base would be made from now.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn open(
        connection: &mut Connection,
        dialect: Dialect,
        table: &str,
        form: &KeyForm,
        stamp: Stamp,
    ) -> Result<Self> {
        let mut base = Self::none(table, dialect, form, stamp);
        let name = [("table_name", Value::text(table))];
        let state = [("stamp", TEXT), ("seen", TEXT)];
        let state = own::select(dialect, STATE, &state, &name, "id");
        let rows = connection.fetch(&state).await?;
        let stored = rows.first().and_then(|row| row[0].as_text());
        base.stored = stored.is_some();
        let seen = rows.first().and_then(|row| row[1].as_text());
        base.seen = seen.and_then(|seen| serde_json::from_str(seen).ok());
        base.standing = base.stamp.standing(stored);
        base.moved = stored.is_some_and(|stored| base.stamp.has_moved(stored));
        if matches!(base.standing, Standing::None | Standing::Foreign | Standing::Elsewhere) {
            return Ok(base);
        }
        let columns = [
            ("low", BYTES),
            ("row_count", SIGNED),
            ("digest_remote", BYTES),
            ("digest_local", BYTES),
        ];
        for row in connection.fetch(&own::select(dialect, TABLE, &columns, &name, "low")).await? {
            let rows = row[1].as_int().and_then(|rows| u64::try_from(rows).ok());
            if let (Some(low), Some(rows), Some(remote), Some(local)) =
                (number(&row[0]), rows, number(&row[2]), number(&row[3]))
            {
                let digest = |sum| Digest { rows, sum };
                base.chunks.insert(low, PerSide::new(digest(remote), digest(local)));
            }
        }
        Ok(base)
    }

    /// The same base as it is kept now, after a commit of which nobody knows how it ended.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn read_again(&self, connection: &mut Connection, form: &KeyForm) -> Result<Self> {
        Self::open(connection, self.dialect, &self.table, form, self.stamp.clone()).await
    }

    /// The same base, empty, to be made anew.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { chunks: BTreeMap::new(), ..self.clone() }
    }

    /// The same base as if nothing were remembered.
    #[must_use]
    pub fn forgotten(&self) -> Self {
        Self { standing: Standing::None, ..self.emptied() }
    }

    /// Whether there is no base (a first sync).
    pub fn is_none(&self) -> bool {
        self.standing != Standing::Current
    }

    /// Every chunk's lowest ordinal, the first of them 0.
    pub fn lows(&self) -> Vec<u64> {
        let first = if self.chunks.contains_key(&0) { None } else { Some(0) };
        first.into_iter().chain(self.chunks.keys().copied()).collect()
    }

    /// What a chunk adds up to on each side.
    pub fn digest(&self, low: u64) -> PerSide<Digest> {
        self.chunks.get(&low).copied().unwrap_or_default()
    }

    /// The highest ordinal of the chunk that starts at `low`.
    pub fn high(&self, low: u64) -> u64 {
        let next = low.checked_add(1).and_then(|after| self.chunks.range(after..).next());
        next.map_or(u64::MAX, |(next, _)| next - 1)
    }

    /// The lowest ordinal of the chunk that an ordinal belongs to.
    pub fn chunk_of(&self, ordinal: u64) -> u64 {
        self.chunks.range(..=ordinal).next_back().map_or(0, |(low, _)| *low)
    }

    /// The entries of some chunks, in the order of ordinals, and which of the chunks are damaged: do not add up to what they
    /// say. Those count as empty.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn entries(
        &self,
        connection: &mut Connection,
        lows: &[u64],
    ) -> Result<(Entries, Vec<u64>)> {
        let chunks = self.read(connection, lows).await?;
        let damaged = |low: &&u64| {
            let said = self.chunks.get(low).is_some_and(|digests| digests.remote.rows > 0);
            said && chunks.get(low).is_none_or(Vec::is_empty)
        };
        let damaged = lows.iter().filter(damaged).copied().collect();
        let entries = lows.iter().filter_map(|low| chunks.get(low)).flatten().copied().collect();
        Ok((entries, damaged))
    }

    /// The entries of single ordinals.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn entries_of(
        &self,
        connection: &mut Connection,
        ordinals: &[u64],
    ) -> Result<HashMap<u64, Entry>> {
        let lows: BTreeSet<u64> = ordinals.iter().map(|ordinal| self.chunk_of(*ordinal)).collect();
        let mut found = HashMap::with_capacity(ordinals.len());
        let lows: Vec<u64> = lows.into_iter().collect();
        let wanted: HashSet<&u64> = ordinals.iter().collect();
        for lows in lows.chunks(READ) {
            let (entries, _) = self.entries(connection, lows).await?;
            found.extend(entries.into_iter().filter(|(ordinal, _)| wanted.contains(ordinal)));
        }
        Ok(found)
    }

    async fn read(
        &self,
        connection: &mut Connection,
        lows: &[u64],
    ) -> Result<HashMap<u64, Entries>> {
        let mut chunks = HashMap::new();
        let stored: Vec<Value> = lows
            .iter()
            .filter(|low| self.chunks.contains_key(low))
            .map(|low| bytes(*low))
            .collect();
        for lows in stored.chunks(READ) {
            let name = [("table_name", Value::text(&self.table))];
            let statement = own::select_any(
                self.dialect,
                TABLE,
                &[("low", BYTES), ("entries", BYTES)],
                &name,
                ("low", lows),
            );
            for row in connection.fetch(&statement).await? {
                let (Some(low), Value::Bytes(blob)) = (number(&row[0]), &row[1]) else { continue };
                let entries = unpack(blob).filter(|entries| digests(entries) == self.digest(low));
                if entries.is_none() {
                    tracing::warn!(
                        table = self.table,
                        "a chunk of the base is damaged and counts as lost"
                    );
                }
                chunks.insert(low, entries.unwrap_or_default());
            }
        }
        Ok(chunks)
    }

    /// Carries out steps (ascending by ordinal) in the connection's current transaction. The answer is the base as it
    /// is once that transaction commits; this one stays what it is if it does not.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn with_steps(
        &self,
        connection: &mut Connection,
        steps: &[(u64, Step)],
    ) -> Result<Self> {
        let mut next = self.clone();
        next.bind(connection).await?;
        let mut lows: Vec<u64> = steps.iter().map(|(ordinal, _)| self.chunk_of(*ordinal)).collect();
        lows.dedup();
        let mut at = 0;
        for lows in lows.chunks(READ) {
            let mut stored = next.read(connection, lows).await?;
            let mut written = Vec::new();
            for low in lows {
                let high = self.high(*low);
                let upto = at + steps[at..].partition_point(|(ordinal, _)| *ordinal <= high);
                let entries = changed(stored.remove(low).unwrap_or_default(), &steps[at..upto]);
                at = upto;
                next.chunks.remove(low);
                for (low, piece) in pieces(self.hashed, *low, entries) {
                    next.chunks.insert(low, digests(&piece));
                    written.push((low, piece));
                }
            }
            next.replace(connection, lows, &written).await?;
        }
        Ok(next)
    }

    /// Adds entries (ascending) from an ordinal on behind which there are none, in the connection's current transaction: nothing
    /// is taken away, so that several tables can be added to at the same time without waiting for each other's locks. The
    /// answer is the base as it is once that transaction commits.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn with_more(
        &self,
        connection: &mut Connection,
        from: u64,
        entries: &[(u64, Entry)],
    ) -> Result<Self> {
        let mut next = self.clone();
        next.bind(connection).await?;
        let low = if next.chunks.is_empty() { 0 } else { from };
        let written = pieces(self.hashed, low, entries.to_vec());
        for (low, piece) in &written {
            next.chunks.insert(*low, digests(piece));
        }
        next.insert(connection, &written).await?;
        Ok(next)
    }

    /// Writes the stamp, and clears away what had another.
    async fn bind(&mut self, connection: &mut Connection) -> Result<()> {
        if !self.is_none() {
            return Ok(());
        }
        let name = [("table_name", Value::text(&self.table))];
        let stamp = Value::Text(self.stamp.text());
        if self.stored {
            connection.run(&own::delete(self.dialect, TABLE, &name)).await?;
        }
        let statement = if self.stored {
            own::update(self.dialect, STATE, &[("stamp", stamp)], &name)
        } else {
            own::insert(
                self.dialect,
                STATE,
                &["table_name", "stamp"],
                vec![vec![Value::text(&self.table), stamp]],
            )
        };
        connection.run(&statement).await?;
        self.stored = true;
        self.standing = Standing::Current;
        self.chunks.clear();
        Ok(())
    }

    /// Puts the pieces in the place of the chunks that they were made of.
    async fn replace(
        &self,
        connection: &mut Connection,
        lows: &[u64],
        pieces: &[(u64, Entries)],
    ) -> Result<()> {
        let name = [("table_name", Value::text(&self.table))];
        let old: Vec<Value> = lows.iter().map(|low| bytes(*low)).collect();
        connection.run(&own::delete_any(self.dialect, TABLE, &name, ("low", &old))).await?;
        self.insert(connection, pieces).await
    }

    async fn insert(&self, connection: &mut Connection, pieces: &[(u64, Entries)]) -> Result<()> {
        let columns =
            ["table_name", "low", "row_count", "digest_remote", "digest_local", "entries"];
        let mut rows = Vec::new();
        let mut size = 0;
        for (at, (low, entries)) in pieces.iter().enumerate() {
            let digests = digests(entries);
            let blob = pack(entries);
            size += blob.len();
            rows.push(vec![
                Value::text(&self.table),
                bytes(*low),
                super::count(digests.remote.rows),
                bytes(digests.remote.sum),
                bytes(digests.local.sum),
                Value::Bytes(blob),
            ]);
            if size > WRITTEN || at + 1 == pieces.len() {
                connection
                    .run(&own::insert(self.dialect, TABLE, &columns, std::mem::take(&mut rows)))
                    .await?;
                size = 0;
            }
        }
        Ok(())
    }
}
