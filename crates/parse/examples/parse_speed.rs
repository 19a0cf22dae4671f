//! CPU seconds of unpacking alone, and of unpacking and parsing, on one CloudFront file.
//!
//! `cargo run --release -p haetae-parse --example parse_speed [FILE.gz] [all]`; without a file it
//! makes one of about 230 MB unpacked in the temporary directory. `all` parses every column.

use haetae_event::Columns;
use haetae_parse::block::BlockReader;
use haetae_parse::{InputReader, Limits, ParseOptions};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a one-shot report reads.
const COLUMNS: [&str; 16] = [
    "ts",
    "src_ip",
    "uri",
    "status",
    "ua",
    "method",
    "bytes_in",
    "bytes_out",
    "dst_host",
    "time_taken",
    "x_edge_result_type",
    "cs_referer",
    "cs_protocol",
    "x_edge_response_result_type",
    "x_edge_detailed_result_type",
    "blocked",
];

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = match arguments.first().filter(|a| *a != "all") {
        Some(path) => PathBuf::from(path),
        None => sample()?,
    };
    let columns = if arguments.iter().any(|a| a == "all") {
        Columns::All
    } else {
        Columns::only(COLUMNS)
    };
    for _ in 0..3 {
        inflate(&path)?;
        parse(&path, &columns)?;
    }
    Ok(())
}

fn inflate(path: &Path) -> std::io::Result<()> {
    let clock = Instant::now();
    let start = cpu_seconds(clock);
    let mut reader = BlockReader::new(File::open(path)?, &Limits::default());
    let mut bytes = 0;
    while let Ok(Some(block)) = reader.next_block(0) {
        bytes += block.bytes.len();
    }
    report("inflate", bytes, cpu_seconds(clock) - start);
    Ok(())
}

fn parse(path: &Path, columns: &Columns) -> std::io::Result<()> {
    let clock = Instant::now();
    let start = cpu_seconds(clock);
    let options = ParseOptions {
        columns: columns.clone(),
        ..ParseOptions::default()
    };
    let mut reader = InputReader::open(File::open(path)?, None, &options);
    let (mut bytes_out, mut batches) = (0i64, 0);
    while let Some(batch) = reader.next_batch()? {
        batches += 1;
        if let Some(records) = &batch.records
            && let Some(column) = records.column_by_name("bytes_out")
        {
            bytes_out += column
                .as_any()
                .downcast_ref::<arrow::array::Int64Array>()
                .map_or(0, |column| column.iter().flatten().sum());
        }
    }
    report("inflate + parse", 0, cpu_seconds(clock) - start);
    println!(
        "  {:?}, {batches} batches, bytes_out {bytes_out}",
        reader.totals()
    );
    Ok(())
}

/// Seconds this process has spent on a CPU; the wall clock where the kernel does not say.
fn cpu_seconds(start: Instant) -> f64 {
    let spent = std::fs::read_to_string("/proc/self/schedstat").ok();
    let nanos = spent
        .as_deref()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or_else(|| start.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

fn report(what: &str, bytes: usize, seconds: f64) {
    let size = if bytes > 0 {
        format!(" for {bytes} bytes")
    } else {
        String::new()
    };
    println!("{what}: {seconds:.3} CPU s{size}");
}

/// A deterministic file with the mix of a real one: few agents, many paths, random ids.
fn sample() -> std::io::Result<PathBuf> {
    let path = std::env::temp_dir().join("haetae_parse_speed.gz");
    if path.exists() {
        return Ok(path);
    }
    let file = BufWriter::new(File::create(&path)?);
    let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::new(6));
    out.write_all(b"#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n")?;
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for line in 0..600_000u64 {
        let agent = next(4000) * next(100) / 100;
        let query = if next(3) == 0 {
            format!("page={}&q=item%2520{}", next(50), next(1000))
        } else {
            "-".into()
        };
        let referer = if next(2) == 0 {
            "-".into()
        } else {
            format!("https://www.example.com/c/{}", next(200))
        };
        writeln!(
            out,
            "2026-03-01\t{:02}:{:02}:{:02}\tICN{}-C1\t{}\t{}.{}.{}.{}\tGET\td111111abcdef8.cloudfront.net\t/assets/{}/item-{}.html\t{}\t{referer}\tMozilla/5.0%20(Windows%20NT%2010.0;%20Win64;%20x64)%20AppleWebKit/537.{}%20(KHTML,%20like%20Gecko)%20Chrome/{}.0.0.0%20Safari/537.36\t{query}\t-\t{}\t{:016x}{:016x}{:012x}==\twww.example.com\thttps\t{}\t0.{:03}\t-\tTLSv1.3\tTLS_AES_128_GCM_SHA256\tHit\tHTTP/2.0\t-\t-\t{}\t0.{:03}\tHit\ttext/html\t{}\t-\t-",
            line / 3600 % 24,
            line / 60 % 60,
            line % 60,
            next(60),
            next(90_000),
            1 + next(220),
            next(256),
            next(256),
            next(256),
            next(40),
            next(5000),
            [200, 200, 200, 304, 404][next(5) as usize],
            agent % 40,
            60 + agent % 70,
            ["Hit", "Miss", "Error"][next(3) as usize],
            next(u64::MAX),
            next(u64::MAX),
            next(1 << 48),
            next(3000),
            next(1000),
            1024 + next(60_000),
            next(1000),
            next(80_000),
        )?;
    }
    out.finish()?.flush()?;
    Ok(path)
}
