//! How tables are synced, as people see and change it: the rows of `db_sync_config` listed, set, imported and exported.
//!
//! All or nothing: every value is read and every name looked up before the first row is written, all rows are written in one
//! transaction, and what is wrong is told at once. REMOTE is asked for the names that LOCAL does not know, and only then.

pub mod document;
pub mod wanted;
pub mod yaml;

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use self::document::Document;
use self::wanted::{Wanted, put, value};
use super::preflight::{Tables, environment, find, is_never_synced, ours};
use crate::config::Settings;
use crate::endpoint::{Connection, Dialect, Endpoint, introspect};
use crate::error::{self, Result, SyncError};
use crate::journal::schema::{self, Existing};
use crate::journal::settings::{self, DEFAULTS, Setting, Stored, TableSettings};
use crate::model::{PerSide, Side};
use crate::note::{self, Note};
use crate::plan::policy::Policy;
use crate::plan::schema_match::ColumnRules;
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
    let errors: Vec<Failure> = errors.collect();
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
        schema::install(local, dialect, &ground.existing).await?;
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

/// What is to be written.
#[derive(Default)]
struct Plan {
    /// Rows as they are to be, and whether they are new.
    rows: Vec<(TableSettings, bool)>,
    /// What that changes.
    changes: Vec<Change>,
    /// Tables with a row of which nothing is wanted.
    others: Vec<String>,
    /// What is wrong.
    errors: Vec<SyncError>,
}

/// What there is: our rows, and the tables that they may be about.
struct Ground {
    existing: Existing,
    rows: Vec<Stored>,
    tables: Tables,
    /// Whether REMOTE's tables are known.
    whole: bool,
}

impl Ground {
    async fn of(endpoint: &Endpoint, local: &mut Connection) -> Result<Self> {
        let dialect = endpoint.nature.dialect;
        let tables = PerSide::new(HashMap::new(), introspect::tables(local, dialect).await?);
        let existing = ours(&tables.local);
        let rows = match existing.get(settings::TABLE) {
            None => Vec::new(),
            Some(columns) => {
                let with_rules = columns.contains("column_rules");
                settings::stored(local, dialect, with_rules).await?
            }
        };
        Ok(Self { existing, rows, tables, whole: false })
    }

    async fn ask_remote(&mut self, settings: &Settings) -> Result<()> {
        let (endpoint, mut remote) = Endpoint::open(Side::Remote, settings).await?;
        let tables = introspect::tables(&mut remote, endpoint.nature.dialect).await;
        remote.close().await;
        self.tables.remote = tables?;
        self.whole = true;
        Ok(())
    }

    /// Writes what is wanted into the rows as they are by now, which nobody else changes meanwhile.
    async fn write(
        &mut self,
        settings: &Settings,
        local: &mut Connection,
        dialect: Dialect,
        wanted: &[Wanted],
    ) -> Result<Plan> {
        self.rows = settings::stored_to_change(local, dialect).await?;
        let plan = self.plan(settings, wanted);
        if plan.errors.is_empty() {
            let now = Utc::now();
            for (row, new) in &plan.rows {
                let written = if *new {
                    settings::insert(local, dialect, row, now).await
                } else {
                    settings::update(local, dialect, row, now).await
                };
                written.map_err(|fault| fault.fatal(local.place()))?;
            }
        }
        Ok(plan)
    }

    fn plan(&self, settings: &Settings, wanted: &[Wanted]) -> Plan {
        let rows: HashMap<&str, &Stored> =
            self.rows.iter().map(|row| (row.settings.table.as_str(), row)).collect();
        let mut defaults = match rows.get(DEFAULTS) {
            None => Ok(environment(settings)),
            Some(Stored { settings, unclear }) => {
                unclear.first().map_or(Ok(settings.policy), |(_, error)| Err(error.clone()))
            }
        };
        let (mut plan, mut seen) = (Plan::default(), HashSet::new());
        for wanted in wanted {
            let planned = self.name(&rows, &wanted.table).and_then(|name| {
                if seen.insert(name.clone()) { Ok(name) } else { Err(listed_twice(wanted, &name)) }
            });
            let before = planned.map(|name| (rows.get(name.as_str()).copied(), name));
            let planned = before.map_err(|error| vec![error]).and_then(|(before, name)| {
                self.row(before, name, &defaults, wanted).map(|row| (before, row))
            });
            match planned {
                Err(errors) => plan.errors.extend(errors),
                Ok((before, row)) => {
                    if row.table == DEFAULTS {
                        defaults = Ok(row.policy);
                    }
                    if let Some(change) = change(before, &row) {
                        plan.changes.push(change);
                        plan.rows.push((row, before.is_none()));
                    }
                }
            }
        }
        let others = self.rows.iter().map(|row| &row.settings.table);
        let others = others.filter(|name| *name != DEFAULTS && !seen.contains(*name));
        plan.others = others.cloned().collect();
        plan
    }

    /// What a run calls a table: as its row does, else as LOCAL spells it, else as REMOTE does.
    fn name(&self, rows: &HashMap<&str, &Stored>, asked: &str) -> Result<String> {
        let known = asked == DEFAULTS || rows.contains_key(asked);
        if known || self.tables.local.contains_key(asked) {
            return Ok(asked.to_owned());
        }
        let mut sides = [Side::Local, Side::Remote].into_iter();
        let found = sides.find_map(|side| find(&self.tables, side, asked)).filter(|_| self.whole);
        found
            .map(|table| table.name.clone())
            .ok_or_else(|| SyncError::new(error::NO_SUCH_TABLE).with("table", asked))
    }

    /// A table's row as it is wanted; one that is new begins as the first run would make it.
    fn row(
        &self,
        before: Option<&Stored>,
        name: String,
        defaults: &Result<Policy>,
        wanted: &Wanted,
    ) -> std::result::Result<TableSettings, Vec<SyncError>> {
        let mut errors = Vec::new();
        let mut row = match before {
            Some(stored) => stored.settings.clone(),
            None if is_never_synced(&name) && name != DEFAULTS => {
                return Err(vec![SyncError::new(error::NEVER_SYNCED).with("table", name)]);
            }
            None => TableSettings {
                table: name,
                enabled: true,
                policy: defaults.clone().map_err(|error| vec![error])?,
                priority: 0,
                rules: ColumnRules::default(),
            },
        };
        for (setting, given) in &wanted.values {
            if let Err(error) = put(&mut row, *setting, given) {
                errors.push(error);
            }
        }
        let given = |setting: &Setting| wanted.values.iter().any(|(given, _)| given == setting);
        let unclear = before.iter().flat_map(|stored| &stored.unclear);
        errors.extend(unclear.filter(|(at, _)| !given(at)).map(|(_, error)| error.clone()));
        let known = before.map(|stored| &stored.settings.rules);
        errors.extend(self.unknown_columns(&row, known));
        if errors.is_empty() { Ok(row) } else { Err(errors) }
    }

    /// Columns of new rules that neither side has. A rule that is there already may outlive its column.
    fn unknown_columns(&self, row: &TableSettings, known: Option<&ColumnRules>) -> Vec<SyncError> {
        let mut tables = Vec::new();
        for side in Side::BOTH {
            tables.extend(find(&self.tables, side, &row.table));
        }
        let unknown = |key: Setting, names: &[String], known: &[String]| {
            let new = names.iter().filter(|name| !known.contains(name));
            let missing =
                new.filter(|name| tables.iter().all(|table| table.position(name).is_none()));
            let error = |name: &String| {
                let error = SyncError::new(error::NO_SUCH_COLUMN).with("table", &row.table);
                error.with("column", name).with("key", key.as_str())
            };
            missing.map(error).collect::<Vec<_>>()
        };
        let none = ColumnRules::default();
        let known = known.unwrap_or(&none);
        let mut found = unknown(Setting::Ignore, &row.rules.ignore, &known.ignore);
        found.extend(unknown(Setting::NoConflict, &row.rules.quiet, &known.quiet));
        found
    }
}

fn listed_twice(wanted: &Wanted, name: &str) -> SyncError {
    let error = SyncError::new(error::LISTED_TWICE).with("table", name);
    match &wanted.place {
        Some(place) => error.with("path", &place.path).with("line", place.line),
        None => error,
    }
}

/// What is different; none where nothing is.
fn change(before: Option<&Stored>, row: &TableSettings) -> Option<Change> {
    let altered = |setting: Setting| {
        let clear = |stored: &&Stored| stored.unclear.iter().all(|(at, _)| *at != setting);
        let from = before.filter(clear).map(|stored| value(&stored.settings, setting));
        let to = value(row, setting);
        (from.as_ref() != Some(&to)).then_some((setting, Altered { from, to }))
    };
    let settings: BTreeMap<Setting, Altered> =
        Setting::ALL.into_iter().filter_map(altered).collect();
    let registered = before.is_none();
    (!settings.is_empty()).then(|| Change { table: row.table.clone(), registered, settings })
}
