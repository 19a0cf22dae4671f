//! The seams: what a source is, what it sends, and what it may ask.

use crate::position::DeliveryPosition;
use haetae_event::commit::{CleanupRow, DeliveryMark, PositionRow};
use haetae_event::{Clock, Counts, Dataset, Micros, Reject, TenantId};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Asks every part of the service to end. Clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Sleeps for `time`, or less when the flag is set meanwhile. True when it is set.
    pub fn sleep(&self, time: Duration) -> bool {
        const STEP: Duration = Duration::from_millis(50);
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.is_set() || left.is_zero() {
                return self.is_set();
            }
            std::thread::sleep(left.min(STEP));
        }
    }
}

/// Committed positions, read only. The binary implements it over the store.
pub trait Ledger: Send + Sync {
    /// The value kept under each key, in the order of `keys`.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    fn positions(&self, source: &str, keys: &[String]) -> Result<Vec<Option<String>>, LedgerError>;

    /// Every (key, value) of a source that keeps few.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    fn all(&self, source: &str) -> Result<Vec<(String, String)>, LedgerError>;
}

#[derive(Debug, thiserror::Error)]
#[error("positions cannot be read: {0}")]
pub struct LedgerError(pub String);

/// A place that logs come from.
///
/// A source runs on a thread of its own and sends deliveries in any order it likes; the driver
/// takes them one at a time, and a full channel makes the source wait. It never writes its
/// positions: they travel with each delivery and are committed with its events. A source that
/// meets a problem says so ([`SourceMessage::Problem`]), tries again by itself, and returns only
/// when it was told to stop or, with `once`, when everything present was sent.
pub trait Source: Send {
    /// Stable over restarts: positions and counts are kept under it.
    fn id(&self) -> &str;

    /// # Errors
    /// When the source can never work (a bug or a broken set-up); it is reported, others go on.
    fn run(&mut self, cx: &SourceContext) -> Result<(), SourceError>;

    /// Who deletes or archives what this source delivered, if anyone.
    fn cleaner(&self) -> Option<Box<dyn Cleaner>> {
        None
    }
}

/// What a running source is given.
pub struct SourceContext {
    pub out: Outlet,
    pub stop: StopFlag,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
    /// Send what is there, then return.
    pub once: bool,
}

/// Carries out promised clean-ups after their commit. Repeating one is harmless.
pub trait Cleaner: Send + Sync {
    /// # Errors
    /// When it should be tried again later.
    #[expect(clippy::result_large_err, reason = "rare, and beside a request to the store")]
    fn clean(&self, row: &CleanupRow) -> Result<Cleaned, CleanError>;
}

/// How a clean-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaned {
    Done,
    /// The object is another one than was read (its ETag changed): left alone.
    Changed,
}

/// The clean-up failed and stays pending.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct CleanError {
    pub problem: SourceProblem,
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("source {id}: {why}")]
    Setup { id: String, why: String },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Something an operator must know about a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceProblem {
    pub source: String,
    /// Stable: `no_credentials`, `access_denied`, `no_such_bucket`, `unreachable`, `unreadable`, …
    pub code: &'static str,
    pub message: String,
    pub hint: String,
    /// `s3:ListBucket on arn:aws:s3:::bucket`, where a permission is missing.
    pub iam_action: Option<String>,
    pub retry_in: Option<Duration>,
}

impl std::fmt::Display for SourceProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.source, self.message)?;
        if let Some(action) = &self.iam_action {
            write!(f, " (needs {action})")?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  fix: {}", self.hint)?;
        }
        match self.retry_in {
            Some(time) => write!(
                f,
                "\n  tried again in {} s; other sources carry on",
                time.as_secs().max(1)
            ),
            None => Ok(()),
        }
    }
}

impl SourceProblem {
    /// The configuration names a parser that is neither built in nor uploaded.
    pub fn unknown_parser(source: &str, name: &str) -> Self {
        SourceProblem {
            source: source.to_owned(),
            code: "unknown_parser",
            message: format!("there is no parser `{name}`; the content decides instead"),
            hint: "`haetae parser list` names them; upload it with `haetae parser upload`".to_owned(),
            iam_action: None,
            retry_in: None,
        }
    }

    /// The configuration names a time zone that there is not.
    pub fn unknown_zone(source: &str, name: &str) -> Self {
        SourceProblem {
            source: source.to_owned(),
            code: "unknown_zone",
            message: format!("there is no time zone `{name}`; times without a zone are read as UTC"),
            hint: "use an IANA name such as Asia/Seoul, or an offset such as +09:00".to_owned(),
            iam_action: None,
            retry_in: None,
        }
    }

    /// A body that ended in an I/O error and will be delivered again.
    pub fn broken_off(source: &str, origin: &str, error: &std::io::Error) -> Self {
        SourceProblem {
            source: source.to_owned(),
            code: "broken_off",
            message: format!("{origin}: reading broke off: {error}"),
            hint: String::new(),
            iam_action: None,
            retry_in: None,
        }
    }
}

/// What a source tells the driver.
#[expect(clippy::large_enum_variant, reason = "nearly every message is a delivery")]
pub enum SourceMessage {
    Delivery(Delivery),
    /// Until the matching end, windows do not close.
    PollStart {
        source: String,
    },
    /// Every object of the poll has been sent.
    PollEnd {
        source: String,
        deliveries: u64,
    },
    Problem(SourceProblem),
    Finished {
        source: String,
    },
}

/// One object, file stretch or pushed batch.
pub struct Delivery {
    pub source: String,
    pub tenant: TenantId,
    /// For people: `s3://bucket/key`, a path, `ingest`.
    pub origin: String,
    pub forced_format: Option<String>,
    /// The dataset the sender named; JSON records only.
    pub dataset: Option<Dataset>,
    pub flow_format: Option<String>,
    /// Zone of times that name none: an IANA name or an offset; `None` is UTC.
    pub time_zone: Option<String>,
    pub body: Box<dyn Read + Send>,
    pub position: DeliveryPosition,
    /// Records at the start that an earlier commit holds.
    pub skip_records: u64,
    /// When it came in, for pushed batches.
    pub received_at: Option<Micros>,
    /// Lines the door refused; their ordinals count in the same sequence as the body's. They are
    /// not in the body.
    pub refused: Vec<Reject>,
    /// Records that were a second delivery and are not in the body.
    pub duplicates: u64,
    pub mark: Option<DeliveryMark>,
    pub cleanup: Option<CleanupRow>,
}

impl Delivery {
    /// What to store when everything up to `records_done` is committed.
    pub fn position_rows(&self, records_done: u64, finished: bool) -> Vec<PositionRow> {
        self.position.rows(&self.source, records_done, finished)
    }

    /// Counts of what never reaches the parser.
    pub fn door_counts(&self) -> Counts {
        let rejected = self.refused.len() as u64;
        Counts {
            lines_in: rejected + self.duplicates,
            rejected,
            duplicates: self.duplicates,
            ..Counts::default()
        }
    }
}

/// Messages waiting for the driver at most. Bodies are streams with bounds of their own; a
/// waiting delivery holds no more than one pushed entry (5 MB).
const WAITING_MAX: usize = 8;

/// The sources' end of the channel.
#[derive(Clone)]
pub struct Outlet {
    sender: std::sync::mpsc::SyncSender<SourceMessage>,
    stop: StopFlag,
}

/// The driver is gone, or everything was told to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub struct Stopped;

impl Outlet {
    /// Waits while the channel is full.
    ///
    /// # Errors
    /// When the stop flag is set or the driver has ended; the message is dropped, which is safe:
    /// nothing of it was committed.
    pub fn send(&self, message: SourceMessage) -> Result<(), Stopped> {
        let mut message = message;
        loop {
            if self.stop.is_set() {
                return Err(Stopped);
            }
            match self.sender.try_send(message) {
                Ok(()) => return Ok(()),
                Err(std::sync::mpsc::TrySendError::Full(back)) => {
                    message = back;
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return Err(Stopped),
            }
        }
    }
}

/// The driver's end of the channel.
pub struct Inbox {
    receiver: std::sync::mpsc::Receiver<SourceMessage>,
    stop: StopFlag,
}

impl Inbox {
    /// The next message, or `None` after `wait` without one.
    ///
    /// # Errors
    /// When the stop flag is set or every source has ended.
    pub fn receive(&self, wait: Duration) -> Result<Option<SourceMessage>, Stopped> {
        const STEP: Duration = Duration::from_millis(50);
        let end = Instant::now() + wait;
        loop {
            if self.stop.is_set() {
                return Err(Stopped);
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(left.min(STEP)) {
                Ok(message) => return Ok(Some(message)),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) if left <= STEP => return Ok(None),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Err(Stopped),
            }
        }
    }
}

/// A bounded channel between sources and the driver.
pub fn channel(stop: StopFlag) -> (Outlet, Inbox) {
    let (sender, receiver) = std::sync::mpsc::sync_channel(WAITING_MAX);
    (
        Outlet {
            sender,
            stop: stop.clone(),
        },
        Inbox { receiver, stop },
    )
}
