//! The bytes of a segment: one header, then frames.
//!
//! ```text
//! header  "HAETJNL1"  segment u64  previous segment u64  its durable end u64  crc u32  0 u32
//! frame   "hFrm"      length u32   crc u32               synced u32           length bytes
//! ```
//!
//! All integers little-endian; CRC-32C (RFC 3720, appendix B.4). A frame's crc also covers the
//! segment's number and the frame's offset, so that a frame is only valid where it was written.
//! `synced` is how much of the segment was durable when the frame was written: a bad frame below
//! a later frame's `synced` was acknowledged once and is damage; above, it is a torn tail.

use memchr::memmem;

pub(crate) const SEGMENT_HEADER: u64 = 40;
pub(crate) const FRAME_HEADER: usize = 16;
const SEGMENT_MAGIC: &[u8; 8] = b"HAETJNL1";
const FRAME_MAGIC: &[u8; 4] = b"hFrm";

/// Bytes that one search for the next good frame may checksum. Crafted content can hold many
/// false beginnings, each claiming a long frame; past the budget the rest counts as damaged.
const SEARCH_BYTES_MAX: usize = 1 << 30;

/// What a segment says about the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub segment: u64,
    /// 0 when there was none.
    pub previous: u64,
    pub previous_end: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = SEGMENT_MAGIC.to_vec();
        for number in [self.segment, self.previous, self.previous_end] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER as usize)?;
        let sound = bytes.starts_with(SEGMENT_MAGIC) && crc32c::crc32c(&bytes[..32]) == u32_at(bytes, 32)?;
        sound.then_some(SegmentHeader {
            segment: u64_at(bytes, 8)?,
            previous: u64_at(bytes, 16)?,
            previous_end: u64_at(bytes, 24)?,
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Appends one frame to `out`, to be written at `offset` of `segment`.
pub(crate) fn encode(out: &mut Vec<u8>, segment: u64, offset: u64, synced: u64, entry: &[u8]) {
    let length = u32::try_from(entry.len()).expect("append limits entries far below 4 GiB");
    let synced = u32::try_from(synced).unwrap_or(0);
    out.extend_from_slice(FRAME_MAGIC);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(segment, offset, length, synced, entry).to_le_bytes());
    out.extend_from_slice(&synced.to_le_bytes());
    out.extend_from_slice(entry);
}

fn checksum(segment: u64, offset: u64, length: u32, synced: u32, entry: &[u8]) -> u32 {
    let mut fixed = [0; 24];
    fixed[..8].copy_from_slice(&segment.to_le_bytes());
    fixed[8..16].copy_from_slice(&offset.to_le_bytes());
    fixed[16..20].copy_from_slice(&length.to_le_bytes());
    fixed[20..].copy_from_slice(&synced.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&fixed), entry)
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A good frame of `length` bytes behind its header.
    Frame {
        length: usize,
        synced: u64,
    },
    /// The bytes end before the frame does; so many are needed.
    Short {
        needed: usize,
    },
    Bad,
}

/// Judges the frame that begins at `bytes[0]`, which is byte `offset` of `segment`.
pub(crate) fn decode(bytes: &[u8], segment: u64, offset: u64) -> Decoded {
    let Some(header) = bytes.get(..FRAME_HEADER) else {
        return Decoded::Short { needed: FRAME_HEADER };
    };
    let field = |at| u32_at(header, at).expect("the header has four fields");
    let length = field(4);
    let total = FRAME_HEADER + length as usize;
    if !header.starts_with(FRAME_MAGIC) {
        return Decoded::Bad;
    }
    match bytes.get(FRAME_HEADER..total) {
        None => Decoded::Short { needed: total },
        Some(entry) if checksum(segment, offset, length, field(12), entry) == field(8) => Decoded::Frame {
            length: length as usize,
            synced: u64::from(field(12)),
        },
        Some(_) => Decoded::Bad,
    }
}

/// Index in `bytes` of the first good frame after index 0, where `bytes[0]` is byte `offset`.
pub(crate) fn next_good(bytes: &[u8], segment: u64, offset: u64) -> Option<usize> {
    let mut budget = SEARCH_BYTES_MAX;
    for at in memmem::find_iter(bytes.get(1..)?, FRAME_MAGIC) {
        let at = at + 1;
        match decode(&bytes[at..], segment, offset + at as u64) {
            Decoded::Frame { .. } => return Some(at),
            Decoded::Short { .. } => {}
            Decoded::Bad => {
                let claimed = u32_at(bytes, at + 4).map_or(0, |length| length as usize);
                budget = budget.checked_sub(claimed.max(FRAME_HEADER))?;
            }
        }
    }
    None
}
