//! Tables that are held: by a run at work, by one that is silent, or by what a dead one has left behind.

use std::collections::BTreeSet;

use chrono::Utc;

use super::ailments::{self, Ailment};
use super::diagnosis::Symptom;
use crate::endpoint::sql::remedy;
use crate::endpoint::{Connection, Nature};
use crate::error::Result;
use crate::journal::lease::{self, Owned};
use crate::journal::lock::Locks;
use crate::journal::runs;
use crate::model::Side;
use crate::note::{self, Note};

/// What is to be said of tables that are held. With `fix` the doctor takes over what dead runs have left, as the next run
/// would, and puts it in order.
///
/// # Errors
/// The failure with its code.
pub async fn look(
    line: &mut Connection,
    nature: &Nature,
    fix: bool,
    found: &mut Vec<Symptom>,
) -> Result<()> {
    let leases = lease::owned(line, nature.dialect).await?;
    let running: BTreeSet<String> =
        runs::running(line, nature.dialect).await?.into_iter().collect();
    let leased = leases.iter().map(|lease| lease.table.clone());
    let tables: BTreeSet<String> = leased.chain(running.iter().cloned()).collect();
    let (mut at_work, mut left, mut fixed) = (Vec::new(), Vec::new(), true);
    let mut locks = Locks::default();
    for table in tables {
        let owned = leases.iter().find(|lease| lease.table == table);
        // Only who has a table's lock knows that nobody else is at work on it.
        let free = locks.take(line, nature, &table).await?;
        match owned {
            _ if free && !owned.is_some_and(|owned| owned.stands) => {
                fixed &= fix && take_over(line, nature, &table).await?;
                left.push(table.clone());
            }
            Some(owned) if owned.silence > i64::from(lease::SECONDS) => found.push(silent(owned)),
            _ => at_work.push(table.clone()),
        }
        if free {
            locks.give_back(line, nature, &table).await?;
        }
    }
    let dead = |tables: Vec<&str>, ailment: Ailment, mended: &'static str, sql: Vec<String>| {
        let tables = tables.join(", ");
        let fixed = fixed.then(|| Note::new(mended).with("tables", &tables));
        let told = Symptom::of(ailment).on(Side::Local).with("tables", &tables).sql(sql);
        (!tables.is_empty()).then_some(Symptom { fixed, ..told })
    };
    let dead_leases: Vec<&Owned> =
        leases.iter().filter(|lease| left.contains(&lease.table)).collect();
    let names = dead_leases.iter().map(|lease| lease.table.as_str()).collect();
    let give_back = |lease: &&Owned| remedy::give_back(nature.dialect, &lease.table, lease.token);
    let sql = dead_leases.iter().map(give_back).collect();
    found.extend(dead(names, ailments::STUCK_LEASE, note::FIXED_LEASES, sql));
    let names: Vec<&str> =
        left.iter().map(String::as_str).filter(|table| running.contains(*table)).collect();
    let sql = names.iter().map(|table| remedy::bury(nature.dialect, table)).collect();
    found.extend(dead(names, ailments::DEAD_RUNS, note::FIXED_RUNS, sql));
    let told = || Symptom::of(ailments::AT_WORK).on(Side::Local).with("tables", at_work.join(", "));
    found.extend((!at_work.is_empty()).then(told));
    Ok(())
}

/// A run whose line stands and that has said nothing for longer than a lease lasts.
fn silent(owned: &Owned) -> Symptom {
    let Owned { table, line, silence, .. } = owned;
    let told = Symptom::of(ailments::SILENT_RUN).on(Side::Local);
    let told = told.with("table", table).with("seconds", silence);
    Symptom { table: Some(table.clone()), ..told }.sql([remedy::end_line(*line)])
}

/// Takes a table over whose lock we have, notes that its runs ended, and lets it go. Answers whether it could be had: a run
/// that was taken for dead may have come back, and then it is at work.
async fn take_over(line: &mut Connection, nature: &Nature, table: &str) -> Result<bool> {
    let owner = uuid::Uuid::new_v4().to_string();
    let Some(lease) = lease::take(line, nature.dialect, table, &owner).await? else {
        return Ok(false);
    };
    runs::bury(line, nature.dialect, table, Utc::now()).await?;
    lease.end(line).await?;
    Ok(true)
}
