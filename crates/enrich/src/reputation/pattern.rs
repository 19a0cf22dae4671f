//! STIX patterns, as far as they accuse addresses.
//!
//! Out of a pattern come the addresses each of which alone makes it true: alternatives joined by
//! `OR`. What is joined by `AND` or `FOLLOWEDBY`, or negated, needs more than an address; a log
//! row cannot prove it, so nothing is taken from there. Qualifiers (`WITHIN`, `REPEATS`,
//! `START … STOP`) do not change who is accused and are skipped.
//!
//! Source: STIX 2.1, part 9 (patterning).

/// Deeper nesting is refused.
const DEPTH_MAX: usize = 32;

/// Addresses and prefixes of a pattern, unparsed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub texts: Vec<String>,
    /// Whether the pattern says other things besides.
    pub partial: bool,
}

/// Why a pattern was not read.
type Why = &'static str;

const SYNTAX: Why = "not a STIX pattern";

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Open(char),
    Close(char),
    Comma,
    /// `=`, `!=`, `<`, …
    Sign(&'a str),
    /// A quoted string without prefix, escapes resolved.
    Text(String),
    /// `t'…'`, `h'…'`, `b'…'`.
    Literal,
    /// Object paths, keywords, numbers.
    Word(&'a str),
}

/// The addresses that suffice by themselves.
pub(super) fn addresses(pattern: &str) -> Result<Found, Why> {
    let tokens = tokens(pattern)?;
    let follows =
        |token: &Token<'_>| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("FOLLOWEDBY"));
    let followed = tokens.iter().any(follows);
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
    };
    let found = parser.either(0)?;
    if parser.at < tokens.len() {
        return Err(SYNTAX);
    }
    // FOLLOWEDBY binds less than OR: both of its sides are needed.
    Ok(if followed { Found::other() } else { found })
}

impl Found {
    fn other() -> Self {
        Found {
            texts: Vec::new(),
            partial: true,
        }
    }
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
}

impl<'t, 'a> Parser<'t, 'a> {
    fn next(&mut self) -> Result<&'t Token<'a>, Why> {
        let token = self.tokens.get(self.at).ok_or(SYNTAX)?;
        self.at += 1;
        Ok(token)
    }

    fn word(&mut self, wanted: &[&str]) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Word(word))
            if wanted.iter().any(|w| word.eq_ignore_ascii_case(w)));
        self.at += usize::from(is);
        is
    }

    fn either(&mut self, depth: usize) -> Result<Found, Why> {
        let mut found = self.both(depth)?;
        while self.word(&["OR"]) {
            let more = self.both(depth)?;
            found.texts.extend(more.texts);
            found.partial |= more.partial;
        }
        Ok(found)
    }

    fn both(&mut self, depth: usize) -> Result<Found, Why> {
        let mut found = self.term(depth)?;
        while self.word(&["AND", "FOLLOWEDBY"]) {
            self.term(depth)?;
            found = Found::other();
        }
        Ok(found)
    }

    fn term(&mut self, depth: usize) -> Result<Found, Why> {
        if depth > DEPTH_MAX {
            return Err("pattern nested too deep");
        }
        match self.next()? {
            Token::Open(open) => {
                let found = self.either(depth + 1)?;
                let close = if *open == '[' { ']' } else { ')' };
                if *self.next()? != Token::Close(close) {
                    return Err(SYNTAX);
                }
                self.qualifiers()?;
                Ok(found)
            }
            Token::Word(path) => self.comparison(path),
            _ => Err(SYNTAX),
        }
    }

    fn qualifiers(&mut self) -> Result<(), Why> {
        loop {
            let operands = if self.word(&["WITHIN", "REPEATS"]) {
                2
            } else if self.word(&["START", "STOP"]) {
                1
            } else {
                return Ok(());
            };
            for _ in 0..operands {
                self.next()?;
            }
        }
    }

    fn comparison(&mut self, path: &str) -> Result<Found, Why> {
        if path.eq_ignore_ascii_case("EXISTS") {
            self.next()?;
            return Ok(Found::other());
        }
        if self.ends_term() {
            // A converter from STIX 1 leaves terms that it could not say: `unconverted_term:…`.
            return Ok(Found::other());
        }
        let negated = self.word(&["NOT"]);
        let names = match self.next()? {
            Token::Sign(sign) => matches!(*sign, "=" | "=="),
            Token::Word(word) => ["IN", "ISSUBSET"].iter().any(|w| word.eq_ignore_ascii_case(w)),
            _ => return Err(SYNTAX),
        };
        let texts = self.operand()?;
        if names && !negated && is_address_path(path) && !texts.is_empty() {
            return Ok(Found {
                texts,
                partial: false,
            });
        }
        Ok(Found::other())
    }

    fn ends_term(&self) -> bool {
        match self.tokens.get(self.at) {
            Some(Token::Close(_)) => true,
            Some(Token::Word(word)) => ["AND", "OR"].iter().any(|w| word.eq_ignore_ascii_case(w)),
            _ => false,
        }
    }

    /// The strings of a constant or of a set of constants.
    fn operand(&mut self) -> Result<Vec<String>, Why> {
        match self.next()? {
            Token::Text(text) => Ok(vec![text.clone()]),
            Token::Literal | Token::Word(_) => Ok(Vec::new()),
            Token::Open('(') => {
                let mut texts = Vec::new();
                loop {
                    match self.next()? {
                        Token::Text(text) => texts.push(text.clone()),
                        Token::Close(')') => return Ok(texts),
                        Token::Comma | Token::Literal | Token::Word(_) => {}
                        _ => return Err(SYNTAX),
                    }
                }
            }
            _ => Err(SYNTAX),
        }
    }
}

/// Paths whose value is always an address. The ends of a connection (`network-traffic:…`) are
/// not here: they may be names, and which end is accused depends on the rest of the pattern.
fn is_address_path(path: &str) -> bool {
    matches!(path, "ipv4-addr:value" | "ipv6-addr:value")
}

fn tokens(pattern: &str) -> Result<Vec<Token<'_>>, Why> {
    let mut tokens = Vec::new();
    let bytes = pattern.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let from = at;
        at += 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'[' | b'(' => tokens.push(Token::Open(byte as char)),
            b']' | b')' => tokens.push(Token::Close(byte as char)),
            b',' => tokens.push(Token::Comma),
            b'=' | b'!' | b'<' | b'>' => {
                at += usize::from(matches!(bytes.get(at), Some(b'=' | b'>')));
                tokens.push(Token::Sign(&pattern[from..at]));
            }
            b'\'' => {
                let (text, end) = quoted(pattern, at)?;
                tokens.push(Token::Text(text));
                at = end;
            }
            b't' | b'h' | b'b' if bytes.get(at) == Some(&b'\'') => {
                at = quoted(pattern, at + 1)?.1;
                tokens.push(Token::Literal);
            }
            _ if is_word(byte) => {
                at = word_end(pattern, from)?;
                tokens.push(Token::Word(&pattern[from..at]));
            }
            _ => return Err(SYNTAX),
        }
    }
    Ok(tokens)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-:.+$".contains(&byte) || byte >= 0x80
}

/// Where a path ends: `a:b.c[*].'d-e'`.
fn word_end(pattern: &str, from: usize) -> Result<usize, Why> {
    let bytes = pattern.as_bytes();
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        let before = bytes[at.saturating_sub(1)];
        if byte == b'\'' && at > from && matches!(before, b'.' | b':') {
            at = quoted(pattern, at + 1)?.1;
        } else if byte == b'[' && at > from {
            let inside = bytes[at..].iter().position(|&b| b == b']').ok_or(SYNTAX)?;
            at += inside + 1;
        } else if is_word(byte) {
            at += 1;
        } else {
            break;
        }
    }
    Ok(at)
}

/// The string that begins at `at` (after its quote), and where the text goes on after it.
fn quoted(pattern: &str, at: usize) -> Result<(String, usize), Why> {
    let mut text = String::new();
    let mut characters = pattern[at..].char_indices();
    while let Some((offset, character)) = characters.next() {
        match character {
            '\'' => return Ok((text, at + offset + 1)),
            '\\' => text.push(characters.next().ok_or(SYNTAX)?.1),
            other => text.push(other),
        }
    }
    Err("string without an end")
}
