//! Decisions waiting to be carried out, in memory while they are few and on disk when they are many.

use std::collections::VecDeque;
use std::io::{BufReader, Read, Seek, SeekFrom, Write as _};
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

use crate::endpoint::read::Signed;
use crate::error::{self, Result, SyncError};
use crate::model::Key;
use crate::plan::merge::{Change, Entry, Present};
use crate::plan::policy::{BaseStep, Decision};

/// Bytes of decisions that stay in memory.
const IN_MEMORY: usize = 1 << 20;

/// Bytes that go into the file at once.
const PENDING: usize = 64 << 10;

/// One key, what the decision was made from, and the decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Where the key stands.
    pub ordinal: u64,
    /// The key.
    pub key: Key,
    /// What the base said.
    pub base: Option<Entry>,
    /// What each side held.
    pub now: Present,
    /// What happened.
    pub change: Change,
    /// What is done about it; `None` until the rows are compared.
    pub decision: Option<Decision>,
    /// Whether the base can say anything of this key: not where two keys share an ordinal.
    pub recorded: bool,
    /// Where the row that is written is kept, if it does not come from the other side: the id of its pre-image, or of the conflict
    /// that a person has decided.
    pub kept: Option<i64>,
}

impl Item {
    /// Whether somebody wants a version that is kept, rather than the other side's: a row that has changed since then stays.
    pub fn is_from_kept(&self) -> bool {
        let restores = |decision: Decision| matches!(decision.base, BaseStep::Restore(_));
        self.kept.is_some() || self.decision.is_some_and(restores)
    }
}

/// Items in the order in which they were put in.
pub struct Worklist<T = Item> {
    file: SpooledTempFile,
    /// What is still to go into the file: a call for each item would cost more than the items.
    pending: Vec<u8>,
    items: u64,
    of: PhantomData<T>,
}

impl<T> Default for Worklist<T> {
    fn default() -> Self {
        Self::within(IN_MEMORY)
    }
}

impl<T> Worklist<T> {
    /// One that keeps only so many bytes in memory.
    pub fn within(bytes: usize) -> Self {
        let file = SpooledTempFile::new(bytes);
        Self { file, pending: Vec::new(), items: 0, of: PhantomData }
    }
}

fn no_room(problem: &std::io::Error) -> SyncError {
    let place = std::env::temp_dir();
    let sentences = if problem.kind() == std::io::ErrorKind::StorageFull {
        error::DISK_FULL
    } else {
        error::OUT_OF_MEMORY
    };
    SyncError::new(sentences)
        .with("side", "The machine that syncs")
        .with("address", place.display())
}

impl<T: Serialize + DeserializeOwned> Worklist<T> {
    /// How many items there are.
    pub fn len(&self) -> u64 {
        self.items
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Puts an item in.
    ///
    /// # Errors
    /// `SYS_001` where the temporary folder has no room.
    pub fn push(&mut self, item: &T) -> Result<()> {
        let unwritable = |_| no_room(&std::io::Error::from(std::io::ErrorKind::InvalidData));
        let start = self.pending.len();
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(&[0; 4]);
        self.pending = postcard::to_extend(item, pending).map_err(unwritable)?;
        let length = u32::try_from(self.pending.len() - start - 4).unwrap_or(u32::MAX);
        self.pending[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.items += 1;
        if self.pending.len() < PENDING { Ok(()) } else { self.write_out() }
    }

    fn write_out(&mut self) -> Result<()> {
        let written = self.file.write_all(&self.pending);
        self.pending.clear();
        written.map_err(|problem| no_room(&problem))
    }

    /// Takes out at most this many of the first items; the rest stays.
    ///
    /// # Errors
    /// As [`Self::push`] and [`Batches::next`].
    pub fn take(&mut self, items: usize) -> Result<Vec<T>> {
        let mut batches = std::mem::take(self).drain()?;
        let taken = batches.next(items)?;
        loop {
            let rest = batches.next(1000)?;
            if rest.is_empty() {
                return Ok(taken);
            }
            rest.iter().try_for_each(|item| self.push(item))?;
        }
    }

    /// Takes everything out, batch by batch.
    pub fn drain(mut self) -> Result<Batches<T>> {
        self.write_out()?;
        let mut file = self.file;
        file.seek(SeekFrom::Start(0)).map_err(|problem| no_room(&problem))?;
        Ok(Batches { file: BufReader::new(file), left: self.items, of: PhantomData })
    }
}

/// What is left of a worklist.
pub struct Batches<T = Item> {
    file: BufReader<SpooledTempFile>,
    left: u64,
    of: PhantomData<T>,
}

impl<T: DeserializeOwned> Batches<T> {
    /// At most this many of the next items; none at the end.
    ///
    /// # Errors
    /// `SYS_002` where the temporary file cannot be read back.
    pub fn next(&mut self, rows: usize) -> Result<Vec<T>> {
        let mut items = Vec::new();
        while self.left > 0 && items.len() < rows {
            let mut length = [0; 4];
            self.file.read_exact(&mut length).map_err(|problem| no_room(&problem))?;
            let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
            self.file.read_exact(&mut bytes).map_err(|problem| no_room(&problem))?;
            let item = postcard::from_bytes(&bytes);
            items.push(
                item.map_err(|_| no_room(&std::io::Error::from(std::io::ErrorKind::InvalidData)))?,
            );
            self.left -= 1;
        }
        Ok(items)
    }
}

/// What has a place among all rows.
pub trait Placed {
    /// Which.
    fn ordinal(&self) -> u64;
}

impl Placed for Signed {
    fn ordinal(&self) -> u64 {
        self.ordinal
    }
}

/// A worklist in the order of ordinals, one of each, with a look at the next.
pub struct Reading<T> {
    batches: Batches<T>,
    ahead: VecDeque<T>,
}

impl<T: Serialize + DeserializeOwned + Placed> Reading<T> {
    /// Reads a list.
    ///
    /// # Errors
    /// As [`Worklist::drain`].
    pub fn of(list: Worklist<T>) -> Result<Self> {
        Ok(Self { batches: list.drain()?, ahead: VecDeque::new() })
    }

    /// The next one's ordinal.
    ///
    /// # Errors
    /// As [`Batches::next`].
    pub fn ordinal(&mut self) -> Result<Option<u64>> {
        if self.ahead.is_empty() {
            self.ahead = self.batches.next(1000)?.into();
        }
        Ok(self.ahead.front().map(T::ordinal))
    }

    /// The next one, if it has this ordinal.
    ///
    /// # Errors
    /// As [`Batches::next`].
    pub fn take(&mut self, ordinal: u64) -> Result<Option<T>> {
        let found = self.ordinal()? == Some(ordinal);
        Ok(if found { self.ahead.pop_front() } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    #[test]
    fn gives_back_what_was_put_in_in_order() {
        let item = |number: u64| Item {
            ordinal: number,
            key: Key(vec![Value::Int(number.into()), Value::text("键"), Value::Float(-0.0)]),
            base: Some(Entry { remote: number, local: 2 }),
            now: Present { remote: None, local: Some(3) },
            change: Change::Gone,
            decision: None,
            recorded: true,
            kept: Some(-1),
        };
        let mut list = Worklist::default();
        let items: Vec<Item> = (0..40_000).map(item).collect();
        items.iter().for_each(|item| list.push(item).unwrap());
        assert_eq!(list.len(), 40_000);
        let mut batches = list.drain().unwrap();
        let mut back = Vec::new();
        loop {
            let batch = batches.next(999).unwrap();
            if batch.is_empty() {
                break;
            }
            back.extend(batch);
        }
        assert_eq!(back, items);
    }
}
