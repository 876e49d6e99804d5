//! Tables of which nothing identifies the rows.

use crate::support::pairing::{options, table, written};
use crate::support::{Pair, each_pairing};

const ONE_WAY: &str = "--type FULL --direction REMOTE_TO_LOCAL";

#[test]
fn a_one_way_full_counts_rows() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE logline (at DATETIME, level VARCHAR(10), price DECIMAL(10,2), note VARCHAR(40))");
        pair.remote.sql(
            "INSERT INTO logline VALUES ('2024-01-01 00:00:00','info',1.5,'x'),('2024-01-01 00:00:00','info',1.5,'x'),\
             (NULL,NULL,NULL,NULL),('2024-01-02 00:00:00','warn',2,'商品'),(NULL,'Warn',2,''),(NULL,'warn',2,NULL)",
        );
        pair.local.sql("INSERT INTO logline VALUES ('2024-01-01 00:00:00','info',1.5,'x'),(NULL,'warn',2,''),(NULL,'warn',2,'')");
        let shown = pair.sync(&format!("{ONE_WAY} --dry-run"));
        assert_eq!(written(&shown), 7, "{}: {shown:#?}", pair.name);
        let report = pair.sync(ONE_WAY);
        let counts = table(&report, "logline").remote_to_local;
        assert_eq!(
            (report.exit_code, counts.inserted, counts.deleted),
            (0, 5, 2),
            "{}: {report:#?}",
            pair.name
        );
        assert!(table(&report, "logline").verified);
        pair.assert_same("SELECT at, level, price, note FROM logline ORDER BY at, note");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_undo WHERE action='DELETE'"), "2");
        pair.assert_settled(ONE_WAY);
        pair.local.sql(
            "DELETE FROM logline WHERE level='info'; INSERT INTO logline (note) VALUES ('mine')",
        );
        let kept = pair.sync(&format!("{ONE_WAY} --conflict LOCAL_WINS"));
        assert_eq!((kept.exit_code, written(&kept)), (0, 2), "{}: {kept:#?}", pair.name);
        let skipped = pair.sync(&format!("{ONE_WAY} --conflict SKIP"));
        assert_eq!((skipped.exit_code, written(&skipped)), (3, 0), "{}: {skipped:#?}", pair.name);
        pair.sync(ONE_WAY);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM logline WHERE note='mine'"), "0");
    });
}

#[test]
fn the_other_way_and_guards() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE line (v INTEGER)");
        let flags = "--type FULL --direction LOCAL_TO_REMOTE";
        let wins = format!("{flags} --conflict LOCAL_WINS");
        pair.local.sql("INSERT INTO line VALUES (1),(1),(2)");
        assert_eq!(written(&pair.sync(&wins)), 3, "{}", pair.name);
        pair.assert_same("SELECT v FROM line ORDER BY v");
        pair.local.sql("DELETE FROM line");
        let refused = pair.sync(&wins);
        assert_eq!(refused.errors[0].code, "SYNC_008", "{}: {refused:#?}", pair.name);
        assert_eq!(written(&pair.sync(&format!("{wins} --force"))), 3);
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM line"), "0");
        for flags in ["", "--type FULL", "--direction REMOTE_TO_LOCAL --type INCREMENTAL"] {
            let report = pair.sync(flags);
            assert_eq!(
                (report.exit_code, report.errors[0].code),
                (1, "SYNC_006"),
                "{}: {report:#?}",
                pair.name
            );
        }
    });
}

#[test]
fn rows_that_others_refer_to_stay() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE p (u INTEGER UNIQUE, x INTEGER)");
        pair.both("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY, r INTEGER, FOREIGN KEY (r) REFERENCES p (u) ON DELETE CASCADE)");
        pair.remote.sql("INSERT INTO p VALUES (1,1),(2,2),(3,3); INSERT INTO c VALUES (1,1),(2,2)");
        let mirror = "--direction REMOTE_TO_LOCAL --type FULL";
        assert_eq!(pair.sync(mirror).exit_code, 0);
        pair.remote.sql("UPDATE p SET x=5 WHERE u<>2");
        pair.local.sql("INSERT INTO c VALUES (9,1)");
        let report = pair.sync(&format!("{mirror} --table p --force"));
        assert_eq!(report.exit_code, 3, "{}: {:#?}", pair.name, report.errors);
        assert!(report.errors.iter().any(|failure| failure.code == "SYNC_004"));
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM c"), "3", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT x FROM p WHERE u=3"), "5", "{}", pair.name);
    });
}

/// A table that fails half-way has written nothing, whatever the run does next on the same line.
#[test]
fn what_fails_half_way_is_taken_back() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both("CREATE TABLE a (v VARCHAR(20))");
    pair.both("CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
    let rows: Vec<String> = (0..20).map(|row| format!("('{row}')")).collect();
    pair.remote.sql(&format!("INSERT INTO a VALUES {}", rows.join(",")));
    pair.local.sql("INSERT INTO a VALUES ('0'),('1'),('2')");
    pair.local.sql("INSERT INTO b VALUES (1,'x')");
    let mut application = pair.remote.held_line();
    application.sql("START TRANSACTION");
    application.sql("DELETE FROM a WHERE v='19'");
    let flags = options("--type FULL --direction LOCAL_TO_REMOTE --conflict LOCAL_WINS --force");
    let report = pair.try_sync(flags, &[("DB_SYNC_LOCK_WAIT", "1")]).unwrap();
    assert_eq!(report.exit_code, 1, "{report:#?}");
    assert_eq!(table(&report, "b").status, "SUCCESS", "{report:#?}");
    application.sql("ROLLBACK");
    assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM a"), "20");
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_undo WHERE table_name='a'"), "0");
}
