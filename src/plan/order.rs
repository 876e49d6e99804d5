//! In which order tables are written, so that foreign keys hold.

use std::collections::{HashMap, HashSet};

/// A table to be put in order.
#[derive(Clone, Debug)]
pub struct Ranked<'a> {
    /// Its name.
    pub name: &'a str,
    /// Greater comes first where foreign keys leave the choice.
    pub priority: i64,
    /// The tables that its foreign keys refer to (others than those ordered are ignored).
    pub parents: Vec<&'a str>,
    /// The tables whose triggers may write to it.
    pub writers: Vec<&'a str>,
}

/// Positions of the tables, parents before children, then by priority, then by name. Deletions go
/// through the same order backwards.
///
/// A table to which another's triggers write comes after that one, unless foreign keys want it otherwise: a row that a
/// trigger has made is found there, and made only once.
///
/// Where foreign keys form a circle, the table with the greatest priority in it goes first; its rows
/// that still lack a parent are tried again after the others.
pub fn order(tables: &[Ranked<'_>]) -> Vec<usize> {
    let positions: HashMap<&str, usize> =
        tables.iter().enumerate().map(|(at, table)| (table.name, at)).collect();
    let others = |at: usize, names: &[&str]| -> HashSet<usize> {
        let known = names.iter().filter_map(|name| positions.get(name).copied());
        known.filter(|other| *other != at).collect()
    };
    let all = tables.iter().enumerate();
    let mut parents: Vec<HashSet<usize>> =
        all.clone().map(|(at, table)| others(at, &table.parents)).collect();
    let mut writers: Vec<HashSet<usize>> =
        all.map(|(at, table)| others(at, &table.writers)).collect();
    for (at, writers) in writers.iter_mut().enumerate() {
        writers.retain(|writer| !ancestors(&parents, *writer).contains(&at));
    }
    let mut left: Vec<usize> = (0..tables.len()).collect();
    left.sort_by_key(|at| (-tables[*at].priority, tables[*at].name));
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let parentless = |at: &usize| parents[*at].is_empty();
        let free = left.iter().position(|at| parentless(at) && writers[*at].is_empty());
        let free = free.or_else(|| left.iter().position(parentless)).unwrap_or(0);
        let next = left.remove(free);
        for waits in parents.iter_mut().chain(&mut writers) {
            waits.remove(&next);
        }
        ordered.push(next);
    }
    ordered
}

/// Parents, their parents, and so on.
fn ancestors(parents: &[HashSet<usize>], of: usize) -> HashSet<usize> {
    let mut found = HashSet::new();
    let mut next = vec![of];
    while let Some(at) = next.pop() {
        next.extend(parents[at].iter().filter(|parent| found.insert(**parent)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tables: &[(&'static str, i64, &[&'static str])]) -> Vec<&'static str> {
        written(tables, &[])
    }

    /// With tables to which others' triggers write.
    fn written(
        tables: &[(&'static str, i64, &[&'static str])],
        triggers: &[(&'static str, &'static str)],
    ) -> Vec<&'static str> {
        let ranked: Vec<Ranked<'_>> = tables
            .iter()
            .map(|(name, priority, parents)| Ranked {
                name,
                priority: *priority,
                parents: parents.to_vec(),
                writers: triggers
                    .iter()
                    .filter(|(_, touched)| touched == name)
                    .map(|(writer, _)| *writer)
                    .collect(),
            })
            .collect();
        order(&ranked).into_iter().map(|at| tables[at].0).collect()
    }

    #[test]
    fn parents_before_children_then_priority_then_name() {
        let tables: &[(&str, i64, &[&str])] = &[
            ("items", 9, &["orders", "products"]),
            ("orders", 0, &["users"]),
            ("products", 5, &[]),
            ("users", 0, &[]),
            ("a", 0, &[]),
        ];
        assert_eq!(names(tables), ["products", "a", "users", "orders", "items"]);
    }

    #[test]
    fn what_a_trigger_writes_to_comes_later_unless_it_is_a_parent() {
        let tables: &[(&str, i64, &[&str])] =
            &[("film_text", 9, &[]), ("film", 0, &["total"]), ("total", 0, &[])];
        let triggers = [("film", "film_text"), ("film", "total")];
        assert_eq!(written(tables, &triggers), ["total", "film", "film_text"]);
    }

    #[test]
    fn circles_and_self_references_end() {
        let tables: &[(&str, i64, &[&str])] =
            &[("a", 0, &["b"]), ("b", 1, &["a"]), ("tree", 0, &["tree", "elsewhere"])];
        assert_eq!(names(tables), ["tree", "b", "a"]);
    }
}
