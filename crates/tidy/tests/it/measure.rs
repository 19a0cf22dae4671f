//! Lengths of functions.

use super::text::blank_literals;

pub struct Function {
    pub name: String,
    /// First line of the signature, from 1.
    pub line: usize,
    /// From the signature to the closing brace.
    pub lines: usize,
}

/// Every function with a body that is not inside `#[cfg(test)]` or itself a test.
pub fn functions(source: &str) -> Vec<Function> {
    let blank = without_tests(&blank_literals(source));
    let mut found = Vec::new();
    for (at, _) in blank.match_indices("fn ") {
        let starts_word = !blank[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = blank[at + 3..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if !starts_word || name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(&blank, at) {
            found.push(Function {
                name,
                line: 1 + newlines(&blank[..at]),
                lines: 1 + newlines(&blank[at..end]),
            });
        }
    }
    found
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'\n').count()
}

/// Just behind the brace that closes the first block after `from`; `None` when a `;` comes first
/// (outside brackets: `[u8; 4]` is a type).
fn body_end(blank: &str, from: usize) -> Option<usize> {
    let (mut depth, mut nested) = (0usize, 0usize);
    for (i, c) in blank[from..].char_indices() {
        match c {
            '(' | '[' if depth == 0 => nested += 1,
            ')' | ']' if depth == 0 => nested = nested.saturating_sub(1),
            ';' if depth == 0 && nested == 0 => return None,
            '{' => depth += 1,
            '}' if depth <= 1 => return Some(from + i + 1),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The code with every item under `#[cfg(test)]` or `#[test]` blanked.
pub fn without_tests(blank: &str) -> String {
    let mut code = blank.to_owned();
    for mark in ["#[cfg(test)]", "#[test]"] {
        while let Some(at) = code.find(mark) {
            let body = at + mark.len();
            let semicolon = code[body..].find(';').map_or(code.len(), |i| body + i + 1);
            let end = body_end(&code, body).unwrap_or(semicolon).max(body);
            let hole: String = code[at..end]
                .chars()
                .map(|c| if c == '\n' { '\n' } else { ' ' })
                .collect();
            code.replace_range(at..end, &hole);
        }
    }
    code
}

#[test]
fn functions_are_measured() {
    let source = "fn a() {\n  let x = \"}\";\n}\ntrait T { fn b(&self, x: [u8; 2]); fn c() {} }\n#[cfg(test)]\nmod tests;\n\
                  fn d(\n  x: u8,\n) -> [u8; 2] {\n}\n#[cfg(test)]\nmod t {\n fn e() {}\n}\n#[test]\nfn f() {}\n";
    let found: Vec<(String, usize, usize)> = functions(source)
        .into_iter()
        .map(|f| (f.name, f.line, f.lines))
        .collect();
    let expected = [("a", 1, 3), ("c", 4, 1), ("d", 7, 4)];
    assert_eq!(
        found,
        expected.map(|(n, line, lines)| (n.to_owned(), line, lines))
    );
}
