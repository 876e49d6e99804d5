//! One batch of writes: what is done, where, how hard, and with which rows.

use std::collections::HashMap;

use super::Run;
use super::worklist::Item;
use crate::endpoint::{Connection, View, read};
use crate::error::Result;
use crate::model::{Key, PerSide, Row, Side};
use crate::plan::batch::Limit;
use crate::plan::merge::Write;

/// How a batch is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Rows that other rows stand in the way of are put off.
    First,
    /// Whatever fails now has failed.
    Last,
}

/// One row to be written, ready for its side.
pub struct Ready {
    /// The decision.
    pub item: Item,
    /// The row as the other side has it; `None` where it goes.
    pub source: Option<Row>,
    /// The same in the form in which this side takes it.
    pub row: Option<Row>,
}

/// A batch's place of work.
pub struct Site<'a> {
    /// The run.
    pub run: &'a Run,
    /// The side that is written.
    pub target: Side,
    /// What is done to the rows.
    pub write: Write,
    /// How hard.
    pub effort: Effort,
}

/// Cuts items into batches whose rows, on either side, fit into memory and into a statement together. Only where rows may be
/// large are the servers asked how large these are.
///
/// # Errors
/// The failure with its code.
pub async fn by_size(
    lines: &mut PerSide<Connection>,
    views: &PerSide<View<'_>>,
    items: Vec<Item>,
) -> Result<Vec<Vec<Item>>> {
    if !views.local.pair.has_long_columns() {
        return Ok(vec![items]);
    }
    let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
    let mut sizes: HashMap<Key, usize> = HashMap::new();
    for side in Side::BOTH {
        for (key, size) in read::large(&mut lines[side], &views[side], &keys).await? {
            let known = sizes.entry(key).or_default();
            *known = size.max(*known);
        }
    }
    let statement = views.remote.packet.min(views.local.packet) / 2;
    let limit = Limit::rows(usize::MAX);
    let limit = Limit { bytes: limit.bytes.min(statement), ..limit };
    Ok(limit.cut(items, |item| sizes.get(&item.key).copied().unwrap_or(SMALL)))
}

/// What a row counts for that is not large.
const SMALL: usize = 4 << 10;
