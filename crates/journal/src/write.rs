//! The leader's side: frames to disk.

use crate::frame::{self, FRAME_HEADER, SEGMENT_HEADER, SegmentHeader};
use crate::options::JournalOptions;
use crate::position::Position;
use crate::recover::path_of;
use haetae_event::disk::{DiskFile, SharedDisk};
use std::io;
use std::path::PathBuf;

/// Writes batches of entries. Only one thread at a time has it.
pub(crate) struct Writer {
    disk: SharedDisk,
    dir: PathBuf,
    options: JournalOptions,
    /// `None` before the first entry, and after a failure: a file whose write or sync failed is
    /// never written again, because what the disk keeps of its tail is unknown.
    file: Option<Box<dyn DiskFile>>,
    /// The segment written last, 0 for none, and its durable end.
    segment: u64,
    end: u64,
    /// Highest number tried; a failed segment's number is not used again.
    number: u64,
}

impl Writer {
    pub(crate) fn new(
        disk: SharedDisk,
        dir: PathBuf,
        options: JournalOptions,
        last: Position,
        number: u64,
    ) -> Writer {
        Writer {
            disk,
            dir,
            options,
            file: None,
            segment: last.segment,
            end: last.offset,
            number,
        }
    }

    /// Appends the entries and syncs once. Returns their positions and the new durable end.
    ///
    /// # Errors
    /// After an error none of the entries counts as written.
    pub(crate) fn write(&mut self, entries: &[Vec<u8>]) -> io::Result<(Vec<Position>, Position)> {
        let total: usize = entries.iter().map(|e| FRAME_HEADER + e.len()).sum();
        let full = self.end > SEGMENT_HEADER && self.end + total as u64 > self.options.segment_bytes;
        let mut file = match self.file.take() {
            Some(file) if !full => file,
            _ => self.roll()?,
        };
        let mut bytes = Vec::with_capacity(total);
        let mut positions = Vec::with_capacity(entries.len());
        for entry in entries {
            let offset = self.end + bytes.len() as u64;
            positions.push(Position {
                segment: self.segment,
                offset,
            });
            frame::encode(&mut bytes, self.segment, offset, self.end, entry);
        }
        file.append(&bytes)?;
        file.sync()?;
        self.file = Some(file);
        self.end += bytes.len() as u64;
        let end = Position {
            segment: self.segment,
            offset: self.end,
        };
        Ok((positions, end))
    }

    /// Begins a segment: its header and its name are durable before the first entry.
    fn roll(&mut self) -> io::Result<Box<dyn DiskFile>> {
        self.number += 1;
        let header = SegmentHeader {
            segment: self.number,
            previous: self.segment,
            previous_end: self.end,
        };
        let path = path_of(&self.dir, self.number);
        let mut file = self.disk.create(&path)?;
        file.append(&header.encode())?;
        file.sync()?;
        self.disk.sync_dir(&self.dir)?;
        self.segment = self.number;
        self.end = SEGMENT_HEADER;
        Ok(file)
    }
}
