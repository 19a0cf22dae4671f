//! Cut, damaged, oversized and foreign input: counted, bounded, never a panic.

use crate::support::{CLOUDFRONT, COMBINED, FLOWS, JSON, WAF, gzip, read, read_as};
use haetae_parse::{Format, Limits, ParseOptions};
use std::io::Read;

fn options() -> ParseOptions {
    ParseOptions::default()
}

#[test]
fn a_cut_gzip_gives_what_it_can_and_one_cut_tail() {
    let text = COMBINED.repeat(2000);
    let packed = gzip(text.as_bytes());
    let whole = read(&packed[..packed.len() / 2], &options());
    assert!(whole.counts.events > 1000, "{:?}", whole.counts);
    assert_eq!(whole.codes().last(), Some(&"cut_tail"));
    assert_eq!(whole.codes().iter().filter(|c| **c == "cut_tail").count(), 1);
    let headless = read(&packed[..packed.len() - 3], &options());
    assert_eq!(headless.counts.events, 6000, "only the trailer is cut");
    assert_eq!(headless.codes().last(), Some(&"cut_tail"));
}

#[test]
fn damage_is_one_reject() {
    let mut packed = gzip(COMBINED.repeat(2000).as_bytes());
    let last = packed.len() - 6;
    packed[last] ^= 0xff;
    let whole = read(packed.as_slice(), &options());
    assert_eq!(whole.counts.events, 6000);
    assert_eq!(whole.codes().last(), Some(&"bad_compression"));
    let tail = [gzip(FLOWS.as_bytes()), b"trailing".to_vec()].concat();
    assert_eq!(
        read(tail.as_slice(), &options()).codes().last(),
        Some(&"cut_tail")
    );
}

#[test]
fn members_and_frames_follow_each_other() {
    let flows = FLOWS.as_bytes();
    let two = [gzip(flows), gzip(flows), vec![0; 512]].concat();
    let packed = zstd::encode_all(flows, 3).expect("memory does not fail");
    let frames = [packed.clone(), packed.clone()].concat();
    let plain = read([flows, flows].concat().as_slice(), &options());
    assert_eq!(read(two.as_slice(), &options()), plain);
    assert_eq!(read(frames.as_slice(), &options()), plain);
    // A frame whose last input unpacks to far more than one block.
    let line = &COMBINED[..COMBINED.find('\n').expect("a line") + 1];
    let dense = zstd::encode_all(line.repeat(20_000).as_bytes(), 3).expect("memory does not fail");
    let whole = read(dense.as_slice(), &options());
    assert_eq!((whole.counts.events, whole.counts.rejected), (20_000, 0));
    let cut = read(&packed[..packed.len() - 5], &options());
    assert_eq!(cut.codes().last(), Some(&"cut_tail"));
}

#[test]
fn a_bomb_stops_at_the_cap() {
    let line = &COMBINED[..COMBINED.find('\n').expect("a line") + 1];
    let packed = gzip(line.repeat(100_000).as_bytes());
    let limits = Limits {
        decompressed_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let whole = read(packed.as_slice(), &ParseOptions { limits, ..options() });
    assert_eq!(whole.codes(), ["decompression_cap"]);
    assert!(whole.counts.events > 1000 && whole.counts.events < 15_000);
    let limits = Limits {
        ratio_floor_bytes: 1 << 20,
        expansion_ratio_max: 20,
        ..Limits::default()
    };
    let whole = read(packed.as_slice(), &ParseOptions { limits, ..options() });
    assert_eq!(whole.codes(), ["decompression_cap"]);
}

#[test]
fn an_endless_line_is_one_reject_and_the_rest_is_read() {
    let long = vec![b'a'; 10 << 20];
    for (before, after) in [(FLOWS, FLOWS), (COMBINED, COMBINED), (JSON, JSON)] {
        let input = [before.as_bytes(), &long, b"\n", after.as_bytes()].concat();
        let whole = read(input.as_slice(), &options());
        assert_eq!(
            whole.codes().iter().filter(|c| **c == "record_too_long").count(),
            1
        );
        let alone = read([before, after].concat().as_bytes(), &options());
        assert_eq!(whole.counts.events, alone.counts.events);
        assert_eq!(whole.counts.lines_in, alone.counts.lines_in + 1);
    }
}

#[test]
fn an_object_that_is_too_long_is_one_reject_whatever_the_blocks() {
    let small = "{\n\"ts\":1,\"path\":\"/a\"}\n";
    let long = format!("{{\n\"ts\":2,\"path\":\"{}\"}}\n", "b".repeat(3000));
    let input = [small, &long, small, small].concat();
    for block_bytes in [1, 50, 700, 5000, 100_000] {
        let limits = Limits {
            block_bytes,
            record_bytes_max: 1000,
            ..Limits::default()
        };
        let json = Some("json".parse::<Format>().expect("a format"));
        let whole = read_as(input.as_bytes(), json, &ParseOptions { limits, ..options() });
        assert_eq!(whole.codes(), ["record_too_long"], "{block_bytes}");
        assert_eq!(whole.ordinals, [0, 2, 3], "{block_bytes}");
    }
}

#[test]
fn what_nobody_recognises_is_one_reject() {
    let utf16: Vec<u8> = COMBINED.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let binary: Vec<u8> = (0..200_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for input in [utf16, binary, vec![0; 100_000], b"hello\nworld\n".to_vec()] {
        let whole = read(input.as_slice(), &options());
        assert_eq!((whole.counts.lines_in, whole.counts.rejected), (1, 1));
        assert_eq!(whole.codes(), ["unknown_format"]);
        assert!(whole.rejects[0].bytes.len() <= 1024);
    }
    assert_eq!(read(&b""[..], &options()).counts.lines_in, 0);
    let blank = read(&b"\n#x\n\n"[..], &options());
    assert_eq!((blank.counts.lines_in, blank.counts.skipped), (3, 3));
}

#[test]
fn invalid_utf8_is_kept_lossily() {
    let mut line = COMBINED.as_bytes()[..COMBINED.find('\n').expect("a line") + 1].to_vec();
    line[60] = 0xff;
    let whole = read(line.as_slice(), &options());
    assert_eq!(whole.counts.events, 1);
    assert_eq!(whole.cell(0, "warnings"), "invalid_utf8");
    let json = [JSON.as_bytes(), b"{\"ts\":1,\"path\":\"\xff\"}\n"].concat();
    let whole = read(json.as_slice(), &options());
    let last = whole.counts.events as usize - 1;
    assert_eq!(
        (whole.cell(last, "uri"), whole.cell(last, "warnings")),
        ("\u{fffd}", "invalid_utf8")
    );
    let flow = FLOWS.lines().next().expect("a line");
    let message = format!("{{\"message\":\"{flow}\",\"k\":\"#\"}}\n");
    let damaged = message.replace('#', "\u{1}").into_bytes();
    let damaged: Vec<u8> = damaged.iter().map(|&b| if b == 1 { 0xff } else { b }).collect();
    let whole = read([message.as_bytes(), &damaged].concat().as_slice(), &options());
    assert_eq!(whole.counts.events, 2, "{:?}", whole.codes());
    assert_eq!(whole.cell(0, "warnings"), "∅");
    assert_eq!(whole.cell(1, "warnings"), "invalid_utf8");
}

/// Every format, each with a damaged record between sound ones that its fixtures have.
#[test]
fn no_format_refuses_a_record_for_its_encoding() {
    let mut formats = std::collections::BTreeSet::new();
    for fixture in haetae_parse::fixtures::must_pass() {
        let expect = &fixture.expect;
        let text = std::str::from_utf8(&fixture.input);
        if expect.events == 0 || expect.rejected > 0 || text.is_err() || fixture.input.contains(&b'#') {
            continue;
        }
        // A path, an agent or a name: something that a stranger chooses.
        let stranger = [
            "/a", "UA/1", "Mozilla", "curl", "example", "msg=", "message", "OK",
        ];
        let Some(at) = stranger.iter().find_map(|word| text.expect("checked").find(word)) else {
            continue;
        };
        let mut damaged = fixture.input.clone();
        damaged[at + 1] = 0xff;
        let whole = read_as(damaged.as_slice(), fixture.format, &options());
        assert!(!whole.codes().contains(&"invalid_utf8"), "{}", fixture.id);
        formats.extend(whole.dataset.map(|dataset| dataset.as_str()));
    }
    assert!(formats.len() >= 14, "{formats:?}");
}

/// The same record with and without a byte that is no UTF-8, cut into blocks of every size.
#[test]
fn damage_stays_with_its_record_whatever_the_blocks() {
    let object = "{\"time\":1772359200,\"uri\":\"/\u{fffd}\",\"status\":200}";
    let broken = object.replace('\u{fffd}', "#").into_bytes();
    let broken: Vec<u8> = broken.iter().map(|&b| if b == b'#' { 0xb0 } else { b }).collect();
    for between in ["\n", "", " \n\n"] {
        let sound = [object.as_bytes(), between.as_bytes()].concat();
        let damaged = [&broken, between.as_bytes()].concat();
        let input = [&sound[..], &damaged, &sound, &damaged, &damaged[..20]].concat();
        for block_bytes in [1, 60, 100, 1000] {
            let limits = Limits {
                block_bytes,
                ..Limits::default()
            };
            let json = Some("json".parse::<Format>().expect("a format"));
            let whole = read_as(input.as_slice(), json, &ParseOptions { limits, ..options() });
            assert_eq!((whole.counts.events, whole.codes()), (4, vec!["bad_json"]));
            let warned: Vec<&str> = (0..4).map(|row| whole.cell(row, "warnings")).collect();
            assert_eq!(warned, ["∅", "invalid_utf8", "∅", "invalid_utf8"]);
        }
    }
    // A record that is refused for something else is kept with the bytes it came with.
    let cut = [&broken[..], b"\n{\"uri\":\"\xb0\xcb\xbb\xf6\n"].concat();
    let whole = read(cut.as_slice(), &options());
    assert_eq!(whole.rejects[0].bytes, b"{\"uri\":\"\xb0\xcb\xbb\xf6");
}

/// A comment is a record too when its length is judged.
#[test]
fn comments_that_are_too_long_are_refused_whatever_the_blocks() {
    let comment = format!("#{}\n", "x".repeat(3000));
    for format in Format::all().filter(|format| !format.is_json()) {
        let input = format!("{comment}#short\n{}\n", " ".repeat(2000));
        let counts = [1, 500, 100_000].map(|block_bytes| {
            let limits = Limits {
                block_bytes,
                record_bytes_max: 1000,
                ..Limits::default()
            };
            read_as(
                input.as_bytes(),
                Some(format),
                &ParseOptions { limits, ..options() },
            )
            .counts
        });
        assert_eq!(counts[0], counts[1], "{format}");
        assert_eq!(counts[0], counts[2], "{format}");
        assert_eq!(counts[0].rejected, 2, "{format}");
    }
}

#[test]
fn json_limits_hold() {
    let deep = format!("{{\"ts\":1,\"a\":{}1{}}}\n", "[".repeat(100), "]".repeat(100));
    let wide: String = (0..2000).map(|i| format!("\"k{i}\":1,")).collect();
    let input = format!("{JSON}{deep}{{{wide}\"ts\":1}}\n");
    let codes = read(input.as_bytes(), &options()).codes();
    assert_eq!(
        codes.iter().filter(|c| **c == "too_complex").count(),
        2,
        "{codes:?}"
    );
}

#[test]
fn a_reader_that_fails_is_the_callers_error() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let input = CLOUDFRONT.as_bytes().chain(Failing);
    let mut reader = haetae_parse::InputReader::open(input, None, &options());
    let first = reader.next_batch().expect("the lines before").expect("a batch");
    assert_eq!(first.counts.events, 2);
    assert!(reader.next_batch().is_err());
    assert!(reader.next_batch().expect("over").is_none());
}

#[test]
fn forced_formats_refuse_foreign_lines_one_by_one() {
    for format in Format::all() {
        let whole = read_as(&b"x\ny\n"[..], Some(format), &options());
        assert_eq!((whole.counts.lines_in, whole.counts.rejected), (2, 2), "{format}");
    }
    assert_eq!(read(WAF.as_bytes(), &options()).counts.events, 1);
}
