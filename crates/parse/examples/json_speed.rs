//! Megabytes a second of the JSON formats, from memory, on one thread.
//!
//! `cargo run --release -p haetae-parse --example json_speed [FILE…]`: each file is repeated to
//! about 64 MB and parsed three times, with all columns and with a report's columns.

use haetae_event::Columns;
use haetae_parse::{InputReader, ParseOptions};
use std::io::{self, Read};
use std::time::Instant;

/// Bytes parsed a round.
const ROUND_BYTES: usize = 64 << 20;
const ROUNDS: usize = 3;
const REPORT: [&str; 8] = [
    "ts",
    "src_ip",
    "uri",
    "status",
    "ua",
    "method",
    "blocked",
    "eventname",
];

/// The same bytes over and over.
struct Repeated<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
}

impl Read for Repeated<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes.len() {
            (self.at, self.left) = (0, self.left.saturating_sub(1));
        }
        if self.left == 0 {
            return Ok(0);
        }
        let count = out.len().min(self.bytes.len() - self.at);
        out[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn main() -> io::Result<()> {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        for (name, columns) in [("all", Columns::All), ("report", Columns::only(REPORT))] {
            let mut best = 0.0f64;
            let mut said = String::new();
            for _ in 0..ROUNDS {
                let options = ParseOptions {
                    columns: columns.clone(),
                    ..ParseOptions::default()
                };
                let left = (ROUND_BYTES / bytes.len().max(1)).max(1);
                let input = Repeated {
                    bytes: &bytes,
                    at: 0,
                    left,
                };
                let clock = Instant::now();
                let mut reader = InputReader::open(input, None, &options);
                while reader.next_batch()?.is_some() {}
                best = best.max((left * bytes.len()) as f64 / 1e6 / clock.elapsed().as_secs_f64());
                said = format!("{} {:?}", reader.parser_id(), reader.totals());
            }
            println!("{path} {name}: {best:.0} MB/s, {said}");
        }
    }
    Ok(())
}
