//! Conditions over items, and which items a rule cannot do without.

use super::column::ItemSpec;
use super::record::KEYWORDS;
use crate::fields;
use crate::sigma::item::{Fields, Test};
use std::collections::BTreeSet;

/// A rule's condition over item indices.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Item(u32),
    /// Index of a comparison of two fields.
    Compare(u32),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

impl Expr {
    /// Puts first what is known without reading anything more.
    pub fn order(&mut self, is_known: &dyn Fn(u32) -> bool) {
        match self {
            Expr::Item(_) | Expr::Compare(_) => {}
            Expr::Not(inner) => inner.order(is_known),
            Expr::And(parts) | Expr::Or(parts) => {
                parts.iter_mut().for_each(|part| part.order(is_known));
                parts.sort_by_key(|part| !part.is_known(is_known));
            }
        }
    }

    fn is_known(&self, item: &dyn Fn(u32) -> bool) -> bool {
        match self {
            Expr::Item(at) => item(*at),
            Expr::Compare(_) => false,
            Expr::Not(inner) => inner.is_known(item),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().all(|part| part.is_known(item)),
        }
    }

    pub fn each_item(&self, each: &mut dyn FnMut(u32)) {
        match self {
            Expr::Item(item) => each(*item),
            Expr::Compare(_) => {}
            Expr::Not(inner) => inner.each_item(each),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.each_item(each)),
        }
    }
}

/// A field compared with others of its row; columns by index.
pub(super) struct Compare {
    pub left: usize,
    pub others: Vec<usize>,
    pub fields: Fields,
}

/// How a column's values come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Plain,
    /// Number of the field in the plan of lookups.
    Lookup(usize),
    Record,
}

impl Reading {
    pub fn of(name: &str) -> Reading {
        match name {
            KEYWORDS => Reading::Record,
            name if name.starts_with(fields::LOOKUP) => Reading::Lookup(0),
            _ => Reading::Plain,
        }
    }
}

/// What is known of items while rules are compiled.
pub(super) struct Kinds<'a> {
    pub items: &'a [ItemSpec],
    pub names: &'a [String],
    pub compares: &'a [Compare],
    pub readings: &'a [Reading],
}

impl Kinds<'_> {
    pub fn reading(&self, item: u32) -> Reading {
        self.readings[self.items[item as usize].column]
    }

    /// What it costs to wait for an item: how often it is true, and how dear its column is.
    fn cost(&self, item: u32) -> usize {
        let spec = &self.items[item as usize];
        let is_short = || {
            let seeds = spec.seeds();
            seeds.is_none_or(|seeds| seeds.iter().any(|seed| seed.len() < 5))
        };
        match (&spec.test, self.readings[spec.column]) {
            (Test::Null, _) => 10_000,
            (Test::Present, _) => 1_000,
            // Numbers and short words are true on many rows.
            (_, Reading::Lookup(_)) if is_short() => 140,
            (_, Reading::Lookup(_)) => 100,
            // Of several keywords the longer are rarer.
            (_, Reading::Record) => {
                let seeds = spec.seeds().unwrap_or_default();
                50 + 9 - seeds.iter().map(String::len).min().unwrap_or(0).min(9)
            }
            // Statuses and methods are true on many rows, texts of attacks on few.
            (_, Reading::Plain) => match self.names[spec.column].as_str() {
                "uri" | "ua" => 1,
                _ if is_short() => 60,
                _ => 10,
            },
        }
    }

    /// For each rule a set of items one of which must be true for it to hold; `None` when it can hold
    /// with every item false. Of fields that are looked up those are taken that many rules can be told
    /// by: what is no such item is read only where a rule is awake.
    pub fn wakers(&self, rules: &[(Expr, u32)]) -> Vec<Option<Vec<u32>>> {
        let mut told_by = vec![0; self.names.len()];
        for (expr, _) in rules {
            let mut columns = BTreeSet::new();
            let needed = self.needed(expr, &|item| self.cost(item));
            for item in needed.into_iter().flat_map(|(_, items)| items) {
                columns.insert(self.items[item as usize].column);
            }
            columns.into_iter().for_each(|column| told_by[column] += 1);
        }
        let cost = |item: u32| match self.reading(item) {
            Reading::Lookup(_) => self.cost(item) + 100 / (1 + told_by[self.items[item as usize].column]),
            Reading::Plain | Reading::Record => self.cost(item),
        };
        let needed = rules.iter().map(|(expr, _)| self.needed(expr, &cost));
        needed
            .map(|needed| Some(needed?.1.into_iter().collect()))
            .collect()
    }

    /// A cheapest set of items one of which must be true for the expression to be true, with its
    /// cost; `None` when it can hold with every item false.
    fn needed(&self, expr: &Expr, cost: &dyn Fn(u32) -> usize) -> Option<(usize, BTreeSet<u32>)> {
        match expr {
            Expr::Item(item) => Some((cost(*item), BTreeSet::from([*item]))),
            Expr::Not(_) | Expr::Compare(_) => None,
            Expr::And(parts) => parts
                .iter()
                .filter_map(|part| self.needed(part, cost))
                .min_by_key(|(cost, _)| *cost),
            Expr::Or(parts) => {
                let mut all = (0, BTreeSet::new());
                for part in parts {
                    let (cost, set) = self.needed(part, cost)?;
                    all.0 += cost;
                    all.1.extend(set);
                }
                Some(all)
            }
        }
    }

    pub fn reads(&self, expr: &Expr, each: &mut dyn FnMut(Reading)) {
        match expr {
            Expr::Item(item) => each(self.reading(*item)),
            Expr::Compare(at) => {
                let compare = &self.compares[*at as usize];
                each(self.readings[compare.left]);
                compare
                    .others
                    .iter()
                    .for_each(|other| each(self.readings[*other]));
            }
            Expr::Not(inner) => self.reads(inner, each),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| self.reads(part, each)),
        }
    }
}
