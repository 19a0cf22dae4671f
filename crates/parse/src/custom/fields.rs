//! From a record's fields to the cells of the paths a mapping asks for; the rest becomes `attrs`.
//!
//! Each key is looked up once. Records of one source have the same keys in the same order, so the
//! key that stood at a place last time is compared first.

use crate::json_scan::{self, Kind, Member, Scanner, Value};
use crate::mapping::cell::{Cell, Home, Span};
use crate::mapping::eval::Table;
use crate::mapping::syntax::Step;
use crate::mapping::{KEY_BYTES_MAX, joined, json_cell};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;

/// Warning of a record with a key longer than [`KEY_BYTES_MAX`]; its name is cut in `attrs`.
pub const NAME_TOO_LONG: &str = "name_too_long";
/// Places of an object whose keys are remembered.
const HINTS_MAX: usize = 128;

/// How a kind of record names its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Objects in objects.
    Nested,
    /// One level; `$.a.b` is the field named `a.b`.
    Flat,
    /// One level, whose values may be JSON: `$.a.b` is both.
    FlatJson,
}

#[derive(Debug, Default)]
struct Node {
    /// The path that ends here.
    path: Option<u16>,
    keys: HashMap<Box<str>, u16, ahash::RandomState>,
    items: Vec<(u32, u16)>,
    /// The paths below this node.
    below: Vec<u16>,
    /// Per place in the object: the key that stood there and the node it leads to.
    hints: Vec<(Box<str>, Option<u16>)>,
}

/// The paths of a mapping as a tree.
#[derive(Debug)]
pub struct PathTree {
    nodes: Vec<Node>,
    depth_max: usize,
    fields_max: usize,
    spare: Vec<Vec<Member>>,
}

/// Where a record's fields are put.
pub struct Filling<'a> {
    pub table: &'a mut Table,
    /// Of values with escapes.
    pub arena: &'a mut String,
    /// JSON objects of the fields without path, one behind the other.
    pub attrs: &'a mut String,
    /// Whether `attrs` is wanted.
    pub keeps_rest: bool,
    pub warnings: &'a mut Vec<(u32, &'static str)>,
}

/// Text that JSON values stand in.
#[derive(Clone, Copy)]
pub struct Source<'t> {
    pub text: &'t str,
    pub home: Home,
}

impl PathTree {
    pub fn new(paths: &[Vec<Step>], shape: Shape, depth_max: usize, fields_max: usize) -> PathTree {
        let mut tree = PathTree {
            nodes: vec![Node::default()],
            depth_max,
            fields_max,
            spare: Vec::new(),
        };
        for (number, steps) in paths.iter().enumerate() {
            let number = number as u16;
            let joined = joined(steps).filter(|key| !key.is_empty());
            if shape != Shape::Nested
                && let Some(key) = &joined
            {
                tree.add(&[Step::Key(key.clone())], number);
            }
            let nested = shape == Shape::Nested || (shape == Shape::FlatJson && steps.len() > 1);
            if nested || steps.is_empty() {
                tree.add(steps, number);
            }
        }
        tree
    }

    fn add(&mut self, steps: &[Step], number: u16) {
        let mut at = 0usize;
        for step in steps {
            self.nodes[at].below.push(number);
            let next = self.nodes.len() as u16;
            let found = match step {
                Step::Key(key) => *self.nodes[at].keys.entry(key.as_str().into()).or_insert(next),
                Step::Index(index) => {
                    let items = &mut self.nodes[at].items;
                    match items.iter().find(|(other, _)| other == index) {
                        Some((_, node)) => *node,
                        None => {
                            items.push((*index, next));
                            next
                        }
                    }
                }
            };
            if found == next {
                self.nodes.push(Node::default());
            }
            at = usize::from(found);
        }
        self.nodes[at].path = Some(number);
    }

    /// The path `$`: the record's own text.
    pub fn whole(&self) -> Option<u16> {
        self.nodes[0].path
    }

    #[inline]
    fn child(&mut self, node: usize, place: usize, key: &str) -> Option<u16> {
        let node = &mut self.nodes[node];
        match node.hints.get_mut(place) {
            Some((last, child)) if **last == *key => *child,
            Some(hint) => {
                let child = node.keys.get(key).copied();
                *hint = (key.into(), child);
                child
            }
            None => {
                let child = node.keys.get(key).copied();
                if place == node.hints.len() && place < HINTS_MAX {
                    node.hints.push((key.into(), child));
                }
                child
            }
        }
    }

    /// Takes a record that is a JSON object, its members read already.
    pub fn record(&mut self, filling: &mut Filling<'_>, text: &str, members: &[Member], row: usize) {
        let source = Source {
            text,
            home: Home::Block,
        };
        filling.open();
        self.object(filling, source, 0, members, row);
        filling.close();
    }

    fn object(
        &mut self,
        filling: &mut Filling<'_>,
        source: Source<'_>,
        node: usize,
        members: &[Member],
        row: usize,
    ) {
        // Members without path that stand side by side are copied in one go.
        let mut run: Option<(usize, usize)> = None;
        for (place, member) in members.iter().enumerate() {
            let key = key_text(source.text, member);
            let long = key.len() > KEY_BYTES_MAX;
            let child = match long {
                true => None,
                false => self.child(node, place, &key),
            };
            let (start, end) = (member.key.whole().start, member.value.whole().end);
            if child.is_none() && !long {
                run = Some((run.map_or(start, |(first, _)| first), end));
                continue;
            }
            if let Some((start, end)) = run.take() {
                filling.rest(&source.text[start..end]);
            }
            match child {
                Some(child) => self.value(filling, source, usize::from(child), member, row),
                None => filling.long_name(&key, &source.text[member.value.whole()], row),
            }
        }
        if let Some((start, end)) = run {
            filling.rest(&source.text[start..end]);
        }
    }

    fn value(
        &mut self,
        filling: &mut Filling<'_>,
        source: Source<'_>,
        at: usize,
        member: &Member,
        row: usize,
    ) {
        let value = &member.value;
        let node = &self.nodes[at];
        let path = node.path;
        let inner = !node.below.is_empty();
        if let Some(path) = path {
            let cell = filling.cell(source, value);
            filling.table.set(path, row, cell);
        }
        if !inner {
            return;
        }
        // An earlier member of the same name is replaced as a whole.
        for path in &node.below {
            filling.table.set(*path, row, Cell::Missing);
        }
        match value.kind {
            Kind::Object => {
                let outer = filling.keeps_rest;
                filling.keeps_rest &= path.is_none();
                let mark = filling.open_member(&source.text[member.key.whole()]);
                self.inside(filling, source, at, value, row);
                filling.close_member(mark);
                filling.keeps_rest = outer;
            }
            _ => {
                if value.kind == Kind::Array {
                    self.items(filling, source, at, value, row);
                }
                if path.is_none() {
                    filling.rest(&source.text[member.key.whole().start..value.whole().end]);
                }
            }
        }
    }

    /// The members of an object that was checked when the record was read.
    fn inside(
        &mut self,
        filling: &mut Filling<'_>,
        source: Source<'_>,
        at: usize,
        value: &Value,
        row: usize,
    ) {
        let mut members = self.spare.pop().unwrap_or_default();
        let mut scanner = Scanner::new(source.text, value.span.start, self.depth_max, self.fields_max);
        if scanner.object(&mut members).is_ok() {
            self.object(filling, source, at, &members, row);
        }
        self.spare.push(members);
    }

    fn items(&mut self, filling: &mut Filling<'_>, source: Source<'_>, at: usize, value: &Value, row: usize) {
        let mut items = Vec::new();
        let mut scanner = Scanner::new(source.text, value.span.start, self.depth_max, self.fields_max);
        if scanner.array(&mut items).is_err() {
            return;
        }
        // The list as a whole stays in `attrs`.
        let outer = std::mem::replace(&mut filling.keeps_rest, false);
        for (index, child) in self.nodes[at].items.clone() {
            let Some(item) = items.get(index as usize) else {
                continue;
            };
            let member = Member {
                key: item.clone(),
                value: item.clone(),
            };
            self.value(filling, source, usize::from(child), &member, row);
        }
        filling.keeps_rest = outer;
    }

    /// Takes one field of a flat record: `plain` is its value's text without quotes and escapes.
    /// The caller opens and closes the record's `attrs`.
    #[inline]
    pub fn field(&mut self, filling: &mut Filling<'_>, place: usize, key: &str, field: Flat<'_>, row: usize) {
        if key.len() > KEY_BYTES_MAX {
            let value = field.json();
            filling.long_name(key, &value, row);
            return;
        }
        let Some(child) = self.child(0, place, key) else {
            if filling.keeps_rest {
                filling.separate();
                write_json_string(filling.attrs, key);
                filling.attrs.push(':');
                field.write_json(filling.attrs);
            }
            return;
        };
        let child = usize::from(child);
        if let Some(path) = self.nodes[child].path {
            filling.table.set(path, row, field.cell);
        }
        if let (Cell::Json(span), false) = (field.cell, self.nodes[child].below.is_empty()) {
            self.json_field(filling, child, key, (span, field), row);
        }
    }

    /// A field whose value is JSON that paths lead into.
    #[cold]
    fn json_field(
        &mut self,
        filling: &mut Filling<'_>,
        child: usize,
        key: &str,
        (span, field): (Span, Flat<'_>),
        row: usize,
    ) {
        let source = Source {
            text: field.source,
            home: span.home,
        };
        let kind = match field.plain.starts_with('{') {
            true => Kind::Object,
            false => Kind::Array,
        };
        let value = Value::new(kind, span.start as usize..span.end as usize);
        let outer = filling.keeps_rest;
        filling.keeps_rest &= self.nodes[child].path.is_none();
        let mut quoted = String::new();
        write_json_string(&mut quoted, key);
        let mark = filling.open_member(&quoted);
        match kind {
            Kind::Object => self.inside(filling, source, child, &value, row),
            _ => self.items(filling, source, child, &value, row),
        }
        filling.close_member(mark);
        filling.keeps_rest = outer;
    }
}

/// A flat record's value.
#[derive(Clone, Copy)]
pub struct Flat<'t> {
    pub cell: Cell,
    pub plain: &'t str,
    /// The text the cell's span lies in.
    pub source: &'t str,
}

impl Flat<'_> {
    fn write_json(&self, out: &mut String) {
        match self.cell {
            Cell::Number(_) | Cell::Json(_) | Cell::Bool(_) => out.push_str(self.plain),
            Cell::Missing if self.plain == "null" => out.push_str("null"),
            _ => write_json_string(out, self.plain),
        }
    }

    fn json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }
}

impl Filling<'_> {
    /// Begins a record's attributes.
    pub fn open(&mut self) {
        if self.keeps_rest {
            self.attrs.push('{');
        }
    }

    /// Ends a record's attributes; without any there is no object.
    pub fn close(&mut self) {
        if !self.keeps_rest {
            return;
        }
        if self.attrs.ends_with('{') {
            self.attrs.pop();
        } else {
            self.attrs.push('}');
        }
    }

    fn separate(&mut self) {
        if !self.attrs.ends_with('{') {
            self.attrs.push(',');
        }
    }

    /// Members as they stand in the record.
    fn rest(&mut self, members: &str) {
        if self.keeps_rest {
            self.separate();
            self.attrs.push_str(members);
        }
    }

    /// Opens an object inside the attributes; `key` has its quotes.
    fn open_member(&mut self, key: &str) -> usize {
        let mark = self.attrs.len();
        if self.keeps_rest {
            self.separate();
            self.attrs.push_str(key);
            self.attrs.push_str(":{");
        }
        mark
    }

    /// Closes it; an empty one is taken back.
    fn close_member(&mut self, mark: usize) {
        if !self.keeps_rest {
            return;
        }
        if self.attrs.ends_with('{') {
            self.attrs.truncate(mark);
        } else {
            self.attrs.push('}');
        }
    }

    fn long_name(&mut self, key: &str, value: &str, row: usize) {
        let warning = (row as u32, NAME_TOO_LONG);
        if self.warnings.last() != Some(&warning) {
            self.warnings.push(warning);
        }
        if self.keeps_rest {
            self.separate();
            write_json_string(self.attrs, &key[..key.floor_char_boundary(KEY_BYTES_MAX)]);
            self.attrs.push(':');
            self.attrs.push_str(value);
        }
    }

    fn cell(&mut self, source: Source<'_>, value: &Value) -> Cell {
        let span = Span::new(source.home, value.span.clone());
        json_cell(source.text, value, span).unwrap_or_else(|| {
            let plain = json_scan::unescape(&source.text[value.span.clone()]);
            self.written(&plain)
        })
    }

    /// A cell for a text that does not stand in the record as it is.
    pub fn written(&mut self, plain: &str) -> Cell {
        let start = self.arena.len();
        self.arena.push_str(plain);
        let span = Span::new(Home::Arena, start..self.arena.len());
        crate::mapping::cell::present(plain, span)
    }
}

fn key_text<'t>(text: &'t str, member: &Member) -> Cow<'t, str> {
    let raw = &text[member.key.span.clone()];
    match member.key.kind {
        Kind::Str { escaped: true } => Cow::Owned(json_scan::unescape(raw)),
        _ => Cow::Borrowed(raw),
    }
}

/// Appends a text as a JSON string.
pub fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut last = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[last..at]);
        last = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{control:04x}");
            }
        }
    }
    out.push_str(&text[last..]);
    out.push('"');
}
