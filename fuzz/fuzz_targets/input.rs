//! Any bytes as a log file: the first byte chooses a format or detection, the rest is the file.
#![no_main]

use haetae_parse::fixtures::Outcome;
use haetae_parse::{Format, Limits, ParseOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&which, input)) = data.split_first() else {
        return;
    };
    let options = ParseOptions {
        limits: Limits {
            record_bytes_max: 1 << 16,
            decompressed_bytes_max: 1 << 22,
            ..Limits::default()
        },
        ..ParseOptions::default()
    };
    // One more than there are formats: detection.
    let formats: Vec<Format> = Format::all().collect();
    let forced = formats.get(usize::from(which) % (formats.len() + 1)).copied();
    for batch in Outcome::of(input, forced, &options).batches {
        let counts = batch.counts;
        assert!(counts.balanced(), "{counts:?}");
        assert_eq!(counts.events as usize, batch.ordinals.len());
        assert_eq!(counts.rejected as usize, batch.rejects.len());
        let rows = batch.records.map_or(0, |records| records.num_rows());
        assert_eq!(rows, batch.ordinals.len());
    }
});
