//! Rules and events that lie outside the repository.

use flate2::read::MultiGzDecoder;
use haetae_detect::sigma::document::{self, Document, Rule};
use haetae_detect::sigma::yaml;
use serde_json::{Value, json};
use std::io::Read;
use std::path::PathBuf;

/// A rule file of the samples.
#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub text: String,
}

/// One regression case: the rule and events of which some must match.
#[derive(Clone, Debug)]
pub struct Case {
    pub rule_id: String,
    /// JSON objects, or texts: raw lines.
    pub events: Vec<Value>,
    pub match_count: Option<u64>,
}

/// The decompressed bytes of a shared file; `None`, said aloud, when it is not there.
#[expect(
    clippy::disallowed_methods,
    reason = "a known set of small files: no expansion bomb among them"
)]
pub fn shared(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var("HAETAE_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let path = PathBuf::from(root).join("data/sec/sigma").join(path);
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: {} is not there; set HAETAE_SHARED", path.display());
        return None;
    };
    let mut bytes = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The rule files of a shared archive.
pub fn rules(archive: &str) -> Option<Vec<Sample>> {
    let files = untar(&shared(archive)?);
    let rules = files.into_iter().filter(|(name, _)| name.ends_with(".yml"));
    Some(
        rules
            .map(|(name, bytes)| Sample {
                name,
                text: String::from_utf8_lossy(&bytes).into_owned(),
            })
            .collect(),
    )
}

/// Rules for web servers, proxies, networks and AWS.
pub fn web_network_aws() -> Option<Vec<Sample>> {
    rules("sigma-rules-web-network-aws.tar.gz")
}

/// Rules of the regression cases.
pub fn of_regression() -> Option<Vec<Sample>> {
    rules("sigma-rules-of-regression.tar.gz")
}

/// Rules of our own, for what the shared ones leave out of the language.
pub fn own() -> Vec<Sample> {
    let rule = |(name, text): &(&str, &str)| Sample {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    };
    OWN.iter().map(rule).collect()
}

/// Events that a generator hardly makes, for rules of our own.
pub fn own_cases() -> Vec<Case> {
    vec![Case {
        rule_id: "5d0f7c1e-0c4b-4a57-9b6f-1f2f3a0b0003".into(),
        events: vec![json!({"Event": {"System": {}, "EventData": {"Image": null, "ParentImage": null}}})],
        match_count: None,
    }]
}

const OWN: [(&str, &str); 6] = [
    ("own/base64.yml", include_str!("../fixtures/base64.yml")),
    ("own/comparisons.yml", include_str!("../fixtures/comparisons.yml")),
    ("own/ends.yml", include_str!("../fixtures/ends.yml")),
    ("own/expressions.yml", include_str!("../fixtures/expressions.yml")),
    ("own/fieldref.yml", include_str!("../fixtures/fieldref.yml")),
    ("own/numbers.yml", include_str!("../fixtures/numbers.yml")),
];

/// The regression cases.
pub fn cases() -> Option<Vec<Case>> {
    let bytes = shared("sigma-regression-events.jsonl.gz")?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let cases = text.lines().filter_map(|line| {
        let value: Value = serde_json::from_str(line).ok()?;
        Some(Case {
            rule_id: value["rule_id"].as_str()?.to_owned(),
            events: value["events"].as_array()?.clone(),
            match_count: value["match_count"].as_u64(),
        })
    });
    Some(cases.collect())
}

/// The first document of a rule file that is a detection rule, as we read it and as JSON.
pub fn read(sample: &Sample) -> Option<(Rule, Value)> {
    let values = yaml::documents(&sample.text).ok()?;
    values.into_iter().find_map(|value| {
        value.get("detection")?;
        match document::read(&value, &Default::default()) {
            Ok(Document::Rule(rule)) => Some((rule, value)),
            _ => None,
        }
    })
}

/// Untars into (name, content). A name beyond 100 bytes comes before its file, as a file of its own
/// (GNU) or as a record `path=…` (POSIX).
fn untar(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut at = 0;
    let mut long: Option<String> = None;
    while let Some(header) = bytes.get(at..at + 512).filter(|header| header[0] != 0) {
        let field = |from: usize, length: usize| {
            let raw = &header[from..from + length];
            String::from_utf8_lossy(raw.split(|&b| b == 0).next().unwrap_or_default())
                .trim()
                .to_owned()
        };
        let size = usize::from_str_radix(&field(124, 12), 8).unwrap_or(0);
        let Some(content) = bytes.get(at + 512..at + 512 + size) else {
            break;
        };
        let text = || String::from_utf8_lossy(content).trim_end_matches('\0').to_owned();
        match header[156] {
            b'L' => long = Some(text()),
            b'x' => {
                let records = text();
                let path = records
                    .split_once(" path=")
                    .and_then(|(_, rest)| rest.lines().next());
                long = path.map(str::to_owned);
            }
            b'0' | 0 => files.push((long.take().unwrap_or_else(|| field(0, 100)), content.to_vec())),
            _ => long = None,
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}
