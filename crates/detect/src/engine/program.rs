//! All rules of one dataset compiled together: items are told apart by (column, view, test),
//! evaluated once per distinct value, and rules are looked at only when an item they cannot do
//! without is true. Looking into JSON and reading the whole record for keywords is put off until a
//! rule that could hold needs it.

pub use super::record::KEYWORDS;

use super::column::{ColumnProgram, ItemSpec};
use super::expr::{Compare, Expr, Kinds, Reading};
use super::lookup::{Cell, CellOrColumn, LookupPlan, Lookups};
use super::record::{PARTS, Record};
use super::value::{Column, Value, lower};
use crate::fields::{self, FieldRef, View};
use crate::sigma::condition::Condition;
use crate::sigma::document::{Rule, Search};
use crate::sigma::item::{self, Fields, Item, Test};
use crate::sigma::placeholder::Placeholders;
use ahash::RandomState;
use haetae_event::{Dataset, EventBatch};
use std::collections::{BTreeMap, HashMap};

struct RuleSpec {
    expr: Expr,
    id: u32,
    lookups: bool,
    record: bool,
}

/// Which rules to look at when.
struct Watch {
    rules: Vec<RuleSpec>,
    /// Item → compiled rules that cannot hold without it (or another of the same set).
    woken: Vec<Vec<u32>>,
    unconditional: Vec<u32>,
    /// Some rule shows itself only by what is looked up, or by keywords.
    lookups_always: bool,
    record_always: bool,
}

impl Watch {
    fn of(kinds: &Kinds<'_>, rules: Vec<(Expr, u32)>) -> Watch {
        let mut watch = Watch {
            rules: Vec::new(),
            woken: vec![Vec::new(); kinds.items.len()],
            unconditional: Vec::new(),
            lookups_always: false,
            record_always: false,
        };
        for (index, (expr, id)) in rules.into_iter().enumerate() {
            let index = u32::try_from(index).expect("fewer rules than 2^32");
            match kinds.needed(&expr) {
                Some((_, items)) => {
                    for item in items {
                        watch.woken[item as usize].push(index);
                        watch.lookups_always |= matches!(kinds.reading(item), Reading::Lookup(_));
                        watch.record_always |= kinds.reading(item) == Reading::Record;
                    }
                }
                None => watch.unconditional.push(index),
            }
            let (mut lookups, mut record) = (false, false);
            kinds.reads(&expr, &mut |reading| match reading {
                Reading::Lookup(_) => lookups = true,
                Reading::Record => record = true,
                Reading::Plain => {}
            });
            watch.rules.push(RuleSpec {
                expr,
                id,
                lookups,
                record,
            });
        }
        watch
    }
}

/// What is compiled for one dataset. Remembers distinct values between batches.
pub struct Program {
    items: Vec<ItemSpec>,
    columns: Vec<ColumnProgram>,
    readings: Vec<Reading>,
    plan: LookupPlan,
    /// Field of the plan → its column.
    looked_up: Vec<usize>,
    /// Looked-up columns whose absence satisfies an item.
    telling: Vec<usize>,
    /// Column → the generation in which it was looked up.
    looked: Vec<u32>,
    compares: Vec<Compare>,
    watch: Watch,
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
    compares: Vec<Compare>,
    index: HashMap<(usize, View, String), u32>,
    rules: Vec<(Expr, u32)>,
}

impl Builder {
    pub fn new(dataset: Dataset) -> Builder {
        Builder {
            dataset,
            items: Vec::new(),
            columns: Vec::new(),
            compares: Vec::new(),
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
            searches.insert(name.as_str(), self.search(rule, search)?);
        }
        let mut parts = vec![condition(&rule.condition, &searches)];
        for (key, wanted) in rule.mapping.when() {
            parts.extend(self.when(rule, key, wanted)?);
        }
        let expr = if parts.len() == 1 {
            parts.remove(0)
        } else {
            Expr::And(parts)
        };
        self.rules.push((expr, id));
        Ok(())
    }

    /// The condition of the log source: an event without the field passes.
    fn when(
        &mut self,
        rule: &Rule,
        key: &str,
        wanted: &serde_json::Value,
    ) -> Result<Option<Expr>, MissingField> {
        let Ok(wanted) = item::read(key, wanted, &Placeholders::new()) else {
            // Refused when the pipeline file was read.
            return Ok(None);
        };
        let field = wanted.field.clone().unwrap_or_default();
        if rule.mapping.resolve(self.dataset, &field).is_none() {
            return Ok(None);
        }
        let absent = Item {
            test: Test::Null,
            source: format!("{field}: null"),
            ..wanted.clone()
        };
        let parts = vec![self.item(rule, &absent)?, self.item(rule, &wanted)?];
        Ok(Some(Expr::Or(parts)))
    }

    fn search(&mut self, rule: &Rule, search: &Search) -> Result<Expr, MissingField> {
        match search {
            Search::AnyOf(parts) => Ok(Expr::Or(
                parts
                    .iter()
                    .map(|part| self.search(rule, part))
                    .collect::<Result<_, _>>()?,
            )),
            Search::AllOf(items) => Ok(Expr::And(
                items
                    .iter()
                    .map(|item| self.item(rule, item))
                    .collect::<Result<_, _>>()?,
            )),
        }
    }

    fn field(&mut self, rule: &Rule, name: Option<&str>) -> Result<(usize, View), MissingField> {
        let field = match name {
            None => FieldRef::plain(KEYWORDS, View::Whole),
            Some(name) => rule
                .mapping
                .resolve(self.dataset, name)
                .ok_or_else(|| MissingField(name.to_owned()))?,
        };
        let known = self.columns.iter().position(|name| *name == field.column);
        let column = known.unwrap_or_else(|| {
            self.columns.push(field.column.into_owned());
            self.columns.len() - 1
        });
        Ok((column, field.view))
    }

    fn item(&mut self, rule: &Rule, item: &Item) -> Result<Expr, MissingField> {
        let (column, view) = self.field(rule, item.field.as_deref())?;
        let leaf = if let Test::Fields(fields) = &item.test {
            let mut others = Vec::new();
            for name in &fields.names {
                others.push(self.field(rule, Some(name))?.0);
            }
            self.compares.push(Compare {
                left: column,
                others,
                fields: fields.clone(),
            });
            Expr::Compare(u32::try_from(self.compares.len() - 1).expect("fewer than 2^32"))
        } else {
            Expr::Item(self.item_id(item, column, view))
        };
        Ok(if item.negated {
            Expr::Not(Box::new(leaf))
        } else {
            leaf
        })
    }

    fn item_id(&mut self, item: &Item, column: usize, view: View) -> u32 {
        let next = u32::try_from(self.items.len()).expect("fewer items than 2^32");
        // Rules may expand a placeholder to different values: then the source does not tell.
        let expanded = if item.source.contains("|expand") {
            format!("{:?}", item.test)
        } else {
            String::new()
        };
        let asked = item
            .field
            .as_ref()
            .map_or(item.source.as_str(), |field| &item.source[field.len()..]);
        let key = (column, view, format!("{asked}{expanded}"));
        let id = *self.index.entry(key).or_insert(next);
        if id == next {
            self.items.push(ItemSpec {
                view,
                test: item.test.clone(),
                column,
            });
        }
        id
    }

    pub fn build(self) -> Program {
        let columns: Vec<ColumnProgram> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, name)| ColumnProgram::new(index, name, &self.items))
            .collect();
        let mut plan = LookupPlan::default();
        let readings: Vec<Reading> = self
            .columns
            .iter()
            .map(|name| match Reading::of(name) {
                Reading::Lookup(_) => Reading::Lookup(plan.add(name)),
                other => other,
            })
            .collect();
        let kinds = Kinds {
            items: &self.items,
            names: &self.columns,
            compares: &self.compares,
            readings: &readings,
        };
        let watch = Watch::of(&kinds, self.rules);
        let looked_up: Vec<usize> = (0..columns.len())
            .filter(|at| matches!(readings[*at], Reading::Lookup(_)))
            .collect();
        let telling = looked_up.iter().copied();
        Program {
            stamp: vec![0; self.items.len()],
            looked: vec![0; columns.len()],
            telling: telling.filter(|at| columns[*at].nothing != 0).collect(),
            looked_up,
            items: self.items,
            columns,
            readings,
            plan,
            compares: self.compares,
            watch,
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

/// One row of a batch: what has been found true, and how to read the rest.
struct Row<'r, 'p, 'b> {
    stamp: &'r [u32],
    generation: u32,
    compares: &'r [Compare],
    readings: &'r [Reading],
    plain: &'r [Column<'b>],
    lookups: &'r Lookups<'p, 'b>,
    at: usize,
}

impl Row<'_, '_, '_> {
    fn holds(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Item(item) => self.stamp[*item as usize] == self.generation,
            Expr::Compare(at) => self.compares(&self.compares[*at as usize]),
            Expr::Not(inner) => !self.holds(inner),
            Expr::And(parts) => parts.iter().all(|part| self.holds(part)),
            Expr::Or(parts) => parts.iter().any(|part| self.holds(part)),
        }
    }

    fn texts(&self, column: usize, cased: bool) -> Vec<String> {
        let mut texts = Vec::new();
        let mut add = |value: Value<'_>| {
            texts.extend(value.text().map(|text| {
                if cased {
                    text.into_owned()
                } else {
                    lower(&text).into_owned()
                }
            }));
        };
        match self.readings[column] {
            Reading::Plain => add(self.plain[column].value(self.at)),
            Reading::Lookup(field) => match self.lookups.cell(field) {
                CellOrColumn::Cell(cell) => cell.each(&mut add),
                CellOrColumn::Value(value) => add(value),
            },
            Reading::Record => {}
        }
        texts
    }

    /// What is absent equals nothing, not even another absent field.
    fn compares(&self, compare: &Compare) -> bool {
        let Fields {
            all, relation, cased, ..
        } = compare.fields;
        let left = self.texts(compare.left, cased);
        let mut each = compare.others.iter().map(|other| {
            let right = self.texts(*other, cased);
            left.iter()
                .any(|text| right.iter().any(|other| relation.holds(text, other)))
        });
        if all {
            each.all(|holds| holds)
        } else {
            each.any(|holds| holds)
        }
    }
}

impl Program {
    pub fn is_empty(&self) -> bool {
        self.watch.rules.is_empty()
    }

    /// Columns of a batch that the rules read; [`KEYWORDS`] among them when there are keywords.
    pub fn columns(&self) -> impl Iterator<Item = String> {
        self.columns.iter().flat_map(|column| match column.name.as_str() {
            KEYWORDS => PARTS
                .iter()
                .chain(&["raw", "attrs", KEYWORDS])
                .map(|name| (*name).to_owned())
                .collect(),
            name => fields::stored(name),
        })
    }

    /// Calls `hit(row, rule id)` for every match, rows in order.
    pub fn run(&mut self, batch: &EventBatch, mut hit: impl FnMut(usize, u32)) {
        let (plain, entries) = self.read_plain(batch);
        let plan = std::mem::take(&mut self.plan);
        let mut lookups = Lookups::new(&plan, batch);
        let record = Record::of(batch);
        let mut candidates: Vec<u32> = Vec::new();
        for row in 0..batch.rows() {
            self.next_generation();
            candidates.clear();
            candidates.extend(&self.watch.unconditional);
            for (column, entries) in self.columns.iter().zip(&entries) {
                let Some(entries) = entries else { continue };
                for &item in &column.truths[entries[row] as usize] {
                    self.stamp[item as usize] = self.generation;
                    candidates.extend(&self.watch.woken[item as usize]);
                }
            }
            self.read_late(row, &mut lookups, &record, &mut candidates);
            if candidates.len() > 1 {
                candidates.sort_unstable();
                candidates.dedup();
            }
            let view = Row {
                stamp: &self.stamp,
                generation: self.generation,
                compares: &self.compares,
                readings: &self.readings,
                plain: &plain,
                lookups: &lookups,
                at: row,
            };
            for &rule in &candidates {
                let rule = &self.watch.rules[rule as usize];
                if view.holds(&rule.expr) {
                    hit(row, rule.id);
                }
            }
        }
        drop(lookups);
        self.plan = plan;
    }

    /// The columns of the batch, and for each plain one the entry of every row.
    fn read_plain<'b>(&mut self, batch: &'b EventBatch) -> (Vec<Column<'b>>, Vec<Option<Vec<u32>>>) {
        let mut plain = Vec::with_capacity(self.columns.len());
        let mut entries = Vec::with_capacity(self.columns.len());
        for (column, reading) in self.columns.iter_mut().zip(&self.readings) {
            column.forget_when_full();
            let source = match reading {
                Reading::Plain => Column::of(batch, &column.name),
                _ => Column::Absent,
            };
            entries.push((*reading == Reading::Plain).then(|| {
                (0..batch.rows())
                    .map(|row| column.entry(source.value(row), &self.hasher, &self.items))
                    .collect()
            }));
            plain.push(source);
        }
        (plain, entries)
    }

    /// Looks into JSON and at the whole record, where a rule needs it that could still hold or
    /// that shows itself no other way.
    fn read_late(
        &mut self,
        row: usize,
        lookups: &mut Lookups<'_, '_>,
        record: &Record<'_>,
        candidates: &mut Vec<u32>,
    ) {
        let asks = |watch: &Watch, candidates: &[u32], of: fn(&RuleSpec) -> bool| {
            candidates.iter().any(|rule| of(&watch.rules[*rule as usize]))
        };
        if self.watch.lookups_always || asks(&self.watch, candidates, |rule| rule.lookups) {
            lookups.read(row);
            self.look(lookups, candidates);
        }
        if self.watch.record_always || asks(&self.watch, candidates, |rule| rule.record) {
            self.look_at_record(record, row, candidates);
            if asks(&self.watch, candidates, |rule| rule.lookups) {
                lookups.read(row);
                self.look(lookups, candidates);
            }
        }
    }

    fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.stamp.fill(0);
            self.looked.fill(0);
            self.generation = 1;
        }
    }

    /// Marks the items true for the looked-up fields of the row just read.
    fn look(&mut self, lookups: &Lookups<'_, '_>, candidates: &mut Vec<u32>) {
        for field in lookups.present() {
            let at = self.looked_up[field as usize];
            if self.looked[at] == self.generation {
                continue;
            }
            self.looked[at] = self.generation;
            let column = &mut self.columns[at];
            let entry = match lookups.cell(field as usize) {
                CellOrColumn::Value(value) => column.entry(value, &self.hasher, &self.items),
                CellOrColumn::Cell(cell @ (Cell::List(_) | Cell::Object)) => {
                    let mut values = Vec::new();
                    cell.each(&mut |value| values.push(value));
                    column.entry_of(&values, &self.hasher, &self.items)
                }
                CellOrColumn::Cell(cell) => {
                    let mut single = Value::Null;
                    cell.each(&mut |value| single = value);
                    column.entry(single, &self.hasher, &self.items)
                }
            };
            for &item in &column.truths[entry as usize] {
                self.stamp[item as usize] = self.generation;
                candidates.extend(&self.watch.woken[item as usize]);
            }
        }
        // Absence says something to some items.
        for &at in &self.telling {
            if self.looked[at] == self.generation {
                continue;
            }
            self.looked[at] = self.generation;
            let column = &self.columns[at];
            for &item in &column.truths[column.nothing as usize] {
                self.stamp[item as usize] = self.generation;
                candidates.extend(&self.watch.woken[item as usize]);
            }
        }
    }

    /// Marks the keywords that are in the row. Records hardly repeat: nothing is remembered.
    fn look_at_record(&mut self, record: &Record<'_>, row: usize, candidates: &mut Vec<u32>) {
        let texts = record.texts(row);
        let values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
        for (column, reading) in self.columns.iter_mut().zip(&self.readings) {
            if *reading != Reading::Record {
                continue;
            }
            column.judge(&values, !values.is_empty(), &self.items);
            for &item in column.asked() {
                self.stamp[item as usize] = self.generation;
                candidates.extend(&self.watch.woken[item as usize]);
            }
        }
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
            .filter(|item| !matches!(view(item), View::Score(_)))
            .count();
        assert!(costly <= 1, "{costly} items");
    }
}
