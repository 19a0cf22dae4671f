//! Path traversal and files that are nobody's business.
//!
//! A text is read as the paths in it: climbing, absolute paths of the system, hidden files,
//! copies and dumps, streams. Where the words stand matters: `/etc/` is a usual folder of sites,
//! `/etc/passwd` is not.

use super::evidence::Evidence;
use super::path_words as names;
use super::verdict::{Class, Place, Verdicts};

/// Judges a decoded text.
pub fn judge(place: Place, text: &str, verdicts: &mut Verdicts) {
    if matches!(place, Place::HeaderName) {
        return;
    }
    let bytes = text.as_bytes();
    let mut evidence = Evidence::new();
    if place == Place::Path {
        path(bytes, place, &mut evidence);
    } else {
        let is_edge = |b: &u8| *b <= b' ' || b"\"'`=<>|&(){},".contains(b);
        for word in bytes.split(is_edge).filter(|word| !word.is_empty()) {
            path(word, place, &mut evidence);
        }
        streams(text, &mut evidence);
    }
    if memchr::memchr(0, bytes).is_some() {
        evidence.add(0.55, "null byte");
    }
    obscured(bytes, &mut evidence);
    evidence.raise(Class::Lfi, verdicts);
}

/// Whether a plain path has nothing that [`judge`] would look at: no hidden or climbing segment,
/// no folder of systems, and a suffix that sites have.
pub fn is_ordinary(path: &[u8]) -> bool {
    let mut last = 0;
    for slash in memchr::memchr_iter(b'/', path) {
        let [one, two, three] = match path.get(slash + 1..slash + 4) {
            Some([one, two, three]) => [one | 0x20, two | 0x20, three | 0x20],
            _ => [0; 3],
        };
        let is_system = matches!(
            &[one, two, three],
            b"etc" | b"pro" | b"sys" | b"var" | b"usr" | b"win" | b"web" | b"met" | b"ine" | b"id_"
        );
        if path.get(slash + 1) == Some(&b'.') || is_system {
            return false;
        }
        last = slash + 1;
    }
    let name = &path[last..];
    if name.is_empty() {
        return true;
    }
    match memchr::memrchr(b'.', name) {
        Some(dot) => {
            memchr::memmem::find(name, b"..").is_none()
                && matches!(
                    &name[dot + 1..],
                    b"html"
                        | b"htm"
                        | b"css"
                        | b"png"
                        | b"jpg"
                        | b"jpeg"
                        | b"gif"
                        | b"svg"
                        | b"ico"
                        | b"webp"
                        | b"woff"
                        | b"woff2"
                        | b"ttf"
                        | b"do"
                        | b"jsp"
                        | b"aspx"
                        | b"pdf"
                        | b"mp4"
                        | b"mp3"
                        | b"txt"
                        | b"avif"
                        | b"m3u8"
                        | b"ts"
                        | b"rss"
                        | b"atom"
                )
        }
        None => !names::SENSITIVE.has(name),
    }
}

/// One path; in a [`Place::Path`] it is the path of the request itself.
fn path(word: &[u8], place: Place, evidence: &mut Evidence) {
    let in_path = place == Place::Path;
    let is_separator = |b: &u8| matches!(b, b'/' | b'\\');
    let absolute = word.first().is_some_and(is_separator)
        || word.get(1..3) == Some(b":\\")
        || word.get(1..3) == Some(b":/");
    let mut segments = word.split(is_separator).peekable();
    let mut depth = 0usize;
    let mut climbs = 0usize;
    let mut escaped = false;
    let mut before: &[u8] = b"";
    let mut index = 0usize;
    while let Some(raw) = segments.next() {
        let end = segments.peek().is_none();
        // Behind a `;` are parameters of the segment, which servers drop.
        let segment = raw.split(|b| *b == b';').next().unwrap_or(raw);
        if is_climb(segment, raw) && !(end && (index == 0 || in_path || raw.len() > segment.len())) {
            climbs += 1;
            escaped |= depth == 0 || raw.len() > segment.len();
            depth = depth.saturating_sub(1);
        } else if !segment.is_empty() {
            named(segment, before, place, index, absolute, end, evidence);
            depth += 1;
        }
        before = segment;
        index += 1;
    }
    match (climbs, in_path, escaped) {
        (0, ..) => {}
        (1, true, false) => evidence.add(0.2, "relative path"),
        (1, true, true) => evidence.add(0.55, "climbs above the root"),
        (1, false, false) => evidence.add(0.4, "relative path"),
        (1, false, true) => evidence.add(0.7, "climbs out of its folder"),
        _ => evidence.add(0.85, "climbs several folders"),
    }
}

/// `..`, also with the dots and spaces behind it that Windows drops, and `...` before a separator.
fn is_climb(segment: &[u8], raw: &[u8]) -> bool {
    let dots = segment.iter().take_while(|b| **b == b'.').count();
    let rest = &segment[dots..];
    (dots == 2 || dots == 3)
        && rest.iter().all(|b| *b <= b' ' || *b == b'.')
        && (dots == 2 || raw.len() == segment.len())
}

/// What the name of a file or folder says.
fn named(
    segment: &[u8],
    before: &[u8],
    place: Place,
    index: usize,
    absolute: bool,
    end: bool,
    evidence: &mut Evidence,
) {
    let in_path = place == Place::Path;
    if end && segment.len() > 4 && segment.ends_with(b"~") && segment.contains(&b'.') && segment.is_ascii() {
        evidence.add(0.5, "copy an editor left");
    }
    let segment = trimmed(segment);
    if segment.first() == Some(&b'.') {
        hidden(segment, before, in_path, index, end, evidence);
    }
    let at_root = absolute && index == 2 || before.starts_with(b"@fs");
    let system = (before.eq_ignore_ascii_case(b"etc") && names::ETC.has(segment))
        || (before.eq_ignore_ascii_case(b"proc")
            && (names::PROC.has(segment) || segment.iter().all(u8::is_ascii_digit) && !end))
        || (before.eq_ignore_ascii_case(b"sys") && names::SYS.has(segment));
    if system {
        evidence.add(0.85, "file of the operating system");
    } else if at_root
        && !in_path
        && (before.eq_ignore_ascii_case(b"etc") || before.eq_ignore_ascii_case(b"proc"))
    {
        evidence.add(0.6, "folder of the operating system");
    }
    if !in_path
        && absolute
        && index == 2
        && before.eq_ignore_ascii_case(b"tmp")
        && end
        && !segment.contains(&b'.')
    {
        evidence.add(0.55, "file among the temporary ones");
    }
    if before.eq_ignore_ascii_case(b"var")
        && [&b"log"[..], b"lib", b"spool", b"run"]
            .iter()
            .any(|known| segment.eq_ignore_ascii_case(known))
    {
        evidence.add(0.7, "folder of the operating system");
    }
    if before.eq_ignore_ascii_case(b"usr")
        && [&b"local"[..], b"bin", b"sbin", b"lib", b"etc"]
            .iter()
            .any(|known| segment.eq_ignore_ascii_case(known))
    {
        evidence.add(0.6, "folder of the operating system");
    }
    if names::WINDOWS.has(segment) && (index > 0 && !in_path || before.eq_ignore_ascii_case(b"windows")) {
        evidence.add(0.6, "folder of Windows");
    }
    if in_path && index == 1 && (segment == b"@fs" || segment == b"@id") {
        evidence.add(0.6, "files behind a development server");
    }
    if segment.eq_ignore_ascii_case(b"WEB-INF") || segment.eq_ignore_ascii_case(b"META-INF") {
        evidence.add(0.6, "folder servers keep to themselves");
    }
    if end {
        file(segment, place, evidence);
    } else if index > 0 && (segment.starts_with(b"id_rsa") || segment == b".ssh") {
        evidence.add(0.7, "keys");
    }
}

/// Without what shells and editors put behind a name.
fn trimmed(segment: &[u8]) -> &[u8] {
    let end = segment
        .iter()
        .rposition(|b| !matches!(b, 0..=b' ' | b'-' | b'~' | b'#' | b';' | b':'))
        .map_or(0, |at| at + 1);
    &segment[..end]
}

/// Names that begin with a dot.
fn hidden(segment: &[u8], before: &[u8], in_path: bool, index: usize, end: bool, evidence: &mut Evidence) {
    let letters = segment
        .iter()
        .skip(1)
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    if letters < 2 || !segment[1].is_ascii_alphabetic() || names::PUBLIC_DOT.has(segment) {
        return;
    }
    // `.env.local` is an `.env`.
    let stem = segment[1..]
        .iter()
        .position(|b| *b == b'.')
        .map_or(segment, |dot| &segment[..=dot]);
    // `file/.ext` in a value is a path too; alone, `.word` is how lists of suffixes look.
    let weight = match (in_path, index, end) {
        (true, ..) => 0.8,
        (false, 0, true) if names::SECRET_DOT.has(stem) => 0.6,
        (false, 0, true) => return,
        (false, 0, false) => 0.65,
        _ if before.is_empty() && index == 1 => 0.7,
        _ => 0.75,
    };
    evidence.add(weight, "hidden file");
}

/// Names of files, by what they are or what they end in.
fn file(segment: &[u8], place: Place, evidence: &mut Evidence) {
    if segment.len() > 2 && names::SENSITIVE.has(segment) {
        return evidence.add(0.7, "file with secrets or settings");
    }
    let mut suffixes = segment.rsplit(|b| *b == b'.');
    let (Some(last), Some(_)) = (suffixes.next(), suffixes.next()) else {
        return;
    };
    if last.is_empty() || last.len() > 8 {
        return;
    }
    if names::SUFFIX.has(last) {
        let sure = place == Place::Path || place == Place::FileName;
        return evidence.add(if sure { 0.6 } else { 0.5 }, "copy, dump or key");
    }
    if names::PACKED.has(last) {
        let stem = &segment[..segment.len() - last.len() - 1];
        let inner = stem.rsplit(|b| *b == b'.').next().unwrap_or(b"");
        if inner.len() < stem.len() && names::SUFFIX.has(inner) {
            evidence.add(0.65, "packed copy or dump");
        }
    }
}

/// `php://filter`, `file:///etc` and their like.
fn streams(text: &str, evidence: &mut Evidence) {
    let bytes = text.as_bytes();
    for at in memchr::memmem::find_iter(bytes, b"://") {
        let start = bytes[..at]
            .iter()
            .rposition(|b| !(b.is_ascii_alphanumeric() || *b == b'.'))
            .map_or(0, |before| before + 1);
        if names::STREAMS.has(&bytes[start..at]) {
            return evidence.add(0.8, "stream wrapper");
        }
    }
    let entity = memchr::memmem::find(bytes, b"<!ENTITY").is_some();
    if entity && (text.contains("SYSTEM") || text.contains("PUBLIC")) {
        evidence.add(0.8, "external entity");
    }
}

/// Dots and slashes written in ways that only filters are meant to miss.
fn obscured(bytes: &[u8], evidence: &mut Evidence) {
    // Runs of dots as whole folders, and slashes as numbers: some filters cut such things to `../`.
    let dotted = |dots: &[u8]| dots.len() >= 4 && dots.iter().all(|b| *b == b'.');
    if bytes.first() == Some(&b'/')
        && bytes.split(|b| matches!(b, b'/' | b'\\')).any(|part| {
            let dots = part.iter().take_while(|b| **b == b'.').count();
            dotted(&part[..dots]) && (dots >= 6 || dots == part.len())
        })
    {
        evidence.add(0.6, "runs of dots");
    }
    let has = |needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
    if has(b"..0x2f") || has(b"..0x5c") {
        evidence.add(0.75, "slashes written as numbers");
    }
    if has(b"0x2e") && (has(b"0x2f") || has(b"0x5c") || has(b"/") || has(b"\\")) {
        evidence.add(0.7, "dots written as numbers");
    }
    if has(b"__x00__") {
        evidence.add(0.55, "null byte");
    }
}
