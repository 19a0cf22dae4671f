//! What stands in the end is a function of the set of events: the built-in rules and detectors
//! over a simulated site, whose objects come together, reversed, shuffled and late, with
//! evaluations in between and restarts, as the pipeline has them.

use haetae_detect::{Closing, Engine, EngineOptions, Evaluation, RuleSet};
use haetae_event::{Episode, EventBatch, Micros, TenantId, TimeWindow};
use haetae_parse::{Format, InputReader, ParseOptions};
use haetae_simulate::{ObjectOptions, Plan, Scenario, SimEvent, generate, ndjson_line, write_all};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::builtin);

/// Later than everything that is simulated: a service that reads old logs.
const NOW: i64 = 1_900_000_000_000_000;

type Object = Vec<EventBatch>;

fn plan(scenario: Scenario, seed: u64, minutes: u32) -> Plan {
    let mut plan = Plan::new(scenario, seed);
    plan.start = Micros(1_793_588_400_000_000);
    plan.duration_s = minutes * 60;
    plan
}

fn parsed(bytes: &[u8], name: &str) -> Object {
    let format: Option<Format> = match name {
        _ if name.starts_with("cloudfront/") => Some("cloudfront".parse().expect("a format of ours")),
        _ if name.starts_with("vpcflow/") => None,
        _ => Some("ndjson".parse().expect("a format of ours")),
    };
    let mut reader = InputReader::open(
        std::io::Cursor::new(bytes.to_vec()),
        format,
        &ParseOptions::default(),
    );
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch().expect("readable") {
        let Some(records) = batch.records else { continue };
        let dataset = reader.dataset().expect("rows have a dataset");
        batches.push(EventBatch {
            tenant: TenantId::default(),
            dataset,
            records,
        });
    }
    batches
}

/// The objects of a plan, in the order they are delivered in.
fn objects(plan: &Plan) -> Vec<Object> {
    let mut objects = Vec::new();
    let mut sink = |name: &str, bytes: &[u8]| {
        if name.ends_with(".gz") {
            objects.push(parsed(bytes, name));
        }
        Ok(())
    };
    write_all(plan, &ObjectOptions::default(), &mut sink).expect("a plan in range");
    objects
}

/// The same site as lines of JSON with sessions and exact times, cut into `parts`.
fn lines(plan: &Plan, parts: usize) -> Vec<Object> {
    let mut lines = Vec::new();
    for event in generate(plan).expect("a plan in range") {
        if let SimEvent::Web(request) = event {
            let mut line = Vec::new();
            ndjson_line(&request, &mut line);
            lines.push(line);
        }
    }
    let size = lines.len().div_ceil(parts);
    let text = |part: &[Vec<u8>]| parsed(&part.concat(), "lines.ndjson");
    lines.chunks(size).map(text).collect()
}

/// One stored finding.
#[derive(Clone, Debug)]
struct Finding {
    id: u64,
    episode: Episode,
}

/// The stored findings, reconciled with evaluations as the pipeline does: looked up as they were
/// before the evaluation, episodes first, then what is withdrawn and was not told in it.
#[derive(Default)]
struct Stored {
    findings: Vec<Finding>,
    last_id: u64,
}

impl Stored {
    fn touching(
        &self,
        rule: &str,
        entity: &haetae_event::Entity,
        window: TimeWindow,
        gap: i64,
    ) -> Vec<Finding> {
        let same = |f: &&Finding| {
            f.episode.rule_id == rule && f.episode.entity == *entity && f.episode.window.touches(&window, gap)
        };
        let mut found: Vec<Finding> = self.findings.iter().filter(same).cloned().collect();
        found.sort_by_key(|f| (f.episode.window.start, f.id));
        found
    }

    fn apply(&mut self, evaluation: Evaluation) {
        let mut claimed: BTreeSet<u64> = BTreeSet::new();
        let (mut put, mut gone): (Vec<Finding>, BTreeSet<u64>) = Default::default();
        for episode in evaluation.episodes {
            let mut found = self.touching(&episode.rule_id, &episode.entity, episode.window, episode.gap_us);
            found.retain(|f| !claimed.contains(&f.id));
            let mut finding = Finding {
                id: self.last_id + 1,
                episode,
            };
            self.last_id += 1;
            if let Some(before) = found.first() {
                finding.id = before.id;
                if finding.episode.monotone {
                    let (old, new) = (&before.episode, &mut finding.episode);
                    new.window = new.window.union(&old.window);
                    new.count = new.count.max(old.count);
                }
            }
            claimed.insert(finding.id);
            claimed.extend(found.iter().map(|f| f.id));
            gone.extend(found.iter().map(|f| f.id));
            put.push(finding);
        }
        for withdrawn in evaluation.withdrawn {
            let found = self.touching(&withdrawn.rule_id, &withdrawn.entity, withdrawn.window, 0);
            gone.extend(
                found
                    .iter()
                    .filter(|f| !f.episode.monotone && !claimed.contains(&f.id))
                    .map(|f| f.id),
            );
        }
        self.findings.retain(|f| !gone.contains(&f.id));
        self.findings.extend(put);
    }

    /// A line each, with what may not depend on order.
    fn comparable(&self) -> Vec<String> {
        let line = |f: &Finding| {
            let e = &f.episode;
            // Evidence of Sigma rules is a sample of which the stored one is kept.
            // What it cost is said when it is told, and not again.
            let facts = e.facts.iter().filter(|(key, _)| !key.starts_with("cost"));
            let reasons: Vec<String> = match e.detector.as_str() {
                "sigma" => Vec::new(),
                _ => (e.evidence.iter().map(|e| e.summary.clone()))
                    .chain(facts.map(|(key, value)| format!("{key}={value}")))
                    .collect(),
            };
            format!(
                "{} {}:{} {}..{} n={} {} {reasons:?}",
                e.rule_id, e.entity.kind, e.entity.value, e.window.start, e.window.end, e.count, e.level
            )
        };
        let mut lines: Vec<String> = self.findings.iter().map(line).collect();
        lines.sort();
        lines
    }
}

/// When evaluations happen, and what they close.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// One service; each poll closes what was read so far.
    Following,
    /// One service over old logs: whatever was read is closed at once, also amid a poll.
    Backlog,
    /// Each poll is a process of its own, which starts with what is stored.
    Restarted,
}

fn engine() -> Engine {
    Engine::new(RULES.clone(), EngineOptions::default())
}

fn newest(batch: &EventBatch) -> i64 {
    batch.ts().values().iter().copied().max().unwrap_or(i64::MIN)
}

fn run(waves: &[Vec<Object>], mode: Mode) -> Vec<String> {
    let mut stored = Stored::default();
    let mut engine = engine();
    let mut read: Vec<&EventBatch> = Vec::new();
    let mut seen = i64::MIN;
    for wave in waves {
        if mode == Mode::Restarted {
            engine = self::engine();
            for batch in &read {
                engine.observe(batch);
            }
            stored.apply(engine.evaluate(&Closing::at(NOW)));
        }
        for (at, batch) in wave.iter().flatten().enumerate() {
            engine.observe(batch);
            read.push(batch);
            seen = seen.max(newest(batch));
            if mode != Mode::Following && at % 7 == 6 {
                stored.apply(engine.evaluate(&Closing::at(NOW)));
            }
        }
        let closing = match mode {
            Mode::Following => Closing::at(seen),
            Mode::Backlog => Closing::at(NOW),
            Mode::Restarted => Closing::everything(),
        };
        stored.apply(engine.evaluate(&closing));
    }
    stored.apply(engine.evaluate(&Closing::everything()));
    stored.comparable()
}

/// A fixed shuffle.
fn shuffled(objects: &[Object]) -> Vec<Object> {
    let mut keyed: Vec<(u64, Object)> = (0u64..)
        .zip(objects)
        .map(|(n, object)| {
            (
                (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23),
                object.clone(),
            )
        })
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, object)| object).collect()
}

fn waves(objects: &[Object], count: usize) -> Vec<Vec<Object>> {
    let size = objects.len().div_ceil(count);
    objects.chunks(size).map(<[Object]>::to_vec).collect()
}

/// Holds every way of delivery against the whole at once; gives what stands.
fn same_whatever_the_order(what: &str, objects: &[Object]) -> Vec<String> {
    assert!(objects.len() >= 4, "several objects: {}", objects.len());
    let mut together = Stored::default();
    let mut engine = engine();
    objects.iter().flatten().for_each(|batch| {
        engine.observe(batch);
    });
    together.apply(engine.evaluate(&Closing::everything()));
    let expected = together.comparable();
    let mut reversed = objects.to_vec();
    reversed.reverse();
    let mut late = objects.to_vec();
    let middle = late.remove(objects.len() / 2);
    use Mode::{Backlog, Following, Restarted};
    let deliveries = [
        ("in order", waves(objects, 6), &[Following][..]),
        ("reversed", waves(&reversed, 4), &[Following, Restarted]),
        ("shuffled", waves(&shuffled(objects), 5), &[Backlog]),
        ("one late", vec![late, vec![middle]], &[Restarted]),
    ];
    let mut wrong = String::new();
    for (how, waves, modes) in &deliveries {
        for &mode in *modes {
            let got = run(waves, mode);
            let missing: Vec<&String> = expected.iter().filter(|line| !got.contains(line)).collect();
            let extra: Vec<&String> = got.iter().filter(|line| !expected.contains(line)).collect();
            if !missing.is_empty() || !extra.is_empty() || got.len() != expected.len() {
                wrong += &format!(
                    "{what}, {how}, {mode:?}: {} missing, {} extra\n",
                    missing.len(),
                    extra.len()
                );
                missing
                    .iter()
                    .take(6)
                    .for_each(|line| wrong += &format!("  missing {line}\n"));
                extra
                    .iter()
                    .take(6)
                    .for_each(|line| wrong += &format!("  extra   {line}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    expected
}

#[test]
fn cloudfront_objects_in_any_order_and_restarts_between() {
    let plan = plan(Scenario::Mixed, 33, 90);
    let stand = same_whatever_the_order("mixed 33", &objects(&plan));
    let of = |rule: &str| stand.iter().filter(|line| line.starts_with(rule)).count();
    assert!(of("macro.") > 0, "{stand:#?}");
    // The attack, as one episode.
    assert_eq!(of("http_flood.cloudfront host:"), 1, "{stand:#?}");
}

#[test]
fn lines_with_sessions_and_exact_times_in_any_order() {
    let plan = plan(Scenario::Mixed, 7, 60);
    let stand = same_whatever_the_order("lines", &lines(&plan, 12));
    assert!(stand.iter().any(|line| line.starts_with("macro.")), "{stand:#?}");
}

#[test]
fn a_sale_alone_is_no_flood_in_any_order() {
    let plan = plan(Scenario::Normal, 2, 40);
    let stand = same_whatever_the_order("normal 2", &objects(&plan));
    let floods: Vec<&String> = stand
        .iter()
        .filter(|line| line.starts_with("http_flood"))
        .collect();
    assert!(floods.is_empty(), "{floods:#?}");
}
