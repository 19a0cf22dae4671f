//! Records of syslog-like inputs: lines, or frames of RFC 6587, as valid UTF-8.
//!
//! Source: RFC 6587 §3.4. A frame that begins with a count (`123 <34>1 …`) is that many bytes long,
//! whatever they are; any other frame ends at a newline or NUL. Which one it is is decided at the
//! start of each frame, since senders switch within one connection. A count must be followed by
//! `<`, so that a message whose text begins with digits is no count.
//!
//! Every byte of a block belongs to exactly one record, blank ones are skipped, and a record's
//! extent depends on its own bytes alone, never on where blocks are cut.

use crate::block::Framing;
use crate::cloudfront::INVALID_UTF8;
use crate::combined::lines;
use crate::json_records::Refusal;
use crate::lines::{Sound, Tally};
use crate::parser::{ParsedBatch, RawBlock};
use crate::plan::{Plan, Slot};
use crate::sheet::Sheet;
use arrow::buffer::Buffer;
use haetae_event::Reason;
use std::ops::Range;

/// Most digits of a count: frames of ten megabytes and more are no frames.
const COUNT_DIGITS_MAX: usize = 7;

/// Makes a row of one record, or refuses it before anything is put.
pub trait MakeLine {
    /// `span` is the record's place in the text, without count and line end, never blank. The row
    /// is ended by the caller at the time given back.
    fn row(&mut self, sheet: &mut Sheet<'_>, span: Range<usize>) -> Result<i64, Refusal>;
}

/// Where a frame lies in the bytes.
struct Frame {
    /// Without count and terminator.
    message: Range<usize>,
    /// Where the next frame begins.
    end: usize,
    /// The bytes end before the count does.
    cut: bool,
}

/// The count at the start of `bytes`, if there is one: its value and the bytes of it and its space.
pub fn count(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = bytes
        .iter()
        .take(COUNT_DIGITS_MAX + 1)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let shaped = (1..=COUNT_DIGITS_MAX).contains(&digits)
        && bytes[0] != b'0'
        && bytes.get(digits) == Some(&b' ')
        && bytes.get(digits + 1) == Some(&b'<');
    if !shaped {
        return None;
    }
    let value = bytes[..digits]
        .iter()
        .fold(0, |sum, b| sum * 10 + usize::from(b - b'0'));
    Some((value, digits + 1))
}

/// Whether an input that begins with `head` is made of frames rather than lines.
pub fn is_framed(head: &[u8]) -> bool {
    if let Some((length, prefix)) = count(head) {
        // Where the count leads nowhere, the input is lines with a count in front of each.
        let next = head.get(prefix + length..).unwrap_or(b"");
        return next.is_empty() || count(next).is_some() || next[0] == b'<' || next[0] == b'\n';
    }
    // Messages that end with NUL alone.
    memchr::memmem::find(head, b"\0<").is_some_and(|at| memchr::memchr(b'\n', &head[..at]).is_none())
}

/// The frame at `at`; `None` when its end is not in `bytes` yet and more may come.
fn frame(bytes: &[u8], at: usize, record_bytes_max: usize, ended: bool) -> Option<Frame> {
    let rest = &bytes[at..];
    if let Some((length, prefix)) = count(rest)
        && prefix + length <= record_bytes_max
    {
        let stop = at + prefix + length;
        if stop >= bytes.len() && !ended {
            // Also the byte behind it is needed.
            return None;
        }
        let cut = stop > bytes.len();
        let stop = stop.min(bytes.len());
        let end = stop + usize::from(bytes.get(stop) == Some(&b'\n'));
        return Some(Frame {
            message: at + prefix..stop,
            end,
            cut,
        });
    }
    let Some(stop) = memchr::memchr2(b'\n', 0, rest).map(|found| at + found) else {
        return ended.then_some(Frame {
            message: at..bytes.len(),
            end: bytes.len(),
            cut: false,
        });
    };
    if bytes[stop] == 0 && stop + 1 == bytes.len() && !ended {
        return None;
    }
    let pair = bytes[stop] == 0 && bytes.get(stop + 1) == Some(&b'\n');
    Some(Frame {
        message: at..stop,
        end: stop + 1 + usize::from(pair),
        cut: false,
    })
}

/// Where the last frame ends that is whole in `bytes`.
pub fn boundary(bytes: &[u8], record_bytes_max: usize, ended: bool) -> Option<usize> {
    let mut at = 0;
    while at < bytes.len() {
        let Some(frame) = frame(bytes, at, record_bytes_max, ended) else {
            break;
        };
        at = frame.end;
    }
    (at > 0).then_some(at)
}

/// A record in the buffer of [`Records`].
struct Record {
    span: Range<usize>,
    /// Its bytes as they came, when they were not UTF-8.
    came: Option<Vec<u8>>,
    cut: bool,
}

/// The records of a block in a buffer that is UTF-8.
struct Records {
    buffer: Buffer,
    all: Vec<Record>,
}

impl Records {
    fn framed(block: &Buffer, record_bytes_max: usize) -> Records {
        let bytes = block.as_slice();
        let mut frames = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let Some(frame) = frame(bytes, at, record_bytes_max, true) else {
                break;
            };
            at = frame.end;
            frames.push(frame);
        }
        // A count may end inside a character: then its frame is no UTF-8 though the block is.
        if let Ok(text) = simdutf8::basic::from_utf8(bytes)
            && frames
                .iter()
                .all(|frame| text.get(frame.message.clone()).is_some())
        {
            let all = frames
                .into_iter()
                .map(|frame| Record {
                    span: frame.message,
                    came: None,
                    cut: frame.cut,
                })
                .collect();
            return Records {
                buffer: block.clone(),
                all,
            };
        }
        let mut text = Vec::with_capacity(bytes.len() + 64);
        let mut all = Vec::with_capacity(frames.len());
        for frame in frames {
            let message = &bytes[frame.message];
            let start = text.len();
            let came = match simdutf8::basic::from_utf8(message) {
                Ok(_) => {
                    text.extend_from_slice(message);
                    None
                }
                Err(_) => {
                    text.extend_from_slice(String::from_utf8_lossy(message).as_bytes());
                    Some(message.to_vec())
                }
            };
            all.push(Record {
                span: start..text.len(),
                came,
                cut: frame.cut,
            });
        }
        Records {
            buffer: Buffer::from_vec(text),
            all,
        }
    }

    fn lines(block: &Buffer) -> Records {
        let sound = Sound::new(block);
        let text = simdutf8::basic::from_utf8(sound.buffer.as_slice()).expect("a sound block is UTF-8");
        let all = lines(text)
            .enumerate()
            .map(|(number, span)| Record {
                span,
                came: sound.original(number).map(<[u8]>::to_vec),
                cut: false,
            })
            .collect();
        Records {
            buffer: sound.buffer.clone(),
            all,
        }
    }
}

/// Walks over the records of a block. Blank records and those that begin with `#` are skipped.
pub fn parse(
    block: &RawBlock,
    plan: &Plan,
    framing: Framing,
    record_bytes_max: usize,
    make: &mut dyn MakeLine,
) -> ParsedBatch {
    let records = match framing {
        Framing::Frames => Records::framed(&block.bytes, record_bytes_max),
        Framing::Lines | Framing::Objects | Framing::Elements(_) => Records::lines(&block.bytes),
    };
    let warnings = plan.slot("warnings");
    let mut sheet = Sheet::new(plan, &records.buffer, 0).expect("records are made UTF-8");
    let mut tally = Tally::default();
    for (number, record) in records.all.iter().enumerate() {
        let ordinal = block.first_ordinal + number as u64;
        let text = &sheet.text()[record.span.clone()];
        let came = record.came.as_deref().unwrap_or(text.as_bytes());
        let span = trimmed(sheet.text(), record.span.clone());
        if came.len() > record_bytes_max {
            tally.reject(
                ordinal,
                Reason::RecordTooLong,
                format!("{} bytes", came.len()),
                came,
            );
        } else if span.is_empty() || text.starts_with('#') {
            tally.skip();
        } else if record.cut {
            tally.reject(
                ordinal,
                Reason::CutTail,
                "the input ends before the count does",
                came,
            );
        } else {
            let row = sheet.row();
            match make.row(&mut sheet, span) {
                Ok(ts) => {
                    if record.came.is_some() && warnings.wanted() {
                        sheet.warn(row, INVALID_UTF8);
                    }
                    sheet.end_row(ts, ordinal);
                }
                Err((reason, detail)) => tally.reject(ordinal, reason, detail, came),
            }
        }
    }
    tally.close(sheet.finish())
}

/// The span without line ends and NULs at its end, a count and a byte order mark at its start;
/// empty when only blanks are left.
fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let record = &text[span.clone()];
    let end = record.trim_end_matches(['\r', '\n', '\0']).len();
    let mut start = 0;
    if record.starts_with('\u{feff}') {
        start = '\u{feff}'.len_utf8();
    }
    if let Some((_, prefix)) = record.as_bytes().get(start..end).and_then(count) {
        start += prefix;
    }
    if start >= end || record[start..end].trim().is_empty() {
        return span.start..span.start;
    }
    span.start + start..span.start + end
}

/// Puts a code on the row, if warnings are wanted at all.
pub fn warn(sheet: &mut Sheet<'_>, warnings: Slot, code: &'static str) {
    if warnings.wanted() {
        sheet.warn(sheet.row(), code);
    }
}
