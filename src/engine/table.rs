//! One table, top to bottom: look, compare, refuse or go on, apply, look again.

use std::collections::{HashMap, HashSet};
use std::mem::discriminant;

use chrono::{DateTime, NaiveDateTime, Utc};
use tokio::sync::Mutex;

use super::carry_over::carry_over;
use super::compare::{compare, compare_changes, compare_rows};
use super::plan::Plan;
use super::touched::Touched;
use super::walk;
use super::worklist::Item;
use super::{Lines, Run, attempts, bag, findings};
use crate::capture::scan;
use crate::config::Capture;
use crate::endpoint::{Dialect, View, read};
use crate::error::{self, Result, SyncError};
use crate::journal::base::{Base, Seen};
use crate::journal::conflicts;
use crate::journal::lease::Lease;
use crate::journal::settings::TableSettings;
use crate::journal::stamp::{Origin, Source, Stamp, Standing};
use crate::model::{Column, Key, PerSide, Row, Side, row};
use crate::note::{self, Note};
use crate::plan::batch::Limit;
use crate::plan::guard::{self, Intent, Numbers, Refusal};
use crate::plan::merge::Write;
use crate::plan::policy::SyncType;
use crate::plan::schema_match::{ColumnPair, TablePair};
use crate::report::{Conflicts, Failure, Written};

/// How many failures of single rows a report lists.
const LISTED: usize = 100;

/// How large rows have been.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weighed {
    /// How many.
    pub(super) rows: usize,
    /// Bytes of their cells.
    pub(super) bytes: usize,
}

/// One table of a run, with everything that is known and done so far.
pub struct TableRun {
    /// How it is synced.
    pub settings: TableSettings,
    /// Both sides' definitions.
    pub pair: TablePair,
    /// What was remembered.
    pub base: Base,
    /// That no other run is at work on it; `None` in a dry run.
    pub lease: Option<Lease>,
    /// Of a table of which nothing identifies the rows: what the source has more than the target.
    pub surplus: bag::Surplus,
    /// What the current round will do.
    pub plan: Plan,
    /// Rows on each side.
    pub rows: PerSide<u64>,
    /// When any row of each side was last written, where that is known at once.
    pub newest: PerSide<Option<String>>,
    /// Rows looked at.
    pub scanned: u64,
    /// Rows written on each side.
    pub written: PerSide<Written>,
    /// Conflicts met.
    pub conflicts: Conflicts,
    /// Rows left different that somebody should look at.
    pub skipped: u64,
    /// Conflicts among these that have failures of their own: rows that collide with other rows.
    pub collided: u64,
    /// Failures of single rows: how many, and the first of them.
    pub failed_rows: u64,
    /// The first failures.
    pub failures: Vec<Failure>,
    /// What is worth knowing and no failure.
    pub notes: Vec<Note>,
    /// Open conflict rows by ordinal.
    pub open_conflicts: HashMap<u64, i128>,
    /// Rows that are to be looked at again.
    pub touched: Touched,
    /// The row that a person has decided for, as each side takes it.
    pub decided: PerSide<Option<Row>>,
    /// Keys that need no second look in this run.
    pub done: HashSet<u64>,
    /// How changes were found.
    pub capture: &'static str,
    /// Whether the first load has filled it, and the base knows of every row that came.
    pub filled: bool,
    /// The side that the first load has filled, where nobody has signed its rows yet.
    pub unsigned: Option<Side>,
    /// Rows of a reviewed plan that were met before the run began again.
    pub met: HashSet<Key>,
    /// Whether both sides were seen to hold what the base says, in this run.
    pub settled: bool,
    /// Whether the last look found nothing left to do.
    pub looks_settled: bool,
    /// When it began.
    pub started: DateTime<Utc>,
    /// Rows read so far and their bytes, by which batches are sized.
    pub(super) weighed: Weighed,
}

impl TableRun {
    /// Reads what is remembered of a table.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn open(
        run: &Run,
        lines: &mut Lines,
        settings: TableSettings,
        pair: TablePair,
    ) -> Result<Self> {
        let comparable = comparable(run, &pair);
        let sides = PerSide::new(Side::Remote, Side::Local);
        let stamp = Stamp::new(sides.map(|side| source(&run.view(&pair, side), run, side)));
        let dialect = run.dialect(Side::Local);
        let (base, open_conflicts) = if run.installed {
            let base = Base::open(lines.journal(), dialect, &pair.name, &pair.form, stamp).await?;
            (base, conflicts::open(lines.journal(), dialect, &pair.name).await?)
        } else {
            (Base::none(&pair.name, dialect, &pair.form, stamp), HashMap::new())
        };
        let attempts = if run.installed {
            attempts::of(run, lines.journal(), &pair).await?
        } else {
            HashMap::new()
        };
        let mut plan =
            Plan::new(settings.policy, comparable, pair.has_quiet_columns(), HashSet::new());
        plan.attempts = attempts;
        let undecided = settings.policy.strategy.winner().is_none();
        let target = settings.policy.direction.target().filter(|_| undecided && run.installed);
        if let Some(target) = target {
            plan.accepted =
                conflicts::accepted(lines.journal(), dialect, &pair.name, target).await?;
        }
        let told = pair.differences.iter().filter(|difference| findings::is_told(difference));
        let mut notes: Vec<Note> = told.map(findings::sentence).collect();
        if matches!(base.standing, Standing::Foreign | Standing::Elsewhere) {
            notes.push(Note::new(note::FOREIGN_BASE));
        }
        Ok(Self {
            plan,
            settings,
            pair,
            base,
            lease: None,
            surplus: bag::Surplus::new(),
            rows: PerSide::default(),
            newest: PerSide::default(),
            scanned: 0,
            written: PerSide::default(),
            conflicts: Conflicts::default(),
            skipped: 0,
            collided: 0,
            failed_rows: 0,
            failures: Vec::new(),
            notes,
            open_conflicts,
            touched: Touched::default(),
            decided: PerSide::default(),
            done: HashSet::new(),
            capture: "scan",
            filled: false,
            unsigned: None,
            met: HashSet::new(),
            settled: false,
            looks_settled: false,
            started: Utc::now(),
            weighed: Weighed::default(),
        })
    }

    /// Looks at the table and decides: the first round.
    ///
    /// # Errors
    /// `SYNC_008` where a guard refuses; else the failure with its code.
    pub async fn look(&mut self, run: &Run, lines: &mut Lines) -> Result<()> {
        self.refuse_elsewhere(run)?;
        if self.pair.is_bag() {
            if run.options.apply.is_some() {
                return Err(SyncError::new(error::NO_KEY).with("side", Side::Local));
            }
            bag::look(run, lines, self).await?;
            self.looks_settled = self.plan.writes_nothing();
            self.skipped = self.plan.skipped;
            return self.refuse(run);
        }
        if self.settle_base(run, lines).await? {
            self.note(Note::new(note::CARRIED_OVER));
        }
        let pair = self.pair.clone();
        let views = run.views(&pair);
        let full =
            self.base.is_none() || self.settings.policy.sync_type == SyncType::Full && !self.filled;
        self.plan.open = self.open_conflicts.keys().copied().collect();
        if let Some(reviewed) = &run.options.apply {
            let mut allowed = reviewed.of(&self.pair)?;
            allowed.met = std::mem::take(&mut self.met);
            self.plan.allowed = Some(allowed);
        }
        // The first load has read every row.
        self.capture = if full || self.filled { "scan" } else { "digest" };
        let asked = run.options.capture.unwrap_or(run.settings.capture);
        if !full && matches!(asked, Capture::Binlog | Capture::Watermark) {
            self.note(Note::new(note::NO_CAPTURE).with("capture", asked.as_str()));
        }
        self.rows = self.compare(run, lines, &views, full).await?;
        self.date(lines, &views).await?;
        self.refuse_moved();
        self.scanned = self.rows.remote.max(self.rows.local);
        self.looks_settled = self.plan.writes_nothing() && self.plan.moved == 0;
        self.conflicts = self.conflicts.at_least(self.plan.conflicts);
        self.skipped = self.plan.skipped;
        self.refuse(run)
    }

    /// Compares everything, or what has changed since the base. Answers how many rows each side has in all.
    async fn compare(
        &mut self,
        run: &Run,
        lines: &mut Lines,
        views: &PerSide<View<'_>>,
        everything: bool,
    ) -> Result<PerSide<u64>> {
        let Lines { snapshots, local, .. } = lines;
        let mut asked = walk::Lines { sides: snapshots, journal: Mutex::new(local) };
        let Self { base, plan, settled, .. } = self;
        if everything {
            let spans = scan::propose().spans;
            return compare(&mut asked, views, base, &spans, plan, run).await;
        }
        if std::mem::take(settled) {
            let rows =
                |side: Side| base.lows().iter().map(|low| base.digest(*low)[side].rows).sum();
            return Ok(PerSide::new(Side::Remote, Side::Local).map(rows));
        }
        compare_changes(&mut asked, views, base, plan, run).await
    }

    /// Asks both sides when any of their rows was last written.
    async fn date(&mut self, lines: &mut Lines, views: &PerSide<View<'_>>) -> Result<()> {
        let (remote, local) = tokio::join!(
            read::newest(&mut lines.snapshots.remote, &views.remote),
            read::newest(&mut lines.snapshots.local, &views.local),
        );
        self.newest = PerSide::new(remote?, local?);
        Ok(())
    }

    /// Rows of a reviewed plan that are not what they were when it was made have failed; what it says nothing of waits.
    fn refuse_moved(&mut self) {
        let Some(allowed) = &mut self.plan.allowed else { return };
        let (moved, unknown) = (allowed.take_moved(), allowed.unknown);
        if unknown {
            self.note(Note::new(note::NOT_IN_PLAN));
        }
        for key in moved {
            let error = SyncError::new(error::MOVED_SINCE_PLAN).with("key", self.key_json(&key));
            if let Some(ordinal) = self.pair.form.ordinal(&key) {
                self.fail(ordinal, error);
            }
        }
    }

    /// Makes the base say what it says by the columns that there are now: before anything is written by it, or it would be lost.
    /// Answers whether there was anything to do.
    ///
    /// # Errors
    /// `SYNC_008` where it is another database's; else the failure with its code.
    pub async fn settle_base(&mut self, run: &Run, lines: &mut Lines) -> Result<bool> {
        self.refuse_elsewhere(run)?;
        let Standing::Former(former) = self.base.standing.clone() else { return Ok(false) };
        carry_over(run, lines, self, &former).await.map(|()| true)
    }

    fn refuse_elsewhere(&self, run: &Run) -> Result<()> {
        if self.base.standing != Standing::Elsewhere || run.options.force {
            return Ok(());
        }
        let error = SyncError::new(error::OTHER_DATABASE).with("side", Side::Remote);
        Err(error.in_table(&self.pair.name))
    }

    /// The guards.
    fn refuse(&self, run: &Run) -> Result<()> {
        let deletes =
            PerSide::new(self.plan.planned.remote.deleted, self.plan.planned.local.deleted);
        let sides = PerSide::new(Side::Remote, Side::Local);
        let numbers = sides.map(|side| self.numbers(side));
        let lows = self.base.lows();
        let intent = Intent {
            rows: self.rows,
            deletes,
            writes: sides.map(|side| self.plan.planned[side].total()),
            known: lows.iter().map(|low| self.base.digest(*low).remote.rows).sum(),
            altered: self.plan.altered,
            numbers,
        };
        let doubtful = deletes.local > 0 || self.has_become_another();
        if self.base.moved && doubtful && !run.options.force {
            // It was known again by its table's age alone: a copy that was made in the same second, or lags, looks like that too.
            let error = SyncError::new(error::OTHER_DATABASE).with("side", Side::Remote);
            return Err(error.in_table(&self.pair.name));
        }
        let refusal = guard::check(&intent, run.settings.max_delete_percent);
        let Some(refusal) = refusal.filter(|_| !run.options.force) else { return Ok(()) };
        let error = match refusal {
            Refusal::EmptySource { side, deletes } => {
                SyncError::new(error::EMPTY_SOURCE).with("side", side).with("count", deletes)
            }
            Refusal::EverythingChanged { side, rows } => {
                SyncError::new(error::EVERYTHING_CHANGED).with("side", side).with("rows", rows)
            }
            Refusal::BackInTime { side, then, now } => SyncError::new(error::BACK_IN_TIME)
                .with("side", side)
                .with("then", then)
                .with("now", now),
            Refusal::OlderRows { side } => SyncError::new(error::OLDER_ROWS).with("side", side),
            Refusal::TooManyDeletes { side, deletes, rows } => {
                SyncError::new(error::TOO_MANY_DELETES)
                    .with("side", side)
                    .with("count", deletes)
                    .with("rows", rows)
                    .with("percent", run.settings.max_delete_percent)
            }
        };
        Err(error.in_table(&self.pair.name))
    }

    /// How far a side had come at the end of the last sync, and has come now.
    fn numbers(&self, side: Side) -> Option<(Numbers, Numbers)> {
        let numbers = |seen: &Seen| Numbers {
            next: seen.next,
            rows: seen.rows,
            newest: seen.newest.as_deref().and_then(moment),
        };
        let then = &self.base.seen.as_ref().filter(|_| !self.base.is_none())?[side];
        Some((numbers(then), numbers(&self.seen_now(side))))
    }

    fn seen_now(&self, side: Side) -> Seen {
        Seen {
            rows: self.rows[side],
            next: self.pair.tables[side].next_number,
            newest: self.newest[side].clone(),
        }
    }

    /// How far each side has come, to be remembered. Of a side that may have gone back in time what it was stays remembered until
    /// somebody says that this is meant, also by a run that nothing would have followed from.
    pub fn seen(&self, run: &Run) -> PerSide<Seen> {
        PerSide::new(Side::Remote, Side::Local).map(|side| {
            let now = self.seen_now(side);
            let back = self.numbers(side).is_some_and(|(then, now)| guard::may_be_back(then, now));
            let then = self.base.seen.as_ref().map(|seen| seen[side].clone());
            then.filter(|_| back && !run.options.force).unwrap_or(now)
        })
    }

    /// Whether REMOTE is the database that it was: it has not moved, or somebody says so, or a run looked at it that would have
    /// asked.
    pub fn knows_remote(&self, run: &Run) -> bool {
        let asks = run.options.apply.is_none()
            && self.settings.policy.direction.target() != Some(Side::Remote);
        !self.base.moved || run.options.force || asks && !self.has_become_another()
    }

    /// Whether REMOTE has changed or lost most of what it had.
    fn has_become_another(&self) -> bool {
        let lows = self.base.lows();
        let known: u64 = lows.iter().map(|low| self.base.digest(*low).remote.rows).sum();
        self.plan.altered.remote * 2 > known
    }

    /// Looks again where something was written: a new plan, of what moved meanwhile.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn look_again(&mut self, run: &Run, lines: &mut Lines) -> Result<()> {
        let pair = self.pair.clone();
        let views = run.views(&pair);
        let Plan { comparable, quiet, .. } = self.plan;
        let fresh = Plan::new(self.settings.policy, comparable, quiet, self.done.clone());
        let Plan { allowed, attempts, accepted, .. } = std::mem::replace(&mut self.plan, fresh);
        (self.plan.allowed, self.plan.attempts, self.plan.accepted) = (allowed, attempts, accepted);
        match std::mem::take(&mut self.touched) {
            // A trigger may have changed other rows.
            Touched::Rows(rows)
                if !pair.tables.remote.triggers.any && !pair.tables.local.triggers.any =>
            {
                let Lines { snapshots, local, .. } = lines;
                let mut asked = walk::Lines { sides: snapshots, journal: Mutex::new(local) };
                let rows = rows.into_iter().collect();
                for side in Side::BOTH {
                    // The guards must know of a side that somebody has emptied meanwhile.
                    if read::is_empty(&mut asked.sides[side], &views[side]).await? {
                        self.rows[side] = 0;
                    }
                }
                compare_rows(&mut asked, &views, &self.base, rows, &mut self.plan, run).await?;
            }
            _ => self.rows = self.compare(run, lines, &views, false).await?,
        }
        self.date(lines, &views).await?;
        self.refuse_moved();
        self.conflicts.add(self.plan.conflicts);
        self.skipped += self.plan.skipped;
        self.looks_settled = self.plan.writes_nothing() && self.plan.moved == 0;
        self.refuse(run)
    }

    /// Notes a row that was left as it is, with its reason.
    pub fn fail(&mut self, ordinal: u64, error: SyncError) {
        self.failed_rows += 1;
        self.done.insert(ordinal);
        if self.failures.len() < LISTED {
            self.failures.push(Failure::from(&error.in_table(&self.pair.name)));
        }
    }

    /// Reads the base as it is kept, where a transaction that changed it may have been committed or not.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn read_base_again(&mut self, lines: &mut Lines) -> Result<()> {
        self.base = self.base.read_again(lines.journal(), &self.pair.form).await?;
        Ok(())
    }

    /// Adds a note once.
    pub fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl TableRun {
    /// Rows per batch: as many as are asked for, fewer where rows are large.
    pub fn batch_rows(&self, run: &Run) -> usize {
        let average = self.weighed.bytes / self.weighed.rows.max(1);
        let unknown = self.weighed.rows == 0 && self.pair.has_long_columns();
        let fitting = if unknown { 50 } else { Limit::rows(1).bytes / average.max(1) };
        run.settings.batch_size.min(fitting).max(1)
    }

    pub(super) fn weigh(&mut self, bytes: usize) {
        self.weighed.bytes += bytes;
        self.weighed.rows += 1;
    }

    /// Notes a row that changed between two looks at it: it is looked at again in the next round.
    pub(super) fn moved(&mut self, item: &Item) {
        self.plan.moved += 1;
        self.touched.add(item);
    }

    pub(super) fn count(&mut self, target: Side, write: Write, items: &[&Item]) {
        let rows = items.len() as u64;
        let written = &mut self.written[target];
        match write {
            Write::Insert => {
                written.inserted += rows;
                self.rows[target] += rows;
            }
            Write::Update => written.updated += rows,
            Write::Delete => {
                written.deleted += rows;
                self.rows[target] = self.rows[target].saturating_sub(rows);
            }
        }
        items.iter().for_each(|item| self.touched.add(item));
    }

    /// A key as a JSON object of its columns.
    pub fn key_json(&self, key: &Key) -> serde_json::Value {
        row::object(self.pair.key_names().zip(&key.0))
    }

    /// A row as a JSON object of its columns.
    pub fn row_json(&self, cells: &Row) -> serde_json::Value {
        row::object(self.pair.columns.iter().map(|column| column.name.as_str()).zip(cells))
    }
}

/// A time as a server or Django spells it.
fn moment(text: &str) -> Option<NaiveDateTime> {
    let time = text.get(..19)?.replace('T', " ");
    NaiveDateTime::parse_from_str(&time, "%Y-%m-%d %H:%M:%S").ok()
}

/// What one side's signatures are made from.
fn source(view: &View<'_>, run: &Run, side: Side) -> Source {
    let nature = &run.endpoints[side].nature;
    Source {
        origin: Origin {
            identity: nature.identity.clone(),
            name: nature.name.clone(),
            // MySQL's servers have names of their own, which go with their data.
            created: if nature.dialect == Dialect::MySql {
                String::new()
            } else {
                format!("{}{}", nature.birth, view.pair.tables[side].created)
            },
        },
        key: view.pair.key_names().map(ToOwned::to_owned).collect(),
        form: view.pair.form.clone(),
        rule: view.rule(),
        columns: view.signed_columns(),
    }
}

/// Whether rows that both sides sign alike are the same: their signatures are made of the same texts, column by column, and
/// those mean the same.
fn comparable(run: &Run, pair: &TablePair) -> bool {
    let dialects = PerSide::new(Side::Remote, Side::Local).map(|side| run.dialect(side));
    let engine_signs = dialects.map(|dialect| dialect == Dialect::Sqlite);
    let set = |column: &Column| {
        let set = column.collation.as_ref().and_then(|name| name.split('_').next());
        set.map(|set| if set.starts_with("utf8") { "utf8" } else { set }.to_owned())
    };
    let alike = |pair: &ColumnPair| {
        let (remote, local) = (&pair.sides.remote, &pair.sides.local);
        if engine_signs.local {
            return remote.kind == local.kind;
        }
        let kinds = discriminant(&remote.kind) == discriminant(&local.kind);
        kinds && set(remote) == set(local)
    };
    engine_signs.remote == engine_signs.local && pair.columns.iter().all(alike)
}
