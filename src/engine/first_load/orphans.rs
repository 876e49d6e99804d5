//! Foreign keys are looked after once every table is there: what refers to nothing goes again.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{Filled, Job};
use crate::endpoint::read::Lock;
use crate::endpoint::{Connection, Fault, Purpose, View, read, write};
use crate::engine::Run;
use crate::error::Result;
use crate::journal::base::Base;
use crate::journal::chunk::Step;
use crate::model::{Key, PerSide, Side, Signature};
use crate::plan::schema_match::TablePair;

/// Whether any row of these tables refers to nothing: several references are followed at the same time.
pub(super) async fn any_orphans(run: &Run, pairs: &[(Side, TablePair)]) -> Result<bool> {
    let references = pairs.iter().flat_map(|(target, pair)| {
        pair.tables[*target].foreign_keys.iter().map(move |key| (*target, pair, key))
    });
    let found = references.map(async |(target, pair, key)| {
        run.cancel.check()?;
        let mut line = run.endpoints[target].connect(Purpose::Write).await?;
        let orphans = write::all_orphans(&mut line, &run.view(pair, target), key).await;
        let orphans = orphans.map_err(|fault| fault.fatal(line.place()))?;
        line.close().await;
        Ok(!orphans.is_empty())
    });
    let found: Vec<_> = found.collect();
    let found = stream::iter(found).buffer_unordered(run.settings.parallel);
    found.try_fold(false, async |any, found| Ok(any || found)).await
}

/// Takes away again what came and refers to nothing: rows whose parents went while they came, or never were. The base forgets
/// them first, or it would take them for deleted.
pub(super) async fn orphans_go(run: &Run, filled: &mut [Filled]) -> Result<()> {
    let mut lines = PerSide::<Option<Connection>>::default();
    let mut clean = false;
    while !clean {
        clean = true;
        for Filled { job, base, settled, .. } in &mut *filled {
            run.cancel.check()?;
            let target = job.target;
            let fatal = |fault: Fault| fault.fatal(run.endpoints[target].place());
            if lines[target].is_none() {
                let mut line = run.endpoints[target].connect(Purpose::Write).await?;
                line.check_foreign_keys(false).await.map_err(fatal)?;
                lines[target] = Some(line);
            }
            let Some(line) = &mut lines[target] else { continue };
            let view = run.view(&job.pair, target);
            for key in &job.pair.tables[target].foreign_keys {
                let orphans = write::all_orphans(line, &view, key).await.map_err(fatal)?;
                for keys in orphans.chunks(500) {
                    let mut came: HashMap<Key, Option<Signature>> =
                        keys.iter().map(|key| (key.clone(), None)).collect();
                    if let Some(base) = base {
                        (*base, came) = forget(run, base, job, keys).await?;
                    }
                    fence(run, job).await?;
                    clean &= !go(line, &view, &came).await.map_err(fatal)?;
                    *settled = false;
                }
            }
        }
    }
    for side in Side::BOTH {
        if let Some(line) = lines[side].take() {
            line.close().await;
        }
    }
    Ok(())
}

/// Whether the table is still this run's.
async fn fence(run: &Run, job: &Job) -> Result<()> {
    let Some(lease) = &job.lease else { return Ok(()) };
    let mut local = run.endpoints.local.connect(Purpose::Write).await?;
    lease.renew(&mut local).await?;
    local.close().await;
    Ok(())
}

/// Rows go that still are what came. Answers whether there were any.
async fn go(
    line: &mut Connection,
    view: &View<'_>,
    came: &HashMap<Key, Option<Signature>>,
) -> std::result::Result<bool, Fault> {
    let keys: Vec<Key> = came.keys().cloned().collect();
    if keys.is_empty() {
        return Ok(false);
    }
    line.begin().await?;
    let mut rows = read::rows(line, view, &keys, Lock::Wait).await?;
    rows.retain(|key, row| came[key].is_none_or(|signature| signature == row.signature));
    let keys: Vec<Key> = rows.into_keys().collect();
    if !keys.is_empty() {
        write::delete(line, view, &keys).await?;
    }
    line.commit().await?;
    Ok(!keys.is_empty())
}

/// The base without some keys, and what the target holds of those that it knew. Rows that it did not know did not come with the
/// load.
async fn forget(
    run: &Run,
    base: &Base,
    job: &Job,
    keys: &[Key],
) -> Result<(Base, HashMap<Key, Option<Signature>>)> {
    let mut ordinals: Vec<u64> = keys.iter().filter_map(|key| job.pair.form.ordinal(key)).collect();
    ordinals.sort_unstable();
    ordinals.dedup();
    let mut local = run.endpoints.local.connect(Purpose::Write).await?;
    let entries = base.entries_of(&mut local, &ordinals).await?;
    ordinals.retain(|ordinal| entries.contains_key(ordinal));
    let steps: Vec<(u64, Step)> =
        ordinals.into_iter().map(|ordinal| (ordinal, Step::Forget)).collect();
    let fatal = |fault: Fault| fault.fatal(run.endpoints.local.place());
    local.begin().await.map_err(fatal)?;
    if let Some(lease) = &job.lease {
        lease.renew(&mut local).await?;
    }
    let left = base.with_steps(&mut local, &steps).await?;
    local.commit().await.map_err(fatal)?;
    local.close().await;
    let known = |key: &Key| entries.get(&job.pair.form.ordinal(key)?).copied();
    let came = keys.iter().filter_map(|key| Some((key.clone(), Some(known(key)?[job.target]))));
    Ok((left, came.collect()))
}
