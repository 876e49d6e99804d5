//! This machine: the settings' file, and the folder for temporary files.

use chrono::Local;

use super::ailments;
use super::diagnosis::Symptom;
use super::server::{little_room, word};
use crate::config::Settings;
use crate::endpoint::disk;

/// What is to be said of this machine.
pub fn look(settings: &Settings) -> Vec<Symptom> {
    let open = settings.open_file.as_ref().map(|path| {
        Symptom::of(ailments::OPEN_ENV_FILE)
            .with("path", path.display())
            .command(format!("chmod 600 {}", word(path)))
    });
    // Decisions that do not fit in memory go there, and locks of SQLite files.
    let folder = std::env::temp_dir();
    let room = disk::free(&folder)
        .and_then(|free| little_room(free, &folder.display().to_string(), "TMPDIR"));
    open.into_iter().chain(room).collect()
}

/// Minutes by which this machine's time zone is ahead of UTC.
pub fn time_zone() -> i64 {
    i64::from(Local::now().offset().local_minus_utc()) / 60
}
