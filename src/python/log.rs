//! The engine's log lines in Python's logging, under the name `db_sync`.

use std::fmt::Write as _;

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, subscriber::DefaultGuard};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Forwards this thread's log lines until the guard is dropped.
pub(super) fn forward() -> DefaultGuard {
    tracing::subscriber::set_default(tracing_subscriber::registry().with(ToPython))
}

struct ToPython;

/// A line's message and fields as text.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{space}{value:?}"),
            name => write!(self.0, "{space}{name}={value:?}"),
        };
    }
}

impl<S: Subscriber> Layer<S> for ToPython {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if !event.metadata().target().starts_with("db_sync") || level > Level::DEBUG {
            return;
        }
        let number = match level {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            _ => 10,
        };
        let mut line = Line::default();
        event.record(&mut line);
        Python::attach(|py| {
            let logged = py
                .import("logging")
                .and_then(|logging| logging.call_method1("getLogger", ("db_sync",)))
                .and_then(|logger| logger.call_method1("log", (number, "%s", line.0)));
            // A broken handler of the application's is no reason to stop a sync; Python has reported it.
            drop(logged);
        });
    }
}
