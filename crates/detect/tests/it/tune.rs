//! Thresholds from stored data: the ladder against the engine itself, the share, the forecast.

use crate::batches::{Row, SECOND, START, batch};
use haetae_detect::engine::ladder::Retold;
use haetae_detect::sigma::correlation::NANO;
use haetae_detect::thresholds::Limit;
use haetae_detect::tune::share::Rung;
use haetae_detect::tune::{Curve, Gathered, Truth, ladder, next_week, share};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, Entity, Episode, Level, Micros, TenantId, TimeWindow};
use proptest::prelude::*;

const BASE: &str = "title: Any\nid: any\nname: any\nlevel: informational\nlogsource: {category: webserver}\n\
                    detection:\n  s: {cs-uri-stem|contains: '/'}\n  condition: s\n";

/// One correlation of each kind that has a threshold.
const KINDS: [(&str, &str); 9] = [
    ("event_count", "{gte: 6}"),
    ("event_count", "{gt: 5}"),
    ("event_count", "{lt: 3}"),
    ("value_count", "{field: cs-uri-stem, gte: 4}"),
    ("value_sum", "{field: sc-status, gte: 1500}"),
    ("value_sum", "{field: sc-status, lte: 600.5}"),
    ("value_avg", "{field: sc-status, gt: 300}"),
    ("value_avg", "{field: sc-status, lt: 300}"),
    ("value_percentile", "{field: sc-status, percentile: 90, gte: 350}"),
];

fn rules(kind: usize, proxy_aware: bool) -> RuleSet {
    let (kind, condition) = KINDS[kind];
    let custom = if proxy_aware {
        "haetae: {proxy_aware: true}\n"
    } else {
        ""
    };
    let text = format!(
        "{BASE}---\ntitle: Much\nid: much\nname: much_of_it\nlevel: high\n{custom}correlation:\n  type: {kind}\n  \
         rules: [any]\n  group-by: [c-ip]\n  timespan: 30s\n  condition: {condition}\n"
    );
    let mut rules = RuleSet::empty();
    rules.load_text("much.yml", &text);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    rules
}

fn at_threshold(mut rules: RuleSet, limit: Limit) -> RuleSet {
    let text = format!(
        "thresholds:\n  - rule: much\n    condition: {{{}: {}}}\n",
        limit.word(),
        limit.number()
    );
    // Fields are named again, as in the rule.
    rules.load_thresholds("thresholds.yml", &text);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    rules
}

fn told(rules: RuleSet, rows: &[Row], cut: usize) -> (Engine, Vec<Episode>) {
    let mut engine = Engine::new(rules, EngineOptions::one_shot());
    for part in rows.chunks(cut) {
        engine.observe(&batch(Dataset::Web, part));
    }
    let mut episodes = engine.evaluate(&Closing::everything()).episodes;
    episodes.sort_by(|a, b| (&a.entity, a.window.start).cmp(&(&b.entity, b.window.start)));
    (engine, episodes)
}

/// Entity, stretch, level and count of each episode.
type Short = (String, TimeWindow, Level, u64);

fn short(episodes: &[Episode]) -> Vec<Short> {
    let of = |e: &Episode| (e.entity.value.clone(), e.window, e.level, e.count);
    episodes.iter().map(of).collect()
}

fn rung(retold: &[Retold], at: usize) -> Vec<Short> {
    let of = |r: &Retold| {
        let value = r.entity.value.clone();
        let alerts = r.at(at).iter();
        alerts
            .map(|a| (value.clone(), a.window, a.level, a.count))
            .collect::<Vec<_>>()
    };
    retold.iter().flat_map(of).collect()
}

/// Everything at once.
fn whole(engine: &Engine, limits: &[Limit]) -> Vec<Retold> {
    let part = engine.retold("much", limits, (i64::MIN, i64::MAX));
    assert!(part.whole);
    part.retold
}

/// In order of time, stretch by stretch, by an engine that forgets.
fn in_parts(kind: usize, rows: &[Row], limits: &[Limit], step_s: i64) -> Vec<Retold> {
    let options = EngineOptions {
        horizon_us: 60 * SECOND,
        lateness_us: 0,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(rules(kind, false), options);
    let mut gathered = Gathered::default();
    for step in 0..=300 / step_s {
        let (from, until) = (step * step_s, (step + 1) * step_s);
        let inside = |row: &&Row| row.at >= from as f64 && row.at < until as f64;
        let part: Vec<Row> = rows.iter().filter(inside).cloned().collect();
        engine.observe(&batch(Dataset::Web, &part));
        let stretch = (START + from * SECOND, START + until * SECOND);
        engine.evaluate(&Closing::at(stretch.1));
        let rising = limits[0].rising();
        gathered.add(engine.retold("much", limits, stretch), rising);
    }
    assert_eq!(gathered.parts_lacking(), 0);
    gathered.into_retold()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0u32..600, 0u8..3, 0u8..6, 0usize..4).prop_map(|(at, ip, path, status)| {
        let status = [200, 301, 404, 503][status];
        Row::web(
            f64::from(at) / 2.0,
            &format!("192.0.2.{ip}"),
            &format!("/{path}"),
            status,
        )
    });
    prop::collection::vec(row, 1..160)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Each rung tells what the engine tells when the threshold really is the rule's.
    #[test]
    fn a_rung_is_what_the_engine_tells_there(rows in rows(), kind in 0..KINDS.len(), cut in 1usize..200, aware in any::<bool>()) {
        let (engine, present) = told(rules(kind, aware), &rows, cut);
        let limit = engine.limit_of("much").expect("it has one");
        let ladder = ladder(limit, KINDS[kind].0.ends_with("count"));
        prop_assert_eq!(ladder.limits[ladder.present], limit);
        let retold = whole(&engine, &ladder.limits);
        prop_assert_eq!(rung(&retold, ladder.present), short(&present));
        for at in (0..ladder.limits.len()).step_by(3) {
            let (_, there) = told(at_threshold(rules(kind, aware), ladder.limits[at]), &rows, rows.len());
            prop_assert_eq!(rung(&retold, at), short(&there), "{}", ladder.limits[at]);
        }
    }

    /// The same, asked stretch by stretch of an engine that forgets what is old.
    #[test]
    fn parts_are_the_whole(rows in rows(), kind in 0..KINDS.len(), step_s in 7i64..30) {
        let (engine, _) = told(rules(kind, false), &rows, rows.len());
        let limit = engine.limit_of("much").expect("it has one");
        let ladder = ladder(limit, KINDS[kind].0.ends_with("count"));
        let (at_once, parts) = (whole(&engine, &ladder.limits), in_parts(kind, &rows, &ladder.limits, step_s));
        let stretches = |retold: &[Retold], at: usize| {
            rung(retold, at).into_iter().map(|(entity, window, level, _)| (entity, window, level)).collect::<Vec<_>>()
        };
        for at in 0..ladder.limits.len() {
            prop_assert_eq!(stretches(&parts, at), stretches(&at_once, at), "{}", ladder.limits[at]);
        }
        let peaks = |retold: &[Retold]| retold.iter().map(|r| (r.entity.clone(), r.peak)).collect::<Vec<_>>();
        prop_assert_eq!(peaks(&parts), peaks(&at_once));
    }

    /// A stricter threshold tells of fewer entities, and of no moment the looser one does not.
    #[test]
    fn stricter_tells_less(rows in rows(), kind in 0..KINDS.len()) {
        let (engine, _) = told(rules(kind, false), &rows, rows.len());
        let limit = engine.limit_of("much").expect("it has one");
        let ladder = ladder(limit, KINDS[kind].0.ends_with("count"));
        for of in whole(&engine, &ladder.limits) {
            for pair in of.alerts.windows(2) {
                let inside = |a: &TimeWindow, b: &TimeWindow| b.start <= a.start && a.end <= b.end;
                for alert in &pair[1] {
                    let held = pair[0].iter().any(|looser| inside(&alert.window, &looser.window));
                    prop_assert!(held, "{alert:?} outside {:?}", pair[0]);
                }
            }
        }
    }

    #[test]
    fn more_budget_never_raises_a_threshold(rules in curves(), budgets in (0.0f64..300.0, 0.0f64..300.0)) {
        let (small, large) = (budgets.0.min(budgets.1), budgets.0.max(budgets.1));
        let (tight, loose) = (share(&rules, small), share(&rules, large));
        for (tight, loose) in tight.chosen.iter().zip(&loose.chosen) {
            prop_assert!(loose <= tight);
        }
        for (choice, budget) in [(&tight, small), (&loose, large)] {
            let sum: usize = rules.iter().zip(&choice.chosen).map(|((_, rungs), &at)| rungs[at].alerts).sum();
            prop_assert_eq!(sum, choice.alerts);
            let least: usize = rules.iter().map(|(_, rungs)| rungs.iter().map(|r| r.alerts).min().unwrap_or(0)).sum();
            prop_assert!(sum as f64 <= budget || sum == least, "{sum} of {budget}, least {least}");
        }
    }

    #[test]
    fn what_is_in_the_budget_stays(rules in curves()) {
        let now: usize = rules.iter().map(|(_, rungs)| rungs[0].alerts).sum();
        prop_assert!(share(&rules, now as f64).chosen.iter().all(|&at| at == 0));
    }
}

fn curves() -> impl Strategy<Value = Vec<(f64, Vec<Rung>)>> {
    let curve = (
        prop::sample::select(vec![0.1, 0.3, 0.5, 0.8, 1.0]),
        prop::collection::vec(0usize..60, 1..12),
    );
    let curve = curve.prop_map(|(severity, alerts)| {
        let rungs = (0u32..).zip(alerts);
        let rungs = rungs.map(|(at, alerts)| Rung {
            effort: f64::from(at) * 0.12,
            alerts,
        });
        (severity, rungs.collect())
    });
    prop::collection::vec(curve, 1..5)
}

/// Five requests at once, a few far between, five at once: one episode at 2, two at 5.
#[test]
fn a_long_episode_may_fall_into_two() {
    let times = [
        0.0, 1.0, 2.0, 3.0, 4.0, 33.0, 60.0, 87.0, 116.0, 117.0, 118.0, 119.0, 120.0,
    ];
    let rows: Vec<Row> = times
        .iter()
        .map(|&at| Row::web(at, "192.0.2.1", "/a", 200))
        .collect();
    let (engine, _) = told(rules(0, false), &rows, 3);
    let limit = engine.limit_of("much").expect("it has one");
    let at = |count| Limit {
        amount: count * NANO,
        ..limit
    };
    let retold = whole(&engine, &[at(2), at(5), at(9)]);
    let counts: Vec<usize> = retold[0].alerts.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 2], "and nothing at 9");
}

#[test]
fn a_confirmed_attack_is_never_silenced() {
    let burst =
        |ip: &'static str, count: u32| (0..count).map(move |n| Row::web(f64::from(n) / 10.0, ip, "/a", 200));
    let rows: Vec<Row> = burst("192.0.2.1", 30).chain(burst("192.0.2.2", 12)).collect();
    let (engine, episodes) = told(rules(0, false), &rows, 7);
    let ladder = ladder(engine.limit_of("much").expect("it has one"), true);
    let curve = |truths: &[Truth]| {
        let retold = whole(&engine, &ladder.limits);
        Curve::new(ladder.clone(), retold, Level::High, Level::Low, truths)
    };
    let truth = |ip: &str| Truth {
        tenant: TenantId::default(),
        entity: Entity {
            kind: "ip".into(),
            value: ip.into(),
        },
        window: episodes[0].window,
    };
    let last = |curve: Curve| curve.ladder.limits[curve.last_true].number();
    assert_eq!(last(curve(&[])), "60");
    assert_eq!(last(curve(&[truth("192.0.2.1")])), "30");
    assert_eq!(last(curve(&[truth("192.0.2.1"), truth("192.0.2.2")])), "12");
    assert_eq!(
        last(curve(&[truth("192.0.2.9")])),
        "60",
        "never told: nothing to lose"
    );
    let free = curve(&[]);
    let told = share(&[(free.severity(), free.rungs())], 0.0);
    assert_eq!(
        (
            told.alerts,
            free.ladder.limits[free.ladder.present + told.chosen[0]].number()
        ),
        (1, "14".into())
    );
    let kept = curve(&[truth("192.0.2.2")]);
    assert!(share(&[(kept.severity(), kept.rungs())], 0.5).chosen[0] <= kept.last_true - ladder.present);
    let end = episodes[0].window.end;
    assert_eq!(kept.daily(ladder.present, end, 2), [0, 2]);
    assert_eq!(
        kept.daily(ladder.present, Micros(end.0 + 30 * 3_600_000_000), 2),
        [2, 0]
    );
}

#[test]
fn rules_without_a_threshold_say_why() {
    let text = format!(
        "{BASE}---\ntitle: Pair\nid: pair\ncorrelation:\n  type: temporal\n  rules: [any, much]\n  timespan: 30s\n  group-by: [c-ip]\n\
         ---\ntitle: Much\nid: much\ncorrelation:\n  type: event_count\n  rules: [any]\n  group-by: [c-ip]\n  timespan: 30s\n  condition: {{gte: 5}}\n\
         ---\ntitle: Band\nid: band\ncorrelation:\n  type: event_count\n  rules: [any]\n  group-by: [c-ip]\n  timespan: 30s\n  condition: {{gte: 5, lt: 9}}\n\
         ---\ntitle: None\nid: none\ncorrelation:\n  type: event_count\n  rules: [any]\n  group-by: [c-ip]\n  timespan: 30s\n  condition: {{gt: 0}}\n"
    );
    let mut rules = RuleSet::empty();
    rules.load_text("rules.yml", &text);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    let engine = Engine::new(rules, EngineOptions::one_shot());
    let why = |id: &str| engine.limit_of(id).expect_err(id);
    assert!(why("any").contains("no threshold"));
    assert!(why("pair").contains("several rules"));
    assert!(why("much").contains("other correlations"));
    assert!(why("band").contains("range"));
    assert!(why("none").contains("zero"));
    assert!(why("surge.web").contains("code detector"));
}

#[test]
fn thresholds_of_a_folder_are_used() {
    let dir = std::env::temp_dir().join(format!("haetae-thresholds-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("folder");
    let text = "thresholds:\n  - {rule: request_rate, condition: {gte: 250}, was: {gte: 100}, reason: busy office}\n";
    std::fs::write(dir.join("thresholds.yml"), text).expect("writable");
    let mut rules = RuleSet::builtin();
    rules.load_dir(&dir).expect("readable");
    std::fs::remove_dir_all(&dir).expect("removable");
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    assert!(rules.notes().is_empty(), "{:?}", rules.notes());
    let changed = &rules.thresholds()[0].clone();
    assert_eq!(
        (changed.own.to_string(), changed.now.to_string()),
        ("gte 100".into(), "gte 250".into())
    );
    let engine = Engine::new(rules, EngineOptions::one_shot());
    assert_eq!(
        engine.limit_of(&changed.rule).map(Limit::number),
        Ok("250".into())
    );
    let told = engine
        .rules()
        .loaded()
        .iter()
        .find(|l| l.document.attributes().id == changed.rule);
    assert!(
        told.expect("loaded")
            .document
            .attributes()
            .title
            .ends_with("[gte 250 here]")
    );
}

#[test]
fn thresholds_with_a_mistake_change_nothing() {
    let fine = "  - {rule: request_rate, condition: {gte: 250}}\n";
    let wrong = [
        ("  - {rule: nobody, condition: {gte: 5}}\n", "no rule has the id"),
        ("  - {rule: any_request, condition: {gte: 5}}\n", "no correlation"),
        (
            "  - {rule: request_rate_all, condition: {lte: 5}}\n",
            "asks for `gte`",
        ),
        (
            "  - {rule: request_rate_all, condition: {gte: 5, lt: 9}}\n",
            "one comparison",
        ),
        (
            "  - {rule: request_rate_all, condition: {gte: 5.5}}\n",
            "whole number",
        ),
        (
            "  - {rule: request_rate_all, condition: {}}\n",
            "compares nothing",
        ),
        ("  - {rule: request_rate, condition: {gte: 300}}\n", "twice"),
        ("  - {rule: request_rate_all}\n", "condition"),
    ];
    for (entry, message) in wrong {
        let mut rules = RuleSet::builtin();
        rules.load_thresholds("thresholds.yml", &format!("thresholds:\n{fine}{entry}"));
        assert!(rules.thresholds().is_empty(), "{entry}");
        let [problem] = rules.diagnostics() else {
            panic!("{entry}: {:?}", rules.diagnostics());
        };
        assert!(problem.message.contains(message), "{entry}: {problem}");
        assert!(problem.line.is_some(), "{problem}");
    }
    let mut rules = RuleSet::builtin();
    rules.load_thresholds(
        "thresholds.yml",
        &format!("thresholds:\n{}", fine.replace("}}", "}, was: {gte: 90}}")),
    );
    assert_eq!(rules.thresholds().len(), 1);
    assert!(
        rules.notes()[0].message.contains("now says gte 100"),
        "{:?}",
        rules.notes()
    );
}

/// Alerts of days as they come from independent clients, some of which come back for a few days.
fn days(seed: u64, count: usize, busy_weekday: bool) -> Vec<u32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut lasting = 0.0;
    (0..count)
        .map(|day| {
            lasting = 0.5 * lasting + uniform();
            let rate = 1.5 + lasting + if busy_weekday && day % 7 == 2 { 6.0 } else { 0.0 };
            let (mut product, mut events) = (uniform(), 0);
            while product > f64::exp(-rate) {
                product *= uniform();
                events += 1;
            }
            events
        })
        .collect()
}

/// How often the range holds the week that then came: it promises 80 %.
#[test]
fn four_of_five_weeks_come_as_forecast() {
    for (known, weekday) in [(8, false), (14, false), (28, false), (28, true)] {
        let (mut held, weeks) = (0, 300);
        for seed in 0..weeks {
            let all = days(seed + 1, known + 7, weekday);
            let next: u32 = all[known..].iter().sum();
            let total = next_week(&[all[..known].to_vec()], known).expect("enough").total;
            held += u32::from((total.low..=total.high).contains(&u64::from(next)));
        }
        let share = f64::from(held) / weeks as f64;
        eprintln!("{known} days, weekday {weekday}: {share:.3} of the weeks in the range");
        assert!(
            (0.72..=0.97).contains(&share),
            "{known} days, weekday {weekday}: {share}"
        );
    }
}
