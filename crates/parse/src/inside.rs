//! Takes the values that somebody wishes out of the members of a record, while it is read anyway; see
//! [`haetae_event::inside`].
//!
//! Only what is plain is taken: one value a path. Where a path has several values, or goes on inside
//! an array or an object that was not kept, the row is marked as unsure, and whoever wishes reads its
//! text.

use crate::json_record::Record;
use crate::json_scan::{self, Kind, Member, Value};
use crate::key_order::{Cursor, KeyOrder};
use crate::plan::Plan;
use crate::sheet::{ExtraSpan, Sheet};
use haetae_event::inside::{Edge, PathTree};
use std::ops::Range;

/// Reads the values of one record after the other.
pub struct InsideReader {
    trees: Vec<Tree>,
    slots: usize,
    /// What was found in the row at hand: tree, slot, place.
    found: Vec<(u8, u32, Range<usize>)>,
    /// By slot: the row in which it was found, plus one.
    seen: Vec<u64>,
    row: u64,
    /// Something wanted lay in an object whose members were not kept.
    missed: bool,
}

/// Number of a tree that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeId(u8);

struct Tree {
    column: String,
    nodes: Vec<Node>,
    /// Its own number, by which rows are marked as unsure.
    number: usize,
    cursor: Cursor,
    unsure: bool,
    /// The row whose text has been read.
    fed: u64,
}

/// The keys of an object.
struct Node {
    keys: KeyOrder,
    edges: Vec<Edge>,
    any: Edge,
}

impl Node {
    fn of(tree: &PathTree, node: u32) -> Node {
        let (keys, any) = tree.keys(node);
        let (keys, edges): (Vec<&str>, Vec<Edge>) = keys.unzip();
        Node {
            keys: KeyOrder::new(keys),
            edges,
            any,
        }
    }

    #[inline]
    fn edge(&mut self, cursor: &mut Cursor, key: &str) -> Edge {
        let known = self.keys.find(cursor, key);
        known.map_or(self.any, |at| self.edges[usize::from(at)])
    }
}

impl InsideReader {
    /// `None` where nothing is wished.
    pub fn new(plan: &Plan) -> Option<InsideReader> {
        let wanted = plan.inside()?;
        let read = wanted.trees.iter().enumerate();
        let read = read.filter(|(_, tree)| plan.reads_inside(&tree.column));
        let trees: Vec<Tree> = read
            .map(|(number, tree)| Tree {
                column: tree.column.clone(),
                nodes: (0..tree.nodes()).map(|node| Node::of(tree, node)).collect(),
                number,
                cursor: Cursor::default(),
                unsure: false,
                fed: 0,
            })
            .collect();
        (!trees.is_empty()).then(|| InsideReader {
            trees,
            slots: wanted.slots as usize,
            found: Vec::new(),
            seen: vec![0; wanted.slots as usize],
            row: 1,
            missed: false,
        })
    }

    /// The tree of a column.
    pub fn tree(&self, column: &str) -> Option<TreeId> {
        let at = self.trees.iter().position(|tree| tree.column == column)?;
        u8::try_from(at).ok().map(TreeId)
    }

    /// Whether objects inside the record should be kept from now on.
    pub fn missed(&self) -> bool {
        self.missed
    }

    /// A member of the object that the tree's column holds.
    pub fn member(&mut self, tree: TreeId, text: &str, record: &Record, member: &Member) {
        let key = &text[member.key.span.clone()];
        let mut cursor = self.trees[usize::from(tree.0)].cursor;
        match member.key.kind {
            Kind::Str { escaped: true } => {
                let key = json_scan::unescape(key);
                self.below(tree, 0, &mut cursor, (text, record), &key, &member.value);
            }
            _ => self.below(tree, 0, &mut cursor, (text, record), key, &member.value),
        }
        self.trees[usize::from(tree.0)].cursor = cursor;
    }

    /// The same under a key that the record does not have so.
    pub fn member_named(&mut self, tree: TreeId, text: &str, record: &Record, key: &str, value: &Value) {
        let key = if key.contains('\\') {
            json_scan::unescape(key)
        } else {
            key.to_owned()
        };
        let mut cursor = Cursor::default();
        self.below(tree, 0, &mut cursor, (text, record), &key, value);
    }

    /// A member of the object that the tree's column will hold, as it was just written: its value is
    /// the end of `object`, from `value` on. `is_json`: the key has its escapes.
    pub fn written(&mut self, tree: TreeId, (key, is_json): (&str, bool), object: &str, value: usize) {
        let unescaped = (is_json && key.contains('\\')).then(|| json_scan::unescape(key));
        let known = &mut self.trees[usize::from(tree.0)];
        let mut cursor = known.cursor;
        let edge = known.nodes[0].edge(&mut cursor, unescaped.as_deref().unwrap_or(key));
        known.cursor = cursor;
        let text = &object[value..];
        // Nothing is known of what stands inside.
        known.unsure |= edge.node.is_some() && text.starts_with(['{', '[']) && text.contains('{');
        if let Some(slot) = edge.slot
            && text != "null"
        {
            let is_plain = text.starts_with('"') && !text.contains('\\');
            self.find(tree, slot, value..object.len() - usize::from(is_plain));
        }
    }

    /// The value that the tree's column holds as text; of several in a row the first counts.
    pub fn whole(&mut self, tree: TreeId, text: &str, record: &Record, value: &Value) {
        let known = &mut self.trees[usize::from(tree.0)];
        if known.fed == self.row {
            return;
        }
        let raw = &text.as_bytes()[value.span.clone()];
        if matches!(raw, b"" | b"-") || value.kind == Kind::Null {
            return;
        }
        known.fed = self.row;
        match value.kind {
            Kind::Object => self.members(tree, 0, (text, record), value),
            Kind::Array => known.unsure |= memchr::memchr(b'{', raw).is_some(),
            // JSON in a string.
            Kind::Str { .. } => known.unsure |= matches!(raw[0], b'{' | b'[' | b'\\'),
            _ => {}
        }
    }

    fn members(&mut self, tree: TreeId, node: u32, (text, record): (&str, &Record), value: &Value) {
        if value.inside == Value::NOT_KEPT && value.span.len() > 2 {
            self.missed = true;
            self.trees[usize::from(tree.0)].unsure = true;
            return;
        }
        let mut cursor = Cursor::default();
        for member in record.members_of(value) {
            let key = &text[member.key.span.clone()];
            match member.key.kind {
                Kind::Str { escaped: true } => {
                    let key = json_scan::unescape(key);
                    self.below(tree, node, &mut cursor, (text, record), &key, &member.value);
                }
                _ => self.below(tree, node, &mut cursor, (text, record), key, &member.value),
            }
        }
    }

    /// Depth is that of the paths.
    fn below(
        &mut self,
        tree: TreeId,
        node: u32,
        cursor: &mut Cursor,
        (text, record): (&str, &Record),
        key: &str,
        value: &Value,
    ) {
        let known = &mut self.trees[usize::from(tree.0)];
        let edge = known.nodes[node as usize].edge(cursor, key);
        if let Some(slot) = edge.slot
            && value.kind != Kind::Null
        {
            let span = match value.kind {
                Kind::Str { escaped: false } => value.span.start - 1..value.span.end,
                _ => value.whole(),
            };
            self.find(tree, slot, span);
        }
        let known = &mut self.trees[usize::from(tree.0)];
        let Some(below) = edge.node else { return };
        match value.kind {
            Kind::Object => self.members(tree, below, (text, record), value),
            Kind::Array => {
                let raw = &text.as_bytes()[value.span.clone()];
                known.unsure |= memchr::memchr(b'{', raw).is_some();
            }
            _ => {}
        }
    }

    #[inline]
    fn find(&mut self, tree: TreeId, slot: u32, span: Range<usize>) {
        let seen = &mut self.seen[slot as usize];
        self.trees[usize::from(tree.0)].unsure |= *seen == self.row;
        *seen = self.row;
        self.found.push((tree.0, slot, span));
    }

    /// Puts what was found in the row at hand.
    pub fn put(&mut self, sheet: &mut Sheet<'_>) {
        self.put_from(sheet, None);
    }

    /// The same of an object that was written ([`InsideReader::written`]).
    pub fn put_written(&mut self, sheet: &mut Sheet<'_>, object: ExtraSpan) {
        self.put_from(sheet, Some(object));
    }

    fn put_from(&mut self, sheet: &mut Sheet<'_>, object: Option<ExtraSpan>) {
        let row = sheet.row();
        for (tree, slot, span) in self.found.drain(..) {
            if self.trees[usize::from(tree)].unsure {
                continue;
            }
            match object {
                None => sheet.put_inside(slot as usize, row, span),
                Some(object) => sheet.put_inside_extra(slot as usize, row, object, span),
            }
        }
        for tree in &mut self.trees {
            tree.cursor = Cursor::default();
            if std::mem::take(&mut tree.unsure) {
                sheet.put_inside(self.slots + tree.number, row, 0..0);
            }
        }
        self.row += 1;
    }
}
