//! CloudWatch Logs subscription envelopes, unwrapped in front of everything else: the messages of
//! `{"messageType":"DATA_MESSAGE","logEvents":[{"id","timestamp","message"},…]}` become lines.
//!
//! Source: CloudWatch Logs User Guide, *Real-time processing of log data with subscriptions*.
//! Envelopes stand one a line or right behind each other (Firehose), also pretty-printed.
//!
//! One log event is one line, so that it is counted once. A line end inside a message becomes a
//! blank where the message is JSON, which means the same there, and the two characters `\n`
//! elsewhere; the last line end of a message is dropped. A control message becomes an empty line:
//! counted, skipped. What is no envelope, or one larger than [`ENVELOPE_BYTES_MAX`], is handed on
//! as one line, for the parser to judge. An envelope that the input's end cuts is one reject.
//!
//! Bytes that are no UTF-8 reach the parser as they are, so that it can tell.
//!
//! What is not here: the log group and stream names, ids and times of the envelope, which are
//! dropped; records are read by what they say themselves.

use crate::json_records::{get, get_string};
use crate::json_scan::{self, Kind, Member, Scanner};
use crate::sniff::first_object;
use std::borrow::Cow;

/// Largest envelope, unpacked. The vendor packs up to 1 MB compressed into one.
pub const ENVELOPE_BYTES_MAX: usize = 16 << 20;
/// Kept of an envelope that is too large.
const KEPT_BYTES: usize = 64 * 1024;
/// Most keys of an envelope, and levels: vendors write far fewer.
const MEMBERS_MAX: usize = 300_000;
const DEPTH_MAX: usize = 16;
/// What the beginning of an envelope always holds.
const MARK: &[u8] = b"\"messageType\"";

/// Whether an input that begins with `head` is made of envelopes.
pub fn recognises(head: &[u8]) -> bool {
    let visible = head.iter().find(|b| !b.is_ascii_whitespace());
    if !matches!(visible, Some(b'{' | b'[')) {
        return false;
    }
    let head = first_object(head);
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    has(MARK) && has(b"\"logEvents\"") && (has(b"\"DATA_MESSAGE\"") || has(b"\"CONTROL_MESSAGE\""))
}

/// Turns bytes of envelopes into bytes of lines. Memory: one envelope, and its lines.
#[derive(Default)]
pub struct Unwrapper {
    input: Vec<u8>,
    output: Vec<u8>,
    /// Bytes of `output` already taken.
    taken: usize,
    /// No complete envelope is in fewer bytes of input: each byte is looked at a few times only.
    look_at: usize,
    /// Inside an envelope that is too large.
    skipping: bool,
    members: Vec<Member>,
    event: Vec<Member>,
}

impl Unwrapper {
    /// Takes input.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        if self.input.len() >= self.look_at {
            self.work();
        }
    }

    /// The input has ended. Says whether inside an envelope: the beginning of that goes out
    /// without a line end.
    pub fn end(&mut self) -> bool {
        self.work();
        let rest = std::mem::take(&mut self.input);
        let rest = separators(&rest);
        if self.skipping || rest.is_empty() {
            return false;
        }
        self.one_line(&rest[..rest.len().min(KEPT_BYTES)]);
        self.output.pop();
        true
    }

    /// Moves output into `out`; gives back how much.
    pub fn take(&mut self, out: &mut [u8]) -> usize {
        let count = out.len().min(self.output.len() - self.taken);
        out[..count].copy_from_slice(&self.output[self.taken..self.taken + count]);
        self.taken += count;
        if self.taken == self.output.len() {
            self.output.clear();
            self.taken = 0;
        }
        count
    }

    fn work(&mut self) {
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        if self.skipping {
            let Some(mark) = memchr::memmem::find(&input, MARK) else {
                let keep = input.len().saturating_sub(MARK.len());
                self.input = input[keep..].to_vec();
                return;
            };
            at = input[..mark].iter().rposition(|&b| b == b'{').unwrap_or(mark);
            self.skipping = false;
        }
        while let Some(found) = json_scan::next_object(&input, at) {
            let Some(end) = found.end else { break };
            let between = separators(&input[at..found.start]);
            if !between.is_empty() {
                self.one_line(between);
            }
            self.envelope(&input[found.start..end]);
            at = end;
        }
        if input.len() - at > ENVELOPE_BYTES_MAX {
            self.one_line(&input[at..at + KEPT_BYTES]);
            self.skipping = true;
            at = input.len();
        }
        self.input = input;
        self.input.drain(..at);
        self.look_at = self.input.len() * 2;
    }

    /// Writes the messages of one envelope.
    fn envelope(&mut self, bytes: &[u8]) {
        let mut members = std::mem::take(&mut self.members);
        if self.messages(bytes, &mut members).is_none() {
            self.one_line(bytes);
        }
        self.members = members;
    }

    /// `None` when it is no envelope, and nothing was written.
    fn messages(&mut self, bytes: &[u8], members: &mut Vec<Member>) -> Option<()> {
        let text = carried(bytes);
        let carries = matches!(text, Cow::Owned(_));
        let text = &*text;
        Scanner::new(text, 0, DEPTH_MAX, MEMBERS_MAX)
            .object(members)
            .ok()?;
        let kind = get_string(text, members, "messageType")?;
        if kind == "CONTROL_MESSAGE" {
            self.output.push(b'\n');
            return Some(());
        }
        let list = get(text, members, "logEvents").filter(|list| list.kind == Kind::Array)?;
        let list = &text[list.span.clone()];
        let mut event = std::mem::take(&mut self.event);
        let mut at = 0;
        while let Some(found) = json_scan::next_object(list.as_bytes(), at) {
            at = found.end.unwrap_or(list.len());
            let read = Scanner::new(list, found.start, DEPTH_MAX, MEMBERS_MAX).object(&mut event);
            let message = read.ok().and_then(|()| get_string(list, &event, "message"));
            match message {
                Some(message) => self.one_message(&message, carries),
                None => self.one_message(&list[found.start..at], carries),
            }
        }
        self.event = event;
        Some(())
    }

    /// Writes `record` as one line.
    fn one_line(&mut self, record: &[u8]) {
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let record = record.strip_suffix(b"\r").unwrap_or(record);
        let json = matches!(record.trim_ascii_start().first(), Some(b'{' | b'['));
        let mut at = 0;
        for end in memchr::memchr2_iter(b'\n', b'\r', record) {
            self.output.extend_from_slice(&record[at..end]);
            at = end + 1;
            match (json, record[end]) {
                (true, _) => self.output.push(b' '),
                (false, b'\n') => self.output.extend_from_slice(b"\\n"),
                (false, _) => self.output.extend_from_slice(b"\\r"),
            }
        }
        self.output.extend_from_slice(&record[at..]);
        self.output.push(b'\n');
    }

    /// Writes a text of an envelope as one line; of one that is no UTF-8, with the bytes as they came.
    fn one_message(&mut self, message: &str, carries: bool) {
        if carries && message.contains(|c| carried_byte(c).is_some()) {
            let mut bytes = Vec::with_capacity(message.len());
            for c in message.chars() {
                match carried_byte(c) {
                    Some(byte) => bytes.push(byte),
                    None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            self.one_line(&bytes);
        } else {
            self.one_line(message.as_bytes());
        }
    }
}

/// The last private-use characters of Unicode stand for bytes 80 to FF while an envelope that is no
/// UTF-8 is taken apart. One that was sent there becomes such a byte, which only earns a warning.
const CARRIERS: u32 = 0x10_FF00;

/// The text, with a carrier for each byte that is no UTF-8.
fn carried(bytes: &[u8]) -> Cow<'_, str> {
    let whole = std::str::from_utf8(bytes);
    if let Ok(text) = whole {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 64);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let broken = chunk.invalid().iter();
        text.extend(broken.filter_map(|&byte| char::from_u32(CARRIERS + u32::from(byte))));
    }
    Cow::Owned(text)
}

/// The byte a carrier stands for.
fn carried_byte(c: char) -> Option<u8> {
    let code = u32::from(c).checked_sub(CARRIERS)?;
    u8::try_from(code).ok().filter(|byte| *byte >= 0x80)
}

/// What stands between envelopes, without what may.
fn separators(bytes: &[u8]) -> &[u8] {
    let is_one = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b'[' | b']');
    let start = bytes.iter().position(|b| !is_one(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !is_one(b)).map_or(start, |at| at + 1);
    &bytes[start..end]
}
