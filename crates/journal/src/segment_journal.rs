//! [`SegmentJournal`]: a journal in local append-only files, with group commit.
//!
//! Threads put their entries into a common queue. Whoever finds nobody writing becomes the
//! leader: it takes the whole queue, writes it with one call, syncs once, and wakes everybody.
//! Entries that arrive meanwhile make the next group.
//!
//! A failed write or sync poisons the segment: the kernel may have dropped the dirty pages, so
//! a second sync would lie (Rebello et al., *Can Applications Recover from fsync Failures?*,
//! USENIX ATC 2020). The next append begins a fresh segment, whose header says where the durable
//! part of the old one ends.

use crate::contract::{Entry, Journal, JournalError};
use crate::damage::Damage;
use crate::frame::SEGMENT_HEADER;
use crate::options::JournalOptions;
use crate::position::Position;
use crate::read::{self, Span};
use crate::recover::{self, io_error, path_of};
use crate::write::Writer;
use haetae_event::disk::{SharedDisk, create_dirs_synced};
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// Positions of a group's entries, or why none was written.
type Outcome = OnceLock<Result<Vec<Position>, String>>;

#[derive(Default)]
struct Queue {
    entries: Vec<Vec<u8>>,
    bytes: usize,
    outcome: Arc<Outcome>,
    /// Some thread is writing the group before this one.
    leading: bool,
}

/// See the module.
pub struct SegmentJournal {
    disk: SharedDisk,
    dir: PathBuf,
    options: JournalOptions,
    queue: Mutex<Queue>,
    changed: Condvar,
    writer: Mutex<Writer>,
    /// Durable end of each segment that is kept.
    ends: Mutex<BTreeMap<u64, u64>>,
    damages: Vec<Damage>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SegmentJournal {
    /// Opens the journal in `dir`, creating the folder if needed. What the last run wrote but
    /// did not sync is cut off; see [`SegmentJournal::damages`] for what is worse. O(bytes of
    /// the last segment).
    ///
    /// # Errors
    /// The disk's own.
    pub fn open(disk: SharedDisk, dir: &Path, options: JournalOptions) -> Result<Self, JournalError> {
        create_dirs_synced(disk.as_ref(), dir, dir).map_err(io_error(dir))?;
        disk.sync_dir(dir).map_err(io_error(dir))?;
        let found = recover::recover(disk.as_ref(), dir)?;
        let last = last_position(&found.ends);
        let writer = Writer::new(disk.clone(), dir.to_owned(), options.clone(), last, found.last);
        Ok(SegmentJournal {
            disk,
            dir: dir.to_owned(),
            options,
            queue: Mutex::default(),
            changed: Condvar::new(),
            writer: Mutex::new(writer),
            ends: Mutex::new(found.ends),
            damages: found.damages,
        })
    }

    /// Damage found at start. Reading meets it again as [`JournalError::Damaged`].
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    /// Durable bytes that are kept, headers included.
    pub fn bytes(&self) -> u64 {
        lock(&self.ends).values().sum()
    }

    /// Writes the queued group. The caller has set `leading`; it is cleared here.
    fn lead(&self, mut queue: MutexGuard<'_, Queue>) {
        let entries = std::mem::take(&mut queue.entries);
        let outcome = std::mem::take(&mut queue.outcome);
        queue.bytes = 0;
        drop(queue);
        self.changed.notify_all();
        let written = lock(&self.writer).write(&entries);
        let result = written.map(|(positions, end)| {
            lock(&self.ends).insert(end.segment, end.offset);
            positions
        });
        let first = outcome.set(result.map_err(|e| e.to_string()));
        debug_assert!(first.is_ok(), "a group has one leader");
        lock(&self.queue).leading = false;
        self.changed.notify_all();
    }

    fn span(&self, position: Position) -> Option<Span> {
        let ends = lock(&self.ends);
        for (&segment, &end) in ends.range(position.segment..) {
            let start = if segment == position.segment {
                position.offset.max(SEGMENT_HEADER)
            } else {
                SEGMENT_HEADER
            };
            if start < end {
                let behind = (Bound::Excluded(segment), Bound::Unbounded);
                return Some(Span {
                    segment,
                    start,
                    end,
                    following: ends.range(behind).next().map(|(&number, _)| number),
                });
            }
        }
        None
    }
}

fn last_position(ends: &BTreeMap<u64, u64>) -> Position {
    ends.last_key_value()
        .map_or_else(Position::default, |(&segment, &offset)| Position {
            segment,
            offset,
        })
}

impl Journal for SegmentJournal {
    fn append(&self, entry: &[u8]) -> Result<Position, JournalError> {
        if entry.len() > self.options.entry_bytes_max {
            return Err(JournalError::EntryTooLarge {
                bytes: entry.len(),
                bytes_max: self.options.entry_bytes_max,
            });
        }
        let entry = entry.to_vec();
        let wait = |queue| self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        let mut queue = lock(&self.queue);
        while queue.bytes >= self.options.waiting_bytes_max {
            queue = wait(queue);
        }
        let index = queue.entries.len();
        queue.bytes += entry.len();
        queue.entries.push(entry);
        let outcome = Arc::clone(&queue.outcome);
        loop {
            match outcome.get() {
                Some(Ok(positions)) => return Ok(positions[index]),
                Some(Err(why)) => return Err(JournalError::NotWritten(why.clone())),
                None if queue.leading => queue = wait(queue),
                None => {
                    queue.leading = true;
                    self.lead(queue);
                    queue = lock(&self.queue);
                }
            }
        }
    }

    fn read_from(&self, position: Position, bytes_max: usize) -> Result<Vec<Entry>, JournalError> {
        loop {
            let Some(span) = self.span(position) else {
                return Ok(Vec::new());
            };
            match read::read(self.disk.as_ref(), &self.dir, &span, bytes_max) {
                // Released between the look at the list and the read: look again.
                Err(JournalError::Io { error, .. })
                    if error.kind() == io::ErrorKind::NotFound
                        && !lock(&self.ends).contains_key(&span.segment) => {}
                other => return other,
            }
        }
    }

    fn end(&self) -> Position {
        last_position(&lock(&self.ends))
    }

    fn release_before(&self, position: Position) -> Result<(), JournalError> {
        let mut released = Vec::new();
        {
            let mut ends = lock(&self.ends);
            let newest = last_position(&ends).segment;
            while let Some(oldest) = ends.first_entry() {
                if *oldest.key() >= position.segment.min(newest) {
                    break;
                }
                released.push(oldest.remove_entry());
            }
        }
        for (index, (segment, _)) in released.iter().enumerate() {
            let path = path_of(&self.dir, *segment);
            match self.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    lock(&self.ends).extend(released[index..].iter().copied());
                    return Err(JournalError::Io { path, error });
                }
                _ => {}
            }
        }
        if !released.is_empty() {
            self.disk.sync_dir(&self.dir).map_err(io_error(&self.dir))?;
        }
        Ok(())
    }
}
