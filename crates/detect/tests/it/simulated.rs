//! Behaviours on simulated traffic with labels: precision and recall over twenty seeds, on the
//! application's log (accounts, sessions, milliseconds) and on an access log (neither, whole
//! seconds, shuffled).

use crate::batches::{SECOND, START, sections};
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet, risk};
use haetae_event::{Dataset, Episode, EventBatch, Finding, Level, Micros, TenantId};
use haetae_simulate::score::{Options, ScoreReport, Told, score};
use haetae_simulate::{AttackKind, Labels, Plan, Scenario, SimEvent, WebRequest, generate};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

const SEEDS: u64 = 20;

/// What a log keeps of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Application,
    Access,
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringViewArray>())
}

fn batch(requests: &[&WebRequest], log: Log) -> EventBatch {
    let ts = requests.iter().map(|request| match log {
        Log::Application => request.ts.0,
        Log::Access => request.ts.0.div_euclid(SECOND) * SECOND,
    });
    let ts: TimestampMicrosecondArray = ts.map(Some).collect();
    let addresses: Vec<String> = requests.iter().map(|r| r.client.to_string()).collect();
    let uris: Vec<String> = requests.iter().map(|r| r.uri()).collect();
    let status: Int32Array = requests.iter().map(|r| Some(i32::from(r.status))).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        ("src_ip", texts(addresses.iter().map(|a| Some(a.as_str())))),
        ("dst_host", texts(requests.iter().map(|r| Some(r.host)))),
        ("method", texts(requests.iter().map(|r| Some(r.method)))),
        ("uri", texts(uris.iter().map(|u| Some(u.as_str())))),
        ("status", Arc::new(status)),
        ("ua", texts(requests.iter().map(|r| r.ua.as_deref()))),
    ];
    if log == Log::Application {
        let sessions: Vec<Option<String>> = requests
            .iter()
            .map(|r| r.session.map(|id| format!("{id:016x}")))
            .collect();
        columns.push(("session_id", texts(sessions.iter().map(Option::as_deref))));
        columns.push(("account", texts(requests.iter().map(|r| r.account.as_deref()))));
    }
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::Web,
        records: RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
            .expect("columns of one length"),
    }
}

/// The traffic of a plan and its labels.
struct Simulated {
    requests: Vec<WebRequest>,
    labels: Labels,
}

fn simulate(plan: &Plan) -> Simulated {
    let mut traffic = generate(plan).expect("a valid plan");
    let web = |event| match event {
        SimEvent::Web(request) => Some(request),
        SimEvent::Flow(_) => None,
    };
    let requests = traffic.by_ref().filter_map(web).collect();
    Simulated {
        requests,
        labels: traffic.labels(),
    }
}

/// What was told, whether or not it holds in the end, at the highest level it ever had and with
/// the time of its first telling at a level that counts. Evaluated every half minute of event
/// time, windows closed 90 s behind.
fn told(simulated: &Simulated, log: Log, ours: &[&str]) -> Vec<Told> {
    let engine = sections(&["accounts", "payment", "crawlers"]);
    told_by(engine, simulated, log, ours)
}

fn told_by(mut engine: haetae_detect::Engine, simulated: &Simulated, log: Log, ours: &[&str]) -> Vec<Told> {
    const STEP_US: i64 = 30 * SECOND;
    let mut ever: BTreeMap<String, (Episode, Micros)> = BTreeMap::new();
    let mut withdrawn = 0;
    let mut keep = |evaluation: haetae_detect::Evaluation, now: i64| {
        withdrawn += evaluation.withdrawn.len();
        for mut episode in evaluation.episodes {
            let key = format!("{} {:?}", episode.rule_id, episode.entity);
            let mut first = Micros(now);
            if let Some((former, told)) = ever.get(&key) {
                if former.level >= Level::Medium || episode.level < Level::Medium {
                    first = *told;
                }
                episode.level = episode.level.max(former.level);
            }
            ever.insert(key, (episode, first));
        }
    };
    for chunk in simulated
        .requests
        .chunk_by(|a, b| a.ts.0 / STEP_US == b.ts.0 / STEP_US)
    {
        let mut requests: Vec<&WebRequest> = chunk.iter().collect();
        if log == Log::Access {
            // Any order inside a file.
            requests.sort_by_key(|request| request.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
        engine.observe(&batch(&requests, log));
        let now = (chunk[0].ts.0 / STEP_US + 1) * STEP_US;
        keep(engine.evaluate(&Closing::at(now - 90 * SECOND)), now);
    }
    let end = simulated.requests.last().map_or(START, |request| request.ts.0);
    keep(engine.evaluate(&Closing::everything()), end + 90 * SECOND);
    if withdrawn > 0 {
        println!("told and withdrawn: {withdrawn}");
    }
    let of_ours = |(episode, _): &(Episode, Micros)| ours.contains(&episode.detector.as_str());
    ever.into_values()
        .filter(of_ours)
        .map(|(episode, told_at)| Told {
            rule_id: episode.rule_id,
            title: episode.title,
            level: episode.level,
            entity: episode.entity,
            window: episode.window,
            told_at,
            may_block: false,
        })
        .collect()
}

const LOGINS: [&str; 7] = [
    "login_stuffing",
    "login_guessing",
    "login_spray",
    "login_slow",
    "login_taken",
    "login_agent",
    "login_site",
];
const PAYMENTS: [&str; 2] = ["payment_flow", "payment_declined"];

fn seeds(scenario: Scenario, log: Log, ours: &[&str]) -> Vec<ScoreReport> {
    let options = Options {
        level_min: Level::Medium,
        ..Options::default()
    };
    (1..=SEEDS)
        .map(|seed| {
            let simulated = simulate(&Plan::new(scenario, 1_000 + seed));
            score(&simulated.labels, &told(&simulated, log, ours), &options)
        })
        .collect()
}

/// Precision, and recall by variant of the campaign.
fn judged(kind: AttackKind, log: Log, reports: &[ScoreReport]) -> (f64, BTreeMap<String, (u64, u64)>) {
    let of_kind = reports
        .iter()
        .flat_map(|r| &r.kinds)
        .filter(|k| k.kind == Some(kind));
    let (mut right, mut wrong, mut actors, mut found) = (0, 0, 0, 0);
    let mut medians = Vec::new();
    for score in of_kind {
        right += score.true_entities;
        wrong += score.false_entities;
        actors += score.actors;
        found += score.actors_found;
        medians.extend(score.delay_s.map(|delay| delay.median));
    }
    medians.sort_by(f64::total_cmp);
    let mut variants: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for campaign in reports
        .iter()
        .flat_map(|r| &r.campaigns)
        .filter(|c| c.kind == kind)
    {
        let entry = variants.entry(campaign.variant.clone()).or_default();
        entry.0 += u64::from(campaign.actors_found > 0);
        entry.1 += 1;
    }
    let precision = right as f64 / (right + wrong).max(1) as f64;
    println!(
        "{kind:?} on {log:?} logs, {SEEDS} seeds: precision {precision:.4} ({right}/{}), actors {found}/{actors}, \
         campaigns {variants:?}, median delay {:.0} s",
        right + wrong,
        medians.get(medians.len() / 2).copied().unwrap_or(f64::NAN)
    );
    for false_finding in reports.iter().flat_map(|r| &r.false_findings).take(20) {
        println!(
            "  false: {} {} {:?} {}",
            false_finding.rule_id, false_finding.level, false_finding.entity, false_finding.reason
        );
    }
    variants.insert("actors".into(), (found, actors));
    (precision, variants)
}

fn share(counts: &BTreeMap<String, (u64, u64)>, of: &str) -> f64 {
    let (found, all) = counts[of];
    found as f64 / all.max(1) as f64
}

#[test]
fn stuffing_is_found_in_application_logs() {
    let reports = seeds(Scenario::Stuffing, Log::Application, &LOGINS);
    let (precision, found) = judged(AttackKind::Stuffing, Log::Application, &reports);
    assert!(precision >= 0.98, "{precision}");
    assert!(share(&found, "actors") >= 0.97, "{found:?}");
}

#[test]
fn stuffing_is_found_in_access_logs_but_for_single_accounts() {
    let reports = seeds(Scenario::Stuffing, Log::Access, &LOGINS);
    let (precision, found) = judged(AttackKind::Stuffing, Log::Access, &reports);
    assert!(precision >= 0.98, "{precision}");
    assert!(share(&found, "stuffing-ip") >= 0.95, "{found:?}");
    assert!(share(&found, "stuffing-net") >= 0.95, "{found:?}");
}

#[test]
fn payment_abuse_is_found_in_both_logs() {
    for log in [Log::Application, Log::Access] {
        let reports = seeds(Scenario::Payment, log, &PAYMENTS);
        let (precision, found) = judged(AttackKind::Payment, log, &reports);
        assert!(precision >= 0.98, "{precision}");
        assert!(share(&found, "actors") >= 0.95, "{found:?}");
    }
}

#[test]
fn ordinary_traffic_with_a_sale_is_left_alone() {
    let all: Vec<&str> = LOGINS.iter().chain(&PAYMENTS).copied().collect();
    for log in [Log::Application, Log::Access] {
        let mut told_of = Vec::new();
        for seed in 1..=SEEDS {
            let simulated = simulate(&Plan::new(Scenario::Normal, 2_000 + seed));
            let found = told(&simulated, log, &all);
            told_of.extend(found.into_iter().filter(|t| t.level >= Level::Medium));
        }
        println!(
            "normal, {log:?}: {} findings in {SEEDS} half hours",
            told_of.len()
        );
        assert!(told_of.is_empty(), "{told_of:?}");
    }
}

/// All that is built in, and whom it would ever wake: gateways of carriers and the crowd of a sale
/// look like floods and macros for a moment, above all without sessions. One gateway of about
/// sixty without sessions is still told as a flood at the second of the opening.
#[test]
fn hardly_anybody_is_woken_for_ordinary_traffic_with_a_sale() {
    use haetae_detect::{Engine, EngineOptions, RuleSet};
    let ours = ["sigma", "http_flood", "macro", "automation"];
    let mut woken = Vec::new();
    for (log, seeds) in [(Log::Application, 1), (Log::Access, 4)] {
        for seed in 1..=seeds {
            let simulated = simulate(&Plan::new(Scenario::Normal, 4_000 + seed));
            let engine = Engine::new(RuleSet::builtin(), EngineOptions::default());
            let told = told_by(engine, &simulated, log, &ours);
            let lowered = told
                .iter()
                .filter(|t| t.level == Level::Low && t.title.starts_with("Flood:"));
            println!(
                "normal, {log:?}, seed {seed}: {} addresses over the limit lowered",
                lowered.count()
            );
            let high = told.into_iter().filter(|t| t.level >= Level::High);
            woken.extend(high.map(|t| (log, seed, t.entity.value, t.rule_id)));
        }
    }
    let mut whom: Vec<_> = woken.iter().map(|(log, seed, who, _)| (log, seed, who)).collect();
    whom.dedup();
    println!("woken: {woken:#?}");
    assert!(whom.iter().all(|(log, ..)| **log == Log::Access), "{woken:#?}");
    assert!(whom.len() <= 1, "{woken:#?}");
}

/// A verifier that knows the labels' reverse names finds every false crawler among the claims.
#[test]
fn every_client_under_a_crawlers_name_is_a_candidate() {
    let (mut fakes, mut claimed) = (0, 0);
    for seed in 1..=SEEDS {
        let simulated = simulate(&Plan::new(Scenario::Fakebot, 3_000 + seed));
        let found = told(&simulated, Log::Access, &["claimed_crawler"]);
        let named: HashSet<&str> = found.iter().map(|t| t.entity.value.as_str()).collect();
        for actor in simulated.labels.campaigns.iter().flat_map(|c| &c.actors) {
            if actor.detectable_at.is_some() {
                fakes += 1;
                claimed += u64::from(actor.entities.iter().any(|e| named.contains(e.value.as_str())));
            }
        }
        // Nobody who does not say so is a candidate.
        for told in &found {
            let same = |r: &&WebRequest| r.client.to_string() == told.entity.value;
            let says = simulated.requests.iter().filter(same).any(|r| {
                let agent = r.ua.as_deref().unwrap_or("").to_lowercase();
                ["bot", "yeti", "daum", "google"]
                    .iter()
                    .any(|word| agent.contains(word))
            });
            assert!(says, "{told:?}");
        }
    }
    println!("fake crawlers among the candidates: {claimed} of {fakes}");
    assert!(fakes > 0 && claimed == fakes, "{claimed} of {fakes}");
}

/// What the built-in rules find in a scenario's web traffic, with what small things add up to.
fn with_sums(simulated: &Simulated, log: Log) -> Vec<Finding> {
    let rules = RuleSet::builtin();
    let mut engine = Engine::new(rules.clone(), EngineOptions::one_shot());
    for chunk in simulated.requests.chunks(8_192) {
        let requests: Vec<&WebRequest> = chunk.iter().collect();
        engine.observe(&batch(&requests, log));
    }
    let found = engine.evaluate(&Closing::everything()).episodes;
    let mut findings: Vec<Finding> = found.into_iter().map(Finding::from_episode).collect();
    let left_out = risk::with_sums(&mut findings, &rules, Level::High);
    assert_eq!(left_out, 0);
    findings
}

#[test]
fn ordinary_traffic_does_not_add_up() {
    let mut highest: BTreeMap<u8, u32> = BTreeMap::new();
    for log in [Log::Application, Log::Access] {
        for seed in 1..=6 {
            let simulated = simulate(&Plan::new(Scenario::Normal, 4_000 + seed));
            let findings = with_sums(&simulated, log);
            for finding in findings.iter().filter(|f| risk::counts(f)) {
                *highest.entry(finding.risk_score).or_default() += 1;
            }
            let sums: Vec<&Finding> = findings.iter().filter(|f| f.detector == risk::DETECTOR).collect();
            assert!(sums.is_empty(), "{sums:?}");
        }
    }
    println!("normal: findings by risk score {highest:?}");
}

/// Sums in mixed traffic are about attackers.
#[test]
fn what_adds_up_in_mixed_traffic_is_an_attacker() {
    let (mut sums, mut wrong) = (0, Vec::new());
    for log in [Log::Application, Log::Access] {
        for seed in 1..=6 {
            let simulated = simulate(&Plan::new(Scenario::Mixed, 4_100 + seed));
            let attackers: HashSet<&str> = simulated
                .labels
                .campaigns
                .iter()
                .flat_map(|campaign| &campaign.actors)
                .flat_map(|actor| &actor.entities)
                .map(|entity| entity.value.as_str())
                .collect();
            for finding in with_sums(&simulated, log) {
                if finding.detector == risk::DETECTOR {
                    sums += 1;
                    if !attackers.contains(finding.entity.value.as_str()) {
                        wrong.push(finding);
                    }
                }
            }
        }
    }
    println!(
        "mixed: {sums} sums, {} of them not about an attacker",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{wrong:?}");
}
