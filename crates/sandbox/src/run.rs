//! Running batches, and finding the records that break them.

use crate::Alarm;
use crate::account::Cause;
use crate::batch::{Batch, Failure};
use crate::guest::{Broken, Guest};
use crate::parser::Parser;
use std::ops::Range;
use std::time::Duration;

/// Runs one parser on one thread. Keeps an instance between calls until one fails.
pub struct Sandbox {
    parser: Parser,
    guest: Option<Guest>,
}

impl Sandbox {
    pub(crate) fn new(parser: Parser) -> Sandbox {
        Sandbox { parser, guest: None }
    }

    pub fn parser(&self) -> &Parser {
        &self.parser
    }

    /// See [`Parser::take_alarm`].
    pub fn alarm(&mut self) -> Option<Alarm> {
        self.parser.take_alarm()
    }

    /// One outcome for each record, in order. How records are cut into calls changes no outcome, as
    /// long as the guest is deterministic, keeps nothing from one record to another and is not near its
    /// deadlines.
    pub fn run(&mut self, records: &[&[u8]]) -> Batch {
        let mut batch = Batch::default();
        self.run_into(records, &mut batch);
        batch
    }

    /// As [`run`](Self::run), with the memory of an earlier batch.
    pub fn run_into(&mut self, records: &[&[u8]], batch: &mut Batch) {
        batch.clear();
        let mut rest = records;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(self.part_len(rest));
            self.run_part(part, batch);
            rest = behind;
        }
        debug_assert_eq!(batch.len(), records.len(), "one outcome for each record");
    }

    /// How many of `records` go into one call; at least one.
    fn part_len(&self, records: &[&[u8]]) -> usize {
        let quota = self.parser.quota();
        let records_max = quota.batch_records_max.clamp(1, records.len());
        let mut bytes = 0usize;
        let fitting = records[..records_max].iter().take_while(|record| {
            bytes = bytes.saturating_add(record.len());
            bytes <= quota.batch_bytes_max
        });
        fitting.count().max(1)
    }

    fn run_part(&mut self, records: &[&[u8]], batch: &mut Batch) {
        if self.parser.is_suspended() {
            suspend(records.len(), batch);
            return;
        }
        let quota = self.parser.quota();
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let wall = quota
            .batch_deadline
            .min(quota.record_deadline.saturating_mul(count));
        let begin = self.parser.runtime().now();
        let reused = self.guest.is_some();
        let Err(broken) = self.attempt(records, wall, batch) else {
            return;
        };
        self.charge(begin, Some(&broken));
        if records.len() == 1 && !reused {
            self.blame(&broken, batch);
            return;
        }
        self.search(records, batch);
    }

    /// Halves until each failing part is one record. Every step has a fresh instance, so that what an
    /// earlier step left behind blames nobody. Steps, for k culprits of n records: about k × 2 log2(n / k),
    /// of which k × log2(n / k) fail.
    fn search(&mut self, records: &[&[u8]], batch: &mut Batch) {
        let wall = self.parser.quota().record_deadline;
        let mut open: Vec<Range<usize>> = Vec::new();
        halve(0..records.len(), &mut open);
        while let Some(part) = open.pop() {
            if self.parser.is_suspended() {
                suspend(part.len(), batch);
                continue;
            }
            self.guest = None;
            let begin = self.parser.runtime().now();
            let tried = self.attempt(&records[part.clone()], wall, batch);
            self.charge(begin, tried.as_ref().err());
            match tried {
                Ok(()) => {}
                Err(broken) if part.len() == 1 => self.blame(&broken, batch),
                Err(_) => halve(part, &mut open),
            }
        }
    }

    /// One call. After a failure there is no instance, and `batch` is as it was.
    fn attempt(&mut self, records: &[&[u8]], wall: Duration, batch: &mut Batch) -> Result<(), Broken> {
        let mut guest = match self.guest.take() {
            Some(guest) => guest,
            None => Guest::start(&self.parser, wall)?,
        };
        guest.call(&self.parser, records, wall, batch)?;
        self.guest = Some(guest);
        Ok(())
    }

    fn charge(&self, begin: Duration, broken: Option<&Broken>) {
        let now = self.parser.runtime().now();
        let cause = broken.map(|broken| Cause {
            parser: self.parser.id(),
            version: self.parser.version(),
            failure: broken.failure,
            detail: &broken.detail,
        });
        let spent = now.saturating_sub(begin);
        let quota = self.parser.quota();
        self.parser.account().charge(quota, now, spent, cause.as_ref());
    }

    fn blame(&self, broken: &Broken, batch: &mut Batch) {
        self.parser.account().count_failed_record();
        batch.push_failure(broken.failure, &broken.detail);
    }
}

/// The first half is popped first; one record stays one.
fn halve(part: Range<usize>, open: &mut Vec<Range<usize>>) {
    let middle = part.start + part.len() / 2;
    if middle > part.start {
        open.push(middle..part.end);
        open.push(part.start..middle);
    } else {
        open.push(part);
    }
}

fn suspend(records: usize, batch: &mut Batch) {
    for _ in 0..records {
        batch.push_failure(Failure::Suspended, "the parser has used up its failure budget");
    }
}
