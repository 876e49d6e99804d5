//! Keys, signatures, digests and rows of one table on one side.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use super::mysql::sign::{Signer, server_text};
use super::mysql::values::{Texts, from_server_text};
use super::sql::load;
pub use super::sql::table::Lock;
use super::sql::table::Span;
use super::sqlite::values::as_read;
use super::{Connection, Dialect, Fault, View, sqlite};
use crate::error::{self, Result, SyncError};
use crate::model::{Column, Key, Kind, Row, Signature, Value, row};

/// One row by what identifies and signs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Where it stands.
    pub ordinal: u64,
    /// What identifies it.
    pub key: Key,
    /// Its 64 bits.
    pub signature: Signature,
    /// The same by the columns that were synced before, where that is asked for and can still be said.
    pub was: Option<Signature>,
}

/// One whole row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What identifies it.
    pub key: Key,
    /// Its 64 bits.
    pub signature: Signature,
    /// Every synced cell.
    pub row: Row,
}

/// What a stretch of rows adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// How many rows.
    pub rows: u64,
    /// The sum of their signatures, modulo 2⁶⁴.
    pub sum: u64,
}

impl Digest {
    /// Adds one row.
    pub fn add(&mut self, signature: Signature) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(signature);
    }

    /// Adds a whole stretch.
    pub fn merge(&mut self, other: Self) {
        *self = self.and(other);
    }

    /// What two stretches add up to.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, sum: self.sum.wrapping_add(other.sum) }
    }
}

/// Spans that go into one statement.
const SPANS: usize = 100;
/// Sends every row within the spans (ascending, disjoint): in the order of ordinals where those are the key, hashes in any order.
///
/// # Errors
/// The failure with its code.
pub async fn list(
    connection: &mut Connection,
    view: &View<'_>,
    spans: &[Span],
    to: &Sender<Vec<Signed>>,
) -> Result<()> {
    // No index helps to find hashes: one look at all rows is cheaper than one per statement.
    let at_once = if view.pair.form.is_hashed() { usize::MAX } else { SPANS };
    for spans in spans.chunks(at_once) {
        if view.dialect == Dialect::Sqlite {
            let within = |ordinal: u64| {
                let at = spans.partition_point(|span| *span.end() < ordinal);
                spans.get(at).is_some_and(|span| span.contains(&ordinal))
            };
            let convert = |row| Ok(Some(sign(view, row)?).filter(|signed| within(signed.ordinal)));
            connection.stream(&view.select_cells(spans), to, convert, |_| 0).await?;
        } else {
            let statement = view.select_signed(spans);
            connection.stream(&statement, to, |row| signed(view, row).map(Some), |_| 0).await?;
        }
    }
    Ok(())
}

/// Everything that `convert` keeps of a result.
async fn gather<T>(
    connection: &mut Connection,
    statement: &super::Statement,
    convert: impl FnMut(Row) -> Result<Option<T>>,
) -> Result<Vec<T>> {
    let (to, mut from) = tokio::sync::mpsc::channel(4);
    let mut kept = Vec::new();
    let (streamed, ()) = tokio::join!(
        async {
            let to = to;
            connection.stream(statement, &to, convert, |_| 0).await
        },
        async {
            while let Some(parcel) = from.recv().await {
                kept.extend(parcel);
            }
        }
    );
    streamed.map(|()| kept)
}

/// Sends every row of a table whose rows nothing identifies: by what it is taken away alone, and its cells.
///
/// # Errors
/// The failure with its code.
pub async fn bag(
    connection: &mut Connection,
    view: &View<'_>,
    to: &Sender<Vec<(Value, Row)>>,
) -> Result<()> {
    let split = |mut row: Row| {
        let cells = row.split_off(1);
        Ok(row.pop().map(|handle| (handle, cells)))
    };
    let weigh = |(_, cells): &(Value, Row)| row::weight(cells);
    connection.stream(&view.select_bag(), to, split, weigh).await
}

/// Sends the synced cells of every row of a table that has no more than so many bytes. Answers how many have more.
///
/// # Errors
/// The failure with its code.
pub async fn every(
    connection: &mut Connection,
    view: &View<'_>,
    bytes: usize,
    to: &Sender<Vec<Row>>,
) -> Result<u64> {
    let mut heavy = 0;
    let light = |row: Row| {
        let light = row::weight(&row) <= bytes;
        heavy += u64::from(!light);
        Ok(light.then_some(row))
    };
    connection.stream(&view.select_every(), to, light, row::weight).await?;
    Ok(heavy)
}

/// One row on its way from one table to another.
pub struct Travelling {
    /// Where it stands.
    pub ordinal: u64,
    /// What identifies it.
    pub key: Key,
    /// Its 64 bits.
    pub signature: Signature,
    /// The row as a line of a load.
    pub line: Vec<u8>,
}

/// Sends every row of a table that has no more than so many bytes as the server spells it, signed on the way. Answers how many
/// have more.
///
/// # Errors
/// The failure with its code.
pub async fn every_line(
    connection: &mut Connection,
    view: &View<'_>,
    mut signer: Signer,
    bytes: usize,
    to: &Sender<Vec<Travelling>>,
) -> Result<u64> {
    let mut heavy = 0;
    let kinds: Vec<&Kind> = view.columns().map(|column| &column.kind).collect();
    let convert = |texts: &Texts<'_>| {
        // The first cell is none of the row's.
        let cells = || (0..kinds.len()).map(|at| texts.cell(at + 1));
        if cells().flatten().map(<[u8]>::len).sum::<usize>() > bytes {
            heavy += 1;
            return Ok(None);
        }
        let part = |at: &usize| match texts.cell(at + 1) {
            Some(text) => from_server_text(text, kinds[*at]).ok_or_else(|| no_place(view)),
            None => Ok(Value::Null),
        };
        let key = view.pair.key.iter().map(part).collect::<Result<Vec<_>>>()?;
        let key = shared_key(view, key);
        let ordinal = view.pair.form.ordinal(&key).ok_or_else(|| no_place(view))?;
        let signature = signer.sign(cells().map(|cell| cell.map(Cow::Borrowed)));
        let mut line = Vec::with_capacity(256);
        load::line(&mut line, cells().zip(kinds.iter().copied()));
        Ok(Some(Travelling { ordinal, key, signature, line }))
    };
    let statement = view.select_every_bit();
    connection.stream_texts(&statement, to, convert, |row| row.line.len()).await?;
    Ok(heavy)
}

/// Signs one side's rows.
pub type Sign<'a> = Box<dyn FnMut(&Row) -> Signature + Send + 'a>;

/// Signs rows that the engine holds as their side would; `None` where it does not know how.
pub fn signer<'a>(view: &View<'a>) -> Option<Sign<'a>> {
    if view.dialect == Dialect::Sqlite {
        let view = *view;
        let kinds: Vec<&Kind> = view.columns().map(|column| &column.kind).collect();
        return Some(Box::new(move |row| {
            own_signature(&view, row.iter().zip(&kinds).map(|(cell, kind)| as_read(cell, kind)))
        }));
    }
    let mut signer = Signer::of_values(view)?;
    let columns: Vec<&Column> = view.columns().collect();
    Some(Box::new(move |row| {
        signer.sign(row.iter().zip(&columns).map(|(cell, column)| server_text(cell, column)))
    }))
}

/// Where a row stands, and what identifies it; `None` where nothing does.
pub fn placed(view: &View<'_>, row: &Row) -> Option<(u64, Key)> {
    let key = shared_key(view, view.pair.key.iter().map(|at| row[*at].clone()).collect());
    Some((view.pair.form.ordinal(&key)?, key))
}

/// The digest of each chunk; `lows` are the chunks' lowest ordinals, ascending, and the last chunk ends at `last`. Where the
/// whole table has to be read anyway, only all chunks may be asked for.
///
/// # Errors
/// The failure with its code.
pub async fn digests(
    connection: &mut Connection,
    view: &View<'_>,
    lows: &[u64],
    last: u64,
) -> Result<Vec<Digest>> {
    let mut digests = vec![Digest::default(); lows.len()];
    let chunk_of = |ordinal: u64| lows.partition_point(|low| *low <= ordinal).saturating_sub(1);
    if view.dialect == Dialect::Sqlite {
        let statement = view.select_cells(&[0..=u64::MAX]);
        gather(connection, &statement, |row| {
            let signed = sign(view, row)?;
            digests[chunk_of(signed.ordinal)].add(signed.signature);
            Ok(None::<()>)
        })
        .await?;
    } else if view.pair.form.is_hashed() {
        // Every bound is a multiple of a power of two; the widest cells that respect all bounds are asked for.
        let shift = lows.iter().map(|low| low.trailing_zeros()).min().unwrap_or(0).min(63);
        for row in connection.fetch(&view.select_hash_digests(shift)).await? {
            let cell = row
                .first()
                .and_then(Value::as_int)
                .and_then(|cell| u64::try_from(cell).ok())
                .unwrap_or(0);
            digests[chunk_of(cell << shift)].merge(digest(view, connection, &row)?);
        }
    } else {
        add_up(connection, view, &view.select_digests(lows, last), &mut digests).await?;
    }
    Ok(digests)
}

/// The digest of each stretch of ordinals. Only for servers that sign by themselves, and keys that are integers.
///
/// # Errors
/// The failure with its code.
pub async fn sums(
    connection: &mut Connection,
    view: &View<'_>,
    spans: &[Span],
) -> Result<Vec<Digest>> {
    let mut digests = vec![Digest::default(); spans.len()];
    add_up(connection, view, &view.select_sums(spans), &mut digests).await?;
    Ok(digests)
}

async fn add_up(
    connection: &mut Connection,
    view: &View<'_>,
    statement: &super::Statement,
    digests: &mut [Digest],
) -> Result<()> {
    for row in connection.fetch(statement).await? {
        let number = row.first().and_then(Value::as_int);
        let number = number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
        digests[number].merge(digest(view, connection, &row)?);
    }
    Ok(())
}

fn digest(view: &View<'_>, connection: &Connection, row: &Row) -> Result<Digest> {
    let rows =
        row.get(1).and_then(Value::as_int).and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0);
    let sum = row.get(2).and_then(Value::as_int).ok_or_else(|| unsigned(view, connection))?;
    let sum = u64::try_from(sum & i128::from(u64::MAX)).unwrap_or(0);
    Ok(Digest { rows, sum })
}

/// How many rows the table has.
///
/// # Errors
/// The failure with its code.
pub async fn count(connection: &mut Connection, view: &View<'_>) -> Result<u64> {
    let rows = connection.fetch(&view.select_count()).await?;
    let count = rows.first().and_then(|row| row.first()).and_then(Value::as_int);
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// When any row was last written, as the side spells it; none where the table does not say, or not without a look at every row.
///
/// # Errors
/// The failure with its code.
pub async fn newest(connection: &mut Connection, view: &View<'_>) -> Result<Option<String>> {
    let Some(dated) = view.pair.tables[view.side].dated() else { return Ok(None) };
    let rows = connection.fetch(&view.select_newest(dated)).await?;
    Ok(rows.first().and_then(|row| row.first()).and_then(Value::as_text).map(ToOwned::to_owned))
}

/// Whether a table has no rows.
///
/// # Errors
/// The failure with its code.
pub async fn is_empty(connection: &mut Connection, view: &View<'_>) -> Result<bool> {
    has_more(connection, view, 0).await.map(|more| !more)
}

/// Whether a table has more than so many rows.
///
/// # Errors
/// The failure with its code.
pub async fn has_more(connection: &mut Connection, view: &View<'_>, rows: usize) -> Result<bool> {
    Ok(!connection.fetch(&view.select_beyond(rows)).await?.is_empty())
}

/// Whole rows by key; keys without a row are absent from the answer. Only rows whose key is bytewise the
/// one asked for count: a collation may find others. Locked rows
/// cannot be changed by others until the transaction ends.
///
/// # Errors
/// The [`Fault`].
pub async fn rows(
    connection: &mut Connection,
    view: &View<'_>,
    keys: &[Key],
    lock: Lock,
) -> std::result::Result<HashMap<Key, Found>, Fault> {
    let mut found = HashMap::with_capacity(keys.len());
    let per_statement = (view.dialect.max_arguments() / view.pair.key.len().max(1)).min(1024);
    for keys in keys.chunks(per_statement) {
        let wanted: HashSet<&Key> = keys.iter().collect();
        for row in connection.try_fetch(&view.select_rows(&padded(keys), lock)).await? {
            let row = whole(view, connection, row).map_err(Fault::Fatal)?;
            if wanted.contains(&row.key) {
                found.insert(row.key.clone(), row);
            }
        }
    }
    Ok(found)
}

/// Signatures by key; keys without a row are absent from the answer, as with [`rows`].
///
/// # Errors
/// The failure with its code.
pub async fn signatures(
    connection: &mut Connection,
    view: &View<'_>,
    keys: &[Key],
) -> Result<HashMap<Key, Signature>> {
    let mut found = HashMap::with_capacity(keys.len());
    if view.dialect == Dialect::Sqlite {
        // Signing takes the whole row: few at a time, as some may be large.
        for keys in keys.chunks(SIGNED) {
            let rows = rows(connection, view, keys, Lock::None).await;
            let rows = rows.map_err(|fault| fault.fatal(connection.place()))?;
            found.extend(rows.into_iter().map(|(key, row)| (key, row.signature)));
        }
        return Ok(found);
    }
    let per_statement = (view.dialect.max_arguments() / view.pair.key.len().max(1)).min(1024);
    for keys in keys.chunks(per_statement) {
        let wanted: HashSet<&Key> = keys.iter().collect();
        for mut row in connection.fetch(&view.select_signatures(&padded(keys))).await? {
            let signature = row
                .pop()
                .as_ref()
                .and_then(Value::as_int)
                .and_then(|bits| u64::try_from(bits).ok());
            let signature = signature.ok_or_else(|| unsigned(view, connection))?;
            let key = shared_key(view, row);
            if wanted.contains(&key) {
                found.insert(key, signature);
            }
        }
    }
    Ok(found)
}

/// Rows that the engine signs at once.
const SIGNED: usize = 50;

/// Bytes from which a row is large.
pub const LARGE: usize = 64 << 10;

/// Which of these rows are large, and how large, in bytes.
///
/// # Errors
/// The failure with its code.
pub async fn large(
    connection: &mut Connection,
    view: &View<'_>,
    keys: &[Key],
) -> Result<Vec<(Key, usize)>> {
    let mut found = Vec::new();
    for keys in keys.chunks(1024) {
        for mut row in connection.fetch(&view.select_large(&padded(keys), LARGE)).await? {
            let size = row.pop().as_ref().and_then(Value::as_int);
            let size = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(LARGE);
            found.push((shared_key(view, row), size));
        }
    }
    Ok(found)
}

/// Keys repeated up to a power of two, so that few different statements have to be prepared.
fn padded(keys: &[Key]) -> Vec<Key> {
    let mut padded = keys.to_vec();
    if let Some(last) = keys.last() {
        padded.resize(keys.len().next_power_of_two(), last.clone());
    }
    padded
}

fn whole(view: &View<'_>, connection: &Connection, mut row: Row) -> Result<Found> {
    let parts = view.pair.key.len();
    if view.dialect == Dialect::Sqlite {
        let cells = row.split_off(parts);
        return Ok(Found {
            key: shared_key(view, row),
            signature: own_signature(view, cells.iter().map(Cow::Borrowed)),
            row: cells,
        });
    }
    let cells = row.split_off(parts + 1);
    let signature =
        row.pop().as_ref().and_then(Value::as_int).and_then(|bits| u64::try_from(bits).ok());
    let signature = signature.ok_or_else(|| unsigned(view, connection))?;
    Ok(Found { key: shared_key(view, row), signature, row: cells })
}

/// A row that the server gave no signature: it does not fit into what the server takes at once.
fn unsigned(view: &View<'_>, connection: &Connection) -> SyncError {
    connection.place().error(error::PACKET_TOO_LARGE).with("table", &view.pair.name)
}

/// A key from its cells as this side shows them.
pub(super) fn shared_key(view: &View<'_>, mut cells: Vec<Value>) -> Key {
    for (cell, part) in cells.iter_mut().zip(&view.pair.parts) {
        *cell = part.shared(std::mem::replace(cell, Value::Null));
    }
    Key(cells)
}

/// The signature of a row of a server that does not sign by itself.
fn own_signature<'a>(
    view: &View<'_>,
    row: impl Iterator<Item = Cow<'a, Value>> + Clone,
) -> Signature {
    let columns = &view.pair.columns;
    let quiet = |at: usize| columns[at].quiet;
    sqlite::sign::signature(row, view.pair.has_quiet_columns().then_some(&quiet))
}

/// The same by the columns that were synced before, from their cells.
fn former_own_signature(view: &View<'_>, cells: &Row) -> Option<Signature> {
    let former = view.former.filter(|former| former.len() == cells.len())?;
    let quiet = |at: usize| former[at].quiet;
    let some_quiet = former.iter().any(|column| column.quiet);
    let cells = cells.iter().map(Cow::Borrowed);
    Some(sqlite::sign::signature(cells, some_quiet.then_some(&quiet)))
}

/// A row that the engine signs: every synced cell.
fn sign(view: &View<'_>, mut row: Row) -> Result<Signed> {
    let former = row.split_off(view.pair.columns.len());
    let signature = own_signature(view, row.iter().map(Cow::Borrowed));
    let was = former_own_signature(view, &former);
    let key = shared_key(view, view.pair.key.iter().map(|at| row[*at].clone()).collect());
    let ordinal = view.pair.form.ordinal(&key).ok_or_else(|| no_place(view))?;
    Ok(Signed { ordinal, key, signature, was })
}

/// A row whose key has no place among the others, or not the same on both sides.
fn no_place(view: &View<'_>) -> SyncError {
    let columns = view.pair.key_names().collect::<Vec<_>>().join(", ");
    SyncError::new(error::NO_PLACE)
        .with("table", &view.pair.name)
        .with("side", view.side)
        .with("columns", columns)
}

/// A row that the server signed: the key's cells, the signature, and for hashed keys the ordinal.
fn signed(view: &View<'_>, mut row: Row) -> Result<Signed> {
    let number = |value: Option<Value>| {
        value.as_ref().and_then(Value::as_int).and_then(|bits| u64::try_from(bits).ok())
    };
    let placed = if view.pair.form.is_hashed() { Some(number(row.pop())) } else { None };
    let was = if view.former.is_some() { number(row.pop()) } else { None };
    let signature = number(row.pop()).ok_or_else(|| {
        SyncError::new(error::PACKET_TOO_LARGE)
            .with("table", &view.pair.name)
            .with("side", view.side)
    })?;
    let key = shared_key(view, row);
    let ordinal = view.pair.form.ordinal(&key).ok_or_else(|| no_place(view))?;
    // Both servers and the engine must place a key alike, or rows would miss their other half.
    if placed.is_some_and(|placed| placed != Some(ordinal)) {
        return Err(no_place(view));
    }
    Ok(Signed { ordinal, key, signature, was })
}
