//! Random histories: seeded writes to several tables on both sides with syncs between. At the end both sides are the same,
//! a repeated run writes nothing, and every version that lost is found in `db_sync_conflict` or `db_sync_undo`.

use std::collections::BTreeMap;

use crate::support::{Pair, each_pairing};

/// A small generator with a seed (xorshift): the same history every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The condition by which the n-th key is found.
type KeyCondition = fn(u64) -> String;

/// Tables by what their keys look like: name, columns, and how the n-th key is written.
const TABLES: [(&str, &str, KeyCondition); 3] = [
    ("numbers", "id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(40)", |n| format!("id={n}")),
    ("words", "id VARCHAR(30) NOT NULL PRIMARY KEY, v VARCHAR(40)", |n| format!("id='key {n}'")),
    (
        "pairs",
        "a INTEGER NOT NULL, b VARCHAR(10) NOT NULL, v VARCHAR(40), PRIMARY KEY (a, b)",
        |n| format!("a={} AND b='b{}'", n / 5, n % 5),
    ),
];

const KEYS: u64 = 40;

type State = BTreeMap<String, BTreeMap<u64, String>>;

struct History<'a> {
    pair: &'a Pair,
    dice: Dice,
    /// Every version ever written, in the order of the writing; no version is written twice.
    written: u64,
    sides: [State; 2],
}

impl History<'_> {
    /// One write on one side; the application only ever touches what it sees there.
    fn write(&mut self) {
        let side = usize::from(self.dice.roll(2) == 1);
        let at = usize::try_from(self.dice.roll(TABLES.len() as u64)).unwrap();
        let (name, _, condition) = TABLES[at];
        let n = self.dice.roll(KEYS);
        let kind = self.dice.roll(4);
        let table = self.sides[side].entry(name.to_owned()).or_default();
        let condition = condition(n);
        let version = format!("version {}", self.written);
        self.written += 1;
        let sql = match (table.contains_key(&n), kind) {
            (true, 0) => {
                table.remove(&n);
                format!("DELETE FROM {name} WHERE {condition}")
            }
            (true, _) => {
                table.insert(n, version.clone());
                format!("UPDATE {name} SET v='{version}' WHERE {condition}")
            }
            (false, _) => {
                table.insert(n, version.clone());
                let parts: Vec<&str> = condition.split(" AND ").collect();
                let (columns, values): (Vec<&str>, Vec<&str>) =
                    parts.iter().map(|part| part.split_once('=').unwrap()).unzip();
                format!(
                    "INSERT INTO {name} ({}, v) VALUES ({}, '{version}')",
                    columns.join(", "),
                    values.join(", ")
                )
            }
        };
        [&self.pair.remote, &self.pair.local][side].sql(&sql);
    }

    /// What a side holds, by version.
    fn held(&self, side: usize) -> Vec<String> {
        let side = [&self.pair.remote, &self.pair.local][side];
        let rows = TABLES.iter().flat_map(|(name, ..)| side.sql(&format!("SELECT v FROM {name}")));
        rows.filter_map(|row| row[0].clone()).collect()
    }

    /// After a sync: whatever either side held before it and neither holds now was kept.
    fn assert_nothing_lost(&self, before: &[Vec<String>; 2], seed: u64) {
        let now: Vec<String> = [self.held(0), self.held(1)].concat();
        let kept = "SELECT CONCAT(COALESCE(remote_row,''), COALESCE(local_row,'')) FROM db_sync_conflict \
                    UNION ALL SELECT COALESCE(row_before,'') FROM db_sync_undo";
        let kept = if self.pair.local.is_file() {
            kept.replace(
                "CONCAT(COALESCE(remote_row,''), COALESCE(local_row,''))",
                "COALESCE(remote_row,'') || COALESCE(local_row,'')",
            )
        } else {
            kept.to_owned()
        };
        let kept: String =
            self.pair.local.sql(&kept).into_iter().filter_map(|row| row[0].clone()).collect();
        for version in before.iter().flatten().filter(|version| !now.contains(version)) {
            assert!(
                kept.contains(&format!("\"{version}\"")),
                "{} seed {seed}: {version} is lost",
                self.pair.name
            );
        }
    }

    /// Learns what each side holds after a sync.
    fn learn(&mut self) {
        for (side, database) in [&self.pair.remote, &self.pair.local].into_iter().enumerate() {
            for (name, _, condition) in TABLES {
                let all = database.sql(&format!("SELECT * FROM {name}"));
                let here = self.sides[side].entry(name.to_owned()).or_default();
                here.clear();
                for n in 0..KEYS {
                    let wanted: Vec<String> = condition(n)
                        .split(" AND ")
                        .map(|part| part.split_once('=').unwrap().1.trim_matches('\'').to_owned())
                        .collect();
                    let found = all
                        .iter()
                        .find(|row| row.iter().flatten().take(wanted.len()).eq(wanted.iter()));
                    if let Some(version) = found.and_then(|row| row.last().unwrap().clone()) {
                        here.insert(n, version);
                    }
                }
            }
        }
    }
}

#[test]
fn both_sides_converge_and_nothing_is_lost() {
    each_pairing(|pair| {
        for (name, columns, _) in TABLES {
            pair.both(&format!("CREATE TABLE {name} ({columns})"));
        }
        for seed in [1_u64, 42, 4_711] {
            let sides = [State::new(), State::new()];
            let dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
            let mut history = History { pair, dice, written: seed * 1_000_000, sides };
            history.learn();
            for round in 0..4 {
                for _ in 0..15 {
                    history.write();
                }
                let before = [history.held(0), history.held(1)];
                let kind = ["INCREMENTAL", "FULL"][usize::from(round == 2)];
                let strategy =
                    ["REMOTE_WINS", "LOCAL_WINS"][usize::try_from(history.dice.roll(2)).unwrap()];
                // With the guards lifted: a handful of rows may well all be deleted.
                let flags = format!("--type {kind} --conflict {strategy} --force");
                let report = pair.sync(&flags);
                assert_eq!(report.exit_code, 0, "{} seed {seed}: {report:#?}", pair.name);
                for (name, ..) in TABLES {
                    pair.assert_same(&format!("SELECT * FROM {name} ORDER BY 1, 2"));
                }
                history.assert_nothing_lost(&before, seed);
                pair.assert_settled(&flags);
                history.learn();
            }
        }
    });
}
