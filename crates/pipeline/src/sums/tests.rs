use crate::detection::{Changed, Detection, Reconciled};
use crate::privacy::Policies;
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet, risk};
use haetae_event::clock::ManualClock;
use haetae_event::commit::{CommitUnit, FindingChange};
use haetae_event::disk::RealDisk;
use haetae_event::identity::InstallationKey;
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, EventBatch, Finding, Level, Micros, TenantId};
use haetae_store::{FindingFilter, FindingState, Store, StoreOptions};
use std::sync::Arc;

const START: i64 = 1_772_366_400_000_000; // 2026-03-01T12:00:00Z

const DETECTORS: &str = "risk: {enabled: true, threshold: 80, causes_min: 3, window_hours: 24, level: high, why: t, falsepositives: []}";

fn rules() -> RuleSet {
    let mut rules = RuleSet::empty();
    for (id, level) in [
        ("one", "medium"),
        ("two", "medium"),
        ("three", "medium"),
        ("loud", "high"),
    ] {
        // A match that stands alone is half sure: 30 points each.
        rules.load_text(
            "r.yml",
            &format!(
                "title: Path {id}\nid: {id}\nlevel: {level}\nhaetae: {{risk: 60}}\n\
                 logsource: {{category: webserver}}\ndetection: {{s: {{cs-uri-stem: /{id}}}, condition: s}}\n"
            ),
        );
    }
    rules.load_detectors("detectors.yml", DETECTORS);
    assert_eq!(rules.diagnostics(), []);
    rules
}

/// Requests of (minute, client, path).
fn batch(rows: &[(i64, &str, &str)]) -> EventBatch {
    let texts = |values: Vec<&str>| -> ArrayRef {
        Arc::new(values.into_iter().map(Some).collect::<StringViewArray>())
    };
    let ts = rows.iter().map(|row| Some(START + row.0 * MINUTE_US));
    let ts: TimestampMicrosecondArray = ts.collect();
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("ts", Arc::new(ts.with_timezone("UTC")), true),
        ("src_ip", texts(rows.iter().map(|row| row.1).collect()), true),
        ("method", texts(rows.iter().map(|_| "GET").collect()), true),
        ("uri", texts(rows.iter().map(|row| row.2).collect()), true),
        (
            "status",
            Arc::new(rows.iter().map(|_| Some(200)).collect::<Int32Array>()),
            true,
        ),
        ("ua", texts(rows.iter().map(|_| "x").collect()), true),
    ];
    EventBatch {
        tenant: TenantId::default(),
        dataset: Dataset::Web,
        records: RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length"),
    }
}

struct House {
    store: Store,
    _dir: tempfile::TempDir,
}

impl House {
    fn new() -> House {
        let dir = tempfile::tempdir().expect("folder");
        let clock = Arc::new(ManualClock::at(Micros(START)));
        let store = Store::open(dir.path(), StoreOptions::default(), Arc::new(RealDisk), clock);
        House {
            store: store.expect("opens"),
            _dir: dir,
        }
    }

    /// One commit of a service that has just started and remembers nothing.
    fn commit(&self, rows: &[(i64, &str, &str)]) -> Reconciled {
        let engine = Engine::new(rules(), EngineOptions::default());
        let mut detection = Detection::new(engine, Policies::default(), InstallationKey::new([1; 32]));
        detection.observe(&batch(rows));
        let reconciled = detection
            .settle(&self.store, &Closing::everything())
            .expect("reads");
        self.keep(&reconciled);
        reconciled
    }

    fn keep(&self, reconciled: &Reconciled) {
        let unit = CommitUnit {
            findings: reconciled.changes.clone(),
            ..CommitUnit::default()
        };
        self.store.commit(unit).expect("commits");
    }

    /// Client, sum and window of the sums that stand.
    fn sums(&self) -> Vec<(String, String, i64, i64)> {
        let filter = FindingFilter {
            rule_id: Some(risk::RULE_ID.into()),
            states: vec![FindingState::Active],
            limit: 100,
            ..FindingFilter::default()
        };
        let found = self.store.findings(&filter).expect("reads");
        let minute = |at: Micros| (at.0 - START) / MINUTE_US;
        let mut sums: Vec<_> = found
            .into_iter()
            .map(|stored| stored.finding)
            .map(|f| {
                let (start, end) = (minute(f.window.start), minute(f.window.end));
                (f.entity.value, f.facts[0].1.clone(), start, end)
            })
            .collect();
        sums.sort();
        sums
    }
}

const ALL: [(i64, &str, &str); 4] = [
    (0, "192.0.2.7", "/one"),
    (200, "192.0.2.7", "/two"),
    (300, "192.0.2.8", "/two"),
    (900, "192.0.2.7", "/three"),
];

#[test]
fn restarts_and_order_lead_to_the_same_sum() {
    let expected = [("192.0.2.7".to_owned(), "90 of 80 in 24 h".to_owned(), 0, 900)];
    let whole = House::new();
    whole.commit(&ALL);
    assert_eq!(whole.sums(), expected);
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
        let house = House::new();
        for (commits, at) in order.into_iter().enumerate() {
            // The third row is about somebody else.
            let seen = order[..commits].iter().filter(|at| **at != 2).count();
            assert_eq!(house.sums().is_empty(), seen < 3, "after {commits} of {order:?}");
            house.commit(&[ALL[at]]);
        }
        assert_eq!(house.sums(), expected, "{order:?}");
        assert!(
            house.commit(&[ALL[1]]).changes.is_empty(),
            "a replay says nothing new"
        );
    }
}

#[test]
fn something_told_earlier_takes_the_sum_back() {
    let house = House::new();
    house.commit(&ALL);
    let reconciled = house.commit(&[(-60, "192.0.2.7", "/loud")]);
    assert!(house.sums().is_empty());
    assert_eq!(reconciled.withdrawn.len(), 1, "and it is known to be withdrawn");
    // Somebody else's, or a later one, does not.
    let other = House::new();
    other.commit(&ALL);
    other.commit(&[(-60, "192.0.2.8", "/loud"), (1_000, "192.0.2.7", "/loud")]);
    assert_eq!(other.sums().len(), 1);
}

#[test]
fn a_contribution_that_goes_takes_its_part_along() {
    let house = House::new();
    house.commit(&ALL);
    let filter = FindingFilter {
        rule_id: Some("two".into()),
        limit: 10,
        ..FindingFilter::default()
    };
    let found = house.store.findings(&filter).expect("reads");
    let two: Vec<Finding> = found.into_iter().map(|stored| stored.finding).collect();
    let two = two
        .into_iter()
        .find(|f| f.entity.value == "192.0.2.7")
        .expect("found");
    let rules = rules();
    let settings = rules.detectors().and_then(|d| d.risk.clone()).expect("set");

    let gone = Reconciled {
        changes: vec![FindingChange::Withdrawn { id: two.id.clone() }],
        withdrawn: vec![two.clone()],
        ..Reconciled::default()
    };
    let evaluation = super::changed(&house.store, &gone, &settings, Level::High).expect("reads");
    assert!(evaluation.episodes.is_empty());
    assert_eq!(evaluation.withdrawn.len(), 1);

    let smaller = Finding {
        risk_score: 21,
        ..two.clone()
    };
    let changed = Reconciled {
        changes: vec![FindingChange::Put(smaller.clone())],
        put: vec![Changed {
            finding: smaller,
            before: Some(two),
        }],
        ..Reconciled::default()
    };
    let evaluation = super::changed(&house.store, &changed, &settings, Level::High).expect("reads");
    assert_eq!(evaluation.episodes.len(), 1);
    assert_eq!(evaluation.episodes[0].facts[0].1, "81 of 80 in 24 h");
    assert!(evaluation.withdrawn.is_empty());
}
