//! The definition file as YAML: its keys, and where each value stands.

use crate::mapping::{Diagnostic, Entry, Excerpt, nearest};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// A scalar as text, whatever YAML takes it for.
#[derive(Clone, Debug)]
pub struct Scalar(pub Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true, false or null")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(text.to_owned())))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(number.to_string())))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(number.to_string())))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(Some(number.to_string())))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

pub type Placed = Spanned<Scalar>;

/// One scalar or a list of them.
#[derive(Debug)]
pub struct OneOrMany(pub Vec<Result<Placed, Scalar>>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Err(Scalar(Some(text.to_owned())))]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany, A::Error> {
                let mut found = Vec::new();
                while let Some(item) = items.next_element()? {
                    found.push(Ok(item));
                }
                Ok(OneOrMany(found))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// A mapping of scalars, in the order of the file.
#[derive(Debug, Default)]
pub struct Lines(pub Vec<(Placed, Placed)>);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;

        impl<'de> Visitor<'de> for Ordered {
            type Value = Lines;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lines of `column: expression`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lines, A::Error> {
                let mut lines = Vec::new();
                while let Some(line) = map.next_entry()? {
                    lines.push(line);
                }
                Ok(Lines(lines))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Lines, E> {
                Ok(Lines::default())
            }
        }

        deserializer.deserialize_map(Ordered)
    }
}

/// One line under `tests`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestLine {
    pub line: Placed,
    #[serde(default)]
    pub expect: Option<Lines>,
    #[serde(default)]
    pub reject: Option<Placed>,
}

/// The whole file; what must be there is checked later, with better words.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub id: Option<Placed>,
    pub version: Option<Placed>,
    pub kind: Option<Placed>,
    pub dataset: Option<Placed>,
    #[serde(rename = "description")]
    pub _description: Option<Placed>,
    pub pattern: Option<Spanned<OneOrMany>>,
    pub module: Option<Placed>,
    pub detect: Option<Placed>,
    pub time_zone: Option<Placed>,
    pub required: Option<Vec<Placed>>,
    pub map: Option<Lines>,
    pub derive: Option<Lines>,
    pub tests: Option<Vec<Spanned<TestLine>>>,
}

/// A file being read: what it is called and what it says.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

impl Document<'_> {
    /// # Errors
    /// When it is no YAML, or not of this form.
    pub fn read(self) -> Result<File, Diagnostic> {
        let quoted = quote_expressions(self.text);
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(&quoted, options).map_err(|error| self.not_yaml(&error))
    }

    fn not_yaml(self, error: &serde_saphyr::Error) -> Diagnostic {
        let error = error.without_snippet();
        let (line, column) = error
            .location()
            .map_or((1, 1), |at| (at.line() as u32, at.column() as u32));
        let (code, message, text, hint) = match error {
            serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
                let known = expected.iter().copied().filter(|key| !key.starts_with('_'));
                let message = format!("unknown key `{field}`");
                ("unknown_key", message, field.clone(), nearest(field, known))
            }
            other => ("yaml", other.to_string(), String::new(), None),
        };
        Diagnostic {
            code,
            file: self.name.to_owned(),
            line,
            column,
            message,
            text,
            hint,
        }
    }

    pub fn excerpt(self, placed: &Placed) -> Excerpt {
        let at = placed.referenced;
        let value = placed.value.0.as_deref().unwrap_or("");
        Excerpt::at(self.name, self.text, at.line() as u32, at.column() as u32, value)
    }

    pub fn entries(self, lines: Option<&Lines>) -> Vec<Entry> {
        lines
            .map_or(&[][..], |lines| &lines.0)
            .iter()
            .map(|(column, expression)| Entry {
                column: self.excerpt(column),
                expression: self.excerpt(expression),
            })
            .collect()
    }

    /// The patterns, each with its place.
    pub fn many(self, list: &Spanned<OneOrMany>) -> Vec<Excerpt> {
        let one = |item: &Result<Placed, Scalar>| match item {
            Ok(placed) => self.excerpt(placed),
            Err(scalar) => self.excerpt(&Spanned {
                value: scalar.clone(),
                referenced: list.referenced,
                defined: list.defined,
            }),
        };
        list.value.0.iter().map(one).collect()
    }
}

/// Puts quotes around the expressions of `map` and `derive` that YAML would not take bare, since
/// `?: 0` holds a colon and a space. Lines stay lines, and values begin where they began.
fn quote_expressions(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let indented = line.starts_with([' ', '\t']);
        let blank = line.trim().is_empty() || line.trim_start().starts_with('#');
        if !indented && !blank {
            inside = matches!(line.trim_end(), "map:" | "derive:")
                || line.starts_with("map: #")
                || line.starts_with("derive: #");
        } else if inside
            && !blank
            && let Some(quoted) = quote_line(line)
        {
            out.push_str(&quoted);
            continue;
        }
        out.push_str(line);
    }
    out
}

/// `  column: expression`, quoted; `None` when the line can stay as it is.
fn quote_line(line: &str) -> Option<String> {
    let (key, rest) = line.split_once(':')?;
    let value = rest.trim_start_matches([' ', '\t']);
    let plain =
        rest.len() > value.len() && !value.starts_with(['\'', '"', '|', '>', '{', '[', '&', '*', '!', '#']);
    if !plain || !(value.contains(": ") || value.trim_end().ends_with(':')) {
        return None;
    }
    let value = &value[..comment_start(value)];
    let kept = value.trim_end();
    let start = line.len() - rest.trim_start_matches([' ', '\t']).len();
    debug_assert!(start > key.len());
    let tail = &line[start + kept.len()..];
    Some(format!("{}'{}'{tail}", &line[..start], kept.replace('\'', "''")))
}

/// Where a comment begins: at a `#` behind a space that stands in no text of the expression.
fn comment_start(value: &str) -> usize {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in value.char_indices() {
        match quote {
            Some(open) if c == open && before != '\\' => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c == '#' && before == ' ' => return at,
            None => {}
        }
        before = c;
    }
    value.len()
}
