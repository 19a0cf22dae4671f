//! Events of correlation tests, the batches made of them, and what a store would hold.

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use haetae_detect::{Closing, Engine, EngineOptions, Evaluation, RuleSet};
use haetae_event::{Dataset, Episode, EventBatch, TenantId};
use std::sync::Arc;

/// 2026-03-01T00:00:00Z
pub const START: i64 = 1_772_323_200_000_000;

/// Rules that match the paths /a, /b, /c, /d; `ab` matches /a and /b; `f` refused flows.
pub const BASES: &str = "
title: a
name: a
logsource: {product: aws, service: cloudfront}
detection: {s: {cs-uri-stem: /a}, condition: s}
---
title: b
name: b
logsource: {product: aws, service: cloudfront}
detection: {s: {cs-uri-stem: /b}, condition: s}
---
title: c
name: c
logsource: {product: aws, service: cloudfront}
detection: {s: {cs-uri-stem: /c}, condition: s}
---
title: d
name: d
id: 00000000-0000-4000-8000-00000000000d
logsource: {product: aws, service: cloudfront}
detection: {s: {cs-uri-stem: /d}, condition: s}
---
title: ab
name: ab
logsource: {product: aws, service: cloudfront}
detection: {s: {cs-uri-stem: [/a, /b]}, condition: s}
---
title: f
name: f
logsource: {category: firewall}
detection: {s: {action: REJECT}, condition: s}
";

/// One event; `rule` is the path without its slash, or `f`.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Microseconds after [`START`].
    pub at_us: i64,
    pub rule: String,
    pub ip: Option<String>,
    pub host: Option<String>,
    pub ua: Option<String>,
    pub bytes: Option<i64>,
    pub number: Option<f64>,
}

impl Event {
    /// `SECONDS RULE [ip=…] [host=…] [ua=…] [bytes=…] [n=…]`; `-` is null.
    pub fn parse(line: &str) -> Event {
        let mut words = line.split_whitespace();
        let seconds: f64 = words.next().expect("seconds").parse().expect("a number");
        let mut event = Event {
            at_us: (seconds * 1e6).round() as i64,
            rule: words.next().expect("a rule").to_owned(),
            ip: Some("192.0.2.1".into()),
            host: None,
            ua: None,
            bytes: None,
            number: None,
        };
        for word in words {
            let (key, value) = word.split_once('=').expect("key=value");
            let text = (value != "-").then(|| value.to_owned());
            match key {
                "ip" => event.ip = text,
                "host" => event.host = text,
                "ua" => event.ua = text,
                "bytes" => event.bytes = text.map(|t| t.parse().expect("a number")),
                "n" => event.number = text.map(|t| t.parse().expect("a number")),
                other => panic!("{other} in {line}"),
            }
        }
        event
    }
}

fn texts(events: &[Event], of: impl Fn(&Event) -> Option<String>) -> ArrayRef {
    Arc::new(events.iter().map(of).collect::<StringViewArray>())
}

fn batch(dataset: Dataset, events: &[Event]) -> EventBatch {
    let ts: TimestampMicrosecondArray = events.iter().map(|e| Some(START + e.at_us)).collect();
    let bytes: Int64Array = events.iter().map(|e| e.bytes).collect();
    let number: Float64Array = events.iter().map(|e| e.number).collect();
    let port: Int32Array = events.iter().map(|_| Some(22)).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        ("bytes_out", Arc::new(bytes)),
    ];
    if dataset == Dataset::VpcFlow {
        columns.extend([
            ("src_ip", texts(events, |_| Some("198.51.100.1".into()))),
            ("dstaddr", texts(events, |e| e.ip.clone())),
            ("dstport", Arc::new(port) as ArrayRef),
            ("action", texts(events, |_| Some("REJECT".into()))),
        ]);
    } else {
        columns.extend([
            ("src_ip", texts(events, |e| e.ip.clone())),
            ("dst_host", texts(events, |e| e.host.clone())),
            ("ua", texts(events, |e| e.ua.clone())),
            ("method", texts(events, |_| Some("GET".into()))),
            ("uri", texts(events, |e| Some(format!("/{}", e.rule)))),
            ("origin_fbl", Arc::new(number) as ArrayRef),
        ]);
    }
    EventBatch {
        tenant: TenantId::default(),
        dataset,
        records: RecordBatch::try_from_iter(columns).expect("columns of one length"),
    }
}

/// Folds events in, flows and requests as batches of their own.
pub fn observe(engine: &mut Engine, events: &[Event]) {
    let (flows, requests): (Vec<Event>, Vec<Event>) = events.iter().cloned().partition(|e| e.rule == "f");
    for (dataset, events) in [(Dataset::CloudFront, requests), (Dataset::VpcFlow, flows)] {
        if !events.is_empty() {
            engine.observe(&batch(dataset, &events));
        }
    }
}

pub fn engine(rules: &str, options: EngineOptions) -> Engine {
    let mut set = RuleSet::empty();
    set.load_text("correlations.yml", &format!("{BASES}---\n{rules}"));
    assert!(set.diagnostics().is_empty(), "{:#?}\n{rules}", set.diagnostics());
    Engine::new(set, options)
}

pub fn closing(seconds: f64) -> Closing {
    Closing::at(START + (seconds * 1e6).round() as i64)
}

/// What a store of findings would hold after some evaluations.
#[derive(Default)]
pub struct Stored(Vec<Episode>);

impl Stored {
    pub fn apply(&mut self, evaluation: &Evaluation) {
        for gone in &evaluation.withdrawn {
            let before = self.0.len();
            self.0.retain(|e| {
                !(e.rule_id == gone.rule_id && e.entity == gone.entity && e.window.touches(&gone.window, 0))
            });
            assert!(self.0.len() < before, "withdrawn but never told: {gone:?}");
        }
        for new in &evaluation.episodes {
            self.0.retain(|e| {
                !(e.rule_id == new.rule_id
                    && e.entity == new.entity
                    && e.window.touches(&new.window, new.gap_us))
            });
        }
        self.0.extend(evaluation.episodes.iter().cloned());
    }

    pub fn sorted(mut self) -> Vec<Episode> {
        self.0.sort_by(|a, b| {
            (&a.rule_id, &a.entity, a.window.start).cmp(&(&b.rule_id, &b.entity, b.window.start))
        });
        self.0
    }
}

fn seconds(us: i64) -> String {
    let text = format!("{:.6}", (us - START) as f64 / 1e6);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `rule entity START..END xCOUNT`, times in seconds.
pub fn line(episode: &Episode) -> String {
    format!(
        "{} {} {}..{} x{}",
        episode.rule_id,
        episode.entity.value,
        seconds(episode.window.start.0),
        seconds(episode.window.end.0),
        episode.count
    )
}
