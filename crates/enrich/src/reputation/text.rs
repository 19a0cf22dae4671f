//! Lists of one entry a line: FireHOL netsets, Spamhaus DROP (text), plain lists.

use super::source::Intake;

/// What may stand after the entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// A `#` comment at most.
    Nothing,
    /// A `;` or `#` comment at most.
    Comment,
    /// Further words, e.g. the number of lists in IPsum.
    Anything,
}

pub(super) fn read(intake: &mut Intake, bytes: &[u8], rest: Rest) {
    let verdict = intake.verdict(None, None);
    each_line(intake, bytes, |intake, number, line| {
        let entry = match rest {
            Rest::Nothing => line.split('#').next(),
            Rest::Comment | Rest::Anything => line.split(['#', ';']).next(),
        };
        let entry = entry.unwrap_or(line).trim();
        let entry = match rest {
            Rest::Anything => leading(entry),
            _ => entry,
        };
        intake.take(number, entry, verdict);
    });
}

/// The entry that a line begins with: its first word, or `a - b`.
fn leading(line: &str) -> &str {
    let mut words = line.split([' ', '\t', ',']).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or(line);
    match (words.next(), words.next()) {
        (Some("-"), Some(last)) => {
            let end = last.as_ptr() as usize - line.as_ptr() as usize + last.len();
            &line[..end]
        }
        _ => first,
    }
}

pub(super) fn is_comment(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'#' | b';')) || line.starts_with(b"//")
}

/// Calls `each` with number (from 1) and trimmed text of every line that has content and is no
/// comment. A line that is not UTF-8 is bad.
pub(super) fn each_line(intake: &mut Intake, bytes: &[u8], mut each: impl FnMut(&mut Intake, u64, &str)) {
    for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() || is_comment(line) {
            continue;
        }
        match std::str::from_utf8(line) {
            Ok(line) => each(intake, number, line),
            Err(_) => intake.bad(
                number,
                "not UTF-8",
                &String::from_utf8_lossy(&line[..line.len().min(80)]),
            ),
        }
    }
}
