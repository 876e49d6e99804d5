//! Columns that are treated otherwise than the rest, and columns that one side alone has.

use crate::support::each_pairing;
use crate::support::pairing::table;

const USERS: &str = "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(40), last_login VARCHAR(20), note VARCHAR(20))";

fn rule(rules: &str) -> String {
    format!("UPDATE db_sync_config SET column_rules='{rules}' WHERE table_name='users'")
}

#[test]
fn an_ignored_column_is_never_synced() {
    each_pairing(|pair| {
        pair.both(USERS);
        pair.remote.sql("INSERT INTO users VALUES (1,'a','r1','x'),(2,'b','r2','y')");
        pair.sync("");
        pair.local.sql(&rule(r#"{"ignore": ["Last_Login"]}"#));
        pair.remote.sql("UPDATE users SET last_login='r9' WHERE id=1; INSERT INTO users VALUES (3,'c','r3','z')");
        pair.local.sql(
            "UPDATE users SET last_login='l9' WHERE id=1; UPDATE users SET email='new' WHERE id=2",
        );
        let report = pair.sync("");
        assert_eq!(
            (report.exit_code, table(&report, "users").conflicts.detected),
            (0, 0),
            "{}: {report:#?}",
            pair.name
        );
        assert_eq!(pair.remote.cell("SELECT last_login FROM users WHERE id=1"), "r9");
        assert_eq!(pair.local.cell("SELECT last_login FROM users WHERE id=1"), "l9");
        assert_eq!(pair.local.sql("SELECT last_login FROM users WHERE id=3"), [[None]]);
        pair.assert_same("SELECT id, email, note FROM users ORDER BY id");
        pair.assert_settled("");
        pair.assert_settled("--type FULL");
    });
}

#[test]
fn what_other_tables_refer_to_cannot_be_ignored() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(40) NOT NULL UNIQUE)");
        pair.both("CREATE TABLE memberships (id INTEGER NOT NULL PRIMARY KEY, user_id INTEGER REFERENCES users (id))");
        pair.both("CREATE TABLE badges (id INTEGER NOT NULL PRIMARY KEY, user_id INTEGER, FOREIGN KEY (user_id) REFERENCES users (id))");
        pair.sync("");
        pair.local.sql(&rule(r#"{"ignore": ["id"]}"#));
        pair.remote.sql("INSERT INTO users VALUES (1,'a')");
        pair.local.sql("INSERT INTO users VALUES (1,'b')");
        let report = pair.sync("");
        let error = table(&report, "users").error.clone().unwrap();
        assert_eq!((error.code, report.exit_code), ("SYNC_001", 1), "{}: {error:#?}", pair.name);
        assert_eq!(pair.local.cell("SELECT email FROM users"), "b");
    });
}

#[test]
fn a_column_that_makes_no_conflict() {
    each_pairing(|pair| {
        pair.both(USERS);
        pair.remote.sql("INSERT INTO users VALUES (1,'a','0','x'),(2,'b','0','y'),(3,'c','0','z'),(4,'d','0','w')");
        pair.sync("");
        pair.local.sql(&rule(r#"{"no_conflict": ["last_login"]}"#));
        pair.sync("");
        // 1: REMOTE logs in, LOCAL edits. 2: both log in. 3: LOCAL logs in, REMOTE edits. 4: both edit.
        pair.remote.sql("UPDATE users SET last_login='r' WHERE id<3; UPDATE users SET email='theirs' WHERE id>2");
        pair.local.sql("UPDATE users SET last_login='l' WHERE id IN (2,3); UPDATE users SET email='ours' WHERE id IN (1,4)");
        let report = pair.sync("--conflict MANUAL");
        assert_eq!(
            (report.exit_code, table(&report, "users").conflicts.detected),
            (3, 1),
            "{}: {report:#?}",
            pair.name
        );
        let rows = "SELECT email, last_login FROM users WHERE id<4 ORDER BY id";
        pair.assert_same(rows);
        let cells: Vec<String> = pair.local.sql(rows).into_iter().flatten().flatten().collect();
        assert_eq!(cells, ["ours", "0", "b", "r", "theirs", "0"], "{}", pair.name);
        pair.assert_settled("--conflict MANUAL");
    });
}

#[test]
fn a_rule_that_cannot_be_kept() {
    each_pairing(|pair| {
        pair.both(
            "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(40) NOT NULL)",
        );
        pair.remote.sql("INSERT INTO users VALUES (1,'a')");
        pair.sync("");
        pair.local.sql(&rule(r#"{"ignore": ["email"]}"#));
        let report = pair.sync("");
        assert_eq!((report.exit_code, report.errors[0].code), (1, "SYNC_001"), "{report:#?}");
        pair.local.sql(&rule(r#"{"never": ["email"]}"#));
        let failed = pair.try_sync(crate::support::pairing::options(""), &[]).unwrap_err();
        assert_eq!(failed.code().as_str(), "CFG_002", "{failed}");
        assert!(failed.message().contains("users"), "{failed}");
    });
}
