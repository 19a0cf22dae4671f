//! Finding personal data: spans lie in the text, in order, apart from each other.
#![no_main]

use haetae_enrich::pii::{Wanted, find};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for (personal, addresses) in [(true, false), (false, true), (true, true)] {
        let mut last = 0;
        for found in find(&text, Wanted { personal, addresses }) {
            assert!(last <= found.span.start && found.span.start < found.span.end);
            assert!(text.get(found.span.clone()).is_some(), "{:?}", found.span);
            last = found.span.end;
        }
    }
});
