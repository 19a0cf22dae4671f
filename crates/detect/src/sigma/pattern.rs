//! One value of a detection item, ready to be compared with text.

use regex::Regex;
use std::net::IpAddr;

/// A piece of a wildcard pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    /// `*`
    Any,
    /// `?`
    One,
    /// The sign before an option, however it is written: see [`DASHES`].
    Dash,
}

/// What begins an option on a command line of Windows.
pub const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// Lower case, letter by letter: what a part of a text becomes does not depend on its neighbours
/// (`str::to_lowercase` knows a final sigma), so parts can be sought in it.
pub fn lowered(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.chars().flat_map(char::to_lowercase).collect()
    }
}

/// A value with Sigma's wildcards and escapes undone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Glob(pub Vec<Piece>);

impl Glob {
    /// Reads `*`, `?` and the escapes `\*`, `\?`, `\\`; any other backslash is literal.
    pub fn parse(text: &str) -> Glob {
        let mut glob = Glob::default();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next_if(|next| matches!(next, '*' | '?' | '\\')) {
                    Some(escaped) => glob.push(escaped),
                    None => glob.push('\\'),
                },
                '*' => glob.any(),
                '?' => glob.0.push(Piece::One),
                other => glob.push(other),
            }
        }
        glob
    }

    /// A text in which nothing has a special meaning.
    pub fn literal(text: &str) -> Glob {
        if text.is_empty() {
            return Glob::default();
        }
        Glob(vec![Piece::Literal(text.into())])
    }

    /// The text, when there is no wildcard in it.
    pub fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Each `-` or `/` that begins a word, with no word before it, becomes any of [`DASHES`]: the
    /// place that `\B[-/]\b` finds.
    pub fn windash(self) -> Glob {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let mut glob = Glob::default();
        for piece in self.0 {
            let Piece::Literal(text) = piece else {
                glob.0.push(piece);
                continue;
            };
            let mut before = None;
            let mut rest = text.chars().peekable();
            let mut fresh = true;
            while let Some(c) = rest.next() {
                let dash = matches!(c, '-' | '/')
                    && !before.is_some_and(word)
                    && rest.peek().is_some_and(|next| word(*next));
                match (dash, fresh) {
                    (true, _) => glob.0.push(Piece::Dash),
                    // Literals of neighbouring pieces stay apart from each other.
                    (false, true) => glob.0.push(Piece::Literal(c.into())),
                    (false, false) => glob.push(c),
                }
                fresh = dash;
                before = Some(c);
            }
        }
        glob
    }

    fn push(&mut self, c: char) {
        match self.0.last_mut() {
            Some(Piece::Literal(text)) => text.push(c),
            _ => self.0.push(Piece::Literal(c.into())),
        }
    }

    fn any(&mut self) {
        if self.0.last() != Some(&Piece::Any) {
            self.0.push(Piece::Any);
        }
    }

    /// Lets anything follow.
    pub fn open_end(mut self) -> Glob {
        self.any();
        self
    }

    /// Lets anything stand before.
    pub fn open_start(mut self) -> Glob {
        if self.0.first() != Some(&Piece::Any) {
            self.0.insert(0, Piece::Any);
        }
        self
    }

    fn in_lower_case(self) -> Glob {
        let lower = |piece| match piece {
            Piece::Literal(text) => Piece::Literal(lowered(&text)),
            other => other,
        };
        Glob(self.0.into_iter().map(lower).collect())
    }

    /// The longest literal, which any matching text holds.
    fn seed(&self) -> Option<String> {
        self.0
            .iter()
            .filter_map(|piece| match piece {
                Piece::Literal(text) => Some(text.as_str()),
                _ => None,
            })
            .max_by_key(|text| text.len())
            .map(lowered)
    }
}

/// A CIDR block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    network: IpAddr,
    bits: u8,
}

impl Block {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or a single address.
    pub fn parse(text: &str) -> Option<Block> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().ok()?;
        let widest = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(widest);
        (bits <= widest).then_some(Block { network, bits })
    }

    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(a).checked_shr(shift) == u32::from(b).checked_shr(shift)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(a).checked_shr(shift) == u128::from(b).checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// How a text is compared. Lower-case variants expect lower-cased text.
#[derive(Clone, Debug)]
pub enum Matcher {
    Exact { text: String, cased: bool },
    Prefix { text: String, cased: bool },
    Suffix { text: String, cased: bool },
    Contains { text: String, cased: bool },
    Glob { glob: Glob, cased: bool },
    Regex(Regex),
    Cidr(Block),
}

/// Both spellings of one text: as logged, and lower-cased.
#[derive(Clone, Copy, Debug)]
pub struct Spelling<'a> {
    pub logged: &'a str,
    pub lower: &'a str,
}

impl Matcher {
    /// The cheapest matcher with the meaning of `glob`.
    pub fn of_glob(glob: Glob, cased: bool) -> Matcher {
        let glob = if cased { glob } else { glob.in_lower_case() };
        match glob.0.as_slice() {
            [] => Matcher::Exact {
                text: String::new(),
                cased,
            },
            [Piece::Literal(text)] => Matcher::Exact {
                text: text.clone(),
                cased,
            },
            [Piece::Any] => Matcher::Prefix {
                text: String::new(),
                cased,
            },
            [Piece::Literal(text), Piece::Any] => Matcher::Prefix {
                text: text.clone(),
                cased,
            },
            [Piece::Any, Piece::Literal(text)] => Matcher::Suffix {
                text: text.clone(),
                cased,
            },
            [Piece::Any, Piece::Literal(text), Piece::Any] => Matcher::Contains {
                text: text.clone(),
                cased,
            },
            _ => Matcher::Glob { glob, cased },
        }
    }

    pub fn matches(&self, spelling: Spelling<'_>) -> bool {
        let of = |cased: &bool| if *cased { spelling.logged } else { spelling.lower };
        match self {
            Matcher::Exact { text, cased } => of(cased) == text,
            Matcher::Prefix { text, cased } => of(cased).starts_with(text.as_str()),
            Matcher::Suffix { text, cased } => of(cased).ends_with(text.as_str()),
            Matcher::Contains { text, cased } => {
                memchr::memmem::find(of(cased).as_bytes(), text.as_bytes()).is_some()
            }
            Matcher::Glob { glob, cased } => glob_matches(&glob.0, of(cased)),
            Matcher::Regex(regex) => regex.is_match(spelling.logged),
            Matcher::Cidr(block) => spelling.logged.parse().is_ok_and(|address| block.holds(address)),
        }
    }

    /// Lower-case literals one of which is in every matching lower-cased text; `None` when
    /// there is none to look for.
    pub fn seeds(&self) -> Option<Vec<String>> {
        let one = |text: &str| (!text.is_empty()).then(|| vec![lowered(text)]);
        match self {
            Matcher::Exact { text, .. }
            | Matcher::Prefix { text, .. }
            | Matcher::Suffix { text, .. }
            | Matcher::Contains { text, .. } => one(text),
            Matcher::Glob { glob, .. } => glob.seed().map(|seed| vec![seed]),
            Matcher::Regex(regex) => regex_seeds(regex),
            Matcher::Cidr(_) => None,
        }
    }
}

/// Literals of which one begins (or ends) every match, lower-cased; `None` when they would be
/// so common that looking for them saves nothing.
fn regex_seeds(regex: &Regex) -> Option<Vec<String>> {
    use regex_syntax::hir::literal::{ExtractKind, Extractor};
    // The flags of the builder are not in the pattern: extraction ignores case on its own.
    let hir = regex_syntax::ParserBuilder::new()
        .case_insensitive(true)
        .build()
        .parse(regex.as_str())
        .ok()?;
    [ExtractKind::Prefix, ExtractKind::Suffix]
        .into_iter()
        .find_map(|kind| {
            let mut extractor = Extractor::new();
            extractor.kind(kind).limit_total(2_000);
            let sequence = extractor.extract(&hir);
            let mut texts: Vec<String> = sequence
                .literals()?
                .iter()
                .map(|literal| std::str::from_utf8(literal.as_bytes()).ok().map(lowered))
                .collect::<Option<_>>()?;
            texts.sort();
            texts.dedup();
            let rare = |text: &String| {
                text.len() >= 3
                    || text
                        .bytes()
                        .any(|b| matches!(b, b'\'' | b'"' | b'`' | b'<' | b';' | b'(' | b'*'))
            };
            (!texts.is_empty() && texts.iter().all(rare)).then_some(texts)
        })
}

/// Linear in practice: the last `*` is the only place to come back to.
fn glob_matches(pieces: &[Piece], text: &str) -> bool {
    let (mut piece, mut at) = (0, 0);
    // Where to resume: the piece after the last `*`, and where its text began.
    let mut resume: Option<(usize, usize)> = None;
    loop {
        let advanced = match pieces.get(piece) {
            Some(Piece::Any) => {
                resume = Some((piece + 1, at));
                Some(0)
            }
            Some(Piece::One) => text[at..].chars().next().map(char::len_utf8),
            Some(Piece::Dash) => text[at..]
                .chars()
                .next()
                .filter(|c| DASHES.contains(c))
                .map(char::len_utf8),
            Some(Piece::Literal(literal)) => {
                text[at..].starts_with(literal.as_str()).then_some(literal.len())
            }
            None if at == text.len() => return true,
            None => None,
        };
        if let Some(length) = advanced {
            at += length;
            piece += 1;
            continue;
        }
        let Some((after, from)) = resume else { return false };
        let Some(c) = text[from..].chars().next() else {
            return false;
        };
        resume = Some((after, from + c.len_utf8()));
        piece = after;
        at = from + c.len_utf8();
    }
}

#[cfg(test)]
mod tests;
