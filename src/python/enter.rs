//! The one way from Python into the engine.
//!
//! The GIL is released; the engine works on a thread and a runtime of its own, which end with the call; this thread
//! looks after signals meanwhile, because Ctrl-C and Django Q2's SIGALRM reach Python's handlers only here. A panic is an
//! exception.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use super::{errors, log};
use crate::config::{Settings, bad_direction, bad_value};
use crate::engine::cancel::Cancel;
use crate::engine::drive::{block, drive};
use crate::engine::reviewed::Reviewed;
use crate::engine::{self, Options};
use crate::error::{Result, SyncError};

/// How often signals are looked after.
const SLICE: Duration = Duration::from_millis(100);

/// What Python hands in.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    sync_type: Option<String>,
    direction: Option<String>,
    tables: Vec<String>,
    conflict: Option<String>,
    capture: Option<String>,
    force: bool,
    dry_run: bool,
    create_tables: bool,
    wait: u64,
    apply: Option<PathBuf>,
    undo: Option<String>,
    env_file: Option<PathBuf>,
    progress: Option<String>,
    triggered_by: Option<String>,
}

impl Asked {
    fn options(&self) -> std::result::Result<Options, SyncError> {
        fn named<T: std::str::FromStr>(
            key: &str,
            text: Option<&str>,
            allowed: &str,
        ) -> Result<Option<T>> {
            text.map(|text| text.parse().map_err(|_| bad_value(key, text, allowed))).transpose()
        }
        let direction = self.direction.as_deref();
        let direction =
            direction.map(|text| text.parse().map_err(|_| bad_direction("direction", text)));
        Ok(Options {
            sync_type: named("sync_type", self.sync_type.as_deref(), "FULL | INCREMENTAL")?,
            direction: direction.transpose()?,
            strategy: named(
                "conflict",
                self.conflict.as_deref(),
                "REMOTE_WINS | LOCAL_WINS | SKIP | MANUAL",
            )?,
            capture: named(
                "capture",
                self.capture.as_deref(),
                "auto | binlog | digest | watermark",
            )?,
            tables: self.tables.clone(),
            dry_run: self.dry_run,
            force: self.force,
            create_tables: self.create_tables,
            wait: Duration::from_secs(self.wait),
            apply: self.apply.as_deref().map(Reviewed::read).transpose()?.map(Arc::new),
            undo: self.undo.clone(),
            resolve: None,
            progress: named("progress", self.progress.as_deref(), "auto | always | never")?
                .unwrap_or_default(),
            triggered_by: self.triggered_by.clone().unwrap_or_else(|| "MANUAL".to_owned()),
        })
    }
}

/// Runs one sync; answers the report as JSON.
pub(super) fn run(py: Python<'_>, options: &str) -> PyResult<String> {
    let asked: Asked = serde_json::from_str(options)
        .map_err(|problem| PyValueError::new_err(problem.to_string()))?;
    let options = asked.options().map_err(|error| errors::raise(py, &error))?;
    let settings =
        Settings::load(asked.env_file.as_deref()).map_err(|error| errors::raise(py, &error))?;
    let report = attended(py, move |cancel| drive(settings, options, cancel))?;
    let report = report.map_err(|error| errors::raise(py, &error))?;
    serde_json::to_string(&report).map_err(|problem| PyRuntimeError::new_err(problem.to_string()))
}

/// Compares both sides' definitions; answers the report as JSON.
pub(super) fn check_schemas(py: Python<'_>, options: &str) -> PyResult<String> {
    let asked: Asked = serde_json::from_str(options)
        .map_err(|problem| PyValueError::new_err(problem.to_string()))?;
    let settings =
        Settings::load(asked.env_file.as_deref()).map_err(|error| errors::raise(py, &error))?;
    let work = move |cancel: &Cancel| {
        block(cancel, engine::check_schemas(settings, asked.tables, cancel.clone()))
    };
    let report = attended(py, work)?.map_err(|error| errors::raise(py, &error))?;
    serde_json::to_string(&report).map_err(|problem| PyRuntimeError::new_err(problem.to_string()))
}

/// What Python hands in for a diagnosis.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Complaint {
    fix: bool,
    env_file: Option<PathBuf>,
}

/// Looks for whatever stands in the way of a sync; answers the diagnosis as JSON.
pub(super) fn diagnose(py: Python<'_>, options: &str) -> PyResult<String> {
    let asked: Complaint = serde_json::from_str(options)
        .map_err(|problem| PyValueError::new_err(problem.to_string()))?;
    let settings =
        Settings::load(asked.env_file.as_deref()).map_err(|error| errors::raise(py, &error))?;
    let work = move |cancel: &Cancel| {
        block(cancel, engine::doctor::diagnose(settings, asked.fix, cancel.clone()))
    };
    let report = attended(py, work)?.map_err(|error| errors::raise(py, &error))?;
    serde_json::to_string(&report).map_err(|problem| PyRuntimeError::new_err(problem.to_string()))
}

/// Has work done on a thread of its own while this one looks after signals.
fn attended<T: Serialize + Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> PyResult<Result<T>> {
    let cancel = Cancel::default();
    let theirs = cancel.clone();
    let (done, mut waiting) = channel();
    let worker = thread::Builder::new().name("db-sync".to_owned()).spawn(move || {
        let _logging = log::forward();
        // The receiver waits until this thread has ended, so there always is one.
        let _ = done.send(work(&theirs));
    })?;
    let mut interrupted = None;
    let outcome = loop {
        // The receiver cannot be shared, so it goes along and comes back.
        let (back, heard) = py.detach(move || {
            let heard = waiting.recv_timeout(SLICE);
            (waiting, heard)
        });
        waiting = back;
        match heard {
            Ok(outcome) => break Some(outcome),
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {
                if let Err(signal) = py.check_signals() {
                    cancel.cancel();
                    interrupted = Some(signal);
                }
            }
        }
    };
    let ended = py.detach(|| worker.join());
    if let Some(signal) = interrupted {
        if let Some(Ok(report)) = &outcome
            && let Ok(report) = serde_json::to_string(report)
        {
            // Whoever catches the interruption can tell what was done until then; who cannot be told needs no telling.
            let _ = signal.value(py).setattr("db_sync_report", report);
        }
        return Err(signal);
    }
    match (outcome, ended) {
        (Some(outcome), _) => Ok(outcome),
        (None, Err(panic)) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Err(PyRuntimeError::new_err(format!(
                "the engine stopped: {}",
                text.unwrap_or("no reason given")
            )))
        }
        (None, Ok(())) => Err(PyRuntimeError::new_err("the engine stopped without an answer")),
    }
}
