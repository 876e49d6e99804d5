//! Floor 3: what we remember.
//!
//! Our own tables on the LOCAL side: the base, the log, conflicts, pre-images, the tables' settings, and
//! who is at work. This room does not decide anything about rows, and it never touches a synced table.

pub mod base;
pub mod chunk;
pub mod conflicts;
pub mod lease;
pub mod lock;
pub mod runs;
pub mod schema;
pub mod settings;
pub mod stamp;
pub mod undo;

use chrono::{DateTime, Datelike, Timelike, Utc};

use crate::model::Value;
use crate::model::temporal;

/// A moment of our clock as a cell, in UTC.
pub fn moment(now: DateTime<Utc>) -> Value {
    let small = |number: u32| u8::try_from(number).unwrap_or(0);
    let date = temporal::Date {
        year: u16::try_from(now.year()).unwrap_or(0),
        month: small(now.month()),
        day: small(now.day()),
    };
    let time = temporal::Time {
        negative: false,
        hours: u16::from(small(now.hour())),
        minutes: small(now.minute()),
        seconds: small(now.second()),
        micros: now.timestamp_subsec_micros().min(999_999),
    };
    Value::DateTime(temporal::DateTime { date, time })
}

/// Text or NULL.
pub(crate) fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::text)
}

/// A count.
pub(crate) fn count(number: u64) -> Value {
    Value::Int(number.into())
}
