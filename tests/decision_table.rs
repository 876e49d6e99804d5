//! The decision table, black box: every combination of base × REMOTE's change × LOCAL's change × direction ×
//! type × strategy, on every pairing, each followed by a second run that writes nothing.
//!
//! What is expected is spelled out here once more, in the words of the documentation, independent of the engine.

use crate::support::pairing::{table, written};
use crate::support::{Pair, each_pairing};

type Cell = Option<&'static str>;

/// One row's story: what both sides held after the first sync, and what each holds now.
#[derive(Clone, Copy, Debug)]
struct Case {
    base: Cell,
    remote: Cell,
    local: Cell,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    direction: &'static str,
    full: bool,
    strategy: &'static str,
}

/// What should be there afterwards, and how the conflict is written down (kind, state, winner).
#[derive(Debug, PartialEq)]
struct Expected {
    remote: Cell,
    local: Cell,
    conflict: Option<(String, &'static str, Cell)>,
    skipped: bool,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for remote in [Some("base"), Some("remote"), None] {
        for local in [Some("base"), Some("local"), Some("remote"), None] {
            cases.push(Case { base: Some("base"), remote, local });
        }
    }
    for remote in [None, Some("remote")] {
        for local in [None, Some("local"), Some("remote")] {
            cases.push(Case { base: None, remote, local });
        }
    }
    cases
}

fn asked() -> Vec<Asked> {
    let mut all = Vec::new();
    for direction in ["BOTH", "REMOTE_TO_LOCAL", "LOCAL_TO_REMOTE"] {
        for full in [true, false] {
            for strategy in ["REMOTE_WINS", "LOCAL_WINS", "SKIP", "MANUAL"] {
                all.push(Asked { direction, full, strategy });
            }
        }
    }
    all
}

fn expected(case: Case, asked: Asked) -> Expected {
    let Case { base, remote, local } = case;
    let stay = |skipped| Expected { remote, local, conflict: None, skipped };
    let all = |cell| Expected { remote: cell, local: cell, conflict: None, skipped: false };
    let winner = match asked.strategy {
        "REMOTE_WINS" => Some("REMOTE"),
        "LOCAL_WINS" => Some("LOCAL"),
        _ => None,
    };
    let source = match asked.direction {
        "REMOTE_TO_LOCAL" => Some("REMOTE"),
        "LOCAL_TO_REMOTE" => Some("LOCAL"),
        _ => None,
    };
    let state_of = |side| if side == "REMOTE" { remote } else { local };
    let waits = asked.strategy == "MANUAL";
    let state = if waits { "PENDING" } else { "RESOLVED" };
    if remote == local {
        return stay(false);
    }
    match (remote != base, local != base) {
        // Both changed it, differently.
        (true, true) => {
            let what = |cell: Cell| {
                if base.is_none() {
                    "insert"
                } else if cell.is_none() {
                    "delete"
                } else {
                    "update"
                }
            };
            let conflict = Some((format!("{}/{}", what(remote), what(local)), state, winner));
            match winner {
                None => Expected { conflict, ..stay(true) },
                Some(winner) if source.is_some_and(|source| source != winner) => {
                    Expected { conflict, ..stay(false) }
                }
                Some(winner) => Expected { conflict, ..all(state_of(winner)) },
            }
        }
        // One alone changed it: carried over, unless only the target of a one-way run did.
        (changed_remote, _) => {
            let changed = if changed_remote { "REMOTE" } else { "LOCAL" };
            match source {
                Some(source) if source != changed => match (asked.full, winner) {
                    (false, _) => stay(false),
                    (true, Some(winner)) if winner == source => all(state_of(source)),
                    (true, Some(_)) => stay(false),
                    (true, None) if waits => Expected {
                        conflict: Some(("drift".to_owned(), "PENDING", None)),
                        ..stay(true)
                    },
                    (true, None) => stay(true),
                },
                _ => all(state_of(changed)),
            }
        }
    }
}

const FILLERS: usize = 150;

fn rows(name: &str, ids: impl Iterator<Item = (usize, &'static str)>) -> String {
    let rows: Vec<String> = ids.map(|(id, cell)| format!("({id},'{cell}')")).collect();
    if rows.is_empty() {
        String::new()
    } else {
        format!("INSERT INTO {name} VALUES {};", rows.join(","))
    }
}

/// What turns a side of the base into that side of the cases.
fn changes(name: &str, side: impl Fn(&Case) -> Cell) -> String {
    let one = |(id, case): (usize, Case)| match (case.base, side(&case)) {
        (Some(_), None) => format!("DELETE FROM {name} WHERE id={id};"),
        (Some(base), Some(cell)) if base != cell => {
            format!("UPDATE {name} SET v='{cell}' WHERE id={id};")
        }
        (None, Some(cell)) => format!("INSERT INTO {name} VALUES ({id},'{cell}');"),
        _ => String::new(),
    };
    cases().into_iter().enumerate().map(one).collect()
}

fn read(pair: &Pair, name: &str, id: usize) -> (Option<String>, Option<String>) {
    let cell = |rows: crate::support::database::Rows| rows.first().and_then(|row| row[0].clone());
    let sql = format!("SELECT v FROM {name} WHERE id={id}");
    (cell(pair.remote.sql(&sql)), cell(pair.local.sql(&sql)))
}

#[test]
fn every_combination_on_every_pairing() {
    each_pairing(|pair| {
        let all = asked();
        for (number, _) in all.iter().enumerate() {
            let name = format!("t{number}");
            pair.both(&format!(
                "CREATE TABLE {name} (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))"
            ));
            let base =
                cases().into_iter().enumerate().filter_map(|(id, case)| Some((id, case.base?)));
            let fillers = (1000..1000 + FILLERS).map(|id| (id, "filler"));
            pair.remote.sql(&rows(&name, base.chain(fillers)));
        }
        pair.sync("--type FULL --direction BOTH");
        for (number, asked) in all.into_iter().enumerate() {
            check(pair, &format!("t{number}"), asked);
        }
    });
}

fn check(pair: &Pair, name: &str, asked: Asked) {
    pair.remote.sql(&changes(name, |case| case.remote));
    pair.local.sql(&changes(name, |case| case.local));
    let kind = if asked.full { "FULL" } else { "INCREMENTAL" };
    let flags = format!(
        "--type {kind} --direction {} --conflict {} --table {name}",
        asked.direction, asked.strategy
    );
    let report = pair.sync(&flags);
    let (mut conflicts, mut skipped) = (0, false);
    let check_rows = |when: &str| {
        for (id, case) in cases().into_iter().enumerate() {
            let expected = expected(case, asked);
            let found = read(pair, name, id);
            let wanted = (expected.remote.map(str::to_owned), expected.local.map(str::to_owned));
            assert_eq!(found, wanted, "{} {when} {flags}: {case:?} (REMOTE, LOCAL)", pair.name);
            check_conflict(pair, name, id, &expected, &flags);
        }
    };
    check_rows("after");
    for case in cases() {
        let expected = expected(case, asked);
        conflicts += u64::from(expected.conflict.is_some());
        skipped |= expected.skipped;
    }
    let told = table(&report, name);
    assert_eq!(told.conflicts.detected, conflicts, "{} {flags}", pair.name);
    assert_eq!(report.exit_code, if skipped { 3 } else { 0 }, "{} {flags}: {report:#?}", pair.name);
    assert!(told.verified, "{} {flags}", pair.name);
    let again = pair.sync(&flags);
    assert_eq!(written(&again), 0, "{}: a second run {flags} wrote rows", pair.name);
    check_rows("after a second run");
}

/// The conflict's one row in `db_sync_conflict`, with both versions.
fn check_conflict(pair: &Pair, name: &str, id: usize, expected: &Expected, flags: &str) {
    let key = format!("{{\"id\":{id}}}");
    let sql = format!(
        "SELECT kind, state, winner FROM db_sync_conflict WHERE table_name='{name}' AND row_key='{key}' ORDER BY id"
    );
    let found = pair.local.sql(&sql);
    let text = |text: &str| Some(text.to_owned());
    let wanted: Vec<Vec<Option<String>>> = expected
        .conflict
        .iter()
        .map(|(kind, state, winner)| vec![text(kind), text(state), winner.and_then(text)])
        .collect();
    assert_eq!(found, wanted, "{} {flags}: conflict of row {id}", pair.name);
}
