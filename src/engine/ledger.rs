//! Every table's turn in a run: its lock, its log rows, how it stands, and the report in the end.

use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use tokio::time::sleep;

use super::create::Made;
use super::preflight::Job;
use super::preview::preview;
use super::revival::may_pass;
use super::table::TableRun;
use super::{Lines, Run, reviewed, stops_everything};
use crate::endpoint::{Connection, Dialect, Purpose};
use crate::error::{self, Code, Result, SyncError};
use crate::journal::base::{self, Seen};
use crate::journal::lease::{self, Lease};
use crate::journal::lock::Locks;
use crate::journal::runs::{self, Outcome, Pass, Status};
use crate::journal::settings::{self, TableSettings};
use crate::journal::undo;
use crate::model::{PerSide, Side};
use crate::note::{self, Note};
use crate::plan::policy::{Direction, Policy, Strategy};
use crate::plan::schema_match::TablePair;
use crate::report::{
    Conflicts, Failure, PlannedChange, Report, Rows, TablePlan, TableReport, Written,
};

/// How often a table that another run has locked is looked at.
const LOOK: Duration = Duration::from_millis(250);

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

/// One table's turn.
pub struct Turn {
    /// How it is synced.
    pub settings: TableSettings,
    standing: Standing,
    locked: bool,
    lease: Option<Lease>,
    logged: bool,
    /// What it had done when its line was lost.
    earlier: (PerSide<Written>, Conflicts),
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
                    (table.written, table.conflicts) = self.earlier;
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

    fn is_lost(&self, run: &Run) -> bool {
        matches!(&self.standing, Standing::Failed(error, Some(_)) if may_pass(run, error))
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
}

impl Ledger {
    /// Takes the tables' locks and notes that their passes begin; a dry run does neither.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn open(run: &Run, local: &mut Connection, jobs: Vec<Job>) -> Result<Self> {
        let mut ledger = Self { turns: Vec::new(), locks: Locks::default() };
        for Job { settings, pair, made } in jobs {
            let made = made.unwrap_or_default();
            let standing = match (pair, made.waiting) {
                (Ok(pair), _) => Standing::Waiting(Box::new(pair)),
                (Err(_), Some((from, rows))) => Standing::ToMake(from, rows),
                (Err(error), None) => Standing::Failed(error, None),
            };
            let mut turn = Turn {
                settings,
                standing,
                locked: false,
                lease: None,
                logged: false,
                earlier: Default::default(),
                changes: None,
                plan: None,
                made,
                worked: Duration::ZERO,
            };
            ledger.enter(run, local, &mut turn).await?;
            ledger.turns.push(turn);
        }
        Ok(ledger)
    }

    async fn enter(&mut self, run: &Run, local: &mut Connection, turn: &mut Turn) -> Result<()> {
        let nature = &run.endpoints.local.nature;
        let name = turn.settings.table.clone();
        let until = Instant::now() + run.options.wait;
        loop {
            self.lock(run, local, turn).await?;
            if turn.locked || Instant::now() >= until {
                break;
            }
            run.cancel.check()?;
            sleep(LOOK.min(run.options.wait)).await;
        }
        if run.options.dry_run {
            // What another run is just writing is no plan of ours.
            if !turn.locked {
                turn.fail(SyncError::new(error::LOCKED).with("table", &name));
            }
            return Ok(());
        }
        if turn.locked {
            runs::bury(local, nature.dialect, &name, run.started).await?;
        } else {
            turn.fail(SyncError::new(error::LOCKED).with("table", &name));
        }
        let directions: Vec<Direction> =
            turn.passes().into_iter().map(Direction::pass_to).collect();
        let passes: Vec<Pass<'_>> =
            directions.iter().map(|direction| pass(run, turn, *direction)).collect();
        runs::begin(local, nature.dialect, &passes).await?;
        turn.logged = true;
        Ok(())
    }

    /// Takes a table's lock and its lease, or neither. A dry run writes nothing, so it leases nothing.
    async fn lock(&mut self, run: &Run, local: &mut Connection, turn: &mut Turn) -> Result<()> {
        let nature = &run.endpoints.local.nature;
        let name = &turn.settings.table;
        turn.locked = self.locks.take(local, nature, name).await?;
        let silent = !turn.locked && !run.options.dry_run;
        if silent && lease::end_silent(local, nature, name).await? {
            sleep(LOOK).await;
            turn.locked = self.locks.take(local, nature, name).await?;
        }
        if turn.locked && !run.options.dry_run {
            turn.lease = lease::take(local, nature.dialect, name, &run.run_id).await?;
            if turn.lease.is_none() {
                self.locks.give_back(local, nature, name).await?;
                turn.locked = false;
            }
        }
        Ok(())
    }

    /// Says again and again that this run is at work, on a line of its own, for as long as it is asked to.
    pub fn heart(&self, run: &Run) -> impl Future<Output = ()> + use<> {
        let leases: Vec<Lease> = self.turns.iter().filter_map(|turn| turn.lease).collect();
        let endpoint = run.endpoints.local.clone();
        async move {
            loop {
                sleep(lease::BEAT).await;
                // The lock of a file ends with its process and with nothing else.
                if endpoint.nature.dialect == Dialect::Sqlite {
                    continue;
                }
                let Ok(mut line) = endpoint.connect(Purpose::Write).await else { continue };
                for lease in &leases {
                    // Whoever writes next is told.
                    let _ = lease.renew(&mut line).await;
                }
                line.close().await;
            }
        }
    }

    /// Whether any table was given up because a line was lost.
    pub fn any_lost(&self, run: &Run) -> bool {
        self.turns.iter().any(|turn| turn.is_lost(run))
    }

    /// Puts the tables that were given up because a line was lost back to where they began; those that have finished stay so.
    /// Answers whether there is any.
    pub async fn revive(&mut self, run: &Run, local: &mut Connection, until: Instant) -> bool {
        let mut turns = std::mem::take(&mut self.turns);
        let mut revived = false;
        for turn in &mut turns {
            turn.standing =
                match std::mem::replace(&mut turn.standing, Standing::ToMake(Side::Local, 0)) {
                    Standing::Open(table) => Standing::Closed(table),
                    Standing::Failed(error, Some(table)) if may_pass(run, &error) => {
                        turn.earlier = (table.written, table.conflicts);
                        Standing::Waiting(Box::new(table.pair))
                    }
                    other => other,
                };
            if !matches!(turn.standing, Standing::Waiting(_)) {
                continue;
            }
            // The server may take a while to see that the former line is gone.
            let locked = loop {
                match self.lock(run, local, turn).await {
                    Ok(()) if turn.locked => break Ok(()),
                    Ok(()) if Instant::now() < until => sleep(LOOK).await,
                    Ok(()) => break Err(SyncError::new(error::LOCKED)),
                    Err(error) => break Err(error),
                }
            };
            match locked {
                Ok(()) => revived = true,
                Err(error) => turn.fail(error),
            }
        }
        self.turns = turns;
        revived
    }

    /// Shows what would be done.
    pub async fn preview(&mut self, run: &Run, lines: &mut Lines) {
        for turn in &mut self.turns {
            let (mut shown, mut plan) = (None, None);
            turn.go_on(async |table| {
                table.looks_settled = true;
                plan = reviewed::plan(table)?;
                shown = Some(preview(run, lines, table).await?);
                Ok(())
            })
            .await;
            (turn.changes, turn.plan) = (shown, plan);
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
        if !lines.local.is_ended() {
            return self.write_off(run, &mut lines.local).await;
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
            let sync = run.options.undo.is_none() && run.options.resolve.is_none();
            if let (Standing::Open(table) | Standing::Closed(table), true) = (&turn.standing, sync)
            {
                let numbers = |side: Side| Seen {
                    rows: table.rows[side],
                    next: table.pair.tables[side].next_number,
                };
                let seen = PerSide::new(Side::Remote, Side::Local).map(numbers);
                base::see(local, nature.dialect, &table.base, seen).await?;
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
    let told = run.options.tables.is_empty() && !run.unconfigured.is_empty();
    let names = || Note::new(note::NOT_CONFIGURED).with("tables", run.unconfigured.join(", "));
    let open = run.settings.open_file.as_ref();
    let open = open.map(|path| Note::new(note::OPEN_ENV_FILE).with("path", path.display()));
    open.into_iter().chain(told.then(names)).collect()
}

fn pass<'a>(run: &'a Run, turn: &'a Turn, direction: Direction) -> Pass<'a> {
    Pass {
        run_id: &run.run_id,
        table: &turn.settings.table,
        sync_type: turn.settings.policy.sync_type,
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
    let first = turn.passes().first() == Some(&target);
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
    if let Some(table) = turn.known().filter(|table| first && table.failed_rows > 0) {
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
