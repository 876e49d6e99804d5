//! Files that say how tables are synced: our own, as `export` writes them, and those of the older distributed setup.
//!
//! Ours has a list `tables`, the older one a list `sync_tables` under `synchronization`; their entries are read alike, with the
//! words of both. What is not taken is told line by line; where a word has a meaning here, its value must have one too.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value as Json;

use super::Listed;
use super::wanted::{Given, Place, Wanted};
use super::yaml::{self, Holds, Node};
use crate::config::switched;
use crate::error::{self, Result, SyncError};
use crate::journal::settings::Setting;
use crate::note::{self, Note};
use crate::plan::policy::{Direction, SyncType};

/// The older files' list.
const TABLES: &str = "sync_tables";
/// Words for a table's name.
const NAMES: [&str; 3] = ["table", "table_name", "name"];
/// Words for settings; those of `db_sync_config` and of the older files besides our own.
const WORDS: [(&str, Setting); 12] = [
    ("enabled", Setting::Enabled),
    ("sync_enabled", Setting::Enabled),
    ("type", Setting::Type),
    ("sync_type", Setting::Type),
    ("direction", Setting::Direction),
    ("sync_direction", Setting::Direction),
    ("conflict", Setting::Conflict),
    ("conflict_resolution", Setting::Conflict),
    ("conflict_strategy", Setting::Conflict),
    ("priority", Setting::Priority),
    ("ignore", Setting::Ignore),
    ("no_conflict", Setting::NoConflict),
];
/// What the older files say of all tables, or of each, and we in the environment alone.
const VARIABLES: [(&str, &str); 6] = [
    ("enabled", "DB_SYNC_ENABLED"),
    ("interval", "DB_SYNC_INTERVAL"),
    ("sync_interval", "DB_SYNC_INTERVAL"),
    ("batch_size", "DB_SYNC_BATCH_SIZE"),
    ("parallel", "DB_SYNC_PARALLEL"),
    ("exclude_tables", "DB_SYNC_EXCLUDE"),
];
/// Settings that the older files may give for all of their tables, beside the list.
const SHARED: [Setting; 3] = [Setting::Type, Setting::Direction, Setting::Conflict];

/// What a file wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Of each table, in the file's order.
    pub wanted: Vec<Wanted>,
    /// What is not taken.
    pub notes: Vec<Note>,
    /// What is wrong.
    pub errors: Vec<SyncError>,
}

/// Reads a file; `-` is standard input. What is wrong in it stands in the answer.
///
/// # Errors
/// `CFG_002` where there is no such file, or none of text.
pub fn open(path: &Path) -> Result<Document> {
    let shown = path.display().to_string();
    let refused = |reason: &str| {
        SyncError::new(error::NO_DOCUMENT).with("path", &shown).with("reason", reason)
    };
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(yaml::BYTES + 1).read_to_end(&mut bytes)
    } else {
        let file = std::fs::File::open(path);
        file.and_then(|file| file.take(yaml::BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|problem| refused(&problem.to_string()))?;
    if bytes.len() as u64 > yaml::BYTES {
        return Err(refused("it is too large"));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8"))?;
    Ok(self::read(&shown, &text))
}

/// Reads a file's text. `path` is how messages name it.
pub fn read(path: &str, text: &str) -> Document {
    let mut reader = Reader { path, found: Document::default() };
    match yaml::parse(text) {
        Ok(root) => reader.document(root.as_ref()),
        Err(mistake) => {
            let error = reader.error(error::BAD_YAML, mistake.line);
            reader.found.errors.push(error.with("reason", mistake.reason));
        }
    }
    reader.found
}

struct Reader<'a> {
    path: &'a str,
    found: Document,
}

type Values = Vec<(Setting, Given)>;

impl Reader<'_> {
    fn error(&self, sentences: error::Sentences, line: usize) -> SyncError {
        SyncError::new(sentences).with("path", self.path).with("line", line)
    }

    fn not_taken(&mut self, key: &str, word: &str, line: usize) {
        let variable = VARIABLES.iter().find(|(known, _)| *known == word);
        let note = match variable {
            Some((_, variable)) => Note::new(note::KEY_OF_ALL).with("variable", variable),
            None => Note::new(note::KEY_NOT_TAKEN),
        };
        self.found.notes.push(note.with("path", self.path).with("line", line).with("key", key));
    }

    fn document(&mut self, root: Option<&Node>) {
        let mut listed = false;
        if let Some(Node { holds: Holds::Mapping(pairs), .. }) = root {
            for (name, node) in pairs {
                match (name.as_str(), &node.holds) {
                    ("tables", _) => listed |= self.list(node, &[]),
                    ("synchronization", Holds::Mapping(pairs)) => listed |= self.older(pairs),
                    _ => self.not_taken(name, "", node.line),
                }
            }
        }
        if !listed {
            let error = self.error(error::NO_LIST, root.map_or(1, |root| root.line));
            self.found.errors.push(error);
        }
    }

    /// What stands under `synchronization`; answers whether tables are listed there.
    fn older(&mut self, pairs: &[(String, Node)]) -> bool {
        let mut shared = Values::new();
        for (name, node) in pairs.iter().filter(|(name, _)| name != TABLES) {
            match word(name, node).filter(|setting| SHARED.contains(setting)) {
                Some(setting) => self.give(&mut shared, setting, name, node),
                None => self.not_taken(&format!("synchronization.{name}"), name, node.line),
            }
        }
        // A list of the tables to sync: whatever is on it is synced.
        shared.push((Setting::Enabled, Given::Text("true".to_owned())));
        let list = pairs.iter().find(|(name, _)| name == TABLES);
        list.is_some_and(|(_, list)| self.list(list, &shared))
    }

    /// A list of tables; answers whether it is one.
    fn list(&mut self, list: &Node, shared: &[(Setting, Given)]) -> bool {
        let Holds::List(entries) = &list.holds else { return false };
        entries.iter().for_each(|entry| self.entry(entry, shared));
        true
    }

    /// One table: its name alone, or a mapping. `shared` fills in what it does not say itself.
    fn entry(&mut self, entry: &Node, shared: &[(Setting, Given)]) {
        let mut table = None;
        let mut values = Values::new();
        match &entry.holds {
            Holds::Text(name) => table = Some(name.clone()),
            Holds::Mapping(pairs) => {
                let name = |word: &str| pairs.iter().find(|(name, _)| name == word);
                let named = NAMES.into_iter().find_map(name);
                if let Some((_, Node { holds: Holds::Text(text), .. })) = named {
                    table = Some(text.clone());
                }
                let named = named.map(|(name, _)| name);
                let of = table.as_deref().unwrap_or("?");
                for (name, node) in pairs.iter().filter(|(name, _)| Some(name) != named) {
                    match word(name, node) {
                        Some(setting) => self.give(&mut values, setting, name, node),
                        None => self.not_taken(&format!("{of}.{name}"), name, node.line),
                    }
                }
            }
            Holds::List(_) => {}
        }
        let Some(table) = table.filter(|table| !table.is_empty()) else {
            let error = self.error(error::NO_NAME, entry.line);
            self.found.errors.push(error);
            return;
        };
        for (setting, given) in shared {
            if values.iter().all(|(known, _)| known != setting) {
                values.push((*setting, given.clone()));
            }
        }
        let place = Some(Place { path: self.path.to_owned(), line: entry.line });
        self.found.wanted.push(Wanted { table, values, place });
    }

    fn give(&mut self, values: &mut Values, setting: Setting, name: &str, node: &Node) {
        if values.iter().any(|(known, _)| *known == setting) {
            let error = self.error(error::GIVEN_TWICE, node.line);
            self.found.errors.push(error.with("key", name));
            return;
        }
        values.push((setting, given(setting, node)));
    }
}

/// The setting that a word means. `mode` may mean two of them, or something of which we know nothing.
fn word(name: &str, node: &Node) -> Option<Setting> {
    if name != "mode" {
        return WORDS.iter().find(|(word, _)| *word == name).map(|(_, setting)| *setting);
    }
    let Given::Text(text) = given(Setting::Direction, node) else { return None };
    let is_type = text.parse::<SyncType>().is_ok().then_some(Setting::Type);
    is_type.or_else(|| text.parse::<Direction>().is_ok().then_some(Setting::Direction))
}

fn given(setting: Setting, node: &Node) -> Given {
    match &node.holds {
        // The older files' word for both ways.
        Holds::Text(text)
            if setting == Setting::Direction
                && text.trim().eq_ignore_ascii_case("bidirectional") =>
        {
            Given::Text(Direction::Both.as_str().to_owned())
        }
        Holds::Text(text) => Given::Text(text.clone()),
        Holds::List(nodes) => {
            let text = |node: &Node| match &node.holds {
                Holds::Text(text) => Some(text.clone()),
                _ => None,
            };
            nodes.iter().map(text).collect::<Option<_>>().map_or(Given::Other, Given::List)
        }
        Holds::Mapping(_) => Given::Other,
    }
}

/// The file that says of these tables what they are; [`read`] takes it back.
pub fn write(tables: &[Listed]) -> String {
    let mut text =
        "# How tables are synced (db_sync_config); `config import` takes it back.\n".to_owned();
    text += if tables.is_empty() { "tables: []\n" } else { "tables:\n" };
    for Listed { table, settings } in tables {
        // Nothing refuses to be written to memory.
        let _ = writeln!(text, "- table: {}", quoted(table));
        for (setting, value) in settings {
            let _ = writeln!(text, "  {}: {}", setting.as_str(), spelled(value));
        }
    }
    text
}

fn spelled(value: &Json) -> String {
    match value {
        Json::String(text) => quoted(text),
        Json::Array(values) => {
            format!("[{}]", values.iter().map(spelled).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A name as every reader of YAML takes it for a text: bare where it cannot be anything else.
fn quoted(name: &str) -> String {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let word = switched(name).is_some() || ["null", "y", "n"].contains(&&*name.to_lowercase());
    if starts && plain && !word {
        return name.to_owned();
    }
    // JSON's quotes are YAML's; but what is not printable must be written otherwise in YAML.
    let json = Json::from(name).to_string();
    let printable = |letter: char| {
        !letter.is_control()
            && !matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    let letter = |letter: char| match letter {
        letter if printable(letter) => letter.to_string(),
        letter => format!("\\u{:04x}", u32::from(letter)),
    };
    json.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::listed;
    use super::super::wanted::put;
    use super::*;
    use crate::error::Code;
    use crate::journal::settings::TableSettings;
    use crate::plan::policy::{Policy, Strategy as Winner};
    use crate::plan::schema_match::ColumnRules;

    fn fresh(table: &str) -> TableSettings {
        TableSettings {
            table: table.to_owned(),
            enabled: true,
            policy: Policy {
                direction: Direction::Both,
                sync_type: SyncType::Incremental,
                strategy: Winner::RemoteWins,
            },
            priority: 0,
            rules: ColumnRules::default(),
        }
    }

    /// What a file makes of tables that nothing was known of, as JSON; and its notes and errors as text.
    fn taken(text: &str) -> (Vec<Json>, Vec<String>, Vec<String>) {
        let Document { wanted, notes, mut errors } = read("f", text);
        let mut rows = Vec::new();
        for wanted in wanted {
            let mut row = fresh(&wanted.table);
            for (setting, given) in &wanted.values {
                errors.extend(put(&mut row, *setting, given).err());
            }
            rows.push(json!(listed(&row)));
        }
        let notes = notes.into_iter().map(|note| note.message).collect();
        (rows, notes, errors.iter().map(ToString::to_string).collect())
    }

    fn row(table: &str, changes: &Json) -> Json {
        let mut row = json!(listed(&fresh(table)));
        for (name, value) in changes.as_object().unwrap() {
            row[name] = value.clone();
        }
        row
    }

    #[test]
    fn our_own_shape_is_read() {
        let text = "tables:\n- plain\n- table: t\n  enabled: no\n  type: full\n  direction: remote_to_local\n  \
                    conflict: Manual\n  priority: -7\n  ignore: [a, 'b, c']\n  no_conflict: d, e\n- {table: '*', conflict: SKIP}\n";
        let expected = [
            row("plain", &json!({})),
            row(
                "t",
                &json!({"enabled": false, "type": "FULL", "direction": "REMOTE_TO_LOCAL", "conflict": "MANUAL",
                       "priority": -7, "ignore": ["a", "b, c"], "no_conflict": ["d", "e"]}),
            ),
            row("*", &json!({"conflict": "SKIP"})),
        ];
        assert_eq!(taken(text), (expected.to_vec(), vec![], vec![]));
    }

    #[test]
    fn the_older_shape_is_read_and_what_is_not_taken_is_told() {
        let text = "database: {host: db, password: s3cret}\nsynchronization:\n  mode: bidirectional\n  interval: 300\n  \
                    batch_size: 500\n  conflict_strategy: local_wins\n  retries: 3\n  sync_tables:\n  - products\n  \
                    - name: orders\n    priority: 10\n    sync_type: full\n    direction: local_to_remote\n    \
                    conflict_resolution: manual\n    sync_interval: 60\n    enabled: false\n  \
                    - {table_name: 2024, filter: x}\n";
        let (rows, notes, errors) = taken(text);
        let expected = [
            row("products", &json!({"conflict": "LOCAL_WINS"})),
            row(
                "orders",
                &json!({"enabled": false, "type": "FULL", "direction": "LOCAL_TO_REMOTE", "conflict": "MANUAL", "priority": 10}),
            ),
            row("2024", &json!({"conflict": "LOCAL_WINS"})),
        ];
        assert_eq!((rows, errors), (expected.to_vec(), vec![]));
        let said = [
            "f, line 1: database is not taken, for it means nothing here.",
            "f, line 4: synchronization.interval is not taken; for all tables alike, DB_SYNC_INTERVAL in .env says it.",
            "f, line 5: synchronization.batch_size is not taken; for all tables alike, DB_SYNC_BATCH_SIZE in .env says it.",
            "f, line 7: synchronization.retries is not taken, for it means nothing here.",
            "f, line 15: orders.sync_interval is not taken; for all tables alike, DB_SYNC_INTERVAL in .env says it.",
            "f, line 17: 2024.filter is not taken, for it means nothing here.",
        ];
        assert_eq!(notes, said);
    }

    #[test]
    fn whatever_is_on_the_older_list_is_synced() {
        let wanted =
            read("f", "synchronization: {sync_tables: [a, {name: b, enabled: off}]}").wanted;
        let enabled = |wanted: &Wanted| {
            let mut row = TableSettings { enabled: false, ..fresh("t") };
            wanted
                .values
                .iter()
                .for_each(|(setting, given)| put(&mut row, *setting, given).unwrap());
            row.enabled
        };
        assert_eq!(wanted.iter().map(enabled).collect::<Vec<_>>(), [true, false]);
        assert_eq!(read("f", "tables: [a]").wanted[0].values, []);
    }

    #[test]
    fn a_mode_is_a_type_or_a_direction_or_nothing_that_we_know() {
        let with =
            |mode: &str| taken(&format!("synchronization: {{mode: {mode}, sync_tables: [t]}}"));
        assert_eq!(with("full").0, [row("t", &json!({"type": "FULL"}))]);
        assert_eq!(with("remote_to_local").0, [row("t", &json!({"direction": "REMOTE_TO_LOCAL"}))]);
        let (rows, notes, errors) = with("realtime");
        assert_eq!((rows, errors), (vec![row("t", &json!({}))], vec![]));
        assert_eq!(
            notes,
            ["f, line 1: synchronization.mode is not taken, for it means nothing here."]
        );
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let text = "tables:\n- {table: a, type: half, direction: master_to_slave, conflict: newest}\n- {priority: 1}\n- [b]\n\
                    - {table: c, priority: high, enabled: perhaps, ignore: {x: y}, type: FULL, sync_type: FULL}\n- ''\n\
                    - {table: d, priority: 2147483648, direction: [BOTH]}\n";
        let expected = [
            "CFG_002: f, line 3: this entry names no table.",
            "CFG_002: f, line 4: this entry names no table.",
            "CFG_002: f, line 5: sync_type says once more what another line has said.",
            "CFG_002: f, line 6: this entry names no table.",
            "CFG_002: Table a: type is \"half\"; allowed is FULL | INCREMENTAL.",
            "CFG_004: direction of table a is \"master_to_slave\", which is no direction.",
            "CFG_002: Table a: conflict is \"newest\"; allowed is REMOTE_WINS | LOCAL_WINS | SKIP | MANUAL.",
            "CFG_002: Table c: priority is \"high\"; allowed is -2147483648 … 2147483647.",
            "CFG_002: Table c: enabled is \"perhaps\"; allowed is true | false.",
            "CFG_002: Table c: ignore is \"…\"; allowed is names of columns.",
            "CFG_002: Table d: priority is \"2147483648\"; allowed is -2147483648 … 2147483647.",
            "CFG_004: direction of table d is \"BOTH\", which is no direction.",
        ];
        assert_eq!(taken(text).2, expected);
    }

    #[test]
    fn a_file_without_a_list_is_refused() {
        for text in [
            "",
            "x",
            "[t]",
            "tables: t",
            "tables: {t: 1}",
            "synchronization: {mode: full}",
            "sync_tables: [t]",
            "synchronization:\n  sync_tables:\n",
        ] {
            let document = read("f", text);
            let codes: Vec<_> = document.errors.iter().map(|error| error.sentences).collect();
            assert_eq!((codes, document.wanted.len()), (vec![error::NO_LIST], 0), "{text}");
        }
        let broken = read("f", "tables:\n- {a\n");
        assert_eq!(broken.errors[0].code(), Code::Cfg002);
        assert_eq!(broken.errors[0].sentences, error::BAD_YAML);
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.yaml");
        let refused = |path: &Path| open(path).unwrap_err().message();
        assert!(
            refused(&path)
                .contains("f.yaml cannot be read: No such file or directory (os error 2)")
        );
        std::fs::write(&path, [b't', 0xff]).unwrap();
        assert!(refused(&path).contains("it is not UTF-8"));
        let large = std::fs::File::create(&path).unwrap();
        large.set_len(yaml::BYTES + 1).unwrap();
        assert!(refused(&path).contains("it is too large"));
        assert!(refused(folder.path()).contains("cannot be read"));
    }

    fn any_row() -> impl Strategy<Value = TableSettings> {
        let name = || {
            prop_oneof![
                "(.|\\n){1,20}",
                "[a-z_]{1,8}",
                "[-:#\"'\\\\ \\n\\[\\]{}&*!|>%@`,?]{1,8}",
                Just("null".to_owned()),
                Just("Yes".to_owned()),
                Just("~".to_owned()),
                Just("\u{7f}\u{85}\u{2028}\u{feff}".to_owned())
            ]
        };
        let names = || proptest::collection::vec(name(), 0..3);
        let words = (0..SyncType::NAMES.len(), 0..Direction::NAMES.len(), 0..Winner::NAMES.len());
        (name(), any::<bool>(), words, any::<i32>(), names(), names()).prop_map(
            |(table, enabled, (sync_type, direction, strategy), priority, ignore, quiet)| {
                TableSettings {
                    table,
                    enabled,
                    policy: Policy {
                        sync_type: SyncType::NAMES[sync_type].parse().unwrap(),
                        direction: Direction::NAMES[direction].parse().unwrap(),
                        strategy: Winner::NAMES[strategy].parse().unwrap(),
                    },
                    priority: priority.into(),
                    rules: ColumnRules { ignore, quiet },
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_exported_comes_back_the_same(rows in proptest::collection::vec(any_row(), 0..4)) {
            let rows: Vec<Listed> = rows.iter().map(listed).collect();
            let expected: Vec<Json> = rows.iter().map(|row| json!(row)).collect();
            let yaml = write(&rows);
            prop_assert_eq!(taken(&yaml), (expected.clone(), vec![], vec![]), "{}", yaml);
            // A program that takes YAML for JSON's types must find the names to be texts, so they are quoted where in doubt.
            let json: Vec<Listed> = serde_json::from_str(&json!(rows).to_string()).unwrap();
            prop_assert_eq!(json, rows);
        }

        #[test]
        fn any_file_gives_rows_or_errors(
            text in "(tables|synchronization|sync_tables|name|table|type|mode|FULL|priority|[-:,{}\\[\\]&*a'\" \\n0-9]){0,40}",
            cut in 0..400usize,
            other in any::<u8>(),
        ) {
            let mut bytes = write(&[listed(&fresh("some_table")), listed(&fresh("an\nother"))]).into_bytes();
            let at = cut % bytes.len();
            bytes[at] = other;
            for text in [text, String::from_utf8_lossy(&bytes).into_owned(), String::from_utf8_lossy(&bytes[..at]).into_owned()] {
                let document = read("f", &text);
                prop_assert!(document.wanted.iter().all(|wanted| !wanted.table.is_empty()));
                prop_assert!(document.errors.iter().all(|error| error.code().exit() == 2));
            }
        }
    }
}
