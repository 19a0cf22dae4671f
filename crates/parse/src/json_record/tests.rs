use super::*;
use crate::separators::Marks;
use proptest::prelude::*;

/// What the grammar says, a byte at a time and by recursion: where the object ends, or why not.
struct Plain<'t> {
    bytes: &'t [u8],
    at: usize,
    depth_max: usize,
    fields_left: usize,
}

impl Plain<'_> {
    fn here(&mut self) -> Option<u8> {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn wrong<T>(&self) -> Result<T, Fault> {
        Err(Fault::Syntax(self.at))
    }

    fn take(&mut self, wanted: u8) -> Result<(), Fault> {
        if self.here() != Some(wanted) {
            return self.wrong();
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                None => return self.wrong(),
                Some(b'"') => break self.at += 1,
                Some(b'\\') => {
                    let hex = self.bytes.get(self.at + 2..self.at + 6);
                    match self.bytes.get(self.at + 1) {
                        Some(b'u') if hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
                            self.at += 6;
                        }
                        Some(c) if b"\"\\/bfnrt".contains(c) => self.at += 2,
                        _ => return self.wrong(),
                    }
                }
                Some(0..0x20) => return self.wrong(),
                Some(_) => self.at += 1,
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        match self.at - start {
            0 => self.wrong(),
            count => Ok(count),
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.at += usize::from(self.bytes.get(self.at) == Some(&b'-'));
        let zero = self.bytes.get(self.at) == Some(&b'0');
        if self.digits()? > 1 && zero {
            return self.wrong();
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        match self.here() {
            Some(b'{') => return self.object(depth + 1),
            Some(b'[') => return self.array(depth + 1),
            Some(b'"') => return self.string(),
            _ => {}
        }
        for (first, word) in [(b't', "true"), (b'f', "false"), (b'n', "null")] {
            if self.bytes.get(self.at) == Some(&first) {
                if !self.bytes[self.at..].starts_with(word.as_bytes()) {
                    return self.wrong();
                }
                self.at += word.len();
                return Ok(());
            }
        }
        self.number()
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > self.depth_max {
            return Err(Fault::TooComplex);
        }
        self.at += 1;
        if self.here() != Some(b']') {
            self.value(depth)?;
            while self.here() == Some(b',') {
                self.at += 1;
                self.value(depth)?;
            }
        }
        self.take(b']')
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > self.depth_max {
            return Err(Fault::TooComplex);
        }
        self.take(b'{')?;
        if self.here() == Some(b'}') {
            return self.take(b'}');
        }
        loop {
            if self.here() != Some(b'"') {
                return self.wrong();
            }
            self.string()?;
            self.fields_left = self.fields_left.checked_sub(1).ok_or(Fault::TooComplex)?;
            self.take(b':')?;
            self.value(depth)?;
            if self.here() != Some(b',') {
                return self.take(b'}');
            }
            self.at += 1;
        }
    }
}

const DEPTH_MAX: usize = 6;
const FIELDS_MAX: usize = 24;

fn plainly(text: &str) -> Result<usize, Fault> {
    let mut plain = Plain {
        bytes: text.as_bytes(),
        at: 0,
        depth_max: DEPTH_MAX,
        fields_left: FIELDS_MAX,
    };
    plain.object(1).map(|()| plain.at)
}

/// Everything under a value, as it is kept and as a scanner put on each nested value reads it.
fn same_inside(text: &str, record: &Record, value: &Value) -> Result<(), TestCaseError> {
    let again = || Scanner::new(text, value.span.start, 64, 1000);
    let shown = |member: &Member| (member.key.whole(), member.value.kind, member.value.whole());
    match value.kind {
        Kind::Object => {
            let mut want = Vec::new();
            again().object(&mut want).expect("it was read before");
            let got = record.members_of(value);
            prop_assert_eq!(
                got.iter().map(shown).collect::<Vec<_>>(),
                want.iter().map(shown).collect::<Vec<_>>()
            );
            prop_assert!(record.items_of(value).is_empty());
        }
        Kind::Array => {
            let mut want = Vec::new();
            again().array(&mut want).expect("it was read before");
            want.retain(|item| matches!(item.kind, Kind::Object | Kind::Array));
            let got = record.items_of(value);
            prop_assert_eq!(
                got.iter()
                    .map(|item| (item.value.kind, item.value.whole()))
                    .collect::<Vec<_>>(),
                want.iter()
                    .map(|item| (item.kind, item.whole()))
                    .collect::<Vec<_>>()
            );
            prop_assert!(record.members_of(value).is_empty());
        }
        _ => {
            prop_assert!(record.inside(value).is_empty());
            return Ok(());
        }
    }
    record
        .inside(value)
        .iter()
        .try_for_each(|member| same_inside(text, record, &member.value))
}

fn check(text: &str, record: &mut Record) -> Result<(), TestCaseError> {
    let want = plainly(text);
    let marks = Marks::new(text.as_bytes());
    let scanner = || Scanner::new(text, 0, DEPTH_MAX, FIELDS_MAX);
    for inside in [false, true] {
        for mut scanner in [scanner(), scanner().with_marks(&marks)] {
            let got = record.read(&mut scanner, inside).map(|()| scanner.position());
            prop_assert_eq!(&got, &want, "{:?}", text);
        }
    }
    let Ok(end) = want else {
        return Ok(());
    };
    // The marks may be those of more text.
    let longer = format!("{}, \"", &text[..end]);
    let marks = Marks::new(longer.as_bytes());
    let mut scanner = Scanner::new(&longer[..end], 0, DEPTH_MAX, FIELDS_MAX).with_marks(&marks);
    prop_assert_eq!(
        record.read(&mut scanner, true).map(|()| scanner.position()),
        Ok(end)
    );
    // Numbers are not asked whether they fit, nor surrogates whether they come in pairs.
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text[..end]).is_ok();
    prop_assert!(is_json, "{:?}", text);
    record
        .iter()
        .try_for_each(|member| same_inside(text, record, &member.value))
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-99i32..99).prop_map(|n| serde_json::Value::from(f64::from(n) / 8.0)),
        "[a-z\"\\\\\n가]{0,40}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::vec(("[a-c]{0,2}|[a-z]{30,70}", inner), 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn is_what_the_grammar_says(
        values in prop::collection::vec(("[a-d]{1,3}|[a-z]{60,70}", json()), 0..5),
        pretty in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"\"\\{}[]:,0.e-tn \n\x01u".to_vec()), 0..4u8), 0..3),
    ) {
        let object = serde_json::Value::Object(values.into_iter().collect());
        let mut text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.expect("a value").into_bytes();
        let mut record = Record::default();
        check(std::str::from_utf8(&text).expect("UTF-8"), &mut record)?;
        for (place, byte, what) in edits {
            let at = place.index(text.len());
            match what {
                0 => text.insert(at, byte),
                1 => text[at] = byte,
                2 if text.len() > 1 => { text.remove(at); }
                _ => text.truncate(at.max(1)),
            }
            // The memory of a record that was refused is used again.
            check(&String::from_utf8_lossy(&text), &mut record)?;
        }
    }

    #[test]
    fn any_signs(text in "\\{(\"[ab]{0,2}\"|\"a\":|[:,]|[0-9.eE+-]{1,10}|true|null|[\\[\\]{}]|\"\\\\u00e9\"| |\n){0,30}\\}") {
        check(&text, &mut Record::default())?;
    }
}
