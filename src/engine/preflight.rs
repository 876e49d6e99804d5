//! Before a run: are both sides there and different, which tables are synced and how, and in what order.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::time::sleep;
use wildmatch::WildMatch;

use super::create::Made;
use super::{Lines, Options, Run, create, findings};
use crate::config::Settings;
use crate::endpoint::mysql::flavor;
use crate::endpoint::{Connection, Endpoint, Purpose, introspect};
use crate::error::{self, Result, SyncError};
use crate::journal::base;
use crate::journal::schema::{self, Existing};
use crate::journal::settings::{self, DEFAULTS, Setting, Stored, TableSettings};
use crate::model::{PerSide, Side, Table};
use crate::plan::order::{Ranked, order};
use crate::plan::policy::Policy;
use crate::plan::schema_match::{ColumnRules, Difference, TablePair, pair, pair_bag};

/// How long a server that takes no more connections is left in peace.
const CROWDED: Duration = Duration::from_millis(250);

/// One table of a run: how it is synced and what it is, or why it cannot be.
pub struct Job {
    /// How.
    pub settings: TableSettings,
    /// What.
    pub pair: Result<TablePair>,
    /// How it came about, where it was missing on one side.
    pub made: Option<Made>,
}

/// Both sides' tables, by the name that LOCAL gives them (else REMOTE).
pub type Tables = PerSide<HashMap<String, Table>>;

/// Reaches both sides, at once. Answers the lines too, on which a run reads catalogues and writes; snapshots come later, once
/// tables are locked.
///
/// # Errors
/// `DB_CONN_001` to `004`; `CFG_002` where both are the same database.
pub async fn reach(settings: &Settings) -> Result<(PerSide<Endpoint>, PerSide<Connection>)> {
    let (remote, local) = tokio::join!(open(Side::Remote, settings), open(Side::Local, settings));
    let ((remote, remote_line), (local, local_line)) = (remote?, local?);
    let endpoints = PerSide::new(remote, local);
    let mut lines = PerSide::new(remote_line, local_line);
    refuse_same(&endpoints, &mut lines).await?;
    Ok((endpoints, lines))
}

/// A database cannot be synced with itself.
///
/// # Errors
/// `CFG_002` where both sides are the same database; else the failure with its code.
pub async fn refuse_same(
    endpoints: &PerSide<Endpoint>,
    lines: &mut PerSide<Connection>,
) -> Result<()> {
    let PerSide { remote, local } = endpoints;
    // Two containers made from one recipe may call themselves the same.
    let alike = remote.nature.identity == local.nature.identity;
    if alike && flavor::lead_to_one_server(&mut lines.remote, &mut lines.local).await? {
        return Err(SyncError::new(error::SAME_DATABASE).with("address", &local.place().address));
    }
    Ok(())
}

/// Reaches one side. A server that takes no more connections is asked again for as long as a connection may take.
///
/// # Errors
/// `DB_CONN_001` to `004`.
pub async fn open(side: Side, settings: &Settings) -> Result<(Endpoint, Connection)> {
    let until = Instant::now() + settings.connect_timeout;
    loop {
        match Endpoint::open(side, settings).await {
            Err(error)
                if error.sentences == error::TOO_MANY_CONNECTIONS && Instant::now() < until => {}
            other => return other,
        }
        sleep(CROWDED).await;
    }
}

/// Which tables this run syncs, in the order of the work. Installs our tables and registers tables where that is due and
/// this is no dry run.
///
/// # Errors
/// `CFG_003` for an unknown table; `SYS_004` where our tables cannot be made; else the failure with its code.
pub async fn jobs(run: &mut Run, lines: &mut PerSide<Connection>) -> Result<Vec<Job>> {
    let (mut tables, chosen) = configured(run, lines).await?;
    let mut made = HashMap::new();
    if run.options.create_tables {
        made = create::missing(run, lines, &mut tables, &chosen).await?;
    }
    let jobs = chosen.into_iter().map(|settings| {
        let made = made.remove(&settings.table);
        job(settings, &tables, made)
    });
    Ok(in_order(jobs.collect()))
}

/// Both sides' tables, and the settings of those that are synced; see [`jobs`].
///
/// # Errors
/// As [`jobs`].
pub async fn configured(
    run: &mut Run,
    lines: &mut PerSide<Connection>,
) -> Result<(Tables, Vec<TableSettings>)> {
    let (remote, local) = tokio::join!(
        introspect::tables(&mut lines.remote, run.dialect(Side::Remote)),
        introspect::tables(&mut lines.local, run.dialect(Side::Local)),
    );
    let tables = PerSide::new(remote?, local?);
    refuse_swapped(run, lines, &tables).await?;
    let existing = ours(&tables.local);
    run.installed = schema::is_complete(&existing);
    if !run.installed && !run.options.dry_run {
        schema::install(&mut lines.local, run.dialect(Side::Local)).await?;
        run.installed = true;
    }
    let with_rules = run.installed
        || existing
            .get("db_sync_config")
            .is_some_and(|columns| columns.contains_key("column_rules"));
    let known = existing.contains_key("db_sync_config") || run.installed;
    let rows = if known {
        settings::stored(&mut lines.local, run.dialect(Side::Local), with_rules).await?
    } else {
        Vec::new()
    };
    let (defaults, mut configured): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.settings.table == DEFAULTS);
    let defaults = defaults.into_iter().next().map(|row| row.understood(&[])).transpose()?;
    let policy = defaults.map_or(Policy::USUAL, |row| row.policy);
    let policy = policy.over(environment(&run.settings));
    let has = |rows: &[Stored], name: &str| rows.iter().any(|row| row.settings.table == name);
    let mut fresh = Vec::new();
    if configured.is_empty() || run.options.create_tables {
        let new = registrable(run, &tables, policy, configured.is_empty());
        fresh = new.into_iter().filter(|new| !has(&configured, &new.table)).collect();
    }
    if !run.options.dry_run {
        let dialect = run.dialect(Side::Local);
        let registered: Vec<TableSettings> =
            fresh.iter().filter(|new| can_be_made(&tables, new)).cloned().collect();
        settings::register(&mut lines.local, dialect, &registered, Utc::now()).await?;
    }
    configured.extend(fresh.into_iter().map(Stored::clear));
    if configured.is_empty() && run.options.tables.is_empty() {
        return Err(error::NOTHING_TO_SYNC.into());
    }
    let unconfigured = registrable(run, &tables, policy, true)
        .into_iter()
        .filter(|new| !has(&configured, &new.table));
    run.unconfigured = unconfigured.map(|new| new.table).collect();
    let chosen = choose(run, configured)?;
    Ok((tables, chosen))
}

/// REMOTE may have our tables too, as a chain of databases has; but not from a time when it was LOCAL to this very LOCAL.
async fn refuse_swapped(run: &Run, lines: &mut PerSide<Connection>, tables: &Tables) -> Result<()> {
    if run.options.force || !tables.remote.contains_key("db_sync_state") {
        return Ok(());
    }
    let remote = &mut lines.remote;
    let now =
        PerSide::new(Side::Remote, Side::Local).map(|side| &run.endpoints[side].nature.identity);
    let known = base::databases(remote, run.dialect(Side::Remote)).await?;
    let swapped = known.iter().any(|then| then.remote == *now.local && then.local == *now.remote);
    let meant = async |local: &mut Connection| -> Result<bool> {
        let known = base::databases(local, run.dialect(Side::Local)).await?;
        Ok(known.iter().any(|then| then.remote == *now.remote && then.local == *now.local))
    };
    // Once a sync has been done this way round, that is how it is meant.
    if swapped && !(tables.local.contains_key("db_sync_state") && meant(&mut lines.local).await?) {
        return Err(error::SIDES_SWAPPED.into());
    }
    Ok(())
}

/// Our own tables among these.
pub(super) fn ours(tables: &HashMap<String, Table>) -> Existing {
    let columns = |name| tables.get(name).map(schema::columns);
    schema::names().filter_map(|name| Some((name.to_owned(), columns(name)?))).collect()
}

/// How tables are registered where no row of `db_sync_config` says otherwise. That of the script for new servers says nothing: a
/// site whose settings are one-way must not write both ways because of it.
pub(super) fn environment(settings: &Settings) -> Policy {
    Policy {
        direction: settings.direction,
        sync_type: settings.sync_type,
        strategy: settings.strategy,
    }
}

/// A side's table by name: to the letter, else in any letter case, unless the other side has one that is meant more.
pub(super) fn find<'a>(tables: &'a Tables, side: Side, name: &str) -> Option<&'a Table> {
    let folded = name.to_lowercase();
    let alike = |table: &&Table| {
        table.name.to_lowercase() == folded && !tables[side.other()].contains_key(&table.name)
    };
    tables[side].get(name).or_else(|| tables[side].values().find(alike))
}

/// What each side's `migrate` has done there; nothing of it holds on the other side, so no pattern makes it a synced table.
const MIGRATIONS: &str = "django_migrations";

/// Whether a table belongs to one side alone. One of the defaults' own name could not be told from them.
pub(super) fn is_never_synced(name: &str) -> bool {
    name == MIGRATIONS || name == DEFAULTS || schema::names().any(|ours| ours == name)
}

/// Whether the settings want a table of this name to be registered.
pub fn is_wanted(settings: &Settings, name: &str) -> bool {
    let matches =
        |patterns: &[String]| patterns.iter().any(|pattern| WildMatch::new(pattern).matches(name));
    matches(&settings.tables) && !matches(&settings.exclude) && !is_never_synced(name)
}

/// Every table that is not excluded and exists on both sides, and where missing ones are made, on either (`both`: those of both
/// sides as well).
fn registrable(run: &Run, tables: &Tables, policy: Policy, both: bool) -> Vec<TableSettings> {
    let local = tables.local.keys();
    let alone = tables.remote.keys().filter(|name| find(tables, Side::Local, name).is_none());
    let mut names: Vec<&String> = local.chain(alone).collect();
    names.sort();
    names
        .into_iter()
        .filter(|name| {
            let paired = Side::BOTH.iter().all(|side| find(tables, *side, name).is_some());
            if paired { both } else { run.options.create_tables }
        })
        .filter(|name| is_wanted(&run.settings, name))
        .map(|name| TableSettings {
            table: name.clone(),
            enabled: true,
            policy,
            priority: 0,
            rules: ColumnRules::default(),
        })
        .collect()
}

/// Whether a table that one side lacks is more than a failure of this run: without a key it cannot be synced, and is not made.
fn can_be_made(tables: &Tables, new: &TableSettings) -> bool {
    let mut found = Side::BOTH.iter().filter_map(|side| find(tables, *side, &new.table));
    match (found.next(), found.next()) {
        (Some(alone), None) => alone.key().is_some() || new.policy.takes_bags(),
        _ => true,
    }
}

/// The enabled tables, or those that were asked for by name; flags override the tables' own settings. What cannot be understood
/// in a row that is not used is nobody's trouble now.
///
/// # Errors
/// `CFG_003` for an unknown table; `CFG_002` or `CFG_004` for a row with a value that is none, `CFG_002` for two rows of one table.
fn choose(run: &Run, configured: Vec<Stored>) -> Result<Vec<TableSettings>> {
    let asked = &run.options.tables;
    if let Some(unknown) =
        asked.iter().find(|name| configured.iter().all(|row| row.settings.table != **name))
    {
        return Err(SyncError::new(error::NOT_CONFIGURED).with("table", unknown));
    }
    let chosen = configured.into_iter().filter(|Stored { settings, .. }| {
        if asked.is_empty() { settings.enabled } else { asked.contains(&settings.table) }
    });
    let Options { sync_type, direction, strategy, .. } = run.options;
    let flags = [
        (Setting::Type, sync_type.is_some()),
        (Setting::Direction, direction.is_some()),
        (Setting::Conflict, strategy.is_some()),
    ];
    let given: Vec<Setting> =
        flags.into_iter().filter(|(_, given)| *given).map(|(setting, _)| setting).collect();
    let chosen: Vec<TableSettings> =
        chosen.map(|row| row.understood(&given)).collect::<Result<_>>()?;
    let mut names = HashSet::new();
    if let Some(twice) = chosen.iter().find(|row| !names.insert(row.table.as_str())) {
        return Err(SyncError::new(error::TWO_ROWS).with("table", &twice.table));
    }
    Ok(chosen
        .into_iter()
        .map(|mut row| {
            row.policy.sync_type = sync_type.unwrap_or(row.policy.sync_type);
            row.policy.direction = direction.unwrap_or(row.policy.direction);
            row.policy.strategy = strategy.unwrap_or(row.policy.strategy);
            let reviewed = run.options.apply.as_ref().and_then(|plan| plan.policy(&row.table));
            row.policy = reviewed.unwrap_or(row.policy);
            row
        })
        .collect())
}

fn job(settings: TableSettings, tables: &Tables, made: Option<Made>) -> Job {
    let name = &settings.table;
    let missing = |side: Side| {
        let error = SyncError::new(error::NO_TABLE).with("table", name).with("side", side);
        error.with("alias", side.as_str().to_lowercase())
    };
    let found =
        PerSide::new(Side::Remote, Side::Local).map(|side| find(tables, side, name).cloned());
    let pair = match (found.remote, found.local) {
        (Some(remote), Some(local)) => {
            pair(name, PerSide::new(remote.clone(), local.clone()), &settings.rules)
                .or_else(|differences| bag(&settings, (remote, local), differences))
                .map_err(|differences| stopped(name, &differences))
        }
        (remote, _) => {
            let side = if remote.is_none() { Side::Remote } else { Side::Local };
            let failed = made.as_ref().and_then(|made| made.failed.clone());
            Err(failed.unwrap_or_else(|| missing(side)))
        }
    };
    Job { settings, pair, made }
}

/// Without a key, a one-way FULL can still count rows.
fn bag(
    settings: &TableSettings,
    (remote, local): (Table, Table),
    differences: Vec<Difference>,
) -> std::result::Result<TablePair, Vec<Difference>> {
    let mut stopping = differences.iter().filter(|difference| difference.stops());
    let keyless = stopping.all(|difference| matches!(difference, Difference::NoKey { .. }));
    if !keyless || !settings.policy.takes_bags() {
        return Err(differences);
    }
    pair_bag(&settings.table, PerSide::new(remote, local), &settings.rules)
}

/// The first difference that stops; the others are found once it is mended.
fn stopped(table: &str, differences: &[Difference]) -> SyncError {
    let first = differences.iter().find(|difference| difference.stops());
    first.map_or_else(|| error::STRUCTURE_CHANGED.into(), |first| findings::failure(table, first))
}

/// Parents before children, greater priority first.
fn in_order(jobs: Vec<Job>) -> Vec<Job> {
    let parents = |job: &Job| -> Vec<String> {
        let Ok(pair) = &job.pair else { return Vec::new() };
        let keys = Side::BOTH.into_iter().flat_map(|side| &pair.tables[side].foreign_keys);
        keys.map(|key| key.parent.clone()).collect()
    };
    let writers = |job: &Job| -> Vec<&str> {
        let touched = |other: &Job| {
            other.pair.as_ref().is_ok_and(|pair| {
                let names =
                    Side::BOTH.into_iter().flat_map(|side| &pair.tables[side].triggers.touches);
                names.into_iter().any(|name| name.eq_ignore_ascii_case(&job.settings.table))
            })
        };
        let others = jobs.iter().filter(|other| touched(other));
        others.map(|other| other.settings.table.as_str()).collect()
    };
    let all: Vec<Vec<String>> = jobs.iter().map(parents).collect();
    let ranked: Vec<Ranked<'_>> = jobs
        .iter()
        .zip(&all)
        .map(|(job, parents)| Ranked {
            name: &job.settings.table,
            priority: job.settings.priority,
            parents: parents.iter().map(String::as_str).collect(),
            writers: writers(job),
        })
        .collect();
    let order = order(&ranked);
    let mut jobs: Vec<Option<Job>> = jobs.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| jobs[at].take()).collect()
}

/// Fresh snapshots of both sides.
///
/// # Errors
/// `DB_CONN_001` to `004`.
pub async fn snapshots(endpoints: &PerSide<Endpoint>) -> Result<PerSide<Connection>> {
    let (remote, local) = tokio::join!(
        endpoints.remote.connect(Purpose::Snapshot),
        endpoints.local.connect(Purpose::Snapshot)
    );
    Ok(PerSide::new(remote?, local?))
}

impl Lines {
    /// Replaces the snapshots by fresh ones.
    ///
    /// # Errors
    /// `DB_CONN_001` to `004`.
    pub async fn refresh(&mut self, endpoints: &PerSide<Endpoint>) -> Result<()> {
        let old = std::mem::replace(&mut self.snapshots, snapshots(endpoints).await?);
        old.remote.close().await;
        old.local.close().await;
        Ok(())
    }
}
