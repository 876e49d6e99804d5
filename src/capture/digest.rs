//! Looks where a chunk's digest is not what the base says; needs only SELECT.

use std::collections::BTreeSet;

use super::{Proposal, join};
use crate::endpoint::read::{self, Digest};
use crate::endpoint::{Connection, View};
use crate::error::Result;
use crate::journal::base::Base;
use crate::model::{PerSide, Side};

/// Asks both sides at once for the digest of every chunk of the base. The chunks (by their lowest ordinals) in `also`
/// are proposed whatever their digests say. A side of which the base was made this moment need not be asked again
/// (`fresh`).
///
/// # Errors
/// The failure with its code.
pub async fn propose(
    connections: &mut PerSide<Connection>,
    views: &PerSide<View<'_>>,
    base: &Base,
    also: &BTreeSet<u64>,
    fresh: Option<Side>,
) -> Result<Proposal> {
    let lows = base.lows();
    let asked = async |side: Side, connection: &mut Connection| {
        if fresh == Some(side) {
            return Ok(lows.iter().map(|low| base.digest(*low)[side]).collect());
        }
        read::digests(connection, &views[side], &lows).await
    };
    let (remote, local) = tokio::join!(
        asked(Side::Remote, &mut connections.remote),
        asked(Side::Local, &mut connections.local),
    );
    let now: PerSide<Vec<Digest>> = PerSide::new(remote?, local?);
    let mut spans = Vec::new();
    for (at, low) in lows.iter().enumerate() {
        let then = base.digest(*low);
        let changed = Side::BOTH.into_iter().any(|side| now[side][at] != then[side]);
        if changed || also.contains(low) {
            join(&mut spans, *low..=base.high(*low));
        }
    }
    let rows = now.map(|digests| digests.iter().map(|digest| digest.rows).sum());
    Ok(Proposal { capture: "digest", spans, rows: Some(rows) })
}
