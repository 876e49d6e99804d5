//! What is written where somebody wants tables to be synced otherwise: the rows that there are, the tables that they may be
//! about, and what becomes of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::Utc;

use super::wanted::{Wanted, put, value};
use super::{Altered, Change};
use crate::config::Settings;
use crate::endpoint::{Connection, Dialect, Endpoint, introspect};
use crate::engine::preflight::{Tables, environment, find, is_never_synced, ours};
use crate::error::{self, Result, SyncError};
use crate::journal::schema::Existing;
use crate::journal::settings::{self, DEFAULTS, Setting, Stored, TableSettings};
use crate::model::{PerSide, Side, Unique};
use crate::plan::policy::Policy;
use crate::plan::schema_match::ColumnRules;

/// What is to be written.
#[derive(Default)]
pub(super) struct Plan {
    /// Rows as they are to be, and whether they are new.
    pub rows: Vec<(TableSettings, bool)>,
    /// What that changes.
    pub changes: Vec<Change>,
    /// Tables with a row of which nothing is wanted.
    pub others: Vec<String>,
    /// What is wrong.
    pub errors: Vec<SyncError>,
}

/// What there is: our rows, and the tables that they may be about.
pub(super) struct Ground {
    /// Our own tables.
    pub existing: Existing,
    /// The rows of `db_sync_config`.
    pub rows: Vec<Stored>,
    tables: Tables,
    /// Whether REMOTE's tables are known.
    whole: bool,
}

/// What is wrong with one table's settings.
type Mistakes = Vec<SyncError>;

impl Ground {
    /// What LOCAL says.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn of(endpoint: &Endpoint, local: &mut Connection) -> Result<Self> {
        let dialect = endpoint.nature.dialect;
        let tables = PerSide::new(HashMap::new(), introspect::tables(local, dialect).await?);
        let existing = ours(&tables.local);
        let rows = match existing.get(settings::TABLE) {
            None => Vec::new(),
            Some(columns) => {
                let with_rules = columns.contains_key("column_rules");
                settings::stored(local, dialect, with_rules).await?
            }
        };
        Ok(Self { existing, rows, tables, whole: false })
    }

    /// What REMOTE says besides.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn ask_remote(&mut self, settings: &Settings) -> Result<()> {
        let (endpoint, mut remote) = Endpoint::open(Side::Remote, settings).await?;
        let tables = introspect::tables(&mut remote, endpoint.nature.dialect).await;
        remote.close().await;
        self.tables.remote = tables?;
        self.whole = true;
        Ok(())
    }

    /// Writes what is wanted into the rows as they are by now, which nobody else changes meanwhile. Where something is wrong,
    /// nothing is written.
    ///
    /// # Errors
    /// The failure with its code.
    pub async fn write(
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

    /// What becomes of the rows.
    pub fn plan(&self, settings: &Settings, wanted: &[Wanted]) -> Plan {
        let rows: HashMap<&str, &Stored> =
            self.rows.iter().map(|row| (row.settings.table.as_str(), row)).collect();
        let environment = environment(settings);
        let mut defaults = match rows.get(DEFAULTS) {
            None => Ok(environment),
            Some(Stored { settings, unclear }) => match unclear.first() {
                None => Ok(settings.policy.over(environment)),
                Some((_, error)) => Err(error.clone()),
            },
        };
        let (mut plan, mut seen) = (Plan::default(), HashSet::new());
        for wanted in wanted {
            match self.row(&rows, &mut seen, &defaults, wanted) {
                Err(mistakes) => plan.errors.extend(mistakes),
                Ok((before, row)) => {
                    if row.table == DEFAULTS {
                        defaults = Ok(row.policy.over(environment));
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

    /// A table's row as it was and as it is wanted; one that is new begins as the first run would make it.
    fn row<'a>(
        &self,
        rows: &HashMap<&str, &'a Stored>,
        seen: &mut HashSet<String>,
        defaults: &Result<Policy>,
        wanted: &Wanted,
    ) -> std::result::Result<(Option<&'a Stored>, TableSettings), Mistakes> {
        let name = self.name(rows, &wanted.table).map_err(|error| vec![error])?;
        if !seen.insert(name.clone()) {
            return Err(vec![listed_twice(wanted, &name)]);
        }
        let before = rows.get(name.as_str()).copied();
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
        let values = wanted.values.iter();
        let mut mistakes: Mistakes =
            values.filter_map(|(setting, given)| put(&mut row, *setting, given).err()).collect();
        let given = |setting: &Setting| wanted.values.iter().any(|(given, _)| given == setting);
        let unclear = before.iter().flat_map(|stored| &stored.unclear);
        mistakes.extend(unclear.filter(|(at, _)| !given(at)).map(|(_, error)| error.clone()));
        let known = before.map(|stored| &stored.settings.rules);
        mistakes.extend(self.unknown_columns(&row, known));
        if known.is_none_or(|known| known.ignore != row.rules.ignore) {
            mistakes.extend(self.needed_key(&row));
        }
        // Two settings stand in one cell, of which nothing can be understood then.
        mistakes.dedup();
        if mistakes.is_empty() { Ok((before, row)) } else { Err(mistakes) }
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

    /// A key that rows are known by, where none would be left.
    fn needed_key(&self, row: &TableSettings) -> Option<SyncError> {
        let mut sides = [Side::Local, Side::Remote].into_iter();
        let table = sides.find_map(|side| find(&self.tables, side, &row.table))?;
        let names = |unique: &Unique| -> Vec<&str> {
            unique.columns.iter().map(|at| table.columns[*at].name.as_str()).collect()
        };
        let ignored = |unique: &Unique| {
            names(unique).into_iter().any(|name| ColumnRules::has(&row.rules.ignore, name))
        };
        let key = table.key().filter(|key| ignored(key))?;
        let other = table.identifying().any(|unique| !ignored(unique));
        let error = || SyncError::new(error::KEY_NEEDED).with("table", &row.table);
        (!other).then(|| error().with("columns", names(key).join(", ")))
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
