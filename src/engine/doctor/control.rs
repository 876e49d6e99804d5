//! Our own tables on LOCAL: whether they are there, of this version, and kept safely.

use std::collections::HashMap;

use super::ailments;
use super::diagnosis::Symptom;
use crate::endpoint::sql::mend;
use crate::endpoint::{Connection, Dialect};
use crate::engine::preflight::ours;
use crate::error::Result;
use crate::journal::{base, schema};
use crate::model::{Side, Table};
use crate::note::{self, Note};

/// What is to be said of our own tables, and whether nothing of them is missing now. With `fix` they are made, or brought up to
/// date.
///
/// # Errors
/// The failure with its code; `SYS_004` where they cannot be made.
pub async fn look(
    line: &mut Connection,
    dialect: Dialect,
    tables: &HashMap<String, Table>,
    fix: bool,
    found: &mut Vec<Symptom>,
) -> Result<bool> {
    let existing = ours(tables);
    let (missing, older) = schema::lacking(&existing);
    let names: Vec<&str> = missing.iter().chain(&older).copied().collect();
    // That nothing was ever synced here is as it should be.
    let first = existing.is_empty();
    let ailment = if first { ailments::NO_CONTROL_TABLES } else { ailments::OLD_CONTROL_TABLES };
    let mut complete = names.is_empty();
    if !complete {
        let statements = schema::statements(dialect, &existing).into_iter().map(|sql| sql + ";");
        let told = Symptom::of(ailment).on(Side::Local).with("tables", names.join(", "));
        found.push(told.sql(statements));
        if fix {
            schema::install(line, dialect).await?;
            complete = true;
            let told = found.last_mut();
            let fixed = Note::new(note::FIXED_TABLES).with("tables", names.join(", "));
            told.into_iter().for_each(|told| told.fixed = Some(fixed.clone()));
        }
    }
    let mut unsafe_ones: Vec<&str> = existing.keys().map(String::as_str).collect();
    unsafe_ones.retain(|name| !tables[*name].transactional);
    found.extend(unsafe_ones.into_iter().map(|name| {
        let told = Symptom::of(ailments::CONTROL_STORAGE).on(Side::Local).with("table", name);
        Symptom { table: Some(name.to_owned()), ..told }
            .sql([mend::change_storage(dialect, name) + ";"])
    }));
    if complete && !first {
        let other = base::outdated(line, dialect).await?;
        let told = Symptom::of(ailments::OTHER_BASE).on(Side::Local);
        let told = (!other.is_empty()).then(|| told.with("tables", other.join(", ")));
        found.extend(told);
    }
    Ok(complete)
}
