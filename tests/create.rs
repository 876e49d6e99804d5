//! Tables that one side lacks, made from the other side's definition.

use crate::support::pairing::table;
use crate::support::{Pair, each_pairing};

const SERVER: &str = "CREATE TABLE maker (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL, \
    country CHAR(2) NOT NULL DEFAULT 'de', UNIQUE KEY by_name (name), KEY by_country (country)) DEFAULT CHARSET=utf8mb4; \
    CREATE TABLE `dash-ed table` (`or-der` INT NOT NULL, `select` VARCHAR(40) NOT NULL, maker_id BIGINT UNSIGNED NULL, \
    price DECIMAL(20,4) NOT NULL DEFAULT 1.5, made DATETIME(3) NULL DEFAULT CURRENT_TIMESTAMP(3), state ENUM('new','old') NOT NULL DEFAULT 'new', \
    tags SET('a','b') NULL, doc JSON NULL, body LONGTEXT, picture BLOB, flag TINYINT(1) NOT NULL DEFAULT 0, bits BIT(3) NULL, y YEAR NULL, \
    t TIME(6) NULL, f FLOAT NULL, d DOUBLE NULL, ts TIMESTAMP NULL DEFAULT NULL, \
    doubled DECIMAL(21,4) GENERATED ALWAYS AS (price * 2) STORED, \
    PRIMARY KEY (`or-der`, `select`), KEY by_body (body(20)), \
    CONSTRAINT `made by` FOREIGN KEY (maker_id) REFERENCES maker (id) ON DELETE CASCADE ON UPDATE SET NULL) DEFAULT CHARSET=utf8mb4; \
    INSERT INTO maker (name) VALUES ('Ä'),('B'); \
    INSERT INTO `dash-ed table` (`or-der`,`select`,maker_id,price,made,tags,doc,body,picture,bits,y,t,f,d) VALUES \
    (1,'x',1,12.5,'2024-01-02 03:04:05.678','a,b','{\"a\":1}','long',x'00ff',b'101',2024,'-01:02:03.5',0.5,0.1), \
    (2,'y',NULL,99999999.9999,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL)";

const FILE: &str = "CREATE TABLE maker (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name VARCHAR(80) NOT NULL UNIQUE, country CHAR(2) NOT NULL DEFAULT 'de'); \
    CREATE INDEX by_country ON maker (country); \
    CREATE TABLE \"dash-ed table\" (\"or-der\" INTEGER NOT NULL, \"select\" TEXT NOT NULL, maker_id BIGINT REFERENCES maker (id) ON DELETE CASCADE, \
    price DECIMAL, made DATETIME DEFAULT CURRENT_TIMESTAMP, doc JSON, body TEXT, picture BLOB, flag BOOL NOT NULL DEFAULT 0, day DATE, t TIME, d REAL, \
    PRIMARY KEY (\"or-der\", \"select\")); \
    INSERT INTO maker (name) VALUES ('Ä'),('B'); \
    INSERT INTO \"dash-ed table\" VALUES (1,'x',1,12.5,'2024-01-02 03:04:05.678','{\"a\":1}','long',x'00ff',1,'2024-02-29','-01:02:03.5',0.1), \
    (2,'y',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL)";

fn rows(pair: &Pair) -> [String; 2] {
    [&pair.remote, &pair.local].map(|side| {
        let name = if side.is_file() { "\"dash-ed table\"" } else { "`dash-ed table`" };
        side.cell(&format!("SELECT COUNT(*) FROM {name}"))
    })
}

#[test]
fn a_table_that_cannot_be_made_fails_alone() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.remote.sql(
        "CREATE TABLE aa (id INT NOT NULL PRIMARY KEY, f BINARY(3) DEFAULT 'ab', e ENUM('a\\\\b','l\\nf')); \
         INSERT INTO aa VALUES (1,'abc','a\\\\b'),(2,DEFAULT,'l\\nf'); \
         CREATE TABLE part (b VARCHAR(9), PRIMARY KEY (b(3))); INSERT INTO part VALUES ('x'); \
         CREATE TABLE zz (id INT NOT NULL PRIMARY KEY); INSERT INTO zz VALUES (1)",
    );
    for flags in ["--create-tables --dry-run", "--create-tables", "--create-tables"] {
        let report = pair.sync(flags);
        let error = table(&report, "part").error.clone().unwrap();
        assert_eq!((error.code, report.exit_code), ("SYNC_006", 1), "{flags}: {error:#?}");
    }
    assert_eq!(pair.local.sql("SHOW TABLES LIKE 'part'"), Vec::<Vec<Option<String>>>::new());
    pair.assert_same("SELECT id, HEX(f), HEX(e) FROM aa ORDER BY id");
    pair.assert_same("SELECT id FROM zz");
    assert_eq!(pair.local.cell("SELECT HEX(DEFAULT(f)) FROM aa LIMIT 1"), "616200");
    let pair = Pair::of("SQLITE", "MARIADB");
    pair.remote.sql(
        "CREATE TABLE pp (id INTEGER PRIMARY KEY, a INT DEFAULT (1+1)); INSERT INTO pp VALUES (1,5); \
         CREATE TABLE cc (id INTEGER PRIMARY KEY, p INT REFERENCES pp); INSERT INTO cc VALUES (1,1); \
         CREATE TABLE huge (id INTEGER PRIMARY KEY, a_column_whose_name_is_longer_than_a_server_takes_names_of_columns_to_be INT)",
    );
    let report = pair.sync("--create-tables");
    assert_eq!(report.exit_code, 1, "{report:#?}");
    assert!(table(&report, "huge").error.is_some());
    pair.assert_same("SELECT id, p FROM cc");
    let keys = "SELECT REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA=DATABASE() AND REFERENCED_TABLE_NAME='pp'";
    assert_eq!(pair.local.cell(keys), "id");
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.remote.sql("CREATE TABLE pp (id INTEGER PRIMARY KEY, a INT DEFAULT (1+1)); INSERT INTO pp VALUES (1,5); \
        CREATE TABLE cc (id INTEGER PRIMARY KEY, p INT REFERENCES pp); INSERT INTO cc VALUES (1,1)");
    assert_eq!(pair.sync("--create-tables").exit_code, 0);
    pair.assert_same("SELECT id, p FROM cc");
}

#[test]
fn a_table_that_is_made_anew_is_filled_and_empties_nothing() {
    for to in ["MARIADB2", "SQLITE"] {
        let pair = Pair::of("MARIADB", to);
        pair.remote.sql("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v INT); INSERT INTO t SELECT seq, seq FROM seq_1_to_100");
        assert_eq!(pair.sync("--create-tables").exit_code, 0);
        pair.local.sql("DROP TABLE t");
        let report = pair.sync("--create-tables");
        assert_eq!(report.exit_code, 0, "{}: {:#?}", pair.name, report.errors);
        assert_eq!(table(&report, "t").remote_to_local.inserted, 100);
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t"), "100");
        pair.assert_settled("");
    }
}

#[test]
fn a_missing_table_is_made_and_filled_on_every_pair() {
    let kinds = ["MYSQL", "MARIADB", "SQLITE"];
    for from in kinds {
        for to in kinds {
            let other = if from == to && to == "MARIADB" { "MARIADB2" } else { to };
            let Some(pair) = Pair::try_of(from, other) else {
                eprintln!("!!! SKIPPED {from} to {to}: there is no MySQL server");
                continue;
            };
            pair.remote.sql(if pair.remote.is_file() { FILE } else { SERVER });
            let shown = pair.sync("--dry-run --create-tables");
            assert_eq!(shown.exit_code, 0, "{}: {shown:#?}", pair.name);
            let planned = table(&shown, "dash-ed table");
            assert!(planned.create[0].starts_with("CREATE TABLE"), "{}: {shown:#?}", pair.name);
            assert_eq!((planned.remote_to_local.inserted, planned.rows.remote), (2, 2));
            let report = pair.sync("--create-tables");
            assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
            assert_eq!(table(&report, "dash-ed table").create, planned.create);
            assert_eq!(rows(&pair), ["2", "2"], "{}", pair.name);
            pair.assert_same("SELECT id, name, country FROM maker ORDER BY id");
            pair.assert_settled("--create-tables");
            // The other side's keys hold, and its parents' children go with them.
            pair.local.sql("INSERT INTO maker (name) VALUES ('C')");
            pair.remote.sql("UPDATE maker SET name='Ö' WHERE id=1");
            let report = pair.sync("");
            assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
            pair.assert_same("SELECT id, name, country FROM maker ORDER BY id");
            pair.local.sql("DELETE FROM maker WHERE id=1");
            assert_eq!(rows(&pair), ["2", "1"], "{}: the foreign key was carried over", pair.name);
        }
    }
}

#[test]
fn collations_become_their_nearest() {
    let Some(pair) = Pair::try_of("MYSQL", "MARIADB") else {
        eprintln!("!!! SKIPPED: there is no MySQL server");
        return;
    };
    pair.remote.sql(
        "CREATE TABLE a (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, \
         b VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs, c VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, \
         d VARCHAR(20) CHARACTER SET latin1) DEFAULT COLLATE utf8mb4_0900_ai_ci; INSERT INTO a VALUES ('Straße','x','y','z')",
    );
    pair.local.sql("CREATE TABLE b (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci PRIMARY KEY); INSERT INTO b VALUES ('x')");
    assert_eq!(pair.sync("--create-tables").exit_code, 0);
    let collation = |column: &str| {
        format!(
            "SELECT COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME='a' AND COLUMN_NAME='{column}'"
        )
    };
    assert_eq!(pair.local.cell(&collation("k")), "utf8mb4_uca1400_nopad_ai_ci");
    assert_eq!(pair.local.cell(&collation("b")), "utf8mb4_uca1400_nopad_as_cs");
    assert_eq!(pair.local.cell(&collation("c")), "utf8mb4_nopad_bin");
    assert_eq!(pair.local.cell(&collation("d")), "latin1_swedish_ci");
    assert_eq!(pair.remote.cell(&collation("k").replace("'a'", "'b'")), "utf8mb4_unicode_520_ci");
    pair.assert_same("SELECT k FROM b");
    pair.assert_settled("");
}

#[test]
fn one_way_makes_tables_on_its_target_alone() {
    let pair = Pair::of("MARIADB", "SQLITE");
    pair.remote.sql("CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY)");
    pair.local.sql("CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY)");
    let report = pair.sync("--create-tables --direction REMOTE_TO_LOCAL");
    assert_eq!(report.exit_code, 1, "{report:#?}");
    assert_eq!(pair.local.cell("SELECT COUNT(*) FROM a"), "0");
    assert_eq!(table(&report, "b").error.as_ref().unwrap().code, "SYNC_001");
    assert_eq!(
        pair.remote
            .cell("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE()"),
        "1"
    );
}

#[test]
fn names_of_any_kind_work() {
    let names = [
        "select",
        "a-b",
        "a.b",
        "ti`ck",
        "with space",
        "naïve 商品",
        "UPPER",
        "quo\"te",
        "per%cent{brace}",
        &"n".repeat(64),
    ];
    for (remote, local) in [
        ("MARIADB", "MARIADB2"),
        ("MYSQL", "MARIADB"),
        ("MARIADB", "SQLITE"),
        ("SQLITE", "MARIADB"),
    ] {
        let Some(pair) = Pair::try_of(remote, local) else { continue };
        let quoted = |side: &crate::support::Database, name: &str| {
            if side.is_file() {
                format!("\"{}\"", name.replace('"', "\"\""))
            } else {
                format!("`{}`", name.replace('`', "``"))
            }
        };
        for name in names {
            let name_there = quoted(&pair.remote, name);
            pair.remote.sql(&format!(
                "CREATE TABLE {name_there} ({name_there} INTEGER NOT NULL PRIMARY KEY, `key` VARCHAR(20)); INSERT INTO {name_there} VALUES (1,'a'),(2,'b')"
            ));
        }
        let report = pair.sync("--create-tables");
        assert_eq!(
            (report.exit_code, report.tables.len()),
            (0, names.len()),
            "{}: {report:#?}",
            pair.name
        );
        for name in names {
            let (there, here) = (quoted(&pair.remote, name), quoted(&pair.local, name));
            pair.remote.sql(&format!("UPDATE {there} SET `key`='c' WHERE {there}=1"));
            pair.local.sql(&format!("DELETE FROM {here} WHERE {here}=2"));
        }
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {report:#?}", pair.name);
        for name in names {
            for side in [&pair.remote, &pair.local] {
                let name = quoted(side, name);
                assert_eq!(
                    side.sql(&format!("SELECT {name}, `key` FROM {name}")),
                    [[Some("1".to_owned()), Some("c".to_owned())]]
                );
            }
        }
        pair.assert_settled("");
    }
}

#[test]
fn a_table_without_a_key_is_told_and_not_registered() {
    each_pairing(|pair| {
        pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY)");
        pair.remote.sql("CREATE TABLE loose (v VARCHAR(20)); INSERT INTO loose VALUES ('a')");
        let report = pair.sync("--create-tables");
        let loose = table(&report, "loose");
        assert_eq!(loose.error.as_ref().map(|error| error.code), Some("SYNC_006"), "{report:#?}");
        assert_eq!((report.exit_code, &loose.create[..]), (1, &[][..]), "{report:#?}");
        let registered = "SELECT COUNT(*) FROM db_sync_config WHERE table_name='loose'";
        assert_eq!(pair.local.cell(registered), "0", "{}", pair.name);
        // The next run has nothing to do with it.
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
    });
}
