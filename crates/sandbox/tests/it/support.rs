//! Loading guests and looking at outcomes.

use haetae_sandbox::{Batch, Failure, Outcome, Parser, Quota, Runtime};
use std::time::Duration;

pub fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a test's guest is valid text")
}

pub fn load(text: &str, quota: Quota) -> Parser {
    let runtime = Runtime::new().unwrap();
    Parser::load(&runtime, "probe", "1.0.0", &wasm(text), quota).unwrap()
}

/// Short deadlines, so that tests of spinning guests end soon.
pub fn impatient() -> Quota {
    Quota {
        record_deadline: Duration::from_millis(150),
        batch_deadline: Duration::from_millis(300),
        ..Quota::default()
    }
}

pub fn slices(records: &[Vec<u8>]) -> Vec<&[u8]> {
    records.iter().map(Vec::as_slice).collect()
}

/// `count` records `r<index>`, with those at `places` replaced.
pub fn records(count: usize, places: &[(usize, &str)]) -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> = (0..count).map(|i| format!("r{i}").into_bytes()).collect();
    for (at, text) in places {
        records[*at] = text.as_bytes().to_vec();
    }
    records
}

/// The echo guest's field `raw`.
pub fn raw(batch: &Batch, index: usize) -> &str {
    match batch.get(index) {
        Some(Outcome::Fields(fields)) => fields.get("raw").expect("the echo has a field raw").value,
        other => panic!("record {index}: {other:?}"),
    }
}

pub fn failure(batch: &Batch, index: usize) -> Failure {
    match batch.get(index) {
        Some(Outcome::Failed(failure, _)) => failure,
        other => panic!("record {index}: {other:?}"),
    }
}

/// Exactly the records at `culprits` fail, as `wanted`; every other is echoed.
pub fn only_culprits(batch: &Batch, records: &[Vec<u8>], culprits: &[usize], wanted: Failure) {
    assert_eq!(batch.len(), records.len());
    for (index, record) in records.iter().enumerate() {
        if culprits.contains(&index) {
            assert_eq!(failure(batch, index), wanted, "record {index}");
        } else {
            assert_eq!(raw(batch, index).as_bytes(), record, "record {index}");
        }
    }
}
