//! The check of both sides' rows: every difference is found, whatever the base says, and a repair leaves none.

use db_sync::engine::cancel::Cancel;
use db_sync::engine::contents::{self, Wanted};
use db_sync::engine::drive::block;
use db_sync::report::{Contents, ContentsReport};

use crate::support::each_pairing;
use crate::support::pairing::{Pair, written};

const TABLE: &str =
    "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20), n DECIMAL(10,2))";

fn check(pair: &Pair, tables: &[&str], repair: bool) -> ContentsReport {
    let (settings, cancel) = (pair.settings(&[]).unwrap(), Cancel::default());
    let tables = tables.iter().map(|name| (*name).to_owned()).collect();
    let wanted = Wanted { tables, repair, ..Wanted::default() };
    let work = contents::check(settings, wanted, cancel.clone());
    block(&cancel, work).unwrap_or_else(|error| panic!("{}: {error}", pair.name))
}

fn counts(table: &Contents) -> [u64; 5] {
    let Contents { rows, only_remote, only_local, differing, .. } = table;
    [rows.remote, rows.local, *only_remote, *only_local, *differing]
}

fn rows(pair: &Pair, ids: std::ops::Range<u32>) {
    let rows: Vec<String> = ids.map(|id| format!("({id},'row',1.50)")).collect();
    pair.both(&format!("INSERT INTO t VALUES {}", rows.join(",")));
}

#[test]
fn sides_that_differ_are_told_row_by_row_before_and_after_the_first_sync() {
    each_pairing(|pair| {
        pair.both(TABLE);
        rows(pair, 1..3001);
        let report = check(pair, &[], false);
        assert_eq!(counts(&report.tables[0]), [3000, 3000, 0, 0, 0], "{}", report.text());
        assert!(report.exit_code == 0 && report.tables[0].equal);
        for synced in [false, true] {
            if synced {
                assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
            }
            pair.remote.sql("INSERT INTO t VALUES (9001,'there',0)");
            pair.local.sql("INSERT INTO t VALUES (9002,'here',0); DELETE FROM t WHERE id=7");
            pair.local.sql("UPDATE t SET v='other' WHERE id IN (5,2999)");
            let report = check(pair, &[], false);
            let found = &report.tables[0];
            assert_eq!(counts(found), [3001, 3000, 2, 1, 2], "{}", report.text());
            assert_eq!((report.exit_code, found.equal), (1, false));
            assert_eq!(found.error.as_ref().unwrap().code, "SYNC_010");
            let mut told: Vec<String> = found
                .differences
                .iter()
                .map(|row| format!("{} {} {}", row.key, row.on, row.columns.join(",")))
                .collect();
            told.sort();
            let expected = [
                r#"{"id":2999} BOTH v"#,
                r#"{"id":5} BOTH v"#,
                r#"{"id":7} REMOTE id,v,n"#,
                r#"{"id":9001} REMOTE id,v,n"#,
                r#"{"id":9002} LOCAL id,v,n"#,
            ];
            assert_eq!(told, expected, "{}", pair.name);
            assert!(!found.differences_truncated);
            // A check changes nothing: the sides are put back as they were.
            pair.remote.sql("DELETE FROM t WHERE id=9001");
            pair.local.sql("DELETE FROM t WHERE id=9002; INSERT INTO t VALUES (7,'row',1.50)");
            pair.local.sql("UPDATE t SET v='row' WHERE id IN (5,2999)");
            assert_eq!(check(pair, &[], false).exit_code, 0, "{}", pair.name);
        }
        assert_eq!(written(&pair.sync("")), 0, "{}", pair.name);
    });
}

/// What a run leaves as it is counts as settled there, but it is a difference all the same.
#[test]
fn what_a_strategy_leaves_is_a_difference() {
    each_pairing(|pair| {
        pair.both(TABLE);
        rows(pair, 1..10);
        pair.sync("--direction REMOTE_TO_LOCAL");
        pair.local.sql("UPDATE t SET v='drift' WHERE id=3");
        pair.sync("--direction REMOTE_TO_LOCAL");
        let report = check(pair, &[], false);
        assert_eq!(counts(&report.tables[0]), [9, 9, 0, 0, 1], "{}: {report:#?}", pair.name);
    });
}

#[test]
fn a_repair_syncs_what_differs_and_looks_again() {
    each_pairing(|pair| {
        pair.both(TABLE);
        pair.both("CREATE TABLE same (id INTEGER NOT NULL PRIMARY KEY)");
        rows(pair, 1..10);
        pair.sync("");
        pair.remote.sql("UPDATE t SET v='new' WHERE id=1");
        pair.local.sql("DELETE FROM t WHERE id=2");
        let report = check(pair, &[], true);
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        let repair = report.repair.as_ref().unwrap();
        assert_eq!((repair.sync_type, repair.tables.len(), written(repair)), ("FULL", 1, 2));
        let after = report.after.as_ref().unwrap();
        assert_eq!((after.len(), counts(&after[0])), (1, [8, 8, 0, 0, 0]), "{}", pair.name);
        assert!(check(pair, &[], true).repair.is_none(), "nothing is left to repair");
        // What waits for a person is still there afterwards, and said so.
        pair.both("UPDATE t SET v='mine' WHERE id=4");
        pair.remote.sql("UPDATE t SET v='theirs' WHERE id=4");
        pair.local.sql("UPDATE db_sync_config SET conflict_resolution='MANUAL'");
        let report = check(pair, &["t"], true);
        assert_eq!(report.exit_code, 3, "{}: {report:#?}", pair.name);
        assert_eq!(counts(&report.after.unwrap()[0]), [8, 8, 0, 0, 1], "{}", pair.name);
    });
}

/// The base says that both sides hold what they held. Where both sign alike it need not be believed.
#[test]
fn a_base_that_is_wrong_hides_nothing() {
    for (remote, local) in [("MARIADB", "MARIADB2"), ("SQLITE", "SQLITE")] {
        let pair = Pair::of(remote, local);
        pair.both(TABLE);
        rows(&pair, 1..10);
        pair.local.sql("UPDATE t SET v='other' WHERE id=3");
        // The loser's side wins and nothing is written: a one-way run leaves drift to itself.
        let report = pair.sync("--direction REMOTE_TO_LOCAL --conflict LOCAL_WINS");
        assert_eq!(written(&report), 0, "{report:#?}");
        assert_eq!(counts(&check(&pair, &[], false).tables[0])[4], 1, "{}", pair.name);
    }
}

#[test]
fn tables_without_keys_are_counted_and_others_that_cannot_be_compared_are_named() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE bag (v INTEGER)");
        pair.remote.sql("CREATE TABLE there (id INTEGER NOT NULL PRIMARY KEY)");
        pair.local.sql("CREATE TABLE there (other INTEGER NOT NULL PRIMARY KEY)");
        pair.remote.sql("INSERT INTO bag VALUES (1),(1),(2)");
        pair.local.sql("INSERT INTO bag VALUES (1),(3)");
        let failed = |report: &ContentsReport, table: &str| {
            let found = report.tables.iter().find(|found| found.table == table).unwrap();
            (found.equal, found.error.as_ref().unwrap().code)
        };
        let report = check(pair, &[], false);
        assert_eq!(report.exit_code, 1);
        assert_eq!(failed(&report, "bag"), (false, "SYNC_006"), "{}", pair.name);
        assert_eq!(failed(&report, "there"), (false, "SYNC_001"), "{}", pair.name);
        // Nothing was repaired that cannot be compared.
        assert!(check(pair, &[], true).repair.is_none(), "{}", pair.name);
        pair.sync("");
        pair.local.sql(
            "UPDATE db_sync_config SET sync_type='FULL',sync_direction='REMOTE_TO_LOCAL',conflict_resolution='SKIP'",
        );
        let report = check(pair, &["bag"], false);
        assert_eq!(counts(&report.tables[0]), [3, 2, 2, 1, 0], "{}: {report:#?}", pair.name);
        assert_eq!(failed(&report, "bag"), (false, "SYNC_010"));
    });
}
