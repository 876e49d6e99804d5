//! What the documentation says, compared with the code.

use std::collections::BTreeSet;
use std::path::Path;

use db_sync::config::keys::KEYS;
use db_sync::engine::doctor::ailments;
use db_sync::error::Code;
use db_sync::report::Level;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_example_names_every_key_with_its_default() {
    let text = read(".env.example");
    let lines: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect();
    let named: BTreeSet<&str> = lines.iter().map(|(name, _)| *name).collect();
    let known: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(named, known);
    for key in KEYS {
        if let Some(default) = key.default {
            let value = lines.iter().find(|(name, _)| *name == key.name).unwrap().1;
            assert_eq!(value, default, "{}", key.name);
        }
    }
}

#[test]
fn the_settings_page_explains_every_key() {
    let text = read("docs/settings.md");
    for key in KEYS {
        assert!(
            text.contains(&format!("`{}`", key.name)),
            "docs/settings.md does not name {}",
            key.name
        );
    }
}

#[test]
fn the_errors_page_explains_every_code() {
    let text = read("docs/errors.md");
    for code in Code::ALL {
        assert!(text.contains(&format!("`{code}`")), "docs/errors.md does not explain {code}");
    }
}

#[test]
fn the_doctors_page_explains_every_finding_of_its_own() {
    let text = read("docs/doctor.md");
    let of = |line: &str| {
        let mut cells = line.split('|').map(str::trim);
        let code = cells.nth(1)?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some((code, cells.next()?.to_owned()))
    };
    let told: BTreeSet<(String, String)> = text.lines().filter_map(of).collect();
    let harmless = (ailments::HARMLESS_DIFFERENCE, Level::Note);
    let known = ailments::ALL.iter().map(|ailment| (ailment.code, ailment.level)).chain([harmless]);
    for (code, level) in known {
        let row = (code.to_owned(), level.as_str().to_owned());
        assert!(told.contains(&row), "docs/doctor.md has no row for {row:?}");
    }
    let codes: BTreeSet<&str> = ailments::ALL.iter().map(|ailment| ailment.code).collect();
    // From 100 on they are the Django app's.
    let ours = told.iter().filter(|(code, _)| code.starts_with("DOC_0"));
    for (code, _) in ours.filter(|(code, _)| code != ailments::HARMLESS_DIFFERENCE) {
        assert!(
            codes.contains(code.as_str()),
            "docs/doctor.md explains {code}, which is not there"
        );
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let architecture = read("ARCHITECTURE.md");
    let manifest = read("Cargo.toml");
    let section =
        manifest.split("[dependencies]").nth(1).unwrap().split("[profile").next().unwrap();
    for line in section.lines() {
        if let Some((name, _)) = line
            .split_once(" = ")
            .filter(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c)))
        {
            assert!(
                architecture.contains(&format!("`{name}`")),
                "ARCHITECTURE.md gives no reason for {name}"
            );
        }
    }
}
