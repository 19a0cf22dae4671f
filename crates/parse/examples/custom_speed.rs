//! Events a second of users' parsers, by kind, on made-up records that stay in memory.
//!
//! `cargo run --release -p haetae-parse --example custom_speed`

use arrow::buffer::Buffer;
use haetae_parse::block::Framing;
use haetae_parse::format::Opening;
use haetae_parse::{ParseOptions, ParserDefinition, RawBlock};
use std::time::Instant;

const RECORDS: usize = 400_000;
const BLOCK_RECORDS: usize = 1000;

const MAP: &str = "  src_ip: $.src || $.client_ip\n  uri: $.request\n  status: int($.status)\n  method: $.method\n  ua: $.ua\n  bytes_out: $.bytes\n";
const DERIVE: &str = "derive:\n  ip_bucket: truncate(src_ip, 24)\n  param_sig: sig(querystring)\n";

fn definition(kind: &str, extra: &str, derive: &str) -> String {
    format!("id: speed\nversion: 1\nkind: {kind}\ndataset: web\n{extra}map:\n  ts: $.time\n{MAP}{derive}")
}

fn line(kind: &str, at: usize) -> String {
    let (a, b, status) = (at % 251, at % 241, 200 + at % 5);
    let (time, path) = (
        1_767_323_045_000u64 + at as u64,
        format!("/item/{}?page={}", at % 997, at % 31),
    );
    match kind {
        "json" => format!(
            "{{\"time\":{time},\"src\":\"192.0.{a}.{b}\",\"method\":\"GET\",\"request\":\"{path}\",\"status\":{status},\"bytes\":{at},\"ua\":\"Mozilla/5.0 (Windows NT 10.0)\",\"host\":\"www.example.com\",\"trace\":{{\"id\":\"{at:032x}\"}}}}\n"
        ),
        "kv" => format!(
            "time={time} src=192.0.{a}.{b} method=GET request={path} status={status} bytes={at} ua=\"Mozilla/5.0 (Windows NT 10.0)\" host=www.example.com\n"
        ),
        "cef" => format!(
            "CEF:0|Acme|WAF|1.0|100|Request|3|time={time} src=192.0.{a}.{b} method=GET request={path} status={status} bytes={at} ua=Mozilla/5.0 (Windows NT 10.0) host=www.example.com\n"
        ),
        _ => format!("{time} 192.0.{a}.{b} GET {path} {status} {at} \"Mozilla/5.0 (Windows NT 10.0)\"\n"),
    }
}

fn main() {
    let pattern = "pattern: '^(?<time>\\d+) (?<src>\\S+) (?<method>\\S+) (?<request>\\S+) (?<status>\\d+) (?<bytes>\\d+) \"(?<ua>[^\"]*)\"$'\n";
    for (kind, extra) in [("json", ""), ("kv", ""), ("cef", ""), ("regex", pattern)] {
        let blocks: Vec<RawBlock> = (0..RECORDS / BLOCK_RECORDS)
            .map(|number| {
                let first = number * BLOCK_RECORDS;
                let text: String = (first..first + BLOCK_RECORDS).map(|at| line(kind, at)).collect();
                RawBlock {
                    bytes: Buffer::from_vec(text.into_bytes()),
                    first_ordinal: first as u64,
                }
            })
            .collect();
        for derive in ["", DERIVE] {
            let yaml = definition(kind, extra, derive);
            let yaml = if kind == "regex" {
                yaml.replace("$.src || $.client_ip", "$.src")
            } else {
                yaml
            };
            let blueprint = ParserDefinition::parse("speed.yaml", &yaml)
                .unwrap_or_else(|found| panic!("{}", found[0]))
                .blueprint(None)
                .expect("no extractor is needed");
            let options = ParseOptions::default();
            let opening = Opening {
                head: b"",
                framing: Framing::Lines,
                options: &options,
            };
            let mut parser = blueprint.open(&opening);
            let mut best = f64::INFINITY;
            for _ in 0..3 {
                let start = Instant::now();
                let events: u64 = blocks.iter().map(|block| parser.parse(block).counts.events).sum();
                assert_eq!(events as usize, RECORDS);
                best = best.min(start.elapsed().as_secs_f64());
            }
            let bytes: usize = blocks.iter().map(|block| block.bytes.len()).sum();
            println!(
                "{kind:<6} {:<8} {:>9.0} events/s, {:>5.0} MB/s",
                if derive.is_empty() { "mapped" } else { "derived" },
                RECORDS as f64 / best,
                bytes as f64 / best / 1e6
            );
        }
    }
}
