//! Which deliveries were accepted already.
//!
//! A key names a delivery for [`KEY_WINDOW_US`]; without one, a byte-identical body within the
//! dedup window does. Bounded: beyond [`MARKS_MAX`] marks or [`REPLY_BYTES_MAX`] of replies,
//! those that would expire first are forgotten early, and a retry of theirs counts as new.

use haetae_event::TenantId;
use haetae_event::commit::DeliveryMark;
use haetae_event::time::{DAY_US, Micros};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// For how long a repeated `Idempotency-Key` returns the first reply.
pub const KEY_WINDOW_US: i64 = DAY_US;
/// Marks held in memory.
pub const MARKS_MAX: usize = 100_000;
/// Bytes of replies held in memory.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// The first acceptance of a delivery.
#[derive(Clone, Debug)]
pub(crate) struct First {
    pub(crate) body_sha256: String,
    pub(crate) reply: Arc<str>,
    expires: Micros,
}

/// One mark's place. Whoever holds the lock decides about the delivery; the others wait and
/// then see what was decided.
pub(crate) type Slot = Arc<tokio::sync::Mutex<Option<First>>>;

type Key = (TenantId, String);

#[derive(Default)]
struct Held {
    slots: HashMap<Key, Place>,
    /// By (expiry, sequence): what to forget first, with the bytes it takes.
    order: BTreeMap<(Micros, u64), (Key, usize)>,
    sequence: u64,
    bytes: usize,
}

#[derive(Default)]
struct Place {
    slot: Slot,
    /// Where the slot stands in `order`; `None` while nothing is settled, or when forgotten.
    rank: Option<(Micros, u64)>,
}

pub(crate) struct Marks {
    held: Mutex<Held>,
    dedup_window_us: i64,
}

impl Marks {
    pub(crate) fn rebuilt(marks: Vec<DeliveryMark>, dedup_window_us: i64, now: Micros) -> Self {
        let this = Marks {
            held: Mutex::default(),
            dedup_window_us,
        };
        for mark in marks {
            let first = this.first(&mark);
            if !first.holds(now) {
                continue;
            }
            let key = (mark.tenant_id, mark.mark);
            let mut held = this.lock();
            held.slots.entry(key.clone()).or_default().slot =
                Arc::new(tokio::sync::Mutex::new(Some(first.clone())));
            held.settle(&key, &first, now);
        }
        this
    }

    /// What a mark is remembered as.
    pub(crate) fn first(&self, mark: &DeliveryMark) -> First {
        let window = if mark.mark.starts_with("key:") {
            KEY_WINDOW_US
        } else {
            self.dedup_window_us
        };
        First {
            body_sha256: mark.body_sha256.clone(),
            reply: mark.reply.as_str().into(),
            expires: mark.accepted_at.saturating_add(window),
        }
    }

    /// The slot of a mark, made when it is new. Every call is followed by one of
    /// [`Marks::released`], with the lock let go.
    pub(crate) fn slot(&self, key: &Key) -> Slot {
        self.lock().slots.entry(key.clone()).or_default().slot.clone()
    }

    /// Remembers that the slot's delivery was accepted.
    pub(crate) fn settled(&self, key: &Key, first: &First, now: Micros) {
        self.lock().settle(key, first, now);
    }

    /// Ends the use of a slot; forgets it when nothing was settled and nobody else waits.
    pub(crate) fn released(&self, key: &Key, slot: Slot) {
        let mut held = self.lock();
        drop(slot);
        held.drop_if_unused(key);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize) {
        let held = self.lock();
        (held.slots.len(), held.order.len())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn settle(&mut self, key: &Key, first: &First, now: Micros) {
        self.sequence += 1;
        let rank = (first.expires, self.sequence);
        let bytes = first.reply.len() + key.1.len();
        let before = self.slots.entry(key.clone()).or_default().rank.replace(rank);
        if let Some((_, bytes)) = before.and_then(|before| self.order.remove(&before)) {
            self.bytes -= bytes;
        }
        self.order.insert(rank, (key.clone(), bytes));
        self.bytes += bytes;
        while let Some((&(expires, _), _)) = self.order.first_key_value() {
            if expires > now && self.order.len() <= MARKS_MAX && self.bytes <= REPLY_BYTES_MAX {
                break;
            }
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some((_, (key, bytes))) = self.order.pop_first() else {
            return;
        };
        self.bytes -= bytes;
        if let Some(place) = self.slots.get_mut(&key) {
            place.rank = None;
        }
        self.drop_if_unused(&key);
    }

    /// Clones of a slot are made under the lock only, so that a count of one is the map's own.
    fn drop_if_unused(&mut self, key: &Key) {
        let unused = self
            .slots
            .get(key)
            .is_some_and(|p| p.rank.is_none() && Arc::strong_count(&p.slot) == 1);
        if unused {
            self.slots.remove(key);
        }
    }
}

impl First {
    pub(crate) fn holds(&self, now: Micros) -> bool {
        self.expires > now
    }
}

#[cfg(test)]
mod tests;
