//! Percent-decoding, once, with a cache: a few user agents make most of a log.

use crate::sheet::{ExtraSpan, Sheet};

/// Entries of the cache. Fixed, so that random user agents cannot grow it.
const CACHE_SLOTS: usize = 4096;
/// Longer values are decoded each time: the cache holds at most 2 × 4096 × 512 bytes.
const CACHED_BYTES_MAX: usize = 512;

/// Decodes every `%XX` once. Invalid UTF-8 becomes U+FFFD; the flag says so.
pub fn decode(text: &str) -> (String, bool) {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'%', &bytes[at..]) {
        out.extend_from_slice(&bytes[at..at + found]);
        at += found;
        match (
            bytes.get(at + 1).copied().and_then(nibble),
            bytes.get(at + 2).copied().and_then(nibble),
        ) {
            (Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(b'%');
                at += 1;
            }
        }
    }
    out.extend_from_slice(&bytes[at..]);
    match String::from_utf8(out) {
        Ok(text) => (text, false),
        Err(e) => (String::from_utf8_lossy(e.as_bytes()).into_owned(), true),
    }
}

fn nibble(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

struct Entry {
    hash: u64,
    raw: Box<str>,
    decoded: Box<str>,
    lossy: bool,
    /// Where the decoded text lies in the sheet of `epoch`.
    epoch: u64,
    span: Option<ExtraSpan>,
}

/// Decoded text per raw text, direct-mapped; survives blocks.
pub struct DecodeCache {
    slots: Vec<Option<Entry>>,
    hasher: ahash::RandomState,
    epoch: u64,
}

impl Default for DecodeCache {
    fn default() -> Self {
        DecodeCache {
            slots: std::iter::repeat_with(|| None).take(CACHE_SLOTS).collect(),
            hasher: ahash::RandomState::new(),
            epoch: 0,
        }
    }
}

impl DecodeCache {
    /// Forgets where decoded texts lie: the next sheet has its own extras.
    pub fn next_sheet(&mut self) {
        self.epoch += 1;
    }

    /// The decoded text in `sheet`, and whether it had to be made valid UTF-8. Only for text that
    /// holds a `%`.
    pub fn decoded(&mut self, sheet: &mut Sheet<'_>, raw: &str) -> (ExtraSpan, bool) {
        if raw.len() > CACHED_BYTES_MAX {
            let (decoded, lossy) = decode(raw);
            return (sheet.extra(&decoded), lossy);
        }
        let hash = self.hasher.hash_one(raw);
        let slot = &mut self.slots[hash as usize % CACHE_SLOTS];
        let fits = slot
            .as_ref()
            .is_some_and(|entry| entry.hash == hash && *entry.raw == *raw);
        if !fits {
            let (decoded, lossy) = decode(raw);
            *slot = Some(Entry {
                hash,
                raw: raw.into(),
                decoded: decoded.into(),
                lossy,
                epoch: 0,
                span: None,
            });
        }
        let entry = slot.as_mut().expect("filled above");
        let span = match entry.span {
            Some(span) if entry.epoch == self.epoch => span,
            _ => sheet.extra(&entry.decoded),
        };
        (entry.epoch, entry.span) = (self.epoch, Some(span));
        (span, entry.lossy)
    }
}
