//! The check of both sides' definitions: what differs, what it means, and SQL that mends it.

use db_sync::engine::cancel::Cancel;
use db_sync::engine::check_schemas;
use db_sync::engine::drive::block;
use db_sync::report::{Level, SchemaReport};

use crate::support::Pair;
use crate::support::pairing::written;

fn check(pair: &Pair) -> SchemaReport {
    let (settings, cancel) = (pair.settings(&[]).unwrap(), Cancel::default());
    block(&cancel, check_schemas(settings, Vec::new(), cancel.clone())).unwrap()
}

/// Findings as `level code table.column`.
fn found(report: &SchemaReport) -> Vec<String> {
    let line = |finding: &db_sync::report::Finding| {
        let code = finding.code.unwrap_or("-");
        let column = finding.column.clone().unwrap_or_default();
        format!("{:?} {code} {}.{column}", finding.level, finding.table)
    };
    report.findings.iter().map(line).collect()
}

#[test]
fn every_difference_is_named_and_its_sql_mends_it() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.remote.sql(
        "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a VARCHAR(40) COLLATE utf8mb4_bin, b BIGINT, c INT NOT NULL, \
         d VARCHAR(10) DEFAULT 'x', e VARCHAR(20) COLLATE utf8mb4_bin NOT NULL UNIQUE, f DECIMAL(10,2), UNIQUE KEY (b)); \
         CREATE TABLE only_there (id INT NOT NULL PRIMARY KEY, t_id INT, FOREIGN KEY (t_id) REFERENCES t (id)); \
         CREATE TABLE keyless (v INT); CREATE TABLE same (id INT NOT NULL PRIMARY KEY)",
    );
    pair.local.sql(
        "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a VARCHAR(20) COLLATE utf8mb4_bin, b INT, \
         e VARCHAR(20) COLLATE utf8mb4_unicode_ci NOT NULL UNIQUE, f DATE) ENGINE=Aria; \
         CREATE TABLE keyless (v INT); CREATE TABLE same (id INT NOT NULL PRIMARY KEY)",
    );
    let report = check(&pair);
    let mut lines = found(&report);
    lines.sort();
    let expected = [
        "Error SYNC_001 only_there.",
        "Error SYNC_001 t.c",
        "Error SYNC_003 t.f",
        "Error SYNC_006 keyless.",
        "Note - t.d",
        "Warning - t.",
        "Warning SYNC_002 t.b",
        "Warning SYNC_002 t.e",
        "Warning SYNC_003 t.a",
        "Warning SYNC_003 t.b",
    ];
    assert_eq!(lines, expected, "{}", report.text());
    assert_eq!((report.exit_code, report.tables), (1, 4));
    // Mended by the very statements, the sides go together.
    for finding in report.findings.iter().rev() {
        let sql = finding.sql.as_ref().unwrap_or_else(|| panic!("no SQL: {finding:?}"));
        pair.local.sql(sql);
        if finding.table == "keyless" {
            pair.remote.sql(sql);
        }
    }
    let after = check(&pair);
    assert!(after.findings.iter().all(|finding| finding.level == Level::Note), "{}", after.text());
    assert_eq!(written(&pair.sync("")), 0);
}

#[test]
fn dialects_warn_of_what_they_cannot_hold() {
    let pair = Pair::of("MARIADB", "SQLITE");
    pair.remote.sql("CREATE TABLE t (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, price DECIMAL(30,10), name VARCHAR(20) COLLATE utf8mb4_unicode_ci NOT NULL UNIQUE)");
    pair.local.sql("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, price DECIMAL(30,10), name VARCHAR(20) NOT NULL UNIQUE)");
    let report = check(&pair);
    let mut lines = found(&report);
    lines.sort();
    assert_eq!(
        lines,
        [
            "Note - *.",
            "Warning SYNC_002 t.name",
            "Warning SYNC_003 t.id",
            "Warning SYNC_003 t.price"
        ]
    );
    assert_eq!(report.exit_code, 0);
    let Some(pair) = Pair::try_of("MYSQL", "MARIADB") else { return };
    pair.both("CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, doc JSON)");
    let report = check(&pair);
    assert_eq!(found(&report), ["Note SYNC_003 t.doc", "Note - *."], "{}", report.text());
    assert!(report.findings[0].sql.is_none(), "each server has a type of its own for JSON");
    assert!(report.findings[1].sql.as_ref().unwrap().contains("auto_increment_offset=2"));
}

#[test]
fn parents_that_are_not_synced_are_named() {
    let pair = Pair::of("MARIADB", "MARIADB2");
    pair.both(
        "CREATE TABLE kind (id INT NOT NULL PRIMARY KEY); CREATE TABLE entry (id INT NOT NULL PRIMARY KEY, \
         kind_id INT, FOREIGN KEY (kind_id) REFERENCES kind (id))",
    );
    pair.sync("");
    assert_eq!(found(&check(&pair)), Vec::<String>::new());
    pair.local.sql("UPDATE db_sync_config SET sync_enabled=0 WHERE table_name='kind'");
    assert_eq!(found(&check(&pair)), ["Warning - entry.kind_id"]);
}
