//! Every table's turn in a run: its lock, its log rows, how it stands, and the report in the end.

mod holding;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};

use super::create::Made;
use super::preflight::Job;
use super::preview::preview;
use super::table::TableRun;
use super::{Lines, Options, Run, reviewed, stops_everything};
use crate::endpoint::{Connection, Purpose};
use crate::error::{self, Code, Result, SyncError};
use crate::journal::base;
use crate::journal::lease::Lease;
use crate::journal::lock::Locks;
use crate::journal::runs::{self, Outcome, Pass, Status};
use crate::journal::settings::{self, TableSettings};
use crate::journal::undo;
use crate::model::{Key, PerSide, Side};
use crate::note::{self, Note};
use crate::plan::policy::{Direction, Policy, Strategy};
use crate::plan::schema_match::TablePair;
use crate::report::{
    Conflicts, Failure, PlannedChange, Report, Rows, TablePlan, TableReport, Written,
};

/// How a table stands.
enum Standing {
    /// Its turn has not come.
    Waiting(Box<TablePair>),
    /// It is at work.
    Open(Box<TableRun>),
    /// A dry run would make it first.
    ToMake(Side, u64),
    /// It had finished when others began again.
    Closed(Box<TableRun>),
    /// It failed before or after it was at work.
    Failed(SyncError, Option<Box<TableRun>>),
}

/// What a table had done before its line was lost and its turn began again.
#[derive(Default)]
struct Earlier {
    written: PerSide<Written>,
    conflicts: Conflicts,
    collided: u64,
    unsigned: Option<Side>,
    /// Rows of a reviewed plan that were met.
    met: HashSet<Key>,
}

/// One table's turn.
pub struct Turn {
    /// How it is synced.
    pub settings: TableSettings,
    standing: Standing,
    locked: bool,
    lease: Option<Lease>,
    logged: bool,
    /// What it had done when its line was lost.
    earlier: Earlier,
    changes: Option<(Vec<PlannedChange>, u64)>,
    plan: Option<TablePlan>,
    made: Made,
    worked: Duration,
}

impl Turn {
    /// Opens the table, if nothing is in the way.
    pub async fn begin(&mut self, run: &Run, lines: &mut Lines) {
        if let Standing::Waiting(pair) = &self.standing {
            let opened = TableRun::open(run, lines, self.settings.clone(), (**pair).clone()).await;
            self.standing = match opened {
                Ok(mut table) => {
                    table.lease = self.lease;
                    let Earlier { written, conflicts, collided, unsigned, met } =
                        std::mem::take(&mut self.earlier);
                    (table.written, table.conflicts, table.collided) =
                        (written, conflicts, collided);
                    (table.unsigned, table.met) = (unsigned, met);
                    Standing::Open(Box::new(table))
                }
                Err(error) => Standing::Failed(error, None),
            };
        }
    }

    /// The table, while it is at work.
    pub fn table(&self) -> Option<&TableRun> {
        match &self.standing {
            Standing::Open(table) => Some(table),
            _ => None,
        }
    }

    /// The same, to be written to.
    pub(super) fn table_mut(&mut self) -> Option<&mut TableRun> {
        match &mut self.standing {
            Standing::Open(table) => Some(table),
            _ => None,
        }
    }

    /// A step of the work; where it fails, the table's turn is over and the others' go on.
    pub async fn go_on(&mut self, step: impl AsyncFnOnce(&mut TableRun) -> Result<()>) {
        let Standing::Open(table) = &mut self.standing else { return };
        let clock = Instant::now();
        let done = step(table).await;
        self.worked += clock.elapsed();
        if let Err(error) = done {
            tracing::debug!(
                table = self.settings.table,
                code = error.code().as_str(),
                "table fails"
            );
            self.fail(error);
        }
    }

    /// Time that was spent on the table outside its turn.
    pub fn spent(&mut self, time: Duration) {
        self.worked += time;
    }

    /// The table's turn is over.
    pub fn fail(&mut self, error: SyncError) {
        let standing = std::mem::replace(
            &mut self.standing,
            Standing::Failed(error.in_table(&self.settings.table), None),
        );
        if let (Standing::Open(table), Standing::Failed(_, kept)) = (standing, &mut self.standing) {
            *kept = Some(table);
        }
    }

    fn known(&self) -> Option<&TableRun> {
        match &self.standing {
            Standing::Open(table) | Standing::Closed(table) => Some(table),
            Standing::Failed(_, table) => table.as_deref(),
            Standing::Waiting(_) | Standing::ToMake(..) => None,
        }
    }

    fn error(&self) -> Option<&SyncError> {
        match &self.standing {
            Standing::Failed(error, _) => Some(error),
            _ => None,
        }
    }

    fn status(&self) -> Status {
        match (self.error(), self.known()) {
            (Some(error), _) if stops_everything(error.code()) => Status::Interrupted,
            (Some(_), _) => Status::Failed,
            (None, Some(table))
                if table.failed_rows > 0 || table.skipped > 0 || !table.looks_settled =>
            {
                Status::Partial
            }
            (None, _) => Status::Success,
        }
    }

    /// What is still to be done after the last look, as a failure: somebody writes faster than we sync.
    fn restless(&self) -> Option<SyncError> {
        let failed = self.error().is_some();
        let table = self.known().filter(|table| !failed && !table.looks_settled)?;
        let left: u64 = Side::BOTH.iter().map(|side| table.plan.planned[*side].total()).sum();
        if table.plan.moved == 0 && left <= table.failed_rows {
            // What is left has been told of row by row.
            return None;
        }
        let error = SyncError::new(error::NOT_EQUAL).with("table", &self.settings.table);
        Some(error.with("count", left + table.plan.moved))
    }

    fn passes(&self) -> Vec<Side> {
        self.settings.policy.direction.passes()
    }
}

/// All turns of a run.
pub struct Ledger {
    /// In the order of the work.
    pub turns: Vec<Turn>,
    locks: Locks,
    /// Whether any table was waited for: what was read of them before is old.
    pub waited: bool,
}

impl Ledger {
    /// Takes the tables' locks. [`Self::enter`] then notes that their passes begin.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn open(run: &Run, local: &mut Connection, jobs: Vec<Job>) -> Result<Self> {
        let mut ledger = Self { turns: Vec::new(), locks: Locks::default(), waited: false };
        for Job { settings, pair, made } in jobs {
            let made = made.unwrap_or_default();
            let standing = match (pair, made.waiting) {
                (Ok(pair), _) => Standing::Waiting(Box::new(pair)),
                (Err(_), Some((from, rows))) => Standing::ToMake(from, rows),
                (Err(error), None) => Standing::Failed(error, None),
            };
            ledger.turns.push(Turn {
                settings,
                standing,
                locked: false,
                lease: None,
                logged: false,
                earlier: Earlier::default(),
                changes: None,
                plan: None,
                made,
                worked: Duration::ZERO,
            });
        }
        ledger.hold(run, local).await?;
        Ok(ledger)
    }

    /// Shows what would be done.
    pub async fn preview(&mut self, run: &Run, lines: &mut Lines) {
        for turn in &mut self.turns {
            let (mut shown, mut plan) = (None, None);
            turn.go_on(async |table| {
                table.looks_settled = true;
                if run.options.undo.is_none() {
                    plan = reviewed::plan(table)?;
                }
                shown = Some(preview(run, lines, table).await?);
                Ok(())
            })
            .await;
            // What had finished when others began again was shown before.
            if shown.is_some() {
                (turn.changes, turn.plan) = (shown, plan);
            }
        }
    }

    /// Notes how every pass ended, gives the locks back, and reports.
    ///
    /// # Errors
    /// The failure with its code, where not even that can be noted.
    pub async fn close(mut self, run: &Run, lines: &mut Lines) -> Result<Report> {
        for turn in &mut self.turns {
            run.progress.done(&turn.settings.table);
        }
        if run.options.dry_run {
            lines.local.rollback().await;
            for turn in self.turns.iter().filter(|turn| turn.locked) {
                let nature = &run.endpoints.local.nature;
                self.locks.give_back(&mut lines.local, nature, &turn.settings.table).await?;
            }
        } else {
            let noted = self.note_the_end(run, lines).await;
            let told = self.turns.iter().any(|turn| turn.error().is_some());
            match noted {
                // What has failed before is what people should hear of.
                Err(error) if told => tracing::warn!(%error, "the run's end is not in db_sync_log"),
                noted => noted?,
            }
        }
        Ok(self.report(run))
    }

    async fn note_the_end(&mut self, run: &Run, lines: &mut Lines) -> Result<()> {
        // A line that was idle may have been ended meanwhile, which nobody knows before it is used.
        lines.local.rollback().await;
        let noted = self.write_off(run, &mut lines.local).await;
        if !lines.local.is_ended() {
            return noted;
        }
        let mut fresh = run.endpoints.local.connect(Purpose::Write).await?;
        let noted = self.write_off(run, &mut fresh).await;
        fresh.close().await;
        noted
    }

    async fn write_off(&mut self, run: &Run, local: &mut Connection) -> Result<()> {
        let nature = &run.endpoints.local.nature;
        local.rollback().await;
        for turn in &self.turns {
            for target in turn.passes().into_iter().filter(|_| turn.logged) {
                let pass = pass(run, turn, Direction::pass_to(target));
                runs::end(local, nature.dialect, &pass, &outcome(run, turn, target)).await?;
            }
            let mut sync = run.options.undo.is_none() && run.options.resolve.is_none();
            if let Some(lease) = turn.lease {
                // Whoever has taken this run's place knows better how the table stands.
                sync &= lease.renew(local).await.is_ok();
            }
            if let (Standing::Open(table) | Standing::Closed(table), true) = (&turn.standing, sync)
            {
                let (seen, known) = (table.seen(run), table.knows_remote(run));
                base::see(local, nature.dialect, &table.base, seen, known).await?;
                settings::synced(
                    local,
                    nature.dialect,
                    &turn.settings.table,
                    table.capture,
                    Utc::now(),
                )
                .await?;
            }
            if let Some(lease) = turn.lease {
                lease.end(local).await?;
            }
            if turn.locked {
                self.locks.give_back(local, nature, &turn.settings.table).await?;
            }
        }
        // Another run may be storing what lies beside that; there is no hurry, and a failure here is none of this run's.
        if let Err(error) = self.housekeeping(run, local).await {
            tracing::debug!(%error, "nothing is pruned this time");
        }
        Ok(())
    }

    async fn housekeeping(&self, run: &Run, local: &mut Connection) -> Result<()> {
        let nature = &run.endpoints.local.nature;
        let place = local.place().clone();
        let impatient = local.wait_for_locks(Duration::from_secs(1)).await;
        impatient.map_err(|fault| fault.fatal(&place))?;
        let days = |days: u32| Utc::now() - chrono::Duration::days(days.into());
        if run.settings.log_retention_days > 0 {
            runs::prune(local, nature.dialect, days(run.settings.log_retention_days)).await?;
        }
        if run.settings.undo_retention_days > 0 {
            undo::prune(local, nature.dialect, days(run.settings.undo_retention_days)).await?;
        }
        Ok(())
    }

    /// What all tables have in common.
    fn common<T: PartialEq>(&self, of: impl Fn(&Policy) -> T) -> Option<T> {
        let mut all = self.turns.iter().map(|turn| of(&turn.settings.policy));
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }

    fn report(self, run: &Run) -> Report {
        let sync_type = self.common(|policy| policy.sync_type).unwrap_or(run.settings.sync_type);
        let direction = self.common(|policy| policy.direction).unwrap_or(run.settings.direction);
        let mut errors = Vec::new();
        let codes: Vec<Code> =
            self.turns.iter().filter_map(|turn| turn.error().map(SyncError::code)).collect();
        let partial = self.turns.iter().any(|turn| turn.status() == Status::Partial);
        for turn in &self.turns {
            errors.extend(turn.error().map(Failure::from));
            errors.extend(turn.known().into_iter().flat_map(|table| table.failures.clone()));
            errors.extend(turn.restless().map(|error| Failure::from(&error)));
            if let Some(waiting) = turn
                .known()
                .map(|table| table.conflicts.manual - table.collided)
                .filter(|waiting| *waiting > 0)
            {
                let error = SyncError::new(error::CONFLICTS_WAIT)
                    .with("table", &turn.settings.table)
                    .with("count", waiting);
                errors.push(Failure::from(&error));
            }
        }
        let (status, exit_code) = if codes.contains(&Code::Sync005) {
            (Status::Interrupted, Code::Sync005.exit())
        } else if let Some(worst) =
            codes.iter().find(|code| **code != Code::Sync009).or(codes.first())
        {
            (Status::Failed, if *worst == Code::Sync009 { Code::Sync009.exit() } else { 1 })
        } else if partial {
            (Status::Partial, Code::Sync007.exit())
        } else {
            (Status::Success, 0)
        };
        let took = (Utc::now() - run.started).num_milliseconds();
        Report {
            run_id: run.run_id.clone(),
            sync_type: sync_type.as_str(),
            sync_direction: direction.as_str(),
            dry_run: run.options.dry_run,
            status: status.as_str(),
            started_at: run.started.to_rfc3339_opts(SecondsFormat::Secs, true),
            duration_ms: u64::try_from(took).unwrap_or(0),
            tables: self.turns.iter().map(|turn| table_report(run, turn)).collect(),
            notes: notes(run),
            errors,
            exit_code,
        }
    }
}

/// What is worth knowing of the run as a whole.
fn notes(run: &Run) -> Vec<Note> {
    let unplanned = run.options.apply.as_ref().map(|plan| plan.unplanned.join(", "));
    let unplanned = unplanned.filter(|tables| !tables.is_empty());
    let unplanned = unplanned.map(|tables| Note::new(note::UNPLANNED).with("tables", tables));
    let told = run.options.tables.is_empty() && !run.unconfigured.is_empty();
    let names = || Note::new(note::NOT_CONFIGURED).with("tables", run.unconfigured.join(", "));
    let open = run.settings.open_file.as_ref();
    let open = open.map(|path| Note::new(note::OPEN_ENV_FILE).with("path", path.display()));
    open.into_iter().chain(unplanned).chain(told.then(names)).collect()
}

fn pass<'a>(run: &'a Run, turn: &'a Turn, direction: Direction) -> Pass<'a> {
    Pass {
        run_id: &run.run_id,
        table: &turn.settings.table,
        kind: match &run.options {
            Options { undo: Some(_), .. } => "UNDO",
            Options { resolve: Some(_), .. } => "RESOLVE",
            Options { apply: Some(_), .. } => "APPLY",
            _ => turn.settings.policy.sync_type.as_str(),
        },
        direction,
        triggered_by: &run.options.triggered_by,
        started: turn.known().map_or(run.started, |table| table.started),
    }
}

/// How the pass that writes `target` ended. Conflicts are told of in the pass that carries the winner's version; those that
/// nobody wins, in the first.
fn outcome(run: &Run, turn: &Turn, target: Side) -> Outcome {
    let none = Conflicts::default();
    let conflicts = turn.known().map_or(none, |table| table.conflicts);
    let lost_here = match (turn.settings.policy.direction.target(), target) {
        (Some(_), _) => conflicts,
        (None, Side::Local) => Conflicts { local_wins: 0, ..conflicts },
        (None, Side::Remote) => Conflicts { local_wins: conflicts.local_wins, ..none },
    };
    let met = lost_here.remote_wins + lost_here.local_wins + lost_here.skipped + lost_here.manual;
    let mut sentences = Vec::new();
    if met > 0 {
        let Conflicts { remote_wins, local_wins, skipped, manual, .. } = lost_here;
        sentences.push(format!(
            "{met} conflict(s): {remote_wins} REMOTE wins, {local_wins} LOCAL wins, {skipped} skipped, {manual} manual"
        ));
    }
    sentences.extend(run.options.undo.iter().map(|undone| format!("takes back run {undone}")));
    if run.options.force {
        sentences.push("the guards were lifted (--force)".to_owned());
    }
    sentences.extend(turn.error().map(SyncError::message));
    if let Some(table) = turn.known().filter(|table| table.failed_rows > 0) {
        sentences.push(format!("{} row(s) failed", table.failed_rows));
        sentences.extend(
            table
                .failures
                .iter()
                .take(5)
                .map(|failure| format!("{}: {}", failure.code, failure.message)),
        );
    }
    let failed = turn.known().and_then(|table| table.failures.first()).map(|failure| failure.code);
    let written = turn.known().map_or(Written::default(), |table| table.written[target]);
    Outcome {
        status: turn.status(),
        ended: Utc::now(),
        scanned: turn.known().map_or(0, |table| table.scanned),
        inserted: written.inserted,
        updated: written.updated,
        deleted: written.deleted,
        skipped: turn.known().map_or(0, |table| table.skipped + table.failed_rows),
        conflicts: met,
        error_code: turn.error().map(|error| error.code().as_str()).or(failed),
        message: (!sentences.is_empty()).then(|| sentences.join("; ")),
    }
}

fn table_report(run: &Run, turn: &Turn) -> TableReport {
    let status = turn.status().as_str();
    let error = turn
        .error()
        .map(Failure::from)
        .or_else(|| turn.known().and_then(|table| table.failures.first().cloned()));
    let (changes, changes_total) = turn.changes.clone().unzip();
    let truncated = changes.as_ref().zip(changes_total);
    let truncated = truncated.map(|(changes, total): (&Vec<_>, u64)| total > changes.len() as u64);
    let strategy: Strategy = turn.settings.policy.strategy;
    let Some(table) = turn.known() else {
        let mut rows = Rows::default();
        let mut planned = PerSide::<Written>::default();
        if let Standing::ToMake(from, count) = turn.standing {
            let to_make = |side: Side| if from == side { count } else { 0 };
            rows = Rows { remote: to_make(Side::Remote), local: to_make(Side::Local) };
            planned[from.other()].inserted = count;
        }
        return TableReport {
            table: turn.settings.table.clone(),
            status,
            capture: "none",
            strategy: strategy.as_str(),
            remote_to_local: planned.local,
            local_to_remote: planned.remote,
            conflicts: Conflicts::default(),
            rows,
            verified: false,
            duration_ms: 0,
            error,
            notes: turn.made.notes.clone(),
            create: turn.made.statements.clone(),
            changes,
            plan: None,
            changes_truncated: truncated,
            changes_total,
        };
    };
    let written = |side: Side| {
        if run.options.dry_run { table.plan.planned[side] } else { table.written[side] }
    };
    TableReport {
        table: turn.settings.table.clone(),
        status,
        capture: table.capture,
        strategy: strategy.as_str(),
        remote_to_local: written(Side::Local),
        local_to_remote: written(Side::Remote),
        conflicts: table.conflicts,
        rows: Rows { remote: table.rows.remote, local: table.rows.local },
        verified: table.looks_settled && error.is_none() && !run.options.dry_run,
        duration_ms: u64::try_from(turn.worked.as_millis()).unwrap_or(u64::MAX),
        error,
        notes: turn.made.notes.iter().chain(&table.notes).cloned().collect(),
        create: turn.made.statements.clone(),
        changes,
        plan: turn.plan.clone(),
        changes_truncated: truncated,
        changes_total,
    }
}
