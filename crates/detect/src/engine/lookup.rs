//! Values inside JSON columns: only the wanted paths of a row are read, in one pass over its text.

use super::value::{Column, Value};
use super::walk::{Broken, Kind, Route, Scalar, Walk};
use crate::fields::{self, Place};
use arrow::array::Array;
use haetae_event::EventBatch;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// More segments than any field of a rule has; bounds the tree.
const SEGMENTS_MAX: usize = 16;
/// Stands for any key in a path.
const ANY: &str = "*";

/// A value found in a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell<'a> {
    /// Absent, or null.
    #[default]
    Null,
    Text(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// There, without a value that could be compared.
    Object,
    /// Any element may match.
    List(Vec<Cell<'a>>),
}

impl<'a> Cell<'a> {
    /// Calls `each` with every comparable value.
    pub fn each<'c>(&'c self, each: &mut dyn FnMut(Value<'c>)) {
        match self {
            Cell::Null | Cell::Object => {}
            Cell::Text(text) => each(Value::Text(text)),
            Cell::Int(n) => each(Value::Int(*n)),
            Cell::Float(n) => each(Value::Float(*n)),
            Cell::Bool(b) => each(Value::Bool(*b)),
            Cell::List(cells) => cells.iter().for_each(|cell| cell.each(each)),
        }
    }

    /// A scalar as text, for group keys; lists joined with commas.
    pub fn text(&self) -> Option<String> {
        let mut texts = Vec::new();
        self.each(&mut |value| texts.extend(value.text().map(Cow::into_owned)));
        (!texts.is_empty()).then(|| texts.join(","))
    }

    fn push(&mut self, cell: Cell<'a>) {
        match self {
            Cell::List(cells) => cells.push(cell),
            Cell::Null => *self = cell,
            _ => {
                let first = std::mem::take(self);
                *self = Cell::List(vec![first, cell]);
            }
        }
    }
}

/// What follows a key.
#[derive(Clone, Copy, Debug, Default)]
struct Edge {
    /// The value is wanted for this slot.
    slot: Option<u32>,
    /// Paths go on inside the value.
    node: Option<u32>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    keys: HashMap<Box<str>, Edge, ahash::RandomState>,
    any: Edge,
}

/// The wanted paths of one column.
#[derive(Clone, Debug)]
struct Tree {
    column: String,
    nodes: Vec<Node>,
}

impl Tree {
    /// Wants `path` below `node`, with dots as levels and as parts of keys alike.
    fn want(&mut self, node: u32, path: &str, slot: u32, depth: usize) {
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
            self.want(below, rest, slot, depth + 1);
        }
    }
}

/// Where a field's value is taken from.
#[derive(Clone, Debug)]
enum Origin {
    Slot(u32),
    Column(usize),
}

/// All fields of a program that are looked up.
#[derive(Clone, Debug, Default)]
pub struct LookupPlan {
    trees: Vec<Tree>,
    slots: HashMap<(String, String), u32>,
    columns: Vec<String>,
    fields: Vec<Vec<Origin>>,
    /// Slot → fields that may take their value from it.
    takers: Vec<Vec<u32>>,
    /// Fields that may take their value from a column.
    of_columns: Vec<u32>,
}

impl LookupPlan {
    /// Adds a field by the name of its column; returns its number.
    pub fn add(&mut self, name: &str) -> usize {
        let places = fields::places(name).unwrap_or_default();
        let origins: Vec<Origin> = places.into_iter().map(|place| self.origin(place)).collect();
        let field = u32::try_from(self.fields.len()).expect("bounded by the rules");
        self.takers.resize(self.slots.len(), Vec::new());
        for origin in &origins {
            match origin {
                Origin::Slot(slot) => self.takers[*slot as usize].push(field),
                Origin::Column(_) => self.of_columns.push(field),
            }
        }
        self.fields.push(origins);
        self.fields.len() - 1
    }

    fn origin(&mut self, place: Place) -> Origin {
        match place {
            Place::Column(column) => {
                let known = self.columns.iter().position(|name| *name == column);
                Origin::Column(known.unwrap_or_else(|| {
                    self.columns.push(column);
                    self.columns.len() - 1
                }))
            }
            Place::Json { column, path } => {
                let next = u32::try_from(self.slots.len()).expect("bounded by the rules");
                let slot = *self.slots.entry((column.clone(), path.clone())).or_insert(next);
                if slot == next {
                    let known = self.trees.iter().position(|tree| tree.column == column);
                    let tree = known.unwrap_or_else(|| {
                        self.trees.push(Tree {
                            column,
                            nodes: vec![Node::default()],
                        });
                        self.trees.len() - 1
                    });
                    self.trees[tree].want(0, &path, slot, 0);
                }
                Origin::Slot(slot)
            }
        }
    }
}

/// A slot's value, and how many levels of objects it lies under: a key with dots, which lies
/// higher, goes before nested ones.
#[derive(Debug, Default)]
struct Slot<'a> {
    cell: Cell<'a>,
    level: u8,
}

/// Looks fields up, row by row.
pub struct Lookups<'p, 'b> {
    plan: &'p LookupPlan,
    json: Vec<(Column<'b>, Route<Edge>)>,
    columns: Vec<Column<'b>>,
    /// Fields that may take their value from a column which this batch has.
    of_columns: Vec<u32>,
    slots: Vec<Slot<'b>>,
    touched: Vec<u32>,
    row: usize,
}

impl<'p, 'b> Lookups<'p, 'b> {
    pub fn new(plan: &'p LookupPlan, batch: &'b EventBatch) -> Lookups<'p, 'b> {
        let holds_any = |name: &String| {
            let column = batch.column(name);
            column.is_some_and(|column| column.null_count() < column.len())
        };
        let held: Vec<bool> = plan.columns.iter().map(holds_any).collect();
        let is_held = |field: &&u32| {
            let mut origins = plan.fields[**field as usize].iter();
            origins.any(|origin| matches!(origin, Origin::Column(at) if held[*at]))
        };
        let column = |tree: &Tree| Column::of(batch, &tree.column);
        Lookups {
            plan,
            json: plan
                .trees
                .iter()
                .map(|tree| (column(tree), Route::new()))
                .collect(),
            columns: plan.columns.iter().map(|name| Column::of(batch, name)).collect(),
            of_columns: plan.of_columns.iter().filter(is_held).copied().collect(),
            slots: plan.slots.iter().map(|_| Slot::default()).collect(),
            touched: Vec::new(),
            row: usize::MAX,
        }
    }

    /// Reads a row's JSON. What is no JSON has no fields; what breaks off has those before.
    pub fn read(&mut self, row: usize) {
        if self.row == row {
            return;
        }
        self.row = row;
        for slot in self.touched.drain(..) {
            self.slots[slot as usize] = Slot::default();
        }
        for (tree, (column, route)) in self.plan.trees.iter().zip(&mut self.json) {
            let Value::Text(text) = column.value(row) else {
                continue;
            };
            if !text.starts_with(['{', '[']) {
                continue;
            }
            route.restart();
            let mut found = Found {
                tree,
                route,
                slots: &mut self.slots,
                touched: &mut self.touched,
            };
            let top = Wanted {
                slot: None,
                node: Some(0),
                level: 0,
                listed: false,
            };
            let _ = found.read(&mut Walk::new(text), top);
        }
    }

    /// Fields that may have a value in the row read last; all others have none. Some come twice.
    pub fn present(&self) -> impl Iterator<Item = u32> {
        let touched = self.touched.iter();
        let in_json = touched.flat_map(|slot| &self.plan.takers[*slot as usize]);
        in_json.chain(&self.of_columns).copied()
    }

    /// The value of a field in the row read last.
    pub fn cell(&self, field: usize) -> CellOrColumn<'_, 'b> {
        for origin in &self.plan.fields[field] {
            match origin {
                Origin::Slot(slot) => {
                    let cell = &self.slots[*slot as usize].cell;
                    if !matches!(cell, Cell::Null) {
                        return CellOrColumn::Cell(cell);
                    }
                }
                Origin::Column(column) => {
                    let value = self.columns[*column].value(self.row);
                    if value != Value::Null {
                        return CellOrColumn::Value(value);
                    }
                }
            }
        }
        CellOrColumn::Value(Value::Null)
    }
}

/// A field's value, wherever it was.
#[derive(Clone, Debug)]
pub enum CellOrColumn<'c, 'b> {
    Cell(&'c Cell<'b>),
    Value(Value<'b>),
}

struct Found<'t, 's, 'b> {
    tree: &'t Tree,
    route: &'s mut Route<Edge>,
    slots: &'s mut Vec<Slot<'b>>,
    touched: &'s mut Vec<u32>,
}

/// What is wanted of a JSON value.
#[derive(Clone, Copy)]
struct Wanted {
    slot: Option<u32>,
    node: Option<u32>,
    level: u8,
    listed: bool,
}

impl<'b> Found<'_, '_, 'b> {
    fn put(&mut self, slot: u32, level: u8, cell: Cell<'b>, listed: bool) {
        let known = &mut self.slots[slot as usize];
        match (&known.cell, known.level.cmp(&level)) {
            (Cell::Null, _) | (_, std::cmp::Ordering::Greater) => {
                self.touched.push(slot);
                known.cell = if listed {
                    Cell::List(Vec::new())
                } else {
                    Cell::Null
                };
                known.level = level;
                known.cell.push(cell);
            }
            (_, std::cmp::Ordering::Equal) => known.cell.push(cell),
            (_, std::cmp::Ordering::Less) => {}
        }
    }

    /// An array is there even when it holds nothing.
    fn open(&mut self, slot: u32, level: u8) {
        let known = &mut self.slots[slot as usize];
        if matches!(known.cell, Cell::Null) || known.level > level {
            self.touched.push(slot);
            known.cell = Cell::List(Vec::new());
            known.level = level;
        }
    }

    /// Reads the value here; what was found before the text breaks stays found.
    fn read(&mut self, walk: &mut Walk<'b>, wanted: Wanted) -> Result<(), Broken> {
        match walk.enter()? {
            Kind::Scalar => self.scalar(walk, wanted),
            Kind::Array => {
                if let Some(slot) = wanted.slot {
                    self.open(slot, wanted.level);
                }
                let mut first = true;
                while walk.goes_on(b']', std::mem::take(&mut first))? {
                    self.read(
                        walk,
                        Wanted {
                            listed: true,
                            ..wanted
                        },
                    )?;
                }
                Ok(())
            }
            Kind::Object => {
                if let Some(slot) = wanted.slot {
                    self.put(slot, wanted.level, Cell::Object, wanted.listed);
                }
                self.members(walk, wanted)
            }
        }
    }

    fn scalar(&mut self, walk: &mut Walk<'b>, wanted: Wanted) -> Result<(), Broken> {
        let Some(slot) = wanted.slot else {
            return walk.skip();
        };
        let cell = match walk.scalar()? {
            Scalar::Null => return Ok(()),
            Scalar::Bool(truth) => Cell::Bool(truth),
            Scalar::Int(n) => Cell::Int(n),
            Scalar::Float(n) => Cell::Float(n),
            Scalar::Text(text) => Cell::Text(text),
        };
        self.put(slot, wanted.level, cell, wanted.listed);
        Ok(())
    }

    fn members(&mut self, walk: &mut Walk<'b>, wanted: Wanted) -> Result<(), Broken> {
        let tree = self.tree;
        let mut first = true;
        while walk.goes_on(b'}', std::mem::take(&mut first))? {
            let Some(node) = wanted.node else {
                walk.key()?;
                walk.skip()?;
                continue;
            };
            let keys = &tree.nodes[node as usize];
            let look_up = |key: &str| keys.keys.get(key).copied().unwrap_or(keys.any);
            let edge = self.route.next(walk, node, look_up)?;
            if edge.slot.is_none() && edge.node.is_none() {
                walk.skip()?;
                continue;
            }
            let below = Wanted {
                slot: edge.slot,
                node: edge.node,
                level: wanted.level.saturating_add(1),
                listed: wanted.listed,
            };
            self.read(walk, below)?;
        }
        Ok(())
    }
}

/// Calls `each` with every text in a JSON value, keys aside; numbers and truths as text too.
/// `escaped_only` leaves out those that stand in the JSON text as they are.
pub fn leaves(json: &str, escaped_only: bool, each: &mut dyn FnMut(&str)) {
    let mut read = serde_json::Deserializer::from_str(json);
    // What breaks off has the texts before the break.
    let _ = Leaves { escaped_only, each }.deserialize(&mut read);
}

struct Leaves<'e> {
    escaped_only: bool,
    each: &'e mut dyn FnMut(&str),
}

impl<'b> DeserializeSeed<'b> for Leaves<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl Leaves<'_> {
    fn plain(self, text: &str) {
        if !self.escaped_only {
            (self.each)(text);
        }
    }
}

impl<'b> Visitor<'b> for Leaves<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<(), E> {
        self.plain(if truth { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<(), E> {
        self.plain(&n.to_string());
        Ok(())
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<(), E> {
        self.plain(&n.to_string());
        Ok(())
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<(), E> {
        self.plain(&n.to_string());
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, text: &'b str) -> Result<(), E> {
        self.plain(text);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        (self.each)(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut elements: A) -> Result<(), A::Error> {
        let Leaves { escaped_only, each } = self;
        while elements
            .next_element_seed(Leaves {
                escaped_only,
                each: &mut *each,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'b>>(self, mut members: A) -> Result<(), A::Error> {
        let Leaves { escaped_only, each } = self;
        while members.next_key::<IgnoredAny>()?.is_some() {
            members.next_value_seed(Leaves {
                escaped_only,
                each: &mut *each,
            })?;
        }
        Ok(())
    }
}
