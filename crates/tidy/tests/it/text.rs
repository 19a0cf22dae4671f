//! Rust source without what is not code.

/// The source with comments, strings and character literals blanked: same lines, same columns.
pub fn blank_literals(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end > at {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            // A whole word at once: the `r` of `for "` starts no raw string.
            let word = word_end(&chars, at);
            out.extend(&chars[at..word]);
            at = word;
        }
    }
    out
}

fn word_end(chars: &[char], at: usize) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if !is_word(chars[at]) {
        return at + 1;
    }
    at + chars[at..].iter().take_while(|c| is_word(**c)).count()
}

/// Where the comment or literal that starts at `at` ends; `at` when none starts there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match (chars[at], next) {
        ('/', Some('/')) => at + chars[at..].iter().take_while(|c| **c != '\n').count(),
        ('/', Some('*')) => block_comment_end(chars, at),
        ('"', _) => quoted_end(chars, at + 1, '"'),
        ('b' | 'c', Some('"')) => quoted_end(chars, at + 2, '"'),
        ('b', Some('\'')) => quoted_end(chars, at + 2, '\''),
        ('r', Some('"' | '#')) => raw_end(chars, at, at + 1),
        ('b' | 'c', Some('r')) => raw_end(chars, at, at + 2),
        ('\'', Some('\\')) => quoted_end(chars, at + 1, '\''),
        // `'a'` is a character, `'a` a lifetime.
        ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut i) = (0usize, at);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn quoted_end(chars: &[char], from: usize, quote: char) -> usize {
    let mut i = from;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            c if c == quote => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn raw_end(chars: &[char], at: usize, from: usize) -> usize {
    let hashes = chars[from..].iter().take_while(|c| **c == '#').count();
    let open = from + hashes;
    if chars.get(open) != Some(&'"') {
        return at;
    }
    let mut i = open + 1;
    while i < chars.len() {
        let closes =
            chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        if closes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    chars.len()
}

#[test]
fn literals_and_comments_vanish_and_lines_stay() {
    let source = "let a = \"{\\\"\"; // {\nlet b = r#\"{\"}\"#; /* { /* { */ \n */ let c = '{'; let d: &'a u8 = b'{';\n";
    let blank = blank_literals(source);
    assert!(!blank.contains('{'), "{blank}");
    assert!(blank.contains("&'a u8"));
    assert_eq!(blank.lines().count(), source.lines().count());
    assert_eq!(blank.chars().count(), source.chars().count());
    assert_eq!(blank_literals("for x in r {}"), "for x in r {}");
}
