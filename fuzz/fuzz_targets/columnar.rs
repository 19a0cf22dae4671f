//! Parquet: an odd first byte gives the file itself, an even one changes to a sound file, each a place
//! of two bytes and a value.
//!
//! The Parquet library may panic on a damaged file, which the parser takes as damage: so the hook
//! that ends the process at any panic is taken away, and only panics that get out of it count.
#![no_main]

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use haetae_parse::fixtures::Outcome;
use haetae_parse::{Limits, ParseOptions};
use libfuzzer_sys::fuzz_target;
use parquet::arrow::ArrowWriter;
use std::sync::{Arc, LazyLock};

static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let texts = |values: [Option<&str>; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let times = TimestampMillisecondArray::from(vec![1_772_359_200_123; 3]);
    let agents = BinaryArray::from(vec![&b"a"[..], b"\xff", b""]);
    let columns: [(&str, ArrayRef); 5] = [
        ("x_edge_request_id", texts([Some("1"), Some("2"), Some("3")])),
        ("cs_uri_stem", texts([Some("/a?b=1"), None, Some("/c")])),
        ("timestamp_ms", Arc::new(times)),
        ("cs_user_agent", Arc::new(agents)),
        (
            "sc_bytes",
            Arc::new(Int64Array::from(vec![Some(1), None, Some(-1)])),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("equal lengths");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("memory does not fail");
    writer.write(&batch).expect("memory does not fail");
    writer.into_inner().expect("memory does not fail")
});

fuzz_target!(
    init: std::panic::set_hook(Box::new(|_| {})),
    |data: &[u8]| {
        let Some((which, data)) = data.split_first() else {
            return;
        };
        let mut file = if which % 2 == 1 {
            data.to_vec()
        } else {
            let mut file = SOUND.clone();
            for change in data.chunks_exact(3) {
                let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % file.len();
                file[at] = change[2];
            }
            file
        };
        file.splice(0..file.len().min(4), *b"PAR1");
        let options = ParseOptions {
            limits: Limits {
                decompressed_bytes_max: 1 << 22,
                parquet_bytes_max: 1 << 20,
                ..Limits::default()
            },
            ..ParseOptions::default()
        };
        let batch = Outcome::of(&file, None, &options).into_batch();
        assert!(batch.counts.balanced(), "{:?}", batch.counts);
    }
);
