//! A value read from a file and replaced when the file changes.
//!
//! Readers hold an `Arc` of the version they started with, so a change is seen whole or not at
//! all. A new version that cannot be read, or is not plausible, leaves the old one in place and
//! says so once.

use crate::files::{Files, Stamp};
use haetae_event::Micros;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

/// Makes the value from the bytes of a file. It gets the value in use, to compare with.
///
/// An `Err` is one line for the operator.
pub type Parse<T> = Box<dyn Fn(Vec<u8>, Stamp, Option<&T>) -> Result<T, String> + Send + Sync>;

/// What a check of the file found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// The interval has not passed, or another thread is at it.
    NotDue,
    Unchanged,
    /// The file changed while it was read: the next check tries again.
    Busy,
    Loaded,
    /// The new version was not taken; the old one, if any, stays.
    Refused(String),
}

/// See the module.
pub struct Live<T> {
    path: PathBuf,
    bytes_max: u64,
    interval_us: i64,
    parse: Parse<T>,
    current: RwLock<Option<Arc<T>>>,
    /// Grows with every version, so that caches know when to forget.
    version: AtomicU64,
    check: Mutex<Check>,
}

#[derive(Default)]
struct Check {
    at: Option<Micros>,
    /// The version that was last taken or refused.
    seen: Option<Stamp>,
    alarm: Option<String>,
}

impl<T> Live<T> {
    /// Nothing is read before the first [`Live::refresh`].
    pub fn new(path: PathBuf, bytes_max: u64, interval_us: i64, parse: Parse<T>) -> Self {
        Live {
            path,
            bytes_max,
            interval_us,
            parse,
            current: RwLock::new(None),
            version: AtomicU64::new(0),
            check: Mutex::default(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version in use; `None` until one was read.
    pub fn current(&self) -> Option<Arc<T>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How often the value changed.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Why the file as it is now is not in use.
    pub fn alarm(&self) -> Option<String> {
        self.check
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .alarm
            .clone()
    }

    /// Looks at time and size of the file, at most once an interval, and reads it when they
    /// changed. Parsing happens on the calling thread; readers are not held up by it.
    pub fn refresh(&self, files: &dyn Files, now: Micros) -> Refresh {
        let mut check = match self.check.try_lock() {
            Ok(check) => check,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Refresh::NotDue,
        };
        // A clock that was set back must not stop the checks.
        let due = check
            .at
            .is_none_or(|at| now < at || now.0.saturating_sub(at.0) >= self.interval_us);
        if !due {
            return Refresh::NotDue;
        }
        check.at = Some(now);
        let result = self.reread(files, &mut check);
        match &result {
            Refresh::Loaded => check.alarm = None,
            Refresh::Refused(text) => check.alarm = Some(text.clone()),
            _ => {}
        }
        result
    }

    fn reread(&self, files: &dyn Files, check: &mut Check) -> Refresh {
        let stamp = match files.stamp(&self.path) {
            Ok(stamp) => stamp,
            Err(error) => return self.unreadable(check, &error.to_string()),
        };
        if check.seen == Some(stamp) {
            return Refresh::Unchanged;
        }
        let bytes = match files.read(&self.path, self.bytes_max) {
            Ok(bytes) => bytes,
            Err(error) => return self.unreadable(check, &error.to_string()),
        };
        let stable =
            bytes.len() as u64 == stamp.bytes && files.stamp(&self.path).is_ok_and(|after| after == stamp);
        if !stable {
            return Refresh::Busy;
        }
        check.seen = Some(stamp);
        let old = self.current();
        match (self.parse)(bytes, stamp, old.as_deref()) {
            Ok(value) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(value));
                self.version.fetch_add(1, Ordering::AcqRel);
                Refresh::Loaded
            }
            Err(why) => Refresh::Refused(self.refusal(&why)),
        }
    }

    /// Says it once: the alarm stands until the file is readable again.
    fn unreadable(&self, check: &mut Check, why: &str) -> Refresh {
        check.seen = None;
        let text = self.refusal(why);
        if check.alarm.as_deref() == Some(text.as_str()) {
            return Refresh::Unchanged;
        }
        Refresh::Refused(text)
    }

    fn refusal(&self, why: &str) -> String {
        let effect = match self.current() {
            Some(_) => "the version read before stays in use",
            None => "there is no version in use",
        };
        format!("{}: {why}; {effect}", self.path.display())
    }
}
