//! Every column type on every ordered pair of servers, with the servers themselves as the oracle: written on one side by
//! plain SQL, synced, compared on the other by plain SQL, synced again with nothing written, changed there and synced back.
//! What comes out is what `docs/types.md` says.

use std::collections::{BTreeMap, BTreeSet};

use db_sync::model::number::Decimal;

use crate::support::Pair;
use crate::support::database::Database;
use crate::support::pairing::{options, table, written};

/// The kinds of servers between which values travel.
const SERVERS: [&str; 3] = ["MYSQL", "MARIADB", "SQLITE"];

/// How two cells are compared that two servers showed.
#[derive(Clone, Copy)]
enum By {
    /// To the letter.
    Letter,
    /// As numbers.
    Number,
    /// By the bits of a double.
    Bits,
    /// As JSON documents.
    Json,
    /// Without dashes and letter case.
    Uuid,
    /// Moments, without the zeros of their fraction.
    Moment,
}

/// One type: its name on MySQL, on MariaDB and on SQLite, how servers and SQLite show it, how that is compared, and the
/// values, as servers and SQLite spell them.
struct Type {
    names: [&'static str; 3],
    shown: [&'static str; 2],
    by: By,
    values: &'static [&'static str],
    /// Where SQLite spells its values otherwise.
    sqlite: &'static [&'static str],
    /// Which values some side cannot hold, for the documentation.
    limits: &'static str,
}

const TEXT: [&str; 2] = ["HEX(CONVERT(v USING utf8mb4))", "HEX(v)"];
const NUMBER: [&str; 2] = ["CAST(v AS CHAR)", "CAST(v AS TEXT)"];
const DOUBLE: [&str; 2] = ["CAST(v*1e0 AS CHAR)", "printf('%!.17g',v)"];
const BYTES: [&str; 2] = ["HEX(v)", "HEX(v)"];
const MOMENT: [&str; 2] = ["CAST(v AS CHAR)", "v"];

const fn alike(
    name: &'static str,
    shown: [&'static str; 2],
    by: By,
    values: &'static [&'static str],
) -> Type {
    Type { names: [name; 3], shown, by, values, sqlite: &[], limits: "" }
}

const TYPES: &[Type] = &[
    alike("tinyint", NUMBER, By::Number, &["-128", "-1", "0", "127"]),
    alike("tinyint unsigned", NUMBER, By::Number, &["0", "255", "254"]),
    alike("smallint", NUMBER, By::Number, &["-32768", "32767", "0"]),
    alike("smallint unsigned", NUMBER, By::Number, &["65535", "0"]),
    alike("mediumint", NUMBER, By::Number, &["-8388608", "8388607"]),
    alike("mediumint unsigned", NUMBER, By::Number, &["16777215", "0"]),
    alike("int", NUMBER, By::Number, &["-2147483648", "2147483647", "0"]),
    alike("int unsigned", NUMBER, By::Number, &["4294967295", "0"]),
    alike(
        "bigint",
        NUMBER,
        By::Number,
        &["-9223372036854775808", "9223372036854775807", "9007199254740993"],
    ),
    Type {
        limits: "above 9223372036854775807, on SQLite",
        ..alike(
            "bigint unsigned",
            NUMBER,
            By::Number,
            &["9223372036854775807", "18446744073709551615", "18446744073709551614", "0"],
        )
    },
    alike("bool", NUMBER, By::Number, &["1", "0"]),
    alike("bit(1)", ["CAST(v+0 AS CHAR)", "v"], By::Number, &["1", "0"]),
    alike("bit(9)", ["CAST(v+0 AS CHAR)", "v"], By::Number, &["257", "511", "0"]),
    Type {
        limits: "above 9223372036854775807, on SQLite",
        ..alike(
            "bit(64)",
            ["CAST(v+0 AS CHAR)", "v"],
            By::Number,
            &["9223372036854775807", "18446744073709551615", "1"],
        )
    },
    alike("decimal(10,2)", NUMBER, By::Number, &["12.50", "-99999999.99", "0.01", "0"]),
    Type {
        limits: "more than 15 digits, on SQLite (a `text` column there holds them all)",
        ..alike(
            "decimal(65,30)",
            NUMBER,
            By::Number,
            &[
                "1.5",
                "99999999999999999999999999999999999.999999999999999999999999999999",
                "99999999999999999999999999999999999.999999999999999999999999999998",
                "-0.000000000000000000000000000001",
            ],
        )
    },
    Type {
        names: ["decimal(65,30)", "decimal(65,30)", "text"],
        sqlite: &[
            "'1.5'",
            "'99999999999999999999999999999999999.999999999999999999999999999999'",
            "'0'",
            "'-0.000000000000000000000000000001'",
        ],
        ..alike(
            "",
            NUMBER,
            By::Number,
            &[
                "1.5",
                "99999999999999999999999999999999999.999999999999999999999999999999",
                "0",
                "-0.000000000000000000000000000001",
            ],
        )
    },
    Type {
        limits: "-0.0, which MariaDB and SQLite make 0 of",
        ..alike(
            "float",
            DOUBLE,
            By::Bits,
            &[
                "0.5",
                "16777216",
                "16777215",
                "1.401298464324817e-45",
                "3.4028234663852886e38",
                "-1.5",
                "-0.0e0",
            ],
        )
    },
    Type {
        limits: "-0.0, which MariaDB and SQLite make 0 of",
        ..alike(
            "double",
            DOUBLE,
            By::Bits,
            &[
                "0.1",
                "0.30000000000000004",
                "0.3",
                "5e-324",
                "1.7976931348623157e308",
                "-0.0e0",
                "16777217",
                "9007199254740993",
            ],
        )
    },
    alike("char(5)", TEXT, By::Letter, &["'abc'", "'ABC'", "''", "'商品'"]),
    alike(
        "varchar(20)",
        TEXT,
        By::Letter,
        &["'abc'", "'Abc'", "'abc '", "''", "'商品 🎁'", "'it''s'"],
    ),
    Type {
        names: [
            "varchar(20) character set utf8mb3",
            "varchar(20) character set utf8mb3",
            "varchar(20)",
        ],
        ..alike("", TEXT, By::Letter, &["'abc'", "'商品'", "'Straße'"])
    },
    Type {
        names: [
            "varchar(20) character set latin1",
            "varchar(20) character set latin1",
            "varchar(20)",
        ],
        ..alike("", TEXT, By::Letter, &["'abc'", "'Straße'", "'strasse '"])
    },
    alike("tinytext", TEXT, By::Letter, &["'a'", "'a '", "''"]),
    alike(
        "text",
        TEXT,
        By::Letter,
        &["'a'", "'商品 🎁'", "'x x x x x x x x x x x x x x x x x x x x x x'"],
    ),
    alike("mediumtext", TEXT, By::Letter, &["'a'", "'A'"]),
    alike("longtext", TEXT, By::Letter, &["'a'", "'A'", "'🎁'"]),
    Type {
        names: ["binary(4)", "binary(4)", "blob"],
        ..alike("", BYTES, By::Letter, &["x'00000000'", "x'ff00ff00'", "x'20202020'"])
    },
    Type {
        names: ["varbinary(8)", "varbinary(8)", "blob"],
        ..alike("", BYTES, By::Letter, &["x''", "x'00'", "x'ff20'", "x'ff2020'"])
    },
    Type {
        names: ["tinyblob", "tinyblob", "blob"],
        ..alike("", BYTES, By::Letter, &["x'00'", "x'0000'"])
    },
    alike("blob", BYTES, By::Letter, &["x'00'", "x'e59586'", "x'ff'"]),
    Type {
        names: ["mediumblob", "mediumblob", "blob"],
        ..alike("", BYTES, By::Letter, &["x'00'", "x'ff'"])
    },
    Type {
        names: ["longblob", "longblob", "blob"],
        ..alike("", BYTES, By::Letter, &["x'00'", "x'ff'"])
    },
    alike(
        "date",
        MOMENT,
        By::Moment,
        &["'2024-02-29'", "'0000-00-00'", "'2024-00-00'", "'9999-12-31'", "'1000-01-01'"],
    ),
    alike(
        "datetime",
        MOMENT,
        By::Moment,
        &["'2024-02-29 23:59:59'", "'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'"],
    ),
    Type {
        names: ["datetime(3)", "datetime(3)", "datetime"],
        ..alike("", MOMENT, By::Moment, &["'2024-02-29 23:59:59.999'", "'2024-02-29 23:59:59.998'"])
    },
    Type {
        names: ["datetime(6)", "datetime(6)", "datetime"],
        ..alike(
            "",
            MOMENT,
            By::Moment,
            &[
                "'2024-02-29 23:59:59.999999'",
                "'2024-02-29 23:59:59.000001'",
                "'2024-02-29 23:59:59'",
            ],
        )
    },
    Type {
        names: ["timestamp null", "timestamp null", "datetime"],
        ..alike(
            "",
            MOMENT,
            By::Moment,
            &[
                "'2024-10-27 00:30:00'",
                "'2024-10-27 01:30:00'",
                "'2038-01-19 03:14:07'",
                "'1970-01-01 00:00:01'",
            ],
        )
    },
    Type {
        names: ["timestamp(6) null", "timestamp(6) null", "datetime"],
        ..alike(
            "",
            MOMENT,
            By::Moment,
            &["'2024-10-27 00:30:00.000001'", "'2024-03-31 01:30:00.5'"],
        )
    },
    alike(
        "time",
        MOMENT,
        By::Moment,
        &["'23:59:59'", "'838:59:59'", "'-838:59:59'", "'-00:00:01'"],
    ),
    Type {
        names: ["time(6)", "time(6)", "time"],
        ..alike(
            "",
            MOMENT,
            By::Moment,
            &[
                "'-838:59:58.999999'",
                "'838:59:58.999999'",
                "'00:00:00.000001'",
                "'-00:00:00.000001'",
            ],
        )
    },
    Type {
        names: ["year", "year", "integer"],
        ..alike("", NUMBER, By::Number, &["2024", "1901", "2155", "0"])
    },
    Type {
        names: ["enum('a','B','商')", "enum('商','B','a')", "varchar(10)"],
        ..alike("", TEXT, By::Letter, &["'a'", "'B'", "'商'"])
    },
    Type {
        names: ["set('a','b','c')", "set('a','b','c')", "varchar(10)"],
        ..alike("", TEXT, By::Letter, &["'a,c'", "''", "'a,b,c'"])
    },
    Type {
        names: ["json", "json", "text"],
        limits: "numbers that MySQL would turn into another double; names that occur twice",
        ..alike(
            "",
            ["v", "v"],
            By::Json,
            &[
                "'{\"b\": 1, \"a\": [1.0, 1, true, null]}'",
                "'{\"a\": [1.0, 1, true, null], \"b\":2}'",
                "'[9007199254740993, 18446744073709551615, -9223372036854775808]'",
                "'\"商品 🎁\"'",
                "'[[[[[[[[[[1]]]]]]]]]]'",
                "'[0.1, 1.5e300]'",
                "'[18446744073709551616]'",
                "'{\"a\": 1, \"a\": 2}'",
            ],
        )
    },
    Type {
        names: ["char(36) character set ascii", "uuid", "char(36)"],
        ..alike(
            "",
            ["CAST(v AS CHAR)", "v"],
            By::Uuid,
            &["'6ccd780c-baba-1026-9564-5b8c656024db'", "'00000000-0000-0000-0000-000000000000'"],
        )
    },
    Type {
        names: ["varchar(39) character set ascii", "inet6", "varchar(39)"],
        ..alike(
            "",
            ["CAST(v AS CHAR)", "v"],
            By::Letter,
            &["'2001:db8::1'", "'::'", "'::ffff:192.0.2.1'"],
        )
    },
    Type {
        names: ["geometry", "geometry", "blob"],
        values: &[
            "ST_GeomFromText('POINT(1 2)')",
            "ST_GeomFromText('LINESTRING(0 0,1 1.5)')",
            "ST_GeomFromText('POINT(1 3)')",
        ],
        sqlite: &[
            "x'000000000101000000000000000000F03F0000000000000040'",
            "x'000000000101000000000000000000F03F0000000000000840'",
        ],
        ..alike("", ["HEX(v)", "HEX(v)"], By::Letter, &[])
    },
    Type {
        names: ["vector(2)", "varbinary(8)", "blob"],
        values: &["x'0000803f00000040'", "x'0000803f00000041'"],
        ..alike("", ["HEX(v)", "HEX(v)"], By::Letter, &[])
    },
];

/// What became of a type's values between two kinds of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// To the letter as the other server shows it.
    Exact,
    /// The same value in another spelling.
    ByMeaning,
    /// Left where it was, with its code.
    Refused,
}

fn position(server: &str) -> usize {
    SERVERS.iter().position(|known| server.starts_with(known)).unwrap()
}

fn same(by: By, a: &str, b: &str) -> bool {
    let number = |text: &str| Decimal::parse(text);
    let document = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    let trimmed = |text: &str| {
        let text = text.to_owned();
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    };
    match by {
        By::Letter => a == b,
        By::Number => number(a).is_some() && number(a) == number(b),
        By::Bits => {
            let bits = |text: &str| text.parse::<f64>().map(f64::to_bits).ok();
            bits(a).is_some() && bits(a) == bits(b)
        }
        By::Json => document(a).is_some() && document(a) == document(b),
        By::Uuid => a.replace('-', "").eq_ignore_ascii_case(&b.replace('-', "")),
        By::Moment => trimmed(a) == trimmed(b),
    }
}

/// All rows of all types' tables, as their server shows them, by table and row.
fn rows(database: &Database) -> BTreeMap<(usize, usize), String> {
    let show = |(number, kind): (usize, &Type)| {
        let show = kind.shown[usize::from(database.is_file())];
        let text = if database.is_file() { "TEXT" } else { "CHAR" };
        format!(
            "SELECT {number} AS t, id, CASE WHEN v IS NULL THEN NULL ELSE CAST({show} AS {text}) END AS v FROM t{number}"
        )
    };
    let questions: Vec<String> = TYPES.iter().enumerate().map(show).collect();
    let rows = database.sql(&questions.join(" UNION ALL "));
    let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
    let number = |text: &Option<String>| cell(text).parse().unwrap();
    rows.iter().map(|row| ((number(&row[0]), number(&row[1])), cell(&row[2]))).collect()
}

/// The values of a type as one kind of server spells them, and no value.
fn values(kind: &Type, server: &str) -> Vec<&'static str> {
    let own = server == "SQLITE" && !kind.sqlite.is_empty();
    let values = if own { kind.sqlite } else { kind.values };
    values.iter().copied().chain(["NULL"]).collect()
}

/// Syncs and says of every type what became of its values; a second run must write nothing.
fn arrive(pair: &Pair, step: &str, batch: &str) -> Vec<Fate> {
    let report = pair.try_sync(options("--force"), &[("DB_SYNC_BATCH_SIZE", batch)]).unwrap();
    let (remote, local) = (rows(&pair.remote), rows(&pair.local));
    let mut fates = vec![Fate::Exact; TYPES.len()];
    let places: BTreeSet<&(usize, usize)> = remote.keys().chain(local.keys()).collect();
    for place in places {
        let (number, id) = *place;
        let kind = &TYPES[number];
        let fate = match (remote.get(place), local.get(place)) {
            (Some(a), Some(b)) if a == b => Fate::Exact,
            (Some(a), Some(b)) if same(kind.by, a, b) => Fate::ByMeaning,
            (a, b) => {
                let name = format!("t{number}");
                let key = format!("{{\"id\":{id}}}");
                let told = report.errors.iter().any(|failure| {
                    failure.table.as_ref() == Some(&name)
                        && failure.names.get("key") == Some(&key)
                        && failure.code == "SYNC_003"
                });
                let what =
                    format!("{} {step}: {} row {id}: {a:?}, {b:?}", pair.name, kind.names[0]);
                assert!(told, "{what}: {:#?}", table(&report, &name));
                assert!(!kind.limits.is_empty(), "{what} is refused, and no limit is documented");
                Fate::Refused
            }
        };
        fates[number] = fates[number].max(fate);
    }
    let again = pair.sync("");
    assert_eq!(written(&again), 0, "{} {step}: {again:#?}", pair.name);
    fates
}

/// Sends all values from one kind of server to another, and back by the neighbour of each.
fn travel(from: &str, to: &str, batch: &str) -> Option<Vec<Fate>> {
    let other = if from == to && to == "MARIADB" { "MARIADB2" } else { to };
    let pair = Pair::try_of(from, other)?;
    let (mut remote, mut local) = (Vec::new(), Vec::new());
    for (number, kind) in TYPES.iter().enumerate() {
        let create = |server: &str| {
            let name = kind.names[position(server)];
            format!("CREATE TABLE t{number} (id INTEGER NOT NULL PRIMARY KEY, v {name});")
        };
        remote.push(create(from));
        local.push(create(to));
        for (id, value) in values(kind, from).iter().enumerate() {
            remote.push(format!("INSERT INTO t{number} VALUES ({id},{value});"));
        }
    }
    pair.remote.sql(&remote.concat());
    pair.local.sql(&local.concat());
    let there = arrive(&pair, "there", batch);
    if batch == "1" {
        // With batches of one row every table of two rows is loaded at once.
        let images = "SELECT COUNT(*) FROM db_sync_undo WHERE table_name='t0'";
        assert_eq!(pair.local.cell(images), "1", "{}", pair.name);
        return Some(there);
    }
    let mut updates = Vec::new();
    for (number, kind) in TYPES.iter().enumerate() {
        let own = values(kind, to);
        for id in 0..own.len() {
            let value = own[(id + 1) % own.len()];
            updates.push(format!("UPDATE t{number} SET v={value} WHERE id={id};"));
        }
    }
    pair.local.sql(&updates.concat());
    let back = arrive(&pair, "back", batch);
    Some(there.into_iter().zip(back).map(|(there, back)| there.max(back)).collect())
}

/// What the table of `docs/types.md` says, and what came out just now.
#[test]
fn every_type_on_every_pair() {
    let mut columns: Vec<(String, Vec<Fate>)> = Vec::new();
    for from in SERVERS {
        for to in SERVERS {
            let Some(fates) = travel(from, to, "1000") else {
                eprintln!(
                    "!!! SKIPPED: what the documentation says of types, there is no MySQL server"
                );
                return;
            };
            columns.push((format!("{} → {}", spelled(from), spelled(to)), fates));
        }
    }
    let heads: Vec<&str> = columns.iter().map(|(head, _)| head.as_str()).collect();
    let mut lines = vec![
        format!("| type | {} | left where it was, with `SYNC_003` |\n", heads.join(" | ")),
        format!("|{}\n", "---|".repeat(columns.len() + 2)),
    ];
    for (number, kind) in TYPES.iter().enumerate() {
        let cells: Vec<&str> = columns.iter().map(|(_, fates)| symbol(fates[number])).collect();
        let refused = columns.iter().any(|(_, fates)| fates[number] == Fate::Refused);
        assert!(refused || kind.limits.is_empty(), "{} has no limits", kind.names[0]);
        lines.push(format!("| {} | {} | {} |\n", name(kind), cells.join(" | "), kind.limits));
    }
    let table = lines.concat();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/types.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("DB_SYNC_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(written, table, "run `make types-doc`");
}

#[test]
fn every_type_is_loaded_at_once_as_it_is_row_by_row() {
    let pairs = SERVERS.into_iter().flat_map(|from| SERVERS.map(|to| (from, to)));
    // Of two MariaDB servers the second takes no loads.
    for (from, to) in pairs.chain([("MARIADB2", "MARIADB")]) {
        if travel(from, to, "1").is_none() {
            eprintln!("!!! SKIPPED {from} to {to}: there is no MySQL server");
        }
    }
}

const BEGIN: &str = "<!-- measured by tests/values.rs -->\n";
const END: &str = "<!-- end -->\n";

fn spelled(server: &str) -> &'static str {
    match server {
        "MYSQL" => "MySQL",
        "MARIADB" => "MariaDB",
        _ => "SQLite",
    }
}

fn symbol(fate: Fate) -> &'static str {
    match fate {
        Fate::Exact => "=",
        Fate::ByMeaning => "≈",
        Fate::Refused => "(=)",
    }
}

/// A type's names, once where all three are alike.
fn name(kind: &Type) -> String {
    let mut names = kind.names.to_vec();
    names.dedup();
    names
        .iter()
        .map(|name| format!("`{}`", name.replace('|', "\\|")))
        .collect::<Vec<_>>()
        .join(" / ")
}

#[test]
fn two_files_keep_what_no_server_would() {
    let pair = Pair::of("SQLITE", "SQLITE");
    pair.both("CREATE TABLE t (id INTEGER PRIMARY KEY, moment DATETIME, number INT, flag BOOL, day DATE, money DECIMAL(10,2))");
    pair.remote.sql(
        "INSERT INTO t VALUES (1,'2024-01-01T10:00:00Z','many','yes','tomorrow','a lot'),\
         (2,1704067200,1.5,2,x'00ff',''),(3,1704067200.25,x'61',NULL,7,'1e400')",
    );
    let report = pair.sync("");
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let cells = "SELECT id, quote(moment), quote(number), quote(flag), quote(day), quote(money) FROM t ORDER BY id";
    assert_eq!(pair.remote.sql(cells), pair.local.sql(cells));
    pair.assert_settled("");
}

#[test]
fn json_that_mysql_would_change_stays_where_it_was() {
    for (remote, local) in [("MARIADB", "MYSQL"), ("SQLITE", "MYSQL")] {
        let Some(pair) = Pair::try_of(remote, local) else {
            eprintln!("!!! SKIPPED: there is no MySQL server");
            return;
        };
        pair.remote.sql(if pair.remote.is_file() {
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v TEXT)"
        } else {
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v JSON)"
        });
        pair.local.sql("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v JSON)");
        let changed = [
            "[18446744073709551616]",
            "[-9223372036854775809]",
            "{\"a\": 1, \"a\": 2}",
            "[0.10000000000000001]",
            "[1e400]",
        ];
        // MariaDB's own JSON goes 32 levels deep, MySQL's and ours a hundred.
        let depth = if pair.remote.is_file() { 99 } else { 31 };
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let held =
            ["[18446744073709551615, -9223372036854775808]", "[1.0, 1]", "\"🎁\"", "[-0.0]", &deep];
        for (id, document) in changed.iter().chain(&held).enumerate() {
            pair.remote.sql(&format!("INSERT INTO t VALUES ({id},'{document}')"));
        }
        let report = pair.sync("");
        assert_eq!(report.exit_code, 3, "{}: {report:#?}", pair.name);
        let codes: Vec<&str> = report.errors.iter().map(|failure| failure.code).collect();
        assert_eq!(codes, vec!["SYNC_003"; changed.len()], "{}: {report:#?}", pair.name);
        let ids = pair.local.sql("SELECT id FROM t ORDER BY id");
        let expected: Vec<String> =
            (changed.len()..changed.len() + held.len()).map(|id| id.to_string()).collect();
        assert_eq!(
            ids.into_iter().flatten().flatten().collect::<Vec<_>>(),
            expected,
            "{}",
            pair.name
        );
        pair.assert_settled("");
        pair.assert_settled("--type FULL");
    }
}

#[test]
fn identifiers_and_versioned_tables() {
    let pair = Pair::of("MARIADB", "SQLITE");
    pair.remote.sql(
        "CREATE TABLE t (k UUID NOT NULL PRIMARY KEY, u UUID) WITH SYSTEM VERSIONING; \
         INSERT INTO t VALUES ('6ccd780c-baba-1026-9564-5b8c656024db','11111111-2222-3333-4444-555555555555'); \
         CREATE TABLE big (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, v INTEGER); INSERT INTO big VALUES (18446744073709551615,1),(7,2)",
    );
    pair.local.sql("CREATE TABLE t (k BLOB NOT NULL PRIMARY KEY, u BLOB); CREATE TABLE big (id INTEGER PRIMARY KEY, v INTEGER)");
    let report = pair.sync("");
    assert_eq!(report.exit_code, 3, "{report:#?}");
    assert_eq!(pair.local.cell("SELECT hex(k) FROM t"), "6CCD780CBABA102695645B8C656024DB");
    assert_eq!(pair.local.cell("SELECT id FROM big"), "7");
    pair.local.sql("UPDATE t SET u=x'00112233445566778899aabbccddeeff'");
    pair.sync("");
    assert_eq!(pair.remote.cell("SELECT u FROM t"), "00112233-4455-6677-8899-aabbccddeeff");
    pair.assert_settled("");
}

#[test]
fn the_largest_key_has_its_place() {
    for (remote, local) in [("MARIADB", "MARIADB2"), ("MYSQL", "MARIADB")] {
        let Some(pair) = Pair::try_of(remote, local) else { return };
        pair.both("CREATE TABLE t (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, v INTEGER)");
        let keys = [
            "0",
            "1",
            "9007199254740993",
            "9223372036854775808",
            "18446744073709551614",
            "18446744073709551615",
        ];
        for key in keys {
            pair.remote.sql(&format!("INSERT INTO t VALUES ({key},1)"));
        }
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        pair.local.sql("UPDATE t SET v=2 WHERE id=18446744073709551615; DELETE FROM t WHERE id=18446744073709551614");
        pair.remote.sql("UPDATE t SET v=3 WHERE id=0");
        assert_eq!(pair.sync("").exit_code, 0, "{}", pair.name);
        pair.assert_same("SELECT id, v FROM t ORDER BY id");
        assert_eq!(pair.remote.cell("SELECT COUNT(*) FROM t"), "5");
        pair.assert_settled("");
    }
}

#[test]
fn rows_larger_than_a_packet() {
    for (remote, local) in [
        ("MARIADB", "MARIADB2"),
        ("MYSQL", "MARIADB"),
        ("MARIADB", "SQLITE"),
        ("SQLITE", "MARIADB"),
    ] {
        let Some(pair) = Pair::try_of(remote, local) else {
            eprintln!("!!! SKIPPED: there is no MySQL server");
            continue;
        };
        let create = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a LONGBLOB NOT NULL, b LONGTEXT NOT NULL, c LONGBLOB)";
        pair.both(create);
        let size = 7 << 20;
        for id in [1, 2] {
            pair.remote.sql(&format!("INSERT INTO t VALUES ({id},x'00','',NULL)"));
            for column in ["a", "b", "c"] {
                let cell = if pair.remote.is_file() {
                    let cell = format!("replace(hex(zeroblob({})),'0','x')", size / 2);
                    if column == "b" { cell } else { format!("CAST({cell} AS BLOB)") }
                } else {
                    format!("REPEAT('x',{size})")
                };
                pair.remote.sql(&format!("UPDATE t SET {column}={cell} WHERE id={id}"));
            }
        }
        let hash = if pair.local.is_file() {
            "length(a)+length(b)+length(c)"
        } else {
            "LENGTH(a)+LENGTH(b)+LENGTH(c)"
        };
        let hash = format!("SELECT id, {hash} FROM t ORDER BY id");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {:#?}", pair.name, report.errors);
        pair.assert_same(&hash);
        assert_eq!(pair.local.sql(&hash)[1][1], Some((3 * size).to_string()), "{}", pair.name);
        pair.assert_settled("");
        pair.local.sql("UPDATE t SET c=x'01' WHERE id=1");
        pair.remote.sql("DELETE FROM t WHERE id=2");
        let report = pair.sync("");
        assert_eq!(report.exit_code, 0, "{}: {:#?}", pair.name, report.errors);
        pair.assert_same(&hash);
        let kept =
            "SELECT COUNT(*), SUM(LENGTH(row_before)) FROM db_sync_undo WHERE action<>'INSERT'";
        assert!(
            pair.local.sql(kept)[0][0].as_ref().unwrap().parse::<u32>().unwrap() > 100,
            "{}",
            pair.name
        );
        pair.assert_settled("");
        // Both versions of a conflict do not fit into LOCAL's statement: nobody's is overwritten.
        if !pair.local.is_file() {
            pair.remote.sql("UPDATE t SET c=x'02' WHERE id=1");
            pair.local.sql("UPDATE t SET c=x'03' WHERE id=1");
            let report = pair.sync("");
            assert_eq!(
                (report.exit_code, report.errors[0].code),
                (3, "SYS_002"),
                "{}: {:#?}",
                pair.name,
                report.errors
            );
            assert_eq!(pair.local.cell("SELECT HEX(c) FROM t WHERE id=1"), "03");
        }
    }
}

#[test]
fn a_cell_larger_than_a_packet_is_that_rows_failure() {
    let pair = Pair::of("SQLITE", "MARIADB");
    pair.both("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a LONGBLOB)");
    pair.remote.sql("INSERT INTO t VALUES (1,zeroblob(17000000)),(2,zeroblob(1000))");
    let report = pair.sync("");
    assert_eq!((report.exit_code, report.errors[0].code), (3, "SYS_002"), "{:#?}", report.errors);
    assert!(report.errors[0].message.contains("16777216"), "{:#?}", report.errors);
    assert_eq!(pair.local.cell("SELECT id FROM t"), "2");
    pair.assert_settled("");
}
