//! Objects that were handed to the driver but may not be committed yet, and objects that were
//! cleaned up while a listing still names them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Clean-ups remembered: many times what one listing page names.
const CLEANED_MAX: usize = 65_536;

struct Entry {
    etag: String,
    /// Records that the driver has taken.
    progress: Arc<AtomicU64>,
    broken: bool,
}

#[derive(Default)]
struct State {
    sent: HashMap<String, Entry>,
    cleaned: HashSet<(String, String)>,
    cleaned_order: VecDeque<(String, String)>,
}

/// Shared by a source, the bodies it gave away, and its cleaner.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<State>>);

/// What is known about a listed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Not seen in this process: the ledger decides.
    No,
    /// With the driver, or just cleaned up: leave it alone.
    Busy,
    /// Its body broke off after this many records.
    Broken { records_done: u64 },
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self, key: &str, etag: &str) -> Known {
        let state = self.lock();
        if state.cleaned.contains(&(key.to_owned(), etag.to_owned())) {
            return Known::Busy;
        }
        match state.sent.get(key).filter(|entry| entry.etag == etag) {
            None => Known::No,
            Some(entry) if entry.broken => Known::Broken {
                records_done: entry.progress.load(Ordering::SeqCst),
            },
            Some(_) => Known::Busy,
        }
    }

    /// Notes that the object is on its way; the driver's progress starts at `records_done`.
    pub(super) fn begin(&self, key: &str, etag: &str, records_done: u64) -> Arc<AtomicU64> {
        let progress = Arc::new(AtomicU64::new(records_done));
        let entry = Entry {
            etag: etag.to_owned(),
            progress: progress.clone(),
            broken: false,
        };
        self.lock().sent.insert(key.to_owned(), entry);
        progress
    }

    /// The body broke off and the driver has let go of it.
    pub(super) fn broke(&self, key: &str, etag: &str) {
        if let Some(entry) = self.lock().sent.get_mut(key).filter(|entry| entry.etag == etag) {
            entry.broken = true;
        }
    }

    /// Committed, or never handed out after all.
    pub(super) fn forget(&self, key: &str) {
        self.lock().sent.remove(key);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().sent.len()
    }

    pub(super) fn keys(&self) -> Vec<(String, String)> {
        self.lock()
            .sent
            .iter()
            .map(|(key, entry)| (key.clone(), entry.etag.clone()))
            .collect()
    }

    /// A deletion is about to be carried out: a listing made before it is not to be believed.
    pub(super) fn cleaning(&self, key: &str, etag: &str) {
        let mut state = self.lock();
        let pair = (key.to_owned(), etag.to_owned());
        if state.cleaned.insert(pair.clone()) {
            state.cleaned_order.push_back(pair);
        }
        if state.cleaned_order.len() > CLEANED_MAX
            && let Some(oldest) = state.cleaned_order.pop_front()
        {
            state.cleaned.remove(&oldest);
        }
    }

    /// The deletion failed: should the object be listed again, the ledger knows it.
    pub(super) fn not_cleaned(&self, key: &str, etag: &str) {
        let mut state = self.lock();
        let pair = (key.to_owned(), etag.to_owned());
        if state.cleaned.remove(&pair) {
            state.cleaned_order.retain(|other| *other != pair);
        }
    }
}
