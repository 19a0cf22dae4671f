//! Counts of log-ins by minute, for one thing that they have in common.

use super::attempt::Outcome;
use crate::behaviours::minutes::ByMinute;
use crate::behaviours::sample::Sample;
use crate::detector::Verdict;
use crate::pool::allocated;
use haetae_event::time::MINUTE_US;

/// Longest piece of evidence kept, bytes.
const EVIDENCE_BYTES_MAX: usize = 160;

/// Names of accounts kept per minute for the text of a finding.
const NAMES_MAX: usize = 4;

/// Addresses kept per minute that failed for one account; of more the smallest hashes. Each has sent
/// a request in this minute, so that they cost less than what was sent.
const FAILED_MAX: usize = 4_096;

/// One attempt, as a tally sees it.
pub struct Seen<'a> {
    pub ts: i64,
    pub outcome: Outcome,
    /// Hash of the client's address.
    pub address: Option<u64>,
    /// The name tried and its hash.
    pub account: Option<(&'a str, u64)>,
    pub path: Option<&'a str>,
}

/// The attempts of one minute.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub attempts: u64,
    pub failed: u64,
    pub succeeded: u64,
    /// First and last attempt, µs.
    pub first: i64,
    pub last: i64,
    pub first_failed: Option<i64>,
    pub last_succeeded: Option<i64>,
    /// Names tried.
    pub accounts: Sample,
    /// Addresses of failures, and of successes.
    pub failing: Sample,
    pub succeeding: Sample,
    /// Of one account: hashes of all addresses that failed, sorted. Which of hundreds got in is no
    /// matter for a sample.
    failed_from: Vec<u32>,
    /// Names that got in: the first in order of name.
    pub names: Vec<Box<str>>,
    /// The earliest failure.
    pub evidence: Option<(i64, Box<str>)>,
}

impl Cell {
    fn add(&mut self, seen: &Seen<'_>, of_account: bool) {
        if self.attempts == 0 {
            (self.first, self.last) = (seen.ts, seen.ts);
        }
        self.attempts += 1;
        (self.first, self.last) = (self.first.min(seen.ts), self.last.max(seen.ts));
        if let Some((_, hash)) = seen.account {
            self.accounts.add(hash, 1);
        }
        match seen.outcome {
            Outcome::Failed => {
                self.failed += 1;
                self.first_failed = Some(self.first_failed.map_or(seen.ts, |ts| ts.min(seen.ts)));
                if let Some(address) = seen.address {
                    self.failing.add(address, 1);
                    if of_account {
                        self.failed_from(address);
                    }
                }
                self.witness(seen);
            }
            Outcome::Succeeded => {
                self.succeeded += 1;
                self.last_succeeded = self.last_succeeded.max(Some(seen.ts));
                if let Some(address) = seen.address {
                    self.succeeding.add(address, 1);
                }
                if let Some((name, _)) = seen.account {
                    self.name(name);
                }
            }
            Outcome::Unknown => {}
        }
    }

    fn failed_from(&mut self, address: u64) {
        let hash = (address >> 32) as u32;
        if let Err(at) = self.failed_from.binary_search(&hash)
            && at < FAILED_MAX
        {
            self.failed_from.insert(at, hash);
            self.failed_from.truncate(FAILED_MAX);
        }
    }

    /// Whether an address, by its hash, failed in this minute; known of accounts only.
    pub fn has_failed(&self, address: u64) -> bool {
        self.failed_from.binary_search(&((address >> 32) as u32)).is_ok()
    }

    fn witness(&mut self, seen: &Seen<'_>) {
        if self.evidence.as_ref().is_some_and(|(ts, _)| *ts < seen.ts) {
            return;
        }
        let account = seen.account.map_or("", |(name, _)| name);
        let line = match (seen.path, account) {
            (Some(path), "") => format!("failed log-in at {path}"),
            (Some(path), name) => format!("failed log-in of {name} at {path}"),
            (None, "") => "failed log-in".to_owned(),
            (None, name) => format!("failed log-in of {name}"),
        };
        let mut end = line.len().min(EVIDENCE_BYTES_MAX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let found = (seen.ts, Box::from(&line[..end]));
        if self.evidence.as_ref().is_none_or(|known| found < *known) {
            self.evidence = Some(found);
        }
    }

    fn name(&mut self, name: &str) {
        if name.len() > EVIDENCE_BYTES_MAX {
            return;
        }
        if let Err(at) = self.names.binary_search_by(|known| (**known).cmp(name))
            && at < NAMES_MAX
        {
            self.names.insert(at, name.into());
            self.names.truncate(NAMES_MAX);
        }
    }

    /// Memory beyond its place in the list of minutes.
    fn bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|name| allocated(name.len())).sum();
        self.accounts.bytes()
            + self.failing.bytes()
            + self.succeeding.bytes()
            + allocated(self.failed_from.capacity() * size_of::<u32>())
            + allocated(self.names.capacity() * size_of::<Box<str>>())
            + names
            + self
                .evidence
                .as_ref()
                .map_or(0, |(_, line)| allocated(line.len()))
    }
}

/// The sum of some minutes.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    pub attempts: u64,
    pub failed: u64,
    pub succeeded: u64,
    pub first: i64,
    pub last: i64,
    pub accounts: Sample,
    pub failing: Sample,
    pub succeeding: Sample,
}

impl Sum {
    /// Fraction of failures among attempts whose end is known.
    pub fn failed_share(&self) -> f64 {
        self.failed as f64 / (self.failed + self.succeeded).max(1) as f64
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tally {
    pub minutes: ByMinute<Cell>,
    /// Failures in all minutes: what has few is not looked at closely.
    pub failed: u64,
    pub attempts: u64,
    pub dirty: bool,
    pub told: Vec<Verdict>,
    bytes: usize,
}

impl Tally {
    /// `of_account`: whether this is the tally of one account.
    pub fn add(&mut self, seen: &Seen<'_>, of_account: bool) {
        let minute = seen.ts.div_euclid(MINUTE_US);
        let cell = self.minutes.or_insert_with(minute, Cell::default);
        let before = cell.bytes();
        cell.add(seen, of_account);
        self.bytes = self.bytes + cell.bytes() - before;
        self.attempts += 1;
        self.failed += u64::from(seen.outcome == Outcome::Failed);
        self.dirty = true;
    }

    /// Memory beyond its own size.
    pub fn bytes(&self) -> usize {
        /// A verdict with its texts.
        const TOLD_BYTES: usize = 1_000;
        self.bytes + self.minutes.bytes() + self.told.len() * TOLD_BYTES
    }

    /// The sum over minutes `from..=to`.
    pub fn sum(&self, from: i64, to: i64) -> Sum {
        let mut sum = Sum::default();
        for cell in self.minutes.range(from..=to).map(|(_, cell)| cell) {
            if sum.attempts == 0 {
                sum.first = cell.first;
            }
            sum.attempts += cell.attempts;
            sum.failed += cell.failed;
            sum.succeeded += cell.succeeded;
            sum.first = sum.first.min(cell.first);
            sum.last = sum.last.max(cell.last);
            sum.accounts.merge(&cell.accounts);
            sum.failing.merge(&cell.failing);
            sum.succeeding.merge(&cell.succeeding);
        }
        sum
    }

    /// Failures and attempts over minutes `from..=to`, without the samples.
    pub fn counts(&self, from: i64, to: i64) -> (u64, u64) {
        let cells = self.minutes.range(from..=to).map(|(_, cell)| cell);
        cells.fold((0, 0), |(failed, attempts), cell| {
            (failed + cell.failed, attempts + cell.attempts)
        })
    }

    /// Forgets minutes before `cut_us`; returns how many.
    pub fn forget(&mut self, cut_us: i64) -> usize {
        let gone = self.minutes.forget(cut_us.div_euclid(MINUTE_US));
        let count = gone.len();
        for cell in gone {
            self.failed -= cell.failed;
            self.attempts -= cell.attempts;
            self.bytes -= cell.bytes();
        }
        self.told.retain(|verdict| verdict.extent.end >= cut_us);
        count
    }
}
