//! What the host's side of a custom parser costs: an echo guest gives 300-byte records back as one field,
//! in batches of 1,000. Run with `cargo run --release -p haetae-sandbox --example sandbox_speed`.

#[path = "../tests/it/guests.rs"]
#[allow(dead_code, reason = "only the echo is wanted")]
mod guests;

use haetae_sandbox::{Batch, Parser, Quota, Runtime};
use std::time::Instant;

const RECORD_BYTES: usize = 300;
const RECORDS: usize = 1000;
const ROUNDS: usize = 2000;
const REPEATS: usize = 5;

fn main() {
    let runtime = Runtime::new().expect("the engine starts");
    let module = wat::parse_str(guests::echo("", "")).expect("the guest is valid text");
    let begin = Instant::now();
    let parser = Parser::load(&runtime, "echo", "1", &module, Quota::default()).expect("the echo loads");
    println!(
        "load: {:.1} ms for {} bytes",
        begin.elapsed().as_secs_f64() * 1e3,
        module.len()
    );

    let record = vec![b'a'; RECORD_BYTES];
    let records = vec![record.as_slice(); RECORDS];
    let mut sandbox = parser.sandbox();
    let mut batch = Batch::default();
    let begin = Instant::now();
    sandbox.run_into(&records[..1], &mut batch);
    println!(
        "first record, with a fresh instance: {:.1} us",
        begin.elapsed().as_secs_f64() * 1e6
    );

    let mut fastest = f64::INFINITY;
    for _ in 0..REPEATS {
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            sandbox.run_into(&records, &mut batch);
            assert_eq!(batch.len(), RECORDS);
        }
        let per_record = begin.elapsed().as_secs_f64() * 1e9 / (ROUNDS * RECORDS) as f64;
        println!("{per_record:.1} ns per record, guest included");
        fastest = fastest.min(per_record);
    }
    println!(
        "fastest: {fastest:.1} ns per record of {RECORD_BYTES} bytes, {:.2} GB/s (goal: 100 ns)",
        RECORD_BYTES as f64 / fastest
    );
}
