//! How far each kind of source has been read, as JSON under (source, key).

use haetae_event::commit::PositionRow;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Value of an S3 object's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPosition {
    pub etag: String,
    pub records_done: u64,
    pub done: bool,
}

/// Value of a followed file's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    pub path: String,
    /// Bytes before this are committed.
    pub offset: u64,
    /// Records after `offset` that are committed too (a commit in the middle of a delivery).
    pub records_done: u64,
    /// Length and hash of the beginning, to know a file that was truncated and rewritten.
    pub head_bytes: u64,
    pub head_hash: String,
    /// A compressed file is read once, whole.
    pub done: bool,
}

/// Value of the journal's position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPosition {
    pub next: haetae_journal::Position,
    /// Records of the entry at `next` that are committed already.
    pub records_done: u64,
}

/// Where a delivery lies in its source.
#[derive(Clone, Debug)]
pub enum DeliveryPosition {
    /// `progress` is told every `records_done` that rows were made for: the source resumes there
    /// when the body broke off.
    Object {
        key: String,
        etag: String,
        progress: Arc<AtomicU64>,
    },
    /// A stretch of a file: `before` is its position at the start, `end` the offset behind it.
    /// `header_records` layout lines were put before it and are not part of it.
    File {
        key: String,
        before: FilePosition,
        end: u64,
        whole: bool,
        header_records: u64,
    },
    Journal {
        start: haetae_journal::Position,
        next: haetae_journal::Position,
    },
}

/// The one key of a journal's position.
pub const JOURNAL_KEY: &str = "position";

impl DeliveryPosition {
    /// The rows to store when `records_done` records are committed; `finished` when that is all.
    pub fn rows(&self, source: &str, records_done: u64, finished: bool) -> Vec<PositionRow> {
        let (key, value) = match self {
            DeliveryPosition::Object { key, etag, progress } => {
                progress.store(records_done, Ordering::SeqCst);
                let value = ObjectPosition {
                    etag: etag.clone(),
                    records_done,
                    done: finished,
                };
                (key.clone(), serde_json::to_string(&value))
            }
            DeliveryPosition::File {
                key,
                before,
                end,
                whole,
                header_records,
            } => {
                let mut value = before.clone();
                if finished {
                    value.offset = *end;
                    value.records_done = 0;
                    value.done = *whole;
                } else {
                    value.records_done = records_done.saturating_sub(*header_records);
                }
                (key.clone(), serde_json::to_string(&value))
            }
            DeliveryPosition::Journal { start, next } => {
                let value = match finished {
                    true => JournalPosition {
                        next: *next,
                        records_done: 0,
                    },
                    false => JournalPosition {
                        next: *start,
                        records_done,
                    },
                };
                (JOURNAL_KEY.to_owned(), serde_json::to_string(&value))
            }
        };
        let value = value.expect("plain structs serialise");
        vec![PositionRow {
            source: source.to_owned(),
            key,
            value: Some(value),
        }]
    }
}
