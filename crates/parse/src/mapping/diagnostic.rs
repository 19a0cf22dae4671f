//! Mistakes in a definition: what is wrong, where exactly, and what was probably meant.
//!
//! Expressions stand inside YAML scalars, with quotes, escapes and folds. An [`Excerpt`] remembers
//! for each character of the value where it stands in the file.

use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code: `unknown_function`.
    pub code: &'static str,
    /// As the caller named it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    pub message: String,
    /// The offending text; empty when something is missing.
    pub text: String,
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic {
            file,
            line,
            column,
            code,
            message,
            ..
        } = self;
        write!(f, "{file}:{line}:{column}: {message} [{code}]")?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  fix: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// A value of a definition file and the place of each of its characters.
#[derive(Clone, Debug)]
pub struct Excerpt {
    file: Arc<str>,
    text: String,
    /// (line, column) of the character that holds each byte, and of the end.
    places: Vec<(u32, u32)>,
}

/// Walks over the file's text.
struct Cursor<'a> {
    rest: std::str::Chars<'a>,
    line: u32,
    column: u32,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn advance(&mut self) {
        match self.rest.next() {
            Some('\n') => (self.line, self.column) = (self.line + 1, 1),
            Some(_) => self.column += 1,
            None => {}
        }
    }

    fn skip(&mut self, count: usize) {
        (0..count).for_each(|_| self.advance());
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|c| c.is_ascii_whitespace()) {
            self.advance();
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
}

impl Excerpt {
    /// Text that is not taken from a file: it begins at line 1, column 1.
    pub fn inline(file: &str, text: &str) -> Excerpt {
        Excerpt::aligned(file, text, (1, 1), None, text)
    }

    /// `value` as it was read from the scalar that begins at `line` and `column` of `source`.
    pub fn at(file: &str, source: &str, line: u32, column: u32, value: &str) -> Excerpt {
        let start = source
            .split_inclusive('\n')
            .nth(line.saturating_sub(1) as usize)
            .map_or("", |text| text);
        let before: usize = start
            .chars()
            .take(column.saturating_sub(1) as usize)
            .map(char::len_utf8)
            .sum();
        let offset = start.as_ptr() as usize - source.as_ptr() as usize;
        let offset = if start.is_empty() {
            source.len()
        } else {
            offset + before
        };
        Excerpt::aligned(
            file,
            &source[offset..],
            (line.max(1), column.max(1)),
            Some(begin),
            value,
        )
    }

    /// `source` begins with the value, behind what `begin` skips.
    fn aligned(
        file: &str,
        source: &str,
        (line, column): (u32, u32),
        begin: Option<fn(&mut Cursor<'_>) -> Style>,
        value: &str,
    ) -> Excerpt {
        let mut cursor = Cursor {
            rest: source.chars(),
            line,
            column,
        };
        let style = begin.map_or(Style::Plain, |begin| begin(&mut cursor));
        let mut places = Vec::with_capacity(value.len() + 1);
        for c in value.chars() {
            let place = step(&mut cursor, style, c);
            places.extend(std::iter::repeat_n(place, c.len_utf8()));
        }
        places.push((cursor.line, cursor.column));
        Excerpt {
            file: Arc::from(file),
            text: value.to_owned(),
            places,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of the first character.
    pub fn place(&self) -> (u32, u32) {
        self.places[0]
    }

    /// A mistake in `span` of the text.
    pub fn diagnose(
        &self,
        span: Range<usize>,
        code: &'static str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Diagnostic {
        let (line, column) = self.places[span.start.min(self.text.len())];
        let text = self.text.get(span).unwrap_or("");
        Diagnostic {
            code,
            file: self.file.to_string(),
            line,
            column,
            message: message.into(),
            text: shortened(text),
            hint,
        }
    }

    /// A mistake of the value as a whole.
    pub fn wrong(&self, code: &'static str, message: impl Into<String>, hint: &str) -> Diagnostic {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.diagnose(0..self.text.len(), code, message, hint)
    }
}

/// Skips what stands before the first character of the value.
fn begin(cursor: &mut Cursor<'_>) -> Style {
    match cursor.peek() {
        Some('\'') => {
            cursor.advance();
            Style::Single
        }
        Some('"') => {
            cursor.advance();
            Style::Double
        }
        Some('|' | '>') => {
            let header = cursor.rest.as_str();
            // A plain scalar cannot begin with these: the rest of the line is the block's header.
            let end = header.find('\n').unwrap_or(header.len());
            cursor.skip(header[..end].chars().count());
            cursor.skip_space();
            Style::Plain
        }
        _ => Style::Plain,
    }
}

/// The place of `c`, the next character of the value; the cursor moves behind it.
fn step(cursor: &mut Cursor<'_>, style: Style, c: char) -> (u32, u32) {
    if style == Style::Double {
        // A line end behind a backslash joins two lines and stands for nothing.
        while cursor.rest.as_str().starts_with("\\\n") {
            cursor.advance();
            cursor.skip_space();
        }
    }
    let place = (cursor.line, cursor.column);
    let rest = cursor.rest.as_str();
    match cursor.peek() {
        Some('\'') if style == Style::Single && rest.starts_with("''") => cursor.skip(2),
        Some('\\') if style == Style::Double => {
            let length = match rest.as_bytes().get(1) {
                Some(b'x') => 4,
                Some(b'u') => 6,
                Some(b'U') => 10,
                _ => 2,
            };
            cursor.skip(length);
        }
        Some(found) if found == c && c != '\n' => cursor.advance(),
        // Folded or cut lines: a space or a line end of the value is any white space of the file.
        Some(found) if found.is_ascii_whitespace() && matches!(c, ' ' | '\n') => cursor.skip_space(),
        _ => {}
    }
    place
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(79).chain(['…']).collect()
}

/// "did you mean …", else the list of what is known; `None` when nothing is.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    // Names are short; nothing as long as this is a slip of one.
    let word = &word[..word.floor_char_boundary(80)];
    let known: Vec<&str> = known.into_iter().collect();
    let best = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .min();
    match best {
        Some((distance, candidate)) if distance <= 1 + word.chars().count() / 3 => {
            Some(format!("did you mean `{candidate}`?"))
        }
        Some(_) => Some(format!("known here: {}", known.join(", "))),
        None => None,
    }
}
