//! Conflicts that a person decides.

use db_sync::engine::Options;
use db_sync::engine::resolve::Verdict;
use db_sync::model::Side;
use db_sync::report::Report;

use crate::support::each_pairing;
use crate::support::pairing::{Pair, options, written};

fn resolve(pair: &Pair, row: &str, keep: Side) -> Report {
    let id = format!("SELECT MAX(id) FROM db_sync_conflict WHERE row_key='{{\"id\":{row}}}'");
    let conflict = pair.local.cell(&id).parse().unwrap();
    let verdict = Verdict { conflict, keep, by: "mia".to_owned(), seen: None };
    pair.try_sync(Options { resolve: Some(verdict), ..options("") }, &[]).unwrap()
}

fn quarrel(pair: &Pair) {
    pair.both(
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20), price DECIMAL(10,2))",
    );
    pair.remote.sql("INSERT INTO t VALUES (1,'a',1.50),(2,'b',2),(3,'c',3)");
    pair.sync("");
    pair.remote.sql("UPDATE t SET v='remote' WHERE id=1; DELETE FROM t WHERE id=2; UPDATE t SET v='remote' WHERE id=3; INSERT INTO t VALUES (4,'remote',4)");
    pair.local.sql("UPDATE t SET price=9.99 WHERE id=1; UPDATE t SET v='local' WHERE id=2; DELETE FROM t WHERE id=3; INSERT INTO t VALUES (4,'local',NULL)");
}

const ROWS: &str = "SELECT id, v, price FROM t ORDER BY id";

fn state(pair: &Pair) -> String {
    pair.local.cell("SELECT COUNT(*) FROM db_sync_conflict WHERE state='PENDING'")
}

#[test]
fn waiting_conflicts_are_decided_either_way() {
    each_pairing(|pair| {
        quarrel(pair);
        assert_eq!(pair.sync("--conflict MANUAL").exit_code, 3, "{}", pair.name);
        assert_eq!(state(pair), "4", "{}", pair.name);
        for (row, keep) in
            [("1", Side::Local), ("2", Side::Local), ("3", Side::Local), ("4", Side::Remote)]
        {
            let report = resolve(pair, row, keep);
            assert_eq!(
                (report.exit_code, written(&report)),
                (0, 1),
                "{} {row}: {report:#?}",
                pair.name
            );
        }
        pair.assert_same(ROWS);
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t WHERE id=3"), "0", "{}", pair.name);
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=2"), "local", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=4"), "remote", "{}", pair.name);
        assert_eq!(state(pair), "0", "{}", pair.name);
        assert_eq!(
            pair.local.cell("SELECT COUNT(*) FROM db_sync_conflict WHERE resolved_by='mia'"),
            "4"
        );
        pair.assert_settled("");
        pair.assert_settled("--type FULL --conflict MANUAL");
    });
}

#[test]
fn what_a_strategy_decided_can_be_decided_otherwise() {
    each_pairing(|pair| {
        quarrel(pair);
        assert_eq!(pair.sync("--conflict REMOTE_WINS").exit_code, 0, "{}", pair.name);
        for row in ["1", "2", "3", "4"] {
            let report = resolve(pair, row, Side::Local);
            assert_eq!(
                (report.exit_code, written(&report)),
                (0, 2),
                "{} {row}: {report:#?}",
                pair.name
            );
        }
        pair.assert_same(ROWS);
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=1"), "a", "{}", pair.name);
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t WHERE id=3"), "0", "{}", pair.name);
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=2"), "local", "{}", pair.name);
        pair.assert_settled("");
        // And back again: the same word twice changes nothing.
        assert_eq!(written(&resolve(pair, "1", Side::Remote)), 2, "{}", pair.name);
        assert_eq!(written(&resolve(pair, "1", Side::Remote)), 0, "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=1"), "remote", "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn a_row_that_was_changed_since_is_decided_by_nobody() {
    each_pairing(|pair| {
        quarrel(pair);
        pair.sync("--conflict MANUAL");
        pair.local.sql("UPDATE t SET v='newer' WHERE id=1");
        let report = resolve(pair, "1", Side::Remote);
        assert_eq!((report.exit_code, written(&report)), (3, 0), "{}: {report:#?}", pair.name);
        assert_eq!(report.errors[0].code, "SYNC_010", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=1"), "newer", "{}", pair.name);
        assert_eq!(state(pair), "4", "{}", pair.name);
        let verdict = Verdict { conflict: 999, keep: Side::Local, by: String::new(), seen: None };
        let refused =
            pair.try_sync(Options { resolve: Some(verdict), ..options("") }, &[]).unwrap_err();
        assert_eq!(refused.code().as_str(), "CFG_002", "{}", pair.name);
    });
}

/// A decision is no sync: what the base knows of other rows outlives it, also when columns have changed meanwhile.
#[test]
fn a_decision_after_a_migration_forgets_nothing() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20), extra INTEGER)");
        pair.remote.sql("INSERT INTO t VALUES (1,'a',1),(2,'b',2),(3,'c',3)");
        pair.sync("");
        pair.remote.sql("UPDATE t SET v='remote' WHERE id=1");
        pair.local.sql("UPDATE t SET v='local' WHERE id=1");
        pair.sync("--conflict MANUAL");
        pair.both("ALTER TABLE t DROP COLUMN extra");
        pair.remote.sql("DELETE FROM t WHERE id=2");
        assert_eq!(resolve(pair, "1", Side::Remote).exit_code, 0, "{}", pair.name);
        let report = pair.sync("");
        assert_eq!((report.exit_code, written(&report)), (0, 1), "{}: {report:#?}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t WHERE id=2"), "0", "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn a_one_way_table_is_written_on_its_target_alone() {
    each_pairing(|pair| {
        quarrel(pair);
        let flags = "--direction REMOTE_TO_LOCAL --conflict MANUAL";
        assert_eq!(pair.sync(flags).exit_code, 3, "{}", pair.name);
        pair.local.sql("UPDATE db_sync_config SET sync_direction='REMOTE_TO_LOCAL'");
        let before = pair.remote.sql(ROWS);
        for (row, keep, rows) in [("1", Side::Local, 0), ("4", Side::Remote, 1)] {
            let report = resolve(pair, row, keep);
            assert_eq!(
                (report.exit_code, written(&report)),
                (0, rows),
                "{}: {report:#?}",
                pair.name
            );
        }
        assert_eq!(pair.remote.sql(ROWS), before, "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=4"), "remote", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT price FROM t WHERE id=1"), "9.99", "{}", pair.name);
        // What was decided is no news, until the source changes the row again.
        assert_eq!(state(pair), "2", "{}", pair.name);
        pair.sync(flags);
        assert_eq!(state(pair), "2", "{}", pair.name);
        pair.remote.sql("UPDATE t SET v='again' WHERE id=1");
        pair.sync("--direction REMOTE_TO_LOCAL");
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=1"), "again", "{}", pair.name);
    });
}

#[test]
fn nobody_decides_between_versions_that_nobody_looked_at() {
    each_pairing(|pair| {
        quarrel(pair);
        pair.sync("--conflict MANUAL");
        let one = "FROM db_sync_conflict WHERE row_key='{\"id\":1}'";
        let id = pair.local.cell(&format!("SELECT id {one}")).parse().unwrap();
        let seen = pair.local.cell(&format!("SELECT seen {one}"));
        let verdict =
            Verdict { conflict: id, keep: Side::Local, by: "mia".to_owned(), seen: Some(seen) };
        pair.remote.sql("UPDATE t SET v='newer' WHERE id=1");
        pair.sync("--conflict MANUAL");
        let decide = || Options { resolve: Some(verdict.clone()), ..options("") };
        let refused = pair.try_sync(decide(), &[]).unwrap();
        assert_eq!((refused.exit_code, written(&refused)), (3, 0), "{}: {refused:#?}", pair.name);
        assert!(refused.errors[0].message.contains("was met again"), "{refused:#?}");
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=1"), "newer", "{}", pair.name);
        let looked =
            Verdict { seen: Some(pair.local.cell(&format!("SELECT seen {one}"))), ..verdict };
        let decided = pair.try_sync(Options { resolve: Some(looked), ..options("") }, &[]).unwrap();
        assert_eq!(decided.exit_code, 0, "{}: {decided:#?}", pair.name);
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=1"), "a", "{}", pair.name);
    });
}
