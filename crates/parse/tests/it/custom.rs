//! Users' parsers: definitions, extraction, mapping onto columns, limits.

use crate::support::{Whole, read_with};
use haetae_event::{Columns, Micros, Reason};
use haetae_parse::custom::{TryOutcome, try_lines};
use haetae_parse::fixtures::{self, Outcome};
use haetae_parse::{
    Blueprint, Choice, Extracted, Extractor, ExtractorFactory, FieldKind, Limits, ParseOptions,
    ParserDefinition,
};
use proptest::prelude::*;
use std::sync::Arc;

const SHOP: &str = r#"
id: shop-api
version: 3
kind: json
dataset: web
detect: '"shop_version"'
time_zone: Asia/Seoul
required: [uri]
map:
  ts: $.time || $.@timestamp
  src_ip: $.client_ip || $.src
  uri: $.request.uri || $.cs-uri-stem
  status: int($.code)
  blocked: $.waf.blocked ?: 0
  rule_id: $.waf.rule_id
  ua: $['user agent']
  request_time: $.times[1]
  method: "upper($.request.method) ?: 'GET'"  # most are
derive:
  ip_bucket: truncate(src_ip,24)
  param_sig: sig(querystring || body)
  payload_entropy: entropy(querystring)
tests:
  - line: '{"time":"2026-01-02T03:04:05Z","client_ip":"192.0.2.1","request":{"uri":"/a"}}'
    expect: {ts: "2026-01-02T03:04:05Z", src_ip: 192.0.2.1, blocked: false, status: null, uri: /a}
  - line: 'garbage'
    reject: bad_json
  - line: '{"time":1}'
    reject: schema_mismatch
"#;

fn definition(yaml: &str) -> ParserDefinition {
    ParserDefinition::parse("test.yaml", yaml)
        .unwrap_or_else(|found| panic!("{}", found.iter().map(|d| format!("{d}\n")).collect::<String>()))
}

fn blueprint(yaml: &str) -> Arc<dyn Blueprint> {
    definition(yaml).blueprint(None).expect("no extractor is needed")
}

fn options() -> ParseOptions {
    ParseOptions {
        arrival: Micros::parse_rfc3339("2026-03-01T00:00:00Z").expect("a time"),
        ..ParseOptions::default()
    }
}

fn read(yaml: &str, input: &str) -> Whole {
    read_with(input.as_bytes(), Choice::Blueprint(blueprint(yaml)), &options())
}

fn of_kind(kind: &str, map: &str) -> String {
    format!("id: mine\nversion: 1\nkind: {kind}\ndataset: web\nmap:\n{map}")
}

#[test]
fn a_definition_reads_json() {
    let input = concat!(
        r#"{"time":"2026-01-02 03:04:05","client_ip":"192.0.2.77","request":{"uri":"/a?b=1","method":"post","h":[1]},"code":"404","waf":{"blocked":true,"rule_id":"r1"},"user agent":"curl \"x\"","times":[1,0.5],"extra":{"k":1},"z":null}"#,
        "\n",
        r#"{"@timestamp":1767323045,"src":"2001:DB8::1","cs-uri-stem":"/b","code":"many","waf":"off","client_ip":"-"}"#,
        "\n",
        r#"{"cs-uri-stem":"/c","code":""}"#,
        "\nnot json\n\n",
        r#"{"code":200}"#,
        "\n",
    );
    let whole = read(SHOP, input);
    assert_eq!(whole.codes(), ["bad_json", "schema_mismatch"]);
    assert_eq!(whole.rejects[1].detail, "the required column uri has no value");
    assert_eq!(whole.ordinals, [0, 1, 2]);
    assert_eq!((whole.counts.lines_in, whole.counts.skipped), (6, 1));
    for (row, column, value) in [
        // The time has no offset: it is Seoul's.
        (0, "ts", "2026-01-01T18:04:05Z"),
        (0, "src_ip", "192.0.2.77"),
        (0, "uri", "/a?b=1"),
        (0, "method", "POST"),
        (0, "status", "404"),
        (0, "blocked", "true"),
        (0, "rule_id", "r1"),
        (0, "ua", "curl \"x\""),
        (0, "request_time", "0.5"),
        (0, "ip_bucket", "192.0.2.0/24"),
        (0, "warnings", "∅"),
        (
            0,
            "attrs",
            r#"{"request":{"h":[1]},"times":[1,0.5],"extra":{"k":1},"z":null}"#,
        ),
        (1, "ts", "2026-01-02T03:04:05Z"),
        (1, "src_ip", "2001:db8::1"),
        (1, "ip_bucket", "2001:db8::/48"),
        (1, "status", "∅"),
        (1, "blocked", "false"),
        (1, "warnings", "cast_failed:status"),
        (1, "attrs", r#"{"waf":"off"}"#),
        (1, "method", "GET"),
        (2, "ts", "2026-03-01T00:00:00Z"),
        (2, "warnings", "ts_missing"),
        (2, "attrs", "∅"),
        (2, "raw", r#"{"cs-uri-stem":"/c","code":""}"#),
    ] {
        assert_eq!(whole.cell(row, column), value, "row {row}, {column}");
    }
    assert_ne!(whole.cell(0, "param_sig"), "∅");
}

#[test]
fn a_definition_runs_its_own_tests() {
    let outcomes = definition(SHOP)
        .run_tests(None, &options())
        .expect("no extractor is needed");
    for outcome in &outcomes {
        assert!(outcome.passed, "{outcome:?}");
    }
    assert_eq!(outcomes.len(), 3);
    let wrong = SHOP
        .replace("uri: /a}", "uri: /b}")
        .replace("reject: bad_json", "reject: trap");
    let outcomes = definition(&wrong)
        .run_tests(None, &options())
        .expect("no extractor is needed");
    assert_eq!(outcomes[0].differences[0].column, "uri");
    assert_eq!(outcomes[0].differences[0].got.as_deref(), Some("/a"));
    assert_eq!(outcomes[0].at, 24);
    assert!(
        outcomes[1].problem.starts_with("refused as bad_json"),
        "{}",
        outcomes[1].problem
    );
    assert!(outcomes[2].passed);
    assert!(serde_json::to_string(&outcomes).is_ok());
}

#[test]
fn lines_can_be_tried() {
    let lines: [&[u8]; 3] = [br#"{"time":1,"cs-uri-stem":"/\u0041"}"#, b"junk", b"  "];
    let outcomes = try_lines(&*blueprint(SHOP), &lines, &options());
    assert_eq!(outcomes.len(), 2);
    let columns = outcomes[0].columns.as_deref().expect("an event");
    let columns: serde_json::Value = serde_json::from_str(columns).expect("JSON");
    assert_eq!(columns["uri"], "/A");
    assert_eq!(columns["ts"], "1970-01-01T00:00:01Z");
    assert_eq!(columns["blocked"], false);
    let TryOutcome { line, reject, .. } = &outcomes[1];
    assert_eq!(
        (*line, reject.as_ref().map(|(reason, _)| *reason)),
        (1, Some(Reason::BadJson))
    );
}

#[test]
fn kv_pairs_are_read() {
    let yaml = of_kind(
        "kv",
        "  ts: time($.@head)\n  src_ip: $.src\n  uri: $.url\n  ua: $.agent\n  status: $.http.status\n  account: $.user\n",
    );
    let whole = read(
        &yaml,
        "Mar  1 10:00:00 src=192.0.2.1, url=/a?b=c agent=\"x \\\"y\\\" z\" http.status=200 user='a b' word left=1\nnothing here\nurl=/b agent=\"open\n",
    );
    for (row, column, value) in [
        // No year: the one before the arrival, which is the first of March.
        (0, "ts", "2026-03-01T10:00:00Z"),
        (0, "src_ip", "192.0.2.1"),
        (0, "uri", "/a?b=c"),
        (0, "ua", "x \"y\" z"),
        (0, "status", "200"),
        (0, "account", "a b"),
        (0, "attrs", r#"{"left":"1"}"#),
        (1, "ua", "open"),
        (1, "warnings", "ts_missing"),
    ] {
        assert_eq!(whole.cell(row, column), value, "row {row}, {column}");
    }
    assert_eq!(whole.codes(), ["field_count"]);
}

#[test]
fn cef_is_read() {
    let yaml = of_kind(
        "cef",
        "  ts: time($.rt)\n  src_ip: $.src\n  uri: $.request\n  rule_id: $.deviceEventClassId\n  account: $.suser\n  method: $.requestMethod\n  dst_host: $.@head\n",
    );
    let whole = read(
        &yaml,
        "fw1 CEF:0|Acme|W\\|AF|1.0|100|An attack|7|src=192.0.2.1 rt=1767323045123 request=/a?b=c suser=a b msg=x\\=y\\nz requestMethod=\nCEF:0|Acme|WAF|1.0|100\nCEF:1|A|B|1|7|n|3\n",
    );
    for (row, column, value) in [
        (0, "ts", "2026-01-02T03:04:05.123Z"),
        (0, "src_ip", "192.0.2.1"),
        (0, "uri", "/a?b=c"),
        (0, "rule_id", "100"),
        (0, "account", "a b"),
        (0, "method", "∅"),
        (0, "dst_host", "fw1"),
        (
            0,
            "attrs",
            r#"{"cefVersion":"0","deviceVendor":"Acme","deviceProduct":"W|AF","deviceVersion":"1.0","name":"An attack","severity":"7","msg":"x=y\nz"}"#,
        ),
        (1, "rule_id", "7"),
    ] {
        assert_eq!(whole.cell(row, column), value, "row {row}, {column}");
    }
    assert_eq!(whole.codes(), ["field_count"]);
}

const PATTERNS: &str = r"id: lines
version: 1
kind: regex
dataset: web
pattern:
  - '^(?<client_ip>\S+) (?<status>\d+) (?<path>\S+)(?: (?<rest>.*))?$'
  - '^time=(?<t>\S+)$'
map:
  ts: $.t
  src_ip: $.client_ip
  status: $.status
  uri: $.path
";

#[test]
fn the_first_pattern_that_matches_gives_the_fields() {
    let whole = read(
        PATTERNS,
        "192.0.2.1 200 /a\n192.0.2.1 200 - the rest\ntime=1767323045\n???\n",
    );
    for (row, column, value) in [
        (0, "src_ip", "192.0.2.1"),
        (0, "uri", "/a"),
        (0, "attrs", "∅"),
        (1, "uri", "∅"),
        (1, "attrs", r#"{"rest":"the rest"}"#),
        (2, "ts", "2026-01-02T03:04:05Z"),
        (2, "warnings", "∅"),
    ] {
        assert_eq!(whole.cell(row, column), value, "row {row}, {column}");
    }
    assert_eq!(whole.codes(), ["field_count"]);
}

/// (line, column, code) of every mistake.
fn places(yaml: &str) -> Vec<(u32, u32, &'static str)> {
    let found = ParserDefinition::parse("test.yaml", yaml).expect_err("there is a mistake");
    found.iter().map(|d| (d.line, d.column, d.code)).collect()
}

#[test]
fn wrong_definitions_say_where() {
    let base = "id: mine\nversion: 1\nkind: json\nmap:\n  uri: $.u\n";
    for (from, to, wanted) in [
        ("id: mine", "id: Mine!", (1, 5, "bad_id")),
        ("id: mine", "id: waf", (1, 5, "reserved_id")),
        ("id: mine", "id: nginx", (1, 5, "reserved_id")),
        ("id: mine\n", "", (1, 1, "missing_key")),
        ("version: 1", "version: 0", (2, 10, "bad_version")),
        ("kind: json", "kind: jsn", (3, 7, "unknown_kind")),
        ("kind: json", "kind: regex", (1, 1, "missing_key")),
        ("kind: json", "kind: custom", (1, 1, "missing_key")),
        (
            "kind: json",
            "kind: json\nmodule: a.wasm",
            (4, 9, "misplaced_key"),
        ),
        (
            "kind: json",
            "kind: custom\nmodule: ../a.wasm",
            (4, 9, "bad_module"),
        ),
        ("kind: json", "kind: json\npattern: x", (4, 10, "misplaced_key")),
        ("kind: json", "kind: json\ndetect: '(x'", (4, 10, "bad_pattern")),
        (
            "kind: json",
            "kind: json\ndataset: wbe",
            (4, 10, "unknown_dataset"),
        ),
        (
            "kind: json",
            "kind: json\ntime_zone: Mars/Olympus",
            (4, 12, "unknown_zone"),
        ),
        (
            "kind: json",
            "kind: json\nrequired: [uri, stats]",
            (4, 17, "unknown_column"),
        ),
        ("kind: json", "kind: json\ncolor: red", (4, 1, "unknown_key")),
        ("uri: $.u", "urri: $.u", (5, 3, "unknown_column")),
        ("map:\n  uri: $.u\n", "", (1, 1, "missing_key")),
        (
            "  uri: $.u\n",
            "  uri: $.u\ntests:\n  - line: x\n",
            (7, 11, "bad_test"),
        ),
        (
            "  uri: $.u\n",
            "  uri: $.u\ntests:\n  - line: x\n    reject: bad_jsn\n",
            (8, 13, "unknown_reason"),
        ),
        (
            "  uri: $.u\n",
            "  uri: $.u\ntests:\n  - line: x\n    expect: {uir: 1}\n",
            (8, 14, "unknown_column"),
        ),
    ] {
        let yaml = base.replace(from, to);
        assert_ne!(yaml, base);
        assert_eq!(places(&yaml), [wanted], "{yaml}");
    }
    assert_eq!(
        places(&format!("{base}{}", " ".repeat(300_000)))[0].2,
        "too_large"
    );
    // The groups of a wrong pattern are not missed.
    let wrong = PATTERNS.replace("<client_ip>", "<client_ip");
    assert_eq!(places(&wrong), [(6, 6, "bad_pattern")]);
    let unknown = PATTERNS.replace("$.client_ip", "$.clientip");
    assert_eq!(places(&unknown), [(10, 11, "unknown_field")]);
    let list = of_kind("kv", "  uri: lower($.a[0])\n");
    assert_eq!(places(&list), [(6, 14, "flat_record")]);
}

#[test]
fn a_parser_is_chosen_by_its_detect_pattern() {
    let shop = blueprint(SHOP);
    assert!(shop.recognises(b"{\"x\":1}\n{\"shop_version\":2}\n"));
    assert!(!shop.recognises(b"{\"x\":1}\n"));
    assert!(!blueprint(PATTERNS).recognises(b"192.0.2.1 200 /a"));
    assert_eq!((shop.id(), shop.is_json()), ("shop-api@v3", true));
    let options = ParseOptions {
        blueprints: Arc::from([shop]),
        ..options()
    };
    let input = "{\"shop_version\":2,\"cs-uri-stem\":\"/x\",\n \"time\":5}{\"cs-uri-stem\":\"/y\"}";
    let whole = read_with(input.as_bytes(), Choice::Detect, &options);
    assert_eq!((whole.cell(0, "uri"), whole.cell(1, "uri")), ("/x", "/y"));
}

#[test]
fn records_are_bounded() {
    let small = ParseOptions {
        limits: Limits {
            record_bytes_max: 2000,
            json_depth_max: 4,
            json_fields_max: 10,
            ..Limits::default()
        },
        ..options()
    };
    let key = "k".repeat(300);
    let fields: Vec<String> = (0..11).map(|at| format!("\"k{at}\":1")).collect();
    let input = [
        format!("{{\"cs-uri-stem\":\"/{}\"}}", "x".repeat(2000)),
        format!("{{{}}}", fields.join(",")),
        "{\"a\":[[[[1]]]]}".to_owned(),
        format!("{{\"cs-uri-stem\":\"/a\",\"time\":1,\"{key}\":7,\"b\":1}}"),
    ]
    .join("\n");
    let whole = read_with(input.as_bytes(), Choice::Blueprint(blueprint(SHOP)), &small);
    assert_eq!(whole.codes(), ["record_too_long", "too_complex", "too_complex"]);
    assert_eq!(whole.cell(0, "warnings"), "name_too_long");
    assert_eq!(
        whole.cell(0, "attrs"),
        format!("{{\"{}\":7,\"b\":1}}", &key[..256])
    );
}

#[test]
fn what_expressions_write_is_bounded_by_the_record() {
    let bomb = format!("  uri: replace($.a, 'a', '{}')\n  ua: $.b\n", "x".repeat(1000));
    let yaml = of_kind("json", &bomb);
    let whole = read(
        &yaml,
        &format!("{{\"a\":\"{}\",\"b\":1}}\n{{\"a\":\"aa\"}}\n", "a".repeat(1000)),
    );
    assert_eq!(whole.cell(0, "uri"), "∅");
    assert_eq!(whole.cell(0, "warnings"), "ts_missing,value_too_long");
    assert_eq!(whole.cell(0, "ua"), "1");
    assert_eq!(whole.cell(1, "uri").len(), 2000);
}

#[test]
fn duplicate_and_escaped_keys() {
    let yaml = of_kind(
        "json",
        "  uri: $.a.b\n  ua: $.a.c\n  method: $.한\n  account: $\n",
    );
    let whole = read(
        &yaml,
        "{\"a\":{\"b\":\"/1\"},\"a\":{\"c\":\"x\"},\"\\ud55c\":\"GET\"}\n",
    );
    assert_eq!((whole.cell(0, "uri"), whole.cell(0, "ua")), ("∅", "x"));
    assert_eq!(whole.cell(0, "method"), "GET");
    assert_eq!(whole.cell(0, "account"), whole.cell(0, "raw"));
}

/// Splits at `;` and refuses lines that begin with `!`; says nothing more after `stop`.
#[derive(Debug)]
struct Semicolons;

impl ExtractorFactory for Semicolons {
    fn open(&self) -> Box<dyn Extractor> {
        Box::new(Semicolons)
    }
}

impl Extractor for Semicolons {
    fn extract(&mut self, records: &[&[u8]], out: &mut Extracted) {
        for record in records {
            let text = String::from_utf8_lossy(record);
            if text == "stop" {
                return;
            }
            if text.starts_with('!') {
                out.field("lost", "1", FieldKind::Text);
                out.refuse(Reason::TimeOut, "too slow");
                continue;
            }
            for (at, part) in text.split(';').enumerate() {
                let kind = match part.chars().next() {
                    Some('{' | '[') => FieldKind::Json,
                    Some('0'..='9') => FieldKind::Number,
                    _ => FieldKind::Text,
                };
                out.field(&format!("f{at}"), part, kind);
            }
            out.end_record();
        }
    }
}

#[test]
fn an_extractor_from_outside_gives_the_fields() {
    let yaml = of_kind(
        "custom",
        "  src_ip: $.f0\n  status: $.f1\n  uri: $.f2.u || $.f2\n  ua: $.f2.l[1]\n",
    )
    .replace("map:", "module: semi.wasm\nmap:");
    let parser = definition(&yaml);
    assert_eq!(parser.module(), Some("semi.wasm"));
    assert!(parser.blueprint(None).is_err());
    assert!(
        definition(PATTERNS)
            .blueprint(Some(Arc::new(Semicolons)))
            .is_err()
    );
    let made = parser
        .blueprint(Some(Arc::new(Semicolons)))
        .expect("given an extractor");
    let mut input = b"192.0.2.1;200;{\"u\":\"/\\u0041\",\"l\":[1,\"x\"],\"k\":2};more\n!bad\n192.0.2.2;2x;{broken\n\xff;1\n".to_vec();
    input.extend_from_slice(format!("{}\n", "a;".repeat(1100)).as_bytes());
    input.extend_from_slice(b"stop\nafter\n");
    let whole = read_with(input.as_slice(), Choice::Blueprint(made), &options());
    for (row, column, value) in [
        (0, "src_ip", "192.0.2.1"),
        (0, "status", "200"),
        (0, "uri", "/A"),
        (0, "ua", "x"),
        (0, "attrs", r#"{"f3":"more"}"#),
        (1, "status", "∅"),
        (1, "uri", "{broken"),
        (1, "warnings", "cast_failed:status,ts_missing"),
        (2, "warnings", "cast_failed:src_ip,invalid_utf8,ts_missing"),
    ] {
        assert_eq!(whole.cell(row, column), value, "row {row}, {column}");
    }
    assert_eq!(whole.codes(), ["time_out", "too_complex", "trap", "trap"]);
    assert_eq!(whole.ordinals, [0, 2, 3]);
}

fn block_options(block_bytes: usize, columns: Columns) -> ParseOptions {
    ParseOptions {
        columns,
        limits: Limits {
            block_bytes,
            record_bytes_max: 2000,
            ..Limits::default()
        },
        ..options()
    }
}

#[test]
fn many_records_cross_chunks() {
    let lines: String = (0..2000)
        .map(|at| {
            format!(
                "{{\"time\":{at},\"cs-uri-stem\":\"/{at}\",\"code\":{}}}\n",
                at % 7
            )
        })
        .collect();
    let whole = read(SHOP, &lines);
    assert_eq!(whole.counts.events, 2000);
    assert_eq!(
        (whole.cell(1999, "uri"), whole.cell(1999, "status")),
        ("/1999", "4")
    );
    assert_eq!(whole.cell(700, "ts"), "1970-01-01T00:11:40Z");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_do_not_depend_on_blocks(
        lines in proptest::collection::vec(
            prop_oneof![
                "[ -~]{0,60}",
                "\\{\"(time|code|src|waf)\":\"?[0-9]{1,3}\"?,\"cs-uri-stem\":\"/[a-z?=&]{0,9}\"\\}",
                "([a-z]{1,4}=[a-z\"'\\\\ ,;=]{0,9} ){0,5}",
                "CEF:0\\|a\\|b\\|c\\|d\\|e\\|f\\|[a-z =\\\\|]{0,30}",
            ],
            0..30,
        ),
        block in 1usize..300,
    ) {
        let text = lines.join("\n");
        let kv = of_kind("kv", "  uri: concat($.a, '?', $.b) || $.c\n  status: $.d\n");
        let cef = of_kind("cef", "  uri: $.a || $.b\n  ua: replace($.name, 'e', 'x')\n");
        for yaml in [SHOP, PATTERNS, &kv, &cef] {
            let parser = blueprint(yaml);
            let read = |block, columns| {
                let options = block_options(block, columns);
                read_with(text.as_bytes(), Choice::Blueprint(parser.clone()), &options)
            };
            let (a, b) = (read(block, Columns::All), read(1 << 16, Columns::All));
            prop_assert!(a.counts.balanced());
            // An input that begins with a brace may have objects over several lines.
            if !text.trim_start().starts_with(['{', '[']) {
                prop_assert_eq!(&a.rows, &b.rows);
                prop_assert_eq!(&a.ordinals, &b.ordinals);
                prop_assert_eq!(a.codes(), b.codes());
            }
            let some = read(block, Columns::only(["uri"]));
            prop_assert_eq!(some.counts, a.counts);
            for row in 0..a.rows.len() {
                prop_assert_eq!(some.cell(row, "uri"), a.cell(row, "uri"));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        for yaml in [SHOP, PATTERNS] {
            let whole = read_with(
                bytes.as_slice(),
                Choice::Blueprint(blueprint(yaml)),
                &block_options(200, Columns::All),
            );
            prop_assert!(whole.counts.balanced());
        }
    }
}

/// Found by `haetae parser test`: arrays in arrays were lost without a word.
#[test]
fn every_payload_is_one_record_of_a_json_parser() {
    let definition = ParserDefinition::parse("shop.yaml", SHOP).expect("a valid definition");
    let parser = definition.blueprint(None).expect("it compiles");
    let report = fixtures::survive(&mut |input| {
        let choice = Choice::Blueprint(parser.clone());
        Outcome::of(input, choice, &ParseOptions::default()).into_batch()
    });
    assert!(report.survived(), "{:#?}", report.problems);
}
