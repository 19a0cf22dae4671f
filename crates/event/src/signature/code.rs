//! Telling what people write from what machines run.
//!
//! What is not here: which machine it is, and whether it is an attack.

/// Characters of languages that machines run. A lone apostrophe between letters (`don't`,
/// `O'Brien`), brackets around words and dots that trail off are prose.
pub fn is_code(value: &str) -> bool {
    let prose = value.chars().any(foreign_letter);
    if value.contains(['`', '{', '}', '\\'])
        || ["--", "/*", "*/", "||", "&&", "%0", "://", "=="]
            .iter()
            .any(|mark| value.contains(mark))
    {
        return true;
    }
    let characters: Vec<char> = value.chars().collect();
    (0..characters.len()).any(|at| is_code_at(&characters, at, prose))
        || (!prose && value.contains('"') && value.contains(['(', ',']))
        || unpaired(&characters, '\'', prose)
        || (prose && unpaired(&characters, '"', prose))
}

/// A letter that no program text needs: people's own languages.
fn foreign_letter(c: char) -> bool {
    !c.is_ascii() && c.is_alphabetic()
}

/// Whether the character means something to a machine where it stands. In `prose`, text with
/// letters beyond ASCII, signs that people use between such letters do not: `<기생충>`, `서울->부산`,
/// `^^`, `;;`, `$100`, `BTS(방탄소년단)`.
fn is_code_at(characters: &[char], at: usize, prose: bool) -> bool {
    let before = at.checked_sub(1).map(|at| characters[at]);
    let after = characters.get(at + 1).copied();
    let foreign = |c: Option<char>| c.is_some_and(foreign_letter);
    let next_word = || characters[at + 1..].iter().copied().find(|c| *c != ' ');
    match characters[at] {
        '<' => !(prose && foreign(after)),
        '>' => !(prose && (foreign(before) || before == Some('-'))),
        '^' => !(prose && (before == Some('^') || matches!(after, Some('^' | '_')) || before == Some('_'))),
        ';' | '|' => !(prose && next_word().is_none_or(|c| c == ';' || foreign_letter(c))),
        '$' => !(prose && after.is_some_and(|c| c.is_ascii_digit())),
        '=' => true,
        '.' => after == Some('.') && before != Some('.') && !trails_off(characters, at),
        '(' => {
            let called = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
            called && !(prose && explains(&characters[at + 1..]))
        }
        _ => false,
    }
}

/// Whether the dots at `at` follow a letter or digit and no path does.
fn trails_off(characters: &[char], at: usize) -> bool {
    let follows = at > 0 && characters[at - 1].is_alphanumeric();
    let next = characters[at..].iter().copied().find(|c| *c != '.');
    follows && next.is_none_or(|c| c == ' ' || c.is_alphabetic() || matches!(c, '!' | '?' | ',' | ')'))
}

/// Whether the brackets just opened hold a word of a people's language and nothing but words.
fn explains(inside: &[char]) -> bool {
    let end = inside.iter().position(|c| *c == ')').unwrap_or(inside.len());
    let inside = &inside[..end];
    inside.iter().copied().any(foreign_letter)
        && inside
            .iter()
            .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '~' | '/' | '·'))
}

/// Whether there is a `quote` that is neither an apostrophe between letters nor, in prose, one of a
/// pair around words of a people's language.
fn unpaired(characters: &[char], quote: char, prose: bool) -> bool {
    let letter = |at: Option<usize>| {
        at.and_then(|at| characters.get(at))
            .is_some_and(|c| c.is_alphabetic())
    };
    let mut open: Option<usize> = None;
    for (at, _) in characters.iter().enumerate().filter(|(_, c)| **c == quote) {
        match open.take() {
            Some(start) => {
                if !characters[start + 1..at].iter().copied().any(foreign_letter) {
                    return true;
                }
            }
            None if quote == '\'' && letter(at.checked_sub(1)) && letter(Some(at + 1)) => {}
            None if !prose || at > 0 && characters[at - 1].is_alphanumeric() => return true,
            None => open = Some(at),
        }
    }
    open.is_some()
}
