//! The steps of one client, and what is wrong with them.

use super::settings::Payment;
use super::steps::{End, Step};
use crate::detector::Verdict;
use haetae_event::time::{HOUR_US, MINUTE_US, SECOND_US};

/// Steps of an hour kept exactly: the earliest. People make a few; who makes more is told by them.
const HOUR_STEPS_MAX: usize = 96;

/// A step this soon after a payment belongs before it.
const SOON_US: i64 = 15 * SECOND_US;

/// Steps that came before, told apart by a bit each.
pub type Places = u8;

/// What a client did of one step in one hour: the first and the last time.
#[derive(Clone, Copy, Debug)]
struct Stay {
    first: i64,
    last: i64,
}

/// The steps of one hour.
#[derive(Clone, Debug, Default)]
struct Hour {
    /// Steps that payments use up, and payments, in order.
    exact: Vec<Step>,
    /// Other steps by place, few: a tree would take ten times the memory.
    stays: Vec<(u8, Stay)>,
}

impl Hour {
    fn stay(&self, place: u8) -> Option<&Stay> {
        let own = self.stays.iter().find(|(known, _)| *known == place);
        own.map(|(_, stay)| stay)
    }

    fn stays(&mut self, step: &Step) {
        let own = self.stays.iter_mut().find(|(known, _)| *known == step.place);
        match own {
            Some((_, stay)) => {
                stay.first = stay.first.min(step.ts);
                stay.last = stay.last.max(step.ts);
            }
            None => {
                let (first, last) = (step.ts, step.ts);
                self.stays.reserve_exact(1);
                self.stays.push((step.place, Stay { first, last }));
            }
        }
    }
}

/// What is wrong with one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Required steps that were not taken before, by bit.
    Skipped(Places),
    /// They were taken right after.
    OutOfOrder(Places),
    /// The order was paid before.
    Replayed,
    Declined,
}

/// One payment against the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub ts: i64,
    pub wrong: Wrong,
}

/// See the module.
#[derive(Debug)]
pub struct Visit {
    /// By hour since the epoch, sorted.
    hours: Vec<(i64, Hour)>,
    /// The client's name, once it paid.
    pub name: Option<Box<str>>,
    /// Lowest hash of the kinds of program it paid with: one of them, whatever the order.
    pub cohort: Option<u64>,
    /// The address it paid from: of several the first in order of text.
    pub address: Option<Box<str>>,
    /// The payment's path: the first in order of name.
    pub path: Option<Box<str>>,
    pub dirty: bool,
    pub told: Vec<Verdict>,
    /// Payments before it are not judged any more, µs.
    floor: i64,
    /// Exact steps that had no room.
    pub lost: u64,
}

/// The way as far as visits need it.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Place of the payment.
    pub payment: u8,
    /// Steps that a payment uses up.
    pub used_up: Places,
    pub session_us: i64,
    pub double_press_us: i64,
}

impl Shape {
    pub fn new(settings: &Payment) -> Shape {
        let steps = settings.steps.iter().take(super::steps::STEPS_MAX);
        let used_up = steps.clone().enumerate().filter(|(_, step)| step.used_up);
        Shape {
            payment: (steps.len().max(1) - 1) as u8,
            used_up: used_up.fold(0, |places, (place, _)| places | 1 << place),
            session_us: settings.session_minutes.clamp(1, 24 * 60) * MINUTE_US,
            double_press_us: settings.double_press_ms.clamp(0, 60_000) * (SECOND_US / 1000),
        }
    }

    fn is_exact(&self, place: u8) -> bool {
        place == self.payment || self.used_up & 1 << place != 0
    }
}

impl Default for Visit {
    fn default() -> Visit {
        Visit {
            hours: Vec::new(),
            name: None,
            cohort: None,
            address: None,
            path: None,
            dirty: false,
            told: Vec::new(),
            floor: i64::MIN,
            lost: 0,
        }
    }
}

impl Visit {
    pub fn add(&mut self, step: Step, shape: &Shape) {
        let number = step.ts.div_euclid(HOUR_US);
        let at = match self.hours.binary_search_by_key(&number, |(hour, _)| *hour) {
            Ok(at) => at,
            Err(at) => {
                self.hours.reserve_exact(1);
                self.hours.insert(at, (number, Hour::default()));
                at
            }
        };
        let hour = &mut self.hours[at].1;
        self.dirty = true;
        if !shape.is_exact(step.place) {
            return hour.stays(&step);
        }
        let at = hour.exact.partition_point(|known| *known <= step);
        if at >= HOUR_STEPS_MAX {
            self.lost += 1;
            return;
        }
        hour.exact.insert(at, step);
        if hour.exact.len() > HOUR_STEPS_MAX {
            hour.exact.pop();
            self.lost += 1;
        }
    }

    pub fn has_paid(&self) -> bool {
        self.name.is_some()
    }

    pub fn newest(&self) -> i64 {
        self.hours
            .last()
            .map_or(i64::MIN, |(hour, _)| (hour + 1) * HOUR_US)
    }

    /// Whether a step of `place` was taken in the session before `ts`.
    fn stayed(&self, place: u8, ts: i64, session_us: i64) -> bool {
        let from = ts - session_us;
        let hours = from.div_euclid(HOUR_US)..=ts.div_euclid(HOUR_US);
        let inside = self.hours.iter().filter(|(hour, _)| hours.contains(hour));
        inside
            .filter_map(|(_, hour)| hour.stay(place))
            .any(|stay| stay.first <= ts && stay.last >= from)
    }

    fn exact(&self) -> impl Iterator<Item = &Step> {
        self.hours.iter().flat_map(|(_, hour)| hour.exact.iter())
    }

    /// Times of payments before which the places given were missing, and why; payments before
    /// `closed` only.
    fn walk(&self, shape: &Shape, closed: i64, mut each: impl FnMut(&Step, Places, bool)) {
        // Steps not used up yet, by place.
        let mut unused: [Vec<i64>; 8] = Default::default();
        // Payments that came without them: a step right after belongs to such a payment.
        let mut owed: [Vec<i64>; 8] = Default::default();
        let mut last_paid: Option<(i64, u64)> = None;
        for step in self.exact().take_while(|step| step.ts < closed) {
            if step.place != shape.payment {
                let place = usize::from(step.place);
                owed[place].retain(|ts| step.ts - ts <= SOON_US);
                if owed[place].pop().is_none() {
                    unused[place].push(step.ts);
                }
                continue;
            }
            if step.end == End::Nothing {
                continue;
            }
            let pressed_twice = last_paid.is_some_and(|(ts, _)| step.ts - ts <= shape.double_press_us);
            let same_id = last_paid.is_some_and(|(_, id)| id != 0 && id == step.id);
            last_paid = Some((step.ts, step.id));
            if pressed_twice {
                continue;
            }
            let mut taken: Places = 0;
            for place in 0..shape.payment {
                let was = if shape.used_up & 1 << place != 0 {
                    let waiting = &mut unused[usize::from(place)];
                    waiting.retain(|ts| *ts >= step.ts - shape.session_us);
                    let any = !waiting.is_empty();
                    match (any, step.end) {
                        (true, End::Taken) => drop(waiting.remove(0)),
                        (false, End::Taken) => owed[usize::from(place)].push(step.ts),
                        _ => {}
                    }
                    any
                } else {
                    self.stayed(place, step.ts, shape.session_us)
                };
                taken |= u8::from(was) << place;
            }
            each(step, taken, same_id);
        }
    }

    /// Steps taken before the first payment; `None` without a payment.
    pub fn before_first(&self, shape: &Shape, closed: i64) -> Option<Places> {
        let mut first = None;
        self.walk(shape, closed, |_, taken, _| {
            first.get_or_insert(taken);
        });
        first
    }

    /// Payments against the way.
    pub fn violations(&self, shape: &Shape, required: Places, closed: i64) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut went_right = false;
        self.walk(shape, closed, |step, taken, same_id| {
            // A declined card is tried again for the same order: what came before the order is
            // asked about once, with the payment that goes through.
            let asked = match step.end {
                End::Declined => required & shape.used_up,
                _ => required,
            };
            let missing = asked & !taken;
            let wrong = if missing != 0 {
                // An order paid before is missing now because it was used up.
                if went_right && missing & shape.used_up == missing && !self.follows(shape, missing, step.ts)
                {
                    Wrong::Replayed
                } else if self.follows(shape, missing, step.ts) {
                    Wrong::OutOfOrder(missing)
                } else {
                    Wrong::Skipped(missing)
                }
            } else if step.end == End::Declined {
                Wrong::Declined
            } else if same_id {
                Wrong::Replayed
            } else {
                went_right = true;
                return;
            };
            went_right |= wrong == Wrong::Declined;
            // What led to older payments may be forgotten.
            if step.ts >= self.floor {
                found.push(Violation { ts: step.ts, wrong });
            }
        });
        found
    }

    /// Whether a missing step was taken soon after.
    fn follows(&self, shape: &Shape, missing: Places, ts: i64) -> bool {
        self.exact().any(|step| {
            step.place != shape.payment
                && missing & 1 << step.place != 0
                && step.ts > ts
                && step.ts <= ts + SOON_US
        })
    }

    /// Forgets hours before that of `cut_us`; returns how many.
    pub fn forget(&mut self, cut_us: i64, session_us: i64) -> usize {
        self.floor = self.floor.max(cut_us.saturating_add(session_us));
        let cut = cut_us.div_euclid(HOUR_US);
        let gone = self.hours.partition_point(|(hour, _)| *hour < cut);
        self.hours.drain(..gone);
        self.told.retain(|verdict| verdict.extent.end >= cut_us);
        gone
    }

    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    pub fn bytes(&self) -> usize {
        const ALLOCATION_BYTES: usize = 16;
        // The table of visits has a third of free places.
        let own = (size_of::<Visit>() + 24) * 3 / 2;
        let held = |(_, hour): &(i64, Hour)| {
            size_of::<(i64, Hour)>()
                + hour.exact.capacity() * size_of::<Step>()
                + hour.stays.capacity() * size_of::<(u8, Stay)>()
                + ALLOCATION_BYTES
        };
        let texts = [&self.name, &self.address, &self.path];
        let texts: usize = texts
            .into_iter()
            .flatten()
            .map(|text| text.len() + ALLOCATION_BYTES)
            .sum();
        let hours: usize = self.hours.iter().map(held).sum();
        own + ALLOCATION_BYTES + texts + hours + self.told.len() * 500
    }
}
