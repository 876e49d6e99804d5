//! One row, and why it is as it is.

use db_sync::engine::cancel::Cancel;
use db_sync::engine::drive::block;
use db_sync::engine::explain::{Explanation, explain};

use crate::support::each_pairing;
use crate::support::pairing::{Pair, written};

fn told(pair: &Pair, table: &str, key: &str) -> Explanation {
    let cancel = Cancel::default();
    let settings = pair.settings(&[]).unwrap();
    block(&cancel, explain(settings, table, key, cancel.clone()))
        .unwrap_or_else(|error| panic!("{} {table} {key}: {error}", pair.name))
}

#[test]
fn every_story_of_a_row_is_told() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.both("CREATE TABLE n (a VARCHAR(20) NOT NULL, b INTEGER NOT NULL, v VARCHAR(20), PRIMARY KEY (a, b))");
        pair.remote.sql("INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e'); INSERT INTO n VALUES ('x',1,'1')");
        let first = told(pair, "t", "1");
        assert!(
            first.base.contains("first sync") && first.next.contains("inserts the row on LOCAL"),
            "{first:#?}"
        );
        let run = pair.sync("");
        assert_eq!(run.exit_code, 0, "{}: {run:#?}", pair.name);
        pair.remote.sql("UPDATE t SET v='new' WHERE id=2; DELETE FROM t WHERE id=3; UPDATE t SET v='remote' WHERE id=4");
        pair.local.sql("UPDATE t SET v='local' WHERE id=4; INSERT INTO t VALUES (6,'f'); UPDATE n SET v='2' WHERE a='x'");
        pair.both("UPDATE t SET v='both' WHERE id=5");
        for (table, key, change, next) in [
            ("t", "1", "Neither side has changed", "writes nothing"),
            ("t", "2", "REMOTE has changed", "writes REMOTE's row on LOCAL"),
            ("t", "{\"id\":3}", "REMOTE has deleted", "deletes the row on LOCAL"),
            ("t", "4", "update/update", "writes REMOTE's row on LOCAL; what loses is kept"),
            ("t", "5", "the same row", "writes nothing"),
            ("t", "6", "new on LOCAL", "inserts the row on REMOTE"),
            ("t", "99", "Neither side has the row", "writes nothing"),
            ("n", "{\"a\":\"x\",\"b\":1}", "LOCAL has changed", "writes LOCAL's row on REMOTE"),
        ] {
            let told = told(pair, table, key);
            assert!(told.change.contains(change), "{} {key}: {told:#?}", pair.name);
            assert!(told.next.contains(next), "{} {key}: {told:#?}", pair.name);
        }
        assert_eq!(written(&pair.sync("")), 5, "{}", pair.name);
        let after = told(pair, "t", "4");
        assert_eq!(after.conflicts.len(), 1, "{}: {after:#?}", pair.name);
        let touched: Vec<(&str, &str)> =
            after.touched.iter().map(|touch| (&*touch.action, &*touch.side)).collect();
        assert_eq!(touched, [("INSERT", "LOCAL"), ("UPDATE", "LOCAL")], "{}", pair.name);
        assert_eq!(after.touched[0].run_id, run.run_id, "{}", pair.name);
        assert!(after.touched[0].at.starts_with("20"), "{after:#?}");
    });
}

#[test]
fn a_key_that_is_none_is_refused() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
    let cancel = Cancel::default();
    for (table, key, code) in [("t", "x", "CFG_002"), ("t", "{}", "CFG_002"), ("u", "1", "CFG_003")]
    {
        let settings = pair.settings(&[]).unwrap();
        let refused = block(&cancel, explain(settings, table, key, cancel.clone())).unwrap_err();
        assert_eq!(refused.code().as_str(), code, "{table} {key}: {refused}");
    }
}
