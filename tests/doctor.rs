//! The doctor: what it finds, that its statements mend it to the letter, and what it mends itself.

use db_sync::endpoint::Endpoint;
use db_sync::engine::cancel::Cancel;
use db_sync::engine::doctor::diagnose;
use db_sync::engine::doctor::diagnosis::{Diagnosis, Symptom};
use db_sync::engine::drive::block;
use db_sync::journal::lock::Locks;
use db_sync::model::Side;
use db_sync::report::Level;

use crate::support::pairing::{Pair, written};
use crate::support::{Database, each_pairing};

const TABLE: &str = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))";

fn doctor(pair: &Pair, fix: bool, more: &[(&str, &str)]) -> Diagnosis {
    let (settings, cancel) = (pair.settings(more).unwrap(), Cancel::default());
    block(&cancel, diagnose(settings, fix, cancel.clone())).unwrap()
}

fn look(pair: &Pair) -> Diagnosis {
    doctor(pair, false, &[])
}

/// Codes of what was found, but for what the test servers and this machine are (their settings, their room) and what any table
/// whose keys SQLite numbers has.
fn codes(found: &Diagnosis) -> Vec<&'static str> {
    let ours = |code: &&'static str| !["DOC_005", "DOC_007", "DOC_018", "SYS_001"].contains(code);
    found.findings.iter().map(|found| found.code).filter(ours).collect()
}

fn finding<'a>(found: &'a Diagnosis, code: &str) -> &'a Symptom {
    let found = found.findings.iter().find(|found| found.code == code);
    found.unwrap_or_else(|| panic!("no {code}"))
}

/// Runs a finding's statements as they are.
fn apply(database: &Database, found: &Symptom) {
    let sql = found.sql.as_ref().unwrap_or_else(|| panic!("no statements: {found:?}"));
    database.sql(sql);
}

fn begun(pair: &Pair) {
    pair.both(TABLE);
    pair.remote.sql("INSERT INTO t VALUES (1,'a')");
    assert_eq!(pair.sync("").exit_code, 0);
}

#[test]
fn our_own_tables_are_made_once() {
    each_pairing(|pair| {
        pair.both(TABLE);
        let found = look(pair);
        assert_eq!((codes(&found), found.exit_code), (vec!["DOC_009"], 0), "{}", found.text());
        assert!(found.sides.remote.is_some() && found.sides.local.is_some(), "{}", pair.name);
        // A look writes nothing.
        let tables = if pair.local.is_file() {
            "SELECT COUNT(*) FROM sqlite_master WHERE type='table' AND name LIKE 'db_sync%'"
        } else {
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME LIKE 'db_sync%'"
        };
        assert_eq!(pair.local.cell(tables), "0", "{}", pair.name);
        let mended = doctor(pair, true, &[]);
        let fixed = finding(&mended, "DOC_009").fixed.as_ref().expect("they are made");
        assert!(fixed.message.contains("db_sync_lease"), "{fixed:?}");
        assert_eq!(pair.local.cell(tables), "8", "{}", pair.name);
        for fix in [true, false] {
            assert_eq!(codes(&doctor(pair, fix, &[])), Vec::<&str>::new(), "{}", pair.name);
        }
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
    });
}

#[test]
fn the_statements_for_our_own_tables_make_them_and_bring_them_up_to_date() {
    each_pairing(|pair| {
        pair.both(TABLE);
        apply(&pair.local, finding(&look(pair), "DOC_009"));
        assert_eq!(codes(&look(pair)), Vec::<&str>::new(), "{}", pair.name);
        pair.local.sql("ALTER TABLE db_sync_config DROP COLUMN column_rules");
        pair.local.sql("DROP TABLE db_sync_lease");
        let found = look(pair);
        assert_eq!(codes(&found), ["DOC_010"], "{}", found.text());
        let told = finding(&found, "DOC_010");
        assert_eq!(told.note.names["tables"], "db_sync_lease, db_sync_config");
        assert_eq!(told.level, Level::Warning);
        apply(&pair.local, told);
        assert_eq!(codes(&look(pair)), Vec::<&str>::new(), "{}", pair.name);
    });
}

#[test]
fn our_own_tables_have_transactions_and_a_base_of_this_version() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    begun(&pair);
    pair.local.sql("ALTER TABLE db_sync_base ENGINE=MyISAM");
    pair.local.sql("UPDATE db_sync_state SET stamp=REPLACE(stamp,'\"version\":','\"version\":9')");
    let found = look(&pair);
    assert_eq!(codes(&found), ["DOC_011", "DOC_012"], "{}", found.text());
    assert_eq!(finding(&found, "DOC_011").table.as_deref(), Some("db_sync_base"));
    assert_eq!(finding(&found, "DOC_012").note.names["tables"], "t");
    apply(&pair.local, finding(&found, "DOC_011"));
    assert_eq!(codes(&look(&pair)), ["DOC_012"]);
    pair.sync("");
    assert_eq!(codes(&look(&pair)), Vec::<&str>::new());
}

/// A run that died in the midst of its work: of its lease nobody says whose it is any more, and its rows say RUNNING.
fn die(pair: &Pair) {
    let end = if pair.local.is_file() {
        "strftime('%Y-%m-%d %H:%M:%f','now','50 seconds')"
    } else {
        "UTC_TIMESTAMP(6) + INTERVAL 50 SECOND"
    };
    // Numbers that no line and no process has.
    pair.local
        .sql(&format!("UPDATE db_sync_lease SET owner='dead', line=4000000000, expires_at={end}"));
    pair.local.sql("UPDATE db_sync_log SET status='RUNNING', end_time=NULL");
}

#[test]
fn what_dead_runs_have_left_is_put_in_order() {
    each_pairing(|pair| {
        begun(pair);
        let running = "SELECT COUNT(*) FROM db_sync_log WHERE status='RUNNING'";
        let token = || pair.local.cell("SELECT token FROM db_sync_lease").parse::<i64>().unwrap();
        die(pair);
        let found = look(pair);
        assert_eq!(codes(&found), ["DOC_013", "DOC_014"], "{}: {}", pair.name, found.text());
        assert!(found.findings.iter().all(|found| found.fixed.is_none()));
        assert_eq!((found.exit_code, pair.local.cell(running)), (0, "2".to_owned()));
        // By hand.
        let before = token();
        apply(&pair.local, finding(&found, "DOC_013"));
        apply(&pair.local, finding(&found, "DOC_014"));
        assert_eq!(codes(&look(pair)), Vec::<&str>::new(), "{}", pair.name);
        assert!(token() > before, "whoever had the lease could still write");
        // By itself.
        die(pair);
        let before = token();
        let mended = doctor(pair, true, &[]);
        assert_eq!(codes(&mended), ["DOC_013", "DOC_014"], "{}", pair.name);
        for code in ["DOC_013", "DOC_014"] {
            let fixed = &finding(&mended, code).fixed.as_ref().expect(code).message;
            assert!(fixed.contains(" t."), "{fixed}");
        }
        let ended =
            "SELECT COUNT(*) FROM db_sync_log WHERE status='INTERRUPTED' AND end_time IS NOT NULL";
        assert_eq!(pair.local.cell(ended), "2", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_lease WHERE owner IS NULL"), "1");
        assert!(token() > before, "{}: whoever had the lease could still write", pair.name);
        let before = token();
        assert_eq!(codes(&doctor(pair, true, &[])), Vec::<&str>::new(), "{}", pair.name);
        assert_eq!(token(), before, "{}: there was nothing more to mend", pair.name);
        // Whoever comes next has the tables' locks.
        pair.assert_settled("");
    });
}

#[test]
fn a_run_that_is_at_work_is_left_alone() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    begun(&pair);
    let alive = pair.local.held_line();
    pair.local.sql(&format!(
        "UPDATE db_sync_lease SET owner='alive', line={}, heartbeat_at=UTC_TIMESTAMP(6), expires_at=UTC_TIMESTAMP(6) + INTERVAL 50 SECOND",
        alive.id
    ));
    pair.local.sql("UPDATE db_sync_log SET status='RUNNING'");
    for fix in [false, true] {
        let found = doctor(&pair, fix, &[]);
        assert_eq!(codes(&found), ["DOC_016"], "{}", found.text());
        assert!(found.findings.iter().all(|found| found.fixed.is_none()));
    }
    assert_eq!(pair.local.cell("SELECT owner FROM db_sync_lease"), "alive");
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM db_sync_log WHERE status='RUNNING'"), "2");
}

#[test]
fn a_silent_run_is_told_with_the_statement_that_ends_it() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    begun(&pair);
    let settings = pair.settings(&[]).unwrap();
    let reached = block(&Cancel::default(), Endpoint::open(Side::Local, &settings));
    let lock = Locks::name(&reached.unwrap().0.nature, "t");
    let mut silent = pair.local.held_line();
    silent.sql(&format!("DO GET_LOCK('{lock}',0)"));
    pair.local.sql(&format!(
        "UPDATE db_sync_lease SET owner='silent', line={}, heartbeat_at=UTC_TIMESTAMP(6) - INTERVAL 90 SECOND, expires_at=UTC_TIMESTAMP(6) - INTERVAL 30 SECOND",
        silent.id
    ));
    let found = doctor(&pair, true, &[]);
    assert_eq!(codes(&found), ["DOC_015"], "{}", found.text());
    let told = finding(&found, "DOC_015");
    assert_eq!(told.sql, Some(format!("KILL {};", silent.id)));
    assert!(told.note.names["seconds"].parse::<u32>().unwrap() >= 90, "{told:?}");
    apply(&pair.local, told);
    // The lock goes when the server has seen to the line's end.
    while codes(&doctor(&pair, true, &[])) == ["DOC_015"] {}
    assert_eq!(codes(&look(&pair)), Vec::<&str>::new());
}

#[test]
fn a_side_that_is_not_reached_hides_nothing_of_the_other() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (side, other) in [(Side::Remote, Side::Local), (Side::Local, Side::Remote)] {
        let pair = Pair::of("MARIADB", "MARIADB2");
        pair.both(TABLE);
        let key = format!("DB_{side}_PORT");
        let found = doctor(&pair, false, &[(&key, &closed.to_string())]);
        let unreached = finding(&found, "DB_CONN_001");
        assert_eq!((unreached.side, unreached.level), (Some(side), Level::Error));
        assert!(unreached.hint.as_ref().unwrap().message.contains(&key), "{unreached:?}");
        assert!(found.sides[side].is_none() && found.sides[other].is_some());
        let ours = codes(&found).contains(&"DOC_009");
        assert_eq!((ours, found.exit_code), (other == Side::Local, 1), "{}", found.text());
        assert!(found.text().contains(&format!("{side}: not reached")), "{}", found.text());
    }
}

#[test]
fn the_same_database_twice_is_told_and_nothing_is_compared() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(TABLE);
    let remote: Vec<(String, String)> = pair
        .variables()
        .into_iter()
        .filter(|(key, _)| key.starts_with("DB_REMOTE"))
        .map(|(key, value)| (key.replace("REMOTE", "LOCAL"), value))
        .collect();
    let more: Vec<(&str, &str)> =
        remote.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    // Not even what could be mended is: this LOCAL is none.
    let found = doctor(&pair, true, &more);
    assert_eq!(codes(&found), ["CFG_002", "DOC_009"], "{}", found.text());
    assert_eq!(finding(&found, "DOC_009").fixed, None);
    assert_eq!(pair.remote.sql("SHOW TABLES").len(), 1);
    assert_eq!(found.exit_code, 1);
}

#[test]
fn sides_that_have_swapped_places_are_told_and_nothing_is_mended() {
    each_pairing(|pair| {
        begun(pair);
        let swapped: Vec<(String, String)> = pair
            .variables()
            .into_iter()
            .map(|(key, value)| {
                let (side, other) =
                    if key.contains("REMOTE") { ("REMOTE", "LOCAL") } else { ("LOCAL", "REMOTE") };
                (key.replace(side, other), value)
            })
            .collect();
        // Which kind a side is stands only where it is a file.
        let kinds = [
            ("DB_REMOTE_ENGINE", pair.local.is_file()),
            ("DB_LOCAL_ENGINE", pair.remote.is_file()),
        ];
        let kinds = kinds.map(|(key, file)| (key, if file { "sqlite" } else { "mysql" }));
        let swapped = swapped.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let more: Vec<(&str, &str)> = swapped.chain(kinds).collect();
        let found = doctor(pair, true, &more);
        assert_eq!(codes(&found), ["SYNC_008", "DOC_009"], "{}: {}", pair.name, found.text());
        assert_eq!(finding(&found, "DOC_009").fixed, None, "{}", pair.name);
        assert_eq!(found.exit_code, 1, "{}", pair.name);
    });
}

#[test]
fn definitions_that_do_not_match_are_among_the_findings() {
    each_pairing(|pair| {
        pair.remote.sql(
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20), w INTEGER NOT NULL)",
        );
        pair.local.sql(TABLE);
        let found = look(pair);
        let told = finding(&found, "SYNC_001");
        assert_eq!((told.table.as_deref(), told.column.as_deref()), (Some("t"), Some("w")));
        assert_eq!((found.exit_code, told.level), (1, Level::Error), "{}", pair.name);
        assert_eq!(found.findings[0].level, Level::Error, "the worst come first");
        apply(&pair.local, told);
        assert_eq!(codes(&look(pair)), ["DOC_009"], "{}", pair.name);
        assert_eq!(look(pair).exit_code, 0, "{}", pair.name);
    });
}

#[test]
fn differences_that_no_sync_fails_of_have_a_code_too() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLE);
    pair.local.sql("CREATE TRIGGER fires AFTER INSERT ON t BEGIN SELECT 1; END");
    let found = look(&pair);
    let trigger = found.findings.iter().find(|found| found.note.message.contains("Triggers"));
    let trigger = trigger.unwrap_or_else(|| panic!("{}", found.text()));
    assert_eq!((trigger.code, trigger.level), ("DOC_018", Level::Note));
    let counted = found.findings.iter().find(|found| found.note.names.contains_key("tables"));
    assert_eq!(counted.unwrap().table, None, "it is about no single table");
}

#[test]
fn tables_that_nobody_configured_are_told_with_what_registers_them() {
    each_pairing(|pair| {
        begun(pair);
        pair.both("CREATE TABLE `it's \\new` (id INTEGER NOT NULL PRIMARY KEY)");
        let found = look(pair);
        assert_eq!(codes(&found), ["DOC_017"], "{}: {}", pair.name, found.text());
        apply(&pair.local, finding(&found, "DOC_017"));
        pair.remote.sql("INSERT INTO `it's \\new` VALUES (7)");
        assert_eq!(written(&pair.sync("")), 1, "{}", pair.name);
        assert_eq!(codes(&look(pair)), Vec::<&str>::new(), "{}", pair.name);
    });
}

/// An account of a test's own on one side's server, which goes away with it.
struct Account<'a> {
    database: &'a Database,
    name: String,
}

impl<'a> Account<'a> {
    fn new(database: &'a Database) -> Self {
        let name = format!("doc_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        database.sql(&format!("CREATE USER '{name}'@'%' IDENTIFIED BY 'x'"));
        Self { database, name }
    }

    fn may(&self, rights: &str, table: &str) {
        let name = self.database.name();
        self.database.sql(&format!("GRANT {rights} ON {name}.{table} TO '{}'@'%'", self.name));
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        self.database.sql(&format!("DROP USER '{}'@'%'", self.name));
    }
}

/// The statements of the finding on rights, each for itself.
fn grants(found: &Diagnosis) -> Vec<String> {
    let sql = finding(found, "SYS_004").sql.clone().unwrap_or_default();
    sql.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn rights_are_granted_by_the_statements_that_name_them() {
    for (remote, local) in [("MARIADB", "MARIADB2"), ("MYSQL", "MARIADB"), ("MARIADB", "MYSQL")] {
        let Some(pair) = Pair::try_of(remote, local) else {
            eprintln!("!!! SKIPPED: there is no MySQL server");
            continue;
        };
        pair.both(TABLE);
        pair.both("CREATE TABLE u (id INTEGER NOT NULL PRIMARY KEY)");
        for side in Side::BOTH {
            let database = if side == Side::Remote { &pair.remote } else { &pair.local };
            let account = Account::new(database);
            let (user, password) = (format!("DB_{side}_USER"), format!("DB_{side}_PASSWORD"));
            let more = [(user.as_str(), account.name.as_str()), (password.as_str(), "x")];
            // Without any right nobody is let in.
            let found = doctor(&pair, false, &more);
            let entry = finding(&found, "DB_CONN_003");
            let all = if side == Side::Local {
                "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER"
            } else {
                "SELECT, INSERT, UPDATE, DELETE"
            };
            let object = format!("`{}`.*", database.name());
            let expected = format!("GRANT {all} ON {object} TO '{}'@'%';", account.name);
            assert_eq!(entry.sql.as_ref(), Some(&expected), "{} {side}", pair.name);
            // Every table lacks DELETE, and one of them INSERT besides.
            account.may("SELECT, UPDATE", "*");
            account.may("INSERT", "t");
            let found = doctor(&pair, false, &more);
            let sql = grants(&found);
            assert_eq!(finding(&found, "SYS_004").side, Some(side));
            let who = format!("TO '{}'@'%';", account.name);
            assert_eq!(sql[0], format!("GRANT DELETE ON {object} {who}"), "{} {side}", pair.name);
            let single = format!("GRANT INSERT ON `{}`.`u` {who}", database.name());
            assert!(sql.contains(&single), "{} {side}: {sql:?}", pair.name);
            assert_eq!(sql.iter().any(|sql| sql.contains("CREATE")), side == Side::Local);
            assert_eq!(found.exit_code, 1);
            for grant in &sql {
                database.sql(grant);
            }
            let found = doctor(&pair, false, &more);
            assert_eq!(found.exit_code, 0, "{} {side}: {}", pair.name, found.text());
            // And that is enough.
            let done = pair.try_sync(crate::support::pairing::options(""), &more).unwrap();
            assert_eq!(done.exit_code, 0, "{} {side}: {done:#?}", pair.name);
            pair.local.sql("DROP TABLE IF EXISTS db_sync_config, db_sync_log, db_sync_conflict, db_sync_undo, db_sync_base, db_sync_state, db_sync_lease, db_sync_outbox");
        }
    }
}

#[test]
fn a_one_way_sync_needs_only_to_read_its_source() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(TABLE);
    let account = Account::new(&pair.remote);
    account.may("SELECT (id), INSERT", "t");
    let more = [
        ("DB_REMOTE_USER", account.name.as_str()),
        ("DB_REMOTE_PASSWORD", "x"),
        ("DB_SYNC_DIRECTION", "REMOTE_TO_LOCAL"),
    ];
    // A right to single columns is none to the table.
    let found = doctor(&pair, false, &more);
    let table = format!("`{}`.`t`", pair.remote.name());
    let grant = format!("GRANT SELECT ON {table} TO '{}'@'%';", account.name);
    assert_eq!(grants(&found), [grant.as_str()]);
    pair.remote.sql(&grant);
    let found = doctor(&pair, false, &more);
    assert_eq!(found.exit_code, 0, "{}", found.text());
    assert!(!codes(&found).contains(&"DOC_006"), "nothing is written on REMOTE");
    let both = [more[0], more[1]];
    let lacking = grants(&doctor(&pair, false, &both));
    assert_eq!(lacking, [format!("GRANT UPDATE, DELETE ON {table} TO '{}'@'%';", account.name)]);
}

#[test]
fn a_table_that_is_hidden_is_not_taken_for_a_missing_one() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    begun(&pair);
    pair.remote.sql("CREATE TABLE other (id INTEGER NOT NULL PRIMARY KEY)");
    let account = Account::new(&pair.remote);
    account.may("SELECT", "other");
    let more = [("DB_REMOTE_USER", account.name.as_str()), ("DB_REMOTE_PASSWORD", "x")];
    let found = doctor(&pair, false, &more);
    assert!(!codes(&found).contains(&"SYNC_001"), "{}", found.text());
    assert!(grants(&found)[0].starts_with("GRANT SELECT, INSERT, UPDATE, DELETE ON"));
    pair.remote.sql("DROP TABLE t");
    account.may("SELECT, INSERT, UPDATE, DELETE", "*");
    assert!(codes(&doctor(&pair, false, &more)).contains(&"SYNC_001"), "now it is missing");
}

#[test]
fn roles_and_rights_of_everybody_count() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(TABLE);
    let account = Account::new(&pair.remote);
    let (user, name) = (&account.name, pair.remote.name());
    pair.remote.sql(&format!(
        "CREATE ROLE r_{user}; GRANT SELECT, INSERT ON {name}.* TO r_{user}; GRANT r_{user} TO '{user}'@'%'; \
         SET DEFAULT ROLE r_{user} FOR '{user}'@'%'; GRANT UPDATE, DELETE ON {name}.* TO PUBLIC"
    ));
    let more = [("DB_REMOTE_USER", user.as_str()), ("DB_REMOTE_PASSWORD", "x")];
    let found = doctor(&pair, false, &more);
    pair.remote.sql(&format!("REVOKE UPDATE, DELETE ON {name}.* FROM PUBLIC; DROP ROLE r_{user}"));
    assert_eq!(found.exit_code, 0, "{}", found.text());
    let temporary = finding(&found, "DOC_006").sql.clone().unwrap();
    assert_eq!(temporary, format!("GRANT CREATE TEMPORARY TABLES ON `{name}`.* TO '{user}'@'%';"));
}
