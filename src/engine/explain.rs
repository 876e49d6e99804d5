//! Why a row is as it is: what each side holds, what the base says, who has touched it, and what the next run would do.
//!
//! Nothing is written. The next run's decision is made by the very functions that make it in a run.

use serde::Serialize;
use serde_json::Value as Json;

use super::cancel::Cancel;
use super::compare::decided;
use super::plan::Plan;
use super::preflight::{Job, jobs, snapshots};
use super::progress::Show;
use super::table::TableRun;
use super::worklist::Item;
use super::{Lines, Options, Run, begin};
use crate::config::{Settings, bad_value};
use crate::endpoint::read::{self, Lock};
use crate::error::{self, Result, SyncError};
use crate::journal::conflicts::{self, Stored};
use crate::journal::lock::Locks;
use crate::journal::stamp::Standing;
use crate::journal::undo::{self, Touch};
use crate::model::{Key, PerSide, Side, Value, canonical};
use crate::plan::merge::{Change, ConflictKind, Present, Write};
use crate::plan::policy::Policy;
use crate::plan::schema_match::TablePair;

/// What is known of one row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The table.
    pub table: String,
    /// The key's columns.
    pub key: Json,
    /// How the table is synced.
    pub policy: Policy,
    /// Both sides' rows; none where a side has none.
    pub rows: PerSide<Option<Json>>,
    /// Whether each side still holds what it held after the last sync; none where the base knows nothing of the row.
    pub unchanged: Option<PerSide<bool>>,
    /// What the base is worth.
    pub base: &'static str,
    /// What happened since the last sync.
    pub change: String,
    /// What the next run would do about it.
    pub next: String,
    /// Conflicts of this row, the newest last.
    pub conflicts: Vec<Stored>,
    /// What runs did to it, the newest last.
    pub touched: Vec<Touch>,
}

/// Explains one row. `key` is a JSON object of the key's columns, or the value of its only column.
///
/// # Errors
/// `CFG_002` where the key is none of this table; else what stops a run, or the table.
pub async fn explain(
    settings: Settings,
    table: &str,
    key: &str,
    cancel: Cancel,
) -> Result<Explanation> {
    let options = Options {
        tables: vec![table.to_owned()],
        dry_run: true,
        force: true,
        progress: Show::Never,
        ..Options::default()
    };
    let (mut run, mut writers) = begin(settings, options, cancel).await?;
    let found = jobs(&mut run, &mut writers).await;
    let snapshots = snapshots(&run.endpoints).await?;
    let PerSide { remote, local } = writers;
    let mut lines = Lines { snapshots, local, remote, rehearsing: false };
    let explained = match found.map(|mut jobs| jobs.pop()) {
        Ok(Some(job)) => one_row(&run, &mut lines, job, key).await,
        Ok(None) => Err(SyncError::new(error::NOT_CONFIGURED).with("table", table)),
        Err(error) => Err(error),
    };
    // What a dry run has to try is taken back.
    lines.local.rollback().await;
    lines.close().await;
    explained
}

async fn one_row(run: &Run, lines: &mut Lines, job: Job, text: &str) -> Result<Explanation> {
    let Job { settings, pair, .. } = job;
    let (policy, enabled, pair) = (settings.policy, settings.enabled, pair?);
    let unknown = || {
        let names: Vec<&str> = pair.key_names().collect();
        bad_value(
            "KEY",
            text,
            &format!("a JSON object of {}, or its only column's value", names.join(", ")),
        )
    };
    if pair.is_bag() {
        return Err(SyncError::new(error::NO_KEY).with("side", Side::Local).in_table(&pair.name));
    }
    let key = read_key(&pair, text).ok_or_else(unknown)?;
    let ordinal = pair.form.ordinal(&key).ok_or_else(unknown)?;
    let mut table = TableRun::open(run, lines, settings, pair.clone()).await?;
    let base = match table.base.standing {
        Standing::Current => "made by the last sync",
        Standing::Former(_) => "made from other columns; it is carried over",
        Standing::None => "there is none: this would be the first sync",
        Standing::Foreign => "made from another key or form; it counts as none",
        Standing::Elsewhere => {
            "made from another database: a run asks for --force (SYNC_008), and then it counts as none"
        }
    };
    if let Standing::Former(_) = table.base.standing {
        // The base is carried over in a transaction that is taken back; a run would wait for that.
        let (nature, mut locks) = (&run.endpoints.local.nature, Locks::default());
        if !locks.take(lines.journal(), nature, &pair.name).await? {
            return Err(SyncError::new(error::LOCKED).in_table(&pair.name));
        }
    }
    table.settle_base(run, lines).await?;
    let (mut rows, mut now) = (PerSide::default(), Present::default());
    let mut found = PerSide::<Option<read::Found>>::default();
    for side in Side::BOTH {
        let (line, view) = (&mut lines.snapshots[side], run.view(&pair, side));
        let read = read::rows(line, &view, std::slice::from_ref(&key), Lock::None).await;
        let mut read = read.map_err(|fault| fault.fatal(line.place()))?;
        found[side] = read.remove(&key);
        now[side] = found[side].as_ref().map(|found| found.signature);
        rows[side] = found[side].as_ref().map(|found| table.row_json(&found.row));
    }
    let known = table.base.standing == Standing::Current;
    let entries = table.base.entries_of(lines.journal(), &[ordinal]).await?;
    let entry = entries.get(&ordinal).copied().filter(|_| known);
    let item = Item {
        ordinal,
        key: key.clone(),
        base: entry,
        now,
        change: Change::None,
        decision: None,
        recorded: true,
        kept: None,
    };
    let plan = &table.plan;
    let mut item = decided(item, None, plan);
    if let (None, Some(a), Some(b)) = (item.decision, &found.remote, &found.local) {
        item = decided(item, Some(canonical::same_row(&a.row, &b.row)), plan);
    }
    let key = table.key_json(&key);
    let (local, dialect) = (lines.journal(), run.dialect(Side::Local));
    let (mut conflicts, mut touched) = (Vec::new(), Vec::new());
    if run.installed {
        let here =
            [("table_name", Value::text(&pair.name)), ("key_ordinal", conflicts::place(ordinal))];
        conflicts = conflicts::list(local, dialect, &here).await?;
        conflicts.retain(|conflict| conflict.key == key);
        touched = undo::touches(local, dialect, &pair.name, &key).await?;
    }
    Ok(Explanation {
        table: pair.name.clone(),
        key,
        policy,
        rows,
        unchanged: entry.map(|entry| {
            PerSide::new(Side::Remote, Side::Local).map(|side| now[side] == Some(entry[side]))
        }),
        base,
        change: happened(&item, plan),
        next: if enabled {
            next(&item, policy)
        } else {
            format!(
                "The table is disabled, so only a run with --table does this: {}",
                next(&item, policy)
            )
        },
        conflicts,
        touched,
    })
}

/// A key as people write it.
fn read_key(pair: &TablePair, text: &str) -> Option<Key> {
    let json: Option<Json> = serde_json::from_str(text).ok();
    if let Some(object) = json.as_ref().filter(|json| json.is_object()) {
        return pair.key_from_json(object);
    }
    let mut names = pair.key_names();
    let (Some(name), None) = (names.next(), names.next()) else { return None };
    let as_text = Json::String(text.to_owned());
    let cells = json.into_iter().chain([as_text]);
    let keys = cells.filter_map(|cell| {
        let object = [(name.to_owned(), cell)].into_iter().collect();
        pair.key_from_json(&Json::Object(object))
    });
    let mut keys = keys.filter(|key| pair.form.ordinal(key).is_some());
    keys.next()
}

fn happened(item: &Item, plan: &Plan) -> String {
    let known = item.base.is_some();
    match item.change {
        Change::None if known => "Neither side has changed the row since the last sync.".to_owned(),
        Change::None => "Neither side has the row.".to_owned(),
        Change::Gone => "Both sides have deleted the row.".to_owned(),
        Change::Converged if plan.comparable || known => {
            "Both sides have come to hold the same row.".to_owned()
        }
        Change::Converged => "Both sides hold the same row.".to_owned(),
        Change::OneSided { from, .. } => match (known, item.now[from].is_some()) {
            (false, _) => format!("The row is new on {from}."),
            (true, true) => format!("{from} has changed the row since the last sync."),
            (true, false) => format!("{from} has deleted the row since the last sync."),
        },
        Change::Conflict(kind) | Change::Undecided(kind) => match kind {
            ConflictKind::InsertInsert => {
                "Both sides have the row, it differs, and the base knows nothing of it.".to_owned()
            }
            kind => format!("Both sides have changed the row: {} (REMOTE/LOCAL).", kind.as_str()),
        },
    }
}

fn next(item: &Item, policy: Policy) -> String {
    let Some(decision) = item.decision else { return "The next run compares the rows.".to_owned() };
    let by = format!("{}, {}, {}", policy.sync_type, policy.direction, policy.strategy);
    let what = match decision.write {
        Some((to, Write::Insert)) => format!("The next run inserts the row on {to}"),
        Some((to, Write::Update)) => format!("The next run writes {}'s row on {to}", to.other()),
        Some((to, Write::Delete)) => format!("The next run deletes the row on {to}"),
        None if decision.conflict.is_some_and(|conflict| conflict.pending) => {
            "The next run leaves both rows and asks a person".to_owned()
        }
        None if decision.conflict.is_some() || decision.skipped => {
            "The next run leaves both rows as they are".to_owned()
        }
        None => "The next run writes nothing".to_owned(),
    };
    let kept = if decision.conflict.is_some() && decision.write.is_some() {
        "; what loses is kept in db_sync_conflict"
    } else {
        ""
    };
    let unless = if decision.write.is_some() { ", unless a guard refuses" } else { "" };
    format!("{what}{kept}{unless} ({by}).")
}
