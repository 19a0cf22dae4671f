//! The journal for the HTTP door.

use haetae_journal::{Journal, JournalError, Position};
use haetae_server::{DoorError, IngestDoor, Push};
use haetae_source::StopFlag;
use haetae_source::push::PushEntry;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Appends accepted requests; knows how much of them is not committed yet.
pub struct JournalDoor {
    journal: Arc<dyn Journal>,
    stop: StopFlag,
    waiting: Mutex<Waiting>,
}

/// Entries that no commit holds yet, in the order of their positions.
#[derive(Default)]
struct Waiting {
    entries: VecDeque<(Position, u64)>,
    bytes: u64,
}

impl JournalDoor {
    pub fn new(journal: Arc<dyn Journal>, stop: StopFlag) -> Self {
        JournalDoor {
            journal,
            stop,
            waiting: Mutex::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything before `position` is committed: it is let go.
    ///
    /// # Errors
    /// The journal's; what is left is deleted by a later call.
    pub fn release_before(&self, position: Position) -> Result<(), JournalError> {
        let mut waiting = self.waiting();
        while let Some(&(_, bytes)) = waiting.entries.front().filter(|(at, _)| *at < position) {
            waiting.entries.pop_front();
            waiting.bytes -= bytes;
        }
        drop(waiting);
        self.journal.release_before(position)
    }
}

impl IngestDoor for JournalDoor {
    fn append(&self, push: Push) -> Result<(), DoorError> {
        let entry = PushEntry {
            tenant: push.tenant,
            dataset: push.dataset.map(|dataset| dataset.as_str().to_owned()),
            received_at: push.received_at,
            mark: push.mark,
            refused: push.refused,
            duplicates: push.duplicates,
            body: push.body,
        };
        let entry = entry.encode();
        let position = match self.journal.append(&entry) {
            Ok(position) => position,
            Err(error @ JournalError::NotWritten(_)) => return Err(DoorError::Closed(error.to_string())),
            Err(error) => return Err(DoorError::Failed(error.to_string())),
        };
        let bytes = entry.len() as u64;
        let mut waiting = self.waiting();
        waiting.bytes += bytes;
        let place = waiting.entries.partition_point(|(at, _)| *at < position);
        waiting.entries.insert(place, (position, bytes));
        Ok(())
    }

    fn backlog_bytes(&self) -> u64 {
        self.waiting().bytes
    }

    fn accepting(&self) -> bool {
        !self.stop.is_set()
    }
}
