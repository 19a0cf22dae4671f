//! Small events and batches made of them.

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, Episode, EventBatch, TenantId};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub const SECOND: i64 = 1_000_000;
/// 2026-03-01T00:00:00Z
pub const START: i64 = 1_772_323_200 * SECOND;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Row {
    /// Seconds after [`START`].
    pub at: f64,
    pub src: Option<String>,
    pub host: Option<String>,
    pub method: Option<String>,
    pub uri: Option<String>,
    pub status: Option<i32>,
    pub ua: Option<String>,
    pub raw: Option<String>,
    pub dstaddr: Option<String>,
    pub srcport: Option<i32>,
    pub dstport: Option<i32>,
    pub action: Option<String>,
    pub session: Option<String>,
    pub account: Option<String>,
    pub ja4: Option<String>,
    pub asn: Option<i64>,
    pub event_outcome: Option<String>,
    pub event_action: Option<String>,
    /// Other text columns, by name.
    pub text: BTreeMap<String, String>,
    /// Other number columns, by name.
    pub number: BTreeMap<String, i32>,
}

impl Row {
    pub fn web(at: f64, src: &str, uri: &str, status: i32) -> Row {
        Row {
            at,
            src: Some(src.into()),
            method: Some("GET".into()),
            uri: Some(uri.into()),
            status: Some(status),
            ua: Some("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0".into()),
            ..Row::default()
        }
    }

    pub fn flow(at: f64, src: &str, dst: &str, port: i32, action: &str) -> Row {
        Row {
            at,
            src: Some(src.into()),
            dstaddr: Some(dst.into()),
            srcport: Some(40_000),
            dstport: Some(port),
            action: Some(action.into()),
            ..Row::default()
        }
    }
}

fn texts(rows: &[Row], of: impl Fn(&Row) -> &Option<String>) -> ArrayRef {
    Arc::new(
        rows.iter()
            .map(|row| of(row).as_deref())
            .collect::<StringViewArray>(),
    )
}

fn numbers(rows: &[Row], of: impl Fn(&Row) -> Option<i32>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Int32Array>())
}

pub fn batch(dataset: Dataset, rows: &[Row]) -> EventBatch {
    let ts: TimestampMicrosecondArray = rows
        .iter()
        .map(|row| Some(START + (row.at * SECOND as f64).round() as i64))
        .collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        ("src_ip", texts(rows, |r| &r.src)),
    ];
    if dataset == Dataset::VpcFlow {
        let blocked: BooleanArray = rows
            .iter()
            .map(|r| r.action.as_ref().map(|action| action == "REJECT"))
            .collect();
        columns.extend([
            ("dstaddr", texts(rows, |r| &r.dstaddr)),
            ("srcport", numbers(rows, |r| r.srcport)),
            ("dstport", numbers(rows, |r| r.dstport)),
            ("action", texts(rows, |r| &r.action)),
            ("blocked", Arc::new(blocked) as ArrayRef),
        ]);
    } else if dataset.is_web() {
        columns.extend([
            ("dst_host", texts(rows, |r| &r.host)),
            ("method", texts(rows, |r| &r.method)),
            ("uri", texts(rows, |r| &r.uri)),
            ("status", numbers(rows, |r| r.status)),
            ("ua", texts(rows, |r| &r.ua)),
        ]);
    }
    type Of = fn(&Row) -> &Option<String>;
    let optional: [(&str, Of); 5] = [
        ("session_id", |r| &r.session),
        ("account", |r| &r.account),
        ("ja4", |r| &r.ja4),
        ("event_outcome", |r| &r.event_outcome),
        ("event_action", |r| &r.event_action),
    ];
    for (name, of) in optional {
        if rows.iter().any(|row| of(row).is_some()) {
            columns.push((name, texts(rows, of)));
        }
    }
    if rows.iter().any(|row| row.asn.is_some()) {
        let numbers: Int64Array = rows.iter().map(|row| row.asn).collect();
        columns.push(("src_asn", Arc::new(numbers)));
    }
    let names: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| row.text.keys())
        .map(String::as_str)
        .collect();
    for name in names {
        let column: StringViewArray = rows.iter().map(|row| row.text.get(name)).collect();
        columns.push((name, Arc::new(column)));
    }
    let names: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| row.number.keys())
        .map(String::as_str)
        .collect();
    for name in names {
        let column: Int32Array = rows.iter().map(|row| row.number.get(name).copied()).collect();
        columns.push((name, Arc::new(column)));
    }
    if rows.iter().any(|row| row.raw.is_some()) {
        columns.push(("raw", texts(rows, |r| &r.raw)));
    }
    let records = RecordBatch::try_from_iter(columns).expect("columns of one length");
    EventBatch {
        tenant: TenantId::default(),
        dataset,
        records,
    }
}

pub fn builtin() -> Engine {
    Engine::new(RuleSet::builtin(), EngineOptions::one_shot())
}

/// Episodes of one batch under the built-in rules, everything closed.
pub fn episodes(dataset: Dataset, rows: &[Row]) -> Vec<Episode> {
    let mut engine = builtin();
    engine.observe(&batch(dataset, rows));
    engine.evaluate(&Closing::everything()).episodes
}

/// Only the code detectors, as built in.
pub fn detectors() -> Engine {
    let mut rules = RuleSet::empty();
    rules.load_detectors("detectors.yml", haetae_detect::ruleset::BUILTIN_DETECTORS);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    Engine::new(rules, EngineOptions::one_shot())
}

/// One section of the built-in `detectors.yml` alone: others may add to its findings what they know
/// at the time (costs).
pub fn detector(section: &str) -> Engine {
    sections(&[section])
}

/// Only these sections of the built-in `detectors.yml`.
pub fn sections(names: &[&str]) -> Engine {
    let text: String = names.iter().map(|name| section(name)).collect();
    let mut rules = RuleSet::empty();
    rules.load_detectors("detectors.yml", &text);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    Engine::new(rules, EngineOptions::one_shot())
}

/// One section of the built-in `detectors.yml`.
pub fn section(name: &str) -> String {
    let begins = format!("{name}:");
    let own = |line: &&str| line.starts_with(' ') || line.starts_with('#') || line.is_empty();
    let mut lines = haetae_detect::ruleset::BUILTIN_DETECTORS
        .lines()
        .skip_while(|line| *line != begins);
    let first = lines.next().expect("the section is there");
    let all = std::iter::once(first).chain(lines.take_while(own));
    all.flat_map(|line| [line, "\n"]).collect()
}

/// What the built-in code detectors whose name begins with `which` find.
pub fn detected(which: &str, dataset: Dataset, rows: &[Row]) -> Vec<Episode> {
    let mut engine = detectors();
    engine.observe(&batch(dataset, rows));
    let mut episodes = engine.evaluate(&Closing::everything()).episodes;
    episodes.retain(|episode| episode.detector.starts_with(which));
    episodes
}

/// Engine with only the given YAML.
pub fn engine_of(yaml: &str) -> Engine {
    let mut rules = RuleSet::empty();
    rules.load_text("test.yml", yaml);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    Engine::new(rules, EngineOptions::one_shot())
}
