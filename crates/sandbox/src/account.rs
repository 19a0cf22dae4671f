//! What a parser's failures have cost, and its suspension once that is too much.

use crate::batch::Failure;
use crate::quota::Quota;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// Parts of the sliding window; a charge leaves it when its part does.
const SLOTS: u32 = 60;

/// A parser was suspended. Given out once for each suspension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    pub parser: String,
    pub version: String,
    /// What the call that used up the budget died of.
    pub cause: Failure,
    /// Its particulars: text of ours, or a trap's name; never text of a guest.
    pub detail: String,
    /// Wall time that failing calls and the search for culprits took within `window`.
    pub spent: Duration,
    pub allowed: Duration,
    pub window: Duration,
    /// Calls into the guest that failed, steps of searches included, since the parser was loaded or
    /// last resumed.
    pub failed_calls: u64,
    /// Records found to be culprits since then.
    pub failed_records: u64,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "parser {} {} is suspended: its failures took {:.1} s of {:.1} s allowed per {} s \
             ({} failed calls, {} failed records; last: {}, {})",
            self.parser,
            self.version,
            self.spent.as_secs_f64(),
            self.allowed.as_secs_f64(),
            self.window.as_secs(),
            self.failed_calls,
            self.failed_records,
            self.cause,
            self.detail,
        )
    }
}

#[derive(Default)]
pub(crate) struct Account {
    /// (number of the slot since the clock's start, wall time), oldest first.
    slots: VecDeque<(u128, Duration)>,
    failed_calls: u64,
    failed_records: u64,
    suspended: bool,
    alarm: Option<Alarm>,
}

/// A failed call, for the alarm that it may cause.
pub(crate) struct Cause<'a> {
    pub parser: &'a str,
    pub version: &'a str,
    pub failure: Failure,
    pub detail: &'a str,
}

impl Account {
    pub(crate) fn suspended(&self) -> bool {
        self.suspended
    }

    pub(crate) fn take_alarm(&mut self) -> Option<Alarm> {
        self.alarm.take()
    }

    pub(crate) fn count_failed_record(&mut self) {
        self.failed_records += 1;
    }

    /// Books `spent`, which ended at `now`. `cause` is the failed call; `None` for a step of a search
    /// that went well.
    pub(crate) fn charge(
        &mut self,
        quota: &Quota,
        now: Duration,
        spent: Duration,
        cause: Option<&Cause<'_>>,
    ) {
        let width = (quota.failure_window / SLOTS).max(Duration::from_nanos(1));
        let slot = now.as_nanos() / width.as_nanos();
        while self
            .slots
            .front()
            .is_some_and(|(old, _)| old + u128::from(SLOTS) <= slot)
        {
            self.slots.pop_front();
        }
        match self.slots.back_mut() {
            Some((last, sum)) if *last == slot => *sum += spent,
            _ => self.slots.push_back((slot, spent)),
        }
        let Some(cause) = cause else { return };
        self.failed_calls += 1;
        let total: Duration = self.slots.iter().map(|(_, spent)| *spent).sum();
        if self.suspended || total <= quota.failure_budget {
            return;
        }
        self.suspended = true;
        self.alarm = Some(Alarm {
            parser: cause.parser.to_owned(),
            version: cause.version.to_owned(),
            cause: cause.failure,
            detail: cause.detail.to_owned(),
            spent: total,
            allowed: quota.failure_budget,
            window: quota.failure_window,
            failed_calls: self.failed_calls,
            failed_records: self.failed_records,
        });
    }
}
