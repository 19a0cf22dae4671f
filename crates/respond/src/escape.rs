//! Hostile text, made safe to print.

/// Text with everything that could steer a terminal, or hide or reorder what is read, replaced
/// by a visible `\u{…}`: control characters (C0, DEL, C1), line and paragraph separators, bidi
/// controls, zero-width and tag characters. One line in, one line out.
pub fn for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character acts on its surroundings instead of being seen.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_survives() {
        let hostile = "a\x1b[2J\r\n\u{9b}31m\u{202e}b\u{200b}\u{feff}한글 \u{2028}c\u{e0041}";
        let shown = for_terminal(hostile);
        assert!(!shown.chars().any(steers), "{shown:?}");
        assert!(shown.contains("\\u{1b}[2J") && shown.contains("한글"));
    }

    #[test]
    fn plain_text_is_untouched() {
        assert_eq!(for_terminal("GET /a?b=1 200 — 해태"), "GET /a?b=1 200 — 해태");
    }
}
