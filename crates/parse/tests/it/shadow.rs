//! Comparing two versions of a parser on the same records.

use arrow::buffer::Buffer;
use haetae_event::Dataset;
use haetae_event::inside::{self, Inside, PathTree, Wanted};
use haetae_parse::block::Framing;
use haetae_parse::format::Opening;
use haetae_parse::shadow::{Comparison, EXAMPLES_MAX, FAILURES_MAX};
use haetae_parse::{Blueprint, Format, ParseOptions, ParsedBatch, ParserDefinition, RawBlock};
use std::sync::Arc;
use std::time::Duration;

fn blueprint(version: u32, rest: &str) -> Arc<dyn Blueprint> {
    let yaml = format!("id: shop\nversion: {version}\nkind: json\ndataset: web\n{rest}");
    ParserDefinition::parse("shop.yaml", &yaml)
        .expect("a definition")
        .blueprint(None)
        .expect("no extractor is needed")
}

fn parse(blueprint: &dyn Blueprint, block: &RawBlock) -> ParsedBatch {
    let options = ParseOptions::default();
    let opening = Opening {
        head: b"",
        framing: Framing::Lines,
        options: &options,
    };
    blueprint.open(&opening).parse(block)
}

#[test]
fn two_versions_are_compared_record_by_record() {
    let old = blueprint(1, "map:\n  ts: $.t\n  uri: $.u\n  status: $.s\n");
    let new = blueprint(
        2,
        "required: [uri]\nmap:\n  ts: $.t\n  uri: lower($.u)\n  status: $.s\n  ua: $.ua\n",
    );
    let mut comparison = Comparison::new(old.id(), new.id());
    for block in 0..3u64 {
        let lines: String = (0..10)
            .map(|at| match at {
                0 => "{\"t\":1}\n".to_owned(),
                1 => "junk\n".to_owned(),
                2 => "{\"t\":1,\"u\":\"/x\",\"ua\":\"curl\",\"s\":\"x\"}\n".to_owned(),
                at => format!("{{\"t\":1,\"u\":\"/A{at}\",\"s\":200}}\n"),
            })
            .collect();
        let block = RawBlock {
            bytes: Buffer::from_vec(lines.into_bytes()),
            first_ordinal: block * 10,
        };
        let (a, b) = (parse(&*old, &block), parse(&*new, &block));
        comparison.feed(
            &block,
            (&a, Duration::from_micros(10)),
            (&b, Duration::from_micros(20)),
        );
    }
    let report = comparison.report();
    assert_eq!(
        (report.old.parser.as_str(), report.new.parser.as_str()),
        ("shop@v1", "shop@v2")
    );
    assert_eq!((report.old.counts.events, report.new.counts.events), (27, 24));
    assert!((report.old.hit_rate - 0.9).abs() < 1e-9);
    assert!((report.new.error_rate - 0.2).abs() < 1e-9);
    assert_eq!(report.old.warnings["cast_failed:status"], 3);
    assert_eq!((report.compared, report.differing_records), (24, 24));
    assert_eq!((report.newly_failing, report.newly_parsed), (3, 0));
    assert_eq!(report.newly_failing_records[1].ordinal, 10);
    assert_eq!(report.newly_failing_records[1].reason.code(), "schema_mismatch");
    let uri = &report.columns["uri"];
    assert_eq!((uri.differing, uri.gained, uri.lost), (21, 0, 0));
    assert_eq!(uri.examples.len(), EXAMPLES_MAX);
    assert_eq!(
        (
            uri.examples[0].ordinal,
            uri.examples[0].old.as_deref(),
            uri.examples[0].new.as_deref()
        ),
        (3, Some("/A3"), Some("/a3"))
    );
    let ua = &report.columns["ua"];
    assert_eq!((ua.differing, ua.gained), (3, 3));
    assert!(!report.columns.contains_key("status"));
    // Ten records in 10 µs: within a bucket's width of 1000 ns.
    assert!(
        (950..1050).contains(&report.old.ns_per_record_p50),
        "{}",
        report.old.ns_per_record_p50
    );
    assert!(
        (1900..2100).contains(&report.new.ns_per_record_p95),
        "{}",
        report.new.ns_per_record_p95
    );
    let json = serde_json::to_value(&report).expect("it serialises");
    assert_eq!(json["columns"]["uri"]["examples"][0]["new"], "/a3");
    let text = report.to_string();
    assert!(text.contains("#3: /A3 → /a3"), "{text}");
    assert!(text.contains("fails #0: schema_mismatch"), "{text}");
}

#[test]
fn failures_are_bounded() {
    let old = blueprint(1, "map:\n  uri: $.u\n");
    let new = blueprint(2, "required: [uri]\nmap:\n  uri: $.u\n");
    let block = RawBlock {
        bytes: Buffer::from_vec("{}\n".repeat(50).into_bytes()),
        first_ordinal: 0,
    };
    let mut comparison = Comparison::new("a", "b");
    let took = Duration::from_nanos(1);
    comparison.feed(
        &block,
        (&parse(&*old, &block), took),
        (&parse(&*new, &block), took),
    );
    let report = comparison.report();
    assert_eq!(
        (report.newly_failing, report.newly_failing_records.len()),
        (50, FAILURES_MAX)
    );
}

/// What is handed over to detection is no column of a parser's.
#[test]
fn values_handed_over_are_not_compared() {
    let block = RawBlock {
        bytes: Buffer::from_vec("{\"t\":1,\"user\":{\"name\":\"kim\"}}\n".repeat(9).into_bytes()),
        first_ordinal: 0,
    };
    let wishing = |paths: &[&str]| {
        let mut tree = PathTree::new("attrs".to_owned());
        for (slot, path) in (0..).zip(paths) {
            tree.want(path, slot);
        }
        Inside::new([(Dataset::App, Arc::new(Wanted::new(vec![tree], 2)))])
    };
    let parsed = |inside: Inside| {
        let options = ParseOptions {
            dataset: Some(Dataset::App),
            inside,
            ..ParseOptions::default()
        };
        let opening = Opening {
            head: b"",
            framing: Framing::Lines,
            options: &options,
        };
        let json = Format::all().find(|format| format.as_str() == "json");
        (json.expect("a format").spec().open)(&opening).parse(&block)
    };
    let plain = parsed(Inside::default());
    let (one, other) = (parsed(wishing(&["user"])), parsed(wishing(&["t", "user"])));
    let handed = |batch: &ParsedBatch| {
        let records = batch.records.as_ref().expect("nine events");
        records.column_by_name(inside::COLUMN).cloned()
    };
    assert!(handed(&plain).is_none());
    assert!(handed(&one).is_some() && handed(&one) != handed(&other));
    let took = Duration::from_nanos(1);
    for (a, b) in [(&plain, &one), (&one, &plain), (&one, &other)] {
        let mut comparison = Comparison::new("a", "b");
        comparison.feed(&block, (a, took), (b, took));
        let report = comparison.report();
        assert_eq!((report.compared, report.differing_records), (9, 0));
        assert!(report.columns.is_empty(), "{:?}", report.columns);
    }
}
