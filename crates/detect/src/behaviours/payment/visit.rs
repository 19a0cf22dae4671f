//! The steps of one client, and what is wrong with them.

use super::settings::Payment;
use super::steps::{End, Step};
use crate::detector::Verdict;
use crate::pool::allocated;
use haetae_event::time::{HOUR_US, MINUTE_US, SECOND_US};

/// Steps of an hour kept exactly: the earliest. People make a few; who makes more is told by them.
const HOUR_STEPS_MAX: usize = 96;

/// A step this soon after a payment belongs before it.
const SOON_US: i64 = 15 * SECOND_US;

/// Steps that came before, told apart by a bit each.
pub type Places = u8;

/// What a client did of one step in one hour: the first and the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stay {
    /// Since the epoch.
    hour: i32,
    /// µs in the hour.
    first: u32,
    last: u32,
    place: u8,
}

/// Whether a log may have an event time.
pub fn is_time(ts: i64) -> bool {
    hour_of(ts).is_some()
}

/// The hour of an event time, and µs in it; `None` for times no log has.
fn hour_of(ts: i64) -> Option<(i32, u32)> {
    let hour = i32::try_from(ts.div_euclid(HOUR_US)).ok()?;
    Some((hour, u32::try_from(ts.rem_euclid(HOUR_US)).ok()?))
}

impl Stay {
    /// `None` for times no log has.
    fn of(step: &Step) -> Option<Stay> {
        let (hour, at) = hour_of(step.ts)?;
        Some(Stay {
            hour,
            first: at,
            last: at,
            place: step.place,
        })
    }

    /// Takes another one in, if it is of the same step and hour.
    fn join(&mut self, other: &Stay) -> bool {
        let same = (self.hour, self.place) == (other.hour, other.place);
        if same {
            self.first = self.first.min(other.first);
            self.last = self.last.max(other.last);
        }
        same
    }

    fn start_us(&self) -> i64 {
        i64::from(self.hour) * HOUR_US
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

/// What one client did: most of those that only look, and all that come once, take one step.
#[derive(Debug)]
pub enum Steps {
    /// The fields of a [`Stay`], so that this takes no more than its 16 bytes.
    One {
        hour: i32,
        first: u32,
        last: u32,
        place: u8,
    },
    More(Box<Visit>),
}

/// More than one step of a client, or one that counts by itself.
#[derive(Debug, Default)]
pub struct Visit {
    /// Steps that payments use up, and payments, in order.
    exact: Vec<Step>,
    /// Other steps, by hour.
    stays: Vec<Stay>,
    /// Of a client that paid.
    paid: Option<Box<Paid>>,
}

/// Who paid, and how.
#[derive(Debug)]
pub struct Paid {
    pub name: Box<str>,
    /// Lowest hash of the kinds of program it paid with: one of them, whatever the order.
    pub cohort: u64,
    /// The address it paid from: of several the first in order of text.
    pub address: Option<Box<str>>,
    /// The payment's path: the first in order of name.
    pub path: Option<Box<str>>,
    pub dirty: bool,
    pub told: Vec<Verdict>,
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

    /// Whether each step of this place counts, not only that it was taken.
    pub fn is_exact(&self, place: u8) -> bool {
        place == self.payment || self.used_up & 1 << place != 0
    }
}

impl Steps {
    fn one(stay: Stay) -> Steps {
        let Stay {
            hour,
            first,
            last,
            place,
        } = stay;
        Steps::One {
            hour,
            first,
            last,
            place,
        }
    }

    fn stay(&self) -> Option<Stay> {
        let Steps::One {
            hour,
            first,
            last,
            place,
        } = *self
        else {
            return None;
        };
        Some(Stay {
            hour,
            first,
            last,
            place,
        })
    }

    /// With a first step.
    pub fn new(step: Step, shape: &Shape) -> Steps {
        match Stay::of(&step) {
            Some(stay) if !shape.is_exact(step.place) => Steps::one(stay),
            _ => {
                let mut visit = Visit::default();
                visit.add(step, shape);
                Steps::More(Box::new(visit))
            }
        }
    }

    /// Adds one step; false where there is no room for it.
    #[must_use]
    pub fn add(&mut self, step: Step, shape: &Shape) -> bool {
        if let Some(mut known) = self.stay() {
            let same = Stay::of(&step).filter(|_| !shape.is_exact(step.place));
            if same.is_some_and(|stay| known.join(&stay)) {
                *self = Steps::one(known);
                return true;
            }
        }
        self.visit().add(step, shape)
    }

    /// The same with room for more.
    fn visit(&mut self) -> &mut Visit {
        if let Some(stay) = self.stay() {
            let mut visit = Visit::default();
            visit.stay(stay);
            *self = Steps::More(Box::new(visit));
        }
        match self {
            Steps::More(visit) => visit,
            Steps::One { .. } => unreachable!("made more above"),
        }
    }

    /// Of who paid.
    pub fn paid(&self) -> Option<(&Visit, &Paid)> {
        match self {
            Steps::More(visit) => Some((visit, visit.paid.as_deref()?)),
            Steps::One { .. } => None,
        }
    }

    /// The same to be changed.
    pub fn paid_mut(&mut self) -> Option<&mut Paid> {
        match self {
            Steps::More(visit) => visit.paid.as_deref_mut(),
            Steps::One { .. } => None,
        }
    }

    /// Who paid, known as such from now on.
    pub fn pay(&mut self, name: &str, cohort: u64) -> &mut Paid {
        self.visit().paid.get_or_insert_with(|| {
            Box::new(Paid {
                name: name.into(),
                cohort,
                address: None,
                path: None,
                dirty: true,
                told: Vec::new(),
            })
        })
    }

    /// End of the hour of the newest step, µs.
    pub fn newest(&self) -> i64 {
        match self {
            Steps::One { hour, .. } => (i64::from(*hour) + 1) * HOUR_US,
            Steps::More(visit) => visit.newest(),
        }
    }

    /// Forgets hours before that of `cut_us`; returns how many steps that are. One that is alone
    /// stands until its client is forgotten.
    pub fn forget(&mut self, cut_us: i64) -> usize {
        match self {
            Steps::One { .. } => usize::from(self.ends_before(cut_us)),
            Steps::More(visit) => visit.forget(cut_us),
        }
    }

    /// Whether nothing is left of it from the hour of `cut_us` on, given that older hours were
    /// forgotten.
    pub fn ends_before(&self, cut_us: i64) -> bool {
        match self {
            Steps::One { hour, .. } => i64::from(*hour) < cut_us.div_euclid(HOUR_US),
            Steps::More(visit) => visit.is_empty(),
        }
    }

    /// Start of the hour of the oldest step, µs.
    pub fn oldest(&self) -> i64 {
        match self {
            Steps::One { hour, .. } => i64::from(*hour) * HOUR_US,
            Steps::More(visit) => visit.oldest(),
        }
    }

    /// Memory beyond its own size, bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Steps::One { .. } => 0,
            Steps::More(visit) => visit.bytes(),
        }
    }
}

impl Visit {
    /// Adds one step; false where there is no room for it.
    fn add(&mut self, step: Step, shape: &Shape) -> bool {
        if let Some(paid) = &mut self.paid {
            paid.dirty = true;
        }
        if !shape.is_exact(step.place) {
            return match Stay::of(&step) {
                Some(stay) => {
                    self.stay(stay);
                    true
                }
                None => false,
            };
        }
        let hour = step.ts.div_euclid(HOUR_US);
        let start = hour.saturating_mul(HOUR_US);
        let from = self.exact.partition_point(|known| known.ts < start);
        let own = self.exact[from..].iter();
        let held = own
            .take_while(|known| known.ts.div_euclid(HOUR_US) == hour)
            .count();
        let at = self.exact.partition_point(|known| *known <= step);
        if at - from >= HOUR_STEPS_MAX {
            return false;
        }
        if self.exact.is_empty() {
            self.exact.reserve_exact(1);
        }
        self.exact.insert(at, step);
        if held >= HOUR_STEPS_MAX {
            self.exact.remove(from + HOUR_STEPS_MAX);
        }
        held < HOUR_STEPS_MAX
    }

    /// Adds that a step was taken, where only that counts.
    fn stay(&mut self, stay: Stay) {
        if self.stays.iter_mut().any(|known| known.join(&stay)) {
            return;
        }
        let at = self.stays.partition_point(|known| known.hour <= stay.hour);
        if self.stays.is_empty() {
            self.stays.reserve_exact(1);
        }
        self.stays.insert(at, stay);
    }

    /// End of the hour of the newest step, µs.
    fn newest(&self) -> i64 {
        let exact = self.exact.last();
        let exact = exact.map(|step| step.ts.div_euclid(HOUR_US).saturating_mul(HOUR_US));
        let stay = self.stays.last().map(Stay::start_us);
        exact
            .max(stay)
            .map_or(i64::MIN, |start| start.saturating_add(HOUR_US))
    }

    fn oldest(&self) -> i64 {
        let exact = self.exact.first();
        let exact = exact.map(|step| step.ts.div_euclid(HOUR_US).saturating_mul(HOUR_US));
        let stay = self.stays.first().map(Stay::start_us);
        exact.into_iter().chain(stay).min().unwrap_or(i64::MAX)
    }

    /// Whether a step of `place` was taken in the session before `ts`.
    fn stayed(&self, place: u8, ts: i64, session_us: i64) -> bool {
        let from = ts - session_us;
        let mut own = self.stays.iter().filter(|stay| stay.place == place);
        own.any(|stay| {
            let at = |us: u32| stay.start_us() + i64::from(us);
            at(stay.first) <= ts && at(stay.last) >= from
        })
    }

    /// Times of payments before which the places given were missing, and why; payments before
    /// `closed` only.
    fn walk(&self, shape: &Shape, closed: i64, mut each: impl FnMut(&Step, Places, bool)) {
        // Steps not used up yet, by place.
        let mut unused: [Vec<i64>; 8] = Default::default();
        // Payments that came without them: a step right after belongs to such a payment.
        let mut owed: [Vec<i64>; 8] = Default::default();
        let mut last_paid: Option<(i64, u64)> = None;
        for step in self.exact.iter().take_while(|step| step.ts < closed) {
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

    /// Payments against the way: those from `floor` on that are final before `closed`, µs.
    pub fn violations(&self, shape: &Shape, required: Places, (floor, closed): (i64, i64)) -> Vec<Violation> {
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
            if step.ts >= floor {
                found.push(Violation { ts: step.ts, wrong });
            }
        });
        found
    }

    /// Whether a missing step was taken soon after.
    fn follows(&self, shape: &Shape, missing: Places, ts: i64) -> bool {
        self.exact.iter().any(|step| {
            step.place != shape.payment
                && missing & 1 << step.place != 0
                && step.ts > ts
                && step.ts <= ts + SOON_US
        })
    }

    /// Forgets hours before that of `cut_us`; returns how many steps went.
    fn forget(&mut self, cut_us: i64) -> usize {
        let hour = cut_us.div_euclid(HOUR_US);
        let start = hour.saturating_mul(HOUR_US);
        let exact = self.exact.partition_point(|step| step.ts < start);
        let stays = self.stays.partition_point(|stay| i64::from(stay.hour) < hour);
        self.exact.drain(..exact);
        self.stays.drain(..stays);
        if let Some(paid) = &mut self.paid {
            paid.told.retain(|verdict| verdict.extent.end >= cut_us);
        }
        exact + stays
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.stays.is_empty()
    }

    /// Memory of it, bytes, with its own place on the heap.
    fn bytes(&self) -> usize {
        allocated(size_of::<Visit>())
            + allocated(self.exact.capacity() * size_of::<Step>())
            + allocated(self.stays.capacity() * size_of::<Stay>())
            + self.paid.as_ref().map_or(0, |paid| paid.bytes())
    }
}

impl Paid {
    fn bytes(&self) -> usize {
        /// A verdict with its texts.
        const TOLD_BYTES: usize = 1_000;
        let texts = [Some(&self.name), self.address.as_ref(), self.path.as_ref()];
        let texts = texts.into_iter().flatten().map(|text| allocated(text.len()));
        allocated(size_of::<Paid>()) + texts.sum::<usize>() + self.told.len() * TOLD_BYTES
    }
}
