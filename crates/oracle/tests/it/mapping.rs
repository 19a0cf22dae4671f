//! From a line to the field that a rule names: parsers and pipeline file together.

use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::inside::Inside;
use haetae_event::{EventBatch, Micros, TenantId};
use haetae_parse::{InputReader, ParseOptions};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Ids of the rules that find something in this text; the same whether the parser hands over values
/// inside JSON or not.
pub fn found(rules: &RuleSet, text: &str) -> BTreeSet<String> {
    let engine = Engine::new(rules.clone(), EngineOptions::one_shot());
    let inside = engine.inside().clone();
    let plain = found_with(rules, text, &Inside::default());
    assert_eq!(plain, found_with(rules, text, &inside), "{text}");
    plain
}

fn found_with(rules: &RuleSet, text: &str, inside: &Inside) -> BTreeSet<String> {
    let mut engine = Engine::new(rules.clone(), EngineOptions::one_shot());
    let options = ParseOptions {
        columns: engine.columns(),
        inside: inside.clone(),
        arrival: Micros(1_772_323_200_000_000),
        ..ParseOptions::default()
    };
    let mut reader = InputReader::open(text.as_bytes(), None, &options);
    while let Some(parsed) = reader.next_batch().expect("memory reads") {
        let dataset = reader
            .dataset()
            .unwrap_or_else(|| panic!("not recognised: {text}"));
        assert!(parsed.rejects.is_empty(), "{:?}", parsed.rejects);
        let batch = parsed.records.map(|records| EventBatch {
            tenant: TenantId::default(),
            dataset,
            records,
        });
        batch.iter().for_each(|batch| drop(engine.observe(batch)));
    }
    let episodes = engine.evaluate(&Closing::everything()).episodes;
    episodes.into_iter().map(|episode| episode.rule_id).collect()
}

fn rule(source: &str, detection: &str) -> RuleSet {
    let mut rules = RuleSet::empty();
    rules.load_text(
        "rule.yml",
        &format!("title: r\nid: r\nlogsource: {source}\ndetection:\n{detection}\n"),
    );
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    rules
}

fn hit(source: &str, detection: &str, text: &str) -> bool {
    found(&rule(source, detection), text).contains("r")
}

#[test]
fn keys_that_parsers_take_for_columns_are_found_under_their_names() {
    let pipeline: Value =
        serde_saphyr::from_str(haetae_detect::logsource::BUILTIN).expect("the built-in pipeline file");
    let keys: BTreeMap<String, Vec<String>> =
        serde_json::from_value(pipeline["keys"]["app"].clone()).expect("columns and their keys");
    for (column, names) in keys {
        for name in names {
            let value = match column.as_str() {
                "ts" => continue,
                "src_ip" => json!("192.0.2.77"),
                "status" | "bytes_in" | "bytes_out" => json!(404),
                "request_time" => json!(0.5),
                "blocked" => json!(true),
                _ => json!("Needle"),
            };
            let detection = format!("  s: {{'{name}': {value}}}\n  condition: s");
            let line = json!({ (name.clone()): value, "Other": "x" }).to_string() + "\n";
            assert!(hit("{product: anything}", &detection, &line), "{name}: {line}");
            // The parser keeps no client that is an object.
            if column == "src_ip" {
                continue;
            }
            let object = json!({ (name.clone()): {"in": "Needle"}, "Other": "x" }).to_string() + "\n";
            let inner = format!("  s: {{'{name}.in': needle}}\n  condition: s");
            assert!(hit("{product: anything}", &inner, &object), "{name}: {object}");
        }
    }
}

#[test]
fn what_a_record_says_of_itself_is_found_by_any_source() {
    let zeek = r#"{"ts":1772323200.5,"id.orig_h":"192.0.2.5","id.resp_p":53,"query":"evil.example","rejected":false,"answers":["192.0.2.1","x"],"host":"web","uri":"/a","user_agent":"Curl/8"}"#;
    for (detection, expected) in [
        (
            "  s: {query|endswith: .EXAMPLE, id.resp_p: 53}\n  condition: s",
            true,
        ),
        ("  s: {rejected: 'false'}\n  condition: s", true),
        ("  s: {rejected: true}\n  condition: s", false),
        ("  s: {answers: X}\n  condition: s", true),
        ("  s: {answers|contains|all: ['192.0', x]}\n  condition: s", true),
        (
            "  s: {c-useragent|startswith: curl, c-uri: /A, host: WEB}\n  condition: s",
            true,
        ),
        ("  s: {id.orig_h|cidr: 192.0.2.0/24}\n  condition: s", true),
        ("  s: {id.orig_h|fieldref: id.orig_h}\n  condition: s", true),
        ("  s: {absent: null}\n  condition: s", true),
        ("  s: {query: null}\n  condition: s", false),
        (
            "  s: {query|exists: true}\n  condition: s and not absent\n  absent: {missing|exists: true}",
            true,
        ),
        ("  s: [evil.example]\n  condition: s", true),
    ] {
        assert_eq!(
            hit("{product: zeek, service: dns}", detection, &format!("{zeek}\n")),
            expected,
            "{detection}"
        );
    }
}

#[test]
fn cloudtrail_fields_are_columns_or_lie_inside_them() {
    let event = r#"{"eventVersion":"1.08","eventTime":"2026-03-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.9","userAgent":"S3 Browser/9","eventID":"a3b0c1d2-0000-4000-8000-000000000001","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::1:user/a","sessionContext":{"sessionIssuer":{"type":"Role"}}},"requestParameters":{"userName":"Bob","tags":[{"key":"a"},{"key":"b"}],"deep":{"er":true}},"responseElements":null,"additionalEventData":{"MFAUsed":"No"},"status":"Weird"}"#;
    for (detection, expected) in [
        (
            "  s: {eventSource: iam.amazonaws.com, eventName|startswith: create}\n  condition: s",
            true,
        ),
        ("  s: {requestParameters.userName: bob}\n  condition: s", true),
        ("  s: {requestParameters.tags.key: b}\n  condition: s", true),
        ("  s: {requestParameters.deep.er: true}\n  condition: s", true),
        (
            "  s: {requestParameters|contains: '\"userName\"'}\n  condition: s",
            true,
        ),
        (
            "  s: {userIdentity.type: IAMUser, userIdentity.sessionContext.sessionIssuer.type: role}\n  condition: s",
            true,
        ),
        ("  s: {additionalEventData.MFAUsed: 'NO'}\n  condition: s", true),
        ("  s: {responseElements: null}\n  condition: s", true),
        ("  s: {responseElements.x: null}\n  condition: s", true),
        (
            "  s: {userAgent|contains: browser, sourceIPAddress|cidr: 192.0.2.0/24}\n  condition: s",
            true,
        ),
        ("  s: {status: weird}\n  condition: s", true),
        ("  s: {errorCode|exists: true}\n  condition: s", false),
        ("  s: ['S3 Browser']\n  condition: s", true),
    ] {
        let source = "{product: aws, service: cloudtrail}";
        assert_eq!(
            hit(source, detection, &format!("{event}\n")),
            expected,
            "{detection}"
        );
    }
}

#[test]
fn windows_fields_are_found_wherever_agents_put_them() {
    let nested = r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"P"}},"EventID":13,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"pc"},"EventData":{"TargetObject":"HKLM\\Software\\X","User":"a\\b","Image":"C:\\x.exe"}}}"##;
    let flat = r#"{"EventID":"13","Channel":"Microsoft-Windows-Sysmon/Operational","Provider_Name":"P","TargetObject":"HKLM\\Software\\X","User":"a\\b","Image":"C:\\x.exe"}"#;
    let beats = r#"{"@timestamp":"2026-03-01T00:00:00Z","winlog":{"event_id":13,"channel":"Microsoft-Windows-Sysmon/Operational","provider_name":"P","event_data":{"TargetObject":"HKLM\\Software\\X","User":"a\\b","Image":"C:\\x.exe"}}}"#;
    let other = r#"{"EventID":1,"TargetObject":"HKLM\\Software\\X","User":"a\\b","Image":"C:\\x.exe"}"#;
    let detection = "  s: {TargetObject|endswith: '\\x', User: 'A\\\\b', Image|contains: x}\n  condition: s";
    let all = "  s: {EventID: 13, Provider_Name: p, TargetObject|startswith: hklm}\n  k: ['software\\x']\n  condition: s and k";
    for line in [nested, flat, beats] {
        assert!(
            hit(
                "{product: windows, category: registry_set}",
                detection,
                &format!("{line}\n")
            ),
            "{line}"
        );
        assert!(
            hit("{product: windows, service: sysmon}", all, &format!("{line}\n")),
            "{line}"
        );
    }
    assert!(!hit(
        "{product: windows, category: registry_set}",
        detection,
        &format!("{other}\n")
    ));
    assert!(hit("{product: windows}", detection, &format!("{other}\n")));
}

#[test]
fn devices_are_searched_by_keywords_and_dns_by_fields() {
    let line =
        "<189>Feb 17 13:40:03 sw1 45: %PARSER-5-CFGLOG_LOGGEDCMD: User:admin logged command:no logging on\n";
    assert!(hit(
        "{product: cisco, service: aaa}",
        "  k: ['no logging']\n  condition: k",
        line
    ));
    let auth = "Mar  1 00:00:00 web sshd[7]: Failed password for root from 192.0.2.1 port 22 ssh2\n";
    assert!(hit(
        "{product: linux, service: sshd}",
        "  k: ['failed password*root']\n  condition: k",
        auth
    ));
    assert!(!hit(
        "{product: linux, service: sudo}",
        "  k: ['failed password*root']\n  condition: k",
        auth
    ));
    let query = r#"{"version":"1.100000","account_id":"1","region":"us-east-1","vpc_id":"vpc-1","query_timestamp":"2026-03-01T00:00:00Z","query_name":"a.evil.example.","query_type":"TXT","query_class":"IN","rcode":"NOERROR","answers":[],"srcaddr":"10.0.0.1","srcport":"5","transport":"UDP","srcids":{"instance":"i-1"}}"#;
    assert!(hit(
        "{category: dns}",
        "  s: {query|contains: .evil., record_type: txt}\n  condition: s",
        &format!("{query}\n")
    ));
}
