//! The columns of a JSON format: which member of a record, at any depth, fills which column.
//!
//! What is here: a tree of keys made of a dataset's vendor names, where a dot is a level
//! (`userIdentity.arn`), and a walk that puts every member where it belongs. Members without a
//! column become `attrs`, under dotted names below the first level. Of duplicate keys the last
//! one counts, as most JSON readers have it.
//!
//! What is not here: core columns that are not a copy of one member.

use crate::inside::{InsideReader, TreeId};
use crate::json_record::Record;
use crate::json_records::{number, put_text, whole};
use crate::json_scan::{Kind, Member, Value};
use crate::key_order::{Cursor, KeyOrder};
use crate::plan::{Plan, Slot};
use crate::sheet::Sheet;
use haetae_event::Dataset;
use haetae_event::dataset::{NativeField, NativeType};
use std::ops::Range;

/// Bytes of the text for `attrs` that memory is kept for from record to record.
pub const ATTRS_KEPT_MAX: usize = 1 << 16;

/// What a member fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    Text(Slot),
    I32(Slot),
    I64(Slot),
    F64(Slot),
    Bool(Slot),
    /// The format's own code reads it; it is no attribute either.
    Own,
}

enum Node {
    Column(Fill),
    Inside(Level),
}

/// The keys of one object.
struct Level {
    /// Dotted path of the object with a dot behind, empty for the record.
    prefix: &'static str,
    entries: Vec<(&'static str, Node)>,
    /// Finds entries.
    keys: KeyOrder,
    /// Whether anything in it is wanted; else nested objects are not even read.
    wanted: bool,
}

/// A member without a column: its path but for the key, and where it stands.
struct Left {
    prefix: &'static str,
    key: Range<usize>,
    value: Value,
}

/// Fills native columns and `attrs` of one format.
pub struct JsonColumns {
    top: Level,
    attrs: Slot,
    left: Vec<Left>,
    /// The text for `attrs`, kept for its memory.
    text: String,
    inside: Option<Inside>,
}

/// Takes out what is wished of columns that hold JSON.
struct Inside {
    reader: InsideReader,
    attrs: Option<TreeId>,
    /// By the slot of a column.
    columns: Vec<Option<TreeId>>,
}

impl Inside {
    fn new(plan: &Plan) -> Option<Inside> {
        let reader = InsideReader::new(plan)?;
        let schema = plan.schema();
        let columns = schema.fields().iter().map(|field| reader.tree(field.name()));
        Some(Inside {
            attrs: reader.tree("attrs"),
            columns: columns.collect(),
            reader,
        })
    }

    /// A value that was offered to a text column.
    fn text(&mut self, slot: Slot, text: &str, record: &Record, value: &Value) {
        if let Some(Some(tree)) = self.columns.get(slot.index()) {
            self.reader.whole(*tree, text, record, value);
        }
    }
}

impl JsonColumns {
    /// `own` names what the caller puts itself: vendor names of fields, and members of the record
    /// that have no column. So are all fields that are the same as `peer_ip`.
    pub fn new(plan: &Plan, dataset: Dataset, own: &[&'static str]) -> Self {
        let mut top = Level::new("");
        for field in dataset.native_fields() {
            let fill = if own.contains(&field.vendor) {
                Fill::Own
            } else {
                fill(plan, field)
            };
            top.add(field, field.vendor, fill);
        }
        let fields = dataset.native_fields();
        for key in own
            .iter()
            .filter(|key| !fields.iter().any(|field| field.vendor == **key))
        {
            top.entries.push((key, Node::Column(Fill::Own)));
        }
        let attrs = plan.slot("attrs");
        top.close(attrs.wanted());
        JsonColumns {
            top,
            attrs,
            left: Vec::new(),
            text: String::new(),
            inside: Inside::new(plan),
        }
    }

    /// Lets `key` fill the column of the field `vendor` too, where vendors spell it both ways.
    pub fn also(&mut self, key: &'static str, vendor: &str) {
        let fill = self.top.entries.iter().find_map(|(name, node)| match node {
            Node::Column(fill) if *name == vendor => Some(*fill),
            _ => None,
        });
        if let Some(fill) = fill {
            self.top.entries.push((key, Node::Column(fill)));
            self.top.index();
        }
    }

    /// Puts `members`, which are the record's own or those of an object in it, into the current
    /// row. What has no column is kept back until [`JsonColumns::put_attrs`].
    pub fn fill(&mut self, sheet: &mut Sheet<'_>, record: &Record, members: &[Member]) {
        self.left.clear();
        let mut walk = Walk {
            attrs: self.attrs.wanted(),
            record,
            left: &mut self.left,
            inside: self.inside.as_mut(),
        };
        walk.level(sheet, &mut self.top, members);
    }

    /// Adds a member as it stands to the attributes of the row at hand.
    pub fn attribute(&mut self, prefix: &'static str, member: &Member) {
        self.left.push(Left {
            prefix,
            key: member.key.span.clone(),
            value: member.value.clone(),
        });
    }

    /// Puts everything without a column into `attrs`, in the order of the record, and what was
    /// found inside JSON.
    pub fn put_attrs(&mut self, sheet: &mut Sheet<'_>, record: &Record) {
        self.put_left_inside(sheet, record);
        if self.left.is_empty() || !self.attrs.wanted() {
            return;
        }
        let text = sheet.text();
        self.left.sort_by_key(|left| left.key.start);
        let attrs = &mut self.text;
        attrs.clear();
        for left in self.left.drain(..) {
            attrs.push(if attrs.is_empty() { '{' } else { ',' });
            attrs.push('"');
            attrs.push_str(left.prefix);
            attrs.push_str(&text[left.key]);
            attrs.push_str("\":");
            attrs.push_str(&text[left.value.whole()]);
        }
        attrs.push('}');
        sheet.put_str(self.attrs, sheet.row(), attrs);
        attrs.shrink_to(ATTRS_KEPT_MAX);
    }

    fn put_left_inside(&mut self, sheet: &mut Sheet<'_>, record: &Record) {
        let Some(Inside { reader, attrs, .. }) = &mut self.inside else {
            return;
        };
        if let Some(tree) = *attrs {
            let text = sheet.text();
            for left in &self.left {
                let name = &mut self.text;
                name.clear();
                name.push_str(left.prefix);
                name.push_str(&text[left.key.clone()]);
                reader.member_named(tree, text, record, name, &left.value);
            }
        }
        reader.put(sheet);
    }
}

fn fill(plan: &Plan, field: &NativeField) -> Fill {
    match field.kind {
        NativeType::Core("peer_ip") => Fill::Own,
        NativeType::Core("status") => Fill::I32(plan.slot("status")),
        NativeType::Core(core @ ("bytes_in" | "bytes_out")) => Fill::I64(plan.slot(core)),
        NativeType::Core(core) => Fill::Text(plan.slot(core)),
        NativeType::Utf8 => Fill::Text(plan.slot(field.column)),
        NativeType::Int32 => Fill::I32(plan.slot(field.column)),
        NativeType::Int64 => Fill::I64(plan.slot(field.column)),
        NativeType::Float64 => Fill::F64(plan.slot(field.column)),
        NativeType::Boolean => Fill::Bool(plan.slot(field.column)),
    }
}

impl Level {
    fn new(prefix: &'static str) -> Self {
        Level {
            prefix,
            entries: Vec::new(),
            keys: KeyOrder::new([]),
            wanted: false,
        }
    }

    /// Makes the entries found by their keys.
    fn index(&mut self) {
        self.keys = KeyOrder::new(self.entries.iter().map(|(key, _)| *key));
    }

    /// Adds the field at `path`, the rest of its vendor name below this level.
    fn add(&mut self, field: &NativeField, path: &'static str, fill: Fill) {
        let Some((key, rest)) = path.split_once('.') else {
            self.entries.push((path, Node::Column(fill)));
            return;
        };
        let at = self.entries.iter().position(|(name, _)| *name == key);
        let at = at.unwrap_or_else(|| {
            let prefix = &field.vendor[..field.vendor.len() - rest.len()];
            self.entries.push((key, Node::Inside(Level::new(prefix))));
            self.entries.len() - 1
        });
        if let Node::Inside(level) = &mut self.entries[at].1 {
            level.add(field, rest, fill);
        }
    }

    /// Notes what is wanted, from the deepest level up. No entries are added after it.
    fn close(&mut self, attrs: bool) -> bool {
        self.index();
        self.wanted = attrs;
        for (_, node) in &mut self.entries {
            self.wanted |= match node {
                Node::Column(fill) => fill.wanted(),
                Node::Inside(level) => level.close(attrs),
            };
        }
        self.wanted
    }
}

impl Fill {
    fn wanted(self) -> bool {
        match self {
            Fill::Text(slot) | Fill::I32(slot) | Fill::I64(slot) | Fill::F64(slot) | Fill::Bool(slot) => {
                slot.wanted()
            }
            Fill::Own => false,
        }
    }
}

struct Walk<'w> {
    attrs: bool,
    record: &'w Record,
    left: &'w mut Vec<Left>,
    inside: Option<&'w mut Inside>,
}

impl Walk<'_> {
    /// From the last member to the first: a value already put stays. Depth is that of the fields.
    fn level(&mut self, sheet: &mut Sheet<'_>, level: &mut Level, members: &[Member]) {
        if !level.wanted {
            return;
        }
        let text = sheet.text();
        let mut cursor = Cursor::default();
        for member in members.iter().rev() {
            let key = &text[member.key.span.clone()];
            let entry = level.keys.find(&mut cursor, key);
            let placed = match entry.and_then(|at| level.entries.get_mut(usize::from(at))) {
                Some((_, Node::Column(fill))) => {
                    if let (Fill::Text(slot), Some(inside)) = (*fill, self.inside.as_deref_mut()) {
                        inside.text(slot, text, self.record, &member.value);
                    }
                    put(sheet, *fill, &member.value)
                }
                Some((_, Node::Inside(inside))) if member.value.kind == Kind::Object => {
                    let record = self.record;
                    self.level(sheet, inside, record.inside(&member.value));
                    true
                }
                Some((_, Node::Inside(_))) => member.value.kind == Kind::Null,
                None => false,
            };
            if !placed && self.attrs {
                self.left.push(Left {
                    prefix: level.prefix,
                    key: member.key.span.clone(),
                    value: member.value.clone(),
                });
            }
        }
    }
}

/// Null, nothing and `-`.
pub fn is_missing(text: &str, value: &Value) -> bool {
    match value.kind {
        Kind::Null => true,
        Kind::Str { .. } => matches!(&text.as_bytes()[value.span.clone()], b"" | b"-"),
        _ => false,
    }
}

/// Puts a value into the current row; `false` when it does not fit and must not be lost. Numbers
/// and truth values may be written as strings.
#[inline]
fn put(sheet: &mut Sheet<'_>, fill: Fill, value: &Value) -> bool {
    let row = sheet.row();
    let text = sheet.text();
    if let Fill::Text(slot) = fill {
        put_text(sheet, slot, row, value);
        return true;
    }
    if is_missing(text, value) {
        return true;
    }
    match fill {
        Fill::Text(_) | Fill::Own => {}
        Fill::I32(slot) => match whole(text, value).and_then(|n| i32::try_from(n).ok()) {
            Some(n) => sheet.put_i32(slot, row, n),
            None => return false,
        },
        Fill::I64(slot) => match whole(text, value) {
            Some(n) => sheet.put_i64(slot, row, n),
            None => return false,
        },
        Fill::F64(slot) => match number(text, value) {
            Some(n) => sheet.put_f64(slot, row, n),
            None => return false,
        },
        Fill::Bool(slot) => match (value.kind, &text[value.span.clone()]) {
            (Kind::True, _) | (Kind::Str { .. }, "true") => sheet.put_bool(slot, row, true),
            (Kind::False, _) | (Kind::Str { .. }, "false") => sheet.put_bool(slot, row, false),
            _ => return false,
        },
    }
    true
}
