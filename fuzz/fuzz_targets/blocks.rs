//! The same file in blocks of two sizes has the same outcome. The first byte chooses the format, the
//! second the smaller size.
#![no_main]

use haetae_parse::fixtures::Outcome;
use haetae_parse::{Format, Limits, ParseOptions, ParsedBatch};
use libfuzzer_sys::fuzz_target;

fn read(input: &[u8], format: Format, block_bytes: usize) -> ParsedBatch {
    let options = ParseOptions {
        limits: Limits {
            block_bytes,
            record_bytes_max: 1 << 12,
            decompressed_bytes_max: 1 << 22,
            ..Limits::default()
        },
        ..ParseOptions::default()
    };
    Outcome::of(input, Some(format), &options).into_batch()
}

fuzz_target!(|data: &[u8]| {
    let [which, size, input @ ..] = data else {
        return;
    };
    let formats: Vec<Format> = Format::all().collect();
    let format = formats[usize::from(*which) % formats.len()];
    let a = read(input, format, 1 << 16);
    let b = read(input, format, 1 + 4 * usize::from(*size));
    assert_eq!(a.counts, b.counts);
    assert_eq!(a.ordinals, b.ordinals);
    let codes = |batch: &ParsedBatch| {
        batch
            .rejects
            .iter()
            .map(|r| (r.ordinal, r.reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(&a), codes(&b));
});
