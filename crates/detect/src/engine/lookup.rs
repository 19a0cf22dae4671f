//! Values inside JSON columns: only the wanted paths of a row are read, in one pass over its text.

use super::program::Mask;
use super::scan::{Scan, Stretch};
use super::value::{Column, Value};
use super::walk::{self, Broken, Kind, Route, Scalar, Walk};
use crate::fields::{self, Place};
use arrow::array::{Array, StringViewArray};
use haetae_event::EventBatch;
use haetae_event::inside::{self, Edge, Extracted, PathTree, Wanted};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// More keys are found faster by reading.
const KEYS_MAX: usize = 64;

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

    fn of(value: Value<'a>) -> Cell<'a> {
        match value {
            Value::Null => Cell::Null,
            Value::Text(text) => Cell::Text(Cow::Borrowed(text)),
            Value::Int(n) => Cell::Int(n),
            Value::Float(n) => Cell::Float(n),
            Value::Bool(b) => Cell::Bool(b),
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

/// Where a field's value is taken from.
#[derive(Clone, Debug)]
enum Origin {
    Slot(u32),
    Column(usize),
}

/// All fields of a program that are looked up.
#[derive(Clone, Debug, Default)]
pub struct LookupPlan {
    trees: Vec<PathTree>,
    slots: HashMap<(String, String), u32>,
    /// Slot → its tree.
    tree_of: Vec<usize>,
    /// What parsers are asked for, see [`LookupPlan::wish`].
    wanted: Arc<Wanted>,
    /// By tree: its keys of the first level with their quotes, where they are few.
    keys: Vec<Option<Scan>>,
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

    /// All fields have been added: what parsers may hand over is taken from them from now on.
    pub fn wish(&mut self) -> Arc<Wanted> {
        let slots = u32::try_from(self.slots.len()).expect("bounded by the rules");
        self.wanted = Arc::new(Wanted::new(self.trees.clone(), slots));
        self.keys = self.trees.iter().map(keys_of).collect();
        self.wanted.clone()
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
                        self.trees.push(PathTree::new(column));
                        self.trees.len() - 1
                    });
                    self.trees[tree].want(&path, slot);
                    self.tree_of.push(tree);
                }
                Origin::Slot(slot)
            }
        }
    }
}

/// The keys that a text must hold for any path of the tree to be in it.
fn keys_of(tree: &PathTree) -> Option<Scan> {
    let (keys, any) = tree.keys(0);
    let spelled: Vec<String> = keys
        .map(|(key, _)| format!("\"{}\"", key.to_ascii_lowercase()))
        .collect();
    let few = !any.is_wanted() && spelled.len() <= KEYS_MAX;
    few.then(|| Scan::new(&spelled)).flatten()
}

/// A slot's value, and how many levels of objects it lies under: a key with dots, which lies
/// higher, goes before nested ones.
#[derive(Debug, Default)]
struct Slot<'a> {
    cell: Cell<'a>,
    level: u8,
}

/// One column of JSON text.
struct Text<'b> {
    column: Column<'b>,
    route: Route<Edge>,
    /// Some row has a value.
    live: bool,
    /// A parser has handed over what is wanted of it...
    told: bool,
    /// ...but for the rows that have a value here.
    unsure: Option<&'b StringViewArray>,
}

/// Where a field's value may be in rows whose text need not be read.
#[derive(Clone, Copy)]
pub enum Source<'b> {
    /// As a parser hands it over, see [`Extracted::slots`].
    Json(&'b StringViewArray),
    /// Number of a column of the plan.
    Column(usize),
}

/// Looks fields up, row by row.
pub struct Lookups<'p, 'b> {
    plan: &'p LookupPlan,
    json: Vec<Text<'b>>,
    columns: Vec<Column<'b>>,
    /// Which of the columns have any value.
    held: Vec<bool>,
    /// By slot: what a parser handed over.
    extracted: Vec<Option<&'b StringViewArray>>,
    /// Fields that may take their value from a column which this batch has.
    of_columns: Vec<u32>,
    slots: Vec<Slot<'b>>,
    touched: Vec<u32>,
    row: usize,
}

/// Of the rows behind `start` those whose JSON may have one of the keys, or an escape, in which one may
/// hide; `None` where it cannot be told of all rows together.
fn with_keys(
    texts: &StringViewArray,
    keys: &Scan,
    start: usize,
    rows: &Mask,
    scratch: &mut Vec<u8>,
) -> Option<Mask> {
    let mut found = Mask::NONE;
    let stretch = Stretch::of(texts, start, rows, &mut found)?;
    for piece in stretch.pieces() {
        keys.find(piece.bytes, scratch, |place| piece.mark(place, &mut found));
        piece.mark_each(&mut found, |rest| memchr::memchr(b'\\', rest));
    }
    Some(found)
}

/// Whether any row has a value.
fn is_live(batch: &EventBatch, name: &str) -> bool {
    let column = batch.column(name);
    column.is_some_and(|column| column.null_count() < column.len())
}

impl<'p, 'b> Lookups<'p, 'b> {
    pub fn new(plan: &'p LookupPlan, batch: &'b EventBatch) -> Lookups<'p, 'b> {
        let held: Vec<bool> = plan.columns.iter().map(|name| is_live(batch, name)).collect();
        let is_held = |field: &&u32| {
            let mut origins = plan.fields[**field as usize].iter();
            origins.any(|origin| matches!(origin, Origin::Column(at) if held[*at]))
        };
        let mut lookups = Lookups {
            plan,
            json: Vec::with_capacity(plan.trees.len()),
            columns: plan.columns.iter().map(|name| Column::of(batch, name)).collect(),
            of_columns: plan.of_columns.iter().filter(is_held).copied().collect(),
            held,
            extracted: vec![None; plan.slots.len()],
            slots: plan.slots.iter().map(|_| Slot::default()).collect(),
            touched: Vec::new(),
            row: usize::MAX,
        };
        let handed = batch.records.schema_ref().column_with_name(inside::COLUMN);
        for (at, tree) in plan.trees.iter().enumerate() {
            let extracted = handed.and_then(|(column, field)| {
                Extracted::of(field, batch.records.column(column), &plan.wanted, at)
            });
            for (slot, column) in extracted.into_iter().flat_map(Extracted::slots) {
                if plan.tree_of.get(slot as usize) == Some(&at) {
                    lookups.extracted[slot as usize] = Some(column);
                }
            }
            lookups.json.push(Text {
                column: Column::of(batch, &tree.column),
                route: Route::new(),
                live: is_live(batch, &tree.column),
                told: extracted.is_some(),
                unsure: extracted.and_then(Extracted::unsure),
            });
        }
        lookups
    }

    /// Of the rows behind `start` those whose text has to be read to know their fields.
    pub fn in_text(&self, start: usize, rows: &Mask, scratch: &mut Vec<u8>) -> Mask {
        let mut found = Mask::NONE;
        for (at, text) in self.json.iter().enumerate() {
            match (text.told, text.unsure, &text.column) {
                (true, None, _) => {}
                (true, Some(unsure), _) => {
                    let rows = rows.rows().filter(|row| unsure.is_valid(start + row));
                    rows.for_each(|row| found.set(row));
                }
                (false, _, Column::Text(texts)) if text.live => {
                    let keys = self.plan.keys.get(at).and_then(Option::as_ref);
                    let with_keys = keys.and_then(|keys| with_keys(texts, keys, start, rows, scratch));
                    let mut nulls = Mask::NONE;
                    if texts.null_count() > 0 {
                        let rows = rows.rows().filter(|row| texts.is_null(start + row));
                        rows.for_each(|row| nulls.set(row));
                    }
                    found.or(with_keys.unwrap_or(*rows).without(&nulls).words());
                }
                _ => {}
            }
        }
        found.and(rows)
    }

    /// Whether the text of a row has to be read to know its fields.
    fn is_in_text(&self, row: usize) -> bool {
        self.json.iter().any(|text| match (text.told, text.unsure) {
            (true, None) => false,
            (true, Some(unsure)) => unsure.is_valid(row),
            (false, _) => text.live,
        })
    }

    /// Where the value of a field is in rows whose text need not be read, the first one counts;
    /// places without any value in the batch are left out.
    pub fn sources(&self, field: usize) -> impl Iterator<Item = Source<'b>> {
        let origins = self.plan.fields[field].iter();
        origins.filter_map(|origin| match origin {
            Origin::Slot(slot) => self.extracted[*slot as usize].map(Source::Json),
            Origin::Column(at) => self.held[*at].then_some(Source::Column(*at)),
        })
    }

    pub fn column(&self, at: usize) -> &Column<'b> {
        &self.columns[at]
    }

    /// Calls `each` with every comparable value of a field in any row.
    pub fn values(&mut self, field: usize, row: usize, each: &mut dyn FnMut(Value<'_>)) {
        if self.is_in_text(row) {
            self.read(row);
            match self.cell(field) {
                CellOrColumn::Cell(cell) => cell.each(&mut |value| each(value)),
                CellOrColumn::Value(value) => each(value),
            }
            return;
        }
        let held = self.sources(field).find_map(|source| match source {
            Source::Json(column) => column.is_valid(row).then(|| decoded(column.value(row))),
            Source::Column(at) => {
                let value = self.columns[at].value(row);
                (value != Value::Null).then(|| Cell::of(value))
            }
        });
        held.unwrap_or_default().each(&mut |value| each(value));
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
        for (tree, json) in self.plan.trees.iter().zip(&mut self.json) {
            let Value::Text(text) = json.column.value(row) else {
                continue;
            };
            if !text.starts_with(['{', '[']) {
                continue;
            }
            json.route.restart();
            let mut found = Found {
                tree: Some(tree),
                route: &mut json.route,
                slots: &mut self.slots,
                touched: &mut self.touched,
            };
            let top = Sought {
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
    /// `None` when only the value itself is sought.
    tree: Option<&'t PathTree>,
    route: &'s mut Route<Edge>,
    slots: &'s mut Vec<Slot<'b>>,
    touched: &'s mut Vec<u32>,
}

/// What is wanted of a JSON value.
#[derive(Clone, Copy)]
struct Sought {
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
    fn read(&mut self, walk: &mut Walk<'b>, wanted: Sought) -> Result<(), Broken> {
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
                        Sought {
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

    fn scalar(&mut self, walk: &mut Walk<'b>, wanted: Sought) -> Result<(), Broken> {
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

    fn members(&mut self, walk: &mut Walk<'b>, wanted: Sought) -> Result<(), Broken> {
        let mut first = true;
        while walk.goes_on(b'}', std::mem::take(&mut first))? {
            let (Some(node), Some(tree)) = (wanted.node, self.tree) else {
                walk.key()?;
                walk.skip()?;
                continue;
            };
            let edge = self.route.next(walk, node, |key| tree.edge(node, key))?;
            if !edge.is_wanted() {
                walk.skip()?;
                continue;
            }
            let below = Sought {
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

/// A value as a parser hands it over, see [`Extracted::slots`].
pub fn decoded(json: &str) -> Cell<'_> {
    if let Some(text) = plain_text(json) {
        return Cell::Text(Cow::Borrowed(text));
    }
    let mut slots = vec![Slot::default()];
    let mut found = Found {
        tree: None,
        route: &mut Route::new(),
        slots: &mut slots,
        touched: &mut Vec::new(),
    };
    let itself = Sought {
        slot: Some(0),
        node: None,
        level: 0,
        listed: false,
    };
    let _ = found.read(&mut Walk::new(json), itself);
    std::mem::take(&mut slots[0].cell)
}

/// A number or truth as it stands in JSON; null for anything else.
#[inline]
pub fn bare(json: &str) -> Value<'static> {
    match walk::word(json) {
        Ok(Scalar::Bool(truth)) => Value::Bool(truth),
        Ok(Scalar::Int(n)) => Value::Int(n),
        Ok(Scalar::Float(n)) => Value::Float(n),
        _ => Value::Null,
    }
}

/// A string without escapes: what a parser hands over has no closing quote then.
#[inline]
pub fn plain_text(json: &str) -> Option<&str> {
    let text = json.strip_prefix('"')?;
    (!text.ends_with('"')).then_some(text)
}
