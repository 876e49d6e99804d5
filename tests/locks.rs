//! Rows that an application holds while a sync wants to write there.

use crate::support::Pair;
use crate::support::pairing::{options, written};

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
