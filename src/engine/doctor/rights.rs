//! Whether our accounts may do what a sync does, table by table, and the GRANT that helps where they may not.

use std::collections::BTreeSet;

use super::ailments;
use super::diagnosis::Symptom;
use crate::config::{Address, Settings};
use crate::endpoint::mysql::rights::Grants;
use crate::endpoint::sql::remedy::{self, ROWS};
use crate::endpoint::{Connection, Endpoint, Fault, Statement};
use crate::error::{self, Result, SyncError};
use crate::model::Side;

/// What a sync does with a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The table; none where only the database is known.
    pub table: Option<String>,
    /// Columns that can be written.
    pub columns: Vec<String>,
    /// The rights that this takes.
    pub rights: Vec<&'static str>,
}

/// What a sync does with a table whose rows it reads, and writes where that is so.
pub fn rows(written: bool) -> Vec<&'static str> {
    if written { ROWS.to_vec() } else { vec![ROWS[0]] }
}

/// The GRANT for an account that may not so much as enter its database; none where it was refused for something else.
pub async fn entry(
    side: Side,
    settings: &Settings,
    refused: &SyncError,
    rights: &[&str],
) -> Option<String> {
    let mut elsewhere = settings.clone();
    let Address::Server(server) = &mut elsewhere.sides[side] else { return None };
    if refused.sentences != error::NOT_ADMITTED {
        return None;
    }
    // Every account may enter this one, and be told there which account it is.
    let database = std::mem::replace(&mut server.database, "information_schema".to_owned());
    let (endpoint, line) = Endpoint::open(side, &elsewhere).await.ok()?;
    line.close().await;
    let object = remedy::object(endpoint.nature.dialect, &database, None);
    Some(remedy::grant(rights, &object, endpoint.place().account.as_deref()?))
}

/// What is to be said of an account's rights; and the tables that it cannot read, which to it might as well not be there.
///
/// # Errors
/// The failure with its code.
pub async fn look(
    endpoint: &Endpoint,
    line: &mut Connection,
    grants: &Grants,
    needs: &[Need],
) -> Result<(Option<Symptom>, Vec<String>)> {
    let mut lacking: Vec<(&Need, Vec<&'static str>)> = Vec::new();
    for need in needs {
        let rights = lacks(endpoint, line, grants, need).await?;
        lacking.push((need, rights));
    }
    let hidden = lacking.iter().filter(|(_, rights)| rights.contains(&ROWS[0]));
    let hidden = hidden.filter_map(|(need, _)| need.table.clone()).collect();
    Ok((finding(endpoint, &lacking), hidden))
}

/// The rights that an account lacks of those that it needs to a table.
async fn lacks(
    endpoint: &Endpoint,
    line: &mut Connection,
    grants: &Grants,
    need: &Need,
) -> Result<Vec<&'static str>> {
    let Some(table) = &need.table else {
        let given = |right: &&&str| !grants.on_database(right);
        return Ok(need.rights.iter().filter(given).copied().collect());
    };
    let columns: Vec<&str> = need.columns.iter().map(String::as_str).collect();
    let mut lacking = Vec::new();
    for right in need.rights.iter().filter(|right| !grants.on_table(right, table)) {
        // Who may not read a table is refused whatever else is asked for.
        let readable = *right == ROWS[0] || !lacking.contains(&ROWS[0]);
        let question = remedy::would(right, endpoint.nature.dialect, table, &columns);
        let allowed = match question.filter(|_| readable) {
            Some(question) => would(line, &question).await?,
            None => false,
        };
        if !allowed {
            lacking.push(*right);
        }
    }
    Ok(lacking)
}

/// Whether a server would let us; what else it has against the statement does not matter.
async fn would(line: &mut Connection, question: &Statement) -> Result<bool> {
    match line.try_fetch(question).await {
        Err(Fault::Fatal(error)) if error.sentences == error::NO_PERMISSION => Ok(false),
        Err(Fault::Fatal(error)) if line.is_ended() => Err(error),
        _ => Ok(true),
    }
}

/// Rights that every table lacks are granted for the whole database, the others for each table.
fn finding(endpoint: &Endpoint, lacking: &[(&Need, Vec<&'static str>)]) -> Option<Symptom> {
    let place = endpoint.place();
    let Address::Server(server) = &place.address else { return None };
    let account = place.account.as_deref().unwrap_or_default();
    let everywhere = |right: &str| {
        lacking.len() > 1 && lacking.iter().all(|(_, rights)| rights.contains(&right))
    };
    let granted = |rights: &[&str], table: Option<&str>| {
        let object = remedy::object(endpoint.nature.dialect, &server.database, table);
        (!rights.is_empty()).then(|| remedy::grant(rights, &object, account))
    };
    let (mut all, mut tables): (Vec<&str>, BTreeSet<&str>) = (Vec::new(), BTreeSet::new());
    let mut single = Vec::new();
    for (need, rights) in lacking.iter().filter(|(_, rights)| !rights.is_empty()) {
        all.extend(rights.iter().filter(|right| !all.contains(right)).copied().collect::<Vec<_>>());
        tables.insert(need.table.as_deref().unwrap_or("*"));
        let rest: Vec<&str> = rights.iter().filter(|right| !everywhere(right)).copied().collect();
        single.extend(granted(&rest, need.table.as_deref()));
    }
    let common: Vec<&str> = all.iter().filter(|right| everywhere(right)).copied().collect();
    let found = || {
        Symptom::of(ailments::NO_RIGHTS)
            .on(endpoint.side())
            .with("user", &server.user)
            .with("privileges", all.join(", "))
            .with("tables", tables.iter().copied().collect::<Vec<_>>().join(", "))
    };
    (!all.is_empty()).then(|| found().sql(granted(&common, None).into_iter().chain(single)))
}
