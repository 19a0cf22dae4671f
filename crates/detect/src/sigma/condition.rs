//! The condition language: identifiers, `and`, `or`, `not`, parentheses, `1 of` and `all of`.

/// A condition over search identifiers, quantifiers already expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Name(String),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

/// Deeper nesting than any rule needs; bounds the recursion.
const DEPTH_MAX: usize = 64;

struct Reader<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    names: &'a [String],
    depth: usize,
}

/// Reads `text`; `names` are the search identifiers of the rule.
///
/// # Errors
/// A sentence saying what is wrong: unknown identifier, pattern that matches nothing, obsolete
/// aggregation, syntax.
pub fn parse(text: &str, names: &[String]) -> Result<Condition, String> {
    if text.contains('|') {
        return Err("aggregation with `|` is obsolete; write a correlation rule".into());
    }
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        names,
        depth: 0,
    };
    let condition = reader.or()?;
    match reader.tokens.get(reader.at) {
        None => Ok(condition),
        Some(near) if near.eq_ignore_ascii_case("near") => {
            Err("`near` is obsolete; write a correlation rule of type temporal".into())
        }
        Some(left) => Err(format!("unexpected `{left}` in the condition")),
    }
}

fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(['(', ')']) {
            if at > 0 {
                tokens.push(&rest[..at]);
            }
            tokens.push(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            tokens.push(rest);
        }
    }
    tokens
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self
            .tokens
            .get(self.at)
            .is_some_and(|token| token.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("the condition is nested too deeply".into());
        }
        let mut parts = vec![self.and()?];
        while self.take("or") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(one_or(parts, Condition::Or))
    }

    fn and(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.not()?];
        while self.take("and") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Condition::And))
    }

    fn not(&mut self) -> Result<Condition, String> {
        let mut negated = false;
        while self.take("not") {
            negated = !negated;
        }
        let inner = self.primary()?;
        Ok(if negated {
            Condition::Not(Box::new(inner))
        } else {
            inner
        })
    }

    fn primary(&mut self) -> Result<Condition, String> {
        if self.take("(") {
            let inner = self.or()?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err("a `(` is not closed".into())
            };
        }
        let Some(&token) = self.tokens.get(self.at) else {
            return Err("the condition ends too early".into());
        };
        let of = self
            .tokens
            .get(self.at + 1)
            .is_some_and(|next| next.eq_ignore_ascii_case("of"));
        if of {
            return self.quantified(token);
        }
        self.at += 1;
        if self.names.iter().any(|name| name == token) {
            Ok(Condition::Name(token.to_owned()))
        } else {
            Err(format!(
                "the condition names `{token}`, which the detection does not define"
            ))
        }
    }

    fn quantified(&mut self, quantifier: &str) -> Result<Condition, String> {
        let all = match quantifier.to_ascii_lowercase().as_str() {
            "1" | "any" => false,
            "all" => true,
            other => {
                return Err(format!(
                    "`{other} of` is not a quantifier; use `1 of` or `all of`"
                ));
            }
        };
        let Some(&pattern) = self.tokens.get(self.at + 2) else {
            return Err("`of` needs a pattern or `them`".into());
        };
        self.at += 3;
        let chosen: Vec<Condition> = self
            .names
            .iter()
            .filter(|name| chosen(pattern, name))
            .map(|name| Condition::Name(name.clone()))
            .collect();
        match (chosen.is_empty(), all) {
            (true, _) => Err(format!("`{pattern}` matches no search identifier")),
            (false, true) => Ok(one_or(chosen, Condition::And)),
            (false, false) => Ok(one_or(chosen, Condition::Or)),
        }
    }
}

fn one_or(mut parts: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    if parts.len() == 1 {
        parts.remove(0)
    } else {
        many(parts)
    }
}

/// Whether `pattern` (with `*`) or `them` picks `name`; names that start with `_` are skipped
/// unless the pattern does too.
fn chosen(pattern: &str, name: &str) -> bool {
    if name.starts_with('_') && !pattern.starts_with('_') {
        return false;
    }
    if pattern.eq_ignore_ascii_case("them") {
        return true;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Condition, String> {
        let names = ["sel_a", "sel_b", "filter", "_hidden"].map(String::from);
        parse(text, &names)
    }

    fn name(text: &str) -> Condition {
        Condition::Name(text.into())
    }

    #[test]
    fn precedence_and_quantifiers() {
        assert_eq!(
            read("sel_a or sel_b and not filter"),
            Ok(Condition::Or(vec![
                name("sel_a"),
                Condition::And(vec![name("sel_b"), Condition::Not(Box::new(name("filter")))]),
            ]))
        );
        assert_eq!(
            read("1 of sel_*"),
            Ok(Condition::Or(vec![name("sel_a"), name("sel_b")]))
        );
        assert_eq!(
            read("all of them"),
            Ok(Condition::And(vec![name("sel_a"), name("sel_b"), name("filter")]))
        );
        assert_eq!(read("((filter))"), Ok(name("filter")));
        assert_eq!(read("1 of _hid*"), Ok(name("_hidden")));
    }

    #[test]
    fn mistakes_are_told() {
        for bad in [
            "",
            "nope",
            "sel_a |  count() > 5",
            "(sel_a",
            "sel_a sel_b",
            "2 of sel_*",
            "1 of x*",
            "1 of",
            "not",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"(".repeat(1000)).is_err());
    }
}
