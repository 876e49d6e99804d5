//! Which tables there are, which of them are synced, and what the check says of their definitions.

use std::collections::BTreeSet;

use super::diagnosis::Symptom;
use super::{Doctor, Patient, ailments};
use crate::endpoint::sql::remedy;
use crate::endpoint::{Connection, Endpoint, introspect};
use crate::engine::preflight::{self, Tables, is_wanted, ours};
use crate::engine::{Options, Run, check};
use crate::journal::settings::{self, DEFAULTS};
use crate::model::{PerSide, Side};
use crate::plan::policy::Direction;

/// A table that is synced, and which way.
pub(super) type Synced = (String, Direction);

/// What is known of tables, as far as the sides were reached.
#[derive(Default)]
pub(super) struct Known {
    /// Each side's.
    pub tables: Tables,
    /// Those that are synced.
    pub synced: Vec<Synced>,
}

impl Doctor {
    /// Learns which tables there are. Where both sides are there, their definitions are compared; else what would be synced is
    /// presumed.
    pub(super) async fn learn(
        &mut self,
        patients: &PerSide<Option<Patient>>,
        lines: &mut PerSide<Option<Connection>>,
    ) -> Known {
        if let (Some(remote), Some(local)) = (&patients.remote, &patients.local) {
            let endpoints = PerSide::new(remote.endpoint.clone(), local.endpoint.clone());
            if let (Some(remote), Some(local)) = (lines.remote.take(), lines.local.take()) {
                let mut both = PerSide::new(remote, local);
                let same = preflight::refuse_same(&endpoints, &mut both).await;
                let known = match self.hear(same) {
                    Some(()) => self.compare(endpoints, &mut both).await,
                    None => None,
                };
                *lines = both.map(Some);
                if let Some(known) = known {
                    return known;
                }
            }
        }
        let mut known = Known::default();
        for side in Side::BOTH {
            if let (Some(patient), Some(line)) = (&patients[side], &mut lines[side]) {
                let tables = introspect::tables(line, patient.endpoint.nature.dialect).await;
                known.tables[side] = self.hear(tables).unwrap_or_default();
            }
        }
        if let (Some(local), Some(line)) = (&patients.local, &mut lines.local) {
            known.synced = self.configured(local, line, &known).await;
        }
        if known.synced.is_empty() {
            known.synced = self.presumed(&known);
        }
        known
    }

    async fn compare(
        &mut self,
        endpoints: PerSide<Endpoint>,
        lines: &mut PerSide<Connection>,
    ) -> Option<Known> {
        let options = Options { dry_run: true, ..Options::default() };
        let mut run = Run::new(self.settings.clone(), options, endpoints, self.cancel.clone());
        let configured = preflight::configured(&mut run, lines).await;
        let (tables, rows) = self.hear(configured)?;
        let report = check::definitions(&run, lines, &tables, &rows).await;
        let findings = self.hear(report).map(|report| report.findings);
        self.found.extend(findings.into_iter().flatten().map(Symptom::from));
        if !run.unconfigured.is_empty() {
            let told = Symptom::of(ailments::NOT_CONFIGURED);
            let dialect = run.dialect(Side::Local);
            let sql = run.unconfigured.iter().map(|table| remedy::register(dialect, table));
            self.found.push(told.with("tables", run.unconfigured.join(", ")).sql(sql));
        }
        let synced = rows.into_iter().map(|row| (row.table, row.policy.direction)).collect();
        Some(Known { tables, synced })
    }

    /// The tables of LOCAL's configuration, where REMOTE cannot be asked for them.
    async fn configured(
        &mut self,
        local: &Patient,
        line: &mut Connection,
        known: &Known,
    ) -> Vec<Synced> {
        let existing = ours(&known.tables.local);
        let Some(columns) = existing.get("db_sync_config") else { return Vec::new() };
        let with_rules = columns.contains_key("column_rules");
        let rows = settings::stored(line, local.endpoint.nature.dialect, with_rules).await;
        let rows = self.hear(rows).unwrap_or_default().into_iter();
        let rows: Vec<_> = rows
            .filter(|row| row.settings.enabled && row.settings.table != DEFAULTS)
            .filter_map(|row| self.hear(row.understood(&[])))
            .collect();
        rows.into_iter().map(|row| (row.table, row.policy.direction)).collect()
    }

    /// The tables that the settings would have registered.
    fn presumed(&self, known: &Known) -> Vec<Synced> {
        let names: BTreeSet<&String> =
            known.tables.remote.keys().chain(known.tables.local.keys()).collect();
        let wanted = names.into_iter().filter(|name| is_wanted(&self.settings, name));
        wanted.map(|name| (name.clone(), self.settings.direction)).collect()
    }
}
