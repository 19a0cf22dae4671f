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
        match (&spec.test, self.readings[spec.column]) {
            (Test::Null, _) => 10_000,
            (Test::Present, _) => 1_000,
            (_, Reading::Lookup(_)) => 100,
            (_, Reading::Record) => 50,
            // Statuses and methods are true on many rows, texts of attacks on few.
            (_, Reading::Plain) => match self.names[spec.column].as_str() {
                "uri" | "ua" => 1,
                _ if spec
                    .seeds()
                    .is_none_or(|seeds| seeds.iter().any(|seed| seed.len() < 5)) =>
                {
                    60
                }
                _ => 10,
            },
        }
    }

    /// A cheapest set of items one of which must be true for the expression to be true, with its
    /// cost; `None` when it can hold with every item false.
    pub fn needed(&self, expr: &Expr) -> Option<(usize, BTreeSet<u32>)> {
        match expr {
            Expr::Item(item) => Some((self.cost(*item), BTreeSet::from([*item]))),
            Expr::Not(_) | Expr::Compare(_) => None,
            Expr::And(parts) => parts
                .iter()
                .filter_map(|part| self.needed(part))
                .min_by_key(|(cost, _)| *cost),
            Expr::Or(parts) => {
                let mut all = (0, BTreeSet::new());
                for part in parts {
                    let (cost, set) = self.needed(part)?;
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
