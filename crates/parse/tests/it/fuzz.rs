//! Seeded mutations of every fixture: nothing panics, everything is counted, blocks do not matter,
//! and no input makes a parser hang. The same inputs on every run; `fuzz/` goes on where this ends.

use haetae_event::decode::attack_text;
use haetae_event::signature::param_sig;
use haetae_parse::fixtures::{self, Outcome};
use haetae_parse::{Format, Limits, ParseOptions};
use std::time::{Duration, Instant};

const INPUTS: usize = 20_000;
const INPUT_BYTES_MAX: usize = 12 * 1024;

/// xorshift64: the same bytes on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

/// Signs that mean something to one format or another.
const SIGNS: &[&[u8]] = &[
    b"\t",
    b"\n",
    b"\r\n",
    b" ",
    b"\"",
    b"\\",
    b"\\\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"}{",
    b",",
    b":",
    b"-",
    b"=",
    b"|",
    b"%",
    b"%25",
    b"%u",
    b"&#",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\0",
    b"\xef\xbb\xbf",
    b"#Fields: ",
    b"#",
    b"version srcaddr\n",
    b"\\u",
    b"\\x",
    b"\\ud83d",
    b"99999999999999999999",
    b"-1",
    b"1e999",
    b"2026-02-30",
    b"null",
    b"\x1f\x8b\x08\0",
    b"\x28\xb5\x2f\xfd",
    b"\x1b[31m",
    b"<34>1 ",
    b"CEF:0|",
    b"'",
    b"::1",
    b"/",
    b"HTTP/1.1\" ",
];

fn options(block_bytes: usize, forced: bool) -> ParseOptions {
    ParseOptions {
        limits: Limits {
            block_bytes,
            // What is recognised depends on how much of the input is seen, and that is at most a
            // block and a record.
            record_bytes_max: if forced { 4096 } else { 1 << 16 },
            decompressed_bytes_max: 1 << 20,
            ..Limits::default()
        },
        ..ParseOptions::default()
    }
}

fn seeds() -> Vec<(Option<Format>, Vec<u8>)> {
    let formats: Vec<Format> = Format::all().collect();
    let inputs: Vec<_> = fixtures::must_pass()
        .filter(|fixture| fixture.input.len() < INPUT_BYTES_MAX)
        .map(|fixture| {
            let dataset = fixture.expect.dataset.as_deref();
            let known = formats.iter().find(|f| Some(f.as_str()) == dataset).copied();
            (fixture.format.or(known), fixture.input)
        })
        .collect();
    let mut seeds = Vec::new();
    for (at, payload) in fixtures::payloads()
        .filter(|p| p.payload.len() < 2000)
        .enumerate()
    {
        let text = serde_json::Value::from(payload.payload.as_str());
        let line = match at % 3 {
            0 => format!("{{\"time\":1772359200,\"uri\":{text},\"status\":200}}\n"),
            1 => format!("192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] {text} 200 1 \"-\" \"UA\"\n"),
            _ => format!("{}\n", payload.payload),
        };
        // Two records: what breaks one must leave the other.
        seeds.push((
            Some(formats[at % formats.len()]).filter(|_| at % 3 == 2),
            line.repeat(2).into_bytes(),
        ));
        seeds.push(inputs[at % inputs.len()].clone());
    }
    seeds
}

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..1 + dice.roll(6) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes.truncate(at),
            2 => {
                let end = (at + dice.roll(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let from = dice.roll(other.len() + 1);
                let until = (from + dice.roll(300)).min(other.len());
                bytes.splice(at..at, other[from..until].iter().copied());
            }
            4 => {
                let end = (at + dice.roll(60)).min(bytes.len());
                let part = bytes[at..end].repeat(1 + dice.roll(20));
                bytes.splice(at..at, part);
            }
            _ => {
                let sign = SIGNS[dice.roll(SIGNS.len())];
                bytes.splice(at..at, sign.repeat(1 + dice.roll(3) * dice.roll(30)));
            }
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
}

/// Counts, rows' ordinals and reasons: what must not depend on blocks.
fn told(
    input: &[u8],
    format: Option<Format>,
    block_bytes: usize,
) -> (haetae_event::Counts, Vec<u64>, Vec<(u64, &'static str)>) {
    let outcome = Outcome::of(input, format, &options(block_bytes, format.is_some()));
    for batch in &outcome.batches {
        let counts = batch.counts;
        assert!(counts.balanced(), "{counts:?}");
        assert_eq!(counts.events as usize, batch.ordinals.len());
        assert_eq!(counts.rejected as usize, batch.rejects.len());
        let rows = batch.records.as_ref().map_or(0, |records| records.num_rows());
        assert_eq!(rows, batch.ordinals.len());
    }
    let whole = outcome.into_batch();
    let rejects = whole
        .rejects
        .iter()
        .map(|r| (r.ordinal, r.reason.code()))
        .collect();
    (whole.counts, whole.ordinals, rejects)
}

#[test]
fn mutated_fixtures_are_counted_whatever_the_blocks() {
    let seeds = seeds();
    let mut dice = Dice(0x0005_eed0_fca7);
    let (mut events, mut rejected) = (0, 0);
    let started = Instant::now();
    for number in 0..INPUTS {
        let (format, seed) = &seeds[number % seeds.len()];
        let other = &seeds[dice.roll(seeds.len())].1;
        let mut bytes = seed.clone();
        mutate(&mut dice, &mut bytes, other);
        // Every fourth input goes to a parser of another format.
        let forced = match dice.roll(4) {
            0 => None,
            1 => Format::all().nth(dice.roll(Format::all().count())),
            _ => *format,
        };
        let before = Instant::now();
        let small = 1 + dice.roll(700);
        let a = told(&bytes, forced, 1 << 16);
        let b = told(&bytes, forced, small);
        assert!(
            a == b,
            "input {number}, {forced:?}, blocks of {small}: {:?} and {:?}\n{:?}",
            a.0,
            b.0,
            String::from_utf8_lossy(&bytes)
        );
        let text = String::from_utf8_lossy(&bytes);
        let _ = (attack_text(&text), param_sig(&text));
        assert!(
            before.elapsed() < Duration::from_secs(10),
            "input {number} takes too long"
        );
        events += a.0.events;
        rejected += a.0.rejected;
    }
    assert!(
        events > 5000 && rejected > 5000,
        "the mutations are too wild or too tame: {events}, {rejected}"
    );
    eprintln!(
        "{INPUTS} inputs, {events} events, {rejected} rejects in {:?}",
        started.elapsed()
    );
}

/// Texts that make careless scanners go back again and again.
const HOSTILE: &[&[u8]] = &[
    b"\"",
    b"\" ",
    b"\\\"",
    b"\\",
    b"[",
    b"{",
    b"{\"a\":",
    b"{\"",
    b"}{",
    b"%",
    b"%25",
    b"&#",
    b"&amp;",
    b" [",
    b"] ",
    b"=",
    b"a=",
    b"\t",
    b" ",
    b",",
    b"- ",
    b"x\" x",
    b"%u00",
    b"'(",
    b"(a(",
    b";;",
    b"\xc0",
    b"\xe0\x80",
    b"\"GET ",
    b"<",
    b"${",
    b"a.",
    b"\xed\x95\x9c'",
    b"\xed\x95\x9c(",
];

/// Processor time of this thread where the system tells it, else time since `started`.
fn used(started: Instant) -> Duration {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .map_or_else(|| started.elapsed(), Duration::from_nanos)
}

fn cost(format: Option<Format>, piece: &[u8], bytes: usize) -> Duration {
    let mut input = piece.repeat(bytes / piece.len() + 1);
    input.truncate(bytes);
    let options = ParseOptions::default();
    let started = Instant::now();
    let before = used(started);
    // One line under the limit, behind good beginnings.
    for head in [
        &b""[..],
        b"{\"a\":\"",
        b"1.1.1.1 - - [01/Mar/2026:10:00:00 +0000] \"",
    ] {
        let whole = [head, &input, b"\n"].concat();
        let batch = Outcome::of(&whole, format, &options).into_batch();
        assert!(batch.counts.balanced());
    }
    if format.is_none() {
        let text = String::from_utf8_lossy(&input);
        let _ = (attack_text(&text), param_sig(&text));
    }
    used(started).saturating_sub(before)
}

#[test]
fn eight_times_the_input_never_hangs() {
    let mut worst = (0.0, String::new());
    for format in Format::all().map(Some).chain([None]) {
        for piece in HOSTILE {
            let least = |bytes| {
                (0..3)
                    .map(|_| cost(format, piece, bytes))
                    .min()
                    .unwrap_or_default()
            };
            let (small, large) = (least(15_000), least(120_000));
            assert!(large < Duration::from_secs(10), "{format:?} {piece:?}: {large:?}");
            let ratio = large.as_secs_f64() / small.as_secs_f64().max(1e-4);
            if ratio > worst.0 {
                worst = (
                    ratio,
                    format!(
                        "{format:?} {:?}: {small:?} to {large:?}",
                        String::from_utf8_lossy(piece)
                    ),
                );
            }
        }
    }
    eprintln!("8 times the bytes cost at most {:.1} times: {}", worst.0, worst.1);
}
