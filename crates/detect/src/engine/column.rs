//! The items of all rules on one column: which of them a value satisfies.
//!
//! One sieve finds the literals of all items in a value; only items whose literals are there (or
//! which have none) are evaluated. Values that come again are judged once; where most are new,
//! nothing is remembered.

use super::ends::Ends;
use super::keys::Passed;
use super::lookup;
use super::sieve::Sieve;
use super::value::{Derived, Value};
use crate::fields::View;
use crate::sigma::item::{Atom, Order, Test};
use crate::sigma::moment::Moment;
use crate::sigma::pattern::{Matcher, Spelling};
use ahash::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

pub(super) use item::ItemSpec;
use item::{SURE, WHOLE, atoms_of, whole_numbers};
use memory::{Habit, Recent};
pub(super) use memory::{sign_of, sign_of_json};

/// Distinct values remembered per column.
const CACHE_VALUES_MAX: usize = 1 << 16;

/// Whole numbers below this have a table of entries.
const SMALL: i64 = 1 << 16;
const SMALL_LEN: usize = 1 << 16;
/// Up to this many bytes a text is sought for literals before it is looked up.
const SHORT_BYTES: usize = 64;

pub(super) struct ColumnProgram {
    pub name: String,
    /// Literals one of which is in every text that satisfies the item.
    seeds: Option<Sieve>,
    /// Literal → items, and which of their values it is in.
    seed_items: Vec<Vec<(u32, u32)>>,
    /// Literals that end every text which satisfies the item.
    ends: Option<Ends>,
    end_items: Vec<Vec<(u32, u32)>>,
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
    /// The entries of small numbers (ports, statuses) + 1; 0 where it is not known yet.
    small: Vec<u32>,
    /// The same for false and true.
    truth: [u32; 2],
    /// Where all items ask for whole numbers: those numbers, sorted. No other one satisfies any.
    whole: Option<Vec<i64>>,
    recent: Recent,
    habit: Habit,
    /// Scratch: items to look at and their values, then items that hold.
    asked: Vec<(u32, u32)>,
    held: Vec<u32>,
}

impl ColumnProgram {
    pub fn new(index: usize, name: &str, items: &[ItemSpec]) -> ColumnProgram {
        let mut by_seed: BTreeMap<String, Vec<(u32, u32)>> = BTreeMap::new();
        let mut by_end = by_seed.clone();
        let (mut own, mut always, mut numeric) = (Vec::new(), Vec::new(), Vec::new());
        let is_decoded =
            |item: &ItemSpec| !matches!(item.view, View::Whole | View::Extension | View::Score(_));
        let decode = items.iter().any(|item| item.column == index && is_decoded(item));
        for (id, item) in items.iter().enumerate().filter(|(_, item)| item.column == index) {
            let id = u32::try_from(id).expect("fewer items than 2^32");
            own.push(id);
            if atoms_of(&item.test).any(|atom| matches!(atom, Atom::Number { .. })) {
                numeric.push(id);
            }
            // A score has no literals: it is made once for a value, when a rule asks.
            match item.told_by().filter(|_| !matches!(item.view, View::Score(_))) {
                Some(seeds) => {
                    for (seed, of, at_end) in seeds {
                        let by = match at_end && !decode {
                            true => &mut by_end,
                            false => &mut by_seed,
                        };
                        by.entry(seed).or_default().push((id, of));
                    }
                }
                None => always.push(id),
            }
        }
        // Too many literals for the limits: then every item is looked at.
        let seeds = Sieve::new(by_seed.keys().map(String::as_str));
        if seeds.is_none() {
            always = own;
        }
        let mut program = ColumnProgram {
            name: name.to_owned(),
            ends: Ends::new(by_end.keys().map(String::as_str)),
            end_items: by_end.into_values().collect(),
            seeds,
            seed_items: by_seed.into_values().collect(),
            always,
            numeric,
            decode,
            cache: HashMap::default(),
            truths: vec![Box::default()],
            entries: HashMap::from_iter([(Box::default(), 0)]),
            nothing: 0,
            small: Vec::new(),
            truth: [0; 2],
            whole: whole_numbers(items.iter().filter(|item| item.column == index)),
            recent: Recent::default(),
            habit: Habit::default(),
            asked: Vec::new(),
            held: Vec::new(),
        };
        program.judge(&[], false, items);
        program.nothing = program.held_entry();
        program
    }

    /// Leaves the items true for a row with these values (several: an array), sorted, in
    /// [`ColumnProgram::held`]; `present` says that there is something, comparable or not.
    pub fn judge(&mut self, values: &[Value<'_>], present: bool, items: &[ItemSpec]) {
        let texts: Vec<_> = values.iter().map(Value::text).collect();
        let derived: Vec<(Value<'_>, Derived<'_>)> = values
            .iter()
            .zip(&texts)
            .filter_map(|(value, text)| Some((*value, Derived::new(text.as_deref()?, self.decode))))
            .collect();
        self.weigh(&derived, present, items);
    }

    /// The same for a single value.
    fn judge_one(&mut self, value: Value<'_>, items: &[ItemSpec]) {
        match value {
            Value::Int(n)
                if self
                    .whole
                    .as_ref()
                    .is_some_and(|all| all.binary_search(&n).is_err()) =>
            {
                self.held.clear();
            }
            Value::Text(text) if !self.decode => self.judge_plain(text, items),
            value => match value.text() {
                Some(text) => {
                    let derived = (value, Derived::new(&text, self.decode));
                    self.weigh(std::slice::from_ref(&derived), true, items);
                }
                None => self.weigh(&[], true, items),
            },
        }
    }

    /// A text that is not decoded: most hold none of the literals.
    fn judge_plain(&mut self, text: &str, items: &[ItemSpec]) {
        self.asked.clear();
        if let Some(seeds) = &mut self.seeds {
            let (asked, of) = (&mut self.asked, &self.seed_items);
            seeds.find(text, |seed| asked.extend(&of[seed as usize]));
        }
        if let Some(ends) = &self.ends {
            ends.find(text, |end| self.asked.extend(&self.end_items[end as usize]));
        }
        let numeric = !self.numeric.is_empty() && text.parse::<f64>().is_ok();
        if self.asked.is_empty() && self.always.is_empty() && !numeric {
            self.held.clear();
            return;
        }
        self.asked.extend(self.always.iter().map(|id| (*id, WHOLE)));
        if numeric {
            self.asked.extend(self.numeric.iter().map(|id| (*id, WHOLE)));
        }
        let derived = (Value::Text(text), Derived::new(text, false));
        self.weigh_asked(std::slice::from_ref(&derived), true, items);
    }

    fn weigh(&mut self, derived: &[(Value<'_>, Derived<'_>)], present: bool, items: &[ItemSpec]) {
        let mut asked = std::mem::take(&mut self.asked);
        asked.clear();
        asked.extend(self.always.iter().map(|id| (*id, WHOLE)));
        for (value, derived) in derived {
            self.seek(derived, &mut asked);
            if !self.numeric.is_empty() && value.number().is_some() {
                asked.extend(self.numeric.iter().map(|id| (*id, WHOLE)));
            }
        }
        self.asked = asked;
        self.weigh_asked(derived, present, items);
    }

    /// Of the items that are asked those that hold.
    fn weigh_asked(&mut self, derived: &[(Value<'_>, Derived<'_>)], present: bool, items: &[ItemSpec]) {
        let asked = &mut self.asked;
        if asked.len() > 1 {
            asked.sort_unstable();
            asked.dedup();
        }
        let held = &mut self.held;
        held.clear();
        for (id, of) in asked.iter() {
            if held.last() == Some(id) {
                continue;
            }
            let item = &items[*id as usize];
            let one = |atoms: &[Atom]| {
                derived
                    .iter()
                    .any(|(value, d)| atoms.iter().any(|atom| atom_holds(atom, *value, d, item.view)))
            };
            let holds = match &item.test {
                Test::Null => !present,
                Test::Present => present,
                Test::Any(_) if *of != WHOLE && of & SURE != 0 && !self.decode => true,
                // Only the value whose literal is there can be the one.
                Test::Any(atoms) => one(atoms
                    .get((of & !SURE) as usize)
                    .map_or(atoms, std::slice::from_ref)),
                Test::All(groups) => groups.iter().all(|atoms| one(atoms)),
                Test::Fields(_) => false,
            };
            if holds {
                held.push(*id);
            }
        }
    }

    fn seek(&mut self, derived: &Derived<'_>, asked: &mut Vec<(u32, u32)>) {
        if let Some(ends) = &self.ends {
            ends.find(derived.logged, |end| asked.extend(&self.end_items[end as usize]));
        }
        let Some(seeds) = &mut self.seeds else { return };
        let decoded = derived.decoded.as_ref().map(|d| d.lower.as_str());
        for text in std::iter::once(derived.logged).chain(decoded) {
            seeds.find(text, |seed| asked.extend(&self.seed_items[seed as usize]));
        }
    }

    /// Whether a number can satisfy some item whatever its digits.
    pub fn has_numbers(&self) -> bool {
        !self.numeric.is_empty()
    }

    /// Whether any item can hold for this text only by literals in it, and none of them is there.
    pub fn is_silent(&mut self, text: &str) -> bool {
        let by_literals = self.always.is_empty() && (self.numeric.is_empty() || text.parse::<f64>().is_err());
        let ends = || self.ends.as_ref().is_some_and(|ends| ends.any(text));
        by_literals && !ends() && self.seeds.as_mut().is_some_and(|seeds| !seeds.any(text))
    }

    /// The same for a value that it is cheaper to seek literals in than to remember.
    fn is_silent_short(&mut self, value: Value<'_>) -> bool {
        match value {
            Value::Text(text) => text.len() <= SHORT_BYTES && !self.decode && self.is_silent(text),
            _ => false,
        }
    }

    /// What [`ColumnProgram::judge`] found.
    pub fn held(&self) -> &[u32] {
        &self.held
    }

    fn held_entry(&mut self) -> u32 {
        if self.held.is_empty() {
            return 0;
        }
        if let Some(&entry) = self.entries.get(self.held.as_slice()) {
            return entry;
        }
        let entry = u32::try_from(self.truths.len()).expect("bounded by the cache");
        self.truths.push(self.held.as_slice().into());
        self.entries.insert(self.held.as_slice().into(), entry);
        entry
    }

    /// The same of a text with its [`sign_of`].
    #[inline]
    pub fn entry_of_text(
        &mut self,
        (text, sign): (&str, u64),
        hasher: &RandomState,
        items: &[ItemSpec],
    ) -> u32 {
        if self.habit.is_new() {
            self.judge_one(Value::Text(text), items);
            return self.held_entry();
        }
        if let Some(entry) = self.recent.get(sign, text) {
            self.habit.note(false);
            return entry;
        }
        // Cheaper than to remember it for long.
        let value = Value::Text(text);
        let entry = if self.is_silent_short(value) {
            self.habit.note(true);
            0
        } else {
            self.cached(hash_of(value, hasher), |own| own.judge_one(value, items))
        };
        self.recent.put(sign, text, entry);
        entry
    }

    /// The entry of a single value, from memory when it was seen before.
    pub fn entry(&mut self, value: Value<'_>, hasher: &RandomState, items: &[ItemSpec]) -> u32 {
        match value {
            Value::Null => self.nothing,
            Value::Int(n @ 0..SMALL) => self.entry_of_small(n, hasher, items),
            Value::Bool(truth) => self.entry_of_truth(truth, items),
            Value::Text(text) => self.entry_of_text((text, sign_of(text)), hasher, items),
            _ if self.habit.is_new() => {
                self.judge_one(value, items);
                self.held_entry()
            }
            _ => self.cached(hash_of(value, hasher), |own| own.judge_one(value, items)),
        }
    }

    fn entry_of_truth(&mut self, truth: bool, items: &[ItemSpec]) -> u32 {
        if let known @ 1.. = self.truth[usize::from(truth)] {
            return known - 1;
        }
        self.judge_one(Value::Bool(truth), items);
        let entry = self.held_entry();
        self.truth[usize::from(truth)] = entry + 1;
        entry
    }

    fn entry_of_small(&mut self, n: i64, hasher: &RandomState, items: &[ItemSpec]) -> u32 {
        let at = usize::try_from(n).expect("not negative");
        if let Some(known @ 1..) = self.small.get(at) {
            return known - 1;
        }
        let value = Value::Int(n);
        let entry = self.cached(hash_of(value, hasher), |own| own.judge_one(value, items));
        self.small.resize(self.small.len().max(SMALL_LEN), 0);
        self.small[at] = entry + 1;
        entry
    }

    /// The entry under this hash; `judge` leaves what holds in [`ColumnProgram::held`].
    fn cached(&mut self, hash: u64, judge: impl FnOnce(&mut Self)) -> u32 {
        let known = self.cache.get(&hash).copied();
        self.habit.note(known.is_none());
        known.unwrap_or_else(|| {
            judge(self);
            let entry = self.held_entry();
            self.cache.insert(hash, entry);
            entry
        })
    }

    /// The entry of an array, or of something that cannot be compared.
    pub fn entry_of(&mut self, values: &[Value<'_>], hasher: &RandomState, items: &[ItemSpec]) -> u32 {
        // Cheaper than to remember them.
        if self.always.is_empty() && values.iter().all(|value| self.is_silent_short(*value)) {
            return 0;
        }
        let hash = values.iter().fold(hasher.hash_one(values.len()), |hash, value| {
            hasher.hash_one((hash, hash_of(*value, hasher)))
        });
        if let Some(&entry) = self.cache.get(&hash) {
            return entry;
        }
        self.judge(values, true, items);
        let entry = self.held_entry();
        self.cache.insert(hash, entry);
        entry
    }

    /// The entry of a value as a parser hands it over ([`lookup::decoded`]), with its [`sign_of_json`].
    #[inline]
    pub fn entry_of_json(
        &mut self,
        (json, sign): (&str, u64),
        hasher: &RandomState,
        items: &[ItemSpec],
    ) -> u32 {
        match lookup::plain_text(json) {
            Some(text) => self.entry_of_text((text, sign), hasher, items),
            None => self.entry_of_spelled((json, sign), hasher, items),
        }
    }

    fn entry_of_spelled(
        &mut self,
        (json, sign): (&str, u64),
        hasher: &RandomState,
        items: &[ItemSpec],
    ) -> u32 {
        if !matches!(json.as_bytes().first(), Some(b'"' | b'[' | b'{')) {
            return self.entry(lookup::bare(json), hasher, items);
        }
        if self.habit.is_new() {
            if self.is_silent_spelled(json) {
                return 0;
            }
            self.judge_json(json, items);
            return self.held_entry();
        }
        if let Some(entry) = self.recent.get(sign, json) {
            self.habit.note(false);
            return entry;
        }
        if self.is_silent_spelled(json) {
            self.habit.note(true);
            self.recent.put(sign, json, 0);
            return 0;
        }
        // The same spelling means the same; one more byte keeps it apart from texts.
        let entry = self.cached(hasher.hash_one((4u8, json)), |own| own.judge_json(json, items));
        self.recent.put(sign, json, entry);
        entry
    }

    fn judge_json(&mut self, json: &str, items: &[ItemSpec]) {
        let cell = lookup::decoded(json);
        let mut values = Vec::new();
        cell.each(&mut |value| values.push(value));
        self.judge(&values, true, items);
    }

    /// Whether no value in the spelling of an array can satisfy any item. Only strings without escapes
    /// are spelled as they are compared.
    fn is_silent_spelled(&mut self, json: &str) -> bool {
        let strings_alone = || {
            let mut outside = json.split('"').step_by(2).flat_map(str::bytes);
            outside.all(|byte| matches!(byte, b'[' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r'))
        };
        json.starts_with('[')
            && self.always.is_empty()
            && self.numeric.is_empty()
            && !self.decode
            && memchr::memchr(b'\\', json.as_bytes()).is_none()
            && self.seeds.as_mut().is_some_and(|seeds| !seeds.any(json))
            && !self.ends_a_value(json)
            && strings_alone()
    }

    /// Whether a string in the spelling of an array may end with a literal.
    fn ends_a_value(&self, json: &str) -> bool {
        self.ends.as_ref().is_some_and(|ends| {
            let mut quotes = memchr::memchr_iter(b'"', json.as_bytes());
            quotes.any(|at| ends.any(&json[..at]))
        })
    }

    pub fn forget_when_full(&mut self) {
        if self.cache.len().max(self.entries.len()) > CACHE_VALUES_MAX {
            self.cache.clear();
            self.small.clear();
            self.truth = [0; 2];
            self.recent = Recent::default();
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
        // Lists of networks are long, and an address is dear to read.
        Atom::Text(Matcher::Cidr(block)) if view == View::Whole => {
            derived.address().is_some_and(|address| block.holds(address))
        }
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

mod item;
mod memory;
#[cfg(test)]
mod tests;
