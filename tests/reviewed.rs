//! Plans that somebody has looked at before they are carried out.

use std::io::Write as _;
use std::sync::Arc;

use db_sync::engine::Options;
use db_sync::engine::reviewed::Reviewed;
use db_sync::report::Report;

use crate::support::each_pairing;
use crate::support::pairing::{Pair, options, written};

const TABLE: &str = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))";
const NAMED: &str = "CREATE TABLE n (name VARCHAR(20) NOT NULL PRIMARY KEY, v VARCHAR(20))";
const ROWS: &str = "SELECT id, v FROM t ORDER BY id";

fn plan(text: &str) -> Options {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Options { apply: Some(Arc::new(Reviewed::read(file.path()).unwrap())), ..options("") }
}

fn apply(pair: &Pair, report: &Report) -> Report {
    pair.try_sync(plan(&serde_json::to_string(report).unwrap()), &[]).unwrap()
}

/// Changes of every kind on both sides, and a conflict.
fn change(pair: &Pair) {
    pair.both(TABLE);
    pair.both(NAMED);
    pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'); INSERT INTO n VALUES ('x','1'),('y','2')");
    pair.sync("");
    pair.remote.sql("UPDATE t SET v='remote' WHERE id IN (1,2); DELETE FROM t WHERE id=3; UPDATE n SET v='remote' WHERE name='x'");
    pair.local.sql("UPDATE t SET v='local' WHERE id=2; INSERT INTO t VALUES (5,'e'); DELETE FROM n WHERE name='y'");
}

#[test]
fn a_plan_is_carried_out_as_it_was_reviewed() {
    each_pairing(|pair| {
        change(pair);
        let shown = pair.sync("--dry-run --conflict LOCAL_WINS");
        assert_eq!(written(&shown), 6, "{}: {shown:#?}", pair.name);
        let applied = apply(pair, &shown);
        assert_eq!((applied.exit_code, written(&applied)), (0, 6), "{}: {applied:#?}", pair.name);
        assert_eq!(pair.remote.cell("SELECT v FROM t WHERE id=2"), "local", "{}", pair.name);
        pair.assert_same(ROWS);
        pair.assert_same("SELECT name, v FROM n ORDER BY name");
        pair.assert_settled("");
        // Once more it says nothing of rows as they are now.
        let again = apply(pair, &shown);
        assert_eq!((again.exit_code, written(&again)), (3, 0), "{}: {again:#?}", pair.name);
        assert_eq!(again.errors.len(), 6, "{}: {again:#?}", pair.name);
    });
}

#[test]
fn rows_that_moved_are_refused_and_others_wait() {
    each_pairing(|pair| {
        change(pair);
        let shown = pair.sync("--dry-run");
        pair.remote.sql("UPDATE t SET v='newer' WHERE id=1; INSERT INTO t VALUES (6,'new')");
        let applied = apply(pair, &shown);
        assert_eq!((applied.exit_code, written(&applied)), (3, 5), "{}: {applied:#?}", pair.name);
        let said: Vec<&str> = applied.errors.iter().map(|error| &*error.message).collect();
        assert!(said[0].contains("no longer what the plan saw"), "{}: {said:#?}", pair.name);
        assert!(format!("{applied:?}").contains("than those of the plan"), "{applied:#?}");
        assert_eq!(pair.local.cell("SELECT v FROM t WHERE id=1"), "a", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM t WHERE id=6"), "0", "{}", pair.name);
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        pair.assert_same(ROWS);
        pair.assert_settled("");
    });
}

#[test]
fn what_is_no_plan_is_refused() {
    for text in [
        "",
        "{}",
        "[1]",
        "{\"dry_run\":false,\"tables\":[]}",
        "{\"dry_run\":true,\"tables\":[{\"table\":\"t\"}]}",
    ] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let refused = Reviewed::read(file.path()).unwrap_err();
        assert_eq!(refused.code().as_str(), "CFG_002", "{text}");
    }
    assert!(Reviewed::read(std::path::Path::new("/nowhere")).is_err());
}
