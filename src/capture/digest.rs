//! Looks where a chunk's digest is not what the base says; needs only SELECT.
//!
//! Many chunks are added up together, since mostly nothing has changed. Adding up costs the server about as much as listing:
//! where a server is near, a stretch that has changed is listed as it is; of one that is far, each chunk is added up first, so
//! that little has to travel. Where it turns out that much has changed, the rest is listed without being added up.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Proposal, join};
use crate::endpoint::read::{self, Digest};
use crate::endpoint::sql::table::Span;
use crate::endpoint::{Connection, Dialect, Endpoint, Purpose, View};
use crate::error::Result;
use crate::journal::base::Base;

/// Chunks that are added up together.
const STRETCH: usize = 32;
/// Stretches that are asked for in one statement.
const STRETCHES: usize = 16;
/// And in the first, to learn how many have changed.
const FIRST: usize = 2;
/// One changed stretch of so many makes listing cheaper than adding up and then listing what has changed.
const MANY: usize = 2;
/// A server that answers within this is near: what it lists costs no time to travel.
const NEAR: Duration = Duration::from_millis(2);

/// Chunks from which on a further line is worth opening.
const RANGE: usize = 64;

/// What a side's chunks turned out to be: `None` for those that were not added up.
type Digests = Vec<Option<Digest>>;

/// Who is asked for digests.
pub struct Asked<'a> {
    /// The line that shows the side as it is to be looked at.
    pub line: &'a mut Connection,
    /// Where further lines lead to, for large tables.
    pub endpoint: &'a Endpoint,
    /// What these are opened for.
    pub purpose: Purpose,
    /// How many lines ask at the same time.
    pub at_once: usize,
}

/// Asks one side for the digests of the base's chunks. The chunks (by their lowest ordinals) in `also` are proposed
/// whatever their digests say.
///
/// Further lines see the side a moment later. They say where to look, no more: the rows themselves are read on the one line, and
/// so as they were at one moment.
///
/// # Errors
/// The failure with its code.
pub async fn propose(
    asked: Asked<'_>,
    view: &View<'_>,
    base: &Base,
    also: &BTreeSet<u64>,
) -> Result<Proposal> {
    let lows = base.lows();
    let near = asked.endpoint.trip <= NEAR;
    let whole = view.pair.form.is_hashed() || view.dialect == Dialect::Sqlite;
    let ranges = if whole { 1 } else { asked.at_once.min(lows.len() / RANGE).max(1) };
    let mut ranges = lows.chunks(lows.len().div_ceil(ranges));
    let first = ranges.next().unwrap_or_default();
    let others = ranges.map(async |lows| {
        let mut line = asked.endpoint.connect(asked.purpose).await?;
        let digests = ask(&mut line, view, base, lows, near).await;
        line.close().await;
        digests
    });
    let (first, others) = tokio::join!(ask(asked.line, view, base, first, near), join_all(others));
    let mut digests = first?;
    for range in others {
        digests.extend(range?);
    }
    let mut proposal = Proposal::default();
    for (low, now) in lows.into_iter().zip(digests) {
        let then = base.digest(low)[view.side];
        if now != Some(then) || also.contains(&low) {
            join(&mut proposal.spans, low..=base.high(low));
        } else {
            proposal.rows += then.rows;
        }
    }
    Ok(proposal)
}

/// Adds up one side's chunks, as many together as can be said in a short statement, until so many have changed that adding up
/// the rest is not worth it.
async fn ask(
    connection: &mut Connection,
    view: &View<'_>,
    base: &Base,
    lows: &[u64],
    near: bool,
) -> Result<Digests> {
    if view.pair.form.is_hashed() || view.dialect == Dialect::Sqlite {
        // One look at the whole table, whatever is asked.
        let digests = read::digests(connection, view, lows, u64::MAX).await?;
        return Ok(digests.into_iter().map(Some).collect());
    }
    let mut asked = Digests::new();
    while asked.len() < lows.len() {
        let stretches = if asked.is_empty() { FIRST } else { STRETCHES };
        let stretches: Vec<&[u64]> = lows[asked.len()..].chunks(STRETCH).take(stretches).collect();
        let spans: Vec<Span> = stretches.iter().map(|lows| lows[0]..=last(base, lows)).collect();
        let sums = read::sums(connection, view, &spans).await?;
        let (mut changed, all) = (0, stretches.len());
        for (lows, sum) in stretches.into_iter().zip(sums) {
            let then: Vec<Digest> = lows.iter().map(|low| base.digest(*low)[view.side]).collect();
            let total = then.iter().fold(Digest::default(), |total, digest| total.and(*digest));
            if sum == total {
                asked.extend(then.into_iter().map(Some));
                continue;
            }
            changed += 1;
            if near || lows.len() == 1 {
                asked.extend(lows.iter().map(|_| None));
            } else {
                let digests = read::digests(connection, view, lows, last(base, lows)).await?;
                asked.extend(digests.into_iter().map(Some));
            }
        }
        if near && changed * MANY >= all {
            asked.resize(lows.len(), None);
        }
    }
    Ok(asked)
}

/// The highest ordinal of the last of these chunks.
fn last(base: &Base, lows: &[u64]) -> u64 {
    lows.last().map_or(u64::MAX, |low| base.high(*low))
}
