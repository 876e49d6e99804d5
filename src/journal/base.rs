//! The base: what each side held after the last sync, 10 to 24 bytes a row, packed by chunks.
//!
//! A chunk is a stretch of ordinals from its `low` up to the next chunk's; the first starts at 0. Its row
//! holds each side's digest and a blob of entries in the order of ordinals. The base lives on LOCAL and is
//! written in the transaction of the local rows that it describes. It is bound to a stamp: what it was
//! made from. A base with another stamp counts as none.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::stamp::{Stamp, Standing};
use crate::endpoint::read::Digest;
use crate::endpoint::sql::{BYTES, SIGNED, TEXT, own};
use crate::endpoint::{Connection, Dialect};
use crate::error::Result;
use crate::model::key::first_64_bits;
use crate::model::{KeyForm, PerSide, Side, Value};
use crate::plan::merge::Entry;

const TABLE: &str = "db_sync_base";
const STATE: &str = "db_sync_state";

/// Rows of a chunk as it is made.
const CHUNK: usize = 1000;
/// Rows beyond which a chunk is split.
const FULL_CHUNK: usize = 2000;
/// Chunks that are read in one statement.
const READ: usize = 64;
/// Bytes of blobs that are written in one statement.
const WRITTEN: usize = 2 << 20;

/// What becomes of one key's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Both sides hold these now.
    Record(Entry),
    /// Neither side has the row any more.
    Forget,
}

/// Entries in the order of ordinals.
pub type Entries = Vec<(u64, Entry)>;

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

/// Notes how far each side has come with a table.
///
/// # Errors
/// The failure with its code.
pub async fn see(
    connection: &mut Connection,
    dialect: Dialect,
    table: &str,
    seen: PerSide<Seen>,
) -> Result<()> {
    let seen = Value::Text(serde_json::to_string(&seen).unwrap_or_default());
    let name = [("table_name", Value::text(table))];
    connection.run(&own::update(dialect, STATE, &[("seen", seen)], &name)).await.map(drop)
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
    /// How far each side had come at the end of the last sync, where that is known.
    pub seen: Option<PerSide<Seen>>,
}

/// How far a side had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// How many rows it had.
    pub rows: u64,
    /// The next number that it would have given a row; 0 where it numbers none.
    pub next: u64,
}

/// Some 10 bytes an entry of an integer key: how far it lies behind the one before and whether the sides' signatures differ, in
/// as few bytes as that takes; REMOTE's signature; LOCAL's where it is another one. At the end eight bytes of SHA-256 over all
/// that: the digests say nothing of where the rows stand.
pub fn pack(entries: &[(u64, Entry)]) -> Vec<u8> {
    let mut packed = written(entries);
    packed.extend_from_slice(&checksum(&packed));
    packed
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    first_64_bits(&Sha256::digest(bytes)).to_be_bytes()
}

/// Reads what [`pack`] wrote; `None` for bytes that it did not write.
pub fn unpack(bytes: &[u8]) -> Option<Entries> {
    let (written, checked) = bytes.split_last_chunk::<8>()?;
    if checksum(written) == *checked { read(written) } else { None }
}

fn written(entries: &[(u64, Entry)]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(entries.len() * 10);
    let mut last = 0;
    for (ordinal, entry) in entries {
        let differ = entry.remote != entry.local;
        let mut head = u128::from(ordinal - last) << 1 | u128::from(differ);
        last = *ordinal;
        while head >= 0x80 {
            packed.push(head.to_le_bytes()[0] | 0x80);
            head >>= 7;
        }
        packed.push(head.to_le_bytes()[0]);
        packed.extend_from_slice(&entry.remote.to_be_bytes());
        if differ {
            packed.extend_from_slice(&entry.local.to_be_bytes());
        }
    }
    packed
}

/// Reads what [`written`] wrote; `None` for bytes that it cannot have written.
fn read(bytes: &[u8]) -> Option<Entries> {
    let mut entries = Entries::with_capacity(bytes.len() / 10);
    let (mut rest, mut last) = (bytes, None);
    while !rest.is_empty() {
        let (mut head, mut shift) = (0_u128, 0);
        loop {
            let (byte, after) = rest.split_first()?;
            rest = after;
            head |= u128::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                // A zero on top says nothing: no number has two spellings.
                if *byte == 0 && shift > 7 {
                    return None;
                }
                break;
            }
            if shift > 63 {
                return None;
            }
        }
        let step = u64::try_from(head >> 1).ok()?;
        let ordinal = last.unwrap_or(0_u64).checked_add(step)?;
        if last.is_some() && step == 0 {
            return None;
        }
        last = Some(ordinal);
        let mut signature = || {
            let (signature, after) = rest.split_at_checked(8)?;
            rest = after;
            Some(u64::from_be_bytes(signature.try_into().ok()?))
        };
        let remote = signature()?;
        let local = if head & 1 == 1 { signature()? } else { remote };
        if head & 1 == 1 && local == remote {
            return None;
        }
        entries.push((ordinal, Entry { remote, local }));
    }
    Some(entries)
}

fn digests(entries: &[(u64, Entry)]) -> PerSide<Digest> {
    let mut digests = PerSide::<Digest>::default();
    for (_, entry) in entries {
        for side in Side::BOTH {
            digests[side].add(entry[side]);
        }
    }
    digests
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
        if matches!(base.standing, Standing::None | Standing::Foreign | Standing::Elsewhere(_)) {
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

    /// The same base, empty, to be made anew.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { chunks: BTreeMap::new(), ..self.clone() }
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

/// Cuts a chunk's entries into chunks of the right size. An empty chunk disappears into the one before it.
fn pieces(hashed: bool, low: u64, entries: Entries) -> Vec<(u64, Entries)> {
    let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else {
        return Vec::new();
    };
    if entries.len() <= FULL_CHUNK {
        return vec![(low, entries)];
    }
    if hashed {
        // Cut at the roundest number between them, so that servers can be asked for whole cells of 2^n hashes.
        let bit = (first ^ last).ilog2();
        let middle = last >> bit << bit;
        let at = entries.partition_point(|(ordinal, _)| *ordinal < middle);
        let (left, right) = entries.split_at(at);
        let mut cut = pieces(hashed, low, left.to_vec());
        cut.extend(pieces(hashed, middle, right.to_vec()));
        return cut;
    }
    let cut = entries.chunks(CHUNK).enumerate();
    cut.map(|(at, piece)| (if at == 0 { low } else { piece[0].0 }, piece.to_vec())).collect()
}

/// Entries after some steps, both ascending.
fn changed(entries: Entries, steps: &[(u64, Step)]) -> Entries {
    let mut after = Vec::with_capacity(entries.len() + steps.len());
    let mut steps = steps.iter().peekable();
    let put = |after: &mut Entries, (ordinal, step): &(u64, Step)| {
        if let Step::Record(entry) = step {
            after.push((*ordinal, *entry));
        }
    };
    for entry in entries {
        while let Some(step) = steps.next_if(|(ordinal, _)| *ordinal < entry.0) {
            put(&mut after, step);
        }
        match steps.next_if(|(ordinal, _)| *ordinal == entry.0) {
            Some(step) => put(&mut after, step),
            None => after.push(entry),
        }
    }
    for step in steps {
        put(&mut after, step);
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A table of hashed keys is loaded in the order of its hashes; the chunks' bounds must still be such that a server can
    /// be asked for a few whole cells rather than for a cell per row.
    #[test]
    fn chunks_of_hashes_have_bounds_that_a_server_can_group_by() {
        use sha2::{Digest as _, Sha256};
        let hash =
            |number: u64| crate::model::key::first_64_bits(&Sha256::digest(number.to_string()));
        let mut hashes: Vec<u64> = (0..100_000).map(hash).collect();
        hashes.sort_unstable();
        let mut chunks: BTreeMap<u64, Entries> = BTreeMap::new();
        for batch in hashes.chunks(1000) {
            for hash in batch {
                let low = chunks.range(..=*hash).next_back().map_or(0, |(low, _)| *low);
                chunks.entry(low).or_default().push((*hash, entry(1)));
            }
            let grown = std::mem::take(&mut chunks);
            chunks.extend(grown.into_iter().flat_map(|(low, entries)| pieces(true, low, entries)));
        }
        let shift = chunks.keys().skip(1).map(|low| low.trailing_zeros()).min().unwrap();
        assert!(
            1_u64 << (64 - shift) <= 1024,
            "{} cells for {} chunks",
            1_u64 << (64 - shift),
            chunks.len()
        );
    }

    fn entry(number: u64) -> Entry {
        Entry { remote: number, local: number + 1 }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(numbers in proptest::collection::btree_set(any::<u64>(), 0..50)) {
            let entries: Entries = numbers.iter().map(|number| (*number, entry(number / 2))).collect();
            prop_assert_eq!(unpack(&pack(&entries)), Some(entries));
        }

        #[test]
        fn what_is_packed_is_unpacked_wherever_it_lies(
            entries in proptest::collection::btree_map(any::<u64>(), (any::<u64>(), any::<Option<u64>>()), 0..50)
        ) {
            let alike = |remote: u64, local: Option<u64>| Entry { remote, local: local.unwrap_or(remote) };
            let entries: Entries =
                entries.into_iter().map(|(ordinal, (remote, local))| (ordinal, alike(remote, local))).collect();
            prop_assert_eq!(unpack(&pack(&entries)), Some(entries));
        }

        #[test]
        fn hostile_bytes_are_refused_or_read_as_sorted_entries(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(entries) = read(&bytes) {
                prop_assert!(entries.is_sorted_by(|(a, _), (b, _)| a < b));
                prop_assert_eq!(written(&entries), bytes.clone());
            }
            prop_assert_eq!(unpack(&bytes), None);
        }

        #[test]
        fn steps_do_what_a_map_would(
            start in proptest::collection::btree_map(0_u64..60, 0_u64..9, 0..40),
            steps in proptest::collection::btree_map(0_u64..60, proptest::option::of(0_u64..9), 0..40),
        ) {
            let entries: Entries = start.iter().map(|(ordinal, number)| (*ordinal, entry(*number))).collect();
            let listed: Vec<(u64, Step)> = steps
                .iter()
                .map(|(ordinal, number)| (*ordinal, number.map_or(Step::Forget, |number| Step::Record(entry(number)))))
                .collect();
            let mut expected: BTreeMap<u64, Entry> = entries.iter().copied().collect();
            for (ordinal, step) in &listed {
                match step {
                    Step::Record(entry) => expected.insert(*ordinal, *entry),
                    Step::Forget => expected.remove(ordinal),
                };
            }
            prop_assert_eq!(changed(entries, &listed), expected.into_iter().collect::<Entries>());
        }

        #[test]
        fn pieces_keep_every_entry_in_its_chunk(numbers in proptest::collection::btree_set(any::<u64>(), 0..5000), hashed: bool) {
            let entries: Entries = numbers.iter().map(|number| (*number, entry(1))).collect();
            let pieces = pieces(hashed, 0, entries.clone());
            prop_assert!(pieces.iter().all(|(_, piece)| !piece.is_empty() && piece.len() <= FULL_CHUNK));
            let lows: Vec<u64> = pieces.iter().map(|(low, _)| *low).collect();
            for (at, (low, piece)) in pieces.iter().enumerate() {
                let next = lows.get(at + 1).copied().unwrap_or(u64::MAX);
                prop_assert!(piece.iter().all(|(ordinal, _)| *low <= *ordinal && (*ordinal < next || next == u64::MAX)));
            }
            prop_assert_eq!(pieces.into_iter().flat_map(|(_, piece)| piece).collect::<Entries>(), entries);
        }
    }
}
