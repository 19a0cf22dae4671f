//! The header of a syslog line: RFC 5424, RFC 3164, and what devices make of it.
//!
//! Source: RFC 5424 §6, RFC 3164 §4, Cisco IOS and ASA message forms. The two RFCs are told apart
//! by the version behind the priority *and* a time in the right shape behind that, since a Cisco
//! sequence number may stand there too. Everything may be missing: what has neither priority nor
//! time is no syslog.

use crate::stamp::{self, Calendar};
use haetae_event::net::parse_address;
use std::ops::Range;

/// Priority of a line without one: user.notice (RFC 3164 §4.3.3).
pub const DEFAULT_PRIORITY: u8 = 13;
/// Warning of a number in `<…>` that is no priority; the line counts as having none.
pub const BAD_PRIORITY: &str = "bad_priority";
/// Warning of structured data that has no end; it stays in the message.
pub const BAD_STRUCTURED_DATA: &str = "bad_structured_data";
/// Warning of a clock in a zone whose name is not known; taken as the local one.
pub const UNKNOWN_TIMEZONE: &str = "unknown_timezone";

/// Longest tag, name or process id that is looked for.
const TAG_BYTES_MAX: usize = 128;

/// Where the parts of a line lie. NILVALUEs are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    pub priority: Option<u8>,
    pub version: Option<i32>,
    /// µs since the epoch.
    pub ts: Option<i64>,
    pub hostname: Option<Range<usize>>,
    pub appname: Option<Range<usize>>,
    pub procid: Option<Range<usize>>,
    pub msgid: Option<Range<usize>>,
    /// All elements, with their brackets.
    pub structured_data: Option<Range<usize>>,
    pub message: Range<usize>,
    pub warning: Option<&'static str>,
}

impl Header {
    /// Whether anything of the line is syslog.
    pub fn is_syslog(&self) -> bool {
        self.priority.is_some() || self.ts.is_some()
    }
}

/// Reads the header of the line at `span`.
pub fn read(bytes: &[u8], span: Range<usize>, calendar: &Calendar) -> Header {
    let mut cursor = Cursor {
        bytes,
        at: span.start,
        end: span.end,
    };
    let mut header = Header::default();
    cursor.priority(&mut header);
    let body = cursor.at;
    if header.priority.is_none() || !cursor.rfc5424(&mut header, calendar) {
        cursor.at = body;
        cursor.rfc3164(&mut header, calendar);
    }
    if bytes[cursor.at..cursor.end].starts_with(b"\xef\xbb\xbf") {
        cursor.at += 3;
    }
    let message = bytes[cursor.at..cursor.end].trim_ascii_end();
    header.message = cursor.at..cursor.at + message.len();
    header
}

struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
    end: usize,
}

/// Text before a message: `name[process]:`.
struct Tag {
    name: Range<usize>,
    process: Option<Range<usize>>,
    /// Behind it and its colon.
    end: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..self.end]
    }

    fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().iter().take_while(|&&b| b == b' ').count();
    }

    /// The word at the cursor, up to a space, without moving.
    fn word(&self) -> Range<usize> {
        let length = memchr::memchr(b' ', self.rest()).unwrap_or(self.end - self.at);
        self.at..self.at + length
    }

    /// Takes the word at the cursor and one space behind it; `None` for `-` and for nothing.
    fn take_value(&mut self) -> Option<Range<usize>> {
        let word = self.word();
        self.at = word.end;
        if self.peek() == Some(b' ') {
            self.at += 1;
        }
        (!word.is_empty() && self.bytes[word.clone()] != *b"-").then_some(word)
    }

    /// `<34>`; the cursor moves behind it, also when the number is too large to be one.
    fn priority(&mut self, header: &mut Header) {
        let rest = self.rest();
        let digits = rest
            .iter()
            .skip(1)
            .take(4)
            .take_while(|b| b.is_ascii_digit())
            .count();
        if rest.first() != Some(&b'<') || digits == 0 || rest.get(1 + digits) != Some(&b'>') {
            return;
        }
        let value = rest[1..=digits]
            .iter()
            .fold(0u32, |sum, b| sum * 10 + u32::from(b - b'0'));
        self.at += digits + 2;
        match u8::try_from(value) {
            Ok(value @ 0..=191) => header.priority = Some(value),
            _ => {
                header.priority = Some(DEFAULT_PRIORITY);
                header.warning = Some(BAD_PRIORITY);
            }
        }
    }

    /// Everything behind the priority of RFC 5424; `false` when the line is not of that kind.
    fn rfc5424(&mut self, header: &mut Header, calendar: &Calendar) -> bool {
        let rest = self.rest();
        let digits = rest.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || rest[0] == b'0' || rest.get(digits) != Some(&b' ') {
            return false;
        }
        let version = rest[..digits]
            .iter()
            .fold(0, |sum, b| sum * 10 + i32::from(b - b'0'));
        self.at += digits + 1;
        let word = self.word();
        let time = &self.bytes[word.clone()];
        let nil = time == b"-";
        let stamp = stamp::iso(time)
            .filter(|stamp| stamp.len == time.len())
            .and_then(|stamp| calendar.at(stamp));
        if !nil && stamp.is_none() {
            return self.epoch_first(header, version, &word);
        }
        header.version = Some(version);
        header.ts = stamp;
        self.take_value();
        header.hostname = self.take_value();
        header.appname = self.take_value();
        header.procid = self.take_value();
        header.msgid = self.take_value();
        self.structured_data(header);
        true
    }

    /// Meraki's `1 1563249630.774247467 name message`.
    fn epoch_first(&mut self, header: &mut Header, version: i32, word: &Range<usize>) -> bool {
        let time = &self.bytes[word.clone()];
        let shaped = (10..=20).contains(&time.len())
            && time[..10].iter().all(u8::is_ascii_digit)
            && matches!(time.get(10), None | Some(b'.'));
        let Some(seconds) = shaped.then(|| crate::scalar::decimal(time)).flatten() else {
            return false;
        };
        header.version = Some(version);
        header.ts = crate::scalar::epoch_us(seconds);
        self.take_value();
        header.hostname = self.take_value();
        true
    }

    /// `-` or elements, and the space before the message.
    fn structured_data(&mut self, header: &mut Header) {
        match self.peek() {
            Some(b'[') => match elements_end(self.bytes, self.at, self.end) {
                Some(end) => {
                    header.structured_data = Some(self.at..end);
                    self.at = end;
                }
                None => {
                    header.warning = Some(BAD_STRUCTURED_DATA);
                    return;
                }
            },
            Some(b'-') if matches!(self.rest().get(1), None | Some(b' ')) => self.at += 1,
            // Some senders leave it out: what follows is the message.
            _ => return,
        }
        if self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Time, host and tag of RFC 3164, each of which may be missing.
    fn rfc3164(&mut self, header: &mut Header, calendar: &Calendar) {
        let body = self.at;
        let origin = self.cisco_prefix();
        match self.time(calendar, header) {
            // A clock followed by a colon: Cisco, without a host.
            Some(true) => header.hostname = origin,
            Some(false) => {
                self.host(header);
                header.hostname = header.hostname.clone().or(origin);
            }
            None => self.at = body,
        }
        self.skip_spaces();
        self.tag(header);
    }

    /// `45: `, `name: 45: `, `address 45: ` and a mark `*` or `.` before the time; gives back the name. The cursor
    /// only moves when a time follows.
    fn cisco_prefix(&mut self) -> Option<Range<usize>> {
        let (start, mut origin) = (self.at, None);
        for _ in 0..4 {
            self.skip_spaces();
            if matches!(self.peek(), Some(b'*' | b'.')) {
                self.at += 1;
            }
            if stamp::iso(self.rest()).is_some() || stamp::month_first(self.rest()).is_some() {
                return origin;
            }
            let word = self.word();
            let [name @ .., b':'] = &self.bytes[word.clone()] else {
                // A relay's `address 45: `: a blank in the place of the first colon.
                let sender = std::str::from_utf8(&self.bytes[word.clone()]).ok();
                if word.start == start && sender.is_some_and(|text| parse_address(text).is_some()) {
                    origin = Some(word.clone());
                    self.at = word.end;
                    continue;
                }
                break;
            };
            if name.is_empty() || name.len() > TAG_BYTES_MAX {
                break;
            }
            if !name.iter().all(u8::is_ascii_digit) {
                origin = Some(word.start..word.end - 1);
            }
            self.at = word.end;
        }
        self.at = start;
        None
    }

    /// The time at the cursor; tells whether a colon ended it. `None` when there is none.
    fn time(&mut self, calendar: &Calendar, header: &mut Header) -> Option<bool> {
        if let Some(stamp) = stamp::iso(self.rest()) {
            header.ts = Some(calendar.at(stamp)?);
            self.at += stamp.len;
        } else {
            let partial = stamp::month_first(self.rest())?;
            let (offset, zone) = zone(&self.rest()[partial.len..], header);
            header.ts = Some(calendar.instant(&partial, offset)?);
            self.at += partial.len + zone;
        }
        let colon = self.peek() == Some(b':');
        if colon {
            self.at += 1;
        }
        self.skip_spaces();
        Some(colon)
    }

    /// The host, unless the word at the cursor is a tag already.
    fn host(&mut self, header: &mut Header) {
        let word = self.word();
        let text = &self.bytes[word.clone()];
        if !text
            .first()
            .is_some_and(|&b| b.is_ascii_alphanumeric() || b == b':' || b >= 0x80)
        {
            return;
        }
        let behind = &self.bytes[word.end..self.end];
        let behind = &behind[behind.iter().take_while(|&&b| b == b' ').count()..];
        // ASA: `name: %ASA-…` and `name : %ASA-…`.
        if let [name @ .., b':'] = text
            && behind.starts_with(b"%")
            && !name.is_empty()
        {
            header.hostname = Some(word.start..word.end - 1);
            self.at = word.end;
            return;
        }
        if find_tag(self.bytes, self.at, self.end).is_some() {
            return;
        }
        header.hostname = Some(word.clone());
        self.at = word.end;
        self.skip_spaces();
        if self.rest().starts_with(b": ") {
            self.at += 2;
            self.skip_spaces();
        }
    }

    fn tag(&mut self, header: &mut Header) {
        let tag = find_tag(self.bytes, self.at, self.end)
            .or_else(|| find_versioned_tag(self.bytes, self.at, self.end));
        let Some(tag) = tag else {
            return;
        };
        self.at = tag.end;
        if self.peek() == Some(b' ') {
            self.at += 1;
        }
        header.procid = tag.process;
        if self.bytes[tag.name.start] == b'%' {
            // `%ASA-6-302013`: the facility is who speaks, the whole names the message.
            let name = tag.name.start + 1..tag.name.end;
            let facility = memchr::memchr(b'-', &self.bytes[name.clone()]).unwrap_or(name.len());
            header.appname = Some(name.start..name.start + facility);
            header.msgid = Some(name);
        } else {
            header.appname = Some(tag.name);
        }
    }
}

/// A zone behind a time of Cisco's, which a colon ends, or a numeric one: seconds ahead of UTC,
/// `None` for the local one, and the bytes it takes.
fn zone(bytes: &[u8], header: &mut Header) -> (Option<i64>, usize) {
    let numeric = |bytes| stamp::numeric_zone(bytes).map(|(offset, len)| (Some(offset), len));
    let Some(rest) = bytes.strip_prefix(b" ") else {
        return numeric(bytes).unwrap_or((None, 0));
    };
    if matches!(rest.first(), Some(b'+' | b'-'))
        && let Some((offset, len)) = numeric(rest)
    {
        return (offset, len + 1);
    }
    let letters = rest.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count();
    if letters < 3 || rest.get(letters) != Some(&b':') {
        return (None, 0);
    }
    let offset = stamp::named_zone(rest).map(|(offset, _)| offset);
    if offset.is_none() {
        header.warning = Some(UNKNOWN_TIMEZONE);
    }
    (offset, letters + 1)
}

/// The tag at `at`: graphic characters up to `:`, with a process id in brackets or without.
fn find_tag(bytes: &[u8], at: usize, end: usize) -> Option<Tag> {
    let limit = end.min(at + TAG_BYTES_MAX);
    let length = bytes[at..limit]
        .iter()
        .position(|&b| b <= b' ' || matches!(b, b':' | b'[' | b'{' | b'"' | b'='))?;
    let stop = at + length;
    if length == 0 {
        return None;
    }
    let name = at..stop;
    match bytes[stop] {
        b':' => {
            let free = matches!(bytes[..end].get(stop + 1), None | Some(b' ' | b'\t')) || bytes[at] == b'%';
            free.then_some(Tag {
                name,
                process: None,
                end: stop + 1,
            })
        }
        b'[' => {
            let limit = end.min(stop + TAG_BYTES_MAX);
            let close = stop + bytes[stop..limit].iter().position(|&b| b == b']' || b == b' ')?;
            if bytes[close] != b']' {
                return None;
            }
            let end = match bytes[..end].get(close + 1) {
                Some(b':') => close + 2,
                None | Some(b' ') => close + 1,
                _ => return None,
            };
            let process = (close > stop + 1).then_some(stop + 1..close);
            Some(Tag { name, process, end })
        }
        _ => None,
    }
}

/// The name of `syslogd 1.4.1: restart.`: a program that puts its version behind its name. The
/// version stays in the message (RFC 3164 §4.1.3: what is not alphanumeric ends the tag).
fn find_versioned_tag(bytes: &[u8], at: usize, end: usize) -> Option<Tag> {
    let line = &bytes[at..end.min(at + TAG_BYTES_MAX)];
    let length = line.iter().position(|b| !b.is_ascii_alphanumeric())?;
    let (name, version) = (at..at + length, line[length..].strip_prefix(b" ")?);
    let stop = version.iter().position(|b| !(b.is_ascii_digit() || *b == b'.'))?;
    // More points make an address.
    let points = memchr::memchr_iter(b'.', &version[..stop]).count();
    let whole = version[..stop].first()?.is_ascii_digit() && version[stop] == b':';
    (length > 0 && whole && (1..=2).contains(&points)).then_some(Tag {
        end: name.end,
        name,
        process: None,
    })
}

/// Where the elements at `at` end; `None` when the last one has no end. Inside values a backslash
/// takes the next character with it; anywhere else a bracket ends the element.
fn elements_end(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let mut at = at;
    while at < end && bytes[at] == b'[' {
        at += 1;
        loop {
            let found = at + memchr::memchr2(b'"', b']', &bytes[at..end])?;
            at = found + 1;
            if bytes[found] == b']' {
                break;
            }
            at = value_end(bytes, at, end)? + 1;
        }
    }
    Some(at)
}

/// The quote that ends the value at `at`.
fn value_end(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let mut at = at;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..end)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// One parameter of structured data, its value still escaped.
pub struct Parameter {
    /// Set on the first parameter of its element, and on an element's only entry when it has none.
    pub element: Option<Range<usize>>,
    pub name: Range<usize>,
    pub value: Range<usize>,
}

/// Calls `with` for each parameter, in order; an element without parameters has one call with an
/// empty name.
pub fn parameters(bytes: &[u8], span: Range<usize>, mut with: impl FnMut(Parameter)) {
    let (mut at, end) = (span.start, span.end);
    while at < end && bytes[at] == b'[' {
        let start = at + 1;
        let stop = |at: usize, ends: &[u8]| {
            bytes[at..end]
                .iter()
                .position(|b| ends.contains(b))
                .map_or(end, |found| at + found)
        };
        at = stop(start, b" ]\"");
        let mut element = Some(start..at);
        loop {
            while at < end && bytes[at] == b' ' {
                at += 1;
            }
            let name = at..stop(at, b"=]\" ");
            at = name.end;
            if bytes[..end].get(at) != Some(&b'=') || bytes[..end].get(at + 1) != Some(&b'"') {
                break;
            }
            let Some(close) = value_end(bytes, at + 2, end) else {
                return;
            };
            with(Parameter {
                element: element.take(),
                name,
                value: at + 2..close,
            });
            at = close + 1;
        }
        if element.is_some() {
            with(Parameter {
                element,
                name: start..start,
                value: start..start,
            });
        }
        // What is no parameter is passed over, as `elements_end` did.
        loop {
            at = stop(at, b"]\"") + 1;
            if at > end || bytes[at - 1] == b']' {
                break;
            }
            at = value_end(bytes, at, end).map_or(end, |close| close + 1);
        }
    }
}
