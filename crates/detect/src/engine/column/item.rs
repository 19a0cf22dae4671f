//! What an item asks of its column, and the literals that tell of it.

use crate::engine::ends;
use crate::fields::View;
use crate::sigma::item::{Atom, Order, Test};
use crate::sigma::pattern::Matcher;

/// Stands for all values of an item.
pub const WHOLE: u32 = u32::MAX;
/// Set in the number of a value that asks for no more than its literal.
pub const SURE: u32 = 1 << 30;

/// What an item asks of its column.
pub struct ItemSpec {
    pub view: View,
    pub test: Test,
    /// Index of its column.
    pub column: usize,
    /// Literals whose presence is all that is asked, whatever the test.
    pub literals: Option<Vec<String>>,
}

impl ItemSpec {
    /// Literals one of which is in every text that satisfies the item.
    pub fn seeds(&self) -> Option<Vec<String>> {
        self.literals.clone().or_else(|| seeds_of(&self.test))
    }

    /// The same, each with what it speaks for: one of several values, or the item as a whole; and
    /// whether it stands at the end of such a text.
    pub fn told_by(&self) -> Option<Vec<(String, u32, bool)>> {
        let seeds = self.seeds()?;
        let (Test::Any(atoms), None) = (&self.test, &self.literals) else {
            return Some(seeds.into_iter().map(|seed| (seed, WHOLE, false)).collect());
        };
        let of = |(at, atom): (u32, &Atom)| -> Vec<(String, u32, bool)> {
            let seeds = seeds_of_atom(atom).unwrap_or_default();
            let whole = self.view == View::Whole;
            let told = seeds.into_iter().map(|seed| {
                let (sure, at_end) = match atom {
                    Atom::Text(Matcher::Contains { cased, .. }) => (!cased, false),
                    _ if seed.len() < ends::BYTES_MIN => (false, false),
                    Atom::Text(Matcher::Suffix { cased, .. }) => (!cased, true),
                    Atom::Text(Matcher::Exact { .. }) => (false, true),
                    _ => (false, false),
                };
                (seed, if sure && whole { at | SURE } else { at }, at_end && whole)
            });
            told.collect()
        };
        Some((0u32..).zip(atoms).flat_map(of).collect())
    }
}

fn seeds_of_atom(atom: &Atom) -> Option<Vec<String>> {
    match atom {
        Atom::Text(matcher) => matcher.seeds(),
        Atom::Number { text, .. } => text.as_ref().and_then(Matcher::seeds),
        Atom::Truth(_) | Atom::Moment { .. } => None,
    }
}

fn seeds_of(test: &Test) -> Option<Vec<String>> {
    let group = |atoms: &[Atom]| {
        let lists: Option<Vec<Vec<String>>> = atoms.iter().map(seeds_of_atom).collect();
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

/// The numbers that items ask for, when they ask for nothing else.
pub fn whole_numbers<'i>(items: impl Iterator<Item = &'i ItemSpec>) -> Option<Vec<i64>> {
    let mut numbers = Vec::new();
    for item in items {
        let (Test::Any(atoms), View::Whole, None) = (&item.test, item.view, &item.literals) else {
            return None;
        };
        for atom in atoms {
            match atom {
                Atom::Number {
                    order: Order::Equal,
                    whole: Some(number),
                    text: Some(Matcher::Exact { text, .. }),
                    ..
                } if *text == number.to_string() => numbers.push(*number),
                _ => return None,
            }
        }
    }
    numbers.sort_unstable();
    Some(numbers)
}

pub fn atoms_of(test: &Test) -> impl Iterator<Item = &Atom> {
    let (any, all): (&[Atom], &[Vec<Atom>]) = match test {
        Test::Any(atoms) => (atoms, &[]),
        Test::All(groups) => (&[], groups),
        Test::Null | Test::Present | Test::Fields(_) => (&[], &[]),
    };
    any.iter().chain(all.iter().flatten())
}
