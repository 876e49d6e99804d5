//! Every code that can arise in a run, provoked, with both its sentences.

use std::net::TcpListener;

use db_sync::engine::Options;
use db_sync::engine::cancel::Cancel;
use db_sync::engine::drive::drive;
use db_sync::error::Code;
use db_sync::report::{Failure, Report};

use crate::support::pairing::{options, table, written};
use crate::support::{Database, Pair, each_pairing};

const TABLE: &str = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))";

fn files() -> Pair {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLE);
    pair
}

/// The run as a whole fails with this code; the sentences name what is asked for.
fn fails(pair: &Pair, flags: &str, more: &[(&str, &str)], code: Code, named: &str) {
    let error = pair.try_sync(options(flags), more).expect_err("the run should fail");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.message().contains(named), "{error} should name {named}");
    assert!(
        error.hint().ends_with(['.', ';', ')']) && !error.message().contains('?'),
        "{error} {}",
        error.hint()
    );
}

fn failure<'a>(report: &'a Report, code: &str) -> &'a Failure {
    report
        .errors
        .iter()
        .find(|failure| failure.code == code)
        .unwrap_or_else(|| panic!("no {code} in {report:#?}"))
}

#[test]
fn nobody_answers() {
    let pair = Pair::of("MARIADB", "SQLITE");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    fails(&pair, "", &[("DB_REMOTE_PORT", &port)], Code::DbConn001, &format!("127.0.0.1:{port}"));
}

#[test]
fn a_silent_server_times_out() {
    let pair = Pair::of("MARIADB", "SQLITE");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    fails(
        &pair,
        "",
        &[("DB_REMOTE_PORT", &port), ("DB_CONNECT_TIMEOUT", "1")],
        Code::DbConn002,
        "within 1 s",
    );
}

#[test]
fn wrong_password_and_missing_database() {
    let pair = Pair::of("MARIADB", "SQLITE");
    fails(&pair, "", &[("DB_REMOTE_PASSWORD", "wrong-one")], Code::DbConn003, "user sync");
    fails(&pair, "", &[("DB_REMOTE_NAME", "not_there")], Code::DbConn004, "not_there");
    let error =
        pair.try_sync(Options::default(), &[("DB_REMOTE_PASSWORD", "wrong-one")]).unwrap_err();
    assert!(!format!("{error:?} {error} {}", error.hint()).contains("wrong-one"));
}

#[test]
fn a_missing_file_is_not_created() {
    let pair = files();
    let path = std::env::temp_dir().join("db_sync_never_there.sqlite3");
    fails(
        &pair,
        "",
        &[("DB_LOCAL_NAME", path.to_str().unwrap())],
        Code::DbConn004,
        "db_sync_never_there",
    );
    assert!(!path.exists());
}

#[test]
fn something_that_is_no_database() {
    let pair = files();
    let path = std::env::temp_dir().join(format!("db_sync_{}.txt", std::process::id()));
    std::fs::write(&path, "this is no database, and long enough to be read as one, which it is not at all, not at all").unwrap();
    fails(&pair, "", &[("DB_LOCAL_NAME", path.to_str().unwrap())], Code::DbConn001, "SQLite error");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn both_sides_the_same() {
    let pair = files();
    let crate::support::database::Place::File(path) = &pair.remote.place else { unreachable!() };
    let other_name = path.with_file_name("other.sqlite3");
    std::os::unix::fs::symlink(path, &other_name).unwrap();
    fails(
        &pair,
        "",
        &[("DB_LOCAL_NAME", other_name.to_str().unwrap())],
        Code::Cfg002,
        "same database",
    );
    let pair = Pair::of("MARIADB", "MARIADB");
    let crate::support::database::Place::Server(_, name) = &pair.remote.place else {
        unreachable!()
    };
    fails(
        &pair,
        "",
        &[("DB_LOCAL_NAME", name), ("DB_LOCAL_HOST", "localhost")],
        Code::Cfg002,
        "same database",
    );
}

#[test]
fn unknown_tables_and_bad_rows_of_the_configuration() {
    let pair = files();
    pair.sync("");
    fails(&pair, "--table nothing", &[], Code::Cfg003, "nothing");
    pair.local.sql("UPDATE db_sync_config SET sync_direction='SIDEWAYS'");
    fails(&pair, "", &[], Code::Cfg004, "SIDEWAYS");
    pair.local.sql("UPDATE db_sync_config SET sync_direction='BOTH', conflict_resolution='NOBODY'");
    fails(&pair, "", &[], Code::Cfg002, "NOBODY");
}

#[test]
fn tables_that_do_not_match_fail_alone() {
    each_pairing(|pair| {
        pair.both(TABLE);
        let more = "CREATE TABLE missing (id INTEGER NOT NULL PRIMARY KEY); \
            CREATE TABLE narrow (id INTEGER NOT NULL PRIMARY KEY); \
            CREATE TABLE typed (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(9)); \
            CREATE TABLE keyed (id INTEGER NOT NULL PRIMARY KEY, other INTEGER NOT NULL); \
            CREATE TABLE loose (v INTEGER)";
        pair.both(more);
        pair.sync("");
        pair.remote.sql("DROP TABLE missing; ALTER TABLE narrow ADD COLUMN must VARCHAR(9) NOT NULL DEFAULT 'x'");
        pair.remote
            .sql("DROP TABLE typed; CREATE TABLE typed (id INTEGER NOT NULL PRIMARY KEY, v DATE)");
        pair.local.sql("DROP TABLE keyed; CREATE TABLE keyed (id INTEGER NOT NULL, other INTEGER NOT NULL PRIMARY KEY)");
        pair.local.sql("DROP TABLE narrow; CREATE TABLE narrow (id INTEGER NOT NULL PRIMARY KEY, needed INTEGER NOT NULL)");
        pair.local
            .sql("DROP TABLE typed; CREATE TABLE typed (id INTEGER NOT NULL PRIMARY KEY, v BLOB)");
        pair.remote.sql("INSERT INTO t VALUES (1,'goes on')");
        let report = pair.sync("");
        assert_eq!((report.status, report.exit_code), ("FAILED", 1), "{}: {report:#?}", pair.name);
        for (name, code) in [
            ("missing", "SYNC_001"),
            ("narrow", "SYNC_001"),
            ("typed", "SYNC_003"),
            ("keyed", "SYNC_001"),
            ("loose", "SYNC_006"),
        ] {
            let told = table(&report, name);
            assert_eq!(told.status, "FAILED");
            assert_eq!(told.error.as_ref().unwrap().code, code, "{} {name}", pair.name);
        }
        assert_eq!(table(&report, "t").status, "SUCCESS");
        assert_eq!(pair.local.cell("SELECT v FROM t"), "goes on");
        let log = "SELECT status, error_code FROM db_sync_log WHERE table_name='missing' ORDER BY id DESC LIMIT 1";
        assert_eq!(pair.local.sql(log), [[Some("FAILED".to_owned()), Some("SYNC_001".to_owned())]]);
    });
}

#[test]
fn what_a_side_cannot_hold_is_that_rows_failure() {
    each_pairing(|pair| {
        pair.remote
            .sql("CREATE TABLE m (id INTEGER NOT NULL PRIMARY KEY, d DECIMAL(30,10), v TEXT)");
        pair.local.sql("CREATE TABLE m (id INTEGER NOT NULL PRIMARY KEY, d DECIMAL(30,2), v TEXT)");
        if pair.remote.is_file() {
            return;
        }
        pair.remote.sql(
            "INSERT INTO m VALUES (1,1.25,'fits'),(2,12345678901234567.8912345678,'does not')",
        );
        let report = pair.sync("--type FULL");
        assert_eq!((report.status, report.exit_code), ("PARTIAL", 3), "{}: {report:#?}", pair.name);
        let failure = failure(&report, "SYNC_003");
        assert!(
            failure.message.contains("{\"id\":2}") && failure.message.contains("column d"),
            "{failure:?}"
        );
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM m"), "1");
        assert_eq!(pair.remote.cell("SELECT d FROM m WHERE id=2"), "12345678901234567.8912345678");
        pair.assert_settled("");
        assert_eq!(pair.remote.cell("SELECT d FROM m WHERE id=2"), "12345678901234567.8912345678");
    });
}

#[test]
fn a_foreign_key_that_cannot_hold() {
    each_pairing(|pair| {
        pair.remote.sql("CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY); CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, up INTEGER)");
        pair.local.sql("CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY); \
            CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, up INTEGER, FOREIGN KEY (up) REFERENCES parent (id))");
        pair.remote
            .sql("INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1,1),(2,7),(3,NULL)");
        let report = pair.sync("--type FULL");
        assert_eq!((report.status, report.exit_code), ("PARTIAL", 3), "{}: {report:#?}", pair.name);
        assert!(failure(&report, "SYNC_004").message.contains("{\"id\":2}"));
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM child"), "2");
        pair.assert_settled("");
    });
}

#[test]
fn conflicts_that_wait_are_told() {
    let pair = files();
    pair.remote.sql("INSERT INTO t VALUES (1,'theirs')");
    pair.local.sql("INSERT INTO t VALUES (1,'ours')");
    let report = pair.sync("--conflict MANUAL");
    assert_eq!((report.status, report.exit_code), ("PARTIAL", 3));
    assert!(failure(&report, "SYNC_007").message.contains("1 conflict(s)"));
    let log = "SELECT COUNT(*) FROM db_sync_log WHERE error_message LIKE '%conflict%'";
    assert_eq!(pair.local.cell(log), "1");
}

#[test]
fn guards_stop_and_force_lifts_them() {
    each_pairing(|pair| {
        pair.both(TABLE);
        let rows: Vec<String> = (0..200).map(|id| format!("({id},'row')")).collect();
        pair.remote.sql(&format!("INSERT INTO t VALUES {}", rows.join(",")));
        pair.sync("--type FULL");
        pair.remote.sql("DELETE FROM t WHERE id<101");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 1);
        assert!(failure(&report, "SYNC_008").message.contains("101 of 200"), "{report:#?}");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "200");
        pair.remote.sql("DELETE FROM t");
        let report = pair.sync("--type FULL --direction REMOTE_TO_LOCAL");
        assert!(failure(&report, "SYNC_008").message.contains("no rows at all"));
        assert_eq!(written(&report), 0);
        let report = pair.sync("--force");
        assert_eq!((report.exit_code, table(&report, "t").remote_to_local.deleted), (0, 200));
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "0");
        pair.assert_settled("");
    });
}

/// A table with numbered rows.
fn numbered(pair: &Pair) -> &'static str {
    if pair.remote.is_file() {
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v VARCHAR(20))"
    } else {
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20))"
    }
}

fn fill(database: &Database, ids: std::ops::Range<u32>) {
    let rows: Vec<String> = ids.map(|id| format!("({id},'row')")).collect();
    database.sql(&format!("INSERT INTO t VALUES {}", rows.join(",")));
}

#[test]
fn a_side_that_changed_every_row_at_once_is_asked_about() {
    each_pairing(|pair| {
        pair.both(TABLE);
        fill(&pair.remote, 0..150);
        pair.sync("");
        pair.remote.sql("UPDATE t SET v='?'");
        for flags in ["", "--type FULL", "--type FULL --direction REMOTE_TO_LOCAL"] {
            let report = pair.sync(flags);
            assert!(failure(&report, "SYNC_008").message.contains("all of its 150"), "{report:#?}");
            assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t WHERE v='row'"), "150");
        }
        assert_eq!(table(&pair.sync("--force"), "t").remote_to_local.updated, 150);
        // What a migration has done on both sides alike is nothing to ask about.
        pair.both("UPDATE t SET v='both'");
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn a_side_that_was_restored_is_asked_about() {
    for (remote, local) in [("MARIADB", "MARIADB2"), ("MYSQL", "MARIADB"), ("SQLITE", "SQLITE")] {
        let Some(pair) = Pair::try_of(remote, local) else { continue };
        pair.both(numbered(&pair));
        fill(&pair.remote, 1..151);
        pair.sync("");
        fill(&pair.remote, 151..201);
        pair.sync("");
        pair.sync("");
        pair.remote.sql("DELETE FROM t WHERE id>150");
        pair.remote.sql(if pair.remote.is_file() {
            "UPDATE sqlite_sequence SET seq=150 WHERE name='t'"
        } else {
            "ALTER TABLE t AUTO_INCREMENT=151"
        });
        let report = pair.sync("");
        assert!(failure(&report, "SYNC_008").message.contains("151"), "{remote}: {report:#?}");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "200");
        // A run from which nothing would follow on LOCAL is no word that the restore is meant.
        pair.local.sql("UPDATE t SET v='mine' WHERE id=3");
        assert_eq!(written(&pair.sync("--direction LOCAL_TO_REMOTE")), 1, "{remote}");
        failure(&pair.sync(""), "SYNC_008");
        assert_eq!(pair.sync("--force").exit_code, 0, "{remote}");
        let logged = "SELECT COUNT(*) FROM db_sync_log WHERE error_message LIKE '%--force%'";
        assert_eq!(pair.local.cell(logged), "2");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "150");
        // A server that was only started anew gives a lower number to the next row, and has the rows that it had.
        pair.remote.sql("INSERT INTO t (v) VALUES ('next')");
        pair.sync("");
        pair.sync("");
        let sequence = "UPDATE sqlite_sequence SET seq=500 WHERE name='t'";
        pair.remote.sql(if pair.remote.is_file() {
            sequence
        } else {
            "ALTER TABLE t AUTO_INCREMENT=501"
        });
        pair.sync("");
        let sequence = "UPDATE sqlite_sequence SET seq=151 WHERE name='t'";
        pair.remote.sql(if pair.remote.is_file() {
            sequence
        } else {
            "ALTER TABLE t AUTO_INCREMENT=152"
        });
        pair.remote.sql("UPDATE t SET v='changed' WHERE id=5");
        assert_eq!(pair.sync("").exit_code, 0, "{remote}");
        pair.assert_settled("");
    }
}

/// Keys that nobody counts up tell nothing, but the rows' own dates do.
#[test]
fn a_side_whose_rows_are_older_than_they_were_is_asked_about() {
    each_pairing(|pair| {
        pair.both(
            "CREATE TABLE t (id CHAR(36) NOT NULL PRIMARY KEY, v VARCHAR(20), updated_at DATETIME)",
        );
        pair.both("CREATE INDEX dated ON t (updated_at)");
        let row = |id: u32, day: u32| format!("('key{id}','row','2026-01-{day:02} 10:00:00')");
        let rows: Vec<String> = (1..151).map(|id| row(id, 1)).collect();
        pair.remote.sql(&format!("INSERT INTO t VALUES {}", rows.join(",")));
        pair.sync("");
        pair.remote.sql("UPDATE t SET v='new',updated_at='2026-01-02 10:00:00' WHERE id<'key2'");
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        // The newest row goes: that alone says nothing.
        pair.remote.sql("UPDATE t SET updated_at='2026-01-03 10:00:00' WHERE id='key150'");
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        pair.remote.sql("DELETE FROM t WHERE id='key150'");
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        pair.remote.sql("UPDATE t SET v='row',updated_at='2026-01-01 10:00:00' WHERE id<'key2'");
        let report = pair.sync("");
        let refused = failure(&report, "SYNC_008");
        assert!(refused.message.contains("updated_at"), "{}: {report:#?}", pair.name);
        assert_eq!(pair.sync("--direction LOCAL_TO_REMOTE").exit_code, 0, "{}", pair.name);
        failure(&pair.sync(""), "SYNC_008");
        assert_ne!(pair.local.cell("SELECT COUNT(*) FROM t WHERE v='new'"), "0");
        assert_eq!(pair.sync("--force").exit_code, 0, "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn another_database_and_swapped_sides_are_asked_about() {
    for kind in [("MARIADB", "MARIADB2"), ("SQLITE", "SQLITE")] {
        let pair = Pair::of(kind.0, kind.1);
        pair.both(TABLE);
        fill(&pair.remote, 1..4);
        pair.sync("");
        let swapped = Pair { name: "swapped".to_owned(), remote: pair.local, local: pair.remote };
        let refused = swapped.try_sync(options(""), &[]).unwrap_err();
        assert_eq!(refused.code().as_str(), "SYNC_008", "{kind:?}");
        assert_eq!(swapped.sync("--force").exit_code, 0, "{kind:?}");
        swapped.assert_settled("");
        let Pair { remote, .. } = Pair::of(kind.0, kind.1);
        let moved = Pair { name: "moved".to_owned(), remote, local: swapped.local };
        moved.remote.sql(TABLE);
        moved.remote.sql("INSERT INTO t VALUES (2,'other'),(9,'new')");
        let report = moved.sync("");
        assert!(failure(&report, "SYNC_008").message.contains("another database"), "{report:#?}");
        assert_eq!(moved.local.cell("SELECT COUNT(*) FROM t"), "3");
        // Nothing is deleted then: what both have and is different is a conflict.
        let report = moved.sync("--force");
        assert_eq!(
            (report.exit_code, table(&report, "t").conflicts.detected),
            (0, 1),
            "{report:#?}"
        );
        assert_eq!(moved.remote.cell("SELECT COUNT(*) FROM t"), "4");
        moved.assert_settled("");
    }
}

/// A server that is started in a new container has another name, and the data that it had.
#[test]
fn a_database_that_has_moved_is_known_again() {
    each_pairing(|pair| {
        pair.both(TABLE);
        fill(&pair.remote, 1..4);
        pair.sync("");
        let moved = "UPDATE db_sync_state SET stamp=REPLACE(stamp,'\"identity\":\"','\"identity\":\"moved-')";
        for _ in 0..2 {
            pair.local.sql(moved);
            pair.remote.sql("UPDATE t SET v=REPLACE(v,'w','ww') WHERE id=2");
            let report = pair.sync("");
            if pair.name.starts_with("mysql") {
                // A MySQL's name goes with its data: one of another name is another one.
                assert_eq!(report.exit_code, 1, "{}: {report:#?}", pair.name);
                failure(&report, "SYNC_008");
                return;
            }
            assert_eq!((report.exit_code, written(&report)), (0, 1), "{}: {report:#?}", pair.name);
            // From then on it is known by the new name too.
            let known = "SELECT COUNT(*) FROM db_sync_state WHERE stamp LIKE '%moved-%'";
            assert_eq!(pair.local.cell(known), "0", "{}", pair.name);
        }
        pair.assert_settled("");
        // Of the same age, and with other rows or fewer: a neighbour that was made in the same second, a copy that lags.
        for other in ["UPDATE t SET v='other' WHERE id<3", "DELETE FROM t WHERE id=3"] {
            pair.local.sql(moved);
            pair.remote.sql(other);
            let report = pair.sync("");
            assert!(
                failure(&report, "SYNC_008").message.contains("another database"),
                "{report:#?}"
            );
            // Who knows better loses nothing.
            assert_eq!((pair.sync("--force").exit_code, pair.sync("").exit_code), (0, 0));
        }
        pair.assert_same("SELECT id, v FROM t ORDER BY id");
    });
}

/// Somebody empties a table while it is synced: the guards look at every round's plan.
#[test]
fn guards_look_again_when_rows_have_moved() {
    for more in ["", "x AFTER"] {
        // On one server a trigger of the one side can empty the other.
        let pair = Pair::of("MARIADB", "MARIADB");
        pair.both(TABLE);
        let rows: Vec<String> = (0..200).map(|id| format!("({id},'row')")).collect();
        pair.remote.sql(&format!("INSERT INTO t VALUES {}", rows.join(",")));
        pair.sync("--type FULL");
        let theirs = pair.remote.name();
        let empty = format!("DELETE FROM `{theirs}`.t");
        pair.local.sql(&match more {
            "" => format!("CREATE TRIGGER empty AFTER INSERT ON db_sync_undo FOR EACH ROW {empty}"),
            _ => format!("CREATE TRIGGER empty AFTER UPDATE ON t FOR EACH ROW {empty}"),
        });
        pair.remote.sql("UPDATE t SET v='new' WHERE id>0");
        let report = pair.sync("");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t"), "0", "the trigger has fired");
        assert!(failure(&report, "SYNC_008").message.contains("no rows at all"), "{report:#?}");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "200");
    }
}

#[test]
fn a_table_in_other_hands() {
    let pair = Pair::of("SQLITE", "MARIADB");
    pair.both(TABLE);
    pair.sync("");
    pair.remote.sql("INSERT INTO t VALUES (1,'waits')");
    let crate::support::database::Place::Server(url, name) = &pair.local.place else {
        unreachable!()
    };
    let other = Holder::of(url, name, &pair);
    let report = pair.sync("");
    assert_eq!((report.status, report.exit_code), ("FAILED", 4), "{report:#?}");
    assert_eq!(failure(&report, "SYNC_009").table.as_deref(), Some("t"));
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "0");
    drop(other);
    assert_eq!(pair.sync("").exit_code, 0);
}

/// Holds every lock that a run on this pair could want: the names are read off the server while a run has them.
struct Holder {
    runtime: tokio::runtime::Runtime,
    line: Option<sqlx::MySqlConnection>,
}

impl Holder {
    fn of(url: &str, database: &str, pair: &Pair) -> Self {
        use db_sync::endpoint::{Endpoint, Purpose};
        use db_sync::journal::lock::Locks;
        use db_sync::model::Side;
        use sqlx::{AssertSqlSafe, Connection, Executor};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let line = runtime.block_on(async {
            let (endpoint, _) =
                Endpoint::open(Side::Local, &pair.settings(&[]).unwrap()).await.unwrap();
            let mut first = endpoint.connect(Purpose::Write).await.unwrap();
            assert!(Locks::default().take(&mut first, &endpoint.nature, "t").await.unwrap());
            let name = Locks::name(&endpoint.nature, "t");
            first.close().await;
            let mut line =
                sqlx::MySqlConnection::connect(&format!("{url}{database}")).await.unwrap();
            line.execute(AssertSqlSafe(format!("SELECT GET_LOCK('{name}',5)"))).await.unwrap();
            line
        });
        Self { runtime, line: Some(line) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        use sqlx::Connection;
        if let Some(line) = self.line.take() {
            self.runtime.block_on(line.close()).unwrap();
        }
    }
}

#[test]
fn missing_rights_are_named_with_their_grant() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(TABLE);
    let crate::support::database::Place::Server(_, name) = &pair.local.place else {
        unreachable!()
    };
    let user = format!("reader{}", std::process::id());
    pair.local.sql(&format!("CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY 'x'; GRANT SELECT ON `{name}`.* TO '{user}'@'127.0.0.1'"));
    let error = pair
        .try_sync(options(""), &[("DB_LOCAL_USER", &user), ("DB_LOCAL_PASSWORD", "x")])
        .unwrap_err();
    assert_eq!(error.code(), Code::Sys004, "{error}");
    assert!(
        error.hint().contains("GRANT") && error.hint().contains(name.as_str()),
        "{}",
        error.hint()
    );
    pair.local.sql(&format!("DROP USER '{user}'@'127.0.0.1'"));
}

#[test]
fn one_way_needs_only_select_on_remote() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(TABLE);
    pair.remote.sql("INSERT INTO t VALUES (1,'a')");
    let crate::support::database::Place::Server(_, name) = &pair.remote.place else {
        unreachable!()
    };
    let user = format!("watcher{}", std::process::id());
    pair.remote.sql(&format!("CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY 'x'; GRANT SELECT ON `{name}`.* TO '{user}'@'127.0.0.1'"));
    let more = [("DB_REMOTE_USER", user.as_str()), ("DB_REMOTE_PASSWORD", "x")];
    let report = pair.try_sync(options("--type FULL --direction REMOTE_TO_LOCAL"), &more).unwrap();
    assert_eq!(report.exit_code, 0, "{report:#?}");
    pair.local.sql("INSERT INTO t VALUES (2,'b')");
    let report = pair.try_sync(options("--direction BOTH"), &more).unwrap();
    assert_eq!(report.exit_code, 1);
    assert!(failure(&report, "SYS_004").hint.contains("GRANT"), "{report:#?}");
    pair.remote.sql(&format!("DROP USER '{user}'@'127.0.0.1'"));
}

#[test]
fn a_run_that_is_told_to_stop() {
    let pair = files();
    pair.remote.sql("INSERT INTO t VALUES (1,'a')");
    let cancel = Cancel::default();
    cancel.cancel();
    let stopped = drive(pair.settings(&[]).unwrap(), options(""), &cancel);
    match stopped {
        Ok(report) => assert_eq!((report.status, report.exit_code), ("INTERRUPTED", 130)),
        Err(error) => assert_eq!(error.code(), Code::Sync005),
    }
    assert_eq!(pair.sync("").exit_code, 0);
}

#[test]
fn a_file_that_another_program_writes() {
    let pair = files();
    pair.remote.sql("INSERT INTO t VALUES (1,'a')");
    pair.sync("");
    pair.remote.sql("INSERT INTO t VALUES (2,'b')");
    let holder = write_lock(&pair.local);
    let report = pair.try_sync(options(""), &[("DB_SYNC_LOCK_WAIT", "0")]);
    match report {
        Ok(report) => assert_eq!(failure(&report, "SYS_003").table.as_deref(), Some("t")),
        Err(error) => assert_eq!(error.code(), Code::Sys003, "{error}"),
    }
    drop(holder);
    assert_eq!(pair.sync("").exit_code, 0);
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "2");
}

/// A line to a SQLite file with an open write transaction, which ends with it.
fn write_lock(database: &Database) -> rusqlite::Connection {
    let crate::support::database::Place::File(path) = &database.place else { unreachable!() };
    let line = rusqlite::Connection::open(path).unwrap();
    line.execute_batch("BEGIN IMMEDIATE").unwrap();
    line
}

/// Two triggers that answer each other: what one run writes on LOCAL changes a row there, and what that brings to REMOTE
/// makes a new row there.
#[test]
fn rows_that_never_come_to_rest() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INTEGER)");
    pair.remote.sql("INSERT INTO t VALUES (1,0)");
    pair.sync("");
    pair.local
        .sql("CREATE TRIGGER answer AFTER INSERT ON t BEGIN UPDATE t SET n=n+1 WHERE id=1; END");
    pair.remote.sql(
        "CREATE TRIGGER ask AFTER UPDATE ON t WHEN NEW.id=1 BEGIN INSERT INTO t SELECT max(id)+1, 0 FROM t; END; \
         INSERT INTO t VALUES (2,0)",
    );
    let report = pair.sync("");
    assert_eq!((report.status, report.exit_code), ("PARTIAL", 3), "{report:#?}");
    assert!(failure(&report, "SYNC_010").message.contains("still differ"));
    assert!(!table(&report, "t").verified);
}

#[test]
fn a_dry_run_leaves_no_trace_in_the_binary_log() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(TABLE);
    pair.remote.sql("INSERT INTO t VALUES (1,'a')");
    pair.local.sql("INSERT INTO t VALUES (2,'b')");
    let tables = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE()";
    // Other tests write to these servers too: only what names these databases counts, from here on.
    let sides = [&pair.remote, &pair.local];
    let places = sides.map(|side| side.sql("SHOW MASTER STATUS")[0].clone());
    let events = |at: usize| {
        let [file, place] = [0, 1].map(|cell| places[at][cell].clone().unwrap());
        let logged = sides[at].sql(&format!("SHOW BINLOG EVENTS IN '{file}' FROM {place}"));
        let named = |row: &Vec<Option<String>>| {
            row.iter().flatten().any(|cell| cell.contains(sides[at].name()))
        };
        logged.iter().filter(|row| named(row)).count()
    };
    assert_eq!(written(&pair.sync("--dry-run --type FULL")), 2);
    assert_eq!([events(0), events(1)], [0, 0]);
    pair.remote.sql("INSERT INTO t VALUES (3,'c')");
    assert!(events(0) > 0);
    assert_eq!([pair.remote.cell(tables), pair.local.cell(tables)], ["1", "1"]);
}

#[test]
fn a_run_that_does_not_reach_remote_is_in_the_log() {
    for pair in [Pair::of("MARIADB", "MARIADB2"), Pair::of("MARIADB", "SQLITE")] {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY)");
        let away = [("DB_REMOTE_PORT", "1"), ("DB_CONNECT_TIMEOUT", "1")];
        // Nothing is made for it.
        pair.try_sync(options(""), &away).unwrap_err();
        pair.sync("");
        let rows = "SELECT table_name, sync_type, sync_direction, status, error_code FROM db_sync_log WHERE run_id IS NOT NULL AND status<>'SUCCESS'";
        assert!(pair.local.sql(rows).is_empty(), "{}", pair.name);
        pair.try_sync(options("--dry-run"), &away).unwrap_err();
        assert!(pair.local.sql(rows).is_empty(), "{}", pair.name);
        pair.try_sync(options("--type FULL"), &away).unwrap_err();
        let told = ["*", "FULL", "BOTH", "FAILED", "DB_CONN_001"].map(|cell| Some(cell.to_owned()));
        assert_eq!(pair.local.sql(rows), [told], "{}", pair.name);
        pair.assert_settled("");
    }
}
