//! The first load of empty tables, several rows at once and nothing looked after meanwhile.

use db_sync::engine::cancel::Cancel;
use db_sync::engine::drive::drive;
use db_sync::report::Report;

use crate::support::pairing::{Pair, options, table};
use crate::support::{each_pairing, eventually};

/// With batches of one row every table of two rows is large.
fn load(pair: &Pair, flags: &str) -> Report {
    pair.try_sync(options(flags), &[("DB_SYNC_BATCH_SIZE", "1")]).unwrap()
}

/// A table that came at once left its keys together; row by row each batch leaves its own.
fn came_at_once(pair: &Pair, table: &str) -> bool {
    let images = "SELECT COUNT(*) FROM db_sync_undo WHERE table_name=";
    pair.local.cell(&format!("{images}'{table}'")) == "1"
}

const SHOP: &str = "CREATE TABLE kind (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE); \
    CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, kind_id INTEGER NOT NULL, name VARCHAR(20), \
    FOREIGN KEY (kind_id) REFERENCES kind (id)); \
    CREATE TABLE part (code VARCHAR(20) NOT NULL PRIMARY KEY, item_id INTEGER, FOREIGN KEY (item_id) REFERENCES item (id))";

#[test]
fn a_load_that_is_told_to_stop_says_what_came() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both("CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY); CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY, v TEXT)");
    pair.sync("--dry-run");
    let numbers = "INSERT INTO {table} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{rows}) SELECT {cells} FROM n";
    let fill = |table: &str, rows: &str, cells: &str| {
        let sql = numbers.replace("{table}", table).replace("{rows}", rows);
        pair.remote.sql(&sql.replace("{cells}", cells));
    };
    fill("a", "2000", "i");
    fill("b", "400000", "i, 'row '||i");
    let cancel = Cancel::default();
    let report = std::thread::scope(|scope| {
        let settings = pair.settings(&[]).unwrap();
        let run = scope.spawn(|| drive(settings, options("--type FULL"), &cancel));
        eventually("the first table came", || pair.local.cell("SELECT COUNT(*) FROM a") == "2000");
        cancel.cancel();
        run.join().unwrap().unwrap()
    });
    assert_eq!(report.exit_code, 130, "{report:#?}");
    assert_eq!(table(&report, "a").remote_to_local.inserted, 2000, "{report:#?}");
    let logged = "SELECT rows_inserted FROM db_sync_log WHERE table_name='a' AND sync_direction='REMOTE_TO_LOCAL'";
    assert_eq!(pair.local.cell(logged), "2000");
    pair.sync("");
    pair.assert_same("SELECT id, v FROM b ORDER BY id");
    pair.assert_settled("");
}

#[test]
fn tables_with_relations_come_at_once() {
    each_pairing(|pair| {
        pair.both(SHOP);
        pair.remote.sql("INSERT INTO kind VALUES (1,'a'),(2,'茶'); INSERT INTO item VALUES (1,1,NULL),(2,2,'x\ty\nz'),(-3,1,''); \
            INSERT INTO part VALUES ('p',1),('q',NULL),('R',-3)");
        let report = load(pair, "--type FULL");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        assert_eq!(table(&report, "item").remote_to_local.inserted, 3);
        for name in ["kind", "item", "part"] {
            assert!(came_at_once(pair, name), "{} {name}", pair.name);
            assert!(table(&report, name).verified, "{} {name}", pair.name);
        }
        pair.assert_same("SELECT id, kind_id, name FROM item ORDER BY id");
        pair.assert_same("SELECT code, item_id FROM part ORDER BY item_id, code");
        pair.assert_settled("");
        pair.assert_settled("--type FULL");
        // The base knows every row: deletions and edits travel as after any sync.
        pair.local.sql("DELETE FROM part WHERE code='q'; UPDATE item SET name='new' WHERE id=1");
        pair.remote.sql("UPDATE item SET name='other' WHERE id=2");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, kind_id, name FROM item ORDER BY id");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM part"), "2", "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn the_other_way_too_and_only_where_rows_may_go() {
    each_pairing(|pair| {
        pair.both(SHOP);
        pair.local.sql(
            "INSERT INTO kind VALUES (1,'a'),(2,'b'); INSERT INTO item VALUES (1,1,'x'),(2,2,'y')",
        );
        let report = load(pair, "--type FULL --direction REMOTE_TO_LOCAL --conflict LOCAL_WINS");
        assert_eq!(
            pair.remote.cell("SELECT COUNT(*) FROM item"),
            "0",
            "{}: {report:#?}",
            pair.name
        );
        let report = load(pair, "--type FULL --direction LOCAL_TO_REMOTE");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT id, kind_id, name FROM item ORDER BY id");
        pair.assert_settled("");
    });
}

#[test]
fn orphans_do_not_stay_and_their_base_says_nothing() {
    each_pairing(|pair| {
        pair.both(SHOP);
        let off = if pair.remote.is_file() {
            "PRAGMA foreign_keys=OFF"
        } else {
            "SET foreign_key_checks=0"
        };
        pair.remote.sql(&format!(
            "{off}; INSERT INTO kind VALUES (1,'a'),(2,'b'); INSERT INTO item VALUES (1,1,'x'),(2,9,'orphan'); \
             INSERT INTO part VALUES ('p',1),('q',2)"
        ));
        let report = load(pair, "--type FULL");
        assert_eq!(report.exit_code, 3, "{}: {report:#?}", pair.name);
        let failed: Vec<&str> = report.errors.iter().map(|failure| failure.code).collect();
        assert_eq!(failed, ["SYNC_004", "SYNC_004"], "{}: {:#?}", pair.name, report.errors);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM item"), "1");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM item"), "2");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM part"), "2");
        pair.assert_settled("");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM item"), "2", "{}", pair.name);
    });
}

#[test]
fn values_that_do_not_fit_and_keys_that_meet_are_named_row_by_row() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.remote.sql("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, n BIGINT, u VARCHAR(9) COLLATE utf8mb4_bin UNIQUE)");
    pair.local.sql("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, n SMALLINT, u VARCHAR(9) COLLATE utf8mb4_general_ci UNIQUE)");
    pair.remote.sql("INSERT INTO t VALUES (1,1,'a'),(2,70000,'b'),(3,3,'A'),(4,4,'c')");
    let report = load(&pair, "--type FULL");
    let mut failed: Vec<&str> = report.errors.iter().map(|failure| failure.code).collect();
    failed.sort_unstable();
    assert_eq!(failed, ["SYNC_002", "SYNC_003"], "{:#?}", report.errors);
    assert_eq!(pair.local.cell("SELECT GROUP_CONCAT(id ORDER BY id) FROM t"), "1,4");
    pair.assert_settled("");
}

#[test]
fn triggers_and_rows_that_are_there_keep_a_table_from_it() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.both("CREATE TABLE u (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.local.sql(if pair.local.is_file() {
            "CREATE TRIGGER loud AFTER INSERT ON t BEGIN UPDATE t SET v=upper(NEW.v) WHERE id=NEW.id; END"
        } else {
            "CREATE TRIGGER loud BEFORE INSERT ON t FOR EACH ROW SET NEW.v=upper(NEW.v)"
        });
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c'); INSERT INTO u VALUES (1,'a'),(2,'b'),(3,'c')");
        pair.local.sql("INSERT INTO u VALUES (1,'mine')");
        let report = load(pair, "--type FULL");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        assert!(!came_at_once(pair, "t") && !came_at_once(pair, "u"), "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM u"), "3");
        assert_eq!(table(&report, "u").conflicts.detected, 1);
        pair.assert_settled("");
    });
}

#[test]
fn a_server_that_takes_no_loads_takes_statements() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    assert_eq!(
        pair.local.cell("SELECT @@GLOBAL.local_infile"),
        "0",
        "see tests/servers/servers.py"
    );
    pair.both(SHOP);
    pair.remote.sql(
        "INSERT INTO kind VALUES (1,'a'),(2,'b'); INSERT INTO item VALUES (1,1,'x'),(2,2,NULL)",
    );
    let report = load(&pair, "--type FULL");
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert!(came_at_once(&pair, "item"));
    pair.assert_same("SELECT id, kind_id, name FROM item ORDER BY id");
    pair.assert_settled("");
}

#[test]
fn heavy_rows_come_by_themselves() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v LONGTEXT)");
        let heavy = "x".repeat(2 << 20);
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(3,'c'),(4,NULL)");
        pair.remote.sql(&format!("INSERT INTO t VALUES (2,'{heavy}')"));
        let report = load(pair, "--type FULL");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        assert_eq!(table(&report, "t").remote_to_local.inserted, 4, "{}", pair.name);
        pair.assert_same("SELECT id, LENGTH(v) FROM t ORDER BY id");
        let images = "SELECT COUNT(*) FROM db_sync_undo WHERE table_name='t'";
        assert_eq!(pair.local.cell(images), "2", "{}: three at once, and one", pair.name);
        pair.assert_settled("");
    });
}

/// A load into columns that round without a word would leave rounded rows, and a base by which they were the target's own edits.
#[test]
fn what_a_server_would_round_is_refused_and_flows_nowhere() {
    // Both on the server that takes loads.
    let pair = Pair::of("MARIADB", "MARIADB");
    pair.remote.sql("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, price DOUBLE)");
    pair.local.sql("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, price DOUBLE(10,2))");
    pair.remote.sql("INSERT INTO t VALUES (1,1.123456),(2,1.5),(3,2.25)");
    let report = load(&pair, "");
    let failed: Vec<&str> = report.errors.iter().map(|failure| failure.code).collect();
    assert_eq!(failed, ["SYNC_003"], "{report:#?}");
    assert_eq!(
        pair.remote.cell("SELECT GROUP_CONCAT(price ORDER BY id) FROM t"),
        "1.123456,1.5,2.25"
    );
    assert_eq!(pair.local.cell("SELECT GROUP_CONCAT(id ORDER BY id) FROM t"), "2,3");
    pair.assert_settled("");
}

#[test]
fn json_that_mysql_would_round_is_refused_and_flows_nowhere() {
    let Some(pair) = Pair::try_of("MYSQL", "MYSQL") else { return };
    pair.both("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, j JSON NOT NULL)");
    let exact = "JSON_OBJECT('amount',CAST(12345678901234567.89 AS DECIMAL(30,2)))";
    pair.remote
        .sql(&format!("INSERT INTO t VALUES (1,{exact}),(2,'{{\"amount\": 1.5}}'),(3,'[]')"));
    let report = load(&pair, "");
    assert_eq!((report.exit_code, report.errors.len()), (3, 1), "{report:#?}");
    assert_eq!(
        pair.remote.cell("SELECT j FROM t WHERE id=1"),
        r#"{"amount": 12345678901234567.89}"#
    );
    assert_eq!(pair.local.cell("SELECT GROUP_CONCAT(id ORDER BY id) FROM t"), "2,3");
    pair.assert_settled("");
}

/// Nothing is known of a parent in another database: the server itself has to look after such references.
#[test]
fn references_to_another_database_are_looked_after() {
    let pair = Pair::of("MARIADB", "MARIADB");
    let other = pair.local.neighbour();
    other.sql(
        "CREATE TABLE parent (id INT NOT NULL PRIMARY KEY); INSERT INTO parent VALUES (1),(2)",
    );
    pair.remote.sql("CREATE TABLE child (id INT NOT NULL PRIMARY KEY, parent_id INT)");
    pair.local.sql(&format!(
        "CREATE TABLE child (id INT NOT NULL PRIMARY KEY, parent_id INT, \
         FOREIGN KEY (parent_id) REFERENCES `{}`.parent (id))",
        other.name()
    ));
    pair.remote.sql("INSERT INTO child VALUES (1,1),(2,2),(3,3),(4,NULL)");
    let report = load(&pair, "");
    assert_eq!((report.exit_code, report.errors.len()), (3, 1), "{report:#?}");
    assert_eq!(pair.local.cell("SELECT GROUP_CONCAT(id ORDER BY id) FROM child"), "1,2,4");
    pair.assert_settled("");
    pair.local.sql("DROP TABLE child");
}
