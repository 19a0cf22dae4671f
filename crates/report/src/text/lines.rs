//! Lines of a page: measured in columns, escaped, perhaps coloured.

use super::{Colour, TextOptions};
use crate::escape;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Lines of one paragraph.
const LINES_MAX: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Head,
    Dim,
    Good,
    Warn,
    Bad,
}

/// Collects lines. Everything that goes in is escaped here, once.
pub(super) struct Page {
    out: String,
    pub width: usize,
    colour: Colour,
}

impl Page {
    pub fn new(options: &TextOptions) -> Page {
        Page {
            out: String::new(),
            width: options.width.clamp(60, 160),
            colour: options.colour,
        }
    }

    pub fn finish(self) -> String {
        self.out
    }

    pub fn gap(&mut self) {
        self.out.push('\n');
    }

    /// One line, as long as it is.
    pub fn line(&mut self, indent: usize, tone: Tone, text: &str) {
        self.put(indent, tone, &escape::terminal(text));
    }

    /// One line, cut to the page.
    pub fn cut(&mut self, indent: usize, tone: Tone, text: &str) {
        let text = escape::terminal(text);
        let text = clipped(&text, self.width.saturating_sub(indent));
        self.put(indent, tone, &text);
    }

    /// As many lines as it takes, at most [`LINES_MAX`]; later ones are indented by `hang` more.
    /// Words stay whole, unless one is longer than a line.
    pub fn wrapped(&mut self, indent: usize, hang: usize, text: &str) {
        let text = escape::terminal(text);
        let room = self.width.saturating_sub(indent + hang);
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let word = clipped(word, room);
            let full = lines.len() == LINES_MAX;
            let line = lines.last_mut().expect("begins with one");
            if line.is_empty() {
                line.push_str(&word);
            } else if line.width() + 1 + word.width() <= room {
                line.push(' ');
                line.push_str(&word);
            } else if full {
                line.push('…');
                break;
            } else {
                lines.push(word);
            }
        }
        for (i, line) in lines.iter().enumerate() {
            let indent = if i == 0 { indent } else { indent + hang };
            self.put(indent, Tone::Plain, line);
        }
    }

    fn put(&mut self, indent: usize, tone: Tone, text: &str) {
        let code = match (self.colour, tone) {
            (Colour::Never, _) | (_, Tone::Plain) => None,
            (_, Tone::Head) => Some("\x1b[1m"),
            (_, Tone::Dim) => Some("\x1b[2m"),
            (_, Tone::Good) => Some("\x1b[1;32m"),
            (_, Tone::Warn) => Some("\x1b[1;33m"),
            (_, Tone::Bad) => Some("\x1b[1;31m"),
        };
        self.out.extend(std::iter::repeat_n(' ', indent));
        match code {
            Some(code) => self.out.extend([code, text, "\x1b[0m"]),
            None => self.out.push_str(text.trim_end()),
        }
        self.out.push('\n');
    }
}

/// Padded with spaces to at least `columns`; Hangul takes two.
pub(super) fn fitted(text: &str, columns: usize) -> String {
    let pad = columns.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(pad))
}

/// Padded on the left.
pub(super) fn right(text: &str, columns: usize) -> String {
    let pad = columns.saturating_sub(text.width());
    format!("{}{text}", " ".repeat(pad))
}

/// At most `columns` wide; a cut shows as `…`.
pub(super) fn clipped(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}
