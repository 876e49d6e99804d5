//! The doctor: what stands in the way of a sync, or will, on either side and on this machine, and what to do about it.
//!
//! Every file of this room looks at one thing and says what it found. What a sync would be told, the doctor asks of the very
//! code that would tell it: connections of `preflight`, definitions of `check`, leases of the journal. Nothing is written
//! unless the doctor is asked to mend; then our own tables are made or brought up to date, and what dead runs have left is
//! put in order. Rows, tables and settings of others are never touched.

pub mod ailments;
mod clocks;
mod control;
pub mod diagnosis;
mod held;
mod known;
mod machine;
mod rights;
mod server;

use self::diagnosis::{Diagnosis, Symptom, Vitals};
use self::known::{Known, Synced};
use self::rights::Need;
use super::cancel::Cancel;
use super::preflight::{self, find, ours};
use crate::config::Settings;
use crate::endpoint::condition::{self, Condition};
use crate::endpoint::{Connection, Endpoint};
use crate::error::{self, Result};
use crate::journal::schema;
use crate::model::{PerSide, Side};
use crate::note;
use crate::plan::policy::Direction;

/// A side that was reached.
struct Patient {
    endpoint: Endpoint,
    condition: Condition,
}

/// Looks at everything that a sync depends on; with `fix` mends what can safely be mended. What cannot be found out of one side
/// hides nothing of the other.
///
/// # Errors
/// `SYNC_005` when asked to stop.
pub async fn diagnose(settings: Settings, fix: bool, cancel: Cancel) -> Result<Diagnosis> {
    let (remote, local) = tokio::join!(meet(Side::Remote, &settings), meet(Side::Local, &settings));
    let mut doctor = Doctor { found: machine::look(&settings), settings, fix, cancel };
    let (remote, remote_line) = doctor.met(Side::Remote, remote).await.unzip();
    let (local, local_line) = doctor.met(Side::Local, local).await.unzip();
    let patients = PerSide::new(remote, local);
    let mut lines = PerSide::new(remote_line, local_line);
    let looked = doctor.look(&patients, &mut lines).await;
    for line in [lines.remote, lines.local].into_iter().flatten() {
        line.close().await;
    }
    looked?;
    let vitals = patients.as_ref().map(|patient| patient.as_ref().map(vitals));
    Ok(Diagnosis::new(vitals, doctor.found))
}

/// Reaches a side and asks how it is.
async fn meet(side: Side, settings: &Settings) -> Result<(Patient, Connection)> {
    let (endpoint, mut line) = preflight::open(side, settings).await?;
    let condition = condition::ask(&mut line).await?;
    Ok((Patient { endpoint, condition }, line))
}

fn vitals(patient: &Patient) -> Vitals {
    let Condition { clock, zone, free, .. } = &patient.condition;
    Vitals {
        server: patient.endpoint.nature.version.clone(),
        address: patient.endpoint.place().address.to_string(),
        clock_ms: clock.ahead / 1000,
        time_zone_minutes: *zone,
        free_bytes: *free,
    }
}

struct Doctor {
    settings: Settings,
    fix: bool,
    cancel: Cancel,
    found: Vec<Symptom>,
}

impl Doctor {
    async fn look(
        &mut self,
        patients: &PerSide<Option<Patient>>,
        lines: &mut PerSide<Option<Connection>>,
    ) -> Result<()> {
        self.cancel.check()?;
        let known = self.learn(patients, lines).await;
        let conditions =
            patients.as_ref().map(|patient| patient.as_ref().map(|patient| &patient.condition));
        self.found.extend(clocks::look(&conditions, machine::time_zone()));
        for side in Side::BOTH {
            self.cancel.check()?;
            if let (Some(patient), Some(line)) = (&patients[side], &mut lines[side]) {
                let written = self.writes(side, &known.synced);
                self.found.extend(server::look(&patient.endpoint, &patient.condition, written));
                self.rights(patient, line, &known).await;
            }
        }
        self.cancel.check()?;
        if let (Some(local), Some(line)) = (&patients.local, &mut lines.local) {
            self.journal(local, line, &known).await;
        }
        Ok(())
    }

    /// Takes a side that was reached; why it was not is a finding, with the GRANT that an account needs to be let in at all.
    async fn met<T>(&mut self, side: Side, met: Result<T>) -> Option<T> {
        let error = match met {
            Ok(met) => return Some(met),
            Err(error) => error,
        };
        let mut rights = rights::rows(self.writes(side, &[]));
        if side == Side::Local {
            rights.extend(["CREATE", "ALTER"]);
        }
        let grant = rights::entry(side, &self.settings, &error, &rights).await;
        self.found.push(Symptom::from(&error).sql(grant));
        None
    }

    /// Takes what could be found out; what could not is a finding.
    fn hear<T>(&mut self, told: Result<T>) -> Option<T> {
        let told = told.map_err(|error| {
            // Then LOCAL may be a database that is not meant to be LOCAL: nothing is mended in it.
            let mistaken = [error::SAME_DATABASE, error::SIDES_SWAPPED];
            self.fix &= !mistaken.contains(&error.sentences);
            Symptom::from(&error)
        });
        // A line that is lost answers every question alike.
        if let Some(symptom) = told.as_ref().err().filter(|symptom| !self.found.contains(symptom)) {
            self.found.push(symptom.clone());
        }
        told.ok()
    }

    /// Whether a sync writes to a side. Our own tables are on LOCAL.
    fn writes(&self, side: Side, synced: &[Synced]) -> bool {
        let written = |direction: Direction| direction.passes().contains(&side);
        let rows = synced.iter().any(|(_, direction)| written(*direction));
        side == Side::Local || rows || synced.is_empty() && written(self.settings.direction)
    }

    async fn rights(&mut self, patient: &Patient, line: &mut Connection, known: &Known) {
        let Some(grants) = &patient.condition.grants else { return };
        let side = patient.endpoint.side();
        let needs = self.needs(side, known);
        let looked = rights::look(&patient.endpoint, line, grants, &needs).await;
        let Some((found, hidden)) = self.hear(looked) else { return };
        // Tables that the account cannot see seemed to be missing.
        let seems = |found: &Symptom| {
            let there = found.note.names.get("side").is_some_and(|named| named == side.as_str());
            let table = found.table.as_ref().is_some_and(|table| hidden.contains(table));
            found.note.template == note::NO_TABLE && there && table
        };
        self.found.retain(|found| !seems(found));
        self.found.extend(found);
    }

    /// What a sync does with the tables of a side.
    fn needs(&self, side: Side, known: &Known) -> Vec<Need> {
        let need = |name: &str, rights: Vec<&'static str>| {
            let table = find(&known.tables, side, name);
            let columns = table.into_iter().flat_map(|table| &table.columns);
            let columns = columns.filter(|column| column.computed.is_none());
            Need {
                table: Some(table.map_or(name, |table| &table.name).to_owned()),
                columns: columns.map(|column| column.name.clone()).collect(),
                rights,
            }
        };
        let written = |direction: &Direction| direction.passes().contains(&side);
        let rows = |(name, direction): &Synced| need(name, rights::rows(written(direction)));
        let mut needs: Vec<Need> = known.synced.iter().map(rows).collect();
        if side == Side::Local {
            let existing = ours(&known.tables.local);
            let (missing, older) = schema::lacking(&existing);
            needs.extend(schema::names().map(|name| {
                let made = missing.contains(&name) || older.contains(&name);
                let more = [("CREATE", made), ("ALTER", older.contains(&name))];
                let more = more.into_iter().filter(|(_, needed)| *needed);
                let rights = rights::rows(true).into_iter().chain(more.map(|(right, _)| right));
                need(name, rights.collect())
            }));
        }
        if needs.is_empty() {
            let rights = rights::rows(written(&self.settings.direction));
            needs.push(Need { table: None, columns: Vec::new(), rights });
        }
        needs
    }

    /// Our own tables, and who holds what.
    async fn journal(&mut self, local: &Patient, line: &mut Connection, known: &Known) {
        let (nature, tables) = (&local.endpoint.nature, &known.tables.local);
        let mut found = Vec::new();
        let complete = control::look(line, nature.dialect, tables, self.fix, &mut found).await;
        if self.hear(complete) == Some(true) {
            let looked = held::look(line, nature, self.fix, &mut found).await;
            self.hear(looked);
        }
        self.found.append(&mut found);
    }
}
