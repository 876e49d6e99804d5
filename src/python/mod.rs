//! Floor 6, one of the doors: the `db_sync._native` module.
//!
//! What crosses the border is text (JSON), lists of text and exceptions. Nothing is decided here, and nothing
//! that is started here outlives the call that started it.

mod enter;
mod errors;
mod log;

use pyo3::prelude::*;

/// The native engine.
#[pymodule]
mod _native {
    use std::path::PathBuf;

    use pyo3::prelude::*;

    #[pymodule_export]
    use super::errors::{
        ConfigError, ConflictPending, ConnectionFailed, LockHeld, SchemaMismatch, SyncError,
    };
    use super::{enter, errors};
    use crate::config::{Address, Settings};
    use crate::endpoint::Dialect;
    use crate::engine::configure::{Exported, document};
    use crate::journal::schema;
    use crate::model::Side;

    /// Runs one sync in this process and answers the report as JSON.
    #[pyfunction]
    fn run(py: Python<'_>, options: &str) -> PyResult<String> {
        enter::run(py, options)
    }

    /// Compares both sides' definitions and answers the report as JSON.
    #[pyfunction]
    fn check_schemas(py: Python<'_>, options: &str) -> PyResult<String> {
        enter::check_schemas(py, options)
    }

    /// Looks for whatever stands in the way of a sync and answers the diagnosis as JSON.
    #[pyfunction]
    fn diagnose(py: Python<'_>, options: &str) -> PyResult<String> {
        enter::diagnose(py, options)
    }

    /// Is the `db-sync` command; answers the exit status.
    #[pyfunction]
    fn main(py: Python<'_>, argv: Vec<String>) -> u8 {
        py.detach(|| crate::cli::main(argv.into_iter().map(Into::into)))
    }

    /// Reads the settings and answers them as JSON.
    #[pyfunction]
    #[pyo3(signature = (env_file))]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's path arrives as a value of its own"
    )]
    fn settings(py: Python<'_>, env_file: Option<PathBuf>) -> PyResult<String> {
        let settings =
            Settings::load(env_file.as_deref()).map_err(|error| errors::raise(py, &error))?;
        let side = |side: Side| match &settings.sides[side] {
            Address::File(path) => serde_json::json!({"engine": "sqlite", "name": path}),
            Address::Server(server) => serde_json::json!({
                "engine": "mysql",
                "host": server.host,
                "port": server.port,
                "name": server.database,
                "user": server.user,
                "password": server.password.expose(),
                "ssl_mode": server.ssl_mode.as_str(),
                "ssl_ca": server.ssl_ca,
            }),
        };
        let told = serde_json::json!({
            "default": settings.default_side.as_str().to_lowercase(),
            "remote": side(Side::Remote),
            "local": side(Side::Local),
            "enabled": settings.enabled,
            "interval": settings.interval_minutes,
            "direction": settings.direction.as_str(),
            "sync_type": settings.sync_type.as_str(),
            "conflict": settings.strategy.as_str(),
        });
        Ok(told.to_string())
    }

    /// Writes tables' settings, as `db-sync config export --json` tells them, as a YAML file.
    #[pyfunction]
    fn config_document(exported: &str) -> PyResult<String> {
        let exported = serde_json::from_str::<Exported>(exported);
        exported
            .map(|exported| document::write(&exported.tables))
            .map_err(|problem| pyo3::exceptions::PyValueError::new_err(problem.to_string()))
    }

    /// Says how the control tables come about, or are brought up to date.
    #[pyfunction]
    fn control_statements(dialect: &str, existing: &str) -> PyResult<Vec<String>> {
        let dialect = match dialect {
            "sqlite" => Dialect::Sqlite,
            "mysql" => Dialect::MySql,
            _ => {
                return Err(pyo3::exceptions::PyValueError::new_err(
                    "dialect must be mysql or sqlite",
                ));
            }
        };
        let existing = serde_json::from_str(existing);
        let existing = existing
            .map_err(|problem| pyo3::exceptions::PyValueError::new_err(problem.to_string()))?;
        Ok(schema::statements(dialect, &existing))
    }
}
