//! What a guest gives back is read with suspicion.

use super::guests::{REQUEST, puppet, puppet_body};
use super::support::*;
use haetae_sandbox::{Batch, Failure, Kind, Outcome, Parser, Quota};
use proptest::prelude::*;
use std::sync::OnceLock;

fn parser() -> Parser {
    static PARSER: OnceLock<Parser> = OnceLock::new();
    PARSER.get_or_init(|| load(&puppet(), Quota::default())).clone()
}

/// Has the guest give the bytes `result`, as it lies in the request.
fn give(result: &[u8]) -> Batch {
    give_from(puppet_body(1) as u64, result.len() as u64, result)
}

fn give_from(at: u64, len: u64, rest: &[u8]) -> Batch {
    let mut record = ((at << 32) | len).to_le_bytes().to_vec();
    record.extend_from_slice(rest);
    parser().sandbox().run(&[&record])
}

fn field(kind: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((key.len() as u16).to_le_bytes());
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend(key);
    bytes.extend(value);
    bytes
}

fn fields(list: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![0];
    body.extend((list.len() as u16).to_le_bytes());
    body.extend(list.concat());
    body
}

/// A result of one record.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut result = 1u32.to_le_bytes().to_vec();
    result.extend((body.len() as u32).to_le_bytes());
    result.extend(body);
    result
}

#[track_caller]
fn bad(batch: &Batch, wanted: &str) {
    match batch.get(0) {
        Some(Outcome::Failed(Failure::BadOutput, detail)) => assert!(detail.contains(wanted), "{detail}"),
        other => panic!("{other:?}"),
    }
}

fn bad_field(kind: u8, key: &[u8], value: &[u8], wanted: &str) {
    bad(&give(&framed(&fields(&[field(kind, key, value)]))), wanted);
}

#[test]
fn sound_results_are_taken() {
    let body = fields(&[
        field(0, b"text", "가\0".as_bytes()),
        field(1, b"number", b"-0.5e+3"),
        field(2, b"bool", b"true"),
        field(3, b"null", b""),
        field(4, b"json", br#"{"a":[1,"]"]}"#),
        field(0, b"text", b""),
    ]);
    let batch = give(&framed(&body));
    let Some(Outcome::Fields(fields)) = batch.get(0) else {
        panic!("{batch:?}")
    };
    let seen: Vec<(&str, Kind, &str)> = fields.iter().map(|f| (f.key, f.kind, f.value)).collect();
    let expected = [
        ("text", Kind::Text, "가\0"),
        ("number", Kind::Number, "-0.5e+3"),
        ("bool", Kind::Bool, "true"),
        ("null", Kind::Null, ""),
        ("json", Kind::Json, r#"{"a":[1,"]"]}"#),
        ("text", Kind::Text, ""),
    ];
    assert_eq!(seen, expected);
    let none = give(&framed(&[0, 0, 0]));
    assert!(matches!(none.get(0), Some(Outcome::Fields(fields)) if fields.is_empty()));
}

#[test]
fn rejects_are_texts() {
    let batch = give(&framed(b"\x01no header"));
    assert_eq!(batch.get(0), Some(Outcome::Rejected("no header")));
    let long = ["\u{1}", &"가".repeat(1000)].concat();
    let batch = give(&framed(long.as_bytes()));
    let Some(Outcome::Rejected(text)) = batch.get(0) else {
        panic!()
    };
    assert_eq!(text, "가".repeat(66), "cut between characters at 200 bytes");
    bad(&give(&framed(b"\x01\xff")), "not UTF-8");
}

#[test]
fn results_outside_the_memory_are_refused() {
    for (at, len) in [(u32::MAX, 8), (0u32, 1u32 << 20), (131_073, 0), (131_070, 8)] {
        bad(&give_from(at.into(), len.into(), &[]), "outside the memory");
    }
    bad(&give_from(0, u32::MAX.into(), &[]), "too long");
    bad(&give_from(u32::MAX.into(), u32::MAX.into(), &[]), "too long");
    bad(&give_from(0, 0, &[]), "shorter than its count");
    bad(&give_from(131_072, 0, &[]), "shorter than its count");
}

#[test]
fn a_result_that_overlaps_the_request_is_read_as_it_lies_there() {
    // The request itself as a result: its count is 1, its one length reaches to its end.
    let whole = give_from(REQUEST as u64, 8 + 8 + 3, b"\0\0\0");
    bad(&whole, "unknown status");
}

#[test]
fn frames_that_do_not_fit_are_refused() {
    let sound = framed(&[0, 0, 0]);
    bad(&give(&[&sound[..], b"x"].concat()), "behind the last record");
    bad(&give(&sound[..sound.len() - 1]), "beyond the result");
    bad(&give(&sound[..6]), "ends before its last record");
    bad(
        &give(&[&2u32.to_le_bytes()[..], &sound[4..]].concat()),
        "count is not",
    );
    bad(&give(&0u32.to_le_bytes()), "count is not");
    bad(&give(&u32::MAX.to_le_bytes()), "count is not");
    let endless = [1u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat();
    bad(&give(&endless), "beyond the result");
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    bad(&give(&framed(b"")), "empty");
    bad(&give(&framed(b"\x02")), "unknown status");
    bad(&give(&framed(b"\x00\x00")), "inside a field");
    bad(&give(&framed(&[0, 1, 0])), "inside a field");
    bad(&give(&framed(&[0, 0, 0, 0])), "behind the record's last field");
    bad(
        &give(&framed(&fields(&vec![field(3, b"k", b""); 513]))),
        "too many fields",
    );
    let mut beyond = fields(&[field(0, b"k", b"value")]);
    beyond[6] = 6;
    bad(&give(&framed(&beyond)), "inside a field");
    beyond[6..10].copy_from_slice(&u32::MAX.to_le_bytes());
    bad(&give(&framed(&beyond)), "value is too long");
    bad(
        &give(&framed(&vec![0; (1 << 20) + 1])),
        "record's result is too long",
    );
}

#[test]
fn keys_and_values_are_checked() {
    bad_field(0, b"", b"v", "key is empty or too long");
    bad_field(0, &[b'k'; 257], b"v", "key is empty or too long");
    bad_field(0, b"a\nb", b"v", "control characters");
    bad_field(0, b"a\x7f", b"v", "control characters");
    bad_field(0, b"k", b"\xff", "not UTF-8");
    bad_field(0, b"\xc3", b"v", "not UTF-8");
    // Each half of one character: the whole is UTF-8, key and value are not.
    bad_field(0, b"\xea\xb0", b"\x80", "not UTF-8");
    bad_field(5, b"k", b"v", "unknown kind");
    bad_field(0, b"k", &vec![b'v'; (256 << 10) + 1], "value is too long");
    for text in [
        "", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "1 ", "1,0", "--1",
    ] {
        bad_field(1, b"k", text.as_bytes(), "not of its kind");
    }
    for text in ["", "True", "1", "true "] {
        bad_field(2, b"k", text.as_bytes(), "not of its kind");
    }
    bad_field(3, b"k", b"null", "not of its kind");
    for text in ["", "{", "[1,]", "{} {}", "'a'", r#"{"a":}"#, "nul", "\"\u{1}\""] {
        bad_field(4, b"k", text.as_bytes(), "not of its kind");
    }
}

#[test]
fn json_is_shallow() {
    let nested = |levels: usize| ["[".repeat(levels), "]".repeat(levels)].concat();
    let batch = give(&framed(&fields(&[field(4, b"k", nested(64).as_bytes())])));
    assert!(matches!(batch.get(0), Some(Outcome::Fields(_))), "{batch:?}");
    bad_field(4, b"k", nested(65).as_bytes(), "not of its kind");
    bad_field(4, b"k", "[".repeat(200_000).as_bytes(), "not of its kind");
    let in_text = format!("\"\\\"{}\"", "[".repeat(100));
    let batch = give(&framed(&fields(&[field(4, b"k", in_text.as_bytes())])));
    assert!(matches!(batch.get(0), Some(Outcome::Fields(_))), "{batch:?}");
}

#[test]
fn a_bad_body_fails_its_record_alone() {
    let good = fields(&[field(0, b"k", b"v")]);
    let half_good = fields(&[field(0, b"k", b"v"), field(0, b"k", b"\xff")]);
    let mut result = 3u32.to_le_bytes().to_vec();
    for body in [&good, &half_good, &good] {
        result.extend(framed(body).split_off(4));
    }
    let packed = ((puppet_body(3) as u64) << 32) | result.len() as u64;
    let first = [&packed.to_le_bytes()[..], &result].concat();
    let parser = parser();
    let batch = parser.sandbox().run(&[&first, b"", b""]);
    for i in [0, 2] {
        let Some(Outcome::Fields(fields)) = batch.get(i) else {
            panic!("{batch:?}")
        };
        assert_eq!((fields.len(), fields.get("k").unwrap().value), (1, "v"));
    }
    assert_eq!(failure(&batch, 1), Failure::BadOutput);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_give_an_outcome(body in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(give(&framed(&body)).len(), 1);
        prop_assert_eq!(give(&body).len(), 1);
    }

    #[test]
    fn any_place_gives_an_outcome(at in any::<u32>(), len in any::<u32>(), small in 0u32..200_000) {
        prop_assert_eq!(give_from(at.into(), len.into(), &[]).len(), 1);
        prop_assert_eq!(give_from(small.into(), (len % 200_000).into(), &[]).len(), 1);
    }

    /// One damaged byte of a sound result: a failure, or other contents within the limits.
    #[test]
    fn damage_is_contained(at in 0usize..60, byte in any::<u8>()) {
        let mut result = framed(&fields(&[
            field(0, b"key", b"some value"),
            field(1, b"number", b"12.5"),
            field(4, b"json", b"[1,2]"),
        ]));
        let at = at % result.len();
        result[at] = byte;
        let batch = give(&result);
        prop_assert_eq!(batch.len(), 1);
        if let Some(Outcome::Fields(fields)) = batch.get(0) {
            for field in fields.iter() {
                prop_assert!(!field.key.is_empty() && field.key.len() <= 256);
            }
        }
    }

    /// Numbers are those that serde_json takes.
    #[test]
    fn numbers_are_those_of_json(text in "[-+]?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][-+]?[0-9]{0,2})?") {
        let batch = give(&framed(&fields(&[field(1, b"k", text.as_bytes())])));
        let taken = matches!(batch.get(0), Some(Outcome::Fields(_)));
        let wanted = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(taken, wanted, "{}", text);
    }
}
