//! One run per table: locks that end with their line, and leases that do not.

use std::process::Command;
use std::time::Duration;

use db_sync::endpoint::Endpoint;
use db_sync::engine::Options;
use db_sync::engine::cancel::Cancel;
use db_sync::engine::drive::{block, drive};
use db_sync::journal::lock::Locks;
use db_sync::model::Side;
use db_sync::report::Report;

use crate::support::pairing::{Pair, options, written};
use crate::support::{each_pairing, eventually};

const TABLE: &str = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))";

/// Another run has leased the table, on a line that stands or not, until a moment from now.
fn lease(pair: &Pair, line: &str, seconds: i32) {
    let moment = if pair.local.is_file() {
        format!("strftime('%Y-%m-%d %H:%M:%f','now','{seconds} seconds')")
    } else {
        format!("UTC_TIMESTAMP(6) + INTERVAL {seconds} SECOND")
    };
    pair.local.sql(&format!(
        "UPDATE db_sync_lease SET owner='another', line={line}, expires_at={moment}"
    ));
}

fn begun(pair: &Pair) {
    pair.both(TABLE);
    pair.remote.sql("INSERT INTO t VALUES (1,'a')");
    pair.sync("");
    pair.remote.sql("INSERT INTO t VALUES (2,'b')");
}

fn wait(pair: &Pair, seconds: u64) -> Report {
    let wait = Duration::from_secs(seconds);
    pair.try_sync(Options { wait, ..options("") }, &[]).unwrap()
}

#[test]
fn a_leased_table_is_left_alone_until_its_owner_is_gone() {
    each_pairing(|pair| {
        begun(pair);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_lease WHERE owner IS NULL"), "1");
        let token = || pair.local.cell("SELECT token FROM db_sync_lease").parse::<i64>().unwrap();
        let first = token();
        // Of a file it is a process that has it, with a temporary folder of its own perhaps, so that its lock is not seen.
        if pair.local.is_file() {
            let mut process = Command::new("sleep").arg("600").spawn().unwrap();
            lease(pair, &process.id().to_string(), 60);
            let refused = pair.sync("");
            assert_eq!(
                (refused.exit_code, written(&refused)),
                (4, 0),
                "{}: {refused:#?}",
                pair.name
            );
            process.kill().unwrap();
            // It is dead before anybody asks what became of it.
            eventually("the process is gone", || pair.sync("").exit_code != 4);
            process.wait().unwrap();
            pair.remote.sql("DELETE FROM t WHERE id=2");
        } else {
            let standing = pair.local.held_line();
            lease(pair, &standing.id.to_string(), 60);
            let refused = pair.sync("");
            assert_eq!(
                (refused.exit_code, written(&refused)),
                (4, 0),
                "{}: {refused:#?}",
                pair.name
            );
            assert_eq!(token(), first, "{}", pair.name);
            lease(pair, &standing.id.to_string(), 1);
            assert_eq!(wait(pair, 30).exit_code, 0, "{}", pair.name);
            pair.remote.sql("DELETE FROM t WHERE id=2");
        }
        assert_eq!(wait(pair, u64::MAX).exit_code, 0, "{}", pair.name);
        pair.remote.sql("INSERT INTO t VALUES (2,'b')");
        // Its line is gone: nobody need wait for the end of the lease.
        lease(pair, "4000000000", 60);
        let report = pair.sync("");
        assert_eq!((report.exit_code, written(&report)), (0, 1), "{}: {report:#?}", pair.name);
        assert!(token() > first, "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn a_run_that_was_taken_for_dead_writes_nothing() {
    each_pairing(|pair| {
        begun(pair);
        // Whatever is done to the table, another run has taken it over by then.
        let usurp = "UPDATE db_sync_lease SET token=token+1, owner='another'";
        let trigger = "CREATE TRIGGER usurped AFTER INSERT ON db_sync_log";
        pair.local.sql(&if pair.local.is_file() {
            format!("{trigger} BEGIN {usurp}; END")
        } else {
            format!("{trigger} FOR EACH ROW {usurp}")
        });
        pair.local.sql("INSERT INTO t VALUES (3,'c')");
        let report = pair.sync("");
        assert_eq!((report.exit_code, written(&report)), (4, 0), "{}: {report:#?}", pair.name);
        assert!(report.errors[0].message.contains("taken the place"), "{report:#?}");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t"), "2", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t"), "2", "{}", pair.name);
        assert_eq!(
            pair.local.cell("SELECT COUNT(*) FROM db_sync_undo WHERE row_key LIKE '%3%'"),
            "0"
        );
        pair.local.sql("DROP TRIGGER usurped");
        pair.local.sql("UPDATE db_sync_lease SET expires_at='2020-01-01 00:00:00'");
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        pair.assert_settled("");
    });
}

/// A transaction of its own holds the lease's row for as long as it writes, however long that takes.
#[test]
fn an_owner_that_is_just_writing_is_not_taken_for_silent() {
    for kind in ["MARIADB2", "MYSQL"] {
        let Some(pair) = Pair::try_of("MARIADB", kind) else {
            eprintln!("!!! SKIPPED: there is no MySQL server");
            continue;
        };
        begun(&pair);
        let settings = pair.settings(&[]).unwrap();
        let reached = block(&Cancel::default(), Endpoint::open(Side::Local, &settings));
        let lock = Locks::name(&reached.unwrap().0.nature, "t");
        let mut writing = pair.local.held_line();
        writing.sql(&format!("DO GET_LOCK('{lock}',0)"));
        lease(&pair, &writing.id.to_string(), -1);
        pair.local.sql("UPDATE db_sync_lease SET heartbeat_at=expires_at");
        writing.sql("START TRANSACTION");
        writing.sql("SELECT * FROM db_sync_lease FOR UPDATE");
        assert_eq!(pair.sync("").exit_code, 4, "{}", pair.name);
        // It is still there.
        writing.sql("UPDATE db_sync_lease SET owner=NULL; COMMIT");
        writing.sql(&format!("DO RELEASE_LOCK('{lock}')"));
        assert_eq!(written(&pair.sync("")), 1, "{}", pair.name);
    }
}

/// While a run waits for one table, it keeps those that it has; what has become of the tables meanwhile, it sees.
#[test]
fn a_run_that_waits_keeps_its_leases_and_sees_what_was_altered() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both("CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY)");
    pair.both("CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY)");
    pair.sync("");
    let settings = pair.settings(&[]).unwrap();
    let reached = block(&Cancel::default(), Endpoint::open(Side::Local, &settings));
    let lock = Locks::name(&reached.unwrap().0.nature, "b");
    let mut other = pair.local.held_line();
    other.sql(&format!("DO GET_LOCK('{lock}',0)"));
    let report = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let wait = Duration::from_mins(1);
            drive(settings, Options { wait, ..options("") }, &Cancel::default()).unwrap()
        });
        let leased = |until: &str| {
            let sql = format!(
                "SELECT COUNT(*) FROM db_sync_lease WHERE table_name='a' AND owner IS NOT NULL \
                 AND expires_at>UTC_TIMESTAMP(6) {until}"
            );
            pair.local.cell(&sql) == "1"
        };
        eventually("the run has a", || leased(""));
        pair.local.sql("UPDATE db_sync_lease SET expires_at=UTC_TIMESTAMP(6)");
        eventually("its lease goes on", || leased("+ INTERVAL 30 SECOND"));
        pair.both("ALTER TABLE b ADD COLUMN v VARCHAR(20)");
        pair.remote.sql("INSERT INTO b VALUES (1,'new')");
        other.sql(&format!("DO RELEASE_LOCK('{lock}')"));
        waiting.join().unwrap()
    });
    assert_eq!((report.exit_code, written(&report)), (0, 1), "{report:#?}");
    assert_eq!(pair.local.cell("SELECT v FROM b"), "new");
    pair.assert_settled("");
}

/// The network between a run and its server is gone, and the server does not know: it would keep the lock for hours.
#[test]
fn a_lock_whose_owner_has_long_been_silent_is_taken_over() {
    for kind in ["MARIADB2", "MYSQL"] {
        let Some(pair) = Pair::try_of("MARIADB", kind) else {
            eprintln!("!!! SKIPPED: there is no MySQL server");
            continue;
        };
        let pair = &pair;
        begun(pair);
        let settings = pair.settings(&[]).unwrap();
        let reached = block(&Cancel::default(), Endpoint::open(Side::Local, &settings));
        let lock = Locks::name(&reached.unwrap().0.nature, "t");
        let mut silent = pair.local.held_line();
        silent.sql(&format!("DO GET_LOCK('{lock}',0)"));
        lease(pair, &silent.id.to_string(), 60);
        assert_eq!(pair.sync("").exit_code, 4, "{}", pair.name);
        lease(pair, &silent.id.to_string(), -1);
        let report = wait(pair, 30);
        assert_eq!((report.exit_code, written(&report)), (0, 1), "{}: {report:#?}", pair.name);
        // A lock that no lease speaks of is nobody's whom we know.
        let mut stranger = pair.local.held_line();
        stranger.sql(&format!("DO GET_LOCK('{lock}',0)"));
        assert_eq!(pair.sync("").exit_code, 4, "{}", pair.name);
    }
}

#[test]
fn two_first_runs_at_once_register_the_same_tables() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    for number in 0..20 {
        pair.both(&format!("CREATE TABLE t{number} (id INTEGER NOT NULL PRIMARY KEY)"));
    }
    pair.remote.sql("INSERT INTO t0 VALUES (1)");
    let settings = [(); 4].map(|()| pair.settings(&[]).unwrap());
    let ended = std::thread::scope(|scope| {
        let runs = settings.map(|settings| {
            scope.spawn(|| {
                let wait = Duration::from_secs(30);
                let options = Options { wait, ..options("") };
                drive(settings, options, &Cancel::default()).map(|report| report.exit_code)
            })
        });
        runs.map(|run| run.join().unwrap())
    });
    assert_eq!(ended, [Ok(0), Ok(0), Ok(0), Ok(0)]);
    assert_eq!(
        pair.local.cell("SELECT COUNT(*) FROM db_sync_config WHERE table_name LIKE 't%'"),
        "20"
    );
    pair.assert_settled("");
}

/// A run forgets old pre-images in the end; those that another run is just storing are none of them.
#[test]
fn nobody_waits_for_pre_images_of_others() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    begun(&pair);
    let mut other = pair.local.held_line();
    other.sql("START TRANSACTION");
    other.sql("INSERT INTO db_sync_undo (run_id,table_name,side,action,row_key,created_at) VALUES ('x','x','LOCAL','DELETE','{}','2020-01-01')");
    let report = pair.try_sync(options(""), &[("DB_SYNC_LOCK_WAIT", "2")]).unwrap();
    assert_eq!((report.exit_code, written(&report)), (0, 1), "{report:#?}");
    other.sql("ROLLBACK");
    pair.assert_settled("");
}
