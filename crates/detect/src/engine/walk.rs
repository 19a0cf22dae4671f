//! JSON read where it stands: one pass over the text, of which only wanted values are looked at.
//!
//! What is not wanted is stepped over without a look into it, so some text that is no JSON passes
//! (a control character in a text, a number like `1-2`); what breaks the structure ends the walk.
//! Records of one source have their keys in one order: [`Route`] remembers it, and the next record's
//! keys are compared with those of the last before they are looked up.

use std::borrow::Cow;

/// Objects and arrays inside each other are followed this far.
const DEPTH_MAX: u32 = 128;

/// The text is no JSON from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// A scalar as it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'b> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'b, str>),
}

/// What begins at a place of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Scalar,
}

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub(super) struct Walk<'b> {
    text: &'b str,
    at: usize,
    depth: u32,
}

impl<'b> Walk<'b> {
    pub fn new(text: &'b str) -> Walk<'b> {
        Walk {
            text,
            at: 0,
            depth: 0,
        }
    }

    fn rest(&self) -> &'b [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
        None
    }

    fn take(&mut self, wanted: u8) -> Result<(), Broken> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            return Ok(());
        }
        Err(Broken)
    }

    /// What comes; an object or array is entered.
    pub fn enter(&mut self) -> Result<Kind, Broken> {
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(_) => return Ok(Kind::Scalar),
            None => return Err(Broken),
        };
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            Err(Broken)
        } else {
            Ok(kind)
        }
    }

    /// Whether another member or element comes, inside of what `end` closes; `first` says that none
    /// has come yet.
    pub fn goes_on(&mut self, end: u8, first: bool) -> Result<bool, Broken> {
        match self.peek() {
            Some(byte) if byte == end => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(Broken),
        }
    }

    /// The next key with its quotes and its colon, when it is this one and no space is in between.
    pub fn is_key(&mut self, spelled: &str) -> bool {
        let is = self.rest().starts_with(spelled.as_bytes());
        if is {
            self.at += spelled.len();
        }
        is
    }

    /// The next key and its colon.
    pub fn key(&mut self) -> Result<Cow<'b, str>, Broken> {
        if self.peek() != Some(b'"') {
            return Err(Broken);
        }
        let key = self.string()?;
        self.take(b':')?;
        Ok(key)
    }

    /// Ends of a string that begins here: after its opening quote, at its closing one, and whether
    /// it has escapes.
    fn string_span(&mut self) -> Result<(usize, usize, bool), Broken> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        let mut escaped = false;
        loop {
            let next = memchr::memchr2(b'"', b'\\', bytes.get(at..).ok_or(Broken)?).ok_or(Broken)?;
            at += next;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Ok((start, at, escaped));
            }
            escaped = true;
            at += 2;
        }
    }

    fn string(&mut self) -> Result<Cow<'b, str>, Broken> {
        let (start, end, escaped) = self.string_span()?;
        let text = &self.text[start..end];
        if !escaped {
            return Ok(Cow::Borrowed(text));
        }
        let mut plain = String::with_capacity(text.len());
        unescape(text, &mut plain);
        Ok(Cow::Owned(plain))
    }

    /// The scalar here.
    pub fn scalar(&mut self) -> Result<Scalar<'b>, Broken> {
        if self.peek() == Some(b'"') {
            return self.string().map(Scalar::Text);
        }
        let start = self.at;
        self.skip_word();
        word(&self.text[start..self.at])
    }

    /// To the end of a number, a truth or null.
    fn skip_word(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') {
                return;
            }
            self.at += 1;
        }
    }

    /// Over the value here, whatever it is.
    pub fn skip(&mut self) -> Result<(), Broken> {
        match self.peek() {
            Some(b'"') => self.string_span().map(|_| ()),
            Some(b'{' | b'[') => self.skip_nested(),
            Some(_) => {
                let start = self.at;
                self.skip_word();
                if self.at > start { Ok(()) } else { Err(Broken) }
            }
            None => Err(Broken),
        }
    }

    fn skip_nested(&mut self) -> Result<(), Broken> {
        let mut open = 0u32;
        loop {
            match self.text.as_bytes().get(self.at).ok_or(Broken)? {
                b'"' => {
                    self.string_span()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Ok(());
            }
        }
    }
}

/// What a number, a truth or null means.
pub(super) fn word(text: &str) -> Result<Scalar<'static>, Broken> {
    match text {
        "null" => Ok(Scalar::Null),
        "true" => Ok(Scalar::Bool(true)),
        "false" => Ok(Scalar::Bool(false)),
        number => number_of(number),
    }
}

fn number_of(text: &str) -> Result<Scalar<'static>, Broken> {
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err(Broken);
    }
    // Minus zero is a number of its own; what is too large for an integer is rounded.
    if text != "-0"
        && let Ok(n) = text.parse()
    {
        return Ok(Scalar::Int(n));
    }
    // Beyond all floats it is still larger than what a rule may say: nobody hides the keys behind it.
    text.parse().map(Scalar::Float).map_err(|_| Broken)
}

/// Appends `text` with the escapes of JSON strings undone. Half a pair of surrogates becomes
/// U+FFFD; what is no escape stays as it is.
pub(super) fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, length) = escape(rest);
        out.push(c);
        rest = &rest[length..];
    }
    out.push_str(rest);
}

/// What the escape at the start of `text` means, and its length.
fn escape(text: &str) -> (char, usize) {
    let plain = match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(quoted @ (b'"' | b'\\' | b'/')) => char::from(*quoted),
        Some(b'u') => return unicode(text),
        _ => return ('\\', 1),
    };
    (plain, 2)
}

fn unicode(text: &str) -> (char, usize) {
    let unit = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    };
    let Some(first) = unit(0) else { return ('\\', 1) };
    if let Some(c) = char::from_u32(first) {
        return (c, 6);
    }
    let second = unit(6).filter(|unit| (0xDC00..0xE000).contains(unit));
    match (first, second) {
        (0xD800..0xDC00, Some(second)) => {
            let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            (char::from_u32(code).unwrap_or('\u{fffd}'), 12)
        }
        _ => ('\u{fffd}', 6),
    }
}

/// The keys of the records before, in order, each with what followed it.
#[derive(Clone, Debug)]
pub(super) struct Route<T> {
    /// Key as spelled with its quotes and colon, the place where it was looked up, what followed.
    steps: Vec<(Box<str>, u32, T)>,
    at: usize,
}

/// Longer records are not remembered whole.
const STEPS_MAX: usize = 256;
/// So many keys may be missing in a record before the next one is looked up.
const AHEAD: usize = 4;

impl<T: Copy> Route<T> {
    pub fn new() -> Route<T> {
        Route {
            steps: Vec::new(),
            at: 0,
        }
    }

    /// A new record begins.
    pub fn restart(&mut self) {
        self.at = 0;
    }

    /// What follows the key that comes next at `place`; `look_up` says it for a key not foreseen.
    pub fn next(
        &mut self,
        walk: &mut Walk<'_>,
        place: u32,
        look_up: impl FnOnce(&str) -> T,
    ) -> Result<T, Broken> {
        walk.peek();
        let from = self.at.min(self.steps.len());
        let ahead = self.steps[from..].iter().take(AHEAD);
        for (passed, (spelled, known, follows)) in ahead.enumerate() {
            if *known == place && walk.is_key(spelled) {
                self.at = from + passed + 1;
                return Ok(*follows);
            }
        }
        let key = walk.key()?;
        let follows = look_up(&key);
        if self.steps.len() < STEPS_MAX && !key.contains(['"', '\\']) {
            self.steps
                .insert(from, (format!("\"{key}\":").into(), place, follows));
            self.at = from + 1;
        }
        Ok(follows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Reads everything, as a tree.
    fn tree(walk: &mut Walk<'_>, route: &mut Route<u8>) -> Result<Value, Broken> {
        let mut first = true;
        Ok(match walk.enter()? {
            Kind::Scalar => match walk.scalar()? {
                Scalar::Null => Value::Null,
                Scalar::Bool(truth) => json!(truth),
                Scalar::Int(n) => json!(n),
                Scalar::Float(n) => json!(n),
                Scalar::Text(text) => json!(text),
            },
            Kind::Array => {
                let mut elements = Vec::new();
                while walk.goes_on(b']', std::mem::take(&mut first))? {
                    elements.push(tree(walk, route)?);
                }
                Value::Array(elements)
            }
            Kind::Object => {
                let mut members = serde_json::Map::new();
                while walk.goes_on(b'}', std::mem::take(&mut first))? {
                    let key = walk.clone().key()?.into_owned();
                    route.next(walk, 0, |_| 0)?;
                    members.insert(key, tree(walk, route)?);
                }
                Value::Object(members)
            }
        })
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(|truth| json!(truth)),
            any::<i64>().prop_map(|n| json!(n)),
            (-1000i32..1000).prop_map(|n| json!(f64::from(n) / 8.0)),
            "[a\"\\\\/\n한é😀{}\\[\\]:, ]{0,9}".prop_map(|text| json!(text)),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let member = ("[a-c.\"\\\\한]{0,3}", inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::Array),
                prop::collection::vec(member, 0..4).prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    /// The same JSON with every letter of its strings as an escape.
    fn escaped(text: &str) -> String {
        let mut out = String::new();
        let mut units = [0; 2];
        let (mut inside, mut chars) = (false, text.chars());
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    inside = !inside;
                    out.push(c);
                }
                '\\' => {
                    out.push(c);
                    out.extend(chars.next());
                }
                c if inside => {
                    let escapes = c
                        .encode_utf16(&mut units)
                        .iter()
                        .map(|unit| format!("\\u{unit:04X}"));
                    out.extend(escapes);
                }
                c => out.push(c),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn a_walk_reads_what_a_parser_reads(values in prop::collection::vec(value(), 1..4), pretty in any::<bool>()) {
            let mut route = Route::new();
            for value in values {
                let plain = if pretty { format!("{value:#}") } else { value.to_string() };
                for text in [plain.clone(), escaped(&plain)] {
                    prop_assert!(serde_json::from_str::<Value>(&text).is_ok_and(|read| read == value), "{}", text);
                    route.restart();
                    let mut walk = Walk::new(&text);
                    prop_assert_eq!(tree(&mut walk, &mut route), Ok(value.clone()), "{}", text);
                    let mut over = Walk::new(&text);
                    prop_assert_eq!(over.skip(), Ok(()));
                    prop_assert_eq!(over.rest().len(), 0);
                }
            }
        }

        #[test]
        fn no_text_makes_a_walk_panic(text in "[a\"\\\\u0d8{}\\[\\]:, 1-]{0,40}") {
            let _ = tree(&mut Walk::new(&text), &mut Route::new());
            let _ = Walk::new(&text).skip();
            unescape(&text, &mut String::new());
        }
    }
}
