//! Shapes of any payload: bounded, one line, the same for the same payload.
#![no_main]

use haetae_event::signature::{NAME_BYTES_MAX, PARAMETERS_MAX, param_sig, payload_entropy};
use libfuzzer_sys::fuzz_target;

/// `[]`, `:`, `&` and every class once.
const BESIDE_NAME_BYTES: usize = 160;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Some(sig) = param_sig(&text) {
        assert!(!sig.is_empty());
        // Lower case may need more bytes than upper case.
        assert!(sig.len() <= (PARAMETERS_MAX + 1) * (2 * NAME_BYTES_MAX + BESIDE_NAME_BYTES));
        assert_eq!(param_sig(&text), Some(sig));
    }
    if let Some(entropy) = payload_entropy(data) {
        assert!((0.0..=8.0).contains(&entropy));
    }
});
