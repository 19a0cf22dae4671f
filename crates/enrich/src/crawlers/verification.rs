//! Answers about claims, kept for a while, and asked for by another thread.
//!
//! [`Verifier::standing`] never waits: what is not known yet is put into a bounded queue and comes
//! later, or never, and until then the claim is unverified. The thread that owns the resolver
//! calls [`Verification::work`]; it may have several threads do so.

use super::{Resolver, Standing, Table};
use crate::cache::Recent;
use ahash::AHashMap;
use haetae_event::time::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use haetae_event::{Clock, Micros};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Says what is known of a claim.
pub trait Verifier: Send + Sync {
    /// Never waits. `None`: asked for, the answer comes later.
    fn standing(&self, claim: &str, address: IpAddr) -> Option<Standing>;

    /// Claims that will be asked for next, all together. Whoever may wait does it here.
    fn ask_ahead(&self, claims: &[(String, IpAddr)]) {
        let _ = claims;
    }
}

/// Bounds of a [`Verification`]; times in µs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationConfig {
    pub cache_entries: usize,
    pub queue_max: usize,
    /// Answers are kept as long as the name system says, within these.
    pub ttl_min_us: i64,
    pub ttl_max_us: i64,
    /// How long a failed check without a time of its own is kept.
    pub negative_ttl_us: i64,
    /// How long no answer is kept, before it is asked again.
    pub unanswered_ttl_us: i64,
    /// After so long a question counts as lost and may be asked again.
    pub question_timeout_us: i64,
}

impl Default for VerificationConfig {
    fn default() -> Self {
        VerificationConfig {
            cache_entries: 50_000,
            queue_max: 4_096,
            ttl_min_us: 5 * MINUTE_US,
            ttl_max_us: DAY_US,
            negative_ttl_us: HOUR_US,
            unanswered_ttl_us: MINUTE_US,
            // fail2ban's helper for the same check gives up after 55 s.
            question_timeout_us: 55 * SECOND_US,
        }
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerificationCounts {
    pub hits: u64,
    pub asked: u64,
    /// Questions that did not fit the queue.
    pub dropped: u64,
    pub verified: u64,
    pub fake: u64,
    pub unanswered: u64,
}

type Question = (u64, IpAddr);

struct State {
    table: Arc<Table>,
    kept: Recent<Question, (Standing, Micros)>,
    queue: VecDeque<(Question, Box<str>)>,
    /// Asked and not answered, since when.
    open: AHashMap<Question, Micros>,
    counts: VerificationCounts,
}

/// See the module.
pub struct Verification {
    state: Mutex<State>,
    arrived: Condvar,
    /// A question was answered.
    answered: Condvar,
    clock: Arc<dyn Clock>,
    config: VerificationConfig,
    online: bool,
    hasher: ahash::RandomState,
}

impl Verification {
    /// Somebody calls [`Verification::work`].
    pub fn new(table: Table, clock: Arc<dyn Clock>, config: VerificationConfig) -> Verification {
        Verification {
            state: Mutex::new(State {
                table: Arc::new(table),
                kept: Recent::new(config.cache_entries),
                queue: VecDeque::new(),
                open: AHashMap::new(),
                counts: VerificationCounts::default(),
            }),
            arrived: Condvar::new(),
            answered: Condvar::new(),
            clock,
            config,
            online: true,
            hasher: ahash::RandomState::new(),
        }
    }

    /// Nobody is asked: only what ranges say, the rest is unverified.
    pub fn offline(table: Table, clock: Arc<dyn Clock>) -> Verification {
        Verification {
            online: false,
            ..Verification::new(table, clock, VerificationConfig::default())
        }
    }

    /// Changes the table, as when ranges were fetched anew; what was answered is forgotten.
    pub fn replace(&self, table: Table) {
        let mut state = self.state();
        state.table = Arc::new(table);
        state.kept.clear();
    }

    pub fn counts(&self) -> VerificationCounts {
        self.state().counts
    }

    /// Questions without an answer yet.
    pub fn open(&self) -> usize {
        self.state().open.len()
    }

    /// How many questions may be open at once.
    pub fn queue_max(&self) -> usize {
        self.config.queue_max
    }

    /// Waits until every question has its answer, at most so long; whether it has.
    pub fn wait(&self, at_most: Duration) -> bool {
        let state = self.state();
        let (state, _) = self
            .answered
            .wait_timeout_while(state, at_most, |state| !state.open.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.open.is_empty()
    }

    /// Answers the oldest question, after waiting for one at most `wait`; whether there was one.
    /// The look-ups are made without holding anybody up.
    pub fn work(&self, resolver: &dyn Resolver, wait: Duration) -> bool {
        let state = self.state();
        let (mut state, _) = self
            .arrived
            .wait_timeout_while(state, wait, |state| state.queue.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let Some((question, claim)) = state.queue.pop_front() else {
            return false;
        };
        // Asked twice, when it waited in the queue for longer than a question lives.
        let now = self.clock.now();
        if state.kept.get(&question).is_some_and(|(_, until)| now < until) {
            self.close(&mut state, &question);
            return true;
        }
        let table = Arc::clone(&state.table);
        drop(state);
        let (standing, ttl_us) = table.check(&claim, question.1, resolver);
        let ttl_us = match (standing, ttl_us) {
            (Standing::Unverified, _) => self.config.unanswered_ttl_us,
            (_, Some(ttl_us)) => ttl_us.clamp(self.config.ttl_min_us, self.config.ttl_max_us),
            (_, None) => self.config.negative_ttl_us,
        };
        let until = self.clock.now().saturating_add(ttl_us);
        let mut state = self.state();
        // What an older table said is nobody's answer: it is asked again.
        if Arc::ptr_eq(&table, &state.table) {
            state.kept.put(question, (standing, until));
        }
        match standing {
            Standing::Verified => state.counts.verified += 1,
            Standing::Fake { .. } => state.counts.fake += 1,
            Standing::Unverified => state.counts.unanswered += 1,
        }
        self.close(&mut state, &question);
        true
    }

    fn close(&self, state: &mut State, question: &Question) {
        state.open.remove(question);
        self.answered.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is sound between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verifier for Verification {
    fn standing(&self, claim: &str, address: IpAddr) -> Option<Standing> {
        let address = address.to_canonical();
        let mut state = self.state();
        if let Some(standing) = state.table.check_offline(claim, address) {
            return Some(standing);
        }
        if !self.online {
            return Some(Standing::Unverified);
        }
        let now = self.clock.now();
        let question = (self.hasher.hash_one(claim), address);
        if let Some((standing, until)) = state.kept.get(&question)
            && now < until
        {
            state.counts.hits += 1;
            return Some(standing);
        }
        let timeout = self.config.question_timeout_us;
        let lost = |since: &Micros| now.0.saturating_sub(since.0) > timeout;
        if state.open.get(&question).is_some_and(|since| !lost(since)) {
            return None;
        }
        if state.queue.len() >= self.config.queue_max || state.open.len() >= 2 * self.config.queue_max {
            state.open.retain(|_, since| !lost(since));
            state.counts.dropped += 1;
            return Some(Standing::Unverified);
        }
        state.open.insert(question, now);
        state.queue.push_back((question, claim.into()));
        state.counts.asked += 1;
        self.arrived.notify_one();
        None
    }
}
