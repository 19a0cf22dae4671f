//! The grammar of expressions, read by recursive descent with bounded depth and size.
//!
//! ```text
//! expression := first [ '?:' first ]
//! first      := value { '||' value }
//! value      := path | literal | name | name '(' [ expression { ',' expression } ] ')'
//!             | '(' expression ')'
//! path       := '$' { '.' key | '[' 'text' ']' | '[' number ']' }
//! literal    := number | 'text' | "text" | true | false
//! ```
//!
//! Spans are byte ranges of the expression's text.

use std::ops::Range;

/// Longest expression in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 4096;
/// Deepest nesting of calls and parentheses.
pub const EXPRESSION_DEPTH_MAX: usize = 24;
/// Most values, paths and calls in one expression.
pub const EXPRESSION_NODES_MAX: usize = 256;
/// Most steps of a path.
pub const PATH_STEPS_MAX: usize = 16;
/// Longest key in bytes, in a path and in a record.
pub const KEY_BYTES_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// No step: the record's text.
    Path(Vec<Step>),
    /// A bare name: a column, in `derive`.
    Name(String),
    Int(i64),
    Float(f64),
    Text(String),
    Bool(bool),
    Call {
        name: String,
        name_span: Range<usize>,
        args: Vec<Expr>,
    },
    /// `a || b`.
    First(Vec<Expr>),
    /// `a ?: b`.
    Default(Box<Expr>, Box<Expr>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Key(String),
    Index(u32),
}

/// Where and why the text is no expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub span: Range<usize>,
    pub code: &'static str,
    pub message: String,
    pub hint: Option<&'static str>,
}

type Parsed<T> = Result<T, Fault>;

/// Reads a whole expression.
///
/// # Errors
/// The first mistake.
pub fn parse(text: &str) -> Parsed<Expr> {
    if text.len() > EXPRESSION_BYTES_MAX {
        let message = format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes");
        return Err(fault(0..text.len(), "too_large", message, None));
    }
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        nodes: 0,
    };
    let expr = reader.expression()?;
    reader.space();
    if reader.at < text.len() {
        let end = reader.at + reader.rest().chars().next().map_or(0, char::len_utf8);
        let hint = match reader.rest() {
            rest if rest.starts_with('|') => Some("write `||` between alternatives"),
            rest if rest.starts_with('?') => Some("write `?:` before a default"),
            rest if rest.starts_with('=') => Some("write equals(a, b)"),
            _ => None,
        };
        return Err(fault(
            reader.at..end,
            "syntax",
            "the expression should end here",
            hint,
        ));
    }
    Ok(expr)
}

/// Reads `a.b[0]` or `$.a.b[0]`.
///
/// # Errors
/// The first mistake.
pub fn parse_path(text: &str) -> Parsed<Vec<Step>> {
    let whole = match text {
        "" | "$" => return Ok(Vec::new()),
        text if text.starts_with('$') => text.to_owned(),
        text if text.starts_with('[') => format!("${text}"),
        text => format!("$.{text}"),
    };
    match parse(&whole)?.kind {
        ExprKind::Path(steps) => Ok(steps),
        _ => Err(fault(
            0..text.len(),
            "syntax",
            "this is no path",
            Some("write 'a.b[0]'"),
        )),
    }
}

fn fault(
    span: Range<usize>,
    code: &'static str,
    message: impl Into<String>,
    hint: Option<&'static str>,
) -> Fault {
    Fault {
        span,
        code,
        message: message.into(),
        hint,
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    nodes: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn need(&mut self, token: &str, what: &str) -> Parsed<()> {
        if self.eat(token) {
            return Ok(());
        }
        let message = format!("`{token}` is missing {what}");
        Err(fault(self.here(), "syntax", message, None))
    }

    /// The character at the cursor.
    fn here(&self) -> Range<usize> {
        self.at..self.at + self.rest().chars().next().map_or(0, char::len_utf8)
    }

    fn expression(&mut self) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            let message = format!("nested deeper than {EXPRESSION_DEPTH_MAX} levels");
            return Err(fault(self.here(), "too_deep", message, None));
        }
        let main = self.first()?;
        let expr = if self.eat("?:") {
            let other = self.first()?;
            Expr {
                span: main.span.start..other.span.end,
                kind: ExprKind::Default(Box::new(main), Box::new(other)),
            }
        } else {
            main
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn first(&mut self) -> Parsed<Expr> {
        let one = self.value()?;
        if !self.rest().trim_start().starts_with("||") {
            return Ok(one);
        }
        let start = one.span.start;
        let mut choices = vec![one];
        while self.eat("||") {
            choices.push(self.value()?);
        }
        let end = choices.last().map_or(start, |last| last.span.end);
        Ok(Expr {
            kind: ExprKind::First(choices),
            span: start..end,
        })
    }

    fn value(&mut self) -> Parsed<Expr> {
        self.space();
        self.nodes += 1;
        if self.nodes > EXPRESSION_NODES_MAX {
            let message = format!("more than {EXPRESSION_NODES_MAX} values in one expression");
            return Err(fault(self.here(), "too_large", message, None));
        }
        let start = self.at;
        let kind = match self.rest().chars().next() {
            None => return Err(fault(start..start, "syntax", "a value is missing here", None)),
            Some('(') => {
                self.at += 1;
                let inner = self.expression()?;
                self.need(")", "after the expression in parentheses")?;
                inner.kind
            }
            Some('$') => self.path()?,
            Some(quote @ ('\'' | '"')) => ExprKind::Text(self.quoted(quote)?),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+') => self.number()?,
            Some(c) if c.is_alphabetic() || matches!(c, '_' | '@') => self.name()?,
            Some(_) => {
                let hint = Some("write a path such as $.field, a literal, or a function call");
                return Err(fault(self.here(), "syntax", "a value should stand here", hint));
            }
        };
        Ok(Expr {
            kind,
            span: start..self.at,
        })
    }

    /// Length of the bare key at the cursor.
    fn bare_key(&self) -> usize {
        let key = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | '@');
        self.rest().chars().take_while(key).map(char::len_utf8).sum()
    }

    fn path(&mut self) -> Parsed<ExprKind> {
        let start = self.at;
        self.at += 1;
        let mut steps = Vec::new();
        loop {
            if self.rest().starts_with('.') {
                self.at += 1;
                let length = self.bare_key();
                if length == 0 {
                    let hint = Some("write $['any key'] for other characters");
                    return Err(fault(
                        self.here(),
                        "syntax",
                        "a key is missing after the point",
                        hint,
                    ));
                }
                steps.push(Step::Key(self.rest()[..length].to_owned()));
                self.at += length;
            } else if self.rest().starts_with('[') {
                self.at += 1;
                steps.push(self.subscript()?);
            } else {
                break;
            }
            let long = matches!(steps.last(), Some(Step::Key(key)) if key.len() > KEY_BYTES_MAX);
            if long || steps.len() > PATH_STEPS_MAX {
                let message =
                    format!("a path has at most {PATH_STEPS_MAX} steps, a key {KEY_BYTES_MAX} bytes");
                return Err(fault(start..self.at, "too_large", message, None));
            }
        }
        Ok(ExprKind::Path(steps))
    }

    fn subscript(&mut self) -> Parsed<Step> {
        self.space();
        let step = match self.rest().chars().next() {
            Some(quote @ ('\'' | '"')) => Step::Key(self.quoted(quote)?),
            Some(c) if c.is_ascii_digit() => {
                let start = self.at;
                self.at += self.rest().bytes().take_while(u8::is_ascii_digit).count();
                let number = self.text[start..self.at]
                    .parse()
                    .map_err(|_| fault(start..self.at, "bad_number", "the index is too large", None))?;
                Step::Index(number)
            }
            _ => {
                let hint = Some("write ['key'] or [0]");
                return Err(fault(
                    self.here(),
                    "syntax",
                    "a quoted key or an index is missing",
                    hint,
                ));
            }
        };
        self.need("]", "after the key")?;
        Ok(step)
    }

    fn quoted(&mut self, quote: char) -> Parsed<String> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at = start + 1 + at + 1;
                return Ok(out);
            }
            // Only the quotes and the backslash need escapes; others stay, for patterns.
            match c {
                '\\' => match chars.clone().next() {
                    Some((_, next @ ('\'' | '"' | '\\'))) => {
                        out.push(next);
                        chars.next();
                    }
                    _ => out.push('\\'),
                },
                other => out.push(other),
            }
        }
        let message = "the text has no closing quote";
        Err(fault(start..self.text.len(), "syntax", message, None))
    }

    fn number(&mut self) -> Parsed<ExprKind> {
        let start = self.at;
        let part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
        self.at += self.rest().chars().take_while(part).count();
        let text = &self.text[start..self.at];
        if let Ok(number) = text.parse::<i64>() {
            return Ok(ExprKind::Int(number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(ExprKind::Float(number)),
            _ => Err(fault(start..self.at, "bad_number", "this is no number", None)),
        }
    }

    fn name(&mut self) -> Parsed<ExprKind> {
        let start = self.at;
        self.at += self.bare_key();
        let name = self.text[start..self.at].to_owned();
        let name_span = start..self.at;
        match name.as_str() {
            "true" => return Ok(ExprKind::Bool(true)),
            "false" => return Ok(ExprKind::Bool(false)),
            _ => {}
        }
        if !self.eat("(") {
            self.at = name_span.end;
            return Ok(ExprKind::Name(name));
        }
        let mut args = Vec::new();
        if !self.eat(")") {
            loop {
                args.push(self.expression()?);
                if self.eat(",") {
                    continue;
                }
                self.need(")", "after the arguments")?;
                break;
            }
        }
        Ok(ExprKind::Call {
            name,
            name_span,
            args,
        })
    }
}
