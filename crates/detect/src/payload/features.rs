//! What a window of tokens shows: n-grams of token classes and a few traits of the whole.
//!
//! Nothing here depends on which words or numbers were written, only on the roles they play,
//! save for one trait: that both sides of a comparison are the same.

use super::lex::{Lexed, Lexeme};
use super::token::Token;

/// Tokens of one window. A fragment that works needs less; more is padding.
pub const WINDOW: usize = 20;

/// How far windows are apart, so that each fragment of half a window is whole in one of them.
pub const STRIDE: usize = 10;

/// A feature: up to four token classes in a row, or a trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Feature(u32);

const TRAIT: u32 = 1 << 28;

/// Token classes of one n-gram at most.
const GRAM: usize = 4;

/// Traits of a window, by the names they have in the table of weights.
pub const TRAITS: &[&str] = &[
    "has:comment",
    "has:conditional-comment",
    "has:same-both-sides",
    "has:comparison",
    "has:open-parenthesis",
    "has:stray-close",
    "has:odd-quote",
    "has:strong-words-1",
    "has:strong-words-2",
    "has:strong-words-3",
    "has:keywords-2",
    "has:keywords-4",
    "has:keywords-7",
    "has:calls-2",
    "has:signs-4",
    "has:signs-8",
    "has:sign-kinds-4",
    "has:sign-kinds-6",
    "has:prose-2",
    "has:single-token",
    "has:two-tokens",
    "has:quote-then-keyword",
    "has:quote-then-end",
    "has:nothing-but-signs",
    "has:call",
    "has:union-select",
    "has:select-from",
    "has:select-list-from",
    "has:stacked",
    "has:logic-comparison",
    "has:logic-call",
    "has:by-number",
    "has:wait-call",
    "has:call-in-call",
    "has:select-in-parentheses",
    "has:statement",
    "has:stacked-statement",
    "has:tautology",
    "has:schema-member",
    "has:danger-call",
];

/// Traits that no benign text has, however much of it there is, and the least log-odds they mean:
/// without them words around an attack, which the model takes for prose, could outweigh it.
pub const DECISIVE: &[(&str, f32)] = &[
    ("has:union-select", 1.5),
    ("has:stacked-statement", 1.5),
    ("has:tautology", 1.5),
    ("has:wait-call", 0.5),
    ("has:danger-call", 1.0),
    ("has:schema-member", 0.5),
];

/// [`DECISIVE`] as features.
pub fn decisive() -> impl Iterator<Item = (Feature, f32)> {
    DECISIVE.iter().map(|(name, least)| (of(name), *least))
}

/// The trait of that name, found when compiling.
const fn of(name: &str) -> Feature {
    let mut at = 0;
    while at < TRAITS.len() {
        if same(TRAITS[at].as_bytes(), name.as_bytes()) {
            return Feature(TRAIT + at as u32);
        }
        at += 1;
    }
    panic!("a trait that is not in the list")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

impl Feature {
    fn gram(tokens: &[Token]) -> Self {
        Self(
            tokens
                .iter()
                .fold(0, |code, token| (code << 7) | (*token as u32 + 1)),
        )
    }

    /// Whether it is a trait of the window, not an n-gram.
    pub const fn is_trait(self) -> bool {
        self.0 >= TRAIT
    }

    /// The feature that [`Feature::name`] writes so.
    pub fn parse(name: &str) -> Option<Self> {
        if name.starts_with("has:") {
            let at = TRAITS.iter().position(|known| *known == name)?;
            return Some(Self(TRAIT + u32::try_from(at).ok()?));
        }
        let tokens: Option<Vec<Token>> = name
            .split(' ')
            .map(|word| Token::ALL.iter().copied().find(|token| token.name() == word))
            .collect();
        tokens
            .filter(|tokens| (1..=GRAM).contains(&tokens.len()))
            .map(|tokens| Self::gram(&tokens))
    }

    /// The name in the table of weights: token names with spaces between, or `has:…`.
    pub fn name(self) -> String {
        if self.0 >= TRAIT {
            return TRAITS
                .get((self.0 - TRAIT) as usize)
                .copied()
                .unwrap_or("has:?")
                .to_owned();
        }
        let parts = [
            self.0 >> 21,
            (self.0 >> 14) & 0x7F,
            (self.0 >> 7) & 0x7F,
            self.0 & 0x7F,
        ];
        let names: Vec<_> = parts
            .iter()
            .filter(|code| **code > 0)
            .map(|code| {
                Token::ALL
                    .get(*code as usize - 1)
                    .map_or("?", |token| token.name())
            })
            .collect();
        names.join(" ")
    }
}

/// The last few tokens.
#[derive(Default)]
struct Grams {
    code: u32,
    held: usize,
}

impl Grams {
    fn push(
        &mut self,
        token: Token,
        lengths: std::ops::RangeInclusive<usize>,
        found: &mut impl FnMut(Feature),
    ) {
        self.code = ((self.code << 7) | (token as u32 + 1)) & (TRAIT - 1);
        self.held = (self.held + 1).min(GRAM);
        for length in lengths.filter(|length| *length <= self.held) {
            found(Feature(self.code & ((1 << (7 * length)) - 1)));
        }
    }
}

/// The windows of `lexed`, as ranges of its lexemes. At least one unless it is empty.
pub fn windows(lexed: &Lexed) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
    let total = lexed.lexemes.len();
    let mut from = Some(0).filter(|_| total > 0);
    std::iter::from_fn(move || {
        let start = from?;
        let end = (start + WINDOW).min(total);
        from = (end < total).then_some(start + STRIDE);
        Some(start..end)
    })
}

/// Calls `found` with each feature of the window; some come more than once.
pub fn each(text: &str, lexed: &Lexed, window: &std::ops::Range<usize>, mut found: impl FnMut(Feature)) {
    let lexemes = &lexed.lexemes[window.clone()];
    // Edges count only where the text begins and ends, not where the window does.
    let first = (window.start == 0).then_some(Token::Start);
    let last = (window.end == lexed.lexemes.len()).then_some(Token::End);
    let tokens = first
        .into_iter()
        .chain(lexemes.iter().map(|lexeme| lexeme.token))
        .chain(last);
    let mut narrow = Grams::default();
    let mut wide = Grams::default();
    for token in tokens {
        narrow.push(token, 1..=3, &mut found);
        wide.push(token.wide(), 2..=GRAM, &mut found);
    }
    let mut seen = found;
    for (at, conditional) in &lexed.comments {
        if (window.start..=window.end).contains(at) {
            seen(if *conditional {
                const { of("has:conditional-comment") }
            } else {
                const { of("has:comment") }
            });
        }
    }
    comparisons(text, lexemes, &mut seen);
    clauses(lexemes, &mut seen);
    balance(lexemes, &mut seen);
    tallies(lexemes, &mut seen);
}

/// Comparisons of values with values, and of a value with itself.
fn comparisons(text: &str, lexemes: &[Lexeme], seen: &mut impl FnMut(Feature)) {
    let value = |lexeme: &Lexeme| {
        matches!(
            lexeme.token,
            Token::Number | Token::Ident | Token::Word | Token::Radix | Token::Bound | Token::Blob
        )
    };
    let solid = |from: usize, step: isize| -> Option<&Lexeme> {
        let mut at = from;
        for _ in 0..3 {
            at = at.checked_add_signed(step)?;
            let lexeme = lexemes.get(at)?;
            if !(lexeme.token.is_quote() || matches!(lexeme.token, Token::Open | Token::Close | Token::Not)) {
                return Some(lexeme).filter(|lexeme| value(lexeme));
            }
        }
        None
    };
    for (at, lexeme) in lexemes.iter().enumerate() {
        if !lexeme.token.is_comparison() {
            continue;
        }
        if let (Some(left), Some(right)) = (solid(at, -1), solid(at, 1)) {
            if left.token == Token::Number && right.token == Token::Number {
                seen(const { of("has:comparison") });
            }
            let written = |lexeme: &Lexeme| text.as_bytes().get(lexeme.start..lexeme.end).unwrap_or_default();
            if written(left).eq_ignore_ascii_case(written(right)) {
                seen(const { of("has:same-both-sides") });
                let from = at.saturating_sub(6);
                let before = &lexemes[from..at];
                let is_value =
                    left.token != Token::Word || before.iter().any(|lexeme| lexeme.token.is_quote());
                let is_logic = |lexeme: &Lexeme| lexeme.token.wide() == Token::AnyLogic;
                if is_value && before.iter().any(is_logic) {
                    seen(const { of("has:tautology") });
                }
            }
        }
    }
}

/// How far apart the parts of one clause stand at most.
const CLAUSE: usize = 12;

/// Clauses of SQL, whatever stands inside them.
fn clauses(lexemes: &[Lexeme], seen: &mut impl FnMut(Feature)) {
    let at = |at: usize| lexemes.get(at).map_or(Token::End, |lexeme| lexeme.token);
    for (i, Lexeme { token, .. }) in lexemes.iter().enumerate() {
        // The next token that is neither a parenthesis nor a quote, and where it is.
        let solid = (i + 1..i + 4).find(|next| {
            !matches!(at(*next), Token::Open | Token::Call | Token::All | Token::Not) && !at(*next).is_quote()
        });
        let next = solid.map_or(Token::End, at);
        let within = |wanted: &dyn Fn(Token) -> bool| {
            (i + 1..lexemes.len().min(i + CLAUSE)).any(|later| wanted(at(later)))
        };
        match token {
            Token::Union if next == Token::Select => seen(const { of("has:union-select") }),
            Token::Select => {
                if within(&|later| later == Token::From) {
                    seen(const { of("has:select-from") });
                    if within(&|later| matches!(later, Token::Comma | Token::Star | Token::Call)) {
                        seen(const { of("has:select-list-from") });
                    }
                }
                if i > 0 && matches!(at(i - 1), Token::Open | Token::Call) {
                    seen(const { of("has:select-in-parentheses") });
                }
            }
            Token::Semicolon if next.wide() == Token::AnyVerb => {
                seen(const { of("has:stacked") });
                if solid.is_some_and(|verb| is_statement(verb, &at)) {
                    seen(const { of("has:stacked-statement") });
                }
            }
            Token::Schema
                if at(i + 1) == Token::Dot && i > 0 && matches!(at(i - 1), Token::From | Token::Into) =>
            {
                seen(const { of("has:schema-member") })
            }
            Token::Danger if at(i + 1) == Token::Call => seen(const { of("has:danger-call") }),
            Token::Insert | Token::Delete | Token::Define | Token::Update if is_statement(i, &at) => {
                seen(const { of("has:statement") })
            }
            Token::By if matches!(next, Token::Number | Token::Bound) => seen(const { of("has:by-number") }),
            Token::Sleep if at(i + 1) == Token::Call => seen(const { of("has:wait-call") }),
            Token::Wait if next == Token::Sleep => seen(const { of("has:wait-call") }),
            _ if token.wide() == Token::AnyLogic => logic(solid, &at, seen),
            _ if token.wide() == Token::AnyFunction
                && matches!(at(i + 1), Token::Call | Token::Open)
                && at(i + 2).wide() == Token::AnyFunction
                && at(i + 3) == Token::Call =>
            {
                seen(const { of("has:call-in-call") });
            }
            _ => {}
        }
    }
}

/// Whether a statement that changes something begins at `verb`.
fn is_statement(verb: usize, at: &impl Fn(usize) -> Token) -> bool {
    match at(verb) {
        Token::Insert => at(verb + 1) == Token::Into,
        Token::Delete => at(verb + 1) == Token::From,
        Token::Define => at(verb + 1) == Token::Table,
        Token::Update => (verb + 2..verb + 5).any(|later| at(later) == Token::Set),
        Token::Declare => at(verb + 1) == Token::Variable,
        Token::Execute => matches!(
            at(verb + 1),
            Token::Danger | Token::Open | Token::Call | Token::Schema
        ),
        _ => false,
    }
}

/// What follows `and`, `or` and their like: a call or a comparison.
fn logic(solid: Option<usize>, at: &impl Fn(usize) -> Token, seen: &mut impl FnMut(Feature)) {
    let Some(first) = solid else { return };
    if at(first).wide() == Token::AnyFunction && matches!(at(first + 1), Token::Call | Token::Open) {
        seen(const { of("has:logic-call") });
    }
    let is_sign = |token: Token| token.is_comparison() && !matches!(token, Token::Like);
    if (first..first + 3).any(|later| is_sign(at(later))) {
        seen(const { of("has:logic-comparison") });
    }
}

/// Parentheses and quotes that do not pair off.
fn balance(lexemes: &[Lexeme], seen: &mut impl FnMut(Feature)) {
    let mut depth = 0usize;
    let mut quotes = [0usize; 3];
    for pair in lexemes.windows(2) {
        if pair[0].token.is_quote() && pair[1].token.is_keyword() {
            seen(const { of("has:quote-then-keyword") });
        }
    }
    for lexeme in lexemes {
        match lexeme.token {
            Token::Open | Token::Call => depth += 1,
            Token::Close if depth == 0 => seen(const { of("has:stray-close") }),
            Token::Close => depth -= 1,
            Token::Single => quotes[0] += 1,
            Token::Double => quotes[1] += 1,
            Token::Back => quotes[2] += 1,
            _ => {}
        }
    }
    if depth > 0 {
        seen(const { of("has:open-parenthesis") });
    }
    if quotes.iter().any(|count| count % 2 == 1) {
        seen(const { of("has:odd-quote") });
    }
    if lexemes.last().is_some_and(|lexeme| lexeme.token.is_quote()) {
        seen(const { of("has:quote-then-end") });
    }
}

/// How many tokens of which sort.
fn tallies(lexemes: &[Lexeme], seen: &mut impl FnMut(Feature)) {
    let (mut strong, mut keywords, mut calls, mut signs, mut kinds, mut prose) = (0, 0, 0, 0, 0u128, 0);
    let mut before = Token::Start;
    for Lexeme { token, .. } in lexemes {
        strong += usize::from(token.is_strong_word());
        keywords += usize::from(token.is_keyword());
        calls += usize::from(*token == Token::Call && before.is_keyword());
        prose += usize::from(matches!(token, Token::Prose | Token::Foreign));
        if (Token::Single as u8..=Token::Other as u8).contains(&(*token as u8)) && *token != Token::Dot {
            signs += 1;
            kinds |= 1u128 << (*token as u32);
        }
        before = *token;
    }
    for (name, holds) in [
        (const { of("has:strong-words-1") }, strong >= 1),
        (const { of("has:strong-words-2") }, strong >= 2),
        (const { of("has:strong-words-3") }, strong >= 3),
        (const { of("has:keywords-2") }, keywords >= 2),
        (const { of("has:keywords-4") }, keywords >= 4),
        (const { of("has:keywords-7") }, keywords >= 7),
        (const { of("has:call") }, calls >= 1),
        (const { of("has:calls-2") }, calls >= 2),
        (const { of("has:signs-4") }, signs >= 4),
        (const { of("has:signs-8") }, signs >= 8),
        (const { of("has:sign-kinds-4") }, kinds.count_ones() >= 4),
        (const { of("has:sign-kinds-6") }, kinds.count_ones() >= 6),
        (const { of("has:prose-2") }, prose >= 2),
        (const { of("has:single-token") }, lexemes.len() == 1),
        (const { of("has:two-tokens") }, lexemes.len() == 2),
        (const { of("has:nothing-but-signs") }, signs == lexemes.len()),
    ] {
        if holds {
            seen(name);
        }
    }
}
