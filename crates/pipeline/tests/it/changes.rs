//! Other rules and models in a running service: baselines stay, what is new knows what is stored.

use crate::support::*;
use haetae_detect::detector::{Detector, Rows};
use haetae_detect::{Closing, EngineOptions, Evaluation, MoreDetectors, RuleSet};
use haetae_enrich::pii::TextPolicy::Keep;
use haetae_event::{EventBatch, Finding, TenantId};
use haetae_pipeline::{Change, Detection};
use haetae_store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what it is shown.
struct Counting(Arc<AtomicU64>);

impl Detector for Counting {
    fn columns(&self) -> &'static [&'static str] {
        &[]
    }

    fn lookback_us(&self) -> i64 {
        MINUTE
    }

    fn observe(&mut self, batch: &EventBatch, _: &Rows<'_>) {
        self.0.fetch_add(batch.rows() as u64, Ordering::SeqCst);
    }

    fn evaluate(&mut self, _: &Closing, _: &mut Evaluation) {}

    fn forget(&mut self, _: &TenantId, _: i64) -> u64 {
        0
    }

    fn bytes(&self) -> usize {
        0
    }

    fn shrink(&mut self, _: usize) -> u64 {
        0
    }
}

/// Detectors made so far, and what they were shown in all.
#[derive(Clone, Default)]
struct Shown {
    made: Arc<AtomicU64>,
    rows: Arc<AtomicU64>,
}

impl Shown {
    fn options(&self) -> EngineOptions {
        let shown = self.clone();
        EngineOptions {
            more: MoreDetectors::new(move || {
                shown.made.fetch_add(1, Ordering::SeqCst);
                vec![Box::new(Counting(shown.rows.clone())) as Box<dyn Detector>]
            }),
            ..EngineOptions::default()
        }
    }

    fn now(&self) -> (u64, u64) {
        (self.made.load(Ordering::SeqCst), self.rows.load(Ordering::SeqCst))
    }
}

const OWN_RULE: &str = "
title: Old door
id: 6f1c9a52-0000-4000-8000-000000000001
logsource: {category: webserver}
detection: {sel: {cs-uri-stem: /old/door}, condition: sel}
level: medium
";

/// Twenty usual minutes; of the last two rows are stored, as if the others had expired.
fn usual(detection: &mut Detection, store: &Store) {
    for minute in 0..20 {
        let batch = requests(minute, 100, if minute == 19 { "/old/door" } else { "/" });
        if minute < 18 {
            detection.observe(&batch);
        } else {
            take(detection, store, Keep, &batch);
        }
    }
    settle(detection, store, &Closing::at(START + 20 * MINUTE));
}

fn surges(store: &Store) -> Vec<Finding> {
    findings(store)
        .into_iter()
        .filter(|f| f.detector == "surge")
        .collect()
}

/// A minute with forty times the requests.
fn surge(detection: &mut Detection, store: &Store) {
    take(detection, store, Keep, &requests(20, 4_000, "/"));
    settle(detection, store, &Closing::at(START + 30 * MINUTE));
}

#[test]
fn a_baseline_outlives_a_promotion() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, shown) = (store(dir.path()), Shown::default());
    let mut detection = with_options(Keep, shown.options());
    usual(&mut detection, &store);
    assert_eq!(shown.now(), (1, 2_000));
    let change = Change {
        rules: None,
        more: true,
    };
    assert_eq!(detection.take(change, &store).expect("takes"), 200);
    assert_eq!(
        shown.now(),
        (2, 2_200),
        "the new one has caught up with what is stored"
    );
    surge(&mut detection, &store);
    assert_eq!(shown.now(), (2, 6_200), "and goes on with the others");
    assert_eq!(surges(&store).len(), 1);
}

#[test]
fn a_baseline_outlives_a_change_of_rules() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, shown) = (store(dir.path()), Shown::default());
    let mut detection = with_options(Keep, shown.options());
    usual(&mut detection, &store);
    let mut rules = RuleSet::builtin();
    rules.load_text("own.yml", OWN_RULE);
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    let change = Change {
        rules: Some(rules),
        more: false,
    };
    assert_eq!(detection.take(change, &store).expect("takes"), 200);
    assert_eq!(shown.now(), (1, 2_000), "who was there is not told again");
    surge(&mut detection, &store);
    assert_eq!(surges(&store).len(), 1);
    let own = findings(&store).into_iter().filter(|f| f.title == "Old door");
    assert!(own.count() > 0, "the new rule knows what is stored");
}

/// Settings of a detector are another detector.
#[test]
fn a_detector_with_other_settings_begins_anew() {
    let dir = tempfile::tempdir().expect("folder");
    let (store, shown) = (store(dir.path()), Shown::default());
    let mut detection = with_options(Keep, shown.options());
    usual(&mut detection, &store);
    let mut rules = RuleSet::builtin();
    rules.load_detectors(
        "detectors.yml",
        "surge: {enabled: true, factor_min: 6.0, requests_min: 300, baseline_minutes: 60, \
         baseline_minutes_min: 15, level: low, why: w, falsepositives: []}",
    );
    assert!(rules.diagnostics().is_empty(), "{:?}", rules.diagnostics());
    let change = Change {
        rules: Some(rules),
        more: false,
    };
    detection.take(change, &store).expect("takes");
    surge(&mut detection, &store);
    assert_eq!(surges(&store).len(), 0, "two stored minutes are no baseline");
}
