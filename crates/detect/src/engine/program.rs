//! All rules of one dataset compiled together: items are told apart by (column, view, test),
//! evaluated once per distinct value, and rules are looked at only when an item they cannot do
//! without is true.

use super::keys::Passed;
use super::value::{Column, Derived, Value};
use crate::fields::{FieldRef, View};
use crate::sigma::condition::Condition;
use crate::sigma::document::{Rule, Search};
use crate::sigma::item::{Atom, Item, Test};
use crate::sigma::pattern::Spelling;
use ahash::RandomState;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use haetae_event::{Dataset, EventBatch};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

/// Distinct values remembered per column.
const CACHE_VALUES_MAX: usize = 1 << 16;

/// Column name that stands for the whole record.
pub const KEYWORDS: &str = "\u{1}record";

/// A rule's condition over item indices.
#[derive(Clone, Debug)]
enum Expr {
    Item(u32),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

struct ItemSpec {
    view: View,
    test: Test,
    /// Index of its column.
    column: usize,
}

struct ColumnProgram {
    name: String,
    items: Vec<u32>,
    /// Literals one of which is in every value that satisfies the item.
    seeds: Option<AhoCorasick>,
    seed_items: Vec<Vec<u32>>,
    /// Items without such literals.
    always: Vec<u32>,
    decode: bool,
    cache: HashMap<u64, u32, BuildHasherDefault<Passed>>,
    /// True items by cache entry; entry 0 is the empty one.
    truths: Vec<Box<[u32]>>,
    /// The entry of each list of true items.
    entries: HashMap<Box<[u32]>, u32, RandomState>,
    /// Scratch: items to look at.
    asked: Vec<u32>,
}

/// What is compiled for one dataset. Remembers distinct values between batches.
pub struct Program {
    items: Vec<ItemSpec>,
    columns: Vec<ColumnProgram>,
    rules: Vec<(Expr, u32)>,
    /// Item → compiled rules that cannot hold without it (or another of the same set).
    woken: Vec<Vec<u32>>,
    unconditional: Vec<u32>,
    hasher: RandomState,
    stamp: Vec<u32>,
    generation: u32,
}

/// Why a rule cannot run on a dataset.
pub struct MissingField(pub String);

/// Collects the rules of a dataset before the prefilters are built.
pub struct Builder {
    dataset: Dataset,
    items: Vec<ItemSpec>,
    columns: Vec<String>,
    index: HashMap<(usize, View, String), u32>,
    rules: Vec<(Expr, u32)>,
}

impl Builder {
    pub fn new(dataset: Dataset) -> Builder {
        Builder {
            dataset,
            items: Vec::new(),
            columns: Vec::new(),
            index: HashMap::new(),
            rules: Vec::new(),
        }
    }

    /// Adds `rule`; hits are reported as `id`.
    ///
    /// # Errors
    /// When the rule names a field the dataset does not have.
    pub fn add(&mut self, rule: &Rule, id: u32) -> Result<(), MissingField> {
        let mut searches = BTreeMap::new();
        for (name, search) in &rule.searches {
            searches.insert(name.as_str(), self.search(search)?);
        }
        let expr = condition(&rule.condition, &searches);
        self.rules.push((expr, id));
        Ok(())
    }

    fn search(&mut self, search: &Search) -> Result<Expr, MissingField> {
        match search {
            Search::AnyOf(parts) => Ok(Expr::Or(
                parts
                    .iter()
                    .map(|part| self.search(part))
                    .collect::<Result<_, _>>()?,
            )),
            Search::AllOf(items) => Ok(Expr::And(
                items
                    .iter()
                    .map(|item| self.item(item))
                    .collect::<Result<_, _>>()?,
            )),
        }
    }

    fn item(&mut self, item: &Item) -> Result<Expr, MissingField> {
        let field = match &item.field {
            None => FieldRef {
                column: KEYWORDS.into(),
                view: View::Both,
            },
            Some(name) => {
                crate::fields::resolve(self.dataset, name).ok_or_else(|| MissingField(name.clone()))?
            }
        };
        let column = match self.columns.iter().position(|name| *name == field.column) {
            Some(column) => column,
            None => {
                self.columns.push(field.column.clone().into_owned());
                self.columns.len() - 1
            }
        };
        let next = u32::try_from(self.items.len()).expect("fewer items than 2^32");
        let test = item.source.split_once(": ").map_or("", |(_, test)| test);
        let modifiers = item.source.split_once('|').map_or("", |(_, rest)| rest);
        let key = (column, field.view, format!("{modifiers}\u{1}{test}"));
        let id = *self.index.entry(key).or_insert(next);
        if id == next {
            self.items.push(ItemSpec {
                view: field.view,
                test: item.test.clone(),
                column,
            });
        }
        let leaf = Expr::Item(id);
        Ok(if item.negated {
            Expr::Not(Box::new(leaf))
        } else {
            leaf
        })
    }

    pub fn build(self) -> Program {
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, name)| column_program(index, name, &self.items))
            .collect();
        let mut woken = vec![Vec::new(); self.items.len()];
        let mut unconditional = Vec::new();
        for (index, (expr, _)) in self.rules.iter().enumerate() {
            let index = u32::try_from(index).expect("fewer rules than 2^32");
            match needed(expr, &self.items, &self.columns) {
                Some((_, items)) => items
                    .into_iter()
                    .for_each(|item| woken[item as usize].push(index)),
                None => unconditional.push(index),
            }
        }
        Program {
            stamp: vec![0; self.items.len()],
            items: self.items,
            columns,
            rules: self.rules,
            woken,
            unconditional,
            hasher: RandomState::new(),
            generation: 0,
        }
    }
}

fn condition(condition_: &Condition, searches: &BTreeMap<&str, Expr>) -> Expr {
    match condition_ {
        Condition::Name(name) => searches[name.as_str()].clone(),
        Condition::Not(inner) => Expr::Not(Box::new(condition(inner, searches))),
        Condition::And(parts) => Expr::And(parts.iter().map(|p| condition(p, searches)).collect()),
        Condition::Or(parts) => Expr::Or(parts.iter().map(|p| condition(p, searches)).collect()),
    }
}

/// A cheapest set of items one of which must be true for the expression to be true, with its
/// cost; `None` when it can hold with every item false.
fn needed(expr: &Expr, items: &[ItemSpec], columns: &[String]) -> Option<(usize, BTreeSet<u32>)> {
    match expr {
        Expr::Item(item) => {
            // Statuses and methods are true on many rows, texts of attacks on few.
            let rare = matches!(columns[items[*item as usize].column].as_str(), "uri" | "ua");
            Some((if rare { 1 } else { 10 }, BTreeSet::from([*item])))
        }
        Expr::Not(_) => None,
        Expr::And(parts) => parts
            .iter()
            .filter_map(|part| needed(part, items, columns))
            .min_by_key(|(cost, _)| *cost),
        Expr::Or(parts) => {
            let mut all = (0, BTreeSet::new());
            for part in parts {
                let (cost, set) = needed(part, items, columns)?;
                all.0 += cost;
                all.1.extend(set);
            }
            Some(all)
        }
    }
}

fn seeds_of(test: &Test) -> Option<Vec<String>> {
    let of = |atom: &Atom| match atom {
        Atom::Text(matcher) => matcher.seeds(),
        Atom::Number { text, .. } => text.as_ref().and_then(|matcher| matcher.seeds()),
    };
    match test {
        Test::Any(atoms) => {
            let lists: Option<Vec<Vec<String>>> = atoms.iter().map(of).collect();
            lists.map(|lists| lists.into_iter().flatten().collect())
        }
        Test::All(atoms) => atoms
            .iter()
            .filter_map(of)
            .max_by_key(|seeds| seeds.iter().map(String::len).min().unwrap_or(0)),
        Test::Null | Test::Present => None,
    }
}

fn column_program(index: usize, name: &str, items: &[ItemSpec]) -> ColumnProgram {
    let mut by_seed: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let (mut own, mut always) = (Vec::new(), Vec::new());
    let mut decode = false;
    for (id, item) in items.iter().enumerate().filter(|(_, item)| item.column == index) {
        let id = u32::try_from(id).expect("fewer items than 2^32");
        own.push(id);
        decode |= !matches!(item.view, View::Whole | View::Extension | View::Score(_));
        match seeds_of(&item.test).filter(|_| !matches!(item.view, View::Score(_))) {
            Some(seeds) => {
                seeds
                    .into_iter()
                    .for_each(|seed| by_seed.entry(seed).or_default().push(id));
            }
            None => always.push(id),
        }
    }
    // Too many literals for the automaton's limits: then every item is looked at.
    let seeds = AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .build(by_seed.keys())
        .ok();
    if seeds.is_none() {
        always.clone_from(&own);
    }
    ColumnProgram {
        name: name.to_owned(),
        items: own,
        seeds,
        seed_items: by_seed.into_values().collect(),
        always,
        decode,
        cache: HashMap::default(),
        truths: vec![Box::default()],
        entries: HashMap::from_iter([(Box::default(), 0)]),
        asked: Vec::new(),
    }
}

impl ColumnProgram {
    /// Leaves the items true for `value`, sorted, in `asked`.
    fn judge(&mut self, value: Value<'_>, items: &[ItemSpec]) {
        let text = value.text();
        let derived = text.as_deref().map(|text| Derived::new(text, self.decode));
        let mut asked = std::mem::take(&mut self.asked);
        asked.clear();
        asked.extend(&self.always);
        if let (Some(derived), Some(seeds)) = (&derived, &self.seeds) {
            let decoded = derived.decoded.as_ref().map_or("", |d| d.lower.as_str());
            for text in [derived.lower.as_ref(), decoded] {
                for hit in seeds.find_overlapping_iter(text) {
                    asked.extend(&self.seed_items[hit.pattern().as_usize()]);
                }
            }
        }
        if !matches!(value, Value::Text(_)) {
            asked.extend(&self.items);
        }
        asked.sort_unstable();
        asked.dedup();
        asked.retain(|id| {
            let item = &items[*id as usize];
            match (&item.test, &derived) {
                (Test::Null, derived) => derived.is_none(),
                (Test::Present, derived) => derived.is_some(),
                (_, None) => false,
                (Test::Any(atoms), Some(d)) => atoms.iter().any(|a| atom_holds(a, value, d, item.view)),
                (Test::All(atoms), Some(d)) => atoms.iter().all(|a| atom_holds(a, value, d, item.view)),
            }
        });
        self.asked = asked;
    }

    fn entry(&mut self, value: Value<'_>, hasher: &RandomState, items: &[ItemSpec]) -> u32 {
        let hash = match value {
            Value::Null => 0,
            Value::Text(text) => hasher.hash_one(text),
            Value::Int(n) => hasher.hash_one((1u8, n)),
            Value::Float(n) => hasher.hash_one((2u8, n.to_bits())),
            Value::Bool(b) => hasher.hash_one((3u8, b)),
        };
        if let Some(&entry) = self.cache.get(&hash) {
            return entry;
        }
        self.judge(value, items);
        let entry = match self.entries.get(self.asked.as_slice()) {
            Some(&entry) => entry,
            None => {
                let entry = u32::try_from(self.truths.len()).expect("bounded by the cache");
                self.truths.push(self.asked.as_slice().into());
                self.entries.insert(self.asked.as_slice().into(), entry);
                entry
            }
        };
        self.cache.insert(hash, entry);
        entry
    }

    fn forget_when_full(&mut self) {
        if self.cache.len() > CACHE_VALUES_MAX {
            self.cache.clear();
            self.truths.truncate(1);
            self.entries.retain(|_, entry| *entry == 0);
        }
    }
}

fn atom_holds(atom: &Atom, value: Value<'_>, derived: &Derived<'_>, view: View) -> bool {
    let matches = |matcher: &crate::sigma::pattern::Matcher| {
        derived.any(view, |logged, lower| matcher.matches(Spelling { logged, lower }))
    };
    match atom {
        Atom::Text(matcher) => matches(matcher),
        Atom::Number {
            order,
            value: wanted,
            text,
        } => {
            if let View::Score(class) = view {
                return order.holds(derived.score(class), *wanted);
            }
            let as_number = !matches!(value, Value::Text(_)) || text.is_none();
            (as_number && value.number().is_some_and(|n| order.holds(n, *wanted)))
                || text.as_ref().is_some_and(matches)
        }
    }
}

impl Program {
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Columns the rules read, keywords as the columns of a record.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Calls `hit(row, rule id)` for every match, rows in order.
    pub fn run(&mut self, batch: &EventBatch, mut hit: impl FnMut(usize, u32)) {
        let rows = batch.rows();
        let mut entries: Vec<Vec<u32>> = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            column.forget_when_full();
            entries.push(column_entries(column, batch, &self.hasher, &self.items));
        }
        let mut candidates: Vec<u32> = Vec::new();
        for row in 0..rows {
            self.generation = self.generation.wrapping_add(1);
            if self.generation == 0 {
                self.stamp.fill(0);
                self.generation = 1;
            }
            candidates.clear();
            candidates.extend(&self.unconditional);
            for (column, entries) in self.columns.iter().zip(&entries) {
                let entry = entries[row];
                if entry == 0 {
                    continue;
                }
                for &item in &column.truths[entry as usize] {
                    self.stamp[item as usize] = self.generation;
                    candidates.extend(&self.woken[item as usize]);
                }
            }
            if candidates.len() > 1 {
                candidates.sort_unstable();
                candidates.dedup();
            }
            for &rule in &candidates {
                let (expr, id) = &self.rules[rule as usize];
                if holds(expr, &self.stamp, self.generation) {
                    hit(row, *id);
                }
            }
        }
    }
}

fn column_entries(
    program: &mut ColumnProgram,
    batch: &EventBatch,
    hasher: &RandomState,
    items: &[ItemSpec],
) -> Vec<u32> {
    if program.name == KEYWORDS {
        let record = Record::of(batch);
        return (0..batch.rows())
            .map(|row| program.entry(Value::Text(&record.text(row)), hasher, items))
            .collect();
    }
    let column = Column::of(batch, &program.name);
    (0..batch.rows())
        .map(|row| program.entry(column.value(row), hasher, items))
        .collect()
}

/// The record as keywords see it: `raw`, or what is left of it.
struct Record<'a>(Vec<Column<'a>>);

impl<'a> Record<'a> {
    fn of(batch: &'a EventBatch) -> Record<'a> {
        const PARTS: [&str; 8] = [
            "src_ip",
            "method",
            "uri",
            "status",
            "ua",
            "dst_host",
            "cs_referer",
            "message",
        ];
        match Column::of(batch, "raw") {
            Column::Absent => Record(PARTS.iter().map(|name| Column::of(batch, name)).collect()),
            raw => Record(vec![raw]),
        }
    }

    fn text(&self, row: usize) -> String {
        let mut text = String::new();
        for column in &self.0 {
            if let Some(part) = column.value(row).text() {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(&part);
            }
        }
        text
    }
}

fn holds(expr: &Expr, stamp: &[u32], generation: u32) -> bool {
    match expr {
        Expr::Item(item) => stamp[*item as usize] == generation,
        Expr::Not(inner) => !holds(inner, stamp, generation),
        Expr::And(parts) => parts.iter().all(|part| holds(part, stamp, generation)),
        Expr::Or(parts) => parts.iter().any(|part| holds(part, stamp, generation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::RuleSet;
    use crate::sigma::document::Document;

    /// An item without literals is evaluated for every distinct URI.
    #[test]
    fn nearly_every_builtin_item_has_literals_to_look_for() {
        let mut builder = Builder::new(Dataset::CloudFront);
        for loaded in RuleSet::builtin().loaded() {
            if let Document::Rule(rule) = loaded.document.as_ref() {
                // Firewall rules have other fields.
                let _ = builder.add(rule, 0);
            }
        }
        let program = builder.build();
        let uri = program
            .columns
            .iter()
            .find(|column| column.name == "uri")
            .expect("rules on uri");
        // Scores are found once for a value, however many items ask for them.
        let view = |item: &&u32| program.items[**item as usize].view;
        let costly = uri
            .always
            .iter()
            .filter(|item| !matches!(view(item), View::Score(_)));
        let costly = costly.count();
        assert!(costly <= 1, "{costly} of {} items", uri.items.len());
    }
}
