//! Floor 4: where to look.
//!
//! A capture proposes stretches of ordinals in which rows may have changed. It may propose too much at no
//! harm; it never decides anything about a row, and it writes nothing.

pub mod digest;
pub mod scan;

use crate::endpoint::sql::table::Span;
use crate::model::PerSide;

/// What a capture found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its name, for the report.
    pub capture: &'static str,
    /// Where to look: ascending, disjoint, chunk by chunk.
    pub spans: Vec<Span>,
    /// Rows on each side, where the capture counted them.
    pub rows: Option<PerSide<u64>>,
}

/// Adds a stretch to ascending ones, joining it to the last where they touch.
pub(crate) fn join(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        Some(last) if last.end().checked_add(1) == Some(*span.start()) => {
            *last = *last.start()..=*span.end();
        }
        _ => spans.push(span),
    }
}
