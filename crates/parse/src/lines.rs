//! Lines of a block: made valid UTF-8 where they are not, cut into fields, counted.

use crate::parser::ParsedBatch;
use crate::separators::Index;
use arrow::buffer::Buffer;
use haetae_event::reject::REJECT_BYTES_MAX;
use haetae_event::{Counts, Reason, Reject};
use std::borrow::Cow;
use std::ops::Range;

/// A block as UTF-8 text. Newlines stay where they were, so lines keep their ordinals.
pub struct Sound {
    pub buffer: Buffer,
    /// (line, its original bytes) of every line that had to be changed, ascending.
    repaired: Vec<(usize, Vec<u8>)>,
    /// Ascending; empty when the block came as it is.
    spots: Vec<Spot>,
}

/// A U+FFFD in the text of a [`Sound`] that stands for bytes that are no UTF-8.
#[derive(Clone, Copy, Debug)]
struct Spot {
    at: usize,
    bytes: [u8; 3],
    length: u8,
}

impl Sound {
    /// Free when the block is UTF-8 already; otherwise each bad line is made so, lossily.
    pub fn new(block: &Buffer) -> Sound {
        if simdutf8::basic::from_utf8(block.as_slice()).is_ok() {
            return Sound {
                buffer: block.clone(),
                repaired: Vec::new(),
                spots: Vec::new(),
            };
        }
        let mut text = Vec::with_capacity(block.len() + 64);
        let mut repaired = Vec::new();
        let mut spots = Vec::new();
        for (number, line) in block.as_slice().split_inclusive(|&b| b == b'\n').enumerate() {
            match simdutf8::basic::from_utf8(line) {
                Ok(_) => text.extend_from_slice(line),
                Err(_) => {
                    mend(line, &mut text, &mut spots);
                    let ends = usize::from(line.ends_with(b"\n"));
                    repaired.push((number, line[..line.len() - ends].to_vec()));
                }
            }
        }
        Sound {
            buffer: Buffer::from_vec(text),
            repaired,
            spots,
        }
    }

    /// The line as it came, when it was not UTF-8.
    pub fn original(&self, line: usize) -> Option<&[u8]> {
        let at = self
            .repaired
            .binary_search_by_key(&line, |(number, _)| *number)
            .ok()?;
        Some(&self.repaired[at].1)
    }

    /// Bytes that line `line`, whose text is `text`, came with.
    pub fn length(&self, line: usize, text: &[u8]) -> usize {
        self.original(line).unwrap_or(text).len()
    }

    fn spots_in(&self, span: &Range<usize>) -> &[Spot] {
        let from = self.spots.partition_point(|spot| spot.at < span.start);
        let until = self.spots.partition_point(|spot| spot.at < span.end);
        self.spots.get(from..until).unwrap_or_default()
    }

    /// Whether something in `span` of the text was not UTF-8. A U+FFFD that was sent is.
    pub fn is_repaired_in(&self, span: &Range<usize>) -> bool {
        !self.spots_in(span).is_empty()
    }

    /// The bytes of `span` of the text as they came.
    pub fn came(&self, span: Range<usize>) -> Cow<'_, [u8]> {
        let spots = self.spots_in(&span);
        if spots.is_empty() {
            return Cow::Borrowed(&self.buffer[span]);
        }
        let mut came = Vec::with_capacity(span.len());
        let mut at = span.start;
        for spot in spots {
            came.extend_from_slice(&self.buffer[at..spot.at]);
            came.extend_from_slice(&spot.bytes[..usize::from(spot.length)]);
            at = spot.at + char::REPLACEMENT_CHARACTER.len_utf8();
        }
        came.extend_from_slice(&self.buffer[at.min(span.end)..span.end]);
        Cow::Owned(came)
    }
}

/// Appends the line with one U+FFFD for each piece that is no UTF-8. None of its ASCII is lost: a
/// broken letter never takes the sign behind it along.
fn mend(line: &[u8], text: &mut Vec<u8>, spots: &mut Vec<Spot>) {
    for chunk in line.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        let broken = chunk.invalid();
        if broken.is_empty() {
            continue;
        }
        let mut bytes = [0; 3];
        bytes[..broken.len()].copy_from_slice(broken);
        spots.push(Spot {
            at: text.len(),
            bytes,
            length: broken.len() as u8,
        });
        text.extend_from_slice("\u{fffd}".as_bytes());
    }
}

/// Rejects and counts of one block.
#[derive(Default)]
pub struct Tally {
    pub counts: Counts,
    pub rejects: Vec<Reject>,
}

impl Tally {
    pub fn skip(&mut self) {
        self.counts.lines_in += 1;
        self.counts.skipped += 1;
    }

    pub fn reject(&mut self, ordinal: u64, reason: Reason, detail: impl Into<String>, bytes: &[u8]) {
        self.counts.lines_in += 1;
        self.counts.rejected += 1;
        let kept = bytes.len().min(REJECT_BYTES_MAX);
        self.rejects.push(Reject {
            ordinal,
            reason,
            detail: detail.into(),
            bytes: bytes[..kept].to_vec(),
        });
    }

    /// Puts counts and rejects into the batch; its rows are the events.
    pub fn close(mut self, mut batch: ParsedBatch) -> ParsedBatch {
        let events = batch.ordinals.len() as u64;
        self.counts.lines_in += events;
        self.counts.events = events;
        debug_assert!(self.counts.balanced(), "every line is counted once");
        batch.counts = self.counts;
        batch.rejects = self.rejects;
        batch
    }
}

/// A line of delimited fields: where they end is in the index.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Start of the line in the block.
    pub start: u32,
    /// End of the line, before `\r\n` or `\n`.
    pub end: u32,
    /// Place in [`Index::at`] of the first field's end.
    first: u32,
    /// Number of fields; 1 for an empty line.
    pub fields: u32,
}

impl Row {
    /// Every line of the block from byte `from` on, where the index begins, in order.
    pub fn all<'i>(index: &'i Index, bytes: &'i [u8], from: usize) -> impl Iterator<Item = Row> + 'i {
        let (mut start, mut first) = (from as u32, 0u32);
        index.line_ends.iter().map(move |&last| {
            let newline = index.at[last as usize];
            let carriage = newline > start && bytes[newline as usize - 1] == b'\r';
            let row = Row {
                start,
                end: newline - u32::from(carriage),
                first,
                fields: last - first + 1,
            };
            start = newline + 1;
            first = last + 1;
            row
        })
    }

    pub fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Where field `at` stands; `None` beyond the last one.
    #[inline]
    pub fn field(&self, index: &Index, at: u32) -> Option<Range<usize>> {
        if at >= self.fields {
            return None;
        }
        let place = (self.first + at) as usize;
        let start = if at == 0 {
            self.start
        } else {
            index.at[place - 1] + 1
        };
        let end = if at + 1 == self.fields {
            self.end
        } else {
            index.at[place]
        };
        Some(start as usize..end as usize)
    }

    /// Makes field `at` and the `pieces` after it one field.
    pub fn join(&mut self, index: &mut Index, at: u32, pieces: u32) {
        let (first, length) = (self.first as usize, at as usize);
        // The ends of the fields before it move up to the one that stays.
        index
            .at
            .copy_within(first..first + length, first + pieces as usize);
        self.first += pieces;
        self.fields -= pieces;
    }

    /// Like [`Row::field`], `None` also for `-` and for nothing.
    #[inline]
    pub fn value(&self, index: &Index, bytes: &[u8], at: u32) -> Option<Range<usize>> {
        let span = self.field(index, at)?;
        match span.len() {
            0 => None,
            1 if bytes[span.start] == b'-' => None,
            _ => Some(span),
        }
    }
}

/// The beginning of a value, for a reject's detail.
pub fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned()
}
