//! Invariants: the counts balance, blocks do not matter, nothing panics.

use crate::support::{
    CEF, CLOUDFRONT, COMBINED, Dice, FLOWS, JSON, LEEF, LOGFMT, SYSLOG, WAF, Whole, gzip, read, read_as,
};
use haetae_event::Columns;
use haetae_parse::{Format, Limits, ParseOptions};
use proptest::prelude::*;
use std::io::Read;

/// Gives out at most `step` bytes a read.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = out.len().min(self.1).min(self.0.len());
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn options(block_bytes: usize, record_bytes_max: usize) -> ParseOptions {
    ParseOptions {
        limits: Limits {
            block_bytes,
            record_bytes_max,
            ..Limits::default()
        },
        ..ParseOptions::default()
    }
}

fn format(name: &str) -> Format {
    name.parse().expect("a format")
}

fn samples() -> Vec<(Format, Vec<u8>)> {
    let pretty = format!("{{\n \"webaclId\": 1,\n{}\n[{},{}]", &WAF[1..], WAF, WAF);
    vec![
        (format("cloudfront"), CLOUDFRONT.repeat(3).into_bytes()),
        (format("vpcflow"), FLOWS.repeat(3).into_bytes()),
        (format("combined"), COMBINED.repeat(3).into_bytes()),
        (format("waf"), format!("{WAF}\n{WAF}{WAF}\n").into_bytes()),
        (format("waf"), pretty.into_bytes()),
        (format("json"), JSON.repeat(3).into_bytes()),
        (format("json"), JSON.replace('\n', "\r\n").into_bytes()),
        (format("syslog"), SYSLOG.repeat(3).into_bytes()),
        (format("syslog"), counted(SYSLOG).into_bytes()),
        (format("cef"), CEF.repeat(3).into_bytes()),
        (format("cef"), counted(CEF).into_bytes()),
        (format("leef"), LEEF.repeat(3).into_bytes()),
        (format("logfmt"), LOGFMT.repeat(3).into_bytes()),
    ]
}

/// The lines as RFC 6587 frames, each with its newline inside.
fn counted(lines: &str) -> String {
    lines
        .lines()
        .filter(|line| line.starts_with('<'))
        .map(|line| format!("{} {line}\n", line.len() + 1))
        .collect()
}

/// Details may speak of places in a block; everything else must agree.
fn same(a: &Whole, b: &Whole) {
    assert_eq!(a.counts, b.counts);
    assert_eq!(a.ordinals, b.ordinals);
    assert_eq!(a.rows, b.rows);
    assert_eq!(a.codes(), b.codes());
    let bytes = |w: &Whole| {
        w.rejects
            .iter()
            .map(|r| (r.ordinal, r.bytes.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(bytes(a), bytes(b));
}

#[test]
fn blocks_of_any_size_give_the_same_rows() {
    for (format, input) in samples() {
        let want = read(input.as_slice(), &options(1 << 18, 2000));
        assert!(want.counts.events > 0, "{format}");
        for block_bytes in [1, 7, 64, 100, 333, 1000, 4096] {
            for step in [1, 13, 5000] {
                same(
                    &read_as(Slow(&input, step), Some(format), &options(block_bytes, 2000)),
                    &want,
                );
            }
        }
        let packed = gzip(&input);
        same(&read(Slow(&packed, 3), &options(100, 2000)), &want);
    }
}

#[test]
fn a_projection_gives_the_same_cells() {
    for (_, input) in samples() {
        let all = read(input.as_slice(), &ParseOptions::default());
        for wanted in ["uri", "src_ip", "raw", "bytes_out", "warnings", "attrs"] {
            let columns = Columns::only([wanted]);
            let some = read(
                input.as_slice(),
                &ParseOptions {
                    columns,
                    ..ParseOptions::default()
                },
            );
            assert_eq!(some.counts, all.counts);
            for name in &some.columns {
                assert!(name == "ts" || name == wanted);
                for row in 0..all.rows.len() {
                    assert_eq!(some.cell(row, name), all.cell(row, name));
                }
            }
        }
    }
}

/// A bounded fuzz run: mutations of good samples, in every format, with small limits.
#[test]
fn mutations_never_panic_and_always_balance() {
    let mut dice = Dice(0x5eed_cafe);
    let samples = samples();
    let tokens: [&[u8]; 12] = [
        b"\t",
        b"\n",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"-",
        b"\xff",
        b"\0",
        b"#Fields: ",
        b"99999999999999999999",
    ];
    for round in 0..3000 {
        let (format, sample) = &samples[dice.roll(samples.len())];
        let mut bytes = sample.clone();
        for _ in 0..1 + dice.roll(8) {
            let at = dice.roll(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match dice.roll(4) {
                0 if !bytes.is_empty() => bytes[at] = dice.roll(256) as u8,
                1 => bytes.truncate(at),
                2 if !bytes.is_empty() => {
                    bytes.remove(at);
                }
                _ => {
                    let token = tokens[dice.roll(tokens.len())];
                    bytes.splice(at.min(bytes.len())..at.min(bytes.len()), token.iter().copied());
                }
            }
        }
        let forced = (round % 2 == 0).then_some(*format);
        let bytes = if round % 5 == 0 { gzip(&bytes) } else { bytes };
        let whole = read_as(
            bytes.as_slice(),
            forced,
            &options(1 + dice.roll(3000), 500 + dice.roll(2000)),
        );
        assert!(whole.counts.balanced());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_balance(bytes in proptest::collection::vec(any::<u8>(), 0..3000), which in 0usize..6) {
        let forced = Format::all().nth(which);
        let whole = read_as(bytes.as_slice(), forced, &options(256, 300));
        prop_assert!(whole.counts.balanced());
        let again = read_as(bytes.as_slice(), forced, &options(1 << 16, 300));
        prop_assert_eq!(whole.counts.events, again.counts.events);
    }

    #[test]
    fn arbitrary_lines_do_not_depend_on_blocks(
        lines in proptest::collection::vec("[ -~\t\u{e9}]{0,80}", 0..40),
        which in 0usize..4,
        block in 1usize..400,
    ) {
        let forced = Some([format("cloudfront"), format("vpcflow"), format("combined"), format("json")][which]);
        let text = lines.join("\n");
        let a = read_as(text.as_bytes(), forced, &options(block, 300));
        let b = read_as(text.as_bytes(), forced, &options(1 << 16, 300));
        if !text.trim_start().starts_with(['{', '[']) {
            same(&a, &b);
        }
    }
}
