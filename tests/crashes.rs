//! The process is killed at every place of a run; the next run goes on.
//!
//! What the design admits, and nothing more: pre-images of a batch on REMOTE are committed before the batch, so a run that is
//! killed between the two leaves pre-images of writes that were not done, and a conflict that was about to be decided on REMOTE
//! is written down a second time by the next run.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use db_sync::failpoint;

use crate::support::pairing::{Pair, written};

const PAIRINGS: [(&str, &str); 4] =
    [("MARIADB", "MARIADB2"), ("MYSQL", "MARIADB"), ("MARIADB", "SQLITE"), ("SQLITE", "SQLITE")];

const TABLES: &str = "CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20) UNIQUE); \
    CREATE TABLE child (code VARCHAR(20) NOT NULL PRIMARY KEY, parent_id INTEGER, price DECIMAL(10,2), \
    FOREIGN KEY (parent_id) REFERENCES parent (id))";

/// What both sides hold.
const ALL: [&str; 2] = [
    "SELECT id, name FROM parent ORDER BY id",
    "SELECT code, parent_id, price FROM child ORDER BY parent_id, code",
];

/// Rows of a side, each with its table.
type Held = BTreeSet<(usize, Vec<Option<String>>)>;

fn held(pair: &Pair) -> [Held; 2] {
    [&pair.remote, &pair.local].map(|side| {
        let rows = ALL.iter().enumerate().flat_map(|(table, sql)| {
            let rows = side.sql(sql);
            rows.into_iter().map(move |row| (table, row))
        });
        rows.collect()
    })
}

/// Rows by key that differ between two states of a side: those that somebody wrote.
fn differing(before: &Held, after: &Held) -> u64 {
    let keys = |a: &Held, b: &Held| -> BTreeSet<(usize, Option<String>)> {
        a.difference(b).map(|(table, row)| (*table, row[0].clone())).collect()
    };
    (&keys(before, after) | &keys(after, before)).len() as u64
}

fn command(pair: &Pair, place: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_db-sync"));
    command.args(["run", "--json", "--fail-at", place]);
    command.env_clear().envs(pair.variables()).env("DB_SYNC_BATCH_SIZE", "3");
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The first load, and two sides that change: rows come, change, change places and go on both, and meet.
fn first_load(pair: &Pair) {
    pair.both(TABLES);
    pair.remote.sql(
        "INSERT INTO parent VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e'); \
         INSERT INTO child VALUES ('p',1,1.50),('q',2,NULL),('R',3,3),('s',4,4),('t',5,5)",
    );
}

fn changes(pair: &Pair) {
    first_load(pair);
    pair.sync("");
    pair.remote.sql(
        "UPDATE parent SET name='x' WHERE id=1; UPDATE parent SET name='a' WHERE id=2; UPDATE parent SET name='b' WHERE id=1; \
         DELETE FROM child WHERE code='s'; DELETE FROM parent WHERE id=4; UPDATE child SET price=7 WHERE code='p'; \
         INSERT INTO parent VALUES (6,'f'); INSERT INTO child VALUES ('u',6,6)",
    );
    pair.local.sql(
        "UPDATE child SET price=8 WHERE code='p'; UPDATE child SET price=9 WHERE code='R'; DELETE FROM child WHERE code='t'; \
         INSERT INTO parent VALUES (7,'g'); INSERT INTO child VALUES ('v',7,NULL)",
    );
    pair.both("UPDATE child SET price=4.5 WHERE code='q'");
    pair.local.sql("UPDATE db_sync_config SET conflict_resolution='LOCAL_WINS'");
}

fn conflicts(pair: &Pair) -> u64 {
    pair.local.cell("SELECT COUNT(*) FROM db_sync_conflict").parse().unwrap()
}

/// Kills a run of this story at every place that it comes by, and lets the next one go on.
fn killed_everywhere(kinds: (&str, &str), story: fn(&Pair)) -> BTreeSet<&'static str> {
    let mut reached = BTreeSet::new();
    let Some(control) = Pair::try_of(kinds.0, kinds.1) else {
        eprintln!("!!! SKIPPED on {kinds:?}: there is no MySQL server");
        return failpoint::ALL.iter().copied().collect();
    };
    story(&control);
    let report = control.sync("");
    assert_eq!(report.exit_code, 0, "{kinds:?}: {report:#?}");
    let expected = held(&control);
    for place in failpoint::ALL {
        for times in [1, 2] {
            let pair = Pair::of(kinds.0, kinds.1);
            story(&pair);
            let ended = command(&pair, &format!("{place}:{times}")).status().unwrap();
            if ended.signal() != Some(9) {
                assert_eq!(ended.code(), Some(0), "{kinds:?} {place}:{times}: {ended}");
                break;
            }
            reached.insert(*place);
            let before = held(&pair);
            let report = pair.sync("");
            let name = format!("{} killed at {place}:{times}", pair.name);
            assert_eq!(report.exit_code, 0, "{name}: {report:#?}");
            let after = held(&pair);
            assert_eq!(after, expected, "{name}");
            let due = differing(&before[0], &after[0]) + differing(&before[1], &after[1]);
            assert_eq!(written(&report), due, "{name}: something was applied twice: {report:#?}");
            pair.assert_settled("");
            pair.assert_settled("--type FULL");
            let (met, once) = (conflicts(&pair), conflicts(&control));
            let admitted = u64::from(
                place.ends_with("kept_for_remote") || place.ends_with("remote_committed"),
            );
            assert!((once..=once + admitted).contains(&met), "{name}: {met} conflicts, not {once}");
            let dead = "SELECT COUNT(*) FROM db_sync_log WHERE status='RUNNING'";
            assert_eq!(pair.local.cell(dead), "0", "{name}");
        }
    }
    reached
}

fn loads_and_changes(kinds: (&str, &str)) {
    let mut reached = killed_everywhere(kinds, first_load);
    reached.extend(killed_everywhere(kinds, changes));
    let missed: Vec<_> = failpoint::ALL.iter().filter(|place| !reached.contains(*place)).collect();
    assert!(missed.is_empty(), "{kinds:?}: no run came by {missed:?}");
}

#[test]
fn killed_on_mariadb() {
    loads_and_changes(PAIRINGS[0]);
}

#[test]
fn killed_on_mysql_and_mariadb() {
    loads_and_changes(PAIRINGS[1]);
}

#[test]
fn killed_on_mariadb_and_sqlite() {
    loads_and_changes(PAIRINGS[2]);
}

#[test]
fn killed_on_sqlite() {
    loads_and_changes(PAIRINGS[3]);
}

/// A run has written LOCAL's rows to REMOTE and was killed before it could remember that. What LOCAL does to them then is no
/// conflict with what LOCAL did before.
#[test]
fn a_row_does_not_lose_against_itself() {
    for kinds in PAIRINGS {
        let Some(pair) = Pair::try_of(kinds.0, kinds.1) else { continue };
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d')");
        pair.sync("");
        pair.local.sql(
            "UPDATE t SET v='once' WHERE id IN (1,2); DELETE FROM t WHERE id=3; INSERT INTO t VALUES (5,'new'),(6,'new')",
        );
        let mut killed = 0;
        // Deletions, updates and new rows go in batches of their own; a run with nothing left to write comes to its end.
        while command(&pair, "record.remote_committed:1").status().unwrap().signal() == Some(9) {
            killed += 1;
            match killed {
                1 => pair.local.sql("INSERT INTO t VALUES (3,'c')"),
                2 => pair
                    .local
                    .sql("UPDATE t SET v='twice' WHERE id=1; UPDATE t SET v='b' WHERE id=2"),
                3 => pair.local.sql("DELETE FROM t WHERE id=5; UPDATE t SET v='newer' WHERE id=6"),
                _ => continue,
            };
        }
        let name = &pair.name;
        assert!(killed >= 3, "{name}: {killed}");
        assert_eq!(pair.sync("").exit_code, 0, "{name}");
        let rows = pair.local.sql("SELECT id, v FROM t ORDER BY id");
        let rows: Vec<_> = rows.iter().flatten().flatten().map(String::as_str).collect();
        assert_eq!(rows, ["1", "twice", "2", "b", "3", "c", "4", "d", "6", "newer"], "{name}");
        pair.assert_same("SELECT id, v FROM t ORDER BY id");
        assert_eq!(conflicts(&pair), 0, "{name}");
        pair.assert_settled("");
    }
}

/// Runs that do not look at what LOCAL has for REMOTE come and go meanwhile.
#[test]
fn a_row_does_not_lose_against_itself_later() {
    for kinds in PAIRINGS {
        let Some(pair) = Pair::try_of(kinds.0, kinds.1) else { continue };
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b')");
        pair.sync("");
        pair.local.sql("UPDATE t SET v='once' WHERE id=1");
        let killed = command(&pair, "record.remote_committed:1").status().unwrap();
        assert_eq!(killed.signal(), Some(9), "{}", pair.name);
        pair.local.sql("UPDATE t SET v='twice' WHERE id=1");
        assert_eq!(pair.sync("--direction REMOTE_TO_LOCAL").exit_code, 0, "{}", pair.name);
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=1"), "twice", "{}", pair.name);
        assert_eq!(conflicts(&pair), 0, "{}", pair.name);
        pair.assert_settled("");
    }
}

/// What is taken back is no write of LOCAL's: the conflict that a strategy had decided is one again.
#[test]
fn an_undo_that_was_killed_leaves_a_conflict() {
    for kinds in PAIRINGS {
        let Some(pair) = Pair::try_of(kinds.0, kinds.1) else { continue };
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b')");
        pair.sync("");
        pair.remote.sql("UPDATE t SET v='remote' WHERE id=1");
        pair.local.sql("UPDATE t SET v='local' WHERE id=1");
        let run = pair.sync("--conflict LOCAL_WINS");
        for place in ["record.kept_for_remote:1", "record.remote_committed:1"] {
            let mut undo = command(&pair, place);
            undo.args(["--undo", &run.run_id]);
            assert_eq!(undo.status().unwrap().signal(), Some(9), "{} {place}", pair.name);
            let met = pair.sync("--conflict MANUAL");
            let gone_back = place.contains("committed");
            assert_eq!(met.exit_code, if gone_back { 3 } else { 0 }, "{}: {met:#?}", pair.name);
            assert_eq!(written(&met), 0, "{}: {met:#?}", pair.name);
        }
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=1"), "remote", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=1"), "local", "{}", pair.name);
    }
}
