//! Decoding ends, stays bounded and leaves alone what is not encoded.
#![no_main]

use haetae_event::decode::{attack_text, entities, may_be_encoded, percent};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let decoded = attack_text(&text);
    // A broken byte, three bytes of an escape, may become a U+FFFD of three bytes: never longer.
    assert!(decoded.len() <= text.len(), "{} of {}", decoded.len(), text.len());
    if !may_be_encoded(&text) {
        assert_eq!(decoded, text);
    }
    let _ = (percent(&text, false), entities(&text));
});
