//! The `db-sync` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(db_sync::cli::main(std::env::args_os()))
}
