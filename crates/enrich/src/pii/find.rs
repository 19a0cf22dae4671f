//! Personal data in free text: where it is and what it is.
//!
//! Found: resident registration numbers, payment cards, phone numbers, e-mail addresses, secrets
//! (tokens, keys, passwords), IP addresses. Numbers with a check digit must have it right, so that
//! order numbers and timestamps stay; a resident number written with its dash needs only a date
//! that exists, since numbers given out since October 2020 have no check digit (주민등록법 시행규칙,
//! amended 2020-05). Text is looked at as people encode it: see [`super::decoded`].

use super::decoded::Decoded;
use regex::bytes::Regex;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::OnceLock;

/// What a stretch of text gives away. The order is the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Tokens, keys, passwords, session ids.
    Secret,
    /// Korean resident or foreigner registration number.
    ResidentNumber,
    /// Payment card number.
    Card,
    Email,
    Phone,
    Address,
}

/// A stretch of the text as it is written (not decoded), without the name or the mark before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub span: Range<usize>,
    pub kind: Kind,
    /// The value with its encoding undone; what a keyed hash is made of.
    pub value: String,
}

struct Patterns {
    secret: Regex,
    named: Regex,
    resident: Regex,
    card: Regex,
    email: Regex,
    phone: Regex,
    address: Regex,
}

fn patterns() -> &'static Patterns {
    static PATTERNS: OnceLock<Patterns> = OnceLock::new();
    let regex = |text: &str| Regex::new(text).expect("the pattern is fixed and tested");
    PATTERNS.get_or_init(|| Patterns {
        // JSON Web Tokens (RFC 7519), vendors' documented key shapes, HTTP credentials.
        secret: regex(
            r"(?-u)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bsk_(?:live|test)_[A-Za-z0-9]{8,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|(?i:\b(?:bearer|basic) +)[A-Za-z0-9._~+/-]{8,}=*",
        ),
        named: regex(
            r#"(?i-u)(?:^|[?&;\s"'{,\[_.-])(?:access_?token|id_?token|refresh_?token|auth_?token|csrf_?token|token|auth|authorization|api_?key|x-api-key|access_?key|secret(?:_?key)?|client_?secret|passw(?:or)?d|passwd|pwd|pass|pin|otp|session_?(?:id|key|token)?|sess|sid|jsessionid|phpsessid|asp\.net_sessionid|connect\.sid|signature|sig|x-amz-(?:signature|security-token|credential))[\\"']*\s*[=:]\s*[\\"']*([^&;\s\\"',}\]]{3,})"#,
        ),
        resident: regex(r"(?-u)([0-9]{6})([ -]?)([1-8][0-9]{6})"),
        card: regex(r"(?-u)[34569][0-9]{3}(?:[ +-]?[0-9]{2,6}){2,4}"),
        email: regex(r"(?-u)[A-Za-z0-9._+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+[A-Za-z]{2,24}"),
        phone: regex(
            r"(?-u)01[016789][ .-]?[0-9]{3,4}[ .-]?[0-9]{4}|0(?:2|[3-6][0-9]|70|80)[ .-][0-9]{3,4}[ .-][0-9]{4}|\+[1-9][0-9]{0,2}[ .-]?\(?[0-9]{1,4}\)?(?:[ .-]?[0-9]{2,4}){2,4}",
        ),
        address: regex(
            r"(?-u)[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?i:[0-9a-f]{1,4}:){2,7}(?i::?[0-9a-f]{1,4})+|(?i:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)::(?i:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?",
        ),
    })
}

/// Which kinds are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Everything but addresses.
    pub personal: bool,
    pub addresses: bool,
}

/// Whether the text can hold anything: one pass, most log fields end here.
fn may_hold(text: &str, wanted: Wanted) -> bool {
    let (mut digits, mut marks) = (0u32, false);
    for byte in text.bytes() {
        digits += u32::from(byte.is_ascii_digit());
        marks |= matches!(byte, b'@' | b'=' | b'%' | b'"' | b':');
    }
    (wanted.personal && (marks || digits >= 9 || text.len() >= 19))
        || (wanted.addresses && (digits >= 4 || marks))
}

/// Everything found, in order, without overlaps: the kind that stands first in [`Kind`] wins.
pub fn find(text: &str, wanted: Wanted) -> Vec<Found> {
    if !may_hold(text, wanted) {
        return Vec::new();
    }
    let decoded = Decoded::of(text);
    let mut hits: Vec<(Kind, Range<usize>)> = Vec::new();
    if wanted.personal {
        personal(&decoded.bytes, &mut hits);
    }
    if wanted.addresses {
        addresses(&decoded.bytes, &mut hits);
    }
    hits.sort_by_key(|(kind, span)| (*kind, span.start));
    let mut taken: Vec<Found> = Vec::new();
    for (kind, span) in hits {
        let source = decoded.source(&span);
        if taken
            .iter()
            .all(|t| t.span.end <= source.start || source.end <= t.span.start)
        {
            let value = String::from_utf8_lossy(&decoded.bytes[span]).into_owned();
            taken.push(Found {
                span: source,
                kind,
                value,
            });
        }
    }
    taken.sort_by_key(|found| found.span.start);
    taken
}

fn addresses(bytes: &[u8], hits: &mut Vec<(Kind, Range<usize>)>) {
    let mut from = 0;
    while let Some(found) = patterns().address.find_at(bytes, from) {
        from = found.end();
        match address_in(bytes, found.range()) {
            Some(span) => hits.push((Kind::Address, span)),
            // Behind the last colon a v4 may begin whose first number was taken for a group of v6.
            None => {
                let colon = found.as_bytes().iter().rposition(|b| *b == b':');
                from = colon.map_or(from, |at| found.start() + at + 1);
            }
        }
    }
}

/// The address in a match, without the port that may stand behind a colon.
fn address_in(bytes: &[u8], mut span: Range<usize>) -> Option<Range<usize>> {
    let parsed = |span: &Range<usize>| -> Option<IpAddr> {
        std::str::from_utf8(&bytes[span.clone()]).ok()?.parse().ok()
    };
    // Further groups and digits make it something else; a colon before v4 is that of `::ffff:`, one
    // behind it that of a port, and a full stop may end a sentence.
    let digit_at = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let before = span.start.checked_sub(1).map(|at| bytes[at]);
    let after = bytes.get(span.end).copied();
    let dotted = (before == Some(b'.') && digit_at(span.start.checked_sub(2)))
        || (after == Some(b'.') && digit_at(Some(span.end + 1)));
    if dotted {
        return None;
    }
    if let Some(IpAddr::V4(v4)) = parsed(&span) {
        // `Chrome/131.0.0.0`: nobody's address.
        let a_version = v4.octets()[1..] == [0, 0, 0];
        let longer = digit_at(span.start.checked_sub(1)) || digit_at(Some(span.end));
        return (!a_version && !longer).then_some(span);
    }
    let belongs = |b: u8| b.is_ascii_alphanumeric() || b == b':';
    if before.is_some_and(belongs) || after.is_some_and(belongs) {
        return None;
    }
    if parsed(&span).is_none() {
        span.end = span.start + bytes[span.clone()].iter().rposition(|b| *b == b':')?;
    }
    parsed(&span).map(|_| span)
}

fn personal(bytes: &[u8], hits: &mut Vec<(Kind, Range<usize>)>) {
    let patterns = patterns();
    hits.extend(
        patterns
            .secret
            .find_iter(bytes)
            .map(|m| (Kind::Secret, m.range())),
    );
    let named = patterns
        .named
        .captures_iter(bytes)
        .filter_map(|c| c.get(1))
        .map(|m| m.range());
    hits.extend(
        named
            .filter(|span| !is_masked(bytes, span))
            .map(|span| (Kind::Secret, span)),
    );
    let digit = |b: u8| b.is_ascii_digit();
    each(&patterns.resident, bytes, |span| {
        if alone(bytes, span, digit) && is_resident_number(&bytes[span.clone()]) {
            hits.push((Kind::ResidentNumber, span.clone()));
            return true;
        }
        false
    });
    each(&patterns.card, bytes, |span| {
        let fits = alone(bytes, span, digit) && is_card(&bytes[span.clone()]);
        if fits {
            hits.push((Kind::Card, span.clone()));
        }
        fits
    });
    hits.extend(patterns.email.find_iter(bytes).map(|m| (Kind::Email, m.range())));
    each(&patterns.phone, bytes, |span| {
        let fits = alone(bytes, span, digit);
        if fits {
            hits.push((Kind::Phone, span.clone()));
        }
        fits
    });
}

/// Shows every match to `take`; one that is not taken gives way to a match that begins later.
fn each(regex: &Regex, bytes: &[u8], mut take: impl FnMut(&Range<usize>) -> bool) {
    // A run of digits longer than any number is no number: skipped whole, so that the work stays
    // linear.
    let mut at = 0;
    while let Some(found) = regex.find_at(bytes, at) {
        let span = found.range();
        at = if take(&span) {
            span.end
        } else {
            let run = bytes[span.start..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count();
            span.start + run.max(1)
        };
        if at >= bytes.len() {
            return;
        }
    }
}

/// Whether nothing that could belong to the match stands around it.
fn alone(bytes: &[u8], span: &Range<usize>, belongs: impl Fn(u8) -> bool) -> bool {
    let before = span.start.checked_sub(1).map(|at| bytes[at]);
    let after = bytes.get(span.end).copied();
    !before.is_some_and(&belongs) && !after.is_some_and(&belongs)
}

/// Something this module wrote itself.
fn is_masked(bytes: &[u8], span: &Range<usize>) -> bool {
    bytes[span.start] == b'[' || (span.start > 0 && bytes[span.start - 1] == b'[')
}

fn digits_of(bytes: &[u8]) -> Vec<u32> {
    bytes
        .iter()
        .filter(|b| b.is_ascii_digit())
        .map(|b| u32::from(b - b'0'))
        .collect()
}

/// Last two digits of the latest year of birth that is believed.
const RECENT_YEAR_MAX: u32 = 40;

/// 6 digits of a date of birth, a digit for century and sex, 6 more.
fn is_resident_number(bytes: &[u8]) -> bool {
    let d = digits_of(bytes);
    if d.len() != 13 {
        return false;
    }
    let (year, month, day) = (d[0] * 10 + d[1], d[2] * 10 + d[3], d[4] * 10 + d[5]);
    let last = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    // 3, 4, 7 and 8 stand for births from 2000 on.
    let recent = matches!(d[6], 3 | 4 | 7 | 8);
    if !(1..=last).contains(&day) || (recent && year > RECENT_YEAR_MAX) {
        return false;
    }
    let weights = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5];
    let sum: u32 = d.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
    let korean = (11 - sum % 11) % 10;
    let foreign = (13 - sum % 11) % 10;
    let right = d[12] == if d[6] >= 5 { foreign } else { korean };
    let without_check_digit = recent && (year, month) >= (20, 10);
    let dashed = bytes.contains(&b'-');
    right || dashed || without_check_digit
}

/// 13 to 19 digits, as many as the issuer's first digit allows, with a right check digit.
///
/// Source: ISO/IEC 7812-1, Annex B (Luhn formula).
fn is_card(bytes: &[u8]) -> bool {
    let d = digits_of(bytes);
    let lengths = match d[0] {
        4 => [13, 16, 19].contains(&d.len()),
        3 => (14..=16).contains(&d.len()),
        // Cards that are good in Korea only.
        9 => d.len() == 16,
        _ => (16..=19).contains(&d.len()),
    };
    if !lengths || d.iter().all(|digit| *digit == d[0]) {
        return false;
    }
    let sum: u32 = d
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2 == 1, digit * 2) {
            (true, doubled) if doubled > 9 => doubled - 9,
            (true, doubled) => doubled,
            (false, _) => *digit,
        })
        .sum();
    sum.is_multiple_of(10)
}
