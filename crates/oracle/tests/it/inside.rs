//! Values that a parser hands over change nothing: rules find the same in them and in the text.

use arrow::array::Array;
use haetae_detect::sigma::document::{Document, Rule};
use haetae_detect::{RuleMatcher, RuleSet};
use haetae_event::inside::{self, Inside};
use haetae_event::{Columns, Dataset, EventBatch, Micros, TenantId};
use haetae_parse::{Format, InputReader, ParseOptions};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// JSON with everything that a tree of values would lose: order, doubled keys, spellings.
#[derive(Clone, Debug)]
enum Json {
    /// As written.
    Bare(&'static str),
    Text(&'static str),
    Array(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    fn write(&self, out: &mut String) {
        match self {
            Json::Bare(text) => out.push_str(text),
            Json::Text(text) => {
                out.push('"');
                out.push_str(text);
                out.push('"');
            }
            Json::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    out.push_str(if at > 0 { " ," } else { "" });
                    element.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    out.push('"');
                    out.push_str(key);
                    out.push_str("\": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

const KEYS: [&str; 25] = [
    "a",
    "A",
    "b",
    "c",
    "a.b",
    "b.c",
    "a.b.c",
    "\\u0061",
    "a\\u002eb",
    "",
    ".",
    "*",
    "x",
    "Event",
    "EventData",
    "UserData",
    "winlog",
    "event_data",
    "Event.EventData",
    "winlog.event_data.a",
    "message",
    "level",
    "src_ip",
    "한",
    "\\ud55c",
];
const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "1",
    "7",
    "7.0",
    "7e0",
    "70e-1",
    "1.5",
    "-1",
    "1e3",
    "1000",
    "9007199254740993",
    "1e400",
    "null",
    "true",
    "false",
];
const TEXTS: [&str; 18] = [
    "",
    "-",
    "x",
    "X",
    "1",
    "7",
    "true",
    "needle",
    "a needle.",
    "NEED\\u004ce",
    "C:\\\\x\\\\y",
    "\\\\",
    "\\\"",
    "\\/x\\n",
    "{\\\"a\\\":7}",
    "[7]",
    "192.0.2.7",
    "한글 \\ud83d\\ude00",
];

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        prop::sample::select(&NUMBERS[..]).prop_map(Json::Bare),
        prop::sample::select(&TEXTS[..]).prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            object(inner).prop_map(Json::Object),
        ]
    })
}

fn object(value: impl Strategy<Value = Json>) -> impl Strategy<Value = Vec<(&'static str, Json)>> {
    prop::collection::vec((prop::sample::select(&KEYS[..]), value), 0..6)
}

/// A log source of every parser that hands values over, so that any key may be asked for.
const TRIED: &str =
    "sources: [{logsource: {product: tried}, datasets: [gelf, waf, route53, syslog, app], others: attrs}]";

/// Rules about every field, most true of some values and not of others.
fn rules(source: &str, fields: &[&str]) -> Vec<Rule> {
    let mut set = RuleSet::empty();
    set.load_pipeline("pipeline.yml", TRIED);
    let mut add = |name: &str, detection: &str| {
        let id = format!("r{}", set.loaded().len());
        let text = format!("title: {name}\nid: {id}\nlogsource: {source}\ndetection:\n{detection}\n");
        set.load_text(&format!("{id}.yml"), &text);
    };
    for field in fields {
        for item in [
            "'': 7",
            "'': '7'",
            "'': x",
            "'': true",
            "'': null",
            "'': ''",
            "'|exists': true",
            "'|contains': needle",
            "'|contains|all': [needle, a]",
            "'|endswith': '\\y'",
            "'|endswith': ['eedle', '1000']",
            "'': ['1000', 'needle']",
            "'|re': 'n.+e'",
            "'|gte': 7",
            "'|cidr': 192.0.2.0/24",
            "'|fieldref': c",
        ] {
            let item = item.replacen('\'', &format!("'{field}"), 1);
            add(field, &format!("  s:\n    {item}\n  condition: s"));
            add(
                field,
                &format!("  s:\n    {item}\n  t:\n    'b|exists': true\n  condition: t and not s"),
            );
        }
    }
    add(
        "keywords",
        "  k:\n    - needle\n    - 'x\\y'\n    - '{\"a\":7}'\n  condition: k",
    );
    assert!(set.diagnostics().is_empty(), "{:?}", set.diagnostics());
    let loaded = set.loaded().iter();
    let rules = loaded.filter_map(|loaded| match loaded.document.as_ref() {
        Document::Rule(rule) => Some(rule.clone()),
        _ => None,
    });
    rules.collect()
}

fn batches(lines: &str, format: &str, dataset: Dataset, inside: &Inside) -> Vec<EventBatch> {
    let mut options = ParseOptions {
        columns: Columns::All,
        inside: inside.clone(),
        arrival: Micros(1_772_323_200_000_000),
        dataset: Some(dataset),
        ..ParseOptions::default()
    };
    // Small blocks, so that there are several.
    (options.limits.block_bytes, options.limits.record_bytes_max) = (256, 4_096);
    let format = Format::all().find(|known| known.as_str() == format);
    let mut reader = InputReader::open(lines.as_bytes(), format, &options);
    let mut batches = Vec::new();
    while let Some(parsed) = reader.next_batch().expect("memory reads") {
        assert!(parsed.rejects.is_empty(), "{:?}", parsed.rejects);
        batches.extend(parsed.records.map(|records| EventBatch {
            tenant: TenantId::default(),
            dataset,
            records,
        }));
    }
    batches
}

/// (row, rule) for every match.
fn hits(matcher: &mut RuleMatcher, batches: &[EventBatch]) -> BTreeSet<(usize, usize)> {
    let mut hits = BTreeSet::new();
    let mut before = 0;
    for batch in batches {
        matcher.run(batch, |row, rule| _ = hits.insert((before + row, rule)));
        before += batch.rows();
    }
    hits
}

/// The matches in these lines, checked to be the same however they are come by.
fn same(lines: &str, format: &str, dataset: Dataset, rules: &[Rule]) -> BTreeSet<(usize, usize)> {
    let fresh = || RuleMatcher::of_batches(dataset, rules);
    let plain = batches(lines, format, dataset, &Inside::default());
    let handed = batches(lines, format, dataset, &fresh().inside());
    assert!(handed.iter().all(|batch| batch.column(inside::COLUMN).is_some()));
    let expected = hits(&mut fresh(), &plain);
    assert_eq!(hits(&mut fresh(), &handed), expected, "{lines}");
    // Row by row nothing is told of several rows together, and nothing is remembered.
    let rows = plain.iter().flat_map(|batch| {
        (0..batch.rows()).map(|row| EventBatch {
            records: batch.records.slice(row, 1),
            ..batch.clone()
        })
    });
    let mut apart = BTreeSet::new();
    for (number, row) in rows.enumerate() {
        fresh().run(&row, |_, rule| _ = apart.insert((number, rule)));
    }
    assert_eq!(apart, expected, "{lines}");
    // What other rules wished for is of no use, and does no harm.
    let others = RuleMatcher::of_batches(dataset, &rules[..rules.len() / 2]).inside();
    let foreign = batches(lines, format, dataset, &others);
    assert_eq!(hits(&mut fresh(), &foreign), expected, "{lines}");
    let stripped: Vec<EventBatch> = handed.into_iter().map(EventBatch::without_inside).collect();
    assert!(stripped.iter().zip(&plain).all(|(a, b)| a.records == b.records));
    expected
}

/// Fills the first block, after which nested objects are kept: somebody has looked into one.
fn first_block() -> String {
    format!(
        "{{\"a\":{{\"b\":1}},\"b\":{{\"c\":1}},\"pad\":\"{}\"}}\n",
        "x".repeat(4_000)
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_json_is_judged_alike_handed_over_or_not(
        records in prop::collection::vec(object(json()), 1..24),
        kept in any::<bool>(),
    ) {
        let rules = rules("{product: windows}", &["a", "b", "a.b", "a.b.c", "b.c", "x", "message", "한"]);
        let mut lines = if kept { first_block() } else { String::new() };
        for record in records {
            Json::Object(record).write(&mut lines);
            lines.push('\n');
        }
        same(&lines, "json", Dataset::App, &rules);
    }

    #[test]
    fn so_is_what_stands_inside_the_columns_of_cloudtrail(
        records in prop::collection::vec((json(), json(), object(json())), 1..12),
    ) {
        const FIELDS: [&str; 6] =
            ["requestParameters.a", "requestParameters.a.b", "responseElements.b.c", "requestParameters", "a", "b"];
        let rules = rules("{product: aws, service: cloudtrail}", &FIELDS);
        let mut lines = String::new();
        for (asked, answered, own) in records {
            let text = |text| Json::Text(text);
            let mut members = vec![
                ("eventTime", text("2026-03-01T00:00:00Z")),
                ("eventSource", text("s3.amazonaws.com")),
                ("requestParameters", asked),
                ("responseElements", answered),
            ];
            // Keys that have a meaning of their own to the parser.
            members.extend(own.into_iter().filter(|(key, _)| *key != "src_ip"));
            Json::Object(members).write(&mut lines);
            lines.push('\n');
        }
        same(&lines, "cloudtrail", Dataset::CloudTrail, &rules);
    }
}

/// A record of a format, made of what may stand anywhere in it.
type Wrap = fn(Json, Json, Vec<(&'static str, Json)>) -> Vec<(&'static str, Json)>;

/// Format, dataset, what stands before a record, the record, and fields to ask for.
type Tried = (&'static str, Dataset, &'static str, Wrap, &'static [&'static str]);

const TRIED_FORMATS: [Tried; 4] = [
    (
        "gelf",
        Dataset::Gelf,
        "",
        |one, other, own| {
            let text = Json::Text;
            let head = [
                ("version", text("1.1")),
                ("host", text("web01")),
                ("timestamp", Json::Bare("1772323200.5")),
            ];
            head.into_iter()
                .chain([("_a", one), ("full_message", other)])
                .chain(own)
                .collect()
        },
        &[
            "_a",
            "_a.b",
            "full_message.b.c",
            "a",
            "b",
            "a.b",
            "message",
            "short_message",
        ],
    ),
    (
        "waf",
        Dataset::Waf,
        "",
        |one, other, own| {
            let request = vec![
                ("clientIp", Json::Text("192.0.2.7")),
                ("headers", one.clone()),
                ("a", other.clone()),
            ];
            let head = [
                ("timestamp", Json::Bare("1772323200000")),
                ("formatVersion", Json::Bare("1")),
                (
                    "webaclId",
                    Json::Text("arn:aws:wafv2:ap-northeast-2:123456789012:regional/webacl/x/y"),
                ),
                ("ruleGroupList", one),
                ("challengeResponses", other),
                ("httpRequest", Json::Object(request)),
            ];
            head.into_iter().chain(own).collect()
        },
        &[
            "ruleGroupList.a",
            "ruleGroupList.a.b",
            "challengeResponse.b.c",
            "httpRequest.headers.a",
            "httpRequest.a",
            "a",
            "b.c",
        ],
    ),
    (
        "route53",
        Dataset::Route53,
        "",
        |one, other, own| {
            let head = [
                ("query_timestamp", Json::Text("2026-03-01T00:00:00Z")),
                ("query_name", Json::Text("shop.example.")),
                ("answers", one),
                ("srcids", other),
            ];
            head.into_iter().chain(own).collect()
        },
        &[
            "answers.a",
            "answers.b.c",
            "srcids.a",
            "srcids.instance.a",
            "a",
            "b.c",
        ],
    ),
    (
        "syslog",
        Dataset::Syslog,
        "<38>Mar  1 00:00:00 web01 shop[7]: ",
        |one, other, own| [("a", one), ("c", other)].into_iter().chain(own).collect(),
        &["a", "a.b", "b.c", "c.a.b", "x", "한"],
    ),
];

/// `key=value`, plain and in quotes.
fn pair() -> impl Strategy<Value = String> {
    let key = prop::sample::select(&["a", "b", "a.b", "b.c", "c", "x", "message", "level", "한"][..]);
    let value = prop_oneof![
        prop::sample::select(
            &[
                "7",
                "x",
                "X",
                "null",
                "true",
                "192.0.2.7",
                "needle",
                "-",
                "7.0",
                "1e400",
                "[7]"
            ][..]
        )
        .prop_map(str::to_owned),
        prop::sample::select(&TEXTS[..]).prop_map(|text| format!("\"{text}\"")),
        Just(r#"{"a":7,"b":{"c":"needle"}}"#.to_owned()),
    ];
    (key, value).prop_map(|(key, value)| format!("{key}={value}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn so_is_what_other_parsers_read(
        records in prop::collection::vec((json(), json(), object(json())), 1..12),
        which in 0..TRIED_FORMATS.len(),
    ) {
        let (format, dataset, before, wrap, fields) = TRIED_FORMATS[which];
        let rules = rules("{product: tried}", fields);
        let mut lines = String::new();
        for (one, other, own) in records {
            lines.push_str(before);
            Json::Object(wrap(one, other, own)).write(&mut lines);
            lines.push('\n');
        }
        same(&lines, format, dataset, &rules);
    }

    #[test]
    fn so_are_pairs(
        records in prop::collection::vec(prop::collection::vec(pair(), 1..7), 1..12),
        in_syslog in any::<bool>(),
    ) {
        let rules = rules("{product: tried}", &["a", "b", "a.b", "b.c", "c", "x", "message", "한"]);
        let (format, dataset, before) = match in_syslog {
            true => ("syslog", Dataset::Syslog, "<38>Mar  1 00:00:00 web01 shop[7]: n=1 "),
            false => ("logfmt", Dataset::App, "n=1 "),
        };
        let lines: String = records.iter().map(|pairs| format!("{before}{}\n", pairs.join(" "))).collect();
        same(&lines, format, dataset, &rules);
    }
}

/// Values that a parser handed over, and rows that it left to their text.
fn found(batch: &EventBatch) -> (usize, usize) {
    let column = batch.column(inside::COLUMN).expect("asked for");
    let column = column
        .as_any()
        .downcast_ref::<arrow::array::StructArray>()
        .expect("a struct");
    let unsure = column
        .fields()
        .iter()
        .position(|field| field.name().starts_with('?'));
    let valid = |at: usize| column.column(at).len() - column.column(at).null_count();
    let all: usize = (0..column.num_columns()).map(valid).sum();
    let unsure = unsure.map_or(0, valid);
    (all - unsure, unsure)
}

#[test]
fn every_parser_of_json_and_pairs_hands_over() {
    let rules = rules("{product: tried}", &["a", "b.c", "d"]);
    let stamp = "\"timestamp\":1772323200000";
    for (format, dataset, line, handed) in [
        (
            "gelf",
            Dataset::Gelf,
            format!("{{{stamp},\"host\":\"h\",\"short_message\":\"m\",\"a\":1,\"b\":{{\"c\":2}}}}"),
            3,
        ),
        (
            "waf",
            Dataset::Waf,
            format!("{{{stamp},\"webaclId\":\"w\",\"a\":1,\"b\":{{\"c\":2}}}}"),
            3,
        ),
        (
            "route53",
            Dataset::Route53,
            "{\"query_timestamp\":\"2026-03-01T00:00:00Z\",\"a\":1,\"b.c\":2}".to_owned(),
            2,
        ),
        (
            "syslog",
            Dataset::Syslog,
            "<38>Mar  1 00:00:00 web01 shop[7]: {\"a\":1,\"b.c\":\"x\"}".to_owned(),
            2,
        ),
        (
            "syslog",
            Dataset::Syslog,
            "<38>Mar  1 00:00:00 web01 shop[7]: a=1 b.c=\"x y\" d=\"\\\"\"".to_owned(),
            3,
        ),
        (
            "logfmt",
            Dataset::App,
            "a=1 b.c=\"x y\" d=long-enough-for-a-buffer".to_owned(),
            3,
        ),
    ] {
        let inside = RuleMatcher::of_batches(dataset, &rules).inside();
        let lines = format!("{line}\n").repeat(40);
        let batches = batches(&lines, format, dataset, &inside);
        let sum = batches
            .iter()
            .map(found)
            .fold((0, 0), |sum, found| (sum.0 + found.0, sum.1 + found.1));
        // `b` itself is asked for too, where it is.
        assert_eq!(sum, (40 * handed, 0), "{line}");
        assert!(same(&lines, format, dataset, &rules).len() > 40, "{line}");
    }
    // What stands inside a value of a pair is left to the text.
    let line = "<38>Mar  1 00:00:00 web01 shop[7]: {\"a\":1,\"b\":{\"c\":2}}\n".repeat(40);
    let inside = RuleMatcher::of_batches(Dataset::Syslog, &rules).inside();
    let batches = batches(&line, "syslog", Dataset::Syslog, &inside);
    assert_eq!(batches.iter().map(|batch| found(batch).1).sum::<usize>(), 40);
}

/// That values are handed over at all, and which rows are left to their text.
#[test]
fn what_is_plain_is_handed_over() {
    let rules = rules("{product: windows}", &["a", "b.c"]);
    let inside = RuleMatcher::of_batches(Dataset::App, &rules).inside();
    let plain = "{\"a\":\"x\",\"b\":{\"c\":1}}\n".repeat(40);
    let unsure = "{\"a\":1,\"a\":2}\n{\"b\":[{\"c\":7}]}\n{\"a\":[7]}\n";
    let lines = format!("{}{plain}{unsure}", first_block());
    let batches = batches(&lines, "json", Dataset::App, &inside);
    // The first block is read before it is known that somebody looks into objects.
    let first = batches[0].rows();
    assert!(batches.len() > 1 && first < 20, "{first}");
    assert_eq!(found(&batches[0]), (0, first));
    let rest = batches[1..].iter().map(found);
    let sum = rest.fold((0, 0), |sum, found| (sum.0 + found.0, sum.1 + found.1));
    // `a`, `b.c`, and `b` itself, which the rules ask for too.
    assert_eq!(sum, (3 * (41 - first) + 1, 2));
    let wished = same(&lines, "json", Dataset::App, &rules);
    assert!(wished.len() > 100, "{}", wished.len());
}
