//! Changes found and carried over in tables of many rows: each side for itself, many at once.

use crate::support::each_pairing;
use crate::support::pairing::{Pair, table, written};

/// So many rows with integer keys, made by the side itself; MySQL's recursion needs no more than this many steps.
fn fill(pair: &Pair, rows: u32) {
    let digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let number = "1+a.d+10*b.d+100*c.d+1000*e.d+10000*f.d";
    pair.remote.sql(&format!(
        "INSERT INTO t SELECT {number}, {number} % 7, 'row' FROM {digits} a, {digits} b, {digits} c, {digits} e, {digits} f \
         WHERE {number} <= {rows}"
    ));
}

const TABLE: &str =
    "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INTEGER NOT NULL, v VARCHAR(40))";
const ALL: &str = "SELECT COUNT(*), SUM(id*n), MAX(v), MIN(v) FROM t";

#[test]
fn changes_anywhere_in_a_table_of_many_chunks() {
    each_pairing(|pair| {
        pair.both(TABLE);
        fill(pair, 70_000);
        let report = pair.sync("--type FULL");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_settled("");
        // In the first stretch of chunks, in the last, beyond it, and where the other side has changed too.
        pair.remote.sql(
            "UPDATE t SET n=99 WHERE id IN (3,69999,40000); DELETE FROM t WHERE id IN (1,1000,70000); \
             INSERT INTO t VALUES (70001,1,'new'),(-5,1,'low')",
        );
        pair.local.sql("UPDATE t SET n=98 WHERE id IN (4,40001); DELETE FROM t WHERE id=35000; INSERT INTO t VALUES (80000,1,'high')");
        let report = pair.sync("");
        assert_eq!((report.exit_code, written(&report)), (0, 12), "{}: {report:#?}", pair.name);
        assert_eq!(table(&report, "t").rows.remote, 69_999, "{}", pair.name);
        assert_eq!(table(&report, "t").rows.local, 69_999, "{}", pair.name);
        pair.assert_same(ALL);
        pair.assert_settled("");
        // So many that the rest is listed without being added up.
        pair.remote.sql("UPDATE t SET n=n+1 WHERE id%50=0");
        pair.local.sql("UPDATE t SET v='changed' WHERE id%5000=1");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same(ALL);
        pair.assert_settled("");
    });
}

#[test]
fn rows_of_hashed_keys_that_one_side_has_lost() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (a VARCHAR(20) NOT NULL, b INTEGER NOT NULL, v VARCHAR(20), PRIMARY KEY (a, b))");
        let rows: Vec<String> = (0..5000).map(|n| format!("('k{}',{n},'v')", n % 13)).collect();
        pair.remote.sql(&format!("INSERT INTO t VALUES {}", rows.join(",")));
        pair.sync("--type FULL");
        pair.assert_settled("");
        pair.remote.sql("DELETE FROM t WHERE b%700=3");
        pair.local.sql("DELETE FROM t WHERE b%900=4; UPDATE t SET v='other' WHERE b%1000=9");
        let report = pair.sync("");
        assert_eq!(
            (report.exit_code, written(&report)),
            (0, 8 + 6 + 5),
            "{}: {report:#?}",
            pair.name
        );
        pair.assert_same("SELECT a, b, v FROM t ORDER BY b");
        pair.assert_settled("");
    });
}

#[test]
fn a_damaged_chunk_of_the_base_loses_nothing() {
    each_pairing(|pair| {
        pair.both(TABLE);
        fill(pair, 3000);
        pair.sync("--type FULL");
        pair.local.sql("UPDATE db_sync_base SET entries=SUBSTR(entries,3) WHERE table_name='t'");
        // One side alone has changed: what the other holds cannot be taken from the base.
        pair.remote.sql("UPDATE t SET n=99 WHERE id=5; INSERT INTO t VALUES (5000,1,'new')");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        assert_eq!(pair.local.cell("SELECT n FROM t WHERE id=5"), "99", "{}", pair.name);
        pair.assert_same(ALL);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "3001", "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn many_rows_take_new_cells_at_once() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, u VARCHAR(20) NOT NULL UNIQUE, v VARCHAR(40), d DECIMAL(10,2))");
        let rows: Vec<String> = (1..=60).map(|n| format!("({n},'u{n}',NULL,{n}.50)")).collect();
        pair.remote.sql(&format!("INSERT INTO t VALUES {}", rows.join(",")));
        pair.sync("--type FULL");
        pair.remote.sql("UPDATE t SET v='çà 商', d=d+0.01 WHERE id>3; UPDATE t SET u='x' WHERE id=1; UPDATE t SET u='u1' WHERE id=2; UPDATE t SET u='u2' WHERE id=1");
        let report = pair.sync("");
        assert_eq!((report.exit_code, written(&report)), (0, 59), "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, u, v, d FROM t ORDER BY id");
        pair.assert_settled("");
    });
}

/// Whoever may not have temporary tables has the rows written one by one.
#[test]
fn rows_take_new_cells_without_temporary_tables_too() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(TABLE);
    fill(&pair, 40);
    pair.sync("--type FULL");
    let (name, user) = (pair.local.name(), format!("u{}", &pair.local.name()[..12]));
    pair.local.sql(&format!(
        "CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY 'x'; \
         GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `{name}`.* TO '{user}'@'127.0.0.1'"
    ));
    pair.remote.sql("UPDATE t SET n=n+100");
    let as_user = [("DB_LOCAL_USER", user.as_str()), ("DB_LOCAL_PASSWORD", "x")];
    let report = pair.try_sync(crate::support::pairing::options(""), &as_user).unwrap();
    pair.local.sql(&format!("DROP USER '{user}'@'127.0.0.1'"));
    assert_eq!((report.exit_code, written(&report)), (0, 40), "{report:#?}");
    pair.assert_same(ALL);
    pair.assert_settled("");
}
