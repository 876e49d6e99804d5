//! One batch of writes: what is done, where, how hard, and with which rows.

use super::Run;
use super::worklist::Item;
use crate::model::{Row, Side, Value};
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

/// About how many bytes a row's cells take.
pub fn bytes(row: &Row) -> usize {
    let cell = |value: &Value| match value {
        Value::Text(text) | Value::Json(text) => text.len() + 8,
        Value::Bytes(bytes) => bytes.len() + 8,
        Value::Decimal(number) => number.as_str().len() + 8,
        _ => 24,
    };
    row.iter().map(cell).sum()
}
