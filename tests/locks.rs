//! Rows that an application holds while a sync wants to write there.

use db_sync::engine::cancel::Cancel;
use db_sync::engine::drive::drive;

use crate::support::Pair;
use crate::support::eventually;
use crate::support::pairing::{options, table, written};

/// A gap between rows is locked as a whole: a sync that tried each row by itself would wait for each.
#[test]
fn rows_for_a_gap_that_is_locked_wait_for_the_next_run() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
    pair.remote.sql("INSERT INTO t VALUES (1,'a'),(1000,'z')");
    pair.sync("");
    let rows: Vec<String> = (100..160).map(|id| format!("({id},'new')")).collect();
    pair.remote
        .sql(&format!("INSERT INTO t VALUES {}; UPDATE t SET v='b' WHERE id=1", rows.join(",")));
    let mut application = pair.local.held_line();
    application.sql("START TRANSACTION");
    application.sql("SELECT * FROM t WHERE id BETWEEN 100 AND 200 FOR UPDATE");
    let report = pair.try_sync(options(""), &[("DB_SYNC_LOCK_WAIT", "1")]).unwrap();
    assert_eq!((report.exit_code, written(&report)), (3, 1), "{report:#?}");
    let locked = report.errors.iter().filter(|error| error.code == "SYS_003").count();
    assert_eq!(locked, 60, "{report:#?}");
    application.sql("ROLLBACK");
    let report = pair.sync("");
    assert_eq!((report.exit_code, written(&report)), (0, 60), "{report:#?}");
    pair.assert_settled("");
}

/// An application and a sync want the same two rows, each has one, and the server has the sync give way.
#[test]
fn a_sync_that_gives_way_in_a_deadlock_goes_on_with_what_the_application_wrote() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
    pair.local.sql("CREATE TABLE work (id INTEGER NOT NULL PRIMARY KEY AUTO_INCREMENT, v TEXT)");
    let rows: Vec<String> = (1..301).map(|id| format!("({id},'old')")).collect();
    pair.remote.sql(&format!("INSERT INTO t VALUES {}", rows.join(",")));
    pair.sync("");
    pair.remote.sql("UPDATE t SET v='remote'");
    let mut application = pair.local.held_line();
    application.sql("START TRANSACTION");
    // Who has written most is the last to be sent away.
    let work = vec!["('work')"; 2000].join(",");
    application.sql(&format!("INSERT INTO work (v) VALUES {work}"));
    application.sql("UPDATE t SET v='local' WHERE id=200");
    let settings = pair.settings(&[]).unwrap();
    let report = std::thread::scope(|scope| {
        let syncing = scope.spawn(|| drive(settings, options("--force"), &Cancel::default()));
        let waits = "SELECT COUNT(*) FROM information_schema.INNODB_TRX t \
                     JOIN information_schema.PROCESSLIST p ON p.ID=t.trx_mysql_thread_id \
                     WHERE t.trx_state='LOCK WAIT' AND p.DB=DATABASE()";
        eventually("the sync waits for row 200", || pair.local.cell(waits) != "0");
        application.sql("UPDATE t SET v='local' WHERE id=1");
        application.sql("COMMIT");
        syncing.join().unwrap().unwrap()
    });
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_eq!(table(&report, "t").conflicts.remote_wins, 2, "{report:#?}");
    let kept = "SELECT COUNT(*) FROM db_sync_conflict WHERE local_row LIKE '%\"local\"%'";
    assert_eq!(pair.local.cell(kept), "2");
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t WHERE v='remote'"), "300");
    pair.assert_settled("");
}
