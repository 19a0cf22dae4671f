//! Rules over records that are no requests: numbers and names inside JSON, and whom and what is told.

use arrow::array::{ArrayRef, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::finding::RULE_SAYS;
use haetae_event::{Dataset, Episode, EventBatch, TenantId};
use std::sync::Arc;

/// One record a second, by its columns.
fn batch(dataset: Dataset, columns: &[(&str, &[&str])]) -> EventBatch {
    let rows = columns[0].1.len();
    let times = (0..rows).map(|n| 1_772_323_200_000_000 + i64::try_from(n).expect("few") * 1_000_000);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let mut all: Vec<(&str, ArrayRef)> = vec![("ts", Arc::new(times))];
    for (name, values) in columns {
        let values = values.iter().map(|value| (!value.is_empty()).then_some(*value));
        all.push((name, Arc::new(StringViewArray::from_iter(values))));
    }
    EventBatch {
        tenant: TenantId::default(),
        dataset,
        records: RecordBatch::try_from_iter_with_nullable(all.into_iter().map(|(n, a)| (n, a, true)))
            .expect("columns of one length"),
    }
}

fn told(rules: &str, batch: &EventBatch) -> Vec<Episode> {
    let mut set = RuleSet::empty();
    set.load_text("rules.yml", rules);
    assert_eq!(set.diagnostics(), [], "{rules}");
    let mut engine = Engine::new(set, EngineOptions::one_shot());
    engine.observe(batch);
    engine.evaluate(&Closing::everything()).episodes
}

const BASE: &str = "title: base\nid: 66666666-6666-4666-8666-666666666001\nname: base\n\
                    logsource: {product: mine}\ndetection: {sel: {kind: a}, condition: sel}\n";

#[test]
fn numbers_inside_json_are_summed_and_ordered() {
    let rows = [
        r#"{"kind":"a","u":"x","val":60,"deep":{"n":"5.5"}}"#,
        r#"{"kind":"a","u":"x","val":70,"deep":{"n":6.5}}"#,
        r#"{"kind":"a","u":"y","val":20}"#,
        r#"{"kind":"a","u":"y","val":"no number"}"#,
    ];
    let batch = batch(Dataset::App, &[("attrs", &rows)]);
    for (kind, field, at_least, expected) in [
        ("value_sum", "val", "130", "x"),
        ("value_avg", "val", "65", "x"),
        ("value_median", "val", "60", "x"),
        ("value_percentile", "val", "60, percentile: 90", "x"),
        ("value_sum", "deep.n", "12", "x"),
    ] {
        let rules = format!(
            "{BASE}---\ntitle: all\nid: 66666666-6666-4666-8666-666666666101\nlevel: high\n\
             correlation: {{type: {kind}, rules: [base], group-by: [u], timespan: 10s, \
             condition: {{field: {field}, gte: {at_least}}}}}\n"
        );
        let entities: Vec<String> = told(&rules, &batch).into_iter().map(|e| e.entity.value).collect();
        assert_eq!(entities, [expected], "{kind} of {field}");
    }
}

#[test]
fn records_without_an_address_are_about_their_machine_and_show_themselves() {
    let rows = [
        r#"{"kind":"a","Computer":"PC-1","Image":"x.exe"}"#,
        r#"{"kind":"a","winlog":{"computer_name":"PC-2"},"Image":"y.exe"}"#,
        r#"{"kind":"a","Image":"z.exe"}"#,
    ];
    let accounts = ["", "", "kim"];
    let batch = batch(
        Dataset::App,
        &[("attrs", &rows), ("raw", &rows), ("account", &accounts)],
    );
    let rules = BASE.replace("name: base", "description: Looks for a.");
    let episodes = told(&rules, &batch);
    let mut about: Vec<(&str, &str)> = episodes
        .iter()
        .map(|e| (e.entity.kind.as_str(), e.entity.value.as_str()))
        .collect();
    about.sort_unstable();
    assert_eq!(about, [("account", "kim"), ("host", "PC-1"), ("host", "PC-2")]);
    for episode in &episodes {
        assert!(rows.contains(&&*episode.evidence[0].summary), "{episode:?}");
        assert!(episode.facts.contains(&(RULE_SAYS.into(), "Looks for a.".into())));
    }
}

#[test]
fn a_call_is_about_its_caller_where_no_address_made_it() {
    let batch = batch(
        Dataset::CloudTrail,
        &[
            ("eventname", &["StopLogging"]),
            ("eventsource", &["cloudtrail.amazonaws.com"]),
            ("useridentity_arn", &["arn:aws:iam::123456789012:user/kim"]),
            ("errorcode", &["AccessDenied"]),
        ],
    );
    let rules = "title: stopped\nid: 66666666-6666-4666-8666-666666666002\n\
                 logsource: {product: aws, service: cloudtrail}\n\
                 detection: {sel: {eventName: StopLogging}, condition: sel}\n";
    let episodes = told(rules, &batch);
    let [episode] = episodes.as_slice() else {
        panic!("{episodes:?}")
    };
    assert_eq!(
        (episode.entity.kind.as_str(), episode.entity.value.as_str()),
        ("account", "arn:aws:iam::123456789012:user/kim")
    );
    assert_eq!(
        episode.evidence[0].summary,
        "StopLogging cloudtrail.amazonaws.com by arn:aws:iam::123456789012:user/kim: AccessDenied"
    );
}

#[test]
fn a_name_is_given_once() {
    let mut set = RuleSet::builtin();
    let before = set.len();
    set.load_text("mine.yml", &BASE.replace("name: base", "name: login_failure"));
    assert_eq!(set.len(), before);
    let shown = set.diagnostics()[0].to_string();
    assert!(
        shown.contains("the name login_failure is used by rules/auth.yml:2 too [sigma-name]"),
        "{shown}"
    );
}

#[test]
fn log_sources_say_what_they_do_not_know() {
    for (source, expected) in [
        ("{prodct: mine}", "`prodct` is no key of a logsource"),
        ("{product: [a, b]}", "`product` of the logsource is no text"),
    ] {
        let mut set = RuleSet::empty();
        set.load_text("mine.yml", &BASE.replace("{product: mine}", source));
        let shown = set.diagnostics()[0].to_string();
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn settings_that_mean_nothing_are_told() {
    for (setting, expected) in [
        ("oops", "`haetae` holds no settings"),
        ("{gap: 1 minute}", "`haetae.gap` cannot be \"1 minute\""),
        ("{risk: 900}", "`haetae.risk` cannot be 900"),
        ("{entity: src_ip}", "`haetae.entity` cannot be \"src_ip\""),
        ("{gpa: 1m}", "`haetae.gpa` is not a setting"),
    ] {
        let mut set = RuleSet::empty();
        set.load_text("mine.yml", &format!("{BASE}haetae: {setting}\n"));
        let shown = set.diagnostics()[0].to_string();
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn a_key_that_a_rule_does_not_name_means_any() {
    let batch = batch(Dataset::CloudTrail, &[("eventname", &["StopLogging"])]);
    for source in [
        "{product: aws}",
        "{service: cloudtrail}",
        "{product: aws, service: cloudtrail}",
    ] {
        let rules = format!(
            "title: stopped\nid: 66666666-6666-4666-8666-666666666002\nlogsource: {source}\n\
             detection: {{sel: {{eventName: StopLogging}}, condition: sel}}\n"
        );
        assert_eq!(told(&rules, &batch).len(), 1, "{source}");
    }
    let other = "title: stopped\nid: 66666666-6666-4666-8666-666666666002\nlogsource: {product: aws, service: waf}\n\
                 detection: {sel: {uri: StopLogging}, condition: sel}\n";
    assert_eq!(told(other, &batch).len(), 0);
}

#[test]
fn a_log_source_that_may_be_a_slip_of_the_pen_is_noted() {
    for (source, meant) in [
        ("{service: cloudtrial}", Some("`cloudtrail`")),
        ("{category: webservr}", Some("`webserver`")),
        ("{product: okta, service: okta}", None),
        ("{product: mine}", None),
    ] {
        let mut set = RuleSet::empty();
        set.load_text("mine.yml", &BASE.replace("{product: mine}", source));
        let notes: Vec<String> = set.notes().iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), usize::from(meant.is_some()), "{source}: {notes:?}");
        assert!(
            meant.is_none_or(|meant| notes[0].contains(meant)),
            "{source}: {notes:?}"
        );
    }
}
