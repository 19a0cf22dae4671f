//! A verifier that waits, for those who have no hot path: one-shot commands and the end of a run.

use super::{Standing, Verification, Verifier};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Waits for answers, all questions together no longer than its budget; after that, claims without
/// an answer are unverified. Others must call [`Verification::work`].
pub struct Patient {
    asked: Arc<Verification>,
    /// What is left.
    budget: Mutex<Duration>,
    tell: Box<dyn Fn(usize) + Send + Sync>,
}

impl Patient {
    /// `tell` hears, before each wait, how many questions are open.
    pub fn new(
        asked: Arc<Verification>,
        budget: Duration,
        tell: Box<dyn Fn(usize) + Send + Sync>,
    ) -> Patient {
        Patient {
            asked,
            budget: Mutex::new(budget),
            tell,
        }
    }

    /// Waits for what is open.
    fn wait(&self) {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.asked.open();
        if open == 0 || budget.is_zero() {
            return;
        }
        (self.tell)(open);
        let since = Instant::now();
        self.asked.wait(*budget);
        *budget = budget.saturating_sub(since.elapsed());
    }
}

impl Verifier for Patient {
    /// Never `None`.
    fn standing(&self, claim: &str, address: IpAddr) -> Option<Standing> {
        let known = self.asked.standing(claim, address);
        Some(known.unwrap_or(Standing::Unverified))
    }

    fn ask_ahead(&self, claims: &[(String, IpAddr)]) {
        for some in claims.chunks(self.asked.queue_max().max(1)) {
            for (claim, address) in some {
                self.asked.standing(claim, *address);
            }
            self.wait();
        }
    }
}
