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
}

/// Positions of the tables, parents before children, then by priority, then by name. Deletions go
/// through the same order backwards.
///
/// Where foreign keys form a circle, the table with the greatest priority in it goes first; its rows
/// that still lack a parent are tried again after the others.
pub fn order(tables: &[Ranked<'_>]) -> Vec<usize> {
    let positions: HashMap<&str, usize> =
        tables.iter().enumerate().map(|(at, table)| (table.name, at)).collect();
    let mut waits: Vec<HashSet<usize>> = tables
        .iter()
        .enumerate()
        .map(|(at, table)| {
            let parents = table.parents.iter().filter_map(|parent| positions.get(parent).copied());
            parents.filter(|parent| *parent != at).collect()
        })
        .collect();
    let mut left: Vec<usize> = (0..tables.len()).collect();
    left.sort_by_key(|at| (-tables[*at].priority, tables[*at].name));
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = left.iter().position(|at| waits[*at].is_empty()).unwrap_or(0);
        let next = left.remove(free);
        for wait in &mut waits {
            wait.remove(&next);
        }
        ordered.push(next);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tables: &[(&'static str, i64, &[&'static str])]) -> Vec<&'static str> {
        let ranked: Vec<Ranked<'_>> = tables
            .iter()
            .map(|(name, priority, parents)| Ranked {
                name,
                priority: *priority,
                parents: parents.to_vec(),
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
    fn circles_and_self_references_end() {
        let tables: &[(&str, i64, &[&str])] =
            &[("a", 0, &["b"]), ("b", 1, &["a"]), ("tree", 0, &["tree", "elsewhere"])];
        assert_eq!(names(tables), ["tree", "b", "a"]);
    }
}
