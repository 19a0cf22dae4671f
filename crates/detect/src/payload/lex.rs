//! A tolerant tokenizer of SQL fragments.
//!
//! An injected fragment begins in the middle of a statement nobody knows: bare, inside `'…'`,
//! inside `"…"`, behind a comment. So quotes are tokens of their own here and what stands
//! between them is read as if it stood outside: one pass serves every context. Closed comments
//! count as white space, as they do to a database, and are remembered.
//!
//! Time is linear in the text; at most [`LEXEMES_MAX`] tokens come out.

use super::token::Token;
use super::words;

/// Further tokens are not read. Enough for 16 KiB of dense SQL.
pub const LEXEMES_MAX: usize = 4096;

/// Longer comments are read as if they were none.
const COMMENT_BYTES_MAX: usize = 256;

/// Runs of letters and digits at least this long may be random.
const BLOB_BYTES_MIN: usize = 20;

/// A token and where it stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lexeme {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

/// What a text consists of.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    pub lexemes: Vec<Lexeme>,
    /// For each closed comment how many lexemes stand before it, and whether MySQL would run it.
    pub comments: Vec<(usize, bool)>,
}

/// Reads `text`, which is decoded already.
pub fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer {
        bytes: text.as_bytes(),
        text,
        at: 0,
        spaced: true,
        open_comments: 0,
        out: Lexed::default(),
    };
    while lexer.at < lexer.bytes.len() && lexer.out.lexemes.len() < LEXEMES_MAX {
        lexer.step();
    }
    lexer.out
}

struct Lexer<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    /// Whether white space or nothing stands before `at`.
    spaced: bool,
    open_comments: usize,
    out: Lexed,
}

/// Letters beyond ASCII; Korean and Chinese ones are told without a table.
fn is_letter(c: char) -> bool {
    matches!(c, '\u{AC00}'..='\u{D7A3}' | '\u{4E00}'..='\u{9FFF}') || c.is_alphanumeric()
}

const fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

impl Lexer<'_> {
    fn peek(&self, offset: usize) -> u8 {
        self.bytes.get(self.at + offset).copied().unwrap_or(0)
    }

    fn starts(&self, with: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(with)
    }

    fn step(&mut self) {
        let b = self.bytes[self.at];
        match b {
            0..=b' ' | 0x7F => {
                self.at += 1;
                self.spaced = true;
                return;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'0'..=b'9' => self.number(),
            0x80.. => self.foreign(),
            b'/' if self.peek(1) == b'*' => {
                if self.comment() {
                    return;
                }
            }
            b'*' if self.peek(1) == b'/' => {
                if self.open_comments > 0 {
                    self.open_comments -= 1;
                    self.at += 2;
                    self.spaced = true;
                    return;
                }
                self.push(Token::CloseComment, 2);
            }
            _ => self.sign(b),
        }
        self.spaced = false;
    }

    fn push(&mut self, token: Token, length: usize) {
        let (start, end) = (self.at, self.at + length);
        self.at = end;
        let spaced = self.spaced;
        if let Some(last) = self.out.lexemes.last_mut()
            && let Some(merged) = merged(last.token, token, spaced)
        {
            last.token = merged;
            last.end = end;
            return;
        }
        self.out.lexemes.push(Lexeme { token, start, end });
    }

    fn run(&self, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
        self.bytes[from..].iter().take_while(|&&b| belongs(b)).count()
    }

    fn word(&mut self) {
        if let Some(length) = self.blob() {
            return self.push(Token::Blob, length);
        }
        let length = self.run(self.at, is_word_byte);
        let word = &self.bytes[self.at..self.at + length];
        let known = words::class(word);
        let token = known.unwrap_or_else(|| {
            if word.iter().any(|b| b.is_ascii_digit() || *b == b'_') {
                Token::Ident
            } else {
                Token::Word
            }
        });
        self.push(token, length);
    }

    /// The length of a random-looking run that begins here.
    fn blob(&self) -> Option<usize> {
        if !self.spaced && self.at > 0 && is_word_byte(self.bytes[self.at - 1]) {
            return None;
        }
        let length = self.run(self.at, |b| is_word_byte(b) || b == b'-');
        if length < BLOB_BYTES_MIN {
            return None;
        }
        let run = &self.bytes[self.at..self.at + length];
        let has = |class: fn(&u8) -> bool| run.iter().filter(|b| class(b)).count() >= 2;
        let kinds = [u8::is_ascii_digit, u8::is_ascii_uppercase, u8::is_ascii_lowercase];
        let hex = run.iter().all(u8::is_ascii_hexdigit) && has(u8::is_ascii_digit);
        let mixed = kinds.iter().filter(|kind| has(**kind)).count() == 3;
        let capitals = has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && !has(u8::is_ascii_lowercase);
        (hex || mixed || capitals).then_some(length)
    }

    fn number(&mut self) {
        if let Some(length) = self.blob() {
            return self.push(Token::Blob, length);
        }
        let digits = self.run(self.at, |b| b.is_ascii_digit());
        if digits == 1 && self.bytes[self.at] == b'0' && matches!(self.peek(1), b'x' | b'X' | b'b' | b'B') {
            let length = self.run(self.at + 2, |b| b.is_ascii_hexdigit());
            if length > 0 {
                return self.push(Token::Radix, length + 2);
            }
        }
        let mut length = digits;
        if self.peek(length) == b'.' && self.peek(length + 1) != b'.' {
            length += 1 + self.run(self.at + length + 1, |b| b.is_ascii_digit());
        }
        if matches!(self.peek(length), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(length + 1), b'+' | b'-'));
            let power = self.run((self.at + length + 1 + sign).min(self.bytes.len()), |b| {
                b.is_ascii_digit()
            });
            if power > 0 {
                length += 1 + sign + power;
            } else if self.bytes[self.at + length - 1] == b'.' && !is_word_byte(self.peek(length + 1)) {
                return self.push(Token::Scientific, length + 1);
            }
        }
        let letters = self.run(self.at + length, is_word_byte);
        if letters > 0 {
            let behind = &self.bytes[self.at + length..self.at + length + letters];
            let keyword = behind.iter().take_while(|b| b.is_ascii_alphabetic()).count();
            if !splits_number(&behind[..keyword]) {
                return self.push(Token::Ident, length + letters);
            }
        }
        let token = if is_bound(&self.bytes[self.at..self.at + length]) {
            Token::Bound
        } else {
            Token::Number
        };
        self.push(token, length);
    }

    fn foreign(&mut self) {
        let rest = &self.text[self.at..];
        let c = rest.chars().next().unwrap_or(' ');
        let length = c.len_utf8();
        match c {
            '\u{2018}' | '\u{2019}' | '\u{B4}' | '\u{2BC}' | '\u{2032}' => self.push(Token::Curly, length),
            '\u{A0}' | '\u{3000}' | '\u{2000}'..='\u{200B}' | '\u{FEFF}' => {
                self.at += length;
                self.spaced = true;
            }
            _ if is_letter(c) => {
                let length = rest
                    .char_indices()
                    .find(|(_, c)| c.is_ascii() || !is_letter(*c))
                    .map_or(rest.len(), |(at, _)| at);
                self.push(Token::Foreign, length);
            }
            _ => self.push(Token::Other, length),
        }
    }

    /// At `/*`; whether the comment counts as white space.
    fn comment(&mut self) -> bool {
        let from = self.at + 2;
        let until = (from + COMMENT_BYTES_MAX).min(self.bytes.len());
        let Some(length) = memchr::memmem::find(&self.bytes[from..until], b"*/") else {
            self.push(Token::OpenComment, 2);
            return false;
        };
        let inner = &self.bytes[from..from + length];
        let run_by = inner.iter().position(|b| *b > b' ' && *b != b'+');
        let conditional = run_by.is_some_and(|at| inner[at] == b'!');
        self.out.comments.push((self.out.lexemes.len(), conditional));
        self.spaced = true;
        if conditional {
            let mark = run_by.unwrap_or(0) + 1;
            let version = inner[mark..].iter().take_while(|b| b.is_ascii_digit()).count();
            self.at = from + mark + version;
            self.open_comments += 1;
        } else if inner.iter().any(|b| matches!(b, b'\'' | b'"' | b'`')) {
            // Inside a string this is no comment, and the quote ends the string.
            self.at = from;
            self.open_comments += 1;
        } else {
            self.at = from + length + 2;
        }
        true
    }

    fn sign(&mut self, b: u8) {
        let same = self.run(self.at, |other| other == b);
        if same >= 3 && !matches!(b, b'(' | b')' | b'=' | b'.' | b'&' | b'|' | b'<' | b'>') {
            return self.push(Token::Run, same);
        }
        match b {
            b'\'' if self.is_apostrophe() => self.push(Token::Apostrophe, 1),
            b'.' => {
                let token = if same > 1 { Token::Dots } else { Token::Dot };
                self.push(token, same);
            }
            b'(' => {
                let behind = self.at > 0 && !self.spaced && is_word_byte(self.bytes[self.at - 1]);
                self.push(if behind { Token::Call } else { Token::Open }, 1);
            }
            b'@' | b'$' => self.sigil(b),
            _ => {
                let (token, length) = self.operator(b);
                self.push(token, length);
            }
        }
    }

    /// A quote between letters that no keyword follows: `it's`, `O'Neil`, `1950's`.
    fn is_apostrophe(&self) -> bool {
        if self.at == 0 || !self.bytes[self.at - 1].is_ascii_alphanumeric() {
            return false;
        }
        let length = self.run(self.at + 1, |b| b.is_ascii_alphabetic());
        let word = &self.bytes[self.at + 1..self.at + 1 + length];
        let closes = matches!(self.peek(length + 1), b'\'' | b'(' | b'`' | b'"' | b'=');
        length > 0 && !closes && (self.bytes[self.at - 1].is_ascii_alphabetic() || length == 1) && {
            words::class(word)
                .is_none_or(|token| matches!(token, Token::Word | Token::Stop | Token::CommonFunction))
        }
    }

    /// `@name`, `@@name`, `$op` and their bare signs.
    fn sigil(&mut self, b: u8) {
        let behind_word = self.at > 0 && !self.spaced && is_word_byte(self.bytes[self.at - 1]);
        if b == b'$' {
            let length = self.run(self.at + 1, |b| b.is_ascii_alphabetic());
            let word = &self.bytes[self.at + 1..self.at + 1 + length];
            if !behind_word && length > 1 && words::is_mongo(word) {
                return self.push(Token::Mongo, length + 1);
            }
            return self.push(Token::Dollar, 1);
        }
        let signs = self.run(self.at, |b| b == b'@');
        let length = self.run(self.at + signs, is_word_byte);
        if length > 0 && !behind_word {
            return self.push(Token::Variable, signs + length);
        }
        let (token, length) = match self.peek(1) {
            b'>' | b'?' | b'@' if !behind_word => (Token::JsonOperator, 2),
            _ => (Token::At, 1),
        };
        self.push(token, length);
    }

    fn operator(&self, b: u8) -> (Token, usize) {
        const LONG: &[(&[u8], Token)] = &[
            (b"->>", Token::JsonOperator),
            (b"->", Token::JsonOperator),
            (b"<@", Token::JsonOperator),
            (b"#>>", Token::JsonOperator),
            (b"#>", Token::JsonOperator),
            (b"#-", Token::JsonOperator),
            (b"?|", Token::JsonOperator),
            (b"?&", Token::JsonOperator),
            (b"<=>", Token::LessEqual),
            (b"<=", Token::LessEqual),
            (b">=", Token::LessEqual),
            (b"<>", Token::NotEqual),
            (b"!==", Token::NotEqual),
            (b"!=", Token::NotEqual),
            (b"^=", Token::NotEqual),
            (b"===", Token::EqualEqual),
            (b"==", Token::EqualEqual),
            (b":=", Token::Equal),
            (b"::", Token::Cast),
            (b"--", Token::Dashes),
            (b"&&", Token::Ampersands),
            (b"||", Token::Pipes),
        ];
        if let Some((text, token)) = LONG.iter().find(|(text, _)| self.starts(text)) {
            return (*token, text.len());
        }
        (single(b), 1)
    }
}

fn single(b: u8) -> Token {
    match b {
        b'\'' => Token::Single,
        b'"' => Token::Double,
        b'`' => Token::Back,
        b')' => Token::Close,
        b'[' => Token::OpenSquare,
        b']' => Token::CloseSquare,
        b'{' => Token::OpenBrace,
        b'}' => Token::CloseBrace,
        b',' => Token::Comma,
        b';' => Token::Semicolon,
        b':' => Token::Colon,
        b'#' => Token::Hash,
        b'=' => Token::Equal,
        b'<' | b'>' => Token::Less,
        b'+' => Token::Plus,
        b'-' => Token::Minus,
        b'*' => Token::Star,
        b'/' => Token::Slash,
        b'%' => Token::Percent,
        b'^' => Token::Caret,
        b'|' => Token::Pipe,
        b'&' => Token::Ampersand,
        b'!' => Token::Bang,
        b'?' => Token::Question,
        b'~' => Token::Tilde,
        b'\\' => Token::Backslash,
        _ => Token::Other,
    }
}

/// What two neighbours are together; text that is no SQL folds, however long it is.
fn merged(last: Token, next: Token, spaced: bool) -> Option<Token> {
    match (last, next) {
        (Token::Foreign, Token::Foreign | Token::Word | Token::Stop | Token::Prose)
        | (Token::Word | Token::Stop | Token::Prose, Token::Foreign) => Some(Token::Foreign),
        (Token::Word | Token::Stop | Token::Prose, Token::Word | Token::Stop) if spaced => Some(Token::Prose),
        (Token::Open, Token::Open) => None,
        (Token::Run, Token::Run) => Some(Token::Run),
        _ => None,
    }
}

/// Words that SQL lets stand directly behind a number.
fn splits_number(word: &[u8]) -> bool {
    matches!(
        words::class(word),
        Some(
            Token::And
                | Token::Or
                | Token::Xor
                | Token::Union
                | Token::Select
                | Token::From
                | Token::Operator
                | Token::Like
        )
    )
}

/// Numbers that only probing for overflows brings.
fn is_bound(number: &[u8]) -> bool {
    matches!(
        number,
        b"2147483647"
            | b"2147483648"
            | b"4294967295"
            | b"4294967296"
            | b"9223372036854775807"
            | b"9223372036854775808"
            | b"18446744073709551615"
            | b"18446744073709551616"
    ) || number.starts_with(b"2.225073858507201")
}
