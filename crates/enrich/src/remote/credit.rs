//! How long batches may wait for remote answers, all together.
//!
//! The budget of one batch does not bound what many small batches lose to a service that never
//! answers in time. So waiting is paid from a credit that grows with time.

use haetae_event::Micros;
use haetae_event::time::SECOND_US;

/// Waiting takes at most one part in so many of the time, once the first credit is spent.
pub const WAIT_SHARE: i64 = 10;

/// What can be saved up, and what there is at the start.
const CREDIT_MAX_US: i64 = SECOND_US;

pub(super) struct WaitCredit {
    left_us: i64,
    since: Option<Micros>,
}

impl Default for WaitCredit {
    fn default() -> Self {
        WaitCredit {
            left_us: CREDIT_MAX_US,
            since: None,
        }
    }
}

impl WaitCredit {
    /// What may be waited from `now` on, in µs.
    pub fn at(&mut self, now: Micros) -> i64 {
        let since = self.since.replace(now).unwrap_or(now);
        // A clock that goes back earns nothing.
        let passed = now.0.saturating_sub(since.0).max(0);
        self.left_us = (self.left_us + passed / WAIT_SHARE).min(CREDIT_MAX_US);
        self.left_us.max(0)
    }

    /// What was waited; it may be more than there was, by what the machine was late.
    pub fn spend(&mut self, from: Micros, to: Micros) {
        let waited = to.0.saturating_sub(from.0).clamp(0, CREDIT_MAX_US);
        self.left_us = (self.left_us - waited).max(-CREDIT_MAX_US);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_all_the_time_gets_its_share() {
        let mut credit = WaitCredit::default();
        let (mut now, mut waited) = (0i64, 0i64);
        while now < 100 * SECOND_US {
            let wait = credit.at(Micros(now)).min(50_000);
            credit.spend(Micros(now), Micros(now + wait));
            waited += wait;
            // One millisecond of work a batch.
            now += wait + 1_000;
        }
        let share = 100 * SECOND_US / WAIT_SHARE;
        assert!(waited <= share + CREDIT_MAX_US, "{waited}");
        assert!(waited >= share - CREDIT_MAX_US, "{waited}");
    }

    #[test]
    fn a_clock_that_jumps_does_not_break_it() {
        let mut credit = WaitCredit::default();
        for at in [0, i64::MAX, i64::MIN, 5, -5] {
            assert!((0..=CREDIT_MAX_US).contains(&credit.at(Micros(at))));
            credit.spend(Micros(at), Micros(i64::MAX));
        }
    }
}
