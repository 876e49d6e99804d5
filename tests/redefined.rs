//! Tables that are redefined between two runs.

use crate::support::pairing::{options, table};
use crate::support::{Pair, each_pairing};

const TABLE: &str = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20), price DECIMAL(10,2), moment DATETIME)";

fn rows(count: usize) -> String {
    let rows: Vec<String> =
        (1..=count).map(|id| format!("({id},'v{id}',{id}.5,'2024-01-01 00:00:00')")).collect();
    format!("INSERT INTO t VALUES {}", rows.join(","))
}

/// What the application did on each side before anybody synced again: the one kind of change that a lost base would get wrong.
fn change(pair: &Pair) {
    pair.local.sql("UPDATE t SET v='ours' WHERE id=1; DELETE FROM t WHERE id=2; INSERT INTO t (id,v) VALUES (101,'new here')");
    pair.remote.sql("UPDATE t SET v='theirs' WHERE id=3; DELETE FROM t WHERE id=4; INSERT INTO t (id,v) VALUES (102,'new there')");
    pair.both("UPDATE t SET v='both' WHERE id=5");
}

fn assert_carried(pair: &Pair, columns: &str) {
    let report = pair.sync("");
    assert_eq!(
        (report.exit_code, table(&report, "t").conflicts.detected),
        (0, 0),
        "{}: {report:#?}",
        pair.name
    );
    pair.assert_same(&format!("SELECT {columns} FROM t ORDER BY id"));
    let value = |id: u32| format!("SELECT v FROM t WHERE id={id}");
    assert_eq!(pair.remote.cell(&value(1)), "ours", "{}", pair.name);
    assert_eq!(pair.local.cell(&value(3)), "theirs", "{}", pair.name);
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t WHERE id IN (2,4)"), "0", "{}", pair.name);
    assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t WHERE id>100"), "2", "{}", pair.name);
    pair.assert_settled("");
    pair.assert_settled("--type FULL");
}

/// What was deleted before a migration stays deleted: an emptied table is none that was never filled.
#[test]
fn a_table_that_was_emptied_and_redefined_is_not_filled() {
    each_pairing(|pair| {
        pair.both(TABLE);
        pair.remote.sql(&rows(20));
        pair.sync("");
        pair.remote.sql("DELETE FROM t");
        pair.both("ALTER TABLE t ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT ''");
        let few = [("DB_SYNC_BATCH_SIZE", "1")];
        let report = pair.try_sync(options(""), &few).unwrap();
        assert_eq!(report.errors[0].code, "SYNC_008", "{}: {report:#?}", pair.name);
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t"), "0", "{}", pair.name);
        pair.sync("--force");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "0", "{}", pair.name);
    });
}

#[test]
fn a_column_added_on_both_sides() {
    each_pairing(|pair| {
        pair.both(TABLE);
        pair.remote.sql(&rows(20));
        pair.sync("");
        change(pair);
        pair.both("ALTER TABLE t ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT ''; ALTER TABLE t ADD COLUMN stock INTEGER");
        pair.local
            .sql("UPDATE t SET note='filled here' WHERE id>10; UPDATE t SET stock=7 WHERE id=6");
        pair.remote.sql("UPDATE t SET stock=9 WHERE id=7");
        assert_carried(pair, "id, v, price, moment, note, stock");
        assert_eq!(
            pair.remote.cell("SELECT COUNT(*) FROM t WHERE note='filled here'"),
            "11",
            "{}",
            pair.name
        );
        assert_eq!(pair.remote.cell("SELECT stock FROM t WHERE id=6"), "7");
        assert_eq!(pair.local.cell("SELECT stock FROM t WHERE id=7"), "9");
    });
}

#[test]
fn a_column_added_on_one_side() {
    each_pairing(|pair| {
        pair.both(TABLE);
        pair.remote.sql(&rows(20));
        pair.sync("");
        change(pair);
        pair.local.sql("ALTER TABLE t ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT 'x'");
        assert_carried(pair, "id, v, price, moment");
        pair.remote.sql("ALTER TABLE t ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT 'x'");
        pair.assert_settled("");
        pair.local.sql("UPDATE t SET note='later' WHERE id=9");
        pair.sync("");
        assert_eq!(pair.remote.cell("SELECT note FROM t WHERE id=9"), "later", "{}", pair.name);
    });
}

#[test]
fn a_type_widened_on_one_side_and_then_on_the_other() {
    for (remote, local) in [("MARIADB", "MARIADB2"), ("MYSQL", "MARIADB"), ("MARIADB", "SQLITE")] {
        let Some(pair) = Pair::try_of(remote, local) else {
            eprintln!("!!! SKIPPED: there is no MySQL server");
            continue;
        };
        pair.both(TABLE);
        pair.remote.sql(&rows(20));
        pair.sync("");
        change(&pair);
        pair.remote.sql(
            "ALTER TABLE t MODIFY price DECIMAL(12,4), MODIFY moment DATETIME(6), MODIFY id BIGINT NOT NULL, \
             MODIFY v VARCHAR(80) CHARACTER SET latin1",
        );
        assert_carried(&pair, "id, v, price");
        if !pair.local.is_file() {
            pair.remote.sql("UPDATE t SET v='once more' WHERE id=6");
            pair.local.sql("ALTER TABLE t MODIFY price DECIMAL(12,4), MODIFY moment DATETIME(6), MODIFY id BIGINT NOT NULL");
            pair.local.sql("UPDATE t SET price=1.2345 WHERE id=7");
            let report = pair.sync("");
            assert_eq!(table(&report, "t").conflicts.detected, 0, "{}: {report:#?}", pair.name);
            pair.assert_same("SELECT id, v, price FROM t ORDER BY id");
            assert_eq!(pair.remote.cell("SELECT price FROM t WHERE id=7"), "1.2345");
            pair.assert_settled("");
        }
    }
}

#[test]
fn a_column_dropped_or_renamed() {
    each_pairing(|pair| {
        pair.both(TABLE);
        pair.remote.sql(&rows(20));
        pair.sync("");
        // Dropped on one side: nobody can tell any more whether that side had changed a row that differs now.
        pair.local.sql("DELETE FROM t WHERE id=19");
        pair.remote.sql("UPDATE t SET v='theirs' WHERE id=1; ALTER TABLE t DROP COLUMN moment");
        let report = pair.sync("");
        assert_eq!(
            (report.exit_code, table(&report, "t").conflicts.detected),
            (0, 1),
            "{}: {report:#?}",
            pair.name
        );
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=1"), "theirs");
        assert_eq!(pair.local.cell("SELECT kind FROM db_sync_conflict"), "update/delete");
        pair.assert_settled("");
        // Dropped or renamed on both: equal rows stay equal, and nothing is deleted because of it.
        pair.local.sql("ALTER TABLE t DROP COLUMN moment");
        pair.both("ALTER TABLE t RENAME COLUMN price TO cost");
        pair.remote.sql("INSERT INTO t (id,v) VALUES (102,'new there')");
        let report = pair.sync("");
        assert_eq!(
            (report.exit_code, table(&report, "t").conflicts.detected),
            (0, 0),
            "{}: {report:#?}",
            pair.name
        );
        pair.assert_same("SELECT id, v, cost FROM t ORDER BY id");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "21");
        pair.assert_settled("");
    });
}

#[test]
fn a_dry_run_of_a_redefined_table_leaves_no_trace() {
    each_pairing(|pair| {
        pair.both(TABLE);
        pair.remote.sql(&rows(20));
        pair.sync("");
        change(pair);
        pair.both("ALTER TABLE t ADD COLUMN stock INTEGER");
        let stamp = "SELECT stamp FROM db_sync_state";
        let before = pair.local.cell(stamp);
        let shown = pair.sync("--dry-run");
        let planned = table(&shown, "t");
        assert_eq!(
            (planned.remote_to_local.deleted, planned.local_to_remote.deleted),
            (1, 1),
            "{}: {shown:#?}",
            pair.name
        );
        assert_eq!(pair.local.cell(stamp), before, "{}", pair.name);
        assert_carried(pair, "id, v, price, moment, stock");
    });
}

#[test]
fn a_default_that_somebody_changed_to_nothing() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c')");
        pair.sync("");
        pair.both("ALTER TABLE t ADD COLUMN active INTEGER NOT NULL DEFAULT 1");
        pair.remote.sql("UPDATE t SET active=0 WHERE id=1");
        pair.local.sql("UPDATE t SET active=0 WHERE id=2");
        let report = pair.sync("");
        let conflicts = table(&report, "t").conflicts.detected;
        assert_eq!((report.exit_code, conflicts), (0, 0), "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, active FROM t ORDER BY id");
        assert_eq!(pair.remote.cell("SELECT SUM(active) FROM t"), "1", "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn defaults_that_differ_are_conflicts() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b')");
        pair.sync("");
        pair.remote.sql("ALTER TABLE t ADD COLUMN n INTEGER DEFAULT 5");
        pair.local.sql("ALTER TABLE t ADD COLUMN n INTEGER DEFAULT 6");
        let report = pair.sync("");
        assert_eq!(table(&report, "t").conflicts.detected, 2, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, n FROM t ORDER BY id");
        pair.assert_settled("");
    });
}

#[test]
fn types_changed_on_both_sides_keep_one_sided_edits() {
    for (remote, local) in [("MARIADB", "MARIADB2"), ("MYSQL", "MARIADB")] {
        let Some(pair) = Pair::try_of(remote, local) else {
            eprintln!("!!! SKIPPED: there is no MySQL server");
            continue;
        };
        pair.both("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, c INT, d DATE)");
        pair.remote
            .sql("INSERT INTO t VALUES (1,1,'2024-01-01'),(2,2,'2024-01-02'),(3,3,'2024-01-03')");
        pair.sync("");
        pair.local.sql("UPDATE t SET c=11 WHERE id=1; UPDATE t SET d='2025-05-05' WHERE id=2; DELETE FROM t WHERE id=3");
        pair.both("ALTER TABLE t MODIFY c VARCHAR(20), MODIFY d DATETIME");
        let report = pair.sync("");
        let conflicts = table(&report, "t").conflicts.detected;
        assert_eq!((report.exit_code, conflicts), (0, 0), "{}: {report:#?}", pair.name);
        assert_eq!(pair.remote.cell("SELECT c FROM t WHERE id=1"), "11", "{}", pair.name);
        assert_eq!(pair.remote.cell("SELECT DATE(d) FROM t WHERE id=2"), "2025-05-05");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t"), "2");
        pair.assert_settled("");
    }
}

#[test]
fn a_renamed_table_fails_alone_and_empties_nothing() {
    each_pairing(|pair| {
        pair.both(TABLE);
        pair.both("CREATE TABLE other (id INTEGER NOT NULL PRIMARY KEY)");
        pair.remote.sql(&rows(20));
        pair.sync("");
        pair.remote.sql("ALTER TABLE t RENAME TO renamed; INSERT INTO other VALUES (1)");
        let report = pair.sync("");
        let error = table(&report, "t").error.clone().unwrap();
        assert_eq!((error.code, report.exit_code), ("SYNC_001", 1), "{}: {error:#?}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM other"), "1", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "20", "{}", pair.name);
        pair.local.sql("ALTER TABLE t RENAME TO renamed; UPDATE db_sync_config SET table_name='renamed' WHERE table_name='t'");
        pair.local.sql("UPDATE renamed SET v='ours' WHERE id=1");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, v FROM renamed ORDER BY id");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM renamed"), "20", "{}", pair.name);
        pair.assert_settled("");
    });
}
