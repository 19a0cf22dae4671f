//! Measures on data that lies outside the repository; loudly skipped when it is not there.

use crate::batches::*;
use flate2::read::MultiGzDecoder;
use haetae_detect::RuleSet;
use haetae_event::{Dataset, Episode, Level};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

#[expect(
    clippy::disallowed_methods,
    reason = "a known set of small files: no expansion bomb among them"
)]
fn shared(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var("HAETAE_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let path = PathBuf::from(root).join("data").join(path);
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: {} is not there; set HAETAE_SHARED", path.display());
        return None;
    };
    let mut bytes = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
    Some(bytes)
}

fn text(path: &str) -> Option<String> {
    shared(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// How many of the URIs trip a rule whose title is one of the injection rules'.
fn injection_hits(uris: &[String]) -> (usize, Vec<String>) {
    let rows: Vec<Row> = uris
        .iter()
        .enumerate()
        .map(|(n, uri)| {
            Row::web(
                n as f64 * 3600.0,
                &format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255),
                uri,
                200,
            )
        })
        .collect();
    let mut hit = std::collections::BTreeSet::new();
    for episode in episodes(Dataset::Web, &rows) {
        if episode.title.contains("SQL injection") || episode.title.contains("scripting") {
            hit.insert(episode.evidence[0].summary.clone());
        }
    }
    (hit.len(), hit.into_iter().collect())
}

#[test]
fn benign_queries_rarely_look_like_injection() {
    for (file, hits_max) in [
        ("sec/benign-ko-queries.txt.gz", 6),
        ("sec/benign-ko-queries-cp949.txt.gz", 1),
        ("sec/benign-multilingual-queries.txt.gz", 1),
        ("sec/benign-sql-lookalikes.txt.gz", 20),
    ] {
        let Some(bytes) = shared(file) else { return };
        let lines: Vec<String> = bytes
            .split(|&b| b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                let encoded: String = line
                    .iter()
                    .map(|&b| {
                        if b.is_ascii_graphic() {
                            char::from(b).to_string()
                        } else {
                            format!("%{b:02X}")
                        }
                    })
                    .collect();
                format!("/search?q={encoded}")
            })
            .collect();
        let (hits, which) = injection_hits(&lines);
        eprintln!("{file}: {hits} of {} flagged", lines.len());
        which.iter().take(25).for_each(|line| eprintln!("  {line}"));
        assert!(hits <= hits_max, "{file}: {hits}");
    }
}

#[test]
fn known_sql_injections_are_mostly_seen() {
    let Some(text) = text("sec/crs-tests.jsonl.gz") else {
        return;
    };
    let mut uris = Vec::new();
    for line in text.lines() {
        let test: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if test["family"] != "942" || test["expect"] != "match" {
            continue;
        }
        let uri = test["uri"].as_str().unwrap_or("/").to_owned();
        let body = test["body"].as_str().unwrap_or_default();
        // Bodies are not in access logs; as a query they show what the rule would make of them.
        let joined = if body.is_empty() {
            uri
        } else {
            format!("{uri}?{body}")
        };
        uris.push(joined.replace([' ', '\n', '\r', '\t'], "+"));
    }
    let (hits, _) = injection_hits(&uris);
    let recall = hits as f64 / uris.iter().collect::<std::collections::BTreeSet<_>>().len() as f64;
    eprintln!(
        "CRS 942 positives: {hits} of {} ({:.0} %)",
        uris.len(),
        recall * 100.0
    );
    assert!(recall > 0.4, "{recall}");
}

/// Untars into (name, content).
fn untar(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 512).filter(|h| h[0] != 0) {
        let field = |from: usize, length: usize| {
            let raw = &header[from..from + length];
            String::from_utf8_lossy(raw.split(|&b| b == 0).next().unwrap_or_default())
                .trim()
                .to_owned()
        };
        let size = usize::from_str_radix(&field(124, 12), 8).unwrap_or(0);
        let content = bytes[at + 512..at + 512 + size].to_vec();
        if header[156] == b'0' || header[156] == 0 {
            files.push((field(0, 100), content));
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}

#[test]
fn public_rules_load_or_are_listed_with_a_reason() {
    let Some(bytes) = shared("sec/sigma/sigma-rules-web-network-aws.tar.gz") else {
        return;
    };
    let files: Vec<_> = untar(&bytes)
        .into_iter()
        .filter(|(name, _)| name.ends_with(".yml"))
        .collect();
    assert!(files.len() > 140, "{}", files.len());
    let mut rules = RuleSet::empty();
    for (name, content) in &files {
        rules.load_text(name, &String::from_utf8_lossy(content));
    }
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for problem in rules.diagnostics() {
        reasons
            .entry(&problem.code)
            .or_default()
            .push(problem.to_string());
    }
    eprintln!("{} of {} public rules load", rules.len(), files.len());
    for (code, problems) in &reasons {
        eprintln!("{code}: {}\n  {}", problems.len(), problems.join("\n  "));
    }
    assert_eq!(
        rules.len() + rules.diagnostics().len(),
        files.len(),
        "none is skipped silently"
    );
    let web = files.iter().filter(|(name, _)| name.contains("/web/")).count();
    assert!(rules.len() + 3 >= web, "{} of {web} web rules", rules.len());
}

/// Rows of a combined log, enough of a parser for a test.
fn combined(text: &str) -> Vec<Row> {
    text.lines()
        .enumerate()
        .filter_map(|(n, line)| {
            let line = line.trim_matches('"');
            let (src, rest) = line.split_once(' ')?;
            let (_, rest) = rest.split_once("] \"")?;
            let close = rest.find(" HTTP/")?;
            let (method, uri) = rest[..close].split_once(' ')?;
            let mut tail = rest[close..].split_once("\" ")?.1.split(' ');
            let status = tail.next()?.parse().ok()?;
            let ua = line
                .rsplit('"')
                .find(|part| part.len() > 1)
                .unwrap_or_default()
                .to_owned();
            let mut row = Row::web(n as f64 / 5.0, src, uri, status);
            row.method = Some(method.into());
            row.ua = Some(ua);
            Some(row)
        })
        .collect()
}

fn summary(name: &str, found: &[Episode]) -> BTreeMap<(Level, String), usize> {
    let mut counts = BTreeMap::new();
    for episode in found {
        *counts.entry((episode.level, episode.title.clone())).or_insert(0) += 1;
    }
    eprintln!("{name}:");
    for ((level, title), count) in counts.iter().rev() {
        eprintln!("  {level} {title}: {count}");
    }
    counts
}

#[test]
fn a_scan_is_high_and_an_ordinary_site_is_quiet() {
    let (Some(scan), Some(site)) = (
        text("scanner_access_log/acunetix.log.gz"),
        text("apache_logs_10k/apache_logs.gz"),
    ) else {
        return;
    };
    let found = episodes(Dataset::Web, &combined(&scan));
    let counts = summary("scanner", &found);
    assert!(counts.keys().any(|(level, _)| *level == Level::High));
    // 10,000 lines over four days; laid out evenly over that time.
    let mut rows = combined(&site);
    rows.iter_mut()
        .enumerate()
        .for_each(|(n, row)| row.at = n as f64 * 30.0);
    let found = episodes(Dataset::Web, &rows);
    summary("ordinary site", &found);
    let loud: Vec<_> = found
        .iter()
        .filter(|e| e.level >= Level::High)
        .map(|e| (&e.title, &e.entity.value))
        .collect();
    assert!(loud.is_empty(), "{loud:?}");
}
