//! Lines of a block: made valid UTF-8 where they are not, cut into fields, counted.

use crate::parser::ParsedBatch;
use crate::separators::Index;
use arrow::buffer::Buffer;
use haetae_event::reject::REJECT_BYTES_MAX;
use haetae_event::{Counts, Reason, Reject};
use std::ops::Range;

/// A block as UTF-8 text. Newlines stay where they were, so lines keep their ordinals.
pub struct Sound {
    pub buffer: Buffer,
    /// (line, its original bytes) of every line that had to be changed, ascending.
    repaired: Vec<(usize, Vec<u8>)>,
}

impl Sound {
    /// Free when the block is UTF-8 already; otherwise each bad line is made so, lossily.
    pub fn new(block: &Buffer) -> Sound {
        if simdutf8::basic::from_utf8(block.as_slice()).is_ok() {
            return Sound {
                buffer: block.clone(),
                repaired: Vec::new(),
            };
        }
        let mut text = Vec::with_capacity(block.len() + 64);
        let mut repaired = Vec::new();
        for (number, line) in block.as_slice().split_inclusive(|&b| b == b'\n').enumerate() {
            match simdutf8::basic::from_utf8(line) {
                Ok(_) => text.extend_from_slice(line),
                Err(_) => {
                    text.extend_from_slice(String::from_utf8_lossy(line).as_bytes());
                    let ends = usize::from(line.ends_with(b"\n"));
                    repaired.push((number, line[..line.len() - ends].to_vec()));
                }
            }
        }
        Sound {
            buffer: Buffer::from_vec(text),
            repaired,
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

    pub fn is_repaired(&self) -> bool {
        !self.repaired.is_empty()
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
