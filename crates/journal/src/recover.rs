//! What is found in the folder at start.

use crate::contract::JournalError;
use crate::damage::Damage;
use crate::frame::{self, Decoded, SEGMENT_HEADER, SegmentHeader};
use haetae_event::disk::Disk;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The journal's files after a start.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Durable end of each segment.
    pub ends: BTreeMap<u64, u64>,
    /// Highest number ever seen.
    pub last: u64,
    pub damages: Vec<Damage>,
}

pub(crate) fn path_of(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:016}.wal"))
}

fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".wal")?.parse().ok()
}

pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> JournalError + '_ {
    move |error| JournalError::Io {
        path: path.to_owned(),
        error,
    }
}

/// Reads headers, finds where each segment ends, and cuts the torn tail of the last one.
pub(crate) fn recover(disk: &dyn Disk, dir: &Path) -> Result<Recovered, JournalError> {
    let mut found = Recovered::default();
    let files = disk.list(dir).map_err(io_error(dir))?;
    let mut numbers: Vec<u64> = files.iter().filter_map(|path| number_of(path)).collect();
    numbers.sort_unstable();
    found.last = numbers.last().copied().unwrap_or(0);
    let mut headers = BTreeMap::new();
    for &segment in &numbers {
        if let Some(header) = header(disk, dir, segment, &mut found)? {
            headers.insert(segment, header);
        }
    }
    let declared: BTreeMap<u64, u64> = headers
        .values()
        .flatten()
        .map(|header| (header.previous, header.previous_end))
        .collect();
    let newest = headers.keys().next_back().copied();
    for &segment in headers.keys() {
        let end = match declared.get(&segment) {
            Some(end) => *end,
            None => scan(disk, dir, segment, Some(segment) == newest, &mut found)?,
        };
        found.ends.insert(segment, end);
    }
    report_missing(dir, &headers, &mut found);
    Ok(found)
}

type Headers = BTreeMap<u64, Option<SegmentHeader>>;

/// The segment's header: `Some(None)` when it is damaged, `None` when the segment was never
/// begun, in which case its file is removed.
fn header(
    disk: &dyn Disk,
    dir: &Path,
    segment: u64,
    found: &mut Recovered,
) -> Result<Option<Option<SegmentHeader>>, JournalError> {
    let path = path_of(dir, segment);
    let bytes = disk
        .read_at(&path, 0, SEGMENT_HEADER as usize + 1)
        .map_err(io_error(&path))?;
    if let Some(header) = SegmentHeader::decode(&bytes).filter(|h| h.segment == segment) {
        return Ok(Some(Some(header)));
    }
    // Frames are written only after the header is durable: no frames, never begun.
    if bytes.len() as u64 <= SEGMENT_HEADER {
        disk.remove(&path).map_err(io_error(&path))?;
        disk.sync_dir(dir).map_err(io_error(dir))?;
        return Ok(None);
    }
    found.damages.push(Damage {
        path,
        offset: 0,
        what: "the segment's header is damaged; its entries are read all the same",
    });
    Ok(Some(None))
}

/// Walks all frames of a segment that no later one describes. `cut`: what lies behind the end
/// is removed.
fn scan(
    disk: &dyn Disk,
    dir: &Path,
    segment: u64,
    cut: bool,
    found: &mut Recovered,
) -> Result<u64, JournalError> {
    let path = path_of(dir, segment);
    let bytes = disk.read(&path).map_err(io_error(&path))?;
    let (end, gaps) = measure(&bytes, segment);
    found.damages.extend(gaps.into_iter().map(|offset| Damage {
        path: path.clone(),
        offset,
        what: "an acknowledged entry is damaged; reading resumes behind it",
    }));
    if cut && end < bytes.len() as u64 {
        disk.truncate(&path, end).map_err(io_error(&path))?;
    }
    Ok(end)
}

/// End of the durable frames, and where damage begins below it.
fn measure(bytes: &[u8], segment: u64) -> (u64, Vec<u64>) {
    let mut offset = SEGMENT_HEADER.min(bytes.len() as u64);
    let mut good = offset;
    let mut synced_max = 0;
    // (where a bad stretch begins)
    let mut gaps = Vec::new();
    while (offset as usize) < bytes.len() {
        let rest = &bytes[offset as usize..];
        match frame::decode(rest, segment, offset) {
            Decoded::Frame { length, synced } => {
                offset += (frame::FRAME_HEADER + length) as u64;
                good = offset;
                synced_max = synced_max.max(synced);
            }
            Decoded::Short { .. } | Decoded::Bad => {
                gaps.push(offset);
                match frame::next_good(rest, segment, offset) {
                    Some(at) => offset += at as u64,
                    None => break,
                }
            }
        }
    }
    let torn = gaps.iter().copied().find(|&gap| gap >= synced_max);
    gaps.retain(|&gap| gap < synced_max);
    (torn.unwrap_or(good), gaps)
}

/// Segments are released oldest first, so a hole between two is damage.
fn report_missing(dir: &Path, headers: &Headers, found: &mut Recovered) {
    let oldest = headers.keys().next().copied().unwrap_or(0);
    for header in headers.values().flatten() {
        if header.previous > oldest && !headers.contains_key(&header.previous) {
            found.damages.push(Damage {
                path: path_of(dir, header.previous),
                offset: 0,
                what: "the segment is missing",
            });
        }
    }
}
