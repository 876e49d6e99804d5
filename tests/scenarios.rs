//! Runs `tests/scenarios/*/scenario.txt` on every pairing. The files read as a specification:
//!
//! ```text
//! both    SQL on both sides
//! remote  SQL on REMOTE            local  SQL on LOCAL
//! sync    FLAGS                    a run; then what it must have told:
//!   exit N                           its exit status
//!   TABLE to_local I U D             rows inserted, updated and deleted there
//!   TABLE to_remote I U D
//!   TABLE conflicts N
//! settled FLAGS                    a run that writes nothing
//! remote? SQL                      a query on a side; then its rows, cells separated by |
//! local?  SQL
//! same    SQL                      a query that both sides answer alike
//! ```

use std::path::Path;

use db_sync::report::Report;

use crate::support::database::Rows;
use crate::support::pairing::table;
use crate::support::{Pair, each_pairing};

#[test]
fn every_scenario_on_every_pairing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let text = std::fs::read_to_string(path.join("scenario.txt")).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        each_pairing(|pair| play(pair, &name, &text));
    }
}

/// Lines that belong to the step before them are indented.
fn steps(text: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match steps.last_mut() {
            Some((_, more)) if line.starts_with(' ') => more.push(line.trim().to_owned()),
            _ => steps.push((line.to_owned(), Vec::new())),
        }
    }
    steps
}

fn play(pair: &Pair, name: &str, text: &str) {
    for (step, more) in steps(text) {
        let (verb, rest) = step.split_once(' ').unwrap_or((&step, ""));
        let rest = rest.trim();
        let here = format!("{name} on {}: {step}", pair.name);
        let sql = || {
            std::iter::once(rest)
                .chain(more.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" ")
        };
        match verb {
            "both" => pair.both(&sql()),
            "remote" => drop(pair.remote.sql(&sql())),
            "local" => drop(pair.local.sql(&sql())),
            "sync" => check(&pair.sync(rest), &more, &here),
            "settled" => pair.assert_settled(rest),
            "same" => pair.assert_same(rest),
            "remote?" => assert_eq!(shown(&pair.remote.sql(rest)), more, "{here}"),
            "local?" => assert_eq!(shown(&pair.local.sql(rest)), more, "{here}"),
            _ => panic!("{here}: no such step"),
        }
    }
}

fn shown(rows: &Rows) -> Vec<String> {
    let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|")).collect()
}

fn check(report: &Report, told: &[String], here: &str) {
    for line in told {
        let words: Vec<&str> = line.split_whitespace().collect();
        let found = match words.as_slice() {
            ["exit", _] => format!("exit {}", report.exit_code),
            [name, "conflicts", _] => {
                format!("{name} conflicts {}", table(report, name).conflicts.detected)
            }
            [name, "to_local", ..] => {
                let written = table(report, name).remote_to_local;
                format!(
                    "{name} to_local {} {} {}",
                    written.inserted, written.updated, written.deleted
                )
            }
            [name, "to_remote", ..] => {
                let written = table(report, name).local_to_remote;
                format!(
                    "{name} to_remote {} {} {}",
                    written.inserted, written.updated, written.deleted
                )
            }
            _ => panic!("{here}: cannot check {line}"),
        };
        assert_eq!(&found, &words.join(" "), "{here}: {report:#?}");
    }
}
