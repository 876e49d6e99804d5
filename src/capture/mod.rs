//! Floor 4: where to look.
//!
//! A capture proposes stretches of ordinals in which rows may have changed. It may propose too much at no
//! harm; it never decides anything about a row, and it writes nothing.

pub mod digest;
pub mod scan;

use crate::endpoint::sql::table::Span;

/// What a capture found on one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Where to look: ascending, disjoint, chunk by chunk. Elsewhere the side holds what the base says of it.
    pub spans: Vec<Span>,
    /// Rows elsewhere.
    pub rows: u64,
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
