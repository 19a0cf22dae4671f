//! The exam that every [`Source`] takes, and the small driver and ledger it is taken with.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "test inputs are small and known"
)]

use crate::seam::{
    Delivery, Ledger, LedgerError, Outlet, Source, SourceContext, SourceError, SourceMessage, SourceProblem,
    StopFlag, channel,
};
use haetae_event::SystemClock;
use haetae_event::commit::{CleanupRow, PositionRow};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Positions in memory.
#[derive(Default)]
pub struct MemoryLedger(Mutex<BTreeMap<(String, String), String>>);

impl MemoryLedger {
    pub fn commit(&self, rows: Vec<PositionRow>) {
        let mut kept = self.0.lock().expect("no panic under the lock");
        for row in rows {
            match row.value {
                Some(value) => kept.insert((row.source, row.key), value),
                None => kept.remove(&(row.source, row.key)),
            };
        }
    }
}

impl Ledger for MemoryLedger {
    fn positions(&self, source: &str, keys: &[String]) -> Result<Vec<Option<String>>, LedgerError> {
        let kept = self.0.lock().expect("no panic under the lock");
        Ok(keys
            .iter()
            .map(|key| kept.get(&(source.to_owned(), key.clone())).cloned())
            .collect())
    }

    fn all(&self, source: &str) -> Result<Vec<(String, String)>, LedgerError> {
        let kept = self.0.lock().expect("no panic under the lock");
        let mine = kept.iter().filter(|((of, _), _)| of == source);
        Ok(mine
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }
}

/// What a run of a source amounted to, as the driver saw it.
#[derive(Default)]
pub struct Seen {
    /// Origin, lines after those to be skipped, and how the body ended.
    pub read: Vec<(String, Vec<String>, Option<std::io::ErrorKind>)>,
    pub problems: Vec<SourceProblem>,
    pub cleanups: Vec<CleanupRow>,
    pub refused: u64,
    pub polls_open: i64,
    pub polls: u64,
}

impl Seen {
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.read.iter().flat_map(|(_, lines, _)| lines.clone()).collect();
        lines.sort();
        lines
    }
}

/// How the test driver commits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    Finished,
    /// Only this many records of each delivery.
    Partly(u64),
    Nothing,
}

/// A source under way on its thread.
pub struct Running {
    pub inbox: crate::seam::Inbox,
    pub stop: StopFlag,
    pub ledger: Arc<MemoryLedger>,
    thread: JoinHandle<Result<(), SourceError>>,
}

pub fn start(mut source: Box<dyn Source>, ledger: &Arc<MemoryLedger>, once: bool) -> Running {
    let stop = StopFlag::default();
    let (out, inbox) = channel(stop.clone());
    let cx = SourceContext {
        out,
        stop: stop.clone(),
        ledger: ledger.clone(),
        clock: Arc::new(SystemClock),
        once,
    };
    let thread = std::thread::spawn(move || source.run(&cx));
    Running {
        inbox,
        stop,
        ledger: ledger.clone(),
        thread,
    }
}

impl Running {
    /// Takes messages until `enough` holds or the source has returned, at most 20 s.
    pub fn take_until(&self, seen: &mut Seen, commit: Commit, mut enough: impl FnMut(&Seen) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end && !enough(seen) {
            match self.inbox.receive(Duration::from_millis(50)) {
                Ok(Some(message)) => self.take(seen, message, commit),
                Ok(None) => {}
                Err(_) => return,
            }
        }
    }

    fn take(&self, seen: &mut Seen, message: SourceMessage, commit: Commit) {
        match message {
            SourceMessage::Delivery(delivery) => self.read(seen, delivery, commit),
            SourceMessage::PollStart { .. } => seen.polls_open += 1,
            SourceMessage::PollEnd { .. } => {
                seen.polls_open -= 1;
                seen.polls += 1;
            }
            SourceMessage::Problem(problem) => seen.problems.push(problem),
            SourceMessage::Finished { .. } => {}
        }
    }

    fn read(&self, seen: &mut Seen, mut delivery: Delivery, commit: Commit) {
        let mut bytes = Vec::new();
        let error = delivery
            .body
            .read_to_end(&mut bytes)
            .err()
            .map(|error| error.kind());
        let lines: Vec<String> = String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::to_owned)
            .collect();
        let total = lines.len() as u64;
        let permanent = matches!(
            error,
            Some(std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied)
        );
        match commit {
            Commit::Nothing => {}
            Commit::Partly(records) => self
                .ledger
                .commit(delivery.position_rows(records.min(total), false)),
            Commit::Finished => {
                let finished = error.is_none() || permanent;
                self.ledger
                    .commit(delivery.position_rows(total.max(delivery.skip_records), finished));
                if finished {
                    seen.cleanups.extend(delivery.cleanup.clone());
                }
            }
        }
        seen.refused += delivery.refused.len() as u64;
        let skip = usize::try_from(delivery.skip_records).expect("small");
        let lines = lines.into_iter().skip(skip).collect();
        seen.read.push((delivery.origin.clone(), lines, error));
    }

    /// Asks it to stop; it must do so within a second.
    pub fn stop_now(self) {
        let asked = Instant::now();
        self.stop.set();
        self.thread
            .join()
            .expect("no panic")
            .expect("stopping is no error");
        assert!(
            asked.elapsed() < Duration::from_secs(1),
            "stopped only after {:?}",
            asked.elapsed()
        );
    }

    /// Waits for a source that returns by itself.
    pub fn wait(self) {
        self.thread
            .join()
            .expect("no panic")
            .expect("the end is no error");
    }
}

/// Runs the source once over what is there.
pub fn once(source: Box<dyn Source>, ledger: &Arc<MemoryLedger>, commit: Commit) -> Seen {
    let running = start(source, ledger, true);
    let mut seen = Seen::default();
    running.take_until(&mut seen, commit, |_| false);
    running.wait();
    seen
}

/// The exam. `make` gives the source anew over the same outside, which holds exactly `lines`
/// (sorted), more than one to a delivery somewhere.
pub fn exam(make: &dyn Fn() -> Box<dyn Source>, lines: &[&str]) {
    everything_once(make, lines);
    an_uncommitted_delivery_comes_again(make, lines);
    a_partly_committed_delivery_goes_on(make, lines);
    stop_is_honoured(make);
    a_driver_that_is_gone_ends_it(make);
}

fn everything_once(make: &dyn Fn() -> Box<dyn Source>, lines: &[&str]) {
    let ledger = Arc::new(MemoryLedger::default());
    let seen = once(make(), &ledger, Commit::Finished);
    assert_eq!(seen.lines(), lines);
    assert_eq!(seen.polls_open, 0, "each poll that starts ends");
    let again = once(make(), &ledger, Commit::Finished);
    assert_eq!(
        again.lines(),
        Vec::<String>::new(),
        "nothing twice over a restart"
    );
}

fn an_uncommitted_delivery_comes_again(make: &dyn Fn() -> Box<dyn Source>, lines: &[&str]) {
    let ledger = Arc::new(MemoryLedger::default());
    once(make(), &ledger, Commit::Nothing);
    assert_eq!(once(make(), &ledger, Commit::Finished).lines(), lines);
}

fn a_partly_committed_delivery_goes_on(make: &dyn Fn() -> Box<dyn Source>, lines: &[&str]) {
    let ledger = Arc::new(MemoryLedger::default());
    let first = once(make(), &ledger, Commit::Partly(1));
    let deliveries = first.read.len();
    // A source with one position cannot go on before a delivery it has left behind: only the
    // last partly committed one resumes there, so compare what was not committed.
    let second = once(make(), &ledger, Commit::Finished);
    let resumed: usize = second.read.iter().map(|(_, lines, _)| lines.len()).sum();
    assert!(
        resumed < lines.len(),
        "the committed record is not sent as new: {deliveries} deliveries"
    );
}

fn stop_is_honoured(make: &dyn Fn() -> Box<dyn Source>) {
    let ledger = Arc::new(MemoryLedger::default());
    let running = start(make(), &ledger, false);
    let mut seen = Seen::default();
    running.take_until(&mut seen, Commit::Finished, |seen| !seen.read.is_empty());
    running.stop_now();
}

fn a_driver_that_is_gone_ends_it(make: &dyn Fn() -> Box<dyn Source>) {
    let ledger = Arc::new(MemoryLedger::default());
    let Running {
        inbox, thread, stop, ..
    } = start(make(), &ledger, false);
    drop(inbox);
    std::thread::sleep(Duration::from_millis(300));
    stop.set();
    thread
        .join()
        .expect("no panic")
        .expect("a missing driver is no error");
}

#[test]
fn a_full_channel_waits_and_wakes_on_stop() {
    let stop = StopFlag::default();
    let (out, inbox) = channel(stop.clone());
    let fill = move |out: Outlet| {
        let mut sent = 0;
        while out
            .send(SourceMessage::Finished {
                source: "s".to_owned(),
            })
            .is_ok()
        {
            sent += 1;
        }
        sent
    };
    let thread = std::thread::spawn(move || fill(out));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!thread.is_finished(), "it waits");
    assert!(inbox.receive(Duration::ZERO).expect("open").is_some());
    stop.set();
    let sent: u32 = thread.join().expect("no panic");
    assert!(sent < 100, "bounded: {sent}");
}
