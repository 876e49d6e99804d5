//! How tables are synced: listed, set, imported and exported.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use db_sync::engine::cancel::Cancel;
use db_sync::engine::configure::{self, Changes, Exported, Listing, document};
use db_sync::engine::drive::block;
use db_sync::error::{Code, Result, SyncError};
use serde_json::{Value as Json, json};

use crate::support::database::{Place, Rows};
use crate::support::pairing::{options, written};
use crate::support::{Pair, each_pairing, eventually};

const TABLES: &str = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a VARCHAR(20), B VARCHAR(20)); \
    CREATE TABLE u (id INTEGER NOT NULL PRIMARY KEY)";
const ROWS: &str = "SELECT table_name, sync_enabled, sync_type, sync_direction, conflict_resolution, priority, column_rules \
    FROM db_sync_config ORDER BY table_name";

fn ask<T, W: Future<Output = Result<T>>>(work: W) -> Result<T> {
    block(&Cancel::default(), work)
}

fn try_set(pair: &Pair, table: &str, pairs: &[&str], more: &[(&str, &str)]) -> Result<Changes> {
    let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
    ask(configure::set(pair.settings(more).unwrap(), table, &pairs))
}

fn set(pair: &Pair, table: &str, pairs: &[&str]) -> Changes {
    let set = try_set(pair, table, pairs, &[]);
    set.unwrap_or_else(|error| panic!("{}: {error}", pair.name))
}

fn import(pair: &Pair, text: &str, dry_run: bool) -> Changes {
    let file = document::read("f.yaml", text);
    let imported = ask(configure::import(pair.settings(&[]).unwrap(), file, dry_run));
    imported.unwrap_or_else(|error| panic!("{}: {error}", pair.name))
}

fn list(pair: &Pair) -> Result<Listing> {
    ask(configure::list(pair.settings(&[]).unwrap()))
}

fn export(pair: &Pair) -> Result<Exported> {
    ask(configure::export(pair.settings(&[]).unwrap()))
}

fn codes(changes: &Changes) -> Vec<&'static str> {
    changes.errors.iter().map(|error| error.code).collect()
}

/// Rows as `name enabled type direction strategy priority rules`.
fn rows(pair: &Pair) -> Vec<String> {
    let line = |row: Vec<Option<String>>| {
        let cells: Vec<String> = row.into_iter().flatten().collect();
        cells.join(" ")
    };
    pair.local.sql(ROWS).into_iter().map(line).collect()
}

fn own_tables(pair: &Pair) -> Rows {
    pair.local.sql(if pair.local.is_file() {
        "SELECT name FROM sqlite_master WHERE name LIKE 'db_sync_%'"
    } else {
        "SHOW TABLES LIKE 'db_sync_%'"
    })
}

#[test]
fn a_table_is_registered_as_the_first_run_would_and_every_setting_is_what_the_run_reads() {
    each_pairing(|pair| {
        pair.both(TABLES);
        let more = [("DB_SYNC_CONFLICT", "MANUAL"), ("DB_SYNC_TYPE", "FULL")];
        let registered = try_set(pair, "t", &["enabled=yes"], &more).unwrap();
        assert_eq!(rows(pair), ["t 1 FULL BOTH MANUAL 0"], "{}", pair.name);
        assert!(registered.tables[0].registered);
        let words = [
            "type=incremental",
            "direction=Remote_To_Local",
            "conflict=skip",
            "priority=-3",
            "ignore=b, a",
            "no_conflict=A",
        ];
        let changed = set(pair, "t", &words);
        let row =
            r#"t 1 INCREMENTAL REMOTE_TO_LOCAL SKIP -3 {"ignore":["b","a"],"no_conflict":["A"]}"#;
        assert_eq!(rows(pair), [row], "{}", pair.name);
        let altered = json!(changed.tables[0].settings);
        assert_eq!(altered["priority"], json!({"from": 0, "to": -3}));
        assert_eq!(altered.get("enabled"), None, "{altered}");
        assert!(
            set(pair, "t", &words).tables.is_empty(),
            "{}: nothing is left to change",
            pair.name
        );
        pair.remote.sql("INSERT INTO t VALUES (1,'a','b')");
        pair.local.sql("INSERT INTO t VALUES (2,'x','y')");
        let report = pair.sync("");
        assert_eq!((report.exit_code, report.tables.len()), (0, 1), "{}: {report:#?}", pair.name);
        assert_eq!(
            pair.local.cell("SELECT COUNT(*) FROM t WHERE id=1 AND a IS NULL AND B IS NULL"),
            "1"
        );
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t"), "1");
        set(pair, "t", &["ignore=", "no_conflict=", "enabled=off"]);
        assert_eq!(rows(pair), ["t 0 INCREMENTAL REMOTE_TO_LOCAL SKIP -3"], "{}", pair.name);
        set(pair, "u", &["enabled=true"]);
        let report = pair.sync("");
        let names: Vec<&str> = report.tables.iter().map(|table| &*table.table).collect();
        assert_eq!(names, ["u"], "{}", pair.name);
    });
}

#[test]
fn what_is_wrong_is_told_at_once_and_changes_nothing() {
    each_pairing(|pair| {
        pair.both(TABLES);
        set(pair, "t", &["ignore=a"]);
        let before = pair.local.sql("SELECT * FROM db_sync_config");
        let cases: [(&str, &[&str], &[&str]); 9] = [
            ("t", &["type=half"], &["CFG_002"]),
            (
                "t",
                &["direction=UP", "conflict=", "priority=1.5"],
                &["CFG_004", "CFG_002", "CFG_002"],
            ),
            ("t", &["priority=1", "enabled=perhaps"], &["CFG_002"]),
            ("t", &["priority=1", "colour=red", "enabled"], &["CFG_002", "CFG_002"]),
            ("t", &["ignore=a,nowhere", "no_conflict=else"], &["CFG_002", "CFG_002"]),
            ("nobody", &["enabled=true"], &["CFG_003"]),
            ("*", &["ignore=a"], &["CFG_002"]),
            ("db_sync_log", &["enabled=true"], &["CFG_002"]),
            ("t; DROP TABLE t", &["enabled=true"], &["CFG_003"]),
        ];
        for (table, pairs, expected) in cases {
            let refused = set(pair, table, pairs);
            assert_eq!(codes(&refused), expected, "{}: {table} {pairs:?}", pair.name);
            assert_eq!((refused.exit_code, refused.tables.len()), (2, 0));
        }
        let file = "tables:\n- {table: u, priority: 4}\n- {table: t, conflict: MANUAL, ignore: [gone]}\n- nobody\n- u\n- {}\n";
        let refused = import(pair, file, false);
        let expected = ["CFG_002", "CFG_002", "CFG_003", "CFG_002"];
        assert_eq!(codes(&refused), expected, "{}: {refused:#?}", pair.name);
        assert_eq!(pair.local.sql("SELECT * FROM db_sync_config"), before, "{}", pair.name);
    });
}

#[test]
fn a_file_of_the_older_setup_is_taken_and_other_tables_stay() {
    each_pairing(|pair| {
        pair.both(TABLES);
        pair.both("CREATE TABLE v (id INTEGER NOT NULL PRIMARY KEY)");
        set(pair, "u", &["priority=2", "enabled=false", "conflict=MANUAL"]);
        set(pair, "v", &["priority=9"]);
        let file = "synchronization:\n  interval: 60\n  direction: REMOTE_TO_LOCAL\n  sync_tables:\n  - name: t\n    sync_type: full\n  - u\n";
        let before = pair.local.sql("SELECT * FROM db_sync_config");
        let shown = import(pair, file, true);
        assert_eq!(pair.local.sql("SELECT * FROM db_sync_config"), before, "{}", pair.name);
        let taken = import(pair, file, false);
        assert_eq!((&shown.tables, shown.dry_run), (&taken.tables, true), "{}", pair.name);
        assert_eq!(
            rows(pair),
            [
                "t 1 FULL REMOTE_TO_LOCAL REMOTE_WINS 0",
                "u 1 INCREMENTAL REMOTE_TO_LOCAL MANUAL 2",
                "v 1 INCREMENTAL BOTH REMOTE_WINS 9"
            ],
            "{}",
            pair.name
        );
        let notes: Vec<&str> = taken.notes.iter().map(|note| &*note.message).collect();
        assert!(notes[0].contains("synchronization.interval is not taken"), "{notes:?}");
        assert_eq!(notes[1..], ["Tables that the file does not list stay as they are: v."]);
        let again = import(pair, file, false);
        assert_eq!((again.tables.len(), again.unchanged), (0, 2), "{}", pair.name);
    });
}

#[test]
fn what_is_exported_is_taken_back_to_the_same_rows() {
    let names = [
        "a`; DROP TABLE t; --",
        "it's \"so\": [x]",
        "null",
        "- two\n# lines\ttab",
        "表 ünï",
        "{t} %s ?",
        "~",
        "😀",
        " x ",
    ];
    for (remote, local) in [("MARIADB", "MARIADB2"), ("SQLITE", "SQLITE")] {
        let pair = Pair::of(remote, local);
        pair.both(TABLES);
        // Servers take neither the last but one, nor a space at the end.
        let names = if pair.local.is_file() { &names[..] } else { &names[..names.len() - 2] };
        for (at, name) in names.iter().enumerate() {
            let quoted = name.replace('`', "``");
            let column = if at == 1 { "c,d: 'e'" } else { "c" };
            pair.both(&format!(
                "CREATE TABLE `{quoted}` (id INTEGER NOT NULL PRIMARY KEY, `{column}` INTEGER)"
            ));
            let priority = format!("priority={at}");
            let strategy = format!("conflict={}", ["SKIP", "MANUAL", "LOCAL_WINS"][at % 3]);
            let done = set(&pair, name, &[&priority, &strategy, "enabled=no", "type=FULL"]);
            assert_eq!(done.exit_code, 0, "{done:#?}");
        }
        let comma = json!({"tables": [{"table": names[1], "no_conflict": ["c,d: 'e'"]}]});
        assert_eq!(import(&pair, &comma.to_string(), false).exit_code, 0);
        set(&pair, "t", &["direction=LOCAL_TO_REMOTE", "ignore=a,b", "no_conflict=B"]);
        set(&pair, "*", &["conflict=MANUAL", "type=FULL"]);
        let (before, exported) = (rows(&pair), export(&pair).unwrap());
        assert_eq!(before.len(), names.len() + 2);
        let yaml = document::write(&exported.tables);
        for text in [yaml, json!(exported).to_string()] {
            pair.local.sql("DELETE FROM db_sync_config");
            let taken = import(&pair, &text, false);
            assert_eq!(
                (taken.exit_code, taken.tables.len()),
                (0, before.len()),
                "{text}: {taken:#?}"
            );
            assert!(taken.notes.is_empty() && taken.tables.iter().all(|change| change.registered));
            assert_eq!(rows(&pair), before, "{text}");
            assert!(import(&pair, &text, false).tables.is_empty());
        }
    }
}

#[test]
fn defaults_of_a_file_hold_for_the_tables_that_it_registers() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLES);
    set(&pair, "u", &["priority=1"]);
    import(
        &pair,
        "tables: [t, {table: '*', conflict: SKIP, type: FULL, direction: LOCAL_TO_REMOTE}, u]",
        false,
    );
    let expected = [
        "* 1 FULL LOCAL_TO_REMOTE SKIP 0",
        "t 1 FULL LOCAL_TO_REMOTE SKIP 0",
        "u 1 INCREMENTAL BOTH REMOTE_WINS 1",
    ];
    assert_eq!(rows(&pair), expected);
    pair.local.sql("DELETE FROM db_sync_config WHERE table_name='t'");
    set(&pair, "t", &["priority=5"]);
    assert_eq!(rows(&pair)[1], "t 1 FULL LOCAL_TO_REMOTE SKIP 5");
}

#[test]
fn remote_is_asked_for_what_local_does_not_know() {
    let pair = Pair::of("MARIADB", "SQLITE");
    pair.both(TABLES);
    pair.remote
        .sql("CREATE TABLE there (id INT NOT NULL PRIMARY KEY); ALTER TABLE t ADD COLUMN far INT");
    set(&pair, "t", &["ignore=FAR"]);
    set(&pair, "there", &["enabled=true"]);
    assert_eq!(codes(&set(&pair, "t", &["ignore=further"])), ["CFG_002"]);
    let away = [("DB_REMOTE_PORT", "1"), ("DB_CONNECT_TIMEOUT", "1")];
    let near = |table: &str, pairs: &[&str]| try_set(&pair, table, pairs, &away);
    assert_eq!(near("t", &["priority=1", "no_conflict=a"]).unwrap().exit_code, 0);
    assert_eq!(near("u", &["type=FULL"]).unwrap().exit_code, 0);
    assert_eq!(codes(&near("u", &["type=half"]).unwrap()), ["CFG_002"]);
    for (table, pairs) in [("t", ["no_conflict=other"]), ("elsewhere", ["enabled=true"])] {
        let refused = near(table, &pairs).unwrap_err();
        assert_eq!(refused.code().as_str(), "DB_CONN_001", "{refused}");
    }
    // A rule may outlive its column, and a row its table.
    pair.remote.sql("DROP TABLE there");
    assert_eq!(near("t", &["ignore=far,a"]).unwrap_err().code().as_str(), "DB_CONN_001");
    assert_eq!(near("t", &["ignore=FAR,a"]).unwrap().exit_code, 0);
    assert_eq!(near("there", &["enabled=no"]).unwrap().exit_code, 0);
    assert_eq!(rows(&pair)[1], "there 0 INCREMENTAL BOTH REMOTE_WINS 0");
}

#[test]
fn a_table_is_called_as_a_run_calls_it() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    for (database, name) in
        [(&pair.remote, "Products"), (&pair.local, "products"), (&pair.remote, "Alone")]
    {
        database.sql(&format!("CREATE TABLE {name} (id INT NOT NULL PRIMARY KEY)"));
    }
    for name in ["PRODUCTS", "Products", "products", "alone"] {
        assert_eq!(set(&pair, name, &["priority=1"]).exit_code, 0, "{name}");
    }
    let names = || -> Vec<String> {
        rows(&pair).iter().map(|row| row.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(), ["Alone", "products"]);
    let twice = import(&pair, "tables: [products, {table: PRODUCTS, priority: 3}]", false);
    assert_eq!(codes(&twice), ["CFG_002"]);
    assert_eq!(twice.errors[0].message, "f.yaml, line 1: table products is listed already.");
    // Where REMOTE has tables of both spellings, each is itself.
    pair.remote.sql("CREATE TABLE products (id INT NOT NULL PRIMARY KEY)");
    set(&pair, "Products", &["priority=2"]);
    assert_eq!(names(), ["Alone", "Products", "products"]);
}

#[test]
fn before_the_first_sync_only_a_change_makes_our_tables() {
    each_pairing(|pair| {
        pair.both(TABLES);
        for missing in [list(pair).map(drop), export(pair).map(drop)] {
            let refused: SyncError = missing.unwrap_err();
            assert_eq!(refused.code().as_str(), "SYNC_001", "{}", pair.name);
            assert!(refused.hint().contains("migrate --database local"), "{refused}");
        }
        assert_eq!(import(pair, "tables: [t]", true).tables.len(), 1);
        assert_eq!(codes(&import(pair, "tables: [t, nobody]", false)), ["CFG_003"]);
        assert_eq!(codes(&set(pair, "t", &["type=half"])), ["CFG_002"]);
        assert_eq!(own_tables(pair), Rows::new(), "{}", pair.name);
        import(pair, "tables: [t]", false);
        assert_eq!(list(pair).unwrap().tables.len(), 1);
        pair.remote.sql("INSERT INTO t VALUES (1,'a','b'); INSERT INTO u VALUES (1)");
        let report = pair.sync("");
        assert_eq!((report.exit_code, written(&report)), (0, 1), "{}: {report:#?}", pair.name);
    });
}

#[test]
fn an_older_installation_is_listed_as_it_is_and_upgraded_by_a_change() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLES);
    pair.local.sql(
        "CREATE TABLE db_sync_config (id INTEGER PRIMARY KEY AUTOINCREMENT, table_name VARCHAR(100) UNIQUE, sync_enabled INTEGER, \
         sync_type TEXT, sync_direction TEXT, last_sync_time DATETIME, last_sync_position TEXT, priority INTEGER, \
         conflict_resolution TEXT, created_at DATETIME, updated_at DATETIME); INSERT INTO db_sync_config \
         (table_name, sync_enabled, sync_type, sync_direction, priority, conflict_resolution) VALUES ('t',1,'FULL','BOTH',3,'SKIP')",
    );
    assert_eq!(list(&pair).unwrap().tables[0].table, "t");
    assert_eq!(own_tables(&pair).len(), 1);
    set(&pair, "t", &["ignore=a"]);
    assert_eq!(rows(&pair), [r#"t 1 FULL BOTH SKIP 3 {"ignore":["a"]}"#]);
}

#[test]
fn a_row_that_cannot_be_understood_is_told_and_can_be_mended() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLES);
    set(&pair, "u", &["priority=1"]);
    set(&pair, "t", &["priority=7"]);
    pair.local.sql("UPDATE db_sync_config SET sync_type='half', sync_direction='UP', column_rules='[1]' WHERE table_name='t'");
    let listing = list(&pair).unwrap();
    let told: Vec<&str> = listing.errors.iter().map(|error| error.code).collect();
    assert_eq!(told, ["CFG_002", "CFG_002", "CFG_004"], "{listing:#?}");
    assert_eq!((listing.tables.len(), &*listing.tables[0].table, listing.exit_code), (1, "u", 2));
    assert_eq!(export(&pair).unwrap_err().code().as_str(), "CFG_002");
    assert_eq!(codes(&set(&pair, "t", &["priority=1"])), ["CFG_002", "CFG_002", "CFG_004"]);
    let half = set(&pair, "t", &["type=INCREMENTAL", "ignore="]);
    assert_eq!(codes(&half), ["CFG_002", "CFG_004"], "{half:#?}");
    let mended =
        set(&pair, "t", &["type=INCREMENTAL", "ignore=", "no_conflict=", "direction=BOTH"]);
    let altered = json!(mended.tables[0].settings);
    assert_eq!(altered["type"], json!({"from": null, "to": "INCREMENTAL"}));
    assert_eq!(rows(&pair)[0], "t 1 INCREMENTAL BOTH REMOTE_WINS 7");
    pair.local.sql("UPDATE db_sync_config SET table_name='*', conflict_resolution='newest' WHERE table_name='t'");
    assert_eq!(codes(&set(&pair, "t", &["priority=1"])), ["CFG_002"]);
    assert_eq!(codes(&set(&pair, "u", &["priority=1"])), Vec::<&str>::new());
}

#[test]
fn the_row_of_a_new_server_leaves_the_word_to_the_environment() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLES);
    // As the script for new servers makes it.
    set(&pair, "*", &["enabled=true"]);
    assert_eq!(rows(&pair), ["* 1 INCREMENTAL BOTH REMOTE_WINS 0"]);
    let one_way = [
        ("DB_SYNC_DIRECTION", "REMOTE_TO_LOCAL"),
        ("DB_SYNC_TYPE", "FULL"),
        ("DB_SYNC_CONFLICT", "MANUAL"),
    ];
    pair.try_sync(options(""), &one_way).unwrap();
    assert!(rows(&pair).contains(&"t 1 FULL REMOTE_TO_LOCAL MANUAL 0".to_owned()));
    // What the row says otherwise goes before the environment.
    pair.local.sql("DELETE FROM db_sync_config WHERE table_name<>'*'");
    set(&pair, "*", &["conflict=LOCAL_WINS"]);
    pair.try_sync(options(""), &one_way).unwrap();
    assert!(rows(&pair).contains(&"t 1 FULL REMOTE_TO_LOCAL LOCAL_WINS 0".to_owned()));
}

#[test]
fn a_row_that_cannot_be_understood_stops_only_who_uses_it() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLES);
    pair.sync("");
    pair.local.sql("UPDATE db_sync_config SET sync_direction='bidirectional' WHERE table_name='t'");
    let code = |flags: &str| pair.try_sync(options(flags), &[]).map_err(|error| error.code());
    assert_eq!(code("").unwrap_err(), Code::Cfg004);
    assert_eq!(code("--table t").unwrap_err(), Code::Cfg004);
    assert_eq!(code("--table t --type FULL").unwrap_err(), Code::Cfg004);
    assert_eq!(code("--table u").unwrap().exit_code, 0);
    assert_eq!(code("--direction BOTH").unwrap().exit_code, 0);
    pair.local.sql("UPDATE db_sync_config SET sync_enabled=0 WHERE table_name='t'");
    assert_eq!(code("").unwrap().exit_code, 0);
}

#[test]
fn two_rows_for_one_table_are_refused() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLES);
    // An older installation may have no unique key there.
    pair.local.sql(
        "CREATE TABLE db_sync_config (id INTEGER PRIMARY KEY, table_name TEXT, sync_enabled INT, sync_type TEXT, \
         sync_direction TEXT, conflict_resolution TEXT, priority INT, created_at TEXT, updated_at TEXT, \
         last_sync_time TEXT, last_sync_position TEXT)",
    );
    for table in ["t", "t", "u"] {
        let row = format!("('{table}',1,'FULL','BOTH','SKIP',0)");
        pair.local.sql(&format!(
            "INSERT INTO db_sync_config (table_name,sync_enabled,sync_type,sync_direction,conflict_resolution,priority) VALUES {row}"
        ));
    }
    let refused = pair.try_sync(options(""), &[]).unwrap_err();
    assert_eq!((refused.code(), refused.name("table")), (Code::Cfg002, Some("t")), "{refused}");
    assert_eq!(pair.sync("--table u").exit_code, 0);
}

#[test]
fn a_key_that_rows_are_known_by_is_never_left_out() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(
        "CREATE TABLE k (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20)); \
        CREATE TABLE n (id INTEGER NOT NULL PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE)",
    );
    pair.sync("");
    let refused = set(&pair, "k", &["ignore=v,ID"]);
    assert_eq!(codes(&refused), ["CFG_002"], "{refused:#?}");
    assert!(refused.errors[0].message.contains("without id"), "{refused:#?}");
    // Rows that have a name of their own can be numbered by each side as it likes.
    assert_eq!(set(&pair, "n", &["ignore=id"]).exit_code, 0);
    pair.remote.sql("INSERT INTO n VALUES (7,'a')");
    pair.local.sql("INSERT INTO n VALUES (7,'b')");
    assert_eq!(pair.sync("").exit_code, 0);
    pair.assert_same("SELECT code FROM n ORDER BY code");
    pair.assert_settled("");
    // A row that somebody made by hand is told for what it is, with no advice to change keys.
    pair.local
        .sql("UPDATE db_sync_config SET column_rules='{\"ignore\":[\"id\"]}' WHERE table_name='k'");
    let report = pair.try_sync(options("--table k"), &[]).unwrap();
    let error = report.errors.first().unwrap();
    assert_eq!((error.code, report.exit_code), ("SYNC_001", 1), "{report:#?}");
    assert!(error.message.contains("the key (id) is never synced"), "{error:#?}");
}

#[test]
fn two_people_who_change_one_table_at_once_both_get_their_way() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(TABLES);
    set(&pair, "t", &["priority=1"]);
    let mut other = pair.local.held_line();
    other.sql("START TRANSACTION");
    other.sql("UPDATE db_sync_config SET priority=9 WHERE table_name='t'");
    let settings = pair.settings(&[]).unwrap();
    let pairs = ["ignore=a".to_owned()];
    let ours = std::thread::spawn(move || ask(configure::set(settings, "t", &pairs)));
    let waits = format!(
        "SELECT COUNT(*) FROM information_schema.innodb_trx JOIN information_schema.processlist AS p ON p.id=trx_mysql_thread_id \
         WHERE trx_state='LOCK WAIT' AND p.db='{}'",
        pair.local.name()
    );
    eventually("the change waits", || pair.local.cell(&waits) == "1" || ours.is_finished());
    other.sql("COMMIT");
    let changes = ours.join().unwrap().unwrap();
    assert_eq!(rows(&pair), [r#"t 1 INCREMENTAL BOTH REMOTE_WINS 9 {"ignore":["a"]}"#]);
    assert_eq!(changes.tables[0].settings.len(), 1, "{changes:#?}");
}

/// The command's status, stdout and stderr.
fn command(pair: &Pair, folder: &Path, words: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_db-sync"));
    command.arg("config").args(words).envs(pair.variables()).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

#[test]
fn the_command_says_what_it_did() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both(TABLES);
    let Place::File(path) = &pair.local.place else { unreachable!("a file") };
    let folder = path.parent().unwrap();
    let run = |words: &[&str], input: &str| command(&pair, folder, words, input);
    assert_eq!(run(&["list"], "").0, 1);
    assert_eq!(run(&["enable", "t"], ""), (0, "t is changed.\n".into(), String::new()));
    run(&["set", "t", "priority=-3", "ignore=a,B"], "");
    run(&["disable", "u"], "");
    let listed = "u                                 off  INCREMENTAL  BOTH  REMOTE_WINS  priority=0\n\
                  t                                 on  INCREMENTAL  BOTH  REMOTE_WINS  priority=-3  ignore=a,B\n";
    assert_eq!(run(&["list"], ""), (0, listed.into(), String::new()));
    let (exit, yaml, _) = run(&["export"], "");
    assert_eq!(exit, 0);
    assert!(yaml.contains("- table: t\n  enabled: true\n  type: INCREMENTAL\n"), "{yaml}");
    std::fs::write(folder.join("f.yaml"), yaml.replace("priority: -3", "priority: 4")).unwrap();
    let (exit, text, _) = run(&["import", "f.yaml", "--dry-run"], "");
    let told = "t: priority -3 → 4\n1 table(s) would be changed, 1 as they were\n";
    assert_eq!((exit, &*text), (0, told));
    let (exit, json, _) =
        run(&["import", "-", "--json"], "tables: [{table: u, enabled: on}, {x: y}]");
    let refused: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (exit, &refused["errors"][0]["code"], &refused["tables"]),
        (2, &json!("CFG_002"), &json!([]))
    );
    let (exit, out, err) = run(&["set", "t", "type=half", "colour=red"], "");
    assert_eq!((exit, &*out, err.matches("CFG_002").count()), (2, "", 2), "{err}");
    let (exit, text, _) = run(&["import", "-"], "tables: [{table: u, enabled: on}]");
    let told = "u: enabled false → true\nTables that the file does not list stay as they are: t.\n1 table(s) changed, 0 as they were\n";
    assert_eq!((exit, &*text), (0, told));
    let (exit, _, err) = run(&["import", "nowhere.yaml"], "");
    assert!(exit == 2 && err.starts_with("CFG_002: nowhere.yaml cannot be read"), "{err}");
    let (_, json, _) = run(&["list", "--json"], "");
    let listing: Json = serde_json::from_str(&json).unwrap();
    let first = json!({"table": "t", "enabled": true, "type": "INCREMENTAL", "direction": "BOTH", "conflict": "REMOTE_WINS",
                       "priority": -3, "ignore": ["a", "B"], "no_conflict": []});
    assert_eq!((&listing["tables"][1], &listing["errors"]), (&first, &json!([])));
}

#[test]
fn the_examples_of_the_documentation_are_taken() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap();
    let examples: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both("CREATE TABLE shop_product (id INTEGER PRIMARY KEY, first_name, last_login, views)");
    for table in ["shop_category", "products", "orders"] {
        pair.both(&format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY)"));
    }
    let taken: Vec<Changes> = examples.iter().map(|text| import(&pair, text, true)).collect();
    assert!(taken.iter().all(|changes| changes.errors.is_empty()), "{taken:#?}");
    let told = |at: usize| (taken[at].tables.len(), taken[at].notes.len());
    assert_eq!((taken.len(), told(0), told(1)), (2, (3, 0), (2, 2)));
    let session = page.split("import sync.yaml\n").nth(1).unwrap().split("```").next().unwrap();
    for note in &taken[1].notes {
        let line = note.message.replace("f.yaml", "sync.yaml");
        assert!(session.contains(&line), "{line}");
    }
}
