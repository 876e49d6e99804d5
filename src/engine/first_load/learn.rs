//! What is remembered of rows that pass by: their keys, so that they can be taken away again, and what the base says of them.

use serde::{Deserialize, Serialize};

use super::Job;
use crate::endpoint::{Connection, Dialect, Purpose};
use crate::engine::Run;
use crate::engine::heaps::Heaps;
use crate::engine::worklist::{Placed, Worklist};
use crate::error::Result;
use crate::journal::base::Base;
use crate::journal::lease::Lease;
use crate::journal::undo::{self, PreImage};
use crate::model::{Key, Side, row};
use crate::plan::merge::{Entry, Write};
use crate::plan::schema_match::TablePair;

/// Entries that the base takes at once: whole chunks.
const ENTRIES: usize = 50_000;
/// Rows whose keys are kept as one pre-image.
const IMAGES: usize = 1000;

/// One row that passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Passed {
    pub ordinal: u64,
    pub key: Key,
    /// What each side signs, where that is known.
    pub entry: Option<Entry>,
}

impl Placed for Passed {
    fn ordinal(&self) -> u64 {
        self.ordinal
    }
}

/// Rows that wait until they can be written.
enum Waiting {
    /// None: they are written as they pass.
    None,
    /// Those of hashed keys, until they can be sorted.
    Heaps(Heaps<Passed>),
    /// All, where LOCAL is a file that takes one writer.
    Line(Worklist<Passed>),
}

/// Writes down what passes. Everything is one transaction on LOCAL, which ends after that of the rows: a base without its rows
/// would take them for deleted.
pub(super) struct Learner<'a> {
    run: &'a Run,
    pair: &'a TablePair,
    target: Side,
    base: Option<Base>,
    lease: Option<Lease>,
    local: Option<Connection>,
    waiting: Waiting,
    images: Vec<PreImage>,
    entries: Vec<(u64, Entry)>,
    /// The last row's place.
    last: Option<u64>,
}

impl<'a> Learner<'a> {
    /// Gets ready. Without a base nothing but the keys is kept.
    pub async fn open(run: &'a Run, job: &'a Job, base: Option<Base>) -> Result<Self> {
        let Job { pair, target, lease, .. } = job;
        let (target, lease) = (*target, *lease);
        let file = run.dialect(Side::Local) == Dialect::Sqlite;
        let hashed = pair.form.is_hashed();
        let waiting = match (hashed, file) {
            (true, _) => Waiting::Heaps(Heaps::default()),
            (false, true) => Waiting::Line(Worklist::default()),
            (false, false) => Waiting::None,
        };
        let mut learner = Self {
            run,
            pair,
            target,
            base,
            lease,
            local: None,
            waiting,
            images: Vec::new(),
            entries: Vec::new(),
            last: None,
        };
        if matches!(learner.waiting, Waiting::None) {
            learner.begin().await?;
        }
        Ok(learner)
    }

    async fn begin(&mut self) -> Result<()> {
        let mut local = self.run.endpoints.local.connect(Purpose::Write).await?;
        let begun = local.begin().await;
        begun.map_err(|fault| fault.fatal(local.place()))?;
        self.local = Some(local);
        Ok(())
    }

    /// Takes note of rows.
    pub async fn pass(&mut self, rows: Vec<Passed>) -> Result<()> {
        if let Some(mut local) = self.local.take() {
            let written = self.write(&mut local, rows).await;
            self.local = Some(local);
            return written;
        }
        rows.iter().try_for_each(|row| match &mut self.waiting {
            Waiting::Heaps(heaps) => heaps.push(row),
            Waiting::Line(line) => line.push(row),
            Waiting::None => Ok(()),
        })
    }

    /// Writes rows, which come in the order of ordinals.
    async fn write(&mut self, line: &mut Connection, rows: Vec<Passed>) -> Result<()> {
        for Passed { ordinal, key, entry } in rows {
            self.images.push(PreImage {
                write: Write::Insert,
                key: row::object(self.pair.key_names().zip(&key.0)),
                before: None,
                written: entry.map(|entry| entry[self.target]),
                found: None,
                base: None,
            });
            // Of keys that share their place the base can say nothing.
            let shares = self.last == Some(ordinal);
            if shares && self.entries.last().is_some_and(|(last, _)| *last == ordinal) {
                self.entries.pop();
            }
            self.entries.extend(entry.filter(|_| !shares).map(|entry| (ordinal, entry)));
            self.last = Some(ordinal);
            if self.images.len() >= IMAGES {
                self.write_images(line).await?;
            }
            // The next row may share its place with the last one.
            if self.entries.len() > ENTRIES && !self.pair.form.is_hashed() {
                let next = self.entries.split_off(ENTRIES);
                let from = self.entries.first().map_or(0, |(first, _)| *first);
                self.write_entries(line, from).await?;
                self.entries = next;
            }
        }
        Ok(())
    }

    async fn write_images(&mut self, line: &mut Connection) -> Result<()> {
        let (dialect, run) = (self.run.dialect(Side::Local), &self.run.run_id);
        undo::record(line, dialect, run, &self.pair.name, self.target, &self.images).await?;
        self.images.clear();
        Ok(())
    }

    async fn write_entries(&mut self, line: &mut Connection, from: u64) -> Result<()> {
        if let Some(base) = &mut self.base {
            *base = base.with_more(line, from, &self.entries).await?;
        }
        self.entries.clear();
        Ok(())
    }

    /// Writes what waits, on a line of others' where there is one, who then keep it or not. Answers the base, where there is one.
    pub async fn finish(&mut self, theirs: Option<&mut Connection>) -> Result<Option<Base>> {
        if let Some(line) = theirs {
            return self.write_rest(line).await;
        }
        if self.local.is_none() {
            self.begin().await?;
        }
        let Some(mut local) = self.local.take() else { return Ok(None) };
        let base = self.write_rest(&mut local).await;
        self.local = Some(local);
        base
    }

    async fn write_rest(&mut self, line: &mut Connection) -> Result<Option<Base>> {
        match std::mem::replace(&mut self.waiting, Waiting::None) {
            Waiting::None => {}
            Waiting::Heaps(heaps) => {
                for heap in heaps.sorted() {
                    self.run.cancel.check()?;
                    let (low, rows) = heap?;
                    self.write(line, rows).await?;
                    self.write_entries(line, low).await?;
                }
            }
            Waiting::Line(rows) => {
                let mut batches = rows.drain()?;
                loop {
                    self.run.cancel.check()?;
                    let rows = batches.next(IMAGES)?;
                    if rows.is_empty() {
                        break;
                    }
                    self.write(line, rows).await?;
                }
            }
        }
        self.write_images(line).await?;
        let from = self.entries.first().map_or(0, |(first, _)| *first);
        self.write_entries(line, from).await?;
        Ok(self.base.clone())
    }

    /// Makes sure that no other run has taken this one's place, just before the rows are kept: on the line of what is remembered,
    /// or on the one that `theirs` is.
    ///
    /// # Errors
    /// `SYNC_009` where one has.
    pub async fn fence(&mut self, theirs: Option<&mut Connection>) -> Result<()> {
        match (&self.lease, theirs.or(self.local.as_mut())) {
            (Some(lease), Some(line)) => lease.renew(line).await,
            _ => Ok(()),
        }
    }

    /// Keeps it all.
    pub async fn keep(self) -> Result<()> {
        if let Some(mut local) = self.local {
            let kept = local.commit().await;
            kept.map_err(|fault| fault.fatal(local.place()))?;
            local.close().await;
        }
        Ok(())
    }

    /// Forgets it all.
    pub async fn drop(self) {
        if let Some(mut local) = self.local {
            local.rollback().await;
            local.close().await;
        }
    }
}
