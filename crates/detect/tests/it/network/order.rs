//! Whatever the order, the cuts and the evaluations in between: the same episodes in the end.

use super::flows::*;
use crate::batches::{Row, SECOND, START, batch};
use haetae_detect::{Closing, Engine, EngineOptions, Evaluation, RuleSet};
use haetae_event::{Dataset, Episode, EventBatch};
use proptest::prelude::*;

/// Low thresholds, so that few events reach them.
const DETECTORS: &str = "
scans: {enabled: true, ports_min: 3, hosts_min: 3, window_minutes: 2, slow_ports_min: 5, slow_hosts_min: 5, slow_hours: 1, level: medium, noise_level: low, inside_level: high, why: t, falsepositives: []}
distributed_scan: {enabled: true, ports_min: 4, sources_min: 2, ports_per_source_max: 5, level: medium, why: t, falsepositives: []}
sensitive_ports: {enabled: true, ports: [22, 23], attempts_min: 2, attempt_level: low, entry_level: high, refused_hours: 1, why: t, falsepositives: []}
many_to_one: {enabled: true, count_min: 4, factor_min: 1.5, path_factor_min: 4.0, sources_min: 3, sources_factor_min: 1.5, entropy_rise_min: 0.1, baseline_minutes_min: 2, baseline_minutes: 8, path_share_min: 0.3, asset_sources_max: 0.6, level: high, why: t, falsepositives: []}
unusual_port: {enabled: true, warm_up_hours: 1, peers_max: 1, ports_max: 6, level: medium, why: t, falsepositives: []}
exfiltration: {enabled: true, bytes_min: 30000, factor_min: 2.0, warm_up_minutes: 5, new_hours: 1, peers_max: 1, level: high, why: t, falsepositives: []}
known_bad: {enabled: true, score_min: 80, inbound_level: low, outbound_level: high, why: t, falsepositives: []}
silence: {enabled: true, rows_per_hour_min: 6, minutes_min: 3, silent_minutes_min: 3, gap_factor: 1, level: medium, why: t, falsepositives: []}
";

#[derive(Default)]
struct Stored(Vec<Episode>);

impl Stored {
    fn apply(&mut self, evaluation: Evaluation) {
        for gone in &evaluation.withdrawn {
            self.0.retain(|e| {
                !(e.rule_id == gone.rule_id && e.entity == gone.entity && e.window.touches(&gone.window, 0))
            });
        }
        for new in &evaluation.episodes {
            self.0.retain(|e| {
                !(e.rule_id == new.rule_id
                    && e.entity == new.entity
                    && e.window.touches(&new.window, new.gap_us))
            });
        }
        self.0.extend(evaluation.episodes);
    }

    fn sorted(mut self) -> Vec<Episode> {
        self.0.sort_by(|a, b| {
            (&a.rule_id, &a.entity, a.window.start).cmp(&(&b.rule_id, &b.entity, b.window.start))
        });
        self.0
    }
}

fn engine() -> Engine {
    let mut rules = RuleSet::empty();
    rules.load_detectors("detectors.yml", DETECTORS);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    Engine::new(rules, EngineOptions::one_shot())
}

fn whole(all: EventBatch) -> Vec<Episode> {
    let (mut engine, mut stored) = (engine(), Stored::default());
    engine.observe(&all);
    stored.apply(engine.evaluate(&Closing::everything()));
    stored.sorted()
}

fn pieces<T>(
    shuffled: &[T],
    cuts: &[(usize, Option<i64>)],
    make: impl Fn(&[T]) -> EventBatch,
) -> Vec<Episode> {
    let (mut engine, mut stored) = (engine(), Stored::default());
    let mut rest = shuffled;
    for (take, closing) in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*take).min(rest.len()));
        engine.observe(&make(now));
        rest = later;
        if let Some(minutes) = closing {
            stored.apply(engine.evaluate(&Closing::at(START + minutes * 60 * SECOND)));
        }
    }
    stored.apply(engine.evaluate(&Closing::everything()));
    stored.sorted()
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        (0u8..6).prop_map(|n| format!("203.0.113.{n}")),
        (0u8..4).prop_map(|n| format!("10.0.0.{n}")),
    ]
}

fn flow() -> impl Strategy<Value = Flow> {
    (
        0i64..9_000,
        (address(), address()),
        (prop::sample::select(vec![443, 22, 50_000, 51_000]), 20i32..28),
        prop::sample::select(vec![Some("ACCEPT"), Some("REJECT"), Some("REJECT"), None]),
        (1i64..6, 40i64..20_000),
        prop::sample::select(vec![None, None, Some(2), Some(18), Some(0)]),
        prop::sample::select(vec![None, None, Some(90)]),
    )
        .prop_map(
            |(at, (src, dst), ports, action, (packets, bytes), flags, score)| Flow {
                // Half of them within ten minutes, so that windows fill.
                at: if at % 2 == 0 { at } else { 4_000 + at % 600 },
                src,
                dst,
                ports,
                protocol: 6,
                packets,
                bytes,
                action,
                flags,
                score,
            },
        )
}

fn row() -> impl Strategy<Value = Row> {
    (
        0u32..1_800,
        0u8..9,
        prop::sample::select(vec!["/a", "/a", "/b", "/x.css"]),
        0u8..3,
    )
        .prop_map(|(at, src, path, host)| {
            let at = if at % 2 == 0 { at } else { 1_000 + at % 120 };
            Row {
                host: Some(format!("h{}.example", host / 2)),
                ..Row::web(f64::from(at), &format!("192.0.2.{src}"), path, 200)
            }
        })
}

fn cuts() -> impl Strategy<Value = Vec<(usize, Option<i64>)>> {
    prop::collection::vec((1usize..30, prop::option::of(0i64..145)), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn flows_in_any_order(
        (flows, shuffled) in prop::collection::vec(flow(), 0..150)
            .prop_flat_map(|flows| (Just(flows.clone()), Just(flows).prop_shuffle())),
        cuts in cuts(),
    ) {
        prop_assert_eq!(pieces(&shuffled, &cuts, flow_batch), whole(flow_batch(&flows)));
    }

    #[test]
    fn requests_in_any_order(
        (rows, shuffled) in prop::collection::vec(row(), 0..200)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        cuts in cuts(),
    ) {
        let make = |rows: &[Row]| batch(Dataset::Web, rows);
        prop_assert_eq!(pieces(&shuffled, &cuts, make), whole(make(&rows)));
    }
}

#[test]
fn the_low_thresholds_are_reached() {
    // The property above says nothing if nothing is ever told.
    let mut flows = Vec::new();
    for n in 0..60i64 {
        flows.push(refused(n * 7, "203.0.113.1", "10.0.0.1", 20 + (n % 8) as i32));
        flows.push(refused(n * 7, "10.0.0.2", &format!("10.0.0.{}", n % 5), 23));
        let asked = accepted(n * 100, "10.0.0.3", "203.0.113.5", 25, 9_000);
        flows.push(Flow {
            score: Some(90),
            ..answer(&asked, 10)
        });
        flows.push(asked);
    }
    flows.push(accepted(500, "203.0.113.1", "10.0.0.1", 22, 9_000));
    let found = whole(flow_batch(&flows));
    for detector in [
        "port_scan",
        "address_scan",
        "sensitive_port",
        "sensitive_entry",
        "known_bad_outbound",
    ] {
        assert!(!by(&found, detector).is_empty(), "{detector}: {found:?}");
    }
}
