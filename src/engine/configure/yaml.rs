//! YAML as a tree of texts, lists and mappings.
//!
//! Nothing is taken for a number or a switch: a text is what stands in the file, and whoever reads it knows what it should be.
//! A file from elsewhere can cost neither much time nor much memory: its size, its depth and what its aliases make of it are
//! bounded.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser};

/// The most bytes that are read.
pub const BYTES: u64 = 4 << 20;
/// The most nodes, those that aliases repeat included.
const NODES: usize = 200_000;
/// The most lists and mappings within each other.
const DEPTH: usize = 16;

/// One thing in the file, and the line where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// What it is.
    pub holds: Holds,
    /// It and everything in it.
    nodes: usize,
    /// How many lists and mappings are within each other, itself included.
    depth: usize,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text, as it stands there.
    Text(String),
    /// Nodes one after the other.
    List(Vec<Node>),
    /// Nodes by name, in the file's order.
    Mapping(Vec<(String, Node)>),
}

/// Why a text cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Why.
    pub reason: String,
    /// From 1.
    pub line: usize,
}

impl Mistake {
    fn at(line: usize, reason: &str) -> Self {
        Self { reason: reason.to_owned(), line }
    }
}

/// A list or a mapping of which the end has not come yet.
struct Open {
    line: usize,
    anchor: usize,
    mapping: bool,
    /// Of a mapping, names and what they stand for in turn.
    nodes: Vec<Node>,
}

/// Reads a text with one document; none where there is nothing in it.
///
/// # Errors
/// The first mistake.
pub fn parse(text: &str) -> Result<Option<Node>, Mistake> {
    let mut root = None;
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let (mut documents, mut nodes) = (0, 0);
    for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        let (event, span) =
            event.map_err(|problem| Mistake::at(problem.marker().line(), problem.info()))?;
        let line = span.start.line();
        let (node, anchor) = match event {
            Event::DocumentStart(_) if documents == 1 => {
                return Err(Mistake::at(line, "a second document begins"));
            }
            Event::DocumentStart(_) => {
                documents += 1;
                continue;
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                let mapping = matches!(event, Event::MappingStart(..));
                open.push(Open { line, anchor, mapping, nodes: Vec::new() });
                if open.len() > DEPTH {
                    return Err(Mistake::at(line, "too many lists within each other"));
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(ended) = open.pop() else { continue };
                let anchor = ended.anchor;
                (ended.end()?, anchor)
            }
            Event::Scalar(text, _, anchor, _) => {
                let holds = Holds::Text(text.into_owned());
                (Node { line, holds, nodes: 1, depth: 0 }, anchor)
            }
            Event::Alias(anchor) => {
                let named = anchors.get(&anchor);
                let named = named.ok_or_else(|| Mistake::at(line, "an alias of what it is in"))?;
                // Asked before anything is copied.
                if nodes + named.nodes > NODES || open.len() + named.depth > DEPTH {
                    return Err(Mistake::at(line, "aliases make it too large"));
                }
                nodes += named.nodes - 1;
                (Node { line, ..named.clone() }, 0)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
        };
        nodes += 1;
        if nodes > NODES {
            return Err(Mistake::at(line, "it is too large"));
        }
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            Some(list) => list.nodes.push(node),
            None => root = Some(node),
        }
    }
    Ok(root)
}

impl Open {
    fn end(self) -> Result<Node, Mistake> {
        let Self { line, mapping, nodes: inner, .. } = self;
        let nodes = 1 + inner.iter().map(|node| node.nodes).sum::<usize>();
        let depth = 1 + inner.iter().map(|node| node.depth).max().unwrap_or(0);
        let holds = if mapping { Holds::Mapping(pairs(inner)?) } else { Holds::List(inner) };
        Ok(Node { line, holds, nodes, depth })
    }
}

/// A mapping's names, each once. What `<<` stands for fills in what the mapping does not say itself.
fn pairs(nodes: Vec<Node>) -> Result<Vec<(String, Node)>, Mistake> {
    let mut pairs = Vec::with_capacity(nodes.len() / 2);
    let mut names = HashSet::new();
    let mut merged = Vec::new();
    let mut nodes = nodes.into_iter();
    while let (Some(name), Some(node)) = (nodes.next(), nodes.next()) {
        let Holds::Text(text) = name.holds else {
            return Err(Mistake::at(name.line, "a name that is no text"));
        };
        match node.holds {
            Holds::Mapping(more) if text == "<<" => merged.extend(more),
            _ if !names.insert(text.clone()) => {
                return Err(Mistake::at(name.line, "a name that stands there already"));
            }
            _ => pairs.push((text, Node { line: name.line, ..node })),
        }
    }
    merged.retain(|(name, _)| names.insert(name.clone()));
    pairs.extend(merged);
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tree as JSON has it, all texts.
    fn plain(node: &Node) -> serde_json::Value {
        match &node.holds {
            Holds::Text(text) => text.as_str().into(),
            Holds::List(nodes) => nodes.iter().map(plain).collect(),
            Holds::Mapping(pairs) => {
                pairs.iter().map(|(name, node)| (name.clone(), plain(node))).collect()
            }
        }
    }

    fn tree(text: &str) -> String {
        plain(&parse(text).unwrap().unwrap()).to_string()
    }

    fn mistake(text: &str) -> (usize, String) {
        let mistake = parse(text).unwrap_err();
        (mistake.line, mistake.reason)
    }

    #[test]
    fn texts_stay_as_they_are_written() {
        let text = "a: [1_000, 007, 1e3, yes, ~, 'x: y', \"z\\n\"] # said\nb:\n- null\n- {c: ''}\nd: |\n  two\n  lines\ne:\n";
        let expected = r#"{"a":["1_000","007","1e3","yes","~","x: y","z\n"],"b":["null",{"c":""}],"d":"two\nlines\n","e":""}"#;
        assert_eq!(tree(text), expected);
        assert_eq!(tree("\u{feff}---\nx\n...\n"), "\"x\"");
        for nothing in ["", "# nothing\n", "\n\n"] {
            assert_eq!(parse(nothing).unwrap(), None, "{nothing:?}");
        }
    }

    #[test]
    fn every_node_knows_its_line() {
        let root = parse("a:\n  - b\n  -\n    c: d\n").unwrap().unwrap();
        let Holds::Mapping(pairs) = root.holds else { panic!("a mapping") };
        let Holds::List(nodes) = &pairs[0].1.holds else { panic!("a list") };
        assert_eq!((root.line, pairs[0].1.line, nodes[0].line, nodes[1].line), (1, 1, 2, 4));
    }

    #[test]
    fn aliases_and_merged_mappings_stand_for_what_they_name() {
        let text = "base: &b {type: FULL, priority: 3}\nlist:\n- {<<: *b, priority: 7}\n- *b\n";
        let expected = r#"{"base":{"type":"FULL","priority":"3"},"list":[{"priority":"7","type":"FULL"},{"type":"FULL","priority":"3"}]}"#;
        assert_eq!(tree(text), expected);
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_line() {
        assert_eq!(mistake("a: 1\nb: 2\na: 3\n"), (3, "a name that stands there already".into()));
        assert_eq!(mistake("? [a]\n: b\n"), (1, "a name that is no text".into()));
        assert_eq!(mistake("a\n---\nb\n"), (2, "a second document begins".into()));
        assert_eq!(mistake("a: &x [*x]\n").0, 1);
        assert_eq!(mistake("a: 1\nb: *nobody\n").0, 2);
        assert_eq!(mistake("a: [1\nb: \"x\n").0, 2);
    }

    #[test]
    fn what_would_grow_without_end_is_refused() {
        let lines = |count: usize, line: &dyn Fn(usize) -> String| {
            (1..count).map(line).collect::<Vec<String>>().concat()
        };
        let bomb = lines(30, &|n| format!("l{n}: &l{n} [*l{0},*l{0}]\n", n - 1));
        assert_eq!(mistake(&format!("l0: &l0 [x,x]\n{bomb}")).1, "aliases make it too large");
        let wide = "x,".repeat(1000);
        let many = "- *w\n".repeat(10_000);
        assert_eq!(mistake(&format!("- &w [{wide}]\n{many}")).1, "aliases make it too large");
        let steps = lines(500, &|n| format!("- &d{n} [*d{}]\n", n - 1));
        assert_eq!(mistake(&format!("- &d0 x\n{steps}")).1, "aliases make it too large");
        for deep in ["[", "{a: ", "- ", "? "] {
            assert!(parse(&deep.repeat(100_000)).is_err(), "{deep}");
        }
        let nested = lines(1000, &|n| format!("{}a:\n", " ".repeat(n)));
        assert_eq!(mistake(&nested).1, "too many lists within each other");
        assert_eq!(mistake(&"- x\n".repeat(300_000)).1, "it is too large");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "(.|\\n){0,80}",
            hostile in "[-a&*b:<>|{}\\[\\],'\"?!%#~0 \\n\\t]{0,80}",
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            for text in [text, hostile, String::from_utf8_lossy(&bytes).into_owned()] {
                // Either way it says so; nothing panics.
                let _ = parse(&text);
            }
        }

        #[test]
        fn json_is_read_as_what_it_is(text in "\\PC{0,40}", more in ".{0,40}") {
            let json = serde_json::json!({"a": [text.clone()], "b": {"c": more.clone()}}).to_string();
            // What JSON may leave bare and YAML does not take is not read as something else.
            if let Ok(Some(node)) = parse(&json) {
                prop_assert_eq!(plain(&node), serde_json::json!({"a": [text], "b": {"c": more}}));
            }
        }
    }
}
