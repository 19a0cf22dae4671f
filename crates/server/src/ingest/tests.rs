use super::body::{Encoding, unpack};
use super::frame::frame;
use haetae_event::Reason;
use proptest::prelude::*;

#[test]
fn lines_get_their_verdicts() {
    let mut text = b"\xEF\xBB\xBF{\"a\":1}\r\n\n[1]\n{\"a\":\n{\"b\":\"\xff\"}\n".to_vec();
    text.extend_from_slice(format!("{{\"c\":\"{}\"}}\n{{\"d\":2}}", "x".repeat(100)).as_bytes());
    let framed = frame(&text, 64, 99);
    assert_eq!(framed.body, b"{\"a\":1}\n\n{\"b\":\"\xff\"}\n{\"d\":2}\n");
    assert_eq!((framed.accepted, framed.records), (3, 7));
    let verdicts: Vec<_> = framed.refused.iter().map(|r| (r.ordinal, r.reason)).collect();
    use Reason::{BadJson, RecordTooLong};
    assert_eq!(verdicts, [(2, BadJson), (3, BadJson), (5, RecordTooLong)]);
}

#[test]
fn deep_nesting_neither_panics_nor_overflows() {
    let text = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(frame(text.as_bytes(), 1 << 20, 9).records, 1);
}

proptest! {
    #[test]
    fn every_line_is_accounted_for(text in proptest::collection::vec(any::<u8>(), 0..300), lines in 0usize..4) {
        let mut text = text;
        for _ in 0..lines {
            text.extend_from_slice(b"\n{\"k\":\"v\"}\n");
        }
        let framed = frame(&text, 100, 999);
        let kept = framed.body.iter().filter(|&&b| b == b'\n').count() as u64;
        prop_assert_eq!(framed.records, kept + framed.refused.len() as u64);
        prop_assert!(framed.accepted <= kept);
        prop_assert!(framed.accepted >= lines as u64);
    }

    #[test]
    fn damaged_packing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let _ = unpack(bytes.clone(), encoding, 1000);
        }
    }
}
