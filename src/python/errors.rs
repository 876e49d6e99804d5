//! Failures as Python exceptions.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{Code, SyncError as Failed};

create_exception!(db_sync._native, SyncError, PyException, "A run as a whole cannot be done.");
create_exception!(db_sync._native, ConnectionFailed, SyncError, "A side cannot be reached.");
create_exception!(
    db_sync._native,
    ConfigError,
    SyncError,
    "A setting or an option is missing or wrong."
);
create_exception!(db_sync._native, SchemaMismatch, SyncError, "Two tables cannot be paired.");
create_exception!(db_sync._native, ConflictPending, SyncError, "Conflicts wait for a person.");
create_exception!(db_sync._native, LockHeld, SyncError, "Another run is at work on a table.");

/// The exception of a failure, with its attributes.
pub(super) fn raise(py: Python<'_>, failed: &Failed) -> PyErr {
    let text = failed.to_string();
    let error = match failed.code() {
        Code::DbConn001 | Code::DbConn002 | Code::DbConn003 | Code::DbConn004 => {
            ConnectionFailed::new_err(text)
        }
        Code::Cfg001 | Code::Cfg002 | Code::Cfg003 | Code::Cfg004 => ConfigError::new_err(text),
        Code::Sync001 | Code::Sync003 | Code::Sync006 => SchemaMismatch::new_err(text),
        Code::Sync007 => ConflictPending::new_err(text),
        Code::Sync009 => LockHeld::new_err(text),
        _ => SyncError::new_err(text),
    };
    match attributes(py, &error, failed) {
        Ok(()) => error,
        Err(problem) => problem,
    }
}

fn attributes(py: Python<'_>, error: &PyErr, failed: &Failed) -> PyResult<()> {
    let value = error.value(py);
    value.setattr("code", failed.code().as_str())?;
    value.setattr("hint", failed.hint())?;
    value.setattr("table", failed.name("table"))?;
    value.setattr("template", failed.sentences.what)?;
    value.setattr("hint_template", failed.sentences.hint)?;
    let names = PyDict::new(py);
    for (name, text) in failed.names.iter().rev() {
        names.set_item(name, text)?;
    }
    value.setattr("names", names)
}
