//! The judge of single requests.

use crate::batches::{Row, SECOND, START, batch};
use haetae_detect::inline::{Answer, Inline, InlineModel, InlineRequest, InlineSettings, Method};
use haetae_event::{Dataset, TenantId};

const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";

fn inline() -> Inline {
    Inline::new(InlineSettings::default(), None)
}

fn ask(inline: &Inline, at_s: f64, ip: &str, uri: &str) -> Answer {
    ask_as(inline, at_s, ip, uri, Some(BROWSER), None)
}

fn ask_as(
    inline: &Inline,
    at_s: f64,
    ip: &str,
    uri: &str,
    ua: Option<&str>,
    headers: Option<&[(&str, &str)]>,
) -> Answer {
    inline.judge(&InlineRequest {
        tenant: &TenantId::default(),
        ip,
        ts_us: START + (at_s * SECOND as f64) as i64,
        method: "GET",
        uri,
        ua,
        headers,
    })
}

/// Number of the first request that was an anomaly, from 1.
fn first_alarm(answers: impl Iterator<Item = Answer>) -> Option<usize> {
    answers
        .into_iter()
        .position(|answer| answer.anomaly)
        .map(|at| at + 1)
}

#[test]
fn the_hundredth_request_of_a_minute_is_an_anomaly() {
    let judge = inline();
    let answers: Vec<Answer> = (0..150)
        .map(|n| ask(&judge, f64::from(n) * 0.5, "203.0.113.9", &format!("/p/{n}")))
        .collect();
    assert_eq!(first_alarm(answers.into_iter()), Some(100));
    let answer = ask(&judge, 75.0, "203.0.113.9", "/x");
    assert_eq!(answer.method, Some(Method::Rule));
    assert_eq!(answer.rule_id.as_deref(), Some("inline.ip_rate"));
    assert!(answer.reasons[0].contains("requests in 60 s"), "{answer:?}");
    let slower = (0..150).map(|n| ask(&judge, f64::from(n) * 0.7, "203.0.113.10", "/"));
    assert_eq!(first_alarm(slower), None);
    let others = (0..150).map(|n| ask(&judge, 1.0, &format!("198.51.100.{n}"), "/"));
    assert_eq!(first_alarm(others), None);
}

#[test]
fn paths_that_guard_something_bear_less() {
    let judge = inline();
    let logins = (0..40).map(|n| ask(&judge, f64::from(n), "203.0.113.9", "/api/Login?x=1"));
    assert_eq!(first_alarm(logins), Some(30));
    let written = ["//lo%67in", "/LOGIN;jsessionid=1", "/x/../login/"];
    let odd = (0..40).map(|n| ask(&judge, f64::from(n), "203.0.113.13", written[n as usize % 3]));
    assert_eq!(first_alarm(odd), Some(30));
    let pages = (0..40).map(|n| ask(&judge, f64::from(n), "203.0.113.10", "/blogging/login-tips"));
    assert_eq!(first_alarm(pages), None);
    let pictures = (0..40).map(|n| ask(&judge, f64::from(n), "203.0.113.11", &format!("/logo.png?{n}")));
    assert_eq!(first_alarm(pictures), Some(20));
    let gallery = (0..40).map(|n| ask(&judge, f64::from(n), "203.0.113.12", &format!("/{n}.png")));
    assert_eq!(first_alarm(gallery), None);
}

#[test]
fn agents_and_headers_that_no_visitor_has() {
    let judge = inline();
    let of = |ua: Option<&str>, headers: Option<&[(&str, &str)]>, ip: &str| {
        let answer = ask_as(&judge, 0.0, ip, "/event/1", ua, headers);
        answer.rule_id.as_deref().map(str::to_owned)
    };
    let agent = Some("inline.user_agent".to_owned());
    assert_eq!(of(None, None, "192.0.2.1"), agent);
    assert_eq!(of(Some(" "), None, "192.0.2.1"), agent);
    assert_eq!(of(Some("sqlmap/1.8"), None, "192.0.2.1"), agent);
    assert_eq!(of(Some("Python-Requests/2.31"), None, "192.0.2.1"), agent);
    assert_eq!(
        of(Some(BROWSER), None, "192.0.2.1"),
        None,
        "no headers, no judgement"
    );
    let accept = Some("inline.accept".to_owned());
    assert_eq!(of(Some(BROWSER), Some(&[]), "192.0.2.1"), accept);
    assert_eq!(of(Some(BROWSER), Some(&[("accept", "*/*")]), "192.0.2.1"), accept);
    assert_eq!(
        of(Some(BROWSER), Some(&[("Accept", "gzip")]), "192.0.2.1"),
        accept
    );
    let script = [("Accept", "*/*"), ("Referer", "https://tickets.example/")];
    assert_eq!(of(Some(BROWSER), Some(&script), "192.0.2.1"), None);
    let page = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    assert_eq!(of(Some(BROWSER), Some(&page), "192.0.2.1"), None);
    let crawler =
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html) Chrome/140.0 Safari/537.36";
    assert_eq!(of(Some(crawler), Some(&[]), "192.0.2.1"), None);
}

/// The same request, asked about and then read in the access log, weighs once.
#[test]
fn traffic_seen_both_ways_alarms_no_earlier() {
    let alone = inline();
    let both = inline();
    let times: Vec<f64> = (0..130).map(|n| f64::from(n) * 0.55).collect();
    let mut alarms = (None, None);
    for (n, &at) in times.iter().enumerate() {
        let once = ask(&alone, at, "203.0.113.9", "/login");
        let twice = ask(&both, at, "203.0.113.9", "/login");
        assert_eq!(once, twice, "request {n}");
        alarms.0 = alarms.0.or(once.anomaly.then_some(n));
        alarms.1 = alarms.1.or(twice.anomaly.then_some(n));
        // The log of ten requests comes at once, with times rounded up to the second.
        if n % 10 == 9 {
            let rows: Vec<Row> = times[n - 9..=n]
                .iter()
                .map(|at| Row::web(at.ceil(), "203.0.113.9", "/login", 200))
                .collect();
            both.observe(&batch(Dataset::Web, &rows));
        }
    }
    assert!(alarms.0.is_some());
    assert_eq!(alarms.0, alarms.1);
}

#[test]
fn requests_that_come_by_log_alone_count() {
    let judge = inline();
    let rows: Vec<Row> = (0..99)
        .map(|n| Row::web(f64::from(n) * 0.5, "203.0.113.9", "/", 200))
        .collect();
    judge.observe(&batch(Dataset::Web, &rows));
    assert!(!ask(&judge, 50.0, "203.0.113.10", "/").anomaly);
    // 99 in the log: the larger origin is told, not the sum.
    assert!(!ask(&judge, 50.0, "203.0.113.9", "/").anomaly);
    judge.observe(&batch(Dataset::Web, &[Row::web(50.0, "203.0.113.9", "/", 200)]));
    assert!(ask(&judge, 50.0, "203.0.113.9", "/").anomaly);
}

struct Fixed(f64);

impl InlineModel for Fixed {
    fn id(&self) -> &str {
        "traffic@3"
    }

    fn score(&self, _: &InlineRequest<'_>, count: u64) -> Option<(f64, bool, Vec<String>)> {
        (count > 1).then(|| (self.0, self.0 > 0.6, vec!["interval".into()]))
    }
}

#[test]
fn a_model_is_asked_when_no_rule_holds() {
    let judge = Inline::new(InlineSettings::default(), Some(Box::new(Fixed(0.8))));
    assert!(!ask(&judge, 0.0, "192.0.2.1", "/").anomaly, "too little is known");
    let answer = ask(&judge, 1.0, "192.0.2.1", "/");
    assert_eq!(
        (answer.anomaly, answer.method, answer.rule_id.as_deref()),
        (true, Some(Method::Model), Some("traffic@3"))
    );
    assert_eq!(answer.reasons, ["interval"]);
    let tool = ask_as(&judge, 2.0, "192.0.2.1", "/", Some("sqlmap"), None);
    assert_eq!(tool.method, Some(Method::Rule), "rules first");
    let calm = Inline::new(InlineSettings::default(), Some(Box::new(Fixed(0.3))));
    ask(&calm, 0.0, "192.0.2.1", "/");
    let answer = ask(&calm, 1.0, "192.0.2.1", "/");
    assert!(!answer.anomaly && answer.rule_id.is_none());
    assert!((answer.score - 0.3).abs() < 1e-9);
}

#[test]
fn a_folder_of_rules_may_change_the_seed_rules() {
    let builtin = include_str!("../../../../rules/inline.yml");
    let own = builtin.replace("requests_min: 100", "requests_min: 20");
    let mut rules = haetae_detect::RuleSet::builtin();
    let folder = std::env::temp_dir().join(format!("haetae-inline-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let load = |rules: &mut haetae_detect::RuleSet, text: &str| {
        std::fs::write(folder.join("inline.yml"), text).expect("written");
        rules.load_dir(&folder).expect("readable")
    };
    assert_eq!(load(&mut rules, &own), 0, "it is no rule");
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    let judge = inline();
    let mut at = 0.0;
    let mut asked = |ip: &str| {
        at += 0.1;
        ask(&judge, at, ip, "/")
    };
    assert_eq!(first_alarm((0..15).map(|_| asked("203.0.113.9"))), None);
    judge.set_settings(rules.inline());
    assert_eq!(
        first_alarm((0..15).map(|_| asked("203.0.113.9"))),
        Some(5),
        "what was counted stays"
    );
    for (broken, what) in [
        (own.replace("score: 0.9", "score: 9"), "between 0 and 1"),
        (own.replace("window_s: 60", "window_s: 0"), "window_s"),
        (own.replace("memory_mib: 64", "memory: 64"), "memory"),
        (own.replace("    - sqlmap", "    - ''"), "empty"),
    ] {
        let before = rules.diagnostics().len();
        load(&mut rules, &broken);
        let told = &rules.diagnostics()[before..];
        assert_eq!(told.len(), 1);
        assert!(told[0].message.contains(what), "{told:?}");
        assert_eq!(rules.inline().ip_rate.requests_min, 20, "the good one stays");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn addresses_of_one_network_of_version_six_are_one_client() {
    let judge = inline();
    let one = (0..150).map(|n| ask(&judge, f64::from(n) * 0.3, &format!("2001:db8:1:2::{n:x}"), "/"));
    assert_eq!(first_alarm(one), Some(100));
    let many = (0..150).map(|n| ask(&judge, f64::from(n) * 0.3, &format!("2001:db8:7:{n:x}::1"), "/"));
    assert_eq!(first_alarm(many), None, "each in a /64 of its own");
}
