//! The engine against a plain reference: every window of every correlation counted anew from the
//! list of all events, as the specification says it.

use super::events::{Event, Stored, closing, engine, line, observe};
use haetae_detect::{Closing, EngineOptions};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Meaning = fn(&BTreeSet<usize>) -> bool;

/// A correlation, for the reference and as YAML.
struct Spec {
    id: &'static str,
    kind: &'static str,
    rules: &'static [&'static str],
    group: &'static [&'static str],
    span_s: i64,
    /// Thresholds in quarters.
    limits: &'static [(&'static str, i64)],
    fields: &'static [&'static str],
    percentile: Option<i64>,
    /// Expression, and what it means for the set of rules seen.
    expression: Option<(&'static str, Meaning)>,
}

const PLAIN: Spec = Spec {
    id: "",
    kind: "event_count",
    rules: &["a"],
    group: &["c-ip"],
    span_s: 30,
    limits: &[],
    fields: &[],
    percentile: None,
    expression: None,
};

fn a_not_b(seen: &BTreeSet<usize>) -> bool {
    seen.contains(&0) && !seen.contains(&1)
}

fn a_and_b_or_c(seen: &BTreeSet<usize>) -> bool {
    seen.contains(&0) && (seen.contains(&1) || seen.contains(&2))
}

/// In the order of their chains. Quarters: 12 is 3.
const SPECS: &[Spec] = &[
    Spec {
        id: "count",
        limits: &[("gte", 16)],
        ..PLAIN
    },
    Spec {
        id: "count_two_rules",
        rules: &["a", "ab", "b"],
        limits: &[("gt", 16)],
        ..PLAIN
    },
    Spec {
        id: "count_exact",
        limits: &[("eq", 12)],
        ..PLAIN
    },
    Spec {
        id: "count_few",
        limits: &[("lt", 12)],
        span_s: 13,
        ..PLAIN
    },
    Spec {
        id: "count_range",
        limits: &[("gte", 8), ("lte", 12)],
        ..PLAIN
    },
    Spec {
        id: "count_not",
        limits: &[("neq", 8)],
        ..PLAIN
    },
    Spec {
        id: "count_all",
        group: &[],
        limits: &[("gte", 40)],
        ..PLAIN
    },
    Spec {
        id: "values",
        kind: "value_count",
        fields: &["cs-user-agent"],
        limits: &[("gte", 12)],
        ..PLAIN
    },
    Spec {
        id: "values_tuple",
        kind: "value_count",
        rules: &["a", "b"],
        fields: &["cs-user-agent", "cs-host"],
        limits: &[("gt", 16)],
        ..PLAIN
    },
    Spec {
        id: "values_few",
        kind: "value_count",
        fields: &["cs-user-agent"],
        limits: &[("lte", 4)],
        ..PLAIN
    },
    Spec {
        id: "together",
        kind: "temporal",
        rules: &["a", "b", "c"],
        span_s: 12,
        ..PLAIN
    },
    Spec {
        id: "together_two",
        kind: "temporal",
        rules: &["a", "b", "c"],
        span_s: 5,
        limits: &[("gte", 8)],
        ..PLAIN
    },
    Spec {
        id: "together_not",
        kind: "temporal",
        rules: &["a", "b"],
        expression: Some(("a and not b", a_not_b)),
        ..PLAIN
    },
    Spec {
        id: "together_or",
        kind: "temporal",
        rules: &["a", "b", "c"],
        span_s: 8,
        expression: Some(("a and (b or c)", a_and_b_or_c)),
        ..PLAIN
    },
    Spec {
        id: "ordered",
        kind: "temporal_ordered",
        rules: &["a", "b", "c"],
        span_s: 14,
        ..PLAIN
    },
    Spec {
        id: "ordered_two",
        kind: "temporal_ordered",
        rules: &["c", "b", "a"],
        span_s: 6,
        limits: &[("eq", 8)],
        ..PLAIN
    },
    Spec {
        id: "sum",
        kind: "value_sum",
        fields: &["sc-bytes"],
        limits: &[("gte", 60)],
        ..PLAIN
    },
    Spec {
        id: "sum_signed",
        kind: "value_sum",
        fields: &["origin-fbl"],
        limits: &[("gte", 21)],
        ..PLAIN
    },
    Spec {
        id: "sum_two_rules",
        kind: "value_sum",
        rules: &["a", "ab"],
        fields: &["origin-fbl"],
        limits: &[("lt", -3)],
        ..PLAIN
    },
    Spec {
        id: "mean",
        kind: "value_avg",
        fields: &["origin-fbl"],
        limits: &[("gt", 2)],
        ..PLAIN
    },
    Spec {
        id: "mean_exact",
        kind: "value_avg",
        fields: &["origin-fbl"],
        limits: &[("eq", 1)],
        ..PLAIN
    },
    Spec {
        id: "median",
        kind: "value_median",
        fields: &["origin-fbl"],
        limits: &[("gte", 4)],
        ..PLAIN
    },
    Spec {
        id: "high",
        kind: "value_percentile",
        percentile: Some(90),
        fields: &["origin-fbl"],
        limits: &[("gt", 7)],
        ..PLAIN
    },
    Spec {
        id: "low",
        kind: "value_percentile",
        percentile: Some(10),
        fields: &["origin-fbl"],
        limits: &[("lte", -4), ("neq", -6)],
        ..PLAIN
    },
    Spec {
        id: "burst",
        rules: &["b"],
        group: &["c-ip", "cs-host"],
        span_s: 9,
        limits: &[("gte", 8)],
        ..PLAIN
    },
    Spec {
        id: "quiet",
        rules: &["c"],
        span_s: 9,
        limits: &[("lte", 4)],
        ..PLAIN
    },
    Spec {
        id: "bursts",
        rules: &["burst"],
        span_s: 60,
        limits: &[("gte", 8)],
        ..PLAIN
    },
    Spec {
        id: "burst_then",
        kind: "temporal_ordered",
        rules: &["burst", "quiet", "a"],
        span_s: 20,
        ..PLAIN
    },
    Spec {
        id: "bursting",
        kind: "value_count",
        rules: &["burst"],
        group: &[],
        span_s: 20,
        fields: &["c-ip", "cs-host"],
        limits: &[("gte", 8)],
        ..PLAIN
    },
    Spec {
        id: "top",
        kind: "temporal",
        rules: &["burst_then", "bursts"],
        group: &[],
        span_s: 50,
        ..PLAIN
    },
];

fn decimal(quarters: i64) -> String {
    format!("{}", quarters as f64 / 4.0)
}

impl Spec {
    fn yaml(&self) -> String {
        let limits = self
            .limits
            .iter()
            .map(|(op, limit)| format!("{op}: {}", decimal(*limit)));
        let mut parts: Vec<String> = limits.collect();
        if !self.fields.is_empty() {
            parts.push(format!("field: [{}]", self.fields.join(", ")));
        }
        parts.extend(self.percentile.map(|p| format!("percentile: {p}")));
        let condition = match self.expression {
            Some((text, _)) => format!("condition: {text}, "),
            None if parts.is_empty() => String::new(),
            None => format!("condition: {{{}}}, ", parts.join(", ")),
        };
        format!(
            "title: {0}\nname: {0}\nid: {0}\ncorrelation: {{type: {1}, rules: [{2}], group-by: [{3}], {condition}timespan: {4}s}}\n",
            self.id,
            self.kind,
            self.rules.join(", "),
            self.group.join(", "),
            self.span_s,
        )
    }

    fn watched(&self) -> bool {
        SPECS.iter().any(|other| other.rules.contains(&self.id))
    }

    fn compare(&self, amount: i64, parts: i64) -> bool {
        let all = [("gte", self.rules.len() as i64 * 4)];
        let limits = if self.limits.is_empty() {
            &all[..]
        } else {
            self.limits
        };
        limits.iter().all(|(operator, limit)| {
            let limit = limit * parts;
            match *operator {
                "gt" => amount > limit,
                "gte" => amount >= limit,
                "lt" => amount < limit,
                "lte" => amount <= limit,
                "eq" => amount == limit,
                "neq" => amount != limit,
                other => panic!("{other}"),
            }
        })
    }

    /// Whether the condition holds for the events of one window.
    fn holds(&self, inside: &[&Sight]) -> bool {
        let seen: BTreeSet<usize> = inside.iter().map(|s| s.rule).collect();
        if let Some((_, meaning)) = self.expression {
            return meaning(&seen);
        }
        let mut numbers: Vec<i64> = inside.iter().filter_map(|s| s.number).collect();
        numbers.sort_unstable();
        let count = |n: usize| n as i64 * 4;
        match self.kind {
            "event_count" => self.compare(count(inside.len()), 1),
            "value_count" => {
                let values: BTreeSet<&String> = inside.iter().map(|s| &s.value).collect();
                self.compare(count(values.len()), 1)
            }
            "temporal" => self.compare(count(seen.len()), 1),
            "temporal_ordered" => self.compare(count(longest_run(inside, self.rules.len())), 1),
            "value_sum" => self.compare(numbers.iter().sum(), 1),
            "value_avg" => self.compare(numbers.iter().sum(), numbers.len() as i64),
            _ => {
                let place = self.percentile.unwrap_or(50) * (numbers.len() as i64 - 1);
                let (rank, rest) = ((place / 100) as usize, place % 100);
                let above = numbers.get(rank + 1).unwrap_or(&numbers[rank]);
                self.compare(numbers[rank] * (100 - rest) + above * rest, 100)
            }
        }
    }
}

/// Longest list of rules i < j < … whose events can be picked at times that do not fall.
fn longest_run(inside: &[&Sight], rules: usize) -> usize {
    let best = |chosen: u32| {
        let mut at = i64::MIN;
        (0..rules).filter(|rule| chosen >> rule & 1 == 1).all(|rule| {
            let next = inside
                .iter()
                .filter(|s| s.rule == rule && s.ts >= at)
                .map(|s| s.ts)
                .min();
            at = next.unwrap_or(at);
            next.is_some()
        })
    };
    let runs = (0u32..1 << rules).filter(|chosen| best(*chosen));
    runs.map(u32::count_ones).max().unwrap_or(0) as usize
}

/// An event as a correlation sees it.
#[derive(Clone, Debug)]
struct Sight {
    ts: i64,
    rule: usize,
    value: String,
    /// In quarters.
    number: Option<i64>,
}

/// An event of some rule with its fields.
#[derive(Clone, Debug)]
struct Fact {
    ts: i64,
    /// The event itself: two rules may match it.
    event: usize,
    fields: BTreeMap<&'static str, String>,
    first: bool,
}

fn facts(events: &[Event], rule: &str) -> Vec<Fact> {
    let matches = |path: &str| path == rule || (rule == "ab" && (path == "a" || path == "b"));
    let chosen = events.iter().enumerate().filter(|(_, e)| matches(&e.rule));
    chosen
        .map(|(event, e)| {
            let fields = [
                ("c-ip", e.ip.clone()),
                ("cs-host", e.host.clone()),
                ("cs-user-agent", e.ua.clone()),
                ("sc-bytes", e.bytes.map(|n| n.to_string())),
                ("origin-fbl", e.number.map(|n| n.to_string())),
            ];
            let fields = fields
                .into_iter()
                .filter_map(|(key, value)| value.map(|v| (key, v)));
            Fact {
                ts: e.at_us,
                event,
                fields: fields.collect(),
                first: true,
            }
        })
        .collect()
}

/// Stretches by group, and the firings for correlations above.
fn judge(spec: &Spec, known: &BTreeMap<&str, Vec<Fact>>) -> (Vec<String>, Vec<Fact>) {
    let mut groups: BTreeMap<Vec<String>, Vec<Sight>> = BTreeMap::new();
    let mut counted = BTreeSet::new();
    let by_event =
        matches!(spec.kind, "event_count") || spec.kind.starts_with("value_") && spec.kind != "value_count";
    for (rule, name) in spec.rules.iter().enumerate() {
        for fact in &known[name] {
            // A chain's stretches are events once for counts, at each moment for presence.
            if by_event && (!fact.first || !counted.insert((fact.event, name.len() > 2))) {
                continue;
            }
            let part = |name: &&'static str| fact.fields.get(*name).cloned();
            let Some(group) = spec.group.iter().map(part).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let Some(values) = spec.fields.iter().map(part).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let number = values.first().and_then(|v| v.parse::<f64>().ok());
            groups.entry(group).or_default().push(Sight {
                ts: fact.ts,
                rule,
                value: values.join("\n"),
                number: number.map(|n| (n * 4.0) as i64),
            });
        }
    }
    let (mut told, mut firings) = (Vec::new(), Vec::new());
    for (group, sights) in groups {
        let span = spec.span_s * 1_000_000;
        let moments: BTreeSet<i64> = sights.iter().map(|s| s.ts).collect();
        let mut stretches: Vec<(i64, i64)> = Vec::new();
        for end in moments {
            let inside: Vec<&Sight> = sights
                .iter()
                .filter(|s| s.ts <= end && s.ts > end - span)
                .collect();
            if !spec.holds(&inside) {
                continue;
            }
            let start = inside.iter().map(|s| s.ts).min().expect("the event at the end");
            let joined = stretches.last_mut().filter(|last| start - last.1 <= span);
            firings.push(Fact {
                ts: end,
                event: firings.len(),
                fields: spec.group.iter().copied().zip(group.iter().cloned()).collect(),
                first: joined.is_none(),
            });
            match joined {
                Some(last) => last.1 = end,
                None => stretches.push((start, end)),
            }
        }
        for (start, end) in stretches {
            let within = sights.iter().filter(|s| (start..=end).contains(&s.ts));
            let count = match spec.kind {
                "value_count" => within.map(|s| &s.value).collect::<BTreeSet<_>>().len(),
                _ => within.count(),
            };
            let entity = if group.is_empty() {
                "default".into()
            } else {
                group.join(",")
            };
            let seconds = |us: i64| format!("{}", us as f64 / 1e6);
            told.push(format!(
                "{} {entity} {}..{} x{count}",
                spec.id,
                seconds(start),
                seconds(end)
            ));
        }
    }
    (told, firings)
}

pub fn reference(events: &[Event]) -> Vec<String> {
    let mut known: BTreeMap<&str, Vec<Fact>> = BTreeMap::new();
    for rule in ["a", "b", "c", "ab"] {
        known.insert(rule, facts(events, rule));
    }
    let mut all = Vec::new();
    for spec in SPECS {
        let (told, firings) = judge(spec, &known);
        known.insert(spec.id, firings);
        if !spec.watched() {
            all.extend(told);
        }
    }
    all.sort();
    all
}

pub fn rules() -> String {
    SPECS.iter().map(Spec::yaml).collect::<Vec<_>>().join("---\n")
}

fn told(episodes: &[haetae_event::Episode]) -> Vec<String> {
    // The rule d is named by no correlation and is never matched; the others are silent.
    let mut lines: Vec<String> = episodes.iter().map(line).collect();
    lines.sort();
    lines
}

fn event(ticks: i64, keys: u8) -> impl Strategy<Value = Event> {
    (
        0..ticks,
        prop::sample::select(vec!["a", "a", "a", "b", "b", "c"]),
        prop::option::weighted(0.97, 0..keys),
        prop::option::weighted(0.95, 0u8..2),
        prop::option::weighted(0.95, 0u8..6),
        prop::option::weighted(0.9, 0i64..9),
        prop::option::weighted(0.9, -12i64..20),
    )
        .prop_map(|(tick, rule, ip, host, ua, bytes, quarters)| Event {
            at_us: tick * 500_000,
            rule: rule.into(),
            ip: ip.map(|n| format!("192.0.2.{n}")),
            host: host.map(|n| format!("h{n}")),
            ua: ua.map(|n| format!("u{n}")),
            bytes,
            number: quarters.map(|n| n as f64 / 4.0),
        })
}

/// Events of one client, in order.
pub fn in_order(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(3_000, 1), count).prop_map(|mut events| {
        events.sort_by_key(|event| event.at_us);
        events
    })
}

/// A reference that never speaks would agree with an engine that never does.
#[test]
fn every_correlation_of_the_reference_speaks() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let tree = in_order(900..901).new_tree(&mut runner).expect("no filters");
    let told = reference(&tree.current());
    for spec in SPECS.iter().filter(|spec| !spec.watched()) {
        let mine = told
            .iter()
            .filter(|line| line.starts_with(&format!("{} ", spec.id)));
        assert!(mine.count() > 0, "{} is silent", spec.id);
    }
}

/// Folds `events` in as cut, evaluating where a cut says what is closed.
fn folded(events: &[Event], cuts: &[(usize, Option<f64>)]) -> Vec<String> {
    let mut engine = engine(&rules(), EngineOptions::default());
    let mut stored = Stored::default();
    let mut rest = events;
    for (take, closed) in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*take).min(rest.len()));
        observe(&mut engine, now);
        rest = later;
        if let Some(seconds) = closed {
            stored.apply(&engine.evaluate(&closing(*seconds)));
        }
    }
    stored.apply(&engine.evaluate(&Closing::everything()));
    told(&stored.sorted())
}

fn cuts(most: usize, until_s: f64) -> impl Strategy<Value = Vec<(usize, Option<f64>)>> {
    let closed = prop::option::weighted(0.8, prop_oneof![Just(-1.0), 0.0..until_s]);
    prop::collection::vec((1..most, closed), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Few events: each key is judged anew.
    #[test]
    fn any_order_gives_what_the_reference_gives(
        (events, shuffled) in prop::collection::vec(event(240, 3), 0..100)
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        cuts in cuts(20, 120.0),
    ) {
        prop_assert_eq!(folded(&shuffled, &cuts), reference(&events));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Keys with many cells are judged from where something changed, and the outcome is the same.
    #[test]
    fn big_keys_judged_step_by_step_give_what_the_reference_gives(
        mut events in prop::collection::vec((event(3_000, 1), 0i64..40), 900..1_600),
        disorder in prop::sample::select(vec![0i64, 1, 8, 40, 4_000]),
        cuts in cuts(90, 1_500.0),
    ) {
        // Sorted but for some lag, as files of one hour are.
        events.sort_by_key(|(event, lag)| event.at_us / 500_000 + lag * disorder);
        let events: Vec<Event> = events.into_iter().map(|(event, _)| event).collect();
        prop_assert_eq!(folded(&events, &cuts), reference(&events));
    }
}
