//! Conflicts that a person decides.

use db_sync::engine::Options;
use db_sync::engine::cancel::Cancel;
use db_sync::engine::drive::block;
use db_sync::engine::resolve::{self, Verdict};
use db_sync::error::Code;
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
        for row in ["2", "3"] {
            assert_eq!(written(&resolve(pair, row, Side::Local)), 0, "{}", pair.name);
        }
        for flags in [flags.to_owned(), format!("{flags} --type FULL")] {
            assert_eq!(pair.sync(&flags).exit_code, 0, "{} {flags}", pair.name);
            assert_eq!(state(pair), "0", "{} {flags}", pair.name);
        }
        // But it is a difference, and whoever may write the row meets it.
        let plan = pair.sync("--direction BOTH --conflict MANUAL --dry-run");
        assert_eq!(plan.tables[0].conflicts.manual, 3, "{}: {plan:#?}", pair.name);
        pair.remote.sql("UPDATE t SET v='again' WHERE id=1");
        pair.sync("--direction REMOTE_TO_LOCAL");
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=1"), "again", "{}", pair.name);
    });
}

/// A strategy has overwritten the target's row; a person wants it back.
#[test]
fn the_target_of_a_one_way_table_takes_its_own_version_back() {
    each_pairing(|pair| {
        quarrel(pair);
        let one_way = "UPDATE db_sync_config SET sync_direction='REMOTE_TO_LOCAL'";
        pair.local.sql(one_way);
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        let before = pair.remote.sql(ROWS);
        for (row, kept) in [("1", "a"), ("2", "local")] {
            let report = resolve(pair, row, Side::Local);
            assert_eq!(
                (report.exit_code, written(&report)),
                (0, 1),
                "{} {row}: {report:#?}",
                pair.name
            );
            assert_eq!(pair.local.cell(&format!("SELECT v FROM t WHERE id={row}")), kept);
        }
        assert_eq!(pair.remote.sql(ROWS), before, "{}", pair.name);
        assert_eq!(pair.sync("--conflict MANUAL --type FULL").exit_code, 0, "{}", pair.name);
        assert_eq!(state(pair), "0", "{}", pair.name);
    });
}

/// A decision is taken back, and the conflict is there again.
#[test]
fn a_decision_that_is_taken_back_is_a_conflict_again() {
    each_pairing(|pair| {
        quarrel(pair);
        pair.sync("--conflict MANUAL");
        for (row, keep, rows) in [("2", Side::Remote, "0"), ("3", Side::Local, "0")] {
            let decided = resolve(pair, row, keep);
            assert_eq!(written(&decided), 1, "{} {row}: {decided:#?}", pair.name);
            let count = format!("SELECT COUNT(*) FROM t WHERE id={row}");
            assert_eq!([pair.remote.cell(&count), pair.local.cell(&count)], [rows, rows]);
            let undo = Options { undo: Some(decided.run_id.clone()), ..options("") };
            assert_eq!(written(&pair.try_sync(undo, &[]).unwrap()), 1, "{} {row}", pair.name);
        }
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=2"), "local", "{}", pair.name);
        let report = pair.sync("--conflict MANUAL");
        assert_eq!((report.exit_code, written(&report)), (3, 0), "{}: {report:#?}", pair.name);
        assert_eq!(state(pair), "4", "{}", pair.name);
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t WHERE id=2"), "0", "{}", pair.name);
    });
}

#[test]
fn where_nothing_was_ever_synced_there_is_nothing_to_decide_or_to_take_back() {
    each_pairing(|pair| {
        let verdict = Verdict { conflict: 1, keep: Side::Local, by: String::new(), seen: None };
        let resolve = Options { resolve: Some(verdict), ..options("") };
        let undo = Options { undo: Some("nobody".to_owned()), ..options("") };
        for asked in [resolve, undo] {
            let refused = pair.try_sync(asked, &[]).unwrap_err();
            assert_eq!(refused.code().as_str(), "CFG_002", "{}: {refused}", pair.name);
        }
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

#[test]
fn where_nothing_was_ever_synced_there_is_no_conflict_to_show() {
    let pair = Pair::of("MARIADB", "SQLITE");
    let (settings, cancel) = (pair.settings(&[]).unwrap(), Cancel::default());
    let shown = block(&cancel, resolve::show(settings, 1)).unwrap_err();
    assert_eq!(shown.code(), Code::Cfg002, "{shown}");
}
