//! Floor 5: the story of one run.
//!
//! Look at every table and decide; apply, deletions first and children first, then updates, then new rows and parents
//! first; remember; look again at what was touched; report. This room makes no SQL and knows no server: it
//! tells the rooms below what to do, in which order, and what to do when one of them says no.

pub mod apply;
pub mod attempts;
pub mod bag;
pub mod batch;
pub mod cancel;
pub mod carry_over;
pub mod changes;
pub mod check;
pub mod compare;
pub mod configure;
pub mod contents;
pub mod create;
pub mod doctor;
pub mod drive;
pub mod explain;
pub mod findings;
pub mod first_load;
pub mod heaps;
pub mod knot;
pub mod ledger;
pub mod plan;
pub mod preflight;
pub mod preview;
pub mod progress;
pub mod record;
pub mod relations;
pub mod resolve;
pub mod reviewed;
pub mod revival;
pub mod statements;
pub mod table;
pub mod touched;
pub mod trouble;
pub mod undo;
mod unreached;
pub mod walk;
pub mod worklist;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use self::apply::apply;
use self::batch::{Effort, Site};
use self::cancel::Cancel;
use self::ledger::{Ledger, Turn};
use self::progress::{Progress, Show};
use self::record::remember;
use self::resolve::Verdict;
use self::reviewed::Reviewed;
use self::worklist::Worklist;
use crate::config::{Capture, Settings, bad_value};
use crate::endpoint::{Connection, Dialect, Endpoint, View};
use crate::error::{Code, Result};
use crate::failpoint::reach;
use crate::model::{ForeignKey, PerSide, Reaction, Side};
use crate::note;
use crate::plan::merge::Write;
use crate::plan::policy::{Direction, Strategy, SyncType};
use crate::plan::schema_match::TablePair;
use crate::report::{Report, SchemaReport};

/// Looks at a table in one run: the first, and so many more for rows that moved meanwhile.
const ROUNDS: usize = 3;

/// What is asked of a run, beyond the settings.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Instead of the tables' own.
    pub sync_type: Option<SyncType>,
    /// Instead of the tables' own.
    pub direction: Option<Direction>,
    /// Instead of the tables' own.
    pub strategy: Option<Strategy>,
    /// Instead of the settings'.
    pub capture: Option<Capture>,
    /// These tables alone; all enabled ones where there are none.
    pub tables: Vec<String>,
    /// Nothing is written.
    pub dry_run: bool,
    /// The guards are lifted.
    pub force: bool,
    /// How long a table is waited for that another run has locked.
    pub wait: Duration,
    /// Tables that one side lacks are made there.
    pub create_tables: bool,
    /// Whether bars are drawn.
    pub progress: Show,
    /// A plan that somebody has reviewed: nothing else is written.
    pub apply: Option<Arc<Reviewed>>,
    /// The run that is taken back, instead of a sync.
    pub undo: Option<String>,
    /// What a person has decided of a conflict, instead of a sync.
    pub resolve: Option<Verdict>,
    /// Who started it: `MANUAL`, `SCHEDULED`, `REALTIME` or `TEST`.
    pub triggered_by: String,
}

impl Options {
    /// A plan that was looked at says by itself what is done and how.
    fn refuse_contradictions(&self) -> Result<()> {
        let Self { sync_type, direction, strategy, capture, tables, .. } = self;
        let more = sync_type.is_some() || direction.is_some() || strategy.is_some();
        let more = more || capture.is_some() || !tables.is_empty() || self.create_tables;
        let other = self.undo.is_some() || self.resolve.is_some();
        if self.apply.is_some() && (more || other) {
            return Err(bad_value("apply", "a plan", note::ONLY_A_PLAN));
        }
        Ok(())
    }
}

/// One run.
pub struct Run {
    /// Its name in our tables.
    pub run_id: String,
    /// What the environment says.
    pub settings: Settings,
    /// What was asked for.
    pub options: Options,
    /// Both sides.
    pub endpoints: PerSide<Endpoint>,
    /// Whether our tables are all there.
    pub installed: bool,
    /// Tables on both sides that nobody configured.
    pub unconfigured: Vec<String>,
    /// Whether somebody wants it to stop.
    pub cancel: Cancel,
    /// The bars.
    pub progress: Progress,
    /// When it began.
    pub started: DateTime<Utc>,
}

impl Run {
    /// A run between two sides that were reached.
    pub fn new(
        settings: Settings,
        options: Options,
        endpoints: PerSide<Endpoint>,
        cancel: Cancel,
    ) -> Self {
        Self {
            run_id: uuid::Uuid::new_v4().to_string(),
            progress: Progress::new(options.progress),
            settings,
            options,
            endpoints,
            installed: false,
            unconfigured: Vec::new(),
            cancel,
            started: Utc::now(),
        }
    }

    /// Which words a side understands.
    pub fn dialect(&self, side: Side) -> Dialect {
        self.endpoints[side].nature.dialect
    }

    /// A table as one side has it.
    pub fn view<'a>(&self, pair: &'a TablePair, side: Side) -> View<'a> {
        let packet = self.endpoints[side].nature.max_packet;
        View { pair, side, dialect: self.dialect(side), packet, former: None }
    }

    /// A table as both sides have it.
    pub fn views<'a>(&self, pair: &'a TablePair) -> PerSide<View<'a>> {
        PerSide::new(self.view(pair, Side::Remote), self.view(pair, Side::Local))
    }
}

/// The lines of a run.
pub struct Lines {
    /// Reading each side as it was at one moment.
    pub snapshots: PerSide<Connection>,
    /// Writing LOCAL and our tables there, and holding the locks.
    pub local: Connection,
    /// Writing REMOTE.
    pub remote: Connection,
    /// Whether a dry run has a transaction open on LOCAL that will be rolled back.
    pub rehearsing: bool,
}

impl Lines {
    /// The line on which a side is written.
    pub fn writer(&mut self, side: Side) -> &mut Connection {
        match side {
            Side::Remote => &mut self.remote,
            Side::Local => &mut self.local,
        }
    }

    /// Says goodbye on all of them.
    pub async fn close(self) {
        for line in [self.snapshots.remote, self.snapshots.local, self.remote, self.local] {
            line.close().await;
        }
    }

    /// The line on which our tables are read.
    pub fn journal(&mut self) -> &mut Connection {
        &mut self.local
    }
}

/// Syncs. The report tells of every table, also of those that failed.
///
/// # Errors
/// What stops a run as a whole: settings, connections, an unknown table.
pub async fn run(settings: Settings, options: Options, cancel: Cancel) -> Result<Report> {
    options.refuse_contradictions()?;
    let begun = begin(settings.clone(), options.clone(), cancel).await;
    if let Err(error) = &begun {
        unreached::note(&settings, &options, error).await;
    }
    let (mut run, mut writers) = begun?;
    let undone = run.options.undo.clone();
    if let Some(undone) = &undone {
        run.options.tables = undo::tables(&run, &mut writers.local, undone).await?;
    }
    let verdict = run.options.resolve.clone();
    if let Some(verdict) = &verdict {
        let found = resolve::conflict(&run, &mut writers.local, verdict.conflict).await?;
        run.options.tables = vec![found.table];
    }
    if let Some(reviewed) = &run.options.apply {
        run.options.tables = reviewed.tables();
    }
    let jobs = preflight::jobs(&mut run, &mut writers).await?;
    let mut ledger = Ledger::open(&run, &mut writers.local, jobs).await?;
    if ledger.waited {
        ledger.refresh(preflight::jobs(&mut run, &mut writers).await?);
    }
    if !run.options.dry_run {
        ledger.enter(&run, &mut writers.local).await?;
    }
    let snapshots = preflight::snapshots(&run.endpoints).await?;
    let PerSide { remote, local } = writers;
    let mut lines = Lines { snapshots, local, remote, rehearsing: false };
    tracing::debug!(run_id = run.run_id, tables = ledger.turns.len(), "run begins");

    reach("run.begun");
    let mut lives = revival::LIVES;
    loop {
        let heart = ledger.heart(&run);
        tokio::select! {
            () = Box::pin(work(&run, &mut lines, &mut ledger)) => {}
            () = heart => {}
        }
        if !Box::pin(revival::begin_again(&mut run, &mut lines, &mut ledger, &mut lives)).await {
            break;
        }
    }
    reach("run.done");
    let report = ledger.close(&run, &mut lines).await;
    reach("run.closed");
    lines.close().await;
    report
}

/// What is asked of a run, from the first look to the last.
async fn work(run: &Run, lines: &mut Lines, ledger: &mut Ledger) {
    let Options { undo: undone, resolve: verdict, dry_run, .. } = &run.options;
    if let Some(undone) = undone {
        undo::plan(run, lines, &mut ledger.turns, undone).await;
    } else if let Some(verdict) = verdict {
        resolve::plan(run, lines, &mut ledger.turns, verdict).await;
    } else {
        // A load has no plan of single rows.
        let loads = !dry_run && run.options.apply.is_none();
        if loads && let Err(error) = first_load::fill(run, lines, &mut ledger.turns).await {
            ledger.turns.iter_mut().for_each(|turn| turn.fail(error.clone()));
        }
        look(run, lines, &mut ledger.turns).await;
        reach("look.done");
    }
    if *dry_run {
        ledger.preview(run, lines).await;
    } else if undone.is_some() {
        for target in [Side::Remote, Side::Local] {
            pass(run, lines, &mut ledger.turns, target).await;
        }
    } else if let Some(verdict) = verdict {
        settle(run, lines, &mut ledger.turns, verdict).await;
    } else {
        rounds(run, lines, &mut ledger.turns).await;
    }
}

/// Reaches both sides and opens the lines on which catalogues are read and rows are written.
async fn begin(
    settings: Settings,
    options: Options,
    cancel: Cancel,
) -> Result<(Run, PerSide<Connection>)> {
    let (endpoints, writers) = preflight::reach(&settings).await?;
    Ok((Run::new(settings, options, endpoints, cancel), writers))
}

/// Compares both sides' definitions of the tables that would be synced; writes nothing.
///
/// # Errors
/// What stops a run as a whole: settings, connections, an unknown table.
pub async fn check_schemas(
    settings: Settings,
    tables: Vec<String>,
    cancel: Cancel,
) -> Result<SchemaReport> {
    let options = Options {
        tables,
        dry_run: true,
        create_tables: true,
        progress: Show::Never,
        ..Options::default()
    };
    let (mut run, mut lines) = begin(settings, options, cancel).await?;
    let found = check::schemas(&mut run, &mut lines).await;
    lines.remote.close().await;
    lines.local.close().await;
    found
}

/// Looks at every table and decides.
async fn look(run: &Run, lines: &mut Lines, turns: &mut [Turn]) {
    for turn in turns {
        run.progress.look(&turn.settings.table);
        turn.begin(run, lines).await;
        turn.go_on(async |table| {
            run.cancel.check()?;
            table.look(run, lines).await
        })
        .await;
        if let Some(table) = turn.table() {
            run.progress.plan(
                &table.pair.name,
                Side::BOTH.iter().map(|side| table.plan.planned[*side].total()).sum(),
            );
        }
    }
}

/// Applies, remembers and looks again, until nothing is left to do or the rows do not come to rest.
async fn rounds(run: &Run, lines: &mut Lines, turns: &mut [Turn]) {
    for round in 1..=ROUNDS {
        for target in [Side::Local, Side::Remote] {
            pass(run, lines, turns, target).await;
        }
        for turn in &mut *turns {
            turn.go_on(async |table| remember(run, lines, table).await).await;
        }
        if turns.iter().all(|turn| turn.table().is_none_or(|table| table.touched.is_empty())) {
            return;
        }
        if let Err(error) = lines.refresh(&run.endpoints).await {
            turns.iter_mut().for_each(|turn| turn.fail(error.clone()));
            return;
        }
        let mut restless = false;
        for turn in &mut *turns {
            if turn.table().is_none_or(|table| table.touched.is_empty()) {
                continue;
            }
            turn.go_on(async |table| {
                run.cancel.check()?;
                table.look_again(run, lines).await
            })
            .await;
            // What is only to be remembered takes a further round too.
            let rests = |table: &table::TableRun| table.looks_settled && table.plan.is_empty();
            restless |= turn.table().is_some_and(|table| !rests(table));
        }
        if !restless {
            return;
        }
        tracing::debug!(round, "rows moved while they were synced");
    }
}

/// Applies what a person has decided, looks whether both sides hold it now, and remembers that.
async fn settle(run: &Run, lines: &mut Lines, turns: &mut [Turn], verdict: &Verdict) {
    for target in [Side::Remote, Side::Local] {
        pass(run, lines, turns, target).await;
    }
    let mut closed = resolve::close(run, lines, turns, verdict).await;
    if closed.is_ok() {
        closed = lines.refresh(&run.endpoints).await;
    }
    for turn in turns {
        let closed = closed.clone();
        turn.go_on(async |table| {
            closed?;
            if !table.touched.is_empty() {
                table.look_again(run, lines).await?;
            }
            remember(run, lines, table).await
        })
        .await;
    }
}

/// One pass over all tables: everything that is written on one side. While much goes in, what stood in the way may be gone;
/// then rows make room for each other; what fails then has failed.
async fn pass(run: &Run, lines: &mut Lines, turns: &mut [Turn], target: Side) {
    let mut left = u64::MAX;
    loop {
        let put_off = sweep(run, lines, turns, target, Effort::First).await;
        if put_off == 0 {
            return;
        }
        if put_off > left / 2 && knot::untie(run, lines, turns, target).await == 0 {
            break;
        }
        left = put_off;
    }
    sweep(run, lines, turns, target, Effort::Last).await;
}

/// Tries everything that is still to be written on one side, deletions from children to parents, the rest from parents to
/// children. Answers how many rows were put off.
async fn sweep(
    run: &Run,
    lines: &mut Lines,
    turns: &mut [Turn],
    target: Side,
    effort: Effort,
) -> u64 {
    let mut put_off = 0;
    for write in [Write::Delete, Write::Update, Write::Insert] {
        let forward = 0..turns.len();
        let order: Vec<usize> =
            if write == Write::Delete { forward.rev().collect() } else { forward.collect() };
        for at in order {
            if effort == Effort::First && write != Write::Delete && follows(turns, at, target) {
                let table = turns[at].table_mut();
                put_off += table.map_or(0, |table| table.plan.writes[target].of(write).len());
                continue;
            }
            turns[at]
                .go_on(async |table| {
                    if table.pair.is_bag() {
                        let ours = table.settings.policy.direction.target() == Some(target);
                        let due = ours && write == Write::Insert && !table.surplus.is_empty();
                        return if due {
                            bag::apply(run, lines, table, target).await
                        } else {
                            Ok(())
                        };
                    }
                    let list = std::mem::take(table.plan.writes[target].of(write));
                    let mut later = Worklist::default();
                    let site = Site { run, target, write, effort };
                    apply(&site, lines, table, list, &mut later).await?;
                    put_off += later.len();
                    *table.plan.writes[target].of(write) = later;
                    Ok(())
                })
                .await;
        }
    }
    put_off
}

/// Whether rows of a table would follow parents whose updates were put off: they are not written before those are, or the
/// server would change them once more.
fn follows(turns: &[Turn], at: usize, target: Side) -> bool {
    let Some(table) = turns[at].table() else { return false };
    let follow = |key: &&ForeignKey| key.on_update == Reaction::Follow && key.parent != key.child;
    let mut parents = table.pair.tables[target].foreign_keys.iter().filter(follow);
    parents.any(|key| {
        let mut others = turns.iter().filter_map(Turn::table);
        others.any(|other| {
            let updates = &other.plan.writes[target].updates;
            other.pair.tables[target].name == key.parent && !updates.is_empty()
        })
    })
}

/// Whether a failure ends the whole run rather than one table's turn.
fn stops_everything(code: Code) -> bool {
    code == Code::Sync005
}
