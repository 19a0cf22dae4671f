//! Reading durable entries back.

use crate::contract::{Entry, JournalError};
use crate::frame::{self, Decoded, FRAME_HEADER, SEGMENT_HEADER};
use crate::position::Position;
use crate::recover::{io_error, path_of};
use haetae_event::disk::Disk;
use std::path::Path;

/// Smallest read: many small entries come with one call to the disk.
const CHUNK_BYTES_MIN: usize = 64 * 1024;

/// One segment's readable part.
pub(crate) struct Span {
    pub segment: u64,
    pub start: u64,
    /// Durable end.
    pub end: u64,
    /// The segment after it, if there is one.
    pub following: Option<u64>,
}

impl Span {
    fn at(&self, offset: u64) -> Position {
        Position {
            segment: self.segment,
            offset,
        }
    }

    /// Where to read on when nothing more of this segment can be read.
    fn behind(&self) -> Position {
        match self.following {
            Some(segment) => Position {
                segment,
                offset: SEGMENT_HEADER,
            },
            None => self.at(self.end),
        }
    }
}

/// Reads about `bytes_max` bytes of entries, at least one.
pub(crate) fn read(
    disk: &dyn Disk,
    dir: &Path,
    span: &Span,
    bytes_max: usize,
) -> Result<Vec<Entry>, JournalError> {
    let path = path_of(dir, span.segment);
    let left = usize::try_from(span.end - span.start).unwrap_or(usize::MAX);
    let mut wanted = bytes_max.max(CHUNK_BYTES_MIN).min(left);
    loop {
        let bytes = disk.read_at(&path, span.start, wanted).map_err(io_error(&path))?;
        let (entries, needed) = split(&bytes, span, bytes_max);
        if !entries.is_empty() {
            return Ok(entries);
        }
        match needed {
            Some(needed) if needed > wanted && needed <= left => wanted = needed,
            _ => return Err(damaged(disk, &path, span, left)),
        }
    }
}

/// The good frames at the beginning of `bytes`; and what the first needs, if it is cut.
fn split(bytes: &[u8], span: &Span, bytes_max: usize) -> (Vec<Entry>, Option<usize>) {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < bytes.len() && (entries.is_empty() || at < bytes_max) {
        let offset = span.start + at as u64;
        match frame::decode(&bytes[at..], span.segment, offset) {
            Decoded::Frame { length, .. } => {
                let next = at + FRAME_HEADER + length;
                let entry = bytes[at + FRAME_HEADER..next].to_vec();
                entries.push((span.at(offset), span.at(span.start + next as u64), entry));
                at = next;
            }
            Decoded::Short { needed } => return (entries, Some(needed)),
            Decoded::Bad => break,
        }
    }
    (entries, None)
}

/// Finds where reading can go on after the bad frame at the span's start.
fn damaged(disk: &dyn Disk, path: &Path, span: &Span, left: usize) -> JournalError {
    let resume = disk
        .read_at(path, span.start, left)
        .ok()
        .and_then(|bytes| frame::next_good(&bytes, span.segment, span.start))
        .map_or_else(|| span.behind(), |at| span.at(span.start + at as u64));
    JournalError::Damaged {
        path: path.to_owned(),
        offset: span.start,
        resume,
    }
}
