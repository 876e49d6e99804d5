//! What runs that did not come to their end may have done to REMOTE and could not remember.
//!
//! LOCAL's pre-images are committed before REMOTE's rows, and the base after them: so of the last batch that such a run wrote down
//! nobody knows but REMOTE itself whether it was written.

use std::collections::HashMap;

use super::{Run, knot};
use crate::endpoint::Connection;
use crate::error::Result;
use crate::journal::runs;
use crate::journal::undo::{self, Stored};
use crate::model::{Key, Side};
use crate::plan::merge::Attempt;
use crate::plan::schema_match::TablePair;

/// What runs that did not come to their end may have done to REMOTE without remembering it: the last batch that each wrote down.
///
/// # Errors
/// The failure with its code.
pub async fn of(
    run: &Run,
    journal: &mut Connection,
    pair: &TablePair,
) -> Result<HashMap<Key, Attempt>> {
    let dialect = run.dialect(Side::Local);
    let mut found = HashMap::new();
    for unfinished in runs::unfinished(journal, dialect, &pair.name).await? {
        let rows = run.settings.batch_size.max(knot::ROWS);
        let last = undo::last(journal, dialect, &unfinished, &pair.name, rows).await?;
        let last = last.into_iter().filter(|stored| stored.side == Side::Remote);
        found.extend(last.filter_map(|Stored { key, base, written, .. }| {
            Some((pair.key_from_json(&key)?, Attempt { base, written }))
        }));
    }
    Ok(found)
}
