//! Our own tables: how they come about, what an older installation keeps, and how tables are chosen.

use crate::support::pairing::{options, table};
use crate::support::{Pair, each_pairing};

const TABLE: &str = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))";

/// Our tables as the older, pure-Python module made them.
const OLDER: &str = "CREATE TABLE db_sync_config (id INTEGER NOT NULL PRIMARY KEY {auto}, table_name VARCHAR(100) NOT NULL UNIQUE, \
    sync_enabled TINYINT(1) NOT NULL DEFAULT 1, sync_type VARCHAR(20) NOT NULL, sync_direction VARCHAR(20) NOT NULL, \
    last_sync_time DATETIME, last_sync_position VARCHAR(255), priority INTEGER NOT NULL DEFAULT 0, \
    conflict_resolution VARCHAR(20) NOT NULL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP); \
    CREATE TABLE db_sync_log (id INTEGER NOT NULL PRIMARY KEY {auto}, table_name VARCHAR(100) NOT NULL, status {status} NOT NULL, \
    start_time DATETIME NOT NULL, duration DECIMAL(10,2), error_message VARCHAR(200), created_at DATETIME DEFAULT CURRENT_TIMESTAMP); \
    INSERT INTO db_sync_config (id, table_name, sync_type, sync_direction, conflict_resolution, priority) VALUES (7,'t','INCREMENTAL','BOTH','LOCAL_WINS',5); \
    INSERT INTO db_sync_log (id, table_name, status, start_time, duration) VALUES (9,'t','SUCCESS','2025-01-01 00:00:00',1.5)";

#[test]
fn an_older_installation_is_upgraded_in_place_and_loses_no_row() {
    each_pairing(|pair| {
        pair.both(TABLE);
        let (auto, status) = if pair.local.is_file() {
            ("AUTOINCREMENT", "VARCHAR(10)")
        } else {
            ("AUTO_INCREMENT", "ENUM('SUCCESS','FAILED','RUNNING')")
        };
        let older = OLDER.replace("{auto}", auto).replace("{status}", status);
        // SQLite spells a key that counts by itself in one way only.
        pair.local.sql(&if pair.local.is_file() {
            older.replace("INTEGER NOT NULL PRIMARY KEY", "INTEGER PRIMARY KEY")
        } else {
            older
        });
        pair.remote.sql("INSERT INTO t VALUES (1,'theirs')");
        pair.local.sql("INSERT INTO t VALUES (1,'ours')");
        let more = [("DB_SYNC_LOG_RETENTION_DAYS", "0")];
        let report = pair.try_sync(options(""), &more).unwrap();
        assert_eq!(
            (report.status, table(&report, "t").strategy),
            ("SUCCESS", "LOCAL_WINS"),
            "{}: {report:#?}",
            pair.name
        );
        assert_eq!(pair.remote.cell("SELECT v FROM t"), "ours");
        assert_eq!(
            pair.local.cell("SELECT id FROM db_sync_config WHERE table_name='t' AND priority=5"),
            "7"
        );
        assert_eq!(pair.local.cell("SELECT table_name FROM db_sync_log WHERE id=9 AND status='SUCCESS' AND run_id IS NULL"), "t");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_log WHERE id>9 AND duration IS NOT NULL AND created_at IS NOT NULL"), "2");
        pair.assert_settled("");
    });
}

/// An older installation on a server, and a row to sync.
fn older(pair: Pair) -> Pair {
    pair.both(TABLE);
    let older = OLDER.replace("{auto}", "AUTO_INCREMENT");
    pair.local.sql(&older.replace("{status}", "ENUM('SUCCESS','FAILED','RUNNING')"));
    pair.remote.sql("INSERT INTO t VALUES (1,'theirs')");
    pair
}

#[test]
fn what_serves_as_it_is_stays_also_with_a_foreign_key_on_it() {
    let pairs = [Some(Pair::of("MARIADB2", "MARIADB")), Pair::try_of("MARIADB", "MYSQL")];
    for pair in pairs.into_iter().flatten().map(older) {
        pair.local.sql(
            "ALTER TABLE db_sync_log ADD FOREIGN KEY (table_name) REFERENCES db_sync_config (table_name)",
        );
        let collation = "SELECT collation_name FROM information_schema.columns WHERE table_schema=DATABASE() \
            AND table_name='db_sync_config' AND column_name='table_name'";
        let before = pair.local.cell(collation);
        let report = pair.sync("");
        assert_eq!(report.status, "SUCCESS", "{report:#?}");
        assert_eq!(pair.local.cell(collation), before);
        pair.assert_settled("");
    }
}

#[test]
fn what_an_older_module_wrote_down_is_never_changed() {
    let pair = older(Pair::of("MARIADB", "MARIADB2"));
    pair.local.sql(
        "ALTER TABLE db_sync_log MODIFY start_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP; \
         INSERT INTO db_sync_log (id, table_name, status, start_time) VALUES (10,'t','RUNNING','2023-05-05 00:00:00')",
    );
    let rows = "SELECT id, status, start_time, duration, error_message FROM db_sync_log WHERE id<=10 ORDER BY id";
    let before = pair.local.sql(rows);
    assert_eq!(pair.sync("").status, "SUCCESS");
    assert_eq!(pair.sync("").status, "SUCCESS");
    assert_eq!(pair.local.sql(rows), before);
    // The first one's own moments do not move when it ends.
    let late = "SELECT COUNT(*) FROM db_sync_log WHERE id>10 AND ABS(TIMESTAMPDIFF(SECOND,start_time,created_at))>1";
    assert_eq!(pair.local.cell(late), "0");
}

#[test]
fn first_runs_at_the_same_time_upgrade_an_older_installation_once() {
    for pair in [older(Pair::of("MARIADB2", "MARIADB")), Pair::of("SQLITE", "SQLITE")] {
        if pair.local.is_file() {
            pair.both(TABLE);
            let older = OLDER.replace("{auto}", "AUTOINCREMENT").replace("{status}", "VARCHAR(10)");
            pair.local.sql(&older.replace("INTEGER NOT NULL PRIMARY KEY", "INTEGER PRIMARY KEY"));
        }
        let codes = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| pair.try_sync(options(""), &[]).map(|report| report.exit_code))
                })
                .collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect::<Vec<_>>()
        });
        for code in codes {
            // Who finds another one at work on the table says so.
            assert!(matches!(code, Ok(0 | 4)), "{}: {code:?}", pair.name);
        }
        pair.assert_settled("");
    }
}

#[test]
fn tables_that_differ_in_letter_case_alone_are_two_tables() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    for name in ["T", "t", "é", "e"] {
        pair.both(&format!(
            "CREATE TABLE `{name}` (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))"
        ));
        pair.remote.sql(&format!("INSERT INTO `{name}` VALUES (1,'{name}')"));
    }
    pair.local.sql("CREATE TABLE E (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
    let report = pair.sync("");
    assert_eq!((report.exit_code, report.tables.len()), (0, 4), "{report:#?}");
    for name in ["T", "t", "é", "e"] {
        assert_eq!(pair.local.cell(&format!("SELECT v FROM `{name}`")), name);
    }
    pair.assert_settled("");
}

#[test]
fn the_script_for_new_servers_is_the_engines_own_definition() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("mariadb/init/01-init.sql");
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(committed, db_sync::journal::schema::init_script(), "run `make init-sql`");
}

#[test]
fn the_script_leaves_a_server_on_which_the_first_run_registers_tables() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    let crate::support::database::Place::Server(_, name) = &pair.local.place else {
        unreachable!()
    };
    let script = db_sync::journal::schema::init_script().replace("tiktok_products", name);
    pair.local.sql(&script);
    pair.local.sql(&script);
    pair.local.sql("UPDATE db_sync_config SET conflict_resolution='SKIP'");
    pair.both(TABLE);
    let report = pair.sync("");
    assert_eq!((report.status, table(&report, "t").strategy), ("SUCCESS", "SKIP"));
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_config"), "2");
}

#[test]
fn the_first_run_registers_what_both_sides_have_and_nobody_excludes() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE kept (id INTEGER NOT NULL PRIMARY KEY); CREATE TABLE django_session (id INTEGER NOT NULL PRIMARY KEY); \
            CREATE TABLE django_q_task (id INTEGER NOT NULL PRIMARY KEY); CREATE TABLE other_one (id INTEGER NOT NULL PRIMARY KEY)");
        pair.local.sql("CREATE TABLE only_here (id INTEGER NOT NULL PRIMARY KEY)");
        pair.both("CREATE TABLE django_migrations (id INTEGER NOT NULL PRIMARY KEY)");
        let report = pair.try_sync(options("--dry-run"), &[]).unwrap();
        assert_eq!(report.tables.len(), 2);
        // What each side has migrated is no row of the other's, whatever the pattern.
        let all = pair.try_sync(options("--dry-run"), &[("DB_SYNC_EXCLUDE", "kept")]).unwrap();
        assert_eq!(all.tables.len(), 3);
        let more = [
            ("DB_SYNC_TABLES", "k*,*_one,django_*"),
            ("DB_SYNC_DIRECTION", "REMOTE_TO_LOCAL"),
            ("DB_SYNC_TYPE", "FULL"),
        ];
        pair.try_sync(options(""), &more).unwrap();
        let rows = "SELECT table_name, sync_type, sync_direction, conflict_resolution FROM db_sync_config ORDER BY table_name";
        let row = |name: &str| {
            ["FULL", "REMOTE_TO_LOCAL", "REMOTE_WINS"].iter().fold(
                vec![Some(name.to_owned())],
                |mut row, cell| {
                    row.push(Some((*cell).to_owned()));
                    row
                },
            )
        };
        assert_eq!(pair.local.sql(rows), [row("kept"), row("other_one")], "{}", pair.name);
    });
}

#[test]
fn a_flag_goes_before_a_row_and_a_row_before_the_environment() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both("CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY); CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY)");
    pair.sync("");
    pair.local.sql("UPDATE db_sync_config SET conflict_resolution='SKIP', priority=3, sync_direction='LOCAL_TO_REMOTE' WHERE table_name='b'");
    pair.local.sql("UPDATE db_sync_config SET sync_enabled=0 WHERE table_name='a'");
    let more = [("DB_SYNC_CONFLICT", "LOCAL_WINS"), ("DB_SYNC_DIRECTION", "BOTH")];
    pair.remote.sql("INSERT INTO b VALUES (1)");
    let report = pair.try_sync(options(""), &more).unwrap();
    assert_eq!(report.tables.len(), 1, "a disabled table is left out");
    assert_eq!(
        (table(&report, "b").strategy, table(&report, "b").remote_to_local.inserted),
        ("SKIP", 0)
    );
    let report = pair
        .try_sync(options("--conflict MANUAL --direction BOTH --table b --table a"), &more)
        .unwrap();
    assert_eq!(
        report.tables.iter().map(|table| table.table.as_str()).collect::<Vec<_>>(),
        ["b", "a"],
        "by priority"
    );
    assert_eq!(
        (table(&report, "b").strategy, table(&report, "b").remote_to_local.inserted),
        ("MANUAL", 1)
    );
}

#[test]
fn every_pass_leaves_a_row_in_the_log() {
    each_pairing(|pair| {
        pair.both(TABLE);
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b')");
        let report = pair.sync("--type FULL");
        let log = format!(
            "SELECT sync_direction, status, triggered_by, rows_inserted, rows_updated, rows_deleted, sync_type FROM db_sync_log \
             WHERE run_id='{}' AND end_time IS NOT NULL AND duration IS NOT NULL ORDER BY sync_direction DESC",
            report.run_id
        );
        let row = |cells: [&str; 7]| {
            cells.iter().map(|cell| Some((*cell).to_owned())).collect::<Vec<_>>()
        };
        let expected = [
            row(["REMOTE_TO_LOCAL", "SUCCESS", "TEST", "2", "0", "0", "FULL"]),
            row(["LOCAL_TO_REMOTE", "SUCCESS", "TEST", "0", "0", "0", "FULL"]),
        ];
        assert_eq!(pair.local.sql(&log), expected, "{}", pair.name);
    });
}

#[test]
fn a_dead_runs_row_is_buried_by_the_next() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLE);
    pair.sync("");
    pair.local.sql("UPDATE db_sync_log SET status='RUNNING', end_time=NULL");
    pair.sync("");
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_log WHERE status='INTERRUPTED'"), "2");
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_log WHERE status='RUNNING'"), "0");
}
