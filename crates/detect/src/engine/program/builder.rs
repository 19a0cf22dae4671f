//! Rules of one dataset brought together: items that are the same are one, literals of keywords go to
//! the columns in which clients may have encoded them.

use super::keywords::Keywords;
use super::truth::{Mask, Truth};
use super::{Program, Watch};
use crate::engine::column::{ColumnProgram, ItemSpec};
use crate::engine::expr::{Compare, Expr, Kinds, Reading};
use crate::engine::lookup::LookupPlan;
use crate::engine::record::{ENCODED, KEYWORDS};
use crate::fields::{FieldRef, View};
use crate::sigma::condition::Condition;
use crate::sigma::document::{Rule, Search};
use crate::sigma::item::{self, Item, Test};
use crate::sigma::placeholder::Placeholders;
use ahash::RandomState;
use haetae_event::Dataset;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

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
                literals: None,
            });
        }
        id
    }

    /// What is encoded is decoded once for a value: literals of keywords are sought there with
    /// those of the column's own items.
    fn keywords(&mut self) -> Option<(usize, Vec<u32>)> {
        let column = self.columns.iter().position(|name| name == KEYWORDS)?;
        let own = self.items.iter().filter(|item| item.column == column);
        let literals: Vec<String> = own.filter_map(ItemSpec::seeds).flatten().collect();
        let mut in_requests = Vec::new();
        for name in ENCODED {
            let known = self.columns.iter().position(|column| column == name);
            let column = known.unwrap_or_else(|| {
                self.columns.push(name.to_owned());
                self.columns.len() - 1
            });
            in_requests.push(u32::try_from(self.items.len()).expect("fewer items than 2^32"));
            self.items.push(ItemSpec {
                view: View::Decoded,
                test: Test::Present,
                column,
                literals: Some(literals.clone()),
            });
        }
        Some((column, in_requests))
    }

    pub fn build(mut self) -> Program {
        let keywords = self.keywords();
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
        let asked = keywords.as_ref().map_or(&[][..], |(_, in_requests)| in_requests);
        let watch = Watch::of(&kinds, self.rules, asked);
        let keywords = keywords.map(|(column, in_requests)| {
            let waking = watch.keywords(&kinds);
            let own = waking.iter().map(|item| &self.items[*item as usize]);
            let literals: Vec<String> = own.filter_map(ItemSpec::seeds).flatten().collect();
            Keywords::new(column, &columns[column], &literals, in_requests)
        });
        let wanted = plan.wish();
        let looked_up: Vec<usize> = (0..columns.len())
            .filter(|at| matches!(readings[*at], Reading::Lookup(_)))
            .collect();
        let waking_fields = (0..looked_up.len()).filter(|field| watch.waking[looked_up[*field]]);
        let waking_fields: Vec<usize> = waking_fields.collect();
        // Where few rows are looked into, reading the text of those costs less than handing over all.
        let wanted = match waking_fields.is_empty() {
            true => Arc::default(),
            false => wanted,
        };
        let telling = (0..looked_up.len()).filter(|field| columns[looked_up[*field]].nothing != 0);
        Program {
            truth: Truth::new(self.items.len()),
            looked: vec![0; columns.len()],
            known: vec![Mask::NONE; columns.len()],
            generation: 0,
            telling: telling.collect(),
            wanted,
            looked_up,
            waking_fields,
            items: self.items,
            columns,
            readings,
            plan,
            compares: self.compares,
            watch,
            keywords,
            hasher: RandomState::new(),
            scratch: Vec::new(),
            signs: Vec::new(),
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
