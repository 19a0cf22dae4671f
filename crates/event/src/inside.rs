//! Values inside JSON that somebody wants as columns of their own: which paths, and how a batch
//! carries them.
//!
//! Who reads a record's JSON anyway can hand over the values that rules name, so that nobody walks
//! over the text again. They stand in one column beside the others, [`COLUMN`]: a struct with a child
//! for each path that has a value in the batch. It is for detection only, is never stored
//! ([`EventBatch::without_inside`](crate::EventBatch::without_inside)), and says in the metadata of its
//! field whose wishes it fulfils: a reader that wishes otherwise by now reads the text instead.
//!
//! What is not here: reading JSON.

use crate::dataset::Dataset;
use arrow::array::{Array, AsArray, StringViewArray, StructArray};
use arrow::datatypes::Field;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Name of the column; no log's key begins with this character in a schema.
pub const COLUMN: &str = "\u{3}inside";

/// More segments than any field of a rule has; bounds the tree.
const SEGMENTS_MAX: usize = 16;
/// Stands for any key in a path.
const ANY: &str = "*";

/// What follows a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// The value is wanted for this slot.
    pub slot: Option<u32>,
    /// Paths go on inside the value.
    pub node: Option<u32>,
}

impl Edge {
    pub fn is_wanted(self) -> bool {
        self.slot.is_some() || self.node.is_some()
    }
}

#[derive(Clone, Debug, Default)]
struct Node {
    keys: HashMap<Box<str>, Edge, ahash::RandomState>,
    any: Edge,
}

/// The wanted paths inside one column of JSON text; node 0 is its top.
#[derive(Clone, Debug)]
pub struct PathTree {
    pub column: String,
    nodes: Vec<Node>,
    paths: Vec<(String, u32)>,
}

impl PathTree {
    pub fn new(column: String) -> PathTree {
        PathTree {
            column,
            nodes: vec![Node::default()],
            paths: Vec::new(),
        }
    }

    /// Wants the value at `path` for `slot`. Dots are levels and parts of keys alike: `a.b` is in
    /// `{"a":{"b":1}}`, `{"a.b":1}` and, as one of several, `{"a":[{"b":1}]}`.
    pub fn want(&mut self, path: &str, slot: u32) {
        self.paths.push((path.to_owned(), slot));
        self.want_below(0, path, slot, 0);
    }

    fn want_below(&mut self, node: u32, path: &str, slot: u32, depth: usize) {
        let here = node as usize;
        if path == ANY {
            self.nodes[here].any.slot = Some(slot);
        } else {
            self.nodes[here].keys.entry(path.into()).or_default().slot = Some(slot);
        }
        if depth == SEGMENTS_MAX {
            return;
        }
        for (dot, _) in path.match_indices('.') {
            let (key, rest) = (&path[..dot], &path[dot + 1..]);
            if key.is_empty() || rest.is_empty() {
                continue;
            }
            let next = u32::try_from(self.nodes.len()).expect("bounded by the rules");
            let edge = if key == ANY {
                &mut self.nodes[here].any
            } else {
                self.nodes[here].keys.entry(key.into()).or_default()
            };
            let below = *edge.node.get_or_insert(next);
            if below == next {
                self.nodes.push(Node::default());
            }
            self.want_below(below, rest, slot, depth + 1);
        }
    }

    /// What follows `key`, its escapes undone, in an object at `node`.
    pub fn edge(&self, node: u32, key: &str) -> Edge {
        let node = &self.nodes[node as usize];
        node.keys.get(key).copied().unwrap_or(node.any)
    }

    /// The keys that are known at `node`, and what follows all others.
    pub fn keys(&self, node: u32) -> (impl Iterator<Item = (&str, Edge)>, Edge) {
        let node = &self.nodes[node as usize];
        (node.keys.iter().map(|(key, edge)| (&**key, *edge)), node.any)
    }

    /// Nodes are numbered from 0.
    pub fn nodes(&self) -> u32 {
        u32::try_from(self.nodes.len()).expect("bounded by the rules")
    }
}

/// All paths wanted of one dataset; slots are numbered over its trees together.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub trees: Vec<PathTree>,
    pub slots: u32,
    marks: Vec<String>,
}

impl Wanted {
    /// `slots`: how many there are.
    pub fn new(trees: Vec<PathTree>, slots: u32) -> Wanted {
        let marks = trees.iter().map(mark).collect();
        Wanted { trees, slots, marks }
    }

    /// What names the wishes of a tree: equal for equal trees.
    pub fn mark(&self, tree: usize) -> &str {
        &self.marks[tree]
    }
}

/// FNV-1a over the paths and their slots, and how many there are.
fn mark(tree: &PathTree) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for (path, slot) in &tree.paths {
        add(path.as_bytes());
        add(&[0xff]);
        add(&slot.to_le_bytes());
    }
    format!("{:x}.{hash:016x}", tree.paths.len())
}

/// The wishes for every dataset, made once for many inputs.
#[derive(Clone, Debug, Default)]
pub struct Inside(Arc<BTreeMap<Dataset, Arc<Wanted>>>);

impl Inside {
    pub fn new(wanted: impl IntoIterator<Item = (Dataset, Arc<Wanted>)>) -> Inside {
        Inside(Arc::new(wanted.into_iter().collect()))
    }

    pub fn of(&self, dataset: Dataset) -> Option<&Arc<Wanted>> {
        self.0.get(&dataset)
    }
}

/// Name of the child that marks rows whose text has to be read for a tree after all: a path has
/// several values there, or lies where the reader did not look.
pub fn unsure(tree: usize) -> String {
    format!("?{tree}")
}

/// What a batch has of the values that are wanted inside one column.
#[derive(Clone, Copy, Debug)]
pub struct Extracted<'b> {
    column: &'b StructArray,
    tree: usize,
}

impl<'b> Extracted<'b> {
    /// `None` where nobody looked into the column, or with other wishes. `field` is that of `column`.
    pub fn of(field: &Field, column: &'b dyn Array, wanted: &Wanted, tree: usize) -> Option<Extracted<'b>> {
        let mark = field.metadata().get(&wanted.trees.get(tree)?.column)?;
        let column = column.as_struct_opt()?;
        (mark == wanted.mark(tree)).then_some(Extracted { column, tree })
    }

    /// The slots with a value somewhere in the batch. A value stands as in the JSON; a string without
    /// escapes lacks its closing quote. Null: there is none, or the row is not sure.
    pub fn slots(self) -> impl Iterator<Item = (u32, &'b StringViewArray)> {
        let fields = self.column.fields().iter().zip(self.column.columns());
        fields.filter_map(|(field, column)| Some((field.name().parse().ok()?, column.as_string_view_opt()?)))
    }

    /// Not null in rows whose text has to be read.
    pub fn unsure(self) -> Option<&'b StringViewArray> {
        self.column
            .column_by_name(&unsure(self.tree))?
            .as_string_view_opt()
    }
}
