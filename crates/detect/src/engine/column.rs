//! The items of all rules on one column: which of them a value satisfies.
//!
//! One automaton finds the literals of all items in a value; only items whose literals are there
//! (or which have none) are evaluated, once per distinct value.

use super::keys::Passed;
use super::value::{Derived, Value};
use crate::fields::View;
use crate::sigma::item::{Atom, Order, Test};
use crate::sigma::moment::Moment;
use crate::sigma::pattern::{Matcher, Spelling};
use ahash::RandomState;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

/// Distinct values remembered per column.
const CACHE_VALUES_MAX: usize = 1 << 16;
/// Beyond this many bytes of literals a table of all transitions would be too large.
const DFA_BYTES_MAX: usize = 64 << 10;

/// What an item asks of its column.
pub(super) struct ItemSpec {
    pub view: View,
    pub test: Test,
    /// Index of its column.
    pub column: usize,
}

pub(super) struct ColumnProgram {
    pub name: String,
    /// Literals one of which is in every text that satisfies the item.
    seeds: Option<AhoCorasick>,
    seed_items: Vec<Vec<u32>>,
    /// Items without such literals.
    pub always: Vec<u32>,
    /// Items that a number can satisfy whatever its digits.
    numeric: Vec<u32>,
    decode: bool,
    cache: HashMap<u64, u32, BuildHasherDefault<Passed>>,
    /// True items by cache entry; entry 0 is the empty one.
    pub truths: Vec<Box<[u32]>>,
    /// The entry of each list of true items.
    entries: HashMap<Box<[u32]>, u32, RandomState>,
    /// The entry of a row without a value.
    pub nothing: u32,
    /// Scratch: items to look at, then those that hold.
    asked: Vec<u32>,
}

fn seeds_of(test: &Test) -> Option<Vec<String>> {
    let of = |atom: &Atom| match atom {
        Atom::Text(matcher) => matcher.seeds(),
        Atom::Number { text, .. } => text.as_ref().and_then(Matcher::seeds),
        Atom::Truth(_) | Atom::Moment { .. } => None,
    };
    let group = |atoms: &[Atom]| {
        let lists: Option<Vec<Vec<String>>> = atoms.iter().map(of).collect();
        lists.map(|lists| lists.into_iter().flatten().collect::<Vec<String>>())
    };
    match test {
        Test::Any(atoms) => group(atoms),
        Test::All(groups) => groups
            .iter()
            .filter_map(|atoms| group(atoms))
            .max_by_key(|seeds| seeds.iter().map(String::len).min().unwrap_or(0)),
        Test::Null | Test::Present | Test::Fields(_) => None,
    }
}

fn atoms_of(test: &Test) -> impl Iterator<Item = &Atom> {
    let (any, all): (&[Atom], &[Vec<Atom>]) = match test {
        Test::Any(atoms) => (atoms, &[]),
        Test::All(groups) => (&[], groups),
        Test::Null | Test::Present | Test::Fields(_) => (&[], &[]),
    };
    any.iter().chain(all.iter().flatten())
}

impl ColumnProgram {
    pub fn new(index: usize, name: &str, items: &[ItemSpec]) -> ColumnProgram {
        let mut by_seed: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let (mut own, mut always, mut numeric) = (Vec::new(), Vec::new(), Vec::new());
        let mut decode = false;
        for (id, item) in items.iter().enumerate().filter(|(_, item)| item.column == index) {
            let id = u32::try_from(id).expect("fewer items than 2^32");
            own.push(id);
            decode |= !matches!(item.view, View::Whole | View::Extension | View::Score(_));
            if atoms_of(&item.test).any(|atom| matches!(atom, Atom::Number { .. })) {
                numeric.push(id);
            }
            // A score has no literals: it is made once for a value, when a rule asks.
            match seeds_of(&item.test).filter(|_| !matches!(item.view, View::Score(_))) {
                Some(seeds) => {
                    seeds
                        .into_iter()
                        .for_each(|seed| by_seed.entry(seed).or_default().push(id));
                }
                None => always.push(id),
            }
        }
        let bytes: usize = by_seed.keys().map(String::len).sum();
        let kind = if bytes > DFA_BYTES_MAX {
            AhoCorasickKind::ContiguousNFA
        } else {
            AhoCorasickKind::DFA
        };
        // Too many literals for the automaton's limits: then every item is looked at.
        let seeds = AhoCorasick::builder()
            .kind(Some(kind))
            .ascii_case_insensitive(true)
            .build(by_seed.keys())
            .ok();
        if seeds.is_none() {
            always = own;
        }
        let mut program = ColumnProgram {
            name: name.to_owned(),
            seeds,
            seed_items: by_seed.into_values().collect(),
            always,
            numeric,
            decode,
            cache: HashMap::default(),
            truths: vec![Box::default()],
            entries: HashMap::from_iter([(Box::default(), 0)]),
            nothing: 0,
            asked: Vec::new(),
        };
        program.judge(&[], false, items);
        program.nothing = program.asked_entry();
        program
    }

    /// Leaves the items true for a row with these values (several: an array), sorted, in
    /// [`ColumnProgram::asked`]; `present` says that there is something, comparable or not.
    pub fn judge(&mut self, values: &[Value<'_>], present: bool, items: &[ItemSpec]) {
        let texts: Vec<_> = values.iter().map(Value::text).collect();
        let derived: Vec<(Value<'_>, Derived<'_>)> = values
            .iter()
            .zip(&texts)
            .filter_map(|(value, text)| Some((*value, Derived::new(text.as_deref()?, self.decode))))
            .collect();
        let mut asked = std::mem::take(&mut self.asked);
        asked.clear();
        asked.extend(&self.always);
        for (value, derived) in &derived {
            self.seek(derived, &mut asked);
            if value.number().is_some() {
                asked.extend(&self.numeric);
            }
        }
        asked.sort_unstable();
        asked.dedup();
        asked.retain(|id| {
            let item = &items[*id as usize];
            let one = |atoms: &[Atom]| {
                derived
                    .iter()
                    .any(|(value, d)| atoms.iter().any(|atom| atom_holds(atom, *value, d, item.view)))
            };
            match &item.test {
                Test::Null => !present,
                Test::Present => present,
                Test::Any(atoms) => one(atoms),
                Test::All(groups) => groups.iter().all(|atoms| one(atoms)),
                Test::Fields(_) => false,
            }
        });
        self.asked = asked;
    }

    fn seek(&self, derived: &Derived<'_>, asked: &mut Vec<u32>) {
        let Some(seeds) = &self.seeds else { return };
        // Without regard to ASCII case; other letters are made small first.
        let logged = if derived.logged.is_ascii() {
            derived.logged
        } else {
            derived.lower()
        };
        let decoded = derived.decoded.as_ref().map_or("", |d| d.lower.as_str());
        for text in [logged, decoded] {
            for hit in seeds.find_overlapping_iter(text) {
                asked.extend(&self.seed_items[hit.pattern().as_usize()]);
            }
        }
    }

    /// What [`ColumnProgram::judge`] found.
    pub fn asked(&self) -> &[u32] {
        &self.asked
    }

    fn asked_entry(&mut self) -> u32 {
        if let Some(&entry) = self.entries.get(self.asked.as_slice()) {
            return entry;
        }
        let entry = u32::try_from(self.truths.len()).expect("bounded by the cache");
        self.truths.push(self.asked.as_slice().into());
        self.entries.insert(self.asked.as_slice().into(), entry);
        entry
    }

    /// The entry of a single value, from memory when it was seen before.
    pub fn entry(&mut self, value: Value<'_>, hasher: &RandomState, items: &[ItemSpec]) -> u32 {
        if value == Value::Null {
            return self.nothing;
        }
        let hash = hash_of(value, hasher);
        if let Some(&entry) = self.cache.get(&hash) {
            return entry;
        }
        self.judge(&[value], true, items);
        let entry = self.asked_entry();
        self.cache.insert(hash, entry);
        entry
    }

    /// The entry of an array, or of something that cannot be compared.
    pub fn entry_of(&mut self, values: &[Value<'_>], hasher: &RandomState, items: &[ItemSpec]) -> u32 {
        let hash = values.iter().fold(hasher.hash_one(values.len()), |hash, value| {
            hasher.hash_one((hash, hash_of(*value, hasher)))
        });
        if let Some(&entry) = self.cache.get(&hash) {
            return entry;
        }
        self.judge(values, true, items);
        let entry = self.asked_entry();
        self.cache.insert(hash, entry);
        entry
    }

    pub fn forget_when_full(&mut self) {
        if self.cache.len() > CACHE_VALUES_MAX {
            self.cache.clear();
            let nothing = std::mem::take(&mut self.truths[self.nothing as usize]);
            self.truths.truncate(1);
            self.entries.retain(|_, entry| *entry == 0);
            self.nothing = 0;
            if !nothing.is_empty() {
                self.nothing = 1;
                self.entries.insert(nothing.clone(), 1);
                self.truths.push(nothing);
            }
        }
    }
}

fn hash_of(value: Value<'_>, hasher: &RandomState) -> u64 {
    match value {
        Value::Null => 0,
        Value::Text(text) => hasher.hash_one(text),
        Value::Int(n) => hasher.hash_one((1u8, n)),
        Value::Float(n) => hasher.hash_one((2u8, n.to_bits())),
        Value::Bool(b) => hasher.hash_one((3u8, b)),
    }
}

fn atom_holds(atom: &Atom, value: Value<'_>, derived: &Derived<'_>, view: View) -> bool {
    let matches =
        |matcher: &Matcher| derived.any(view, |logged, lower| matcher.matches(Spelling { logged, lower }));
    match atom {
        Atom::Text(matcher) => matches(matcher),
        Atom::Number {
            order,
            value: wanted,
            whole,
            text,
        } => {
            if let View::Score(class) = view {
                return order.holds(derived.score(class), *wanted);
            }
            let as_number = match (order, value, whole) {
                // Beyond 2^53 neighbours share one float.
                (Order::Equal, Value::Int(n), Some(whole)) => n == *whole,
                _ => value.number().is_some_and(|n| order.holds(n, *wanted)),
            };
            as_number || text.as_ref().is_some_and(matches)
        }
        Atom::Truth(wanted) => match value {
            Value::Bool(truth) => truth == *wanted,
            Value::Text(text) => text.eq_ignore_ascii_case(if *wanted { "true" } else { "false" }),
            _ => false,
        },
        Atom::Moment {
            part,
            order,
            value: wanted,
        } => {
            let moment = match value {
                Value::Text(text) => Moment::parse(text),
                other => other.number().and_then(Moment::of_number),
            };
            // Years have four digits: exact as floats.
            let part = moment.and_then(|moment| moment.part(*part));
            part.is_some_and(|part| order.holds(part as f64, *wanted))
        }
    }
}

#[cfg(test)]
mod tests;
