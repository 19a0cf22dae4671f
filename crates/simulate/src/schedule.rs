//! Events made ahead of their time, kept by minute until it comes.

use crate::event::SimEvent;
use crate::visitor::Tag;
use haetae_event::Micros;
use haetae_event::time::MINUTE_US;
use std::collections::VecDeque;

/// How far ahead an actor may plan; what lies beyond is cut off.
const MINUTES_AHEAD_MAX: i64 = 60;

pub(crate) struct Pending {
    pub tag: Tag,
    pub event: SimEvent,
}

/// Minute buckets from the current minute on. Bounded by what the actors of one hour plan.
pub(crate) struct Schedule {
    first: Micros,
    end: Micros,
    /// Start of the bucket at the front.
    front: Micros,
    buckets: VecDeque<Vec<Pending>>,
}

impl Schedule {
    /// Keeps events of `[first, end)`; buckets begin at `front ≤ first`.
    pub(crate) fn new(front: Micros, first: Micros, end: Micros) -> Schedule {
        Schedule {
            first,
            end,
            front,
            buckets: VecDeque::new(),
        }
    }

    /// Plans an event; outside the plan, in the past or too far ahead it is dropped.
    pub(crate) fn push(&mut self, tag: Tag, event: SimEvent) {
        let ts = event.ts();
        if ts < self.first || ts >= self.end || ts < self.front {
            return;
        }
        let index = (ts.0 - self.front.0) / MINUTE_US;
        if index >= MINUTES_AHEAD_MAX {
            return;
        }
        let index = usize::try_from(index).expect("from 0 to MINUTES_AHEAD_MAX");
        while self.buckets.len() <= index {
            self.buckets.push_back(Vec::new());
        }
        self.buckets[index].push(Pending { tag, event });
    }

    /// Takes the front minute, latest event first, and moves on.
    pub(crate) fn take_minute(&mut self) -> Vec<Pending> {
        self.front = self.front.saturating_add(MINUTE_US);
        let mut bucket = self.buckets.pop_front().unwrap_or_default();
        // Stable, and popped from the back: equal times come out in the order planned.
        bucket.reverse();
        bucket.sort_by_key(|pending| std::cmp::Reverse(pending.event.ts()));
        bucket
    }
}
