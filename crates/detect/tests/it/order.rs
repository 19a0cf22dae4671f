//! Whatever the order, the cutting into batches and the evaluations in between: the same
//! episodes in the end.

use crate::batches::*;
use haetae_detect::{Closing, Engine, EngineOptions, Evaluation, RuleSet};
use haetae_event::{Dataset, Episode};
use proptest::prelude::*;

pub const RULES: &str = "
title: e
name: e
logsource: {category: webserver}
detection: {s: {sc-status: 404}, condition: s}
---
title: single
id: single
haetae: {gap: 20s}
logsource: {category: webserver}
detection: {s: {sc-status: 404}, condition: s}
---
title: count
id: count
name: count
correlation: {type: event_count, rules: [e], group-by: [src_ip], timespan: 30s, condition: {gte: 4}}
---
title: distinct
id: distinct
correlation: {type: value_count, rules: [e], group-by: [src_ip], timespan: 30s, condition: {field: cs-uri, gte: 3}}
---
title: exactly
id: exactly
correlation: {type: event_count, rules: [e], group-by: [src_ip], timespan: 30s, condition: {eq: 3}}
---
title: few
id: few
correlation: {type: event_count, rules: [e], group-by: [src_ip], timespan: 30s, condition: {lt: 3}}
";

const DETECTORS: &str = "
error_rate: {enabled: true, server_error_ratio_min: 0.5, error_ratio_min: 0.6, requests_min: 4, level: medium, why: t, falsepositives: []}
surge: {enabled: true, factor_min: 3.0, requests_min: 4, baseline_minutes: 6, baseline_minutes_min: 2, level: medium, why: t, falsepositives: []}
refusals: {enabled: true, ratio_min: 0.2, baseline_ratio_max: 0.05, flows_min: 4, baseline_minutes: 6, baseline_minutes_min: 2, level: medium, why: t, falsepositives: []}
";

/// What a store of findings would hold after these evaluations.
#[derive(Default)]
pub struct Stored(Vec<Episode>);

impl Stored {
    pub fn apply(&mut self, evaluation: Evaluation) {
        let mine =
            |e: &Episode, rule: &str, entity: &haetae_event::Entity| e.rule_id == rule && e.entity == *entity;
        for gone in &evaluation.withdrawn {
            self.0
                .retain(|e| !(mine(e, &gone.rule_id, &gone.entity) && e.window.touches(&gone.window, 0)));
        }
        for new in &evaluation.episodes {
            self.0.retain(|e| {
                !(mine(e, &new.rule_id, &new.entity) && e.window.touches(&new.window, new.gap_us))
            });
        }
        self.0.extend(evaluation.episodes);
    }

    pub fn sorted(mut self) -> Vec<Episode> {
        self.0.sort_by(|a, b| {
            (&a.rule_id, &a.entity, a.window.start).cmp(&(&b.rule_id, &b.entity, b.window.start))
        });
        self.0
    }
}

fn engine() -> Engine {
    let mut rules = RuleSet::empty();
    rules.load_text("order.yml", RULES);
    rules.load_detectors("detectors.yml", DETECTORS);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    Engine::new(rules, EngineOptions::default())
}

fn row() -> impl Strategy<Value = Row> {
    (
        0u32..900,
        0u8..3,
        0u8..5,
        prop::sample::select(vec![200, 404, 404, 404, 500]),
    )
        .prop_map(|(at, src, path, status)| {
            Row::web(
                f64::from(at),
                &format!("192.0.2.{src}"),
                &format!("/{path}"),
                status,
            )
        })
}

/// Whatever order and cuts, and whatever was evaluated in between: what is stored in the end.
pub fn same_whatever_the_order(
    rows: &[Row],
    shuffled: &[Row],
    cuts: &[(usize, Option<i64>)],
    make: impl Fn() -> Engine,
) -> Result<(), TestCaseError> {
    let mut whole = make();
    let mut expected = Stored::default();
    whole.observe(&batch(Dataset::Web, rows));
    expected.apply(whole.evaluate(&Closing::everything()));
    let mut engine = make();
    let mut stored = Stored::default();
    let mut rest = shuffled;
    for (take, closing) in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*take).min(rest.len()));
        engine.observe(&batch(Dataset::Web, now));
        rest = later;
        if let Some(seconds) = closing {
            stored.apply(engine.evaluate(&Closing::at(START + seconds * SECOND)));
        }
    }
    stored.apply(engine.evaluate(&Closing::everything()));
    prop_assert_eq!(stored.sorted(), expected.sorted());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_same_episodes(
        (rows, shuffled) in prop::collection::vec(row(), 0..120)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        cuts in prop::collection::vec((1usize..20, prop::option::of(0i64..1000)), 1..40),
    ) {
        same_whatever_the_order(&rows, &shuffled, &cuts, engine)?;
    }
}
