//! Runs that are taken back.

use db_sync::engine::resolve::Verdict;
use db_sync::model::Side;
use db_sync::report::Report;

use crate::support::each_pairing;
use crate::support::pairing::{Pair, options, table, written};

fn undo(pair: &Pair, run: &Report, flags: &str) -> Report {
    let options = db_sync::engine::Options { undo: Some(run.run_id.clone()), ..options(flags) };
    pair.try_sync(options, &[]).unwrap()
}

const TABLES: &str = "CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20) UNIQUE); \
    CREATE TABLE child (code VARCHAR(20) NOT NULL PRIMARY KEY, parent_id INTEGER, price DECIMAL(10,2), moment DATETIME, \
    FOREIGN KEY (parent_id) REFERENCES parent (id))";

const ROWS: &str = "INSERT INTO parent VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'); \
    INSERT INTO child VALUES ('p',1,1.50,'2024-01-01 00:00:00'),('q',2,NULL,NULL),('R',3,3,NULL),('s',4,4,NULL)";

/// Everything that both sides hold.
fn held(pair: &Pair) -> Vec<Vec<Vec<Option<String>>>> {
    let tables = [
        "SELECT id, name FROM parent ORDER BY id",
        "SELECT code, parent_id, price, moment FROM child ORDER BY parent_id, code",
    ];
    [&pair.remote, &pair.local].iter().flat_map(|side| tables.map(|sql| side.sql(sql))).collect()
}

/// Both sides change: rows come, change, change places and go, parents with their children.
fn change(pair: &Pair) {
    pair.remote.sql("UPDATE parent SET name='other' WHERE id=1; UPDATE child SET price=9.99 WHERE code='p'; \
        DELETE FROM child WHERE code='q'; DELETE FROM parent WHERE id=2; \
        INSERT INTO parent VALUES (5,'e'); INSERT INTO child VALUES ('t',5,5,'2024-05-05 05:05:05')");
    pair.local.sql("DELETE FROM child WHERE code='s'; DELETE FROM parent WHERE id=4; \
        INSERT INTO parent VALUES (6,'d'); INSERT INTO child VALUES ('u',6,NULL,NULL); UPDATE child SET price=0 WHERE code='R'");
}

#[test]
fn a_run_is_taken_back_and_so_is_that() {
    each_pairing(|pair| {
        pair.both(TABLES);
        pair.remote.sql(ROWS);
        pair.sync("");
        change(pair);
        let before = held(pair);
        let run = pair.sync("");
        assert_eq!(run.exit_code, 0, "{}: {run:#?}", pair.name);
        let after = held(pair);
        assert_ne!(before, after);
        let shown = undo(pair, &run, "--dry-run");
        assert_eq!(held(pair), after, "{}", pair.name);
        let undone = undo(pair, &run, "");
        assert_eq!(
            (undone.exit_code, written(&undone)),
            (0, written(&run)),
            "{}: {undone:#?}",
            pair.name
        );
        assert_eq!(written(&shown), written(&run), "{}: {shown:#?}", pair.name);
        assert_eq!(held(pair), before, "{}", pair.name);
        // Nothing is left to take back, and the same again changes nothing.
        let again = undo(pair, &run, "");
        assert_eq!((again.exit_code, written(&again)), (3, 0), "{}: {again:#?}", pair.name);
        assert_eq!(held(pair), before, "{}", pair.name);
        let redone = undo(pair, &undone, "");
        assert_eq!(redone.exit_code, 0, "{}: {redone:#?}", pair.name);
        assert_eq!(held(pair), after, "{}", pair.name);
        pair.assert_settled("");
        pair.assert_settled("--type FULL");
    });
}

#[test]
fn the_next_sync_decides_again() {
    each_pairing(|pair| {
        pair.both(TABLES);
        pair.remote.sql(ROWS);
        pair.sync("");
        change(pair);
        let run = pair.sync("");
        let after = held(pair);
        undo(pair, &run, "");
        let report = pair.sync("");
        assert_eq!(
            (report.exit_code, written(&report)),
            (0, written(&run)),
            "{}: {report:#?}",
            pair.name
        );
        assert_eq!(held(pair), after, "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn a_first_load_is_taken_back() {
    each_pairing(|pair| {
        pair.both(TABLES);
        pair.remote.sql(ROWS);
        let run = pair.try_sync(options("--type FULL"), &[("DB_SYNC_BATCH_SIZE", "1")]).unwrap();
        let undone = undo(pair, &run, "");
        assert_eq!(undone.exit_code, 0, "{}: {undone:#?}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM child"), "0", "{}", pair.name);
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM child"), "4", "{}", pair.name);
        // Nothing is taken for deleted.
        let report = pair.sync("");
        assert_eq!((report.exit_code, written(&report)), (0, 8), "{}: {report:#?}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn rows_that_were_changed_since_stay_and_are_named() {
    each_pairing(|pair| {
        pair.both(TABLES);
        pair.remote.sql(ROWS);
        pair.sync("");
        change(pair);
        let run = pair.sync("");
        pair.local
            .sql("UPDATE child SET price=7 WHERE code='p'; INSERT INTO parent VALUES (2,'back')");
        let undone = undo(pair, &run, "");
        let stayed: Vec<&str> = undone.errors.iter().map(|error| error.code).collect();
        assert_eq!(
            (undone.exit_code, &stayed[..]),
            (3, &["SYNC_010", "SYNC_010"][..]),
            "{}: {undone:#?}",
            pair.name
        );
        assert_eq!(
            pair.local.cell("SELECT price FROM child WHERE code='p'").trim_end_matches(".00"),
            "7"
        );
        assert_eq!(pair.local.cell("SELECT name FROM parent WHERE id=2"), "back");
        assert_eq!(pair.local.cell("SELECT name FROM parent WHERE id=1"), "a", "{}", pair.name);
        assert_eq!(
            pair.remote.cell("SELECT COUNT(*) FROM parent WHERE id=4"),
            "1",
            "{}",
            pair.name
        );
        assert_eq!(table(&undone, "child").status, "PARTIAL");
    });
}

/// The loser of a conflict comes back, and the conflict with it.
#[test]
fn a_decided_conflict_is_taken_back() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b')");
        pair.sync("");
        pair.remote.sql("UPDATE t SET v='remote'; INSERT INTO t VALUES (3,'remote')");
        pair.local.sql("UPDATE t SET v='local' WHERE id=1; DELETE FROM t WHERE id=2; INSERT INTO t VALUES (3,'local')");
        let run = pair.sync("");
        assert_eq!(table(&run, "t").conflicts.remote_wins, 3, "{}: {run:#?}", pair.name);
        undo(pair, &run, "");
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=1"), "local", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t WHERE id=2"), "0", "{}", pair.name);
        let report = pair.sync("--conflict LOCAL_WINS");
        assert_eq!(table(&report, "t").conflicts.local_wins, 3, "{}: {report:#?}", pair.name);
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=3"), "local", "{}", pair.name);
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t WHERE id=2"), "0", "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn large_rows_come_back_whole() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v LONGTEXT, b LONGBLOB)");
        let text = "商品 'quoted' \\".repeat(60_000);
        let quoted = text
            .replace('\\', if pair.remote.is_file() { "\\" } else { "\\\\" })
            .replace('\'', "''");
        pair.remote.sql(&format!(
            "INSERT INTO t VALUES (1,'{quoted}',x'00ff'),(2,'short',NULL),(3,'{quoted}',NULL)"
        ));
        pair.sync("");
        let before = pair.local.sql("SELECT id, v, b FROM t ORDER BY id");
        assert_eq!(before[0][1].as_deref(), Some(&text[..]));
        pair.remote.sql("UPDATE t SET v='' WHERE id=1; DELETE FROM t WHERE id>1");
        let run = pair.sync("--force");
        let undone = undo(pair, &run, "");
        assert_eq!(undone.exit_code, 0, "{}: {undone:#?}", pair.name);
        assert!(before == pair.local.sql("SELECT id, v, b FROM t ORDER BY id"), "{}", pair.name);
    });
}

#[test]
fn a_run_of_which_nothing_is_kept_is_an_error() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY)");
        let run = pair.sync("");
        let options = db_sync::engine::Options { undo: Some(run.run_id), ..options("") };
        let refused = pair.try_sync(options, &[]).unwrap_err();
        assert_eq!(refused.code().as_str(), "CFG_002", "{}", pair.name);
    });
}

/// Between servers of different kinds nobody can sign rows before they are there.
#[test]
fn a_loaded_row_that_was_changed_since_stays() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20), x DOUBLE)");
        pair.remote.sql("INSERT INTO t VALUES (1,'a',0.1),(2,'b',1e300),(3,'c',NULL),(4,'d',4)");
        let run = pair.try_sync(options("--type FULL"), &[("DB_SYNC_BATCH_SIZE", "2")]).unwrap();
        assert_eq!((run.exit_code, written(&run)), (0, 4), "{}: {run:#?}", pair.name);
        pair.local.sql("UPDATE t SET v='precious' WHERE id=1");
        pair.remote.sql("UPDATE t SET v='precious' WHERE id=2");
        pair.both("UPDATE t SET v='both' WHERE id=3");
        pair.sync("");
        let undone = undo(pair, &run, "");
        assert_eq!((undone.exit_code, written(&undone)), (3, 1), "{}: {undone:#?}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "3", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t WHERE v='precious'"), "2");
    });
}

/// A write that was written down and never done, as where REMOTE's commit is lost on its way: the row was never that.
#[test]
fn what_was_never_done_is_not_taken_back() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.remote.sql("INSERT INTO t VALUES (1,'a')");
        pair.sync("");
        pair.remote.sql("INSERT INTO t VALUES (7,'theirs')");
        pair.local.sql("INSERT INTO t VALUES (7,'ours')");
        let run = pair.sync("--conflict LOCAL_WINS");
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=7"), "ours", "{}", pair.name);
        pair.local.sql(&format!(
            "UPDATE db_sync_undo SET id=id+1000; INSERT INTO db_sync_undo \
             (id,run_id,table_name,side,action,row_key,written,part,created_at) \
             VALUES (1,'{}','t','REMOTE','INSERT','[{{\"id\":7}}]',x'0000000000000001',0,'2026-01-01')",
            run.run_id
        ));
        let undone = undo(pair, &run, "");
        assert_eq!((undone.exit_code, written(&undone)), (0, 1), "{}: {undone:#?}", pair.name);
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=7"), "theirs", "{}", pair.name);
    });
}

/// A row that was inserted has got a child since, so that it stays: a conflict. When its other side deletes it then, the conflict
/// is met with other rows, and can be decided.
#[test]
fn a_row_that_cannot_be_taken_back_is_a_conflict_that_can_be_decided() {
    each_pairing(|pair| {
        pair.both(TABLES);
        pair.remote.sql(ROWS);
        pair.sync("");
        pair.local.sql("INSERT INTO parent VALUES (9,'new')");
        let run = pair.sync("");
        pair.remote.sql("INSERT INTO child VALUES ('z',9,NULL,NULL)");
        let undone = undo(pair, &run, "");
        assert_eq!((undone.exit_code, written(&undone)), (3, 0), "{}: {undone:#?}", pair.name);
        pair.local.sql("DELETE FROM parent WHERE id=9");
        for _ in 0..2 {
            assert_eq!(pair.sync("").exit_code, 3, "{}", pair.name);
        }
        let of_parent = "FROM db_sync_conflict WHERE table_name='parent' AND state='PENDING'";
        assert_eq!(pair.local.cell(&format!("SELECT COUNT(*) {of_parent}")), "1", "{}", pair.name);
        let shown = pair.local.cell(&format!("SELECT COUNT(*) {of_parent} AND local_row IS NULL"));
        assert_eq!(shown, "1", "{}", pair.name);
        let conflict = pair.local.cell(&format!("SELECT id {of_parent}")).parse().unwrap();
        let by = "mia".to_owned();
        let keep = Verdict { conflict, keep: Side::Remote, by, seen: None };
        let options = db_sync::engine::Options { resolve: Some(keep), ..options("") };
        let decided = pair.try_sync(options, &[]).unwrap();
        assert_eq!((decided.exit_code, written(&decided)), (0, 1), "{}: {decided:#?}", pair.name);
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        pair.assert_same("SELECT id, name FROM parent ORDER BY id");
        pair.assert_same("SELECT code, parent_id FROM child ORDER BY parent_id, code");
        pair.assert_settled("");
    });
}
