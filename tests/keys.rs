//! Inserts, updates and deletes arrive through the digest capture on tables with every form of key.

use crate::support::pairing::table;
use crate::support::{Pair, each_pairing};

/// A table's key columns, and three keys as SQL literals for servers and for SQLite.
const KEYS: [(&str, &str, &str, [&str; 3]); 9] = [
    ("integer", "id INTEGER NOT NULL", "id", ["1", "2", "-3"]),
    ("big", "id BIGINT NOT NULL", "id", ["-9223372036854775808", "0", "9223372036854775807"]),
    (
        "unsigned",
        "id BIGINT UNSIGNED NOT NULL",
        "id",
        ["0", "9007199254740993", "9223372036854775807"],
    ),
    ("text", "id VARCHAR(40) NOT NULL", "id", ["'商品'", "'Straße'", "'it''s'"]),
    (
        "uuid",
        "id CHAR(36) NOT NULL",
        "id",
        ["'6ccd780c-baba-1026-9564-5b8c656024db'", "'a'", "'b'"],
    ),
    ("binary", "id VARBINARY(16) NOT NULL", "id", ["x'00'", "x'00ff'", "x'ff00'"]),
    (
        "composite",
        "a INTEGER NOT NULL, b VARCHAR(20) NOT NULL",
        "a, b",
        ["1,'x'", "1,'y'", "2,'x'"],
    ),
    (
        "moment",
        "id DATETIME NOT NULL",
        "id",
        ["'2024-01-01 00:00:00'", "'1999-12-31 23:59:59'", "'2024-02-29 12:00:00'"],
    ),
    ("money", "id DECIMAL(10,2) NOT NULL", "id", ["1.50", "-2.25", "100"]),
];

#[test]
fn every_form_of_key_carries_inserts_updates_and_deletes() {
    each_pairing(|pair| {
        for (name, columns, key, keys) in KEYS {
            // SQLite gives a type named BINARY numeric affinity; its own name for bytes is BLOB.
            let create = |file: bool| {
                let columns = if file {
                    columns.replace("VARBINARY(16)", "BLOB")
                } else {
                    columns.to_owned()
                };
                format!("CREATE TABLE k_{name} ({columns}, v VARCHAR(20), PRIMARY KEY ({key}))")
            };
            pair.remote.sql(&create(pair.remote.is_file()));
            pair.local.sql(&create(pair.local.is_file()));
            let [first, second, _] = keys;
            pair.remote
                .sql(&format!("INSERT INTO k_{name} VALUES ({first},'one'),({second},'two')"));
        }
        pair.sync("--type FULL");
        for (name, _, key, [first, second, third]) in KEYS {
            let at = |value: &str| {
                let parts = key.split(", ").zip(value.split(','));
                parts
                    .map(|(column, value)| format!("{column}={value}"))
                    .collect::<Vec<_>>()
                    .join(" AND ")
            };
            assert_eq!(
                pair.local.cell(&format!("SELECT COUNT(*) FROM k_{name}")),
                "2",
                "{} {name}",
                pair.name
            );
            pair.remote.sql(&format!("UPDATE k_{name} SET v='changed' WHERE {}", at(first)));
            pair.local.sql(&format!("DELETE FROM k_{name} WHERE {}", at(second)));
            pair.local.sql(&format!("INSERT INTO k_{name} VALUES ({third},'new')"));
        }
        let report = pair.sync("--type INCREMENTAL");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        for (name, ..) in KEYS {
            let cells = "SELECT v FROM k_{} ORDER BY v".replace("{}", name);
            let expected = vec![vec![Some("changed".to_owned())], vec![Some("new".to_owned())]];
            assert_eq!(pair.local.sql(&cells), expected, "{} {name}", pair.name);
            assert_eq!(pair.remote.sql(&cells), expected, "{} {name}", pair.name);
        }
        pair.assert_settled("");
        pair.assert_settled("--type FULL");
    });
}

#[test]
fn letter_case_and_spaces_are_bytes() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE names (id VARCHAR(20) NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.remote.sql("INSERT INTO names VALUES ('Bob','x'),('eve','Y')");
        pair.sync("--type FULL");
        pair.remote.sql("UPDATE names SET id='bob' WHERE id='Bob'");
        pair.remote.sql("UPDATE names SET v='y ' WHERE id='eve'");
        pair.sync("");
        assert_eq!(pair.local.cell("SELECT id FROM names WHERE v='x'"), "bob", "{}", pair.name);
        assert_eq!(
            pair.local.cell(
                "SELECT CONCAT('[',v,']') FROM names WHERE id='eve'"
                    .replace(
                        "CONCAT('[',v,']')",
                        if pair.local.is_file() { "'['||v||']'" } else { "CONCAT('[',v,']')" }
                    )
                    .as_str()
            ),
            "[y ]"
        );
        pair.assert_settled("");
    });
}

/// A key compared as a double, or as text, would find its neighbours as well.
#[test]
fn neighbours_of_a_key_are_left_alone() {
    each_pairing(|pair| {
        if pair.local.is_file() {
            return;
        }
        pair.both(
            "CREATE TABLE near (k DECIMAL(20,2) NOT NULL PRIMARY KEY, v INTEGER); \
             CREATE TABLE nearer (d DATETIME(6) NOT NULL, k DECIMAL(20,2) NOT NULL, l VARCHAR(9) CHARACTER SET latin1 NOT NULL, \
             v INTEGER, PRIMARY KEY (d, k, l))",
        );
        for n in 10..60 {
            pair.remote.sql(&format!(
                "INSERT INTO near VALUES (123456789012345678.{n}, 1); \
                 INSERT INTO nearer VALUES ('2024-01-01 00:00:00.0000{n}', 123456789012345678.{n}, 'é{n}', 1)"
            ));
        }
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        pair.remote.sql("DELETE FROM near WHERE v=1 AND RIGHT(k, 1) IN ('0', '4', '6')");
        pair.remote.sql("DELETE FROM nearer WHERE RIGHT(l, 1)='3'");
        pair.local.sql("UPDATE near SET v=2 WHERE RIGHT(k, 1)='1'");
        pair.local.sql("UPDATE nearer SET v=2 WHERE RIGHT(l, 1)='5'");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        pair.assert_same("SELECT k, v FROM near ORDER BY k");
        pair.assert_same("SELECT d, k, l, v FROM nearer ORDER BY l");
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM near"), "35", "{}", pair.name);
        assert_eq!(pair.local.cell("SELECT COUNT(*) FROM nearer"), "45", "{}", pair.name);
        pair.assert_settled("");
    });
}

#[test]
fn sets_identify_rows_where_their_labels_are_in_order() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(
        "CREATE TABLE ordered (s SET('a','b','c') NOT NULL PRIMARY KEY, v INTEGER); \
        CREATE TABLE mixed (s SET('b','a') NOT NULL PRIMARY KEY, v INTEGER)",
    );
    pair.remote.sql(
        "INSERT INTO ordered VALUES ('a,b',1),('c',2),('',3); INSERT INTO mixed VALUES ('a,b',1)",
    );
    let report = pair.sync("");
    assert_eq!(report.exit_code, 1, "{report:#?}");
    assert_eq!(report.errors.iter().map(|failure| failure.code).collect::<Vec<_>>(), ["SYNC_006"]);
    pair.assert_same("SELECT s, v FROM ordered ORDER BY v");
    pair.remote.sql("UPDATE ordered SET v=9 WHERE s='a,b'; DELETE FROM ordered WHERE s='c'");
    pair.sync("");
    pair.assert_same("SELECT s, v FROM ordered ORDER BY v");
    pair.assert_settled("");
}

#[test]
fn a_row_that_nothing_identifies_fails_its_table_alone() {
    for (remote, local) in [("SQLITE", "SQLITE"), ("MARIADB", "SQLITE")] {
        let pair = Pair::of(remote, local);
        for (table, kind, cell) in [("a", "VARCHAR(20)", "NULL"), ("b", "INT", "'text'")] {
            pair.remote.sql(&format!(
                "CREATE TABLE {table} (k {kind} NOT NULL PRIMARY KEY, v VARCHAR(20))"
            ));
            pair.local.sql(&format!("CREATE TABLE {table} (k {kind} PRIMARY KEY, v VARCHAR(20))"));
            pair.local.sql(&format!("INSERT INTO {table} VALUES ({cell},'x'),('1','y')"));
        }
        pair.both("CREATE TABLE c (k INTEGER NOT NULL PRIMARY KEY, v VARCHAR(20))");
        pair.remote.sql("INSERT INTO c VALUES (1,'z')");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 1, "{}: {report:#?}", pair.name);
        for name in ["a", "b"] {
            let error = table(&report, name).error.clone().unwrap();
            assert_eq!(error.code, "SYNC_006", "{}: {error:?}", pair.name);
            assert_eq!(pair.remote.cell(&format!("SELECT COUNT(*) FROM {name}")), "0");
        }
        pair.assert_same("SELECT k, v FROM c");
    }
}

#[test]
fn a_new_key_makes_the_old_base_none() {
    let pair = crate::support::Pair::of("MARIADB", "MARIADB2");
    pair.both(
        "CREATE TABLE t (id INTEGER NOT NULL, code INTEGER NOT NULL, v INTEGER, PRIMARY KEY (id))",
    );
    pair.remote.sql("INSERT INTO t VALUES (1,101,1),(2,102,1),(3,103,1),(5,105,1)");
    pair.sync("");
    pair.both("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (code)");
    pair.remote.sql("INSERT INTO t VALUES (50,5,1),(51,3,1)");
    let report = pair.sync("--conflict LOCAL_WINS");
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_eq!(
        [pair.remote.cell("SELECT COUNT(*) FROM t"), pair.local.cell("SELECT COUNT(*) FROM t")],
        ["6", "6"]
    );
    pair.assert_settled("");
}
