//! What a sliding window holds, and the number its condition is about.
//!
//! Everything here can be taken back: a window slides in both directions, so that late events
//! cost what they move and not a new start.

use super::windows::{Cell, Mode};
use crate::sigma::correlation::{NANO, Nano, Seen, Threshold, nano};
use ahash::AHashMap;
use std::collections::BTreeMap;

/// What is measured inside a window, and so what a cell's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Number of events at that moment.
    Events,
    /// Hash of a value.
    Distinct,
    /// Place of the rule in the top byte, number of its events in the rest.
    Rules,
    /// The same; what counts is the longest run of rules in order.
    Chain(u8),
    /// A number ([`cell_of_number`]), as are the next two.
    Sum,
    Mean,
    /// In millionths.
    Percentile(u32),
}

/// When a window holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    Always,
    Number(Threshold),
    Seen(Seen),
}

const RULE_SHIFT: u32 = 56;
const EVENTS_MASK: u64 = (1 << RULE_SHIFT) - 1;

/// The cell of one event of the rule at place `rule`.
pub fn cell_of_rule(rule: u8) -> u64 {
    u64::from(rule) << RULE_SHIFT | 1
}

/// A number as a cell, in numeric order; `None` for what cannot be measured.
fn cell_of(number: f64) -> Option<u64> {
    nano(number)?;
    // Minus zero is zero; IEEE 754 order becomes integer order when negatives are turned over.
    let bits = (number + 0.0).to_bits();
    Some(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
}

/// The cell of an event's number. Columns of sums that fire when crossed hold no negative numbers;
/// one that is there all the same is no measure.
pub fn cell_of_number(mode: &Mode, number: f64) -> Option<u64> {
    let odd = mode.measure == Measure::Sum && mode.monotone && number < 0.0;
    if odd { None } else { cell_of(number) }
}

fn number_of(cell: u64) -> Nano {
    let bits = if cell >> 63 == 1 { cell & !(1 << 63) } else { !cell };
    nano(f64::from_bits(bits)).unwrap_or(0)
}

impl Measure {
    /// Whether cells hold numbers of events that add up.
    fn adds(self) -> bool {
        matches!(self, Measure::Events | Measure::Rules | Measure::Chain(_))
    }

    /// What cells must share to be one.
    pub fn identity(self, cell: Cell) -> Cell {
        match self {
            Measure::Events => (cell.0, 0),
            Measure::Rules | Measure::Chain(_) => (cell.0, cell.1 >> RULE_SHIFT),
            _ => cell,
        }
    }

    /// Joins `next` into `kept` when the two are one moment of the same thing. Cells that may be
    /// taken back are kept apart (`chained`).
    pub fn join(self, kept: &mut Cell, next: Cell, chained: bool) -> bool {
        if self.identity(*kept) != self.identity(next) {
            return false;
        }
        if self.adds() {
            kept.1 += self.events(next);
            return true;
        }
        self == Measure::Distinct && !chained
    }

    /// What is left of `cell` without `gone`; `None` when that is nothing.
    pub fn without(self, cell: Cell, gone: Cell) -> Option<Cell> {
        if !self.adds() {
            return None;
        }
        let less = self.events(gone).min(self.events(cell));
        (self.events(cell) > less).then_some((cell.0, cell.1 - less))
    }

    /// Events in a cell.
    pub fn events(self, cell: Cell) -> u64 {
        match self {
            Measure::Events => cell.1,
            Measure::Rules | Measure::Chain(_) => cell.1 & EVENTS_MASK,
            _ => 1,
        }
    }

    /// Whether an event counts once, however many rules match it.
    pub fn once_an_event(self) -> bool {
        matches!(
            self,
            Measure::Events | Measure::Sum | Measure::Mean | Measure::Percentile(_)
        )
    }
}

/// What is inside a window.
#[derive(Clone, Debug)]
pub enum Inside {
    Events(u64),
    Distinct(AHashMap<u64, u32>),
    Rules { cells: Vec<u32>, mask: u64 },
    Chain(Chain),
    Sum { sum: Nano, events: u64 },
    Mean { sum: Nano, events: u64 },
    Ranked(Ranked),
}

impl Inside {
    pub fn new(measure: Measure) -> Inside {
        match measure {
            Measure::Events => Inside::Events(0),
            Measure::Distinct => Inside::Distinct(AHashMap::new()),
            Measure::Rules => Inside::Rules {
                cells: Vec::new(),
                mask: 0,
            },
            Measure::Chain(rules) => Inside::Chain(Chain::new(rules.into())),
            Measure::Sum => Inside::Sum { sum: 0, events: 0 },
            Measure::Mean => Inside::Mean { sum: 0, events: 0 },
            Measure::Percentile(parts) => Inside::Ranked(Ranked::new(parts)),
        }
    }

    pub fn enter(&mut self, (ts, what): Cell) {
        match self {
            Inside::Events(n) => *n += what,
            Inside::Distinct(seen) => *seen.entry(what).or_insert(0) += 1,
            Inside::Rules { cells, mask } => {
                let rule = (what >> RULE_SHIFT) as usize;
                if cells.len() <= rule {
                    cells.resize(rule + 1, 0);
                }
                cells[rule] += 1;
                *mask |= 1 << (rule & 63);
            }
            Inside::Chain(chain) => chain.enter(ts, (what >> RULE_SHIFT) as usize),
            Inside::Sum { sum, events } | Inside::Mean { sum, events } => {
                *sum = sum.saturating_add(number_of(what));
                *events += 1;
            }
            Inside::Ranked(ranked) => ranked.enter(what),
        }
    }

    /// Takes back what entered; chains forget by themselves.
    pub fn leave(&mut self, (_, what): Cell) {
        match self {
            Inside::Events(n) => *n -= what,
            Inside::Distinct(seen) => {
                if let Some(n) = seen.get_mut(&what) {
                    *n -= 1;
                    if *n == 0 {
                        seen.remove(&what);
                    }
                }
            }
            Inside::Rules { cells, mask } => {
                let rule = (what >> RULE_SHIFT) as usize;
                cells[rule] -= 1;
                if cells[rule] == 0 {
                    *mask &= !(1 << (rule & 63));
                }
            }
            Inside::Chain(_) => {}
            Inside::Sum { sum, events } | Inside::Mean { sum, events } => {
                *sum = sum.saturating_sub(number_of(what));
                *events -= 1;
            }
            Inside::Ranked(ranked) => ranked.leave(what),
        }
    }

    /// The number measured as (amount, parts); `after` is the moment the window begins after.
    fn amount(&self, after: i64) -> (Nano, Nano) {
        let whole = |count: u64| (Nano::from(count) * NANO, 1);
        match self {
            Inside::Events(n) => whole(*n),
            Inside::Distinct(seen) => whole(seen.len() as u64),
            Inside::Rules { mask, .. } => whole(u64::from(mask.count_ones())),
            Inside::Chain(chain) => whole(chain.longest(after)),
            Inside::Sum { sum, .. } => (*sum, 1),
            Inside::Mean { sum, events } => (*sum, Nano::from((*events).max(1))),
            Inside::Ranked(ranked) => ranked.amount(),
        }
    }

    /// What was measured, if `test` holds.
    pub fn judge(&self, test: &Test, after: i64) -> Option<Nano> {
        match (test, self) {
            (Test::Always, _) => Some(0),
            (Test::Number(threshold), _) => {
                let (amount, parts) = self.amount(after);
                threshold.holds(amount, parts).then(|| amount.div_euclid(parts))
            }
            (Test::Seen(seen), Inside::Rules { mask, .. }) => seen.holds(*mask).then_some(0),
            (Test::Seen(_), _) => None,
        }
    }

    /// Entries it holds, for the memory budget.
    pub fn len(&self) -> usize {
        match self {
            Inside::Distinct(seen) => seen.len(),
            // A tree's node is about twice an entry of a table.
            Inside::Ranked(ranked) => 2 * (ranked.lower.len() + ranked.upper.len()),
            _ => 0,
        }
    }
}

/// For each length and last rule, the latest start of a run of rules in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    rules: usize,
    /// `latest[length - 1][place]`, flat.
    pub latest: Box<[i64]>,
}

impl Chain {
    fn new(rules: usize) -> Chain {
        Chain {
            rules,
            latest: vec![i64::MIN; rules * rules].into(),
        }
    }

    /// Events come in time order, those of one moment in the order of their rules: equal
    /// timestamps are in order.
    fn enter(&mut self, ts: i64, place: usize) {
        if place >= self.rules {
            return;
        }
        for length in (1..=place).rev() {
            let shorter = &self.latest[(length - 1) * self.rules..][..place];
            let start = shorter.iter().copied().max().unwrap_or(i64::MIN);
            let own = &mut self.latest[length * self.rules + place];
            *own = start.max(*own);
        }
        self.latest[place] = ts;
    }

    /// Longest run that begins after `after`.
    fn longest(&self, after: i64) -> u64 {
        let lengths = self.latest.chunks(self.rules.max(1));
        let held = lengths.take_while(|starts| starts.iter().any(|&start| start > after));
        held.count() as u64
    }
}

/// The values of a window in two halves around the percentile.
#[derive(Clone, Debug)]
pub struct Ranked {
    parts: u32,
    lower: BTreeMap<u64, u32>,
    upper: BTreeMap<u64, u32>,
    lower_len: u64,
    upper_len: u64,
}

/// Millionths.
const PARTS: u64 = 1_000_000;

impl Ranked {
    fn new(parts: u32) -> Ranked {
        Ranked {
            parts,
            lower: BTreeMap::new(),
            upper: BTreeMap::new(),
            lower_len: 0,
            upper_len: 0,
        }
    }

    fn enter(&mut self, value: u64) {
        if self.lower.last_key_value().is_some_and(|(last, _)| value > *last) {
            put(&mut self.upper, value);
            self.upper_len += 1;
        } else {
            put(&mut self.lower, value);
            self.lower_len += 1;
        }
        self.balance();
    }

    fn leave(&mut self, value: u64) {
        if take(&mut self.lower, value) {
            self.lower_len -= 1;
        } else if take(&mut self.upper, value) {
            self.upper_len -= 1;
        }
        self.balance();
    }

    /// Place of the percentile among the values: whole rank from 0, and millionths of the next.
    fn place(&self) -> (u64, u64) {
        let last = (self.lower_len + self.upper_len).saturating_sub(1);
        let place = last.saturating_mul(u64::from(self.parts));
        (place / PARTS, place % PARTS)
    }

    /// Every value up to the rank is in the lower half, the others in the upper one.
    fn balance(&mut self) {
        let wanted = (self.place().0 + 1).min(self.lower_len + self.upper_len);
        while self.lower_len < wanted {
            let Some((&value, _)) = self.upper.first_key_value() else {
                return;
            };
            take(&mut self.upper, value);
            put(&mut self.lower, value);
            (self.lower_len, self.upper_len) = (self.lower_len + 1, self.upper_len - 1);
        }
        while self.lower_len > wanted {
            let Some((&value, _)) = self.lower.last_key_value() else {
                return;
            };
            take(&mut self.lower, value);
            put(&mut self.upper, value);
            (self.lower_len, self.upper_len) = (self.lower_len - 1, self.upper_len + 1);
        }
    }

    fn amount(&self) -> (Nano, Nano) {
        let (_, rest) = self.place();
        let Some((&below, _)) = self.lower.last_key_value() else {
            return (0, 1);
        };
        let above = self.upper.first_key_value().map_or(below, |(value, _)| *value);
        let (rest, all) = (Nano::from(rest), Nano::from(PARTS));
        let amount = number_of(below) * (all - rest) + number_of(above) * rest;
        (amount, all)
    }
}

fn put(half: &mut BTreeMap<u64, u32>, value: u64) {
    *half.entry(value).or_insert(0) += 1;
}

fn take(half: &mut BTreeMap<u64, u32>, value: u64) -> bool {
    let Some(count) = half.get_mut(&value) else {
        return false;
    };
    *count -= 1;
    if *count == 0 {
        half.remove(&value);
    }
    true
}
