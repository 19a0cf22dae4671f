//! Log text, made safe for each exit by that exit's own rules.
//!
//! Whatever stands in a log was written by a stranger. Terminals obey control characters, HTML
//! obeys tags, spreadsheets obey formulas, Slack obeys `<!channel>`.

use std::fmt::Write;

/// Whether a character acts on its surroundings instead of being seen: controls (C0, DEL, C1),
/// line and paragraph separators, bidi controls, zero-width, interlinear and tag characters.
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// One line for a terminal: active characters become visible, `\x1b` or `\u{202e}`. A backslash
/// stays as it is.
pub fn terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut out, c);
    }
    out
}

fn push_visible(out: &mut String, c: char) {
    let result = match c {
        c if !is_active(c) => {
            out.push(c);
            Ok(())
        }
        c if (c as u32) < 0x100 => write!(out, "\\x{:02x}", c as u32),
        c => write!(out, "\\u{{{:x}}}", c as u32),
    };
    result.expect("writing to a String cannot fail");
}

/// Text or a quoted attribute value of HTML. Active characters become visible as for a terminal:
/// a browser would let a bidi override reorder what is read.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => push_visible(&mut out, c),
        }
    }
    out
}

/// One CSV field, always quoted (RFC 4180). A spreadsheet takes a field that begins with `=`,
/// `+`, `-`, `@`, tab or carriage return for a formula: those get a `'` in front. Numbers are
/// left alone.
pub fn csv(text: &str) -> String {
    let number = !text.is_empty() && text.parse::<f64>().is_ok_and(f64::is_finite);
    let first = text.trim_start_matches([' ', '\u{FEFF}']).chars().next();
    let formula = matches!(
        first,
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
    );
    let mut out = String::with_capacity(text.len() + 3);
    out.push('"');
    if formula && !number {
        out.push('\'');
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\"\""),
            '\0' => out.push_str("\\x00"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Slack mrkdwn outside code spans: `&`, `<`, `>` as entities (so that no mention, link or
/// channel ping can be written), active characters visible.
pub fn slack(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' => out.push('\n'),
            c => push_visible(&mut out, c),
        }
    }
    out
}

/// A Slack code span: as [`slack`], back-ticks taken out, on one line, never empty.
pub fn slack_code(text: &str) -> String {
    let inner = slack(&text.replace('`', "").replace('\n', "\\n"));
    match inner.trim().is_empty() {
        true => "`-`".to_owned(),
        false => format!("`{inner}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOSTILE: &str =
        "a\x1b]0;pwn\x07\x1b[2J\r\n\u{9b}31m\u{202e}gpj.exe\u{200b}<script>alert('x')</script>&\"`<!channel>";

    #[test]
    fn a_terminal_sees_no_control() {
        let shown = terminal(HOSTILE);
        assert!(!shown.chars().any(is_active), "{shown:?}");
        assert!(
            shown.starts_with(r"a\x1b]0;pwn\x07\x1b[2J\x0d\x0a\x9b31m\u{202e}gpj"),
            "{shown}"
        );
        assert_eq!(terminal("GET /검색?q=해태 — 200"), "GET /검색?q=해태 — 200");
    }

    #[test]
    fn html_has_no_tag_and_no_quote() {
        let shown = html(HOSTILE);
        assert!(
            !shown.contains(['<', '>', '"', '\'']) && !shown.chars().any(is_active),
            "{shown}"
        );
    }

    #[test]
    fn a_spreadsheet_sees_no_formula() {
        for (text, field) in [
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("  =1+1", "\"'  =1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-1.5", "\"-1.5\""),
            ("-cmd|' /C calc'!A0", "\"'-cmd|' /C calc'!A0\""),
            ("\t=1", "\"'\t=1\""),
            ("a,\"b\"\nc", "\"a,\"\"b\"\"\nc\""),
            ("", "\"\""),
        ] {
            assert_eq!(csv(text), field);
        }
    }

    #[test]
    fn slack_sees_no_mention() {
        assert_eq!(
            slack("<!channel> & <http://x|y>"),
            "&lt;!channel&gt; &amp; &lt;http://x|y&gt;"
        );
        assert_eq!(slack_code("a`b`\n<@U1>"), "`ab\\n&lt;@U1&gt;`");
        assert_eq!(slack_code("```"), "`-`");
    }

    proptest! {
        #[test]
        fn nothing_active_comes_through(text in any::<String>()) {
            prop_assert!(!terminal(&text).chars().any(is_active));
            prop_assert!(!html(&text).contains(['<', '>', '"', '\'']));
            let slack = slack(&text);
            prop_assert!(!slack.contains(['<', '>']));
            let code = slack_code(&text);
            prop_assert_eq!(code.matches('`').count(), 2);
        }
    }
}
