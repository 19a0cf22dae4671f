//! Threshold against what is found and what is flagged in error, on the shared data sets.
//!
//! `HAETAE_SHARED=… cargo run --release -p haetae-detect --example payload_curve`
//!
//! `-- explain TEXT` says why one value is judged as it is; `-- missed` lists the attacks below the default threshold and the benign inputs above it.

mod payload_data;

use haetae_detect::payload::{self, CLASSES, Class, FLAGGED, Parts, Verdicts};
use payload_data as data;
use std::time::Instant;

const THRESHOLDS: [f32; 9] = [0.1, 0.2, 0.3, 0.4, FLAGGED, 0.6, 0.7, 0.8, 0.9];

/// One row of the curve: the scores that count for a set.
struct Row {
    name: String,
    scores: Vec<f32>,
}

impl Row {
    fn new(name: impl Into<String>, scores: impl IntoIterator<Item = f32>) -> Self {
        Self {
            name: name.into(),
            scores: scores.into_iter().collect(),
        }
    }

    fn print(&self) {
        print!("{:34}{:>7}", self.name, self.scores.len());
        for threshold in THRESHOLDS {
            let flagged = self.scores.iter().filter(|score| **score >= threshold).count();
            print!(
                "{:>9.3}",
                100.0 * flagged as f64 / self.scores.len().max(1) as f64
            );
        }
        println!();
    }
}

fn any(verdicts: &Verdicts) -> f32 {
    verdicts.worst().map_or(0.0, |verdict| verdict.score)
}

fn judge(family: &str) -> Class {
    match family {
        "942" => Class::Sqli,
        "930" => Class::Lfi,
        _ => Class::Scanner,
    }
}

fn attacks() {
    let cases = data::cases();
    for family in ["942", "930", "913"] {
        let of = |is_attack: bool| {
            let chosen = cases
                .iter()
                .filter(move |case| case.family == family && case.is_attack == is_attack);
            chosen.collect::<Vec<_>>()
        };
        let own = judge(family);
        let (positive, negative) = (of(true), of(false));
        let whole = |case: &&data::Case| payload::request(&case.request.whole());
        let logged = |case: &&data::Case| payload::request(&case.request.logged());
        Row::new(
            format!("crs {family} match, any class"),
            positive.iter().map(|case| any(&whole(case))),
        )
        .print();
        Row::new(
            format!("crs {family} match, {}", own.name()),
            positive.iter().map(|case| whole(case).score(own)),
        )
        .print();
        let shown: Vec<_> = positive.iter().filter(|case| is_logged(case)).collect();
        Row::new(
            "  where an access log shows it",
            shown.iter().map(|case| any(&logged(case))),
        )
        .print();
        Row::new(
            "  all, access log only",
            positive.iter().map(|case| any(&logged(case))),
        )
        .print();
        Row::new(
            format!("crs {family} no_match, any class"),
            negative.iter().map(|case| any(&whole(case))),
        )
        .print();
    }
    for (kind, class) in [
        ("sqli", Class::Sqli),
        ("xss", Class::Xss),
        ("path-traversal", Class::Lfi),
        ("cmdi", Class::Rce),
        ("norm", Class::Sqli),
    ] {
        let test: Vec<_> = data::parameters("test")
            .into_iter()
            .filter(|(_, known)| known == kind)
            .map(|(value, _)| payload::value(&data::encoded(&value)))
            .collect();
        Row::new(format!("http_params test {kind}, any"), test.iter().map(any)).print();
        if kind != "norm" {
            Row::new(
                format!("http_params test {kind}, own"),
                test.iter().map(|verdicts| verdicts.score(class)),
            )
            .print();
        }
    }
}

/// Whether the attack is in the target, the agent, the referer or the cookie, as far as can be
/// told without a judge: the request has no body and no other header of its own.
fn is_logged(case: &data::Case) -> bool {
    case.request.body.is_none()
}

fn benign() {
    for (name, values) in data::benign() {
        let verdicts: Vec<_> = values
            .iter()
            .map(|value| payload::uri(&format!("/search?q={value}")))
            .collect();
        Row::new(name, verdicts.iter().map(any)).print();
        for class in CLASSES {
            if verdicts.iter().any(|verdicts| verdicts.score(class) >= FLAGGED) {
                Row::new(
                    format!("  {}", class.name()),
                    verdicts.iter().map(|verdicts| verdicts.score(class)),
                )
                .print();
            }
        }
    }
    let ordinary = data::ordinary();
    Row::new(
        "ordinary site, request",
        ordinary
            .iter()
            .map(|request| any(&payload::request(&request.whole()))),
    )
    .print();
    Row::new(
        "ordinary site, target",
        ordinary.iter().map(|request| any(&payload::uri(&request.uri))),
    )
    .print();
    let agents = data::agents();
    let of = |agent: &str| {
        payload::request(&Parts {
            agent: Some(agent),
            ..Parts::default()
        })
    };
    Row::new(
        "crawlers' agents, but scanners'",
        agents.iter().map(|agent| of(agent)).map(|verdicts| {
            let others = CLASSES.into_iter().filter(|class| *class != Class::Scanner);
            others.map(|class| verdicts.score(class)).fold(0.0, f32::max)
        }),
    )
    .print();
    Row::new(
        "crawlers' agents, scanner",
        agents.iter().map(|agent| of(agent).score(Class::Scanner)),
    )
    .print();
    Row::new(
        "scanner's log, any class",
        data::scans()
            .iter()
            .map(|request| any(&payload::request(&request.whole()))),
    )
    .print();
}

/// Nanoseconds a call. Short runs, the best of each, so that other programs on the machine do not
/// count.
fn timed(what: &str, targets: &[String]) {
    let mut sum = 0.0;
    for run in targets.chunks(100) {
        let mut best = f64::INFINITY;
        for _ in 0..7 {
            let start = Instant::now();
            for target in run {
                std::hint::black_box(payload::uri(target));
            }
            best = best.min(start.elapsed().as_nanos() as f64);
        }
        sum += best;
    }
    let best = sum / targets.len().max(1) as f64;
    let bytes: usize = targets.iter().map(String::len).sum();
    println!(
        "{what:34}{:7}{best:9.0} ns a target of {:.0} bytes",
        targets.len(),
        bytes as f64 / targets.len().max(1) as f64
    );
}

fn speed() {
    let ordinary: Vec<_> = data::ordinary().into_iter().map(|request| request.uri).collect();
    timed("ordinary site", &ordinary);
    let plain: Vec<_> = ordinary
        .iter()
        .filter(|target| !target.contains(['?', '%']))
        .cloned()
        .collect();
    timed("ordinary site, paths alone", &plain);
    let paged: Vec<_> = (0..2000)
        .map(|n| format!("/product/list.do?page={n}&sort=price&category=shoes"))
        .collect();
    timed("plain parameters", &paged);
    for (name, values) in data::benign() {
        let targets: Vec<_> = values.iter().map(|value| format!("/search?q={value}")).collect();
        timed(name, &targets);
    }
    let attacks: Vec<_> = data::attacks::inputs(2000)
        .iter()
        .map(|value| format!("/a?id={}", data::encoded(value)))
        .collect();
    timed("made-up injections", &attacks);
}

fn missed() {
    for case in data::cases() {
        let verdicts = payload::request(&case.request.whole());
        if (any(&verdicts) >= FLAGGED) != case.is_attack {
            let body = case
                .request
                .body
                .as_deref()
                .map(String::from_utf8_lossy)
                .unwrap_or_default();
            let shown = verdicts
                .worst()
                .map(|verdict| format!("{} {:.2} {}", verdict.class.name(), verdict.score, verdict.reason));
            println!(
                "{} {} {} {:?} {} {:?}",
                case.family, case.rule, case.is_attack, shown, case.request.uri, body
            );
        }
    }
    let requests = data::benign().into_iter().flat_map(|(_, values)| values);
    let searches = requests
        .map(|value| data::Request::search(&value))
        .chain(data::ordinary());
    for request in searches {
        let verdicts = payload::request(&request.whole());
        if let Some(worst) = verdicts.worst().filter(|worst| worst.score >= FLAGGED) {
            println!(
                "benign {} {:.2} {} {request:?}",
                worst.class.name(),
                worst.score,
                worst.reason
            );
        }
    }
    for agent in data::agents() {
        let verdicts = payload::request(&Parts {
            agent: Some(&agent),
            ..Parts::default()
        });
        if let Some(worst) = verdicts.worst().filter(|worst| worst.score >= FLAGGED) {
            println!(
                "agent {} {:.2} {} {agent}",
                worst.class.name(),
                worst.score,
                worst.reason
            );
        }
    }
    for (value, kind) in data::parameters("train") {
        let verdicts = payload::value(&data::encoded(&value));
        if (any(&verdicts) >= FLAGGED) == (kind == "norm") {
            println!("parameter {kind} {:.2} {value}", any(&verdicts));
        }
    }
}

fn main() {
    if let Some(text) = std::env::args().skip_while(|word| word != "explain").nth(1) {
        println!("{:?}", payload::value(&data::encoded(&text)));
        for (feature, weight) in payload::sqli::Model::fitted().explain(&text) {
            println!("{weight:7.3} {}", feature.name());
        }
        return;
    }
    if data::shared().is_none() {
        eprintln!("SKIPPED: no shared data (HAETAE_SHARED)");
        return;
    }
    if std::env::args().nth(1).as_deref() == Some("missed") {
        return missed();
    }
    print!("{:34}{:>7}", "% flagged from threshold", "n");
    THRESHOLDS.iter().for_each(|threshold| print!("{threshold:>9.2}"));
    println!();
    attacks();
    benign();
    speed();
}
