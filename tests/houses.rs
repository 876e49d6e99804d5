//! The floors of ARCHITECTURE.md, read off the source.

use std::path::{Path, PathBuf};

/// Rooms by floor; a room may use those below it (and its own).
const FLOORS: [(&str, u8); 13] = [
    ("model", 0),
    ("plan", 1),
    ("config", 2),
    ("error", 2),
    ("failpoint", 2),
    ("note", 2),
    ("report", 2),
    ("endpoint", 2),
    ("journal", 3),
    ("capture", 4),
    ("engine", 5),
    ("cli", 6),
    ("python", 6),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

fn floor(room: &str) -> u8 {
    FLOORS
        .iter()
        .find(|(name, _)| *name == room)
        .unwrap_or_else(|| panic!("a room without a floor: {room}"))
        .1
}

#[test]
fn nothing_imports_upward() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let room =
            inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            for part in line.split("crate::").skip(1) {
                let used: String =
                    part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let allowed = used == room || floor(&used) < floor(&room) || shared(&used, &room);
                assert!(allowed, "{}:{}: {room} uses {used}", path.display(), number + 1);
            }
        }
    }
}

/// The shared words of floors 2 and up, and the doors' own.
fn shared(used: &str, room: &str) -> bool {
    let words = ["config", "error", "note", "report"].contains(&used) && floor(room) >= 2;
    words || (room == "python" && used == "cli")
}

#[test]
fn only_one_room_makes_sql_safe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&root) {
        let text = std::fs::read_to_string(&path).unwrap();
        let inside = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if text.contains("AssertSqlSafe") {
            assert!(
                inside.starts_with("endpoint/") && inside.ends_with("session.rs"),
                "{inside} hands SQL to a driver"
            );
        }
        if text.contains("std::env::var") {
            assert_eq!(inside, "config/environment.rs", "{inside} reads the environment");
        }
    }
}
