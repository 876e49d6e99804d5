//! What an account may do in a database, as `SHOW GRANTS` tells it.
//!
//! What stands there holds. What does not may still be allowed, by a right to single columns or by one that everybody has:
//! there the server itself is to be asked.

use std::collections::{HashMap, HashSet};

const ALL: &str = "ALL PRIVILEGES";

/// The rights of an account, where they concern one database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    server: HashSet<String>,
    /// Taken away in this database from what holds on the whole server.
    revoked: HashSet<String>,
    database: HashSet<String>,
    tables: HashMap<String, HashSet<String>>,
}

impl Grants {
    /// Reads the lines of `SHOW GRANTS`, those of active roles among them.
    pub fn read(lines: &[String], database: &str) -> Self {
        let mut grants = Self::default();
        for line in lines {
            let (given, rest) = match (line.strip_prefix("GRANT "), line.strip_prefix("REVOKE ")) {
                (Some(rest), _) => (true, rest),
                (None, Some(rest)) => (false, rest),
                (None, None) => continue,
            };
            // A role that is granted has no object.
            let Some((privileges, rest)) = cut(rest, " ON ") else { continue };
            let Some((object, _)) = cut(rest, if given { " TO " } else { " FROM " }) else {
                continue;
            };
            let Some((pattern, table)) = cut(object, ".") else { continue };
            let privileges = listed(privileges);
            let ours = like(&unquoted(pattern), database);
            match (given, pattern, table) {
                (true, "*", "*") => grants.server.extend(privileges),
                (false, _, "*") if ours => grants.revoked.extend(privileges),
                (true, _, "*") if ours => grants.database.extend(privileges),
                (true, _, _) if ours => {
                    grants.tables.entry(unquoted(table)).or_default().extend(privileges);
                }
                _ => {}
            }
        }
        grants
    }

    /// Whether the account has a right on the whole server.
    pub fn on_server(&self, privilege: &str) -> bool {
        has(&self.server, privilege)
    }

    /// Whether the account has a right to every table of the database, those that are yet to be made included.
    pub fn on_database(&self, privilege: &str) -> bool {
        let server = self.on_server(privilege) && !has(&self.revoked, privilege);
        server || has(&self.database, privilege)
    }

    /// Whether the account has a right to a table.
    pub fn on_table(&self, privilege: &str, table: &str) -> bool {
        let own = self.tables.get(table).is_some_and(|table| has(table, privilege));
        own || self.on_database(privilege)
    }
}

fn has(privileges: &HashSet<String>, privilege: &str) -> bool {
    privileges.contains(privilege) || privileges.contains(ALL)
}

/// Cuts a line in two at a word that stands in no quotes.
fn cut<'a>(line: &'a str, at: &str) -> Option<(&'a str, &'a str)> {
    let mut quoted = None;
    for (place, letter) in line.char_indices() {
        match quoted {
            None if line[place..].starts_with(at) => {
                return Some((&line[..place], &line[place + at.len()..]));
            }
            None if matches!(letter, '`' | '\'' | '"') => quoted = Some(letter),
            Some(quote) if quote == letter => quoted = None,
            _ => {}
        }
    }
    None
}

/// The privileges of a list, but for those to single columns.
fn listed(privileges: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0_u32, None);
    for letter in privileges.chars() {
        match (quoted, letter) {
            (None, '`') => quoted = Some(letter),
            (Some(_), '`') => quoted = None,
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    let whole = parts.iter().filter(|part| !part.contains('('));
    whole.map(|part| part.trim().to_uppercase()).collect()
}

fn unquoted(name: &str) -> String {
    let inside = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
    inside.map_or_else(|| name.to_owned(), |name| name.replace("``", "`"))
}

/// Whether a name is what a pattern of a grant means: `%` any letters, `_` any one, `\` before one that stands for itself.
fn like(pattern: &str, name: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => name.is_empty(),
        Some('%') => {
            let rest = letters.as_str();
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| like(rest, &name[at..]))
        }
        Some(letter) => {
            let escaped = letter == '\\' && !letters.as_str().is_empty();
            let wanted = if escaped { letters.next() } else { Some(letter) };
            let mut others = name.chars();
            let met = others.next();
            let any = letter == '_' && met.is_some();
            (any || met.is_some() && met == wanted) && like(letters.as_str(), others.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Grants {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Grants::read(&lines, "my_shop")
    }

    #[test]
    fn rights_of_the_server_of_a_database_and_of_tables() {
        let grants = read(&[
            "GRANT REPLICATION SLAVE, PROCESS ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*HASH ON x.* TO y'",
            "GRANT SELECT, CREATE TEMPORARY TABLES ON `my\\_shop`.* TO `u`@`%`",
            "GRANT INSERT, UPDATE ON `my_shop`.`order on` TO `u`@`%` WITH GRANT OPTION",
            "GRANT ALL PRIVILEGES ON `other`.* TO `u`@`%`",
            "GRANT `reader`@`%` TO `u`@`%`",
            "GRANT EXECUTE ON PROCEDURE `my_shop`.`p` TO `u`@`%`",
            "SET DEFAULT ROLE `reader` FOR `u`@`%`",
        ]);
        assert!(grants.on_server("REPLICATION SLAVE") && !grants.on_server("SELECT"));
        assert!(grants.on_database("SELECT") && grants.on_database("CREATE TEMPORARY TABLES"));
        assert!(!grants.on_database("INSERT") && !grants.on_database("DELETE"));
        assert!(grants.on_table("INSERT", "order on") && grants.on_table("SELECT", "any"));
        assert!(!grants.on_table("INSERT", "other") && !grants.on_table("DELETE", "order on"));
    }

    #[test]
    fn all_privileges_and_those_taken_back() {
        assert!(read(&["GRANT ALL PRIVILEGES ON *.* TO `u`@`%`"]).on_table("DELETE", "t"));
        assert!(!read(&["GRANT USAGE ON *.* TO `u`@`%`"]).on_table("SELECT", "t"));
        let partly = read(&[
            "GRANT SELECT,INSERT,DELETE ON *.* TO `u`@`%`",
            "REVOKE INSERT ON `my_shop`.* FROM `u`@`%`",
            "REVOKE DELETE ON `other`.* FROM `u`@`%`",
        ]);
        assert!(partly.on_table("SELECT", "t") && partly.on_table("DELETE", "t"));
        assert!(!partly.on_table("INSERT", "t") && partly.on_server("INSERT"));
    }

    #[test]
    fn rights_to_single_columns_are_not_taken_for_rights_to_the_table() {
        let grants = read(&[
            "GRANT SELECT (`a`, `b,)`), INSERT, UPDATE (`c`), DELETE ON `my_shop`.`t` TO `u`@`%`",
        ]);
        assert!(grants.on_table("INSERT", "t") && grants.on_table("DELETE", "t"));
        assert!(!grants.on_table("SELECT", "t") && !grants.on_table("UPDATE", "t"));
    }

    #[test]
    fn patterns_of_databases() {
        for (pattern, name, fits) in [
            ("my_shop", "my_shop", true),
            ("my_shop", "my1shop", true),
            ("my\\_shop", "my1shop", false),
            ("my\\_shop", "my_shop", true),
            ("my%", "my_shop", true),
            ("%", "", true),
            ("my%p", "my_shop", true),
            ("my%x", "my_shop", false),
            ("my_sho", "my_shop", false),
            ("日%", "日本", true),
        ] {
            assert_eq!(like(pattern, name), fits, "{pattern} {name}");
        }
    }
}
