//! How tables are synced, as people see and change it: the rows of `db_sync_config` listed, set, imported and exported.
//!
//! All or nothing: every value is read and every name looked up before the first row is written, all rows are written in one
//! transaction, and what is wrong is told at once. REMOTE is asked for the names that LOCAL does not know, and only then.

pub mod document;
mod ground;
pub mod wanted;
pub mod yaml;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use self::document::Document;
use self::ground::{Ground, Plan};
use self::wanted::{Wanted, value};
use crate::config::Settings;
use crate::endpoint::{Connection, Endpoint};
use crate::error::{self, Result, SyncError};
use crate::journal::schema;
use crate::journal::settings::{self, DEFAULTS, Setting, Stored, TableSettings};
use crate::model::Side;
use crate::note::{self, Note};
use crate::report::Failure;

/// How one table is synced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// The table; `*` for the defaults of tables that are registered.
    pub table: String,
    /// Its settings by name.
    #[serde(flatten)]
    pub settings: BTreeMap<Setting, Json>,
}

/// How all tables are synced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listing {
    /// Greater priority first, as a run takes them.
    pub tables: Vec<Listed>,
    /// Rows that cannot be understood.
    pub errors: Vec<Failure>,
    /// 2 where there are such rows.
    pub exit_code: u8,
}

/// The same where every row can be understood: as [`document::write`] writes it down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// Greater priority first.
    pub tables: Vec<Listed>,
}

/// One setting's old and new value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Altered {
    /// None where the table had no row, or where the row held nothing that can be understood.
    pub from: Option<Json>,
    /// The new one.
    pub to: Json,
}

/// What becomes of one table's row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The table.
    pub table: String,
    /// Whether it had no row.
    pub registered: bool,
    /// The settings that change, all where it had no row.
    pub settings: BTreeMap<Setting, Altered>,
}

/// What became of the rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changes {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Rows that changed; none where anything was wrong.
    pub tables: Vec<Change>,
    /// How many rows are as they were wanted already.
    pub unchanged: usize,
    /// What was not taken, and what was left alone.
    pub notes: Vec<Note>,
    /// Everything that was wrong; nothing was changed then.
    pub errors: Vec<Failure>,
    /// The exit status that belongs to all this.
    pub exit_code: u8,
}

/// Lists all rows.
///
/// # Errors
/// `SYNC_001` where `db_sync_config` is not there; else what stops a run as a whole.
pub async fn list(settings: Settings) -> Result<Listing> {
    let (clear, unclear): (Vec<_>, Vec<_>) =
        rows(settings).await?.into_iter().partition(|row| row.unclear.is_empty());
    let errors = unclear.iter().flat_map(|row| &row.unclear).map(|(_, error)| error.into());
    let mut errors: Vec<Failure> = errors.collect();
    // Two settings stand in one cell, of which nothing can be understood then.
    errors.dedup();
    let tables = clear.iter().map(|row| listed(&row.settings)).collect();
    Ok(Listing { tables, exit_code: exit(&errors), errors })
}

/// The same for a file that [`import`] takes back: a file that lacks tables would be worse than none.
///
/// # Errors
/// As [`list`]; `CFG_002` or `CFG_004` for a row that cannot be understood.
pub async fn export(settings: Settings) -> Result<Exported> {
    let rows = rows(settings).await?;
    let table = |row: Stored| match row.unclear.into_iter().next() {
        None => Ok(listed(&row.settings)),
        Some((_, error)) => Err(error),
    };
    Ok(Exported { tables: rows.into_iter().map(table).collect::<Result<_>>()? })
}

async fn rows(settings: Settings) -> Result<Vec<Stored>> {
    let (endpoint, mut local) = Endpoint::open(Side::Local, &settings).await?;
    let ground = Ground::of(&endpoint, &mut local).await;
    local.close().await;
    let Ground { existing, mut rows, .. } = ground?;
    if !existing.contains_key(settings::TABLE) {
        return Err(endpoint.place().error(error::NOT_INSTALLED));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.settings.priority));
    Ok(rows)
}

fn listed(row: &TableSettings) -> Listed {
    let settings = Setting::ALL.into_iter().map(|setting| (setting, value(row, setting)));
    Listed { table: row.table.clone(), settings: settings.collect() }
}

/// Changes one table's row, or makes it; each pair is a setting's name and value with `=` between.
///
/// # Errors
/// What stops a run as a whole. What is wrong with the table or its values stands in the answer.
pub async fn set(settings: Settings, table: &str, pairs: &[String]) -> Result<Changes> {
    let (wanted, errors) = Wanted::of_pairs(table, pairs);
    let document = Document { wanted: vec![wanted], notes: Vec::new(), errors };
    import(settings, document, false).await
}

/// Changes the rows of all tables that a file lists, and makes those that are missing.
///
/// # Errors
/// What stops a run as a whole. What is wrong with the file stands in the answer.
pub async fn import(settings: Settings, document: Document, dry_run: bool) -> Result<Changes> {
    if document.wanted.is_empty() {
        return Ok(answer(document, Plan::default(), dry_run));
    }
    let (endpoint, mut local) = Endpoint::open(Side::Local, &settings).await?;
    let changes = alter(&settings, &endpoint, &mut local, document, dry_run).await;
    local.close().await;
    changes
}

async fn alter(
    settings: &Settings,
    endpoint: &Endpoint,
    local: &mut Connection,
    mut document: Document,
    dry_run: bool,
) -> Result<Changes> {
    // What a file says of the defaults holds for the tables that it registers, wherever it stands there.
    document.wanted.sort_by_key(|wanted| wanted.table != DEFAULTS);
    let mut ground = Ground::of(endpoint, local).await?;
    let mut plan = ground.plan(settings, &document.wanted);
    if plan.errors.iter().any(is_for_remote) {
        ground.ask_remote(settings).await?;
        plan = ground.plan(settings, &document.wanted);
    }
    let nothing = plan.rows.is_empty() || !plan.errors.is_empty() || !document.errors.is_empty();
    if dry_run || nothing {
        return Ok(answer(document, plan, dry_run));
    }
    let (place, dialect) = (local.place().clone(), endpoint.nature.dialect);
    if !schema::is_complete(&ground.existing) {
        schema::install(local, dialect).await?;
    }
    local.begin().await.map_err(|fault| fault.fatal(&place))?;
    let written = ground.write(settings, local, dialect, &document.wanted).await;
    match written {
        Ok(plan) if plan.errors.is_empty() => {
            local.commit().await.map_err(|fault| fault.fatal(&place))?;
            Ok(answer(document, plan, dry_run))
        }
        other => {
            local.rollback().await;
            other.map(|plan| answer(document, plan, dry_run))
        }
    }
}

/// Whether REMOTE may know what LOCAL does not.
fn is_for_remote(error: &SyncError) -> bool {
    [error::NO_SUCH_TABLE, error::NO_SUCH_COLUMN].contains(&error.sentences)
}

fn answer(document: Document, plan: Plan, dry_run: bool) -> Changes {
    let Document { wanted, mut notes, errors } = document;
    let errors: Vec<Failure> = errors.iter().chain(&plan.errors).map(Failure::from).collect();
    if !errors.is_empty() {
        let exit_code = exit(&errors);
        return Changes { dry_run, notes, errors, exit_code, ..Changes::default() };
    }
    if wanted.iter().any(|wanted| wanted.place.is_some()) && !plan.others.is_empty() {
        notes.push(Note::new(note::LEFT_ALONE).with("tables", plan.others.join(", ")));
    }
    let unchanged = wanted.len() - plan.changes.len();
    Changes { dry_run, tables: plan.changes, unchanged, notes, errors, exit_code: 0 }
}

/// Everything that can be wrong here is a wrong setting.
fn exit(errors: &[Failure]) -> u8 {
    if errors.is_empty() { 0 } else { 2 }
}
