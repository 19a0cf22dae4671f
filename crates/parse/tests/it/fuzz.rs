//! Seeded mutations of every fixture: nothing panics, everything is counted, blocks do not matter,
//! and no input makes a parser hang. The same inputs on every run; `fuzz/` goes on where this ends.

use crate::parquet::{texts, ways, written};
use crate::support::Dice;
use arrow::array::{ArrayRef, BinaryArray, Int64Array, TimestampMillisecondArray};
use haetae_event::decode::attack_text;
use haetae_event::signature::param_sig;
use haetae_parse::fixtures::{self, Outcome};
use haetae_parse::mapping::{FUNCTIONS, evaluate};
use haetae_parse::{Choice, Format, Limits, ParseOptions, ParserDefinition};
use std::sync::Arc;
use std::time::{Duration, Instant};

const INPUTS: usize = 20_000;
const INPUT_BYTES_MAX: usize = 12 * 1024;

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
    b"\":",
    b",\"",
    b"[{",
    b"}]",
    b"\"a\":[{\"a\":[{}],\"b\":0}],",
    b"\\\\\"",
    b"\x01",
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
        // How records are told apart is seen from the first ones: with the small limits here a first
        // line may be too long for that, and blocks would matter.
        .filter(|fixture| !fixture.id.ends_with("-too-long"))
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

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8], signs: &[&[u8]], edits_max: usize) {
    for _ in 0..1 + dice.roll(edits_max) {
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
                let sign = signs[dice.roll(signs.len())];
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
        mutate(&mut dice, &mut bytes, other, SIGNS, 6);
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
    b"{\"a\":[{},",
    b"[{\"b\":1},",
    b"\"b\":1,",
    b"\\\\\"",
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

/// Signs of YAML, of the mapping language and of patterns.
const DEFINITION_SIGNS: &[&[u8]] = &[
    b"\n",
    b"  ",
    b"\t",
    b": ",
    b"- ",
    b"|\n",
    b">-\n",
    b"#",
    b"&a ",
    b"*a",
    b"!!binary ",
    b"<<: ",
    b"---\n",
    b"...\n",
    b"? ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"'",
    b"\"",
    b"\\",
    b"\\x",
    b"\\u",
    b"(",
    b")",
    b",",
    b"||",
    b"?:",
    b"$",
    b"$.",
    b"['",
    b"']",
    b"[0]",
    b"[99999999999999999999]",
    b"%",
    b"-",
    b"~",
    b"null",
    b"true",
    b"1e999",
    b"-9223372036854775808",
    b"0.1",
    b"\xff",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xed\x95\x9c",
    b"\xcc\x81",
    b"(?P<x>",
    b".*",
    b"{1000}",
    b"{2,}",
    b"(?i)",
    b"\\p{L}",
    b"int(",
    b"sig(",
    b"lower(",
    b"ts: ",
    b"kind: kv\n",
    b"kind: regex\n",
    b"kind: cef\n",
    b"dataset: app\n",
    b"tests:\n",
    b"  - line: ",
    b"    expect: {",
];

/// A definition of every kind, together with every function, and lines for it.
fn definitions() -> Vec<(String, &'static [u8])> {
    let head = |kind: &str, dataset: &str| {
        format!(
            "id: mine\nversion: 1\nkind: {kind}\ndataset: {dataset}\ndetect: 'mine'\ntime_zone: Asia/Seoul\n"
        )
    };
    let tests = "tests:\n  - line: 'x'\n    reject: bad_json\n  - line: '{\"t\":1,\"u\":\"/a?b=1\"}'\n    expect: {uri: /a?b=1, status: null}\n";
    let map = "map:\n  ts: $.t || $['time x']\n  uri: $.u ?: '/'\n  status: int($.s)\n  src_ip: $.c.ip[0]\n  ua: \"upper($.a)\"\nderive:\n  ip_bucket: truncate(src_ip,24)\n  param_sig: sig(querystring || body)\n  payload_entropy: entropy(querystring)\n";
    let json: &[u8] = b"{\"t\":1772359200,\"u\":\"/a?b=%27\",\"s\":\"200\",\"c\":{\"ip\":[\"192.0.2.1\"]},\"a\":\"x\"}\n{\"t\":[],\"u\":{}}\nx\n";
    let flat = map.replace("$.c.ip[0]", "$.ip");
    let mut all = vec![
        (head("json", "web") + map + tests, json),
        (
            head("kv", "web") + &flat,
            b"t=1772359200 u=/a?b=1 s=200 ip=192.0.2.1 a=\"x y\"\nu=\n".as_slice(),
        ),
        (
            head("cef", "web") + &flat,
            b"CEF:0|v|p|1|2|n|5|t=1772359200 u=/a?b=c s=200 a=x y\nCEF:0|v\n",
        ),
        (
            head("regex", "web")
                + "pattern:\n  - '^(?P<ip>\\S+) (?P<t>\\d+) (?P<u>[^ ]*)( (?P<s>\\d+))?'\n  - '(?P<a>.*)'\n"
                + &flat.replace(" || $['time x']", "").replace(" || body", ""),
            b"192.0.2.1 1772359200 /a?b=1 200\n\xed\x95\x9c\n",
        ),
    ];
    for function in FUNCTIONS {
        let example = function.example.replace('\'', "''");
        all.push((
            head("json", "app") + "map:\n  message: '" + &example + "'\n  level: $.u\n",
            json,
        ));
    }
    all
}

/// Puts a mutated example in the place of one line's expression: the rest of the definition is sound,
/// so that the expression is compiled and run.
fn exchange_expression(dice: &mut Dice, definition: &mut Vec<u8>) {
    let mut example = FUNCTIONS[dice.roll(FUNCTIONS.len())].example.as_bytes().to_vec();
    let other = FUNCTIONS[dice.roll(FUNCTIONS.len())].example.as_bytes();
    if dice.roll(3) > 0 {
        mutate(dice, &mut example, other, DEFINITION_SIGNS, 1);
    }
    let mut text = String::from_utf8_lossy(&example).replace('\'', "''");
    text.retain(|c| c >= ' ');
    let whole = String::from_utf8_lossy(definition).into_owned();
    let lines: Vec<&str> = whole.lines().collect();
    let map = lines
        .iter()
        .position(|line| line.starts_with("map:"))
        .unwrap_or(0);
    let chosen = map + 1 + dice.roll(4);
    let changed = lines
        .iter()
        .enumerate()
        .map(|(at, line)| match line.split_once(": ") {
            Some((column, _)) if at == chosen => format!("{column}: '{text}'\n"),
            _ => format!("{line}\n"),
        });
    *definition = changed.collect::<String>().into_bytes();
}

#[test]
fn mutated_definitions_are_told_what_is_wrong() {
    let seeds = definitions();
    let mut dice = Dice(0x0dec_1a7e);
    let limits = Limits {
        record_bytes_max: 1 << 14,
        ..Limits::default()
    };
    let options = ParseOptions {
        limits,
        ..ParseOptions::default()
    };
    let (mut sound, mut mistakes) = (0, 0);
    for number in 0..8_000 {
        let (seed, lines) = &seeds[number % seeds.len()];
        let other = seeds[dice.roll(seeds.len())].0.as_bytes();
        let mut bytes = seed.clone().into_bytes();
        if number >= seeds.len() {
            if dice.roll(2) == 0 {
                exchange_expression(&mut dice, &mut bytes);
            } else {
                mutate(&mut dice, &mut bytes, other, DEFINITION_SIGNS, 1);
            }
        }
        let yaml = String::from_utf8_lossy(&bytes);
        let before = Instant::now();
        match ParserDefinition::parse("mine.yaml", &yaml) {
            Ok(definition) => {
                sound += 1;
                let _ = definition.run_tests(None, &options);
                let mut lines = lines.to_vec();
                mutate(&mut dice, &mut lines, other, SIGNS, 6);
                if let Ok(blueprint) = definition.blueprint(None) {
                    let batch = Outcome::of(&lines, Choice::Blueprint(blueprint), &options).into_batch();
                    assert!(batch.counts.balanced(), "{:?}: {yaml}", batch.counts);
                }
            }
            Err(found) => {
                mistakes += 1;
                assert!(!found.is_empty(), "refused without a word: {yaml}");
                assert!(number >= seeds.len(), "{yaml}{}", found[0]);
                // A carriage return alone ends a line of YAML too.
                let last = yaml.split(['\n', '\r']).count() as u32 + 1;
                for mistake in found {
                    assert!(
                        (1..=last).contains(&mistake.line) && mistake.column >= 1,
                        "{mistake}: {yaml}"
                    );
                }
            }
        }
        assert!(
            before.elapsed() < Duration::from_secs(5),
            "{number} takes too long: {yaml}"
        );
    }
    assert!(
        sound > 1000 && mistakes > 1000,
        "too wild or too tame: {sound}, {mistakes}"
    );
    eprintln!("{sound} sound definitions, {mistakes} with mistakes");
}

#[test]
fn mutated_expressions_give_something_or_say_why_not() {
    let mut dice = Dice(0x00e5_9e55);
    let (mut sound, mut mistakes) = (0, 0);
    for number in 0..40_000 {
        let example = FUNCTIONS[number % FUNCTIONS.len()].example;
        let other = FUNCTIONS[dice.roll(FUNCTIONS.len())].example.as_bytes();
        let mut bytes = example.as_bytes().to_vec();
        mutate(&mut dice, &mut bytes, other, DEFINITION_SIGNS, 6);
        let expression = String::from_utf8_lossy(&bytes);
        let before = Instant::now();
        match evaluate(&expression) {
            Ok(_) => sound += 1,
            Err(found) => {
                assert!(!found.is_empty(), "{expression}");
                mistakes += 1;
            }
        }
        assert!(
            before.elapsed() < Duration::from_secs(2),
            "takes too long: {expression}"
        );
    }
    assert!(
        sound > 2000 && mistakes > 10_000,
        "too wild or too tame: {sound}, {mistakes}"
    );
}

/// Definitions that make careless readers grow or go back without end.
#[test]
fn hostile_definitions_cost_no_more_than_their_bytes() {
    let bomb: String = (1..30)
        .map(|at| format!("a{at}: &a{at} [{}]\n", format!("*a{},", at - 1).repeat(10)))
        .collect();
    let pattern =
        |pattern: &str| format!("id: m\nversion: 1\nkind: regex\npattern: '{pattern}'\nmap:\n  uri: $.u\n");
    let texts = [
        format!("a0: &a0 [x]\n{bomb}"),
        "[".repeat(200_000),
        "{a: ".repeat(50_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        "&a ".repeat(80_000),
        "\"\\".repeat(100_000),
        "a: |\n".repeat(40_000),
        "id: ".to_owned() + &"x".repeat(200_000),
        "map:\n".to_owned() + &"  uri: $.u\n".repeat(20_000),
        pattern("(?P<u>(((a{100}){100}){100}){100})"),
        pattern("(?P<u>(a*)*b)\\x{10FFFF}"),
        pattern(&"(".repeat(100_000)),
        format!(
            "id: m\nversion: 1\nkind: json\nmap:\n  uri: {}$.u\n",
            "upper(".repeat(1000)
        ),
        format!(
            "id: m\nversion: 1\nkind: json\nmap:\n  uri: {}\n",
            "$.a || ".repeat(30_000)
        ),
        format!(
            "id: m\nversion: 1\nkind: json\nmap:\n  uri: $.u\ntests:\n{}",
            "  - line: x\n    reject: bad_json\n".repeat(7000)
        ),
    ];
    for text in texts {
        let before = Instant::now();
        let begins: String = text.chars().take(60).collect();
        if let Ok(definition) = ParserDefinition::parse("mine.yaml", &text) {
            assert!(text.contains("(a*)*b"), "sound: {begins}");
            let lines = "a".repeat(200_000);
            let blueprint = definition.blueprint(None).expect("no extractor is needed");
            let choice = Choice::Blueprint(blueprint);
            let counts = Outcome::of(lines.as_bytes(), choice, &ParseOptions::default())
                .into_batch()
                .counts;
            assert_eq!(counts.rejected, 1);
        }
        assert!(
            before.elapsed() < Duration::from_secs(5),
            "{begins}: {:?}",
            before.elapsed()
        );
    }
}

#[test]
fn mutated_parquet_is_counted() {
    let uri = [Some("/a?b=1"), None, Some("/c"), Some("/d"), Some("")];
    let columns = || -> Vec<(&str, ArrayRef)> {
        vec![
            (
                "x_edge_request_id",
                texts(&[Some("1"), Some("2"), Some("3"), Some("4"), Some("5")]),
            ),
            (
                "timestamp_ms",
                Arc::new(TimestampMillisecondArray::from(vec![1_772_359_200_123; 5])),
            ),
            ("cs_uri_stem", texts(&uri)),
            (
                "cs_user_agent",
                Arc::new(BinaryArray::from(vec![&b"a"[..], b"\xff", b"b", b"", b"c"])),
            ),
            (
                "sc_bytes",
                Arc::new(Int64Array::from(vec![
                    Some(1),
                    None,
                    Some(i64::MAX),
                    Some(-1),
                    Some(0),
                ])),
            ),
        ]
    };
    let files: Vec<Vec<u8>> = ways().into_iter().map(|way| written(columns(), way)).collect();
    let limits = Limits {
        decompressed_bytes_max: 1 << 22,
        parquet_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let options = ParseOptions {
        limits,
        ..ParseOptions::default()
    };
    let mut dice = Dice(0x09a5_90e7);
    let (mut events, mut refused) = (0, 0);
    for number in 0..6_000 {
        let mut bytes = files[number % files.len()].clone();
        let other = &files[dice.roll(files.len())];
        if dice.roll(2) == 0 {
            // Lengths and offsets stay, values change: what gets past the first checks.
            for _ in 0..1 + dice.roll(4) {
                let at = 4 + dice.roll(bytes.len() - 8);
                bytes[at] = [bytes[at] ^ (1 << dice.roll(8)), 0, 0xff, 0x7f, 0x80][dice.roll(5)];
            }
        } else {
            mutate(&mut dice, &mut bytes, other, SIGNS, 6);
            bytes.splice(0..bytes.len().min(4), *b"PAR1");
        }
        let before = Instant::now();
        let batch = Outcome::of(&bytes, None, &options).into_batch();
        assert!(batch.counts.balanced(), "{number}: {:?}", batch.counts);
        assert!(
            before.elapsed() < Duration::from_secs(5),
            "{number} takes too long"
        );
        events += batch.counts.events;
        refused += batch.counts.rejected;
    }
    assert!(
        events > 500 && refused > 500,
        "too wild or too tame: {events}, {refused}"
    );
    eprintln!("{events} events, {refused} rejects");
}
