use super::*;
use proptest::prelude::*;

fn accepts(text: &str) -> bool {
    let mut scanner = Scanner::new(text, 0, 64, 1000);
    scanner.object(&mut Vec::new()).is_ok() && text[scanner.position()..].trim().is_empty()
}

fn serde_accepts(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

#[test]
fn the_grammar() {
    for good in [
        "{}",
        " {\"a\" : [ ] , \"b\":{}} ",
        "{\"a\":[[],{\"x\":[1,-0.5e+3]}],\"b\":\"\\u00e9\\n\"}",
        "{\"a\":true,\"b\":false,\"c\":null,\"d\":0}",
    ] {
        assert!(accepts(good) && serde_accepts(good), "{good}");
    }
    for bad in [
        "",
        "{",
        "[]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":[1,]}",
        "{\"a\":[}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":tru}",
        "{\"a\":[{]}]}",
    ] {
        assert!(!accepts(bad), "{bad}");
    }
}

#[test]
fn limits() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(accepts(&nested(63)));
    assert!(!accepts(&nested(64)));
    let mut scanner = Scanner::new("{\"a\":{\"b\":1},\"c\":2}", 0, 64, 2);
    assert_eq!(scanner.object(&mut Vec::new()), Err(Fault::TooComplex));
}

#[test]
fn objects_in_a_stream() {
    let text = b" x{\"a\":\"}{\\\"\"}{}{\"b\":{";
    let first = next_object(text, 0).expect("one");
    assert_eq!((first.start, first.end), (2, Some(14)));
    let second = next_object(text, 14).expect("two");
    assert_eq!((second.start, second.end), (14, Some(16)));
    assert_eq!(next_object(text, 16).expect("three").end, None);
    assert!(next_object(b"none", 0).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_serde_json(text in "\\{(\"[ab]{0,2}\"|[:,]|[0-9.eE+-]{1,4}|true|null|[\\[\\]{}]|\\\\u00e9| ){0,12}\\}") {
        prop_assert_eq!(accepts(&text), serde_accepts(&text), "{}", text);
    }

    #[test]
    fn objects_end_where_their_braces_say(
        pieces in prop::collection::vec("[{}\"\\\\a]{0,12}|[a ]{20,90}|\"[a{}]{0,70}\"|\\{|\\}", 0..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let text = format!("{{{}", pieces.concat()).into_bytes();
        // A byte at a time.
        let (mut depth, mut string, mut escape) = (0u64, false, false);
        let want = text.iter().position(|&byte| {
            match byte {
                _ if escape => escape = false,
                b'\\' => escape = string,
                b'"' => string = !string,
                b'{' => depth += u64::from(!string),
                b'}' if !string => depth -= 1,
                _ => {}
            }
            byte == b'}' && depth == 0
        });
        let want = want.map(|at| at + 1);
        prop_assert_eq!(next_object(&text, 0).and_then(|found| found.end), want);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut braces = Braces::default();
        let got = cuts.windows(2).find_map(|cut| braces.end(&text[cut[0]..cut[1]]).map(|end| cut[0] + end));
        prop_assert_eq!(got, want);
    }

    #[test]
    fn unescape_agrees_with_serde_json(text in "([a-z가]|\\\\[nrtbf/\"\\\\]|\\\\u00[0-9a-f]{2}|\\\\ud83d\\\\ude00){0,20}") {
        let want: String = serde_json::from_str(&format!("\"{text}\"")).expect("built valid");
        prop_assert_eq!(unescape(&text), want);
    }
}
