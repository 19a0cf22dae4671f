//! From windows to a model in use: sample, candidate, shadow, decision.

use haetae_event::time::{DAY_US, MINUTE_US};
use haetae_event::{Micros, TenantId};
use haetae_learn::features::{COUNT, WindowKey, WindowRow, names};
use haetae_learn::promote::{Decision, Limits, Quality, QualityError, Reason, decide};
use haetae_learn::reservoir::{RetrainError, WindowSample};
use haetae_learn::shadow::{Shadow, ShadowReport};
use haetae_learn::table::Table;
use haetae_learn::{Forest, Params};
use proptest::prelude::*;

/// As many as 0 to 60, mostly around 30.
fn dice(number: u32, which: u32) -> f64 {
    let mut state = number.wrapping_mul(0x9E37_79B9) ^ which.wrapping_mul(0x85EB_CA6B);
    let mut roll = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % 11
    };
    f64::from((0..6).map(|_| roll()).sum::<u32>())
}

fn window(number: u32) -> WindowRow {
    let mut values: [f64; COUNT] = std::array::from_fn(|at| dice(number + 1, at as u32 + 1));
    if number.is_multiple_of(5) {
        values[2] = f64::NAN;
    }
    WindowRow {
        key: WindowKey {
            tenant: TenantId::default(),
            client: format!("198.51.100.{}", number % 200),
            start: Micros(i64::from(number / 200) * MINUTE_US),
        },
        values,
    }
}

/// A window no model should like: far more of everything.
fn odd(number: u32) -> WindowRow {
    let mut row = window(number);
    row.key.client = format!("203.0.113.{}", number % 250);
    row.values = row.values.map(|value| value + 200.0);
    row
}

fn sample(numbers: impl IntoIterator<Item = u32>) -> WindowSample {
    let mut sample = WindowSample::new(300, 9);
    numbers.into_iter().for_each(|n| sample.offer(&window(n)));
    sample
}

fn forest(seed: u64, threshold: f64) -> Forest {
    let params = Params {
        seed,
        ..Params::default()
    };
    let mut forest = sample(0..2_000)
        .retrain(params, 256, Micros(3))
        .expect("made for this test");
    forest.set_threshold(threshold);
    forest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Any order, repeats, and any cut into parts: the same sample, the same forest.
    #[test]
    fn a_replay_learns_the_same(order in Just((0..900u32).collect::<Vec<_>>()).prop_shuffle(), again in prop::collection::vec(0..900u32, 0..200), cut in 1usize..800) {
        let whole = sample(0..900);
        let replayed = sample(order.iter().copied().chain(again));
        prop_assert!(whole.rows().eq(replayed.rows()) || whole.rows().zip(replayed.rows()).all(|(a, b)| a.key == b.key));
        let mut parts = sample(order[..cut].iter().copied());
        parts.merge(&sample(order[cut..].iter().copied()));
        prop_assert_eq!(parts.offered(), 900);
        let fit = |sample: &WindowSample| sample.retrain(Params { trees: 5, ..Params::default() }, 1, Micros(0)).unwrap().to_bytes();
        prop_assert_eq!(fit(&whole), fit(&replayed));
        prop_assert_eq!(fit(&whole), fit(&parts));
    }
}

#[test]
fn the_sample_is_bounded_and_fair() {
    let sample = sample(0..20_000);
    assert_eq!(sample.len(), 300);
    let first_half = sample
        .rows()
        .filter(|row| row.key.start < Micros(50 * MINUTE_US))
        .count();
    // 150 expected, standard deviation 9.
    assert!((110..190).contains(&first_half), "{first_half}");
}

#[test]
fn of_a_window_the_fuller_row_stays() {
    let (mut early, mut full) = (window(3), window(3));
    early.values[0] = 2.0;
    full.values[0] = 40.0;
    for pair in [[&early, &full], [&full, &early]] {
        let mut sample = WindowSample::new(10, 1);
        pair.iter().for_each(|row| sample.offer(row));
        assert_eq!(sample.rows().map(|row| row.values[0]).collect::<Vec<_>>(), [40.0]);
    }
}

#[test]
fn old_windows_are_forgotten() {
    let mut sample = WindowSample::new(10_000, 1);
    (0..1_000).for_each(|n| sample.offer(&window(n)));
    sample.forget_before(Micros(3 * MINUTE_US));
    assert_eq!(sample.len(), 400);
    sample.offer(&window(0));
    assert_eq!(sample.len(), 400);
    let few = sample.retrain(Params::default(), 401, Micros(0));
    assert_eq!(
        few.map(|_| ()),
        Err(RetrainError::TooFew {
            rows: 400,
            least: 401
        })
    );
    assert!(WindowSample::new(10, 1).is_empty());
}

fn shadowed(current: Option<&Forest>, candidate: &Forest, rows: &[WindowRow]) -> ShadowReport {
    let mut shadow = Shadow::new(&names(), MINUTE_US, current, candidate).expect("made for this test");
    rows.iter().for_each(|row| shadow.observe(&row.key, &row.values));
    shadow.report().clone()
}

/// Eight days, fifty ordinary windows a day and one odd one.
fn week() -> Vec<WindowRow> {
    let mut rows = Vec::new();
    for day in 0..8u32 {
        for n in 0..51 {
            let mut row = if n == 50 { odd(day) } else { window(day * 50 + n) };
            row.key.start = Micros(i64::from(day) * DAY_US + i64::from(n) * MINUTE_US);
            rows.push(row);
        }
    }
    rows
}

#[test]
fn a_shadow_counts_and_shows_where_they_differ() {
    let (current, candidate) = (forest(1, 0.6), forest(2, 0.6));
    let mut rows = week();
    let report = shadowed(Some(&current), &candidate, &rows);
    assert_eq!(report.windows, 408);
    assert_eq!(report.candidate.histogram.iter().sum::<u64>(), 408);
    let side = report.current.as_ref().unwrap();
    assert_eq!(side.histogram.iter().sum::<u64>(), 408);
    assert_eq!((report.candidate.above, side.above, report.both_above), (8, 8, 8));
    assert_eq!(report.candidate.alerts(), 8.0);
    assert_eq!(report.disagreements.len(), 20);
    let apart: Vec<f64> = report
        .disagreements
        .iter()
        .map(|d| (d.current - d.candidate).abs())
        .collect();
    assert!(apart.is_sorted_by(|a, b| a >= b) && apart[19] > 0.0);
    assert!((report.span_days() - (7.0 + 51.0 / 1_440.0)).abs() < 1e-9);
    // The order of the windows changes nothing.
    rows.reverse();
    assert_eq!(shadowed(Some(&current), &candidate, &rows), report);
    assert!(serde_json::to_string(&report).unwrap().contains("disagreements"));
    let others = ["req_count".to_owned()];
    assert!(Shadow::new(&others, MINUTE_US, None, &candidate).is_err());
}

/// Windows 0 to 399 normal, ten odd ones.
fn labelled() -> Table {
    let rows: Vec<WindowRow> = (0..400).map(window).chain((0..10).map(odd)).collect();
    Table {
        features: names(),
        cells: rows.iter().flat_map(|row| row.values).collect(),
        labels: (0..410).map(|n| n >= 400).collect(),
    }
}

fn limits() -> Limits {
    Limits {
        alerts_per_day_max: 2.0,
        ..Limits::default()
    }
}

#[test]
fn a_good_candidate_is_promoted() {
    let (current, candidate) = (forest(1, 0.6), forest(2, 0.6));
    let quality = [&current, &candidate].map(|f| Quality::of(f, &labelled()).unwrap());
    assert!(quality[1].auroc > 0.99 && quality[1].recall == 1.0, "{quality:?}");
    assert_eq!((quality[1].rows, quality[1].anomalies), (410, 10));
    let report = shadowed(Some(&current), &candidate, &week());
    let decision = decide(Some(&quality[0]), Some(&quality[1]), &report, &limits());
    assert_eq!(decision, Decision::Promote);
    let first = shadowed(None, &candidate, &week());
    assert_eq!(
        decide(None, Some(&quality[1]), &first, &limits()),
        Decision::Promote
    );
}

fn reasons(decision: Decision) -> Vec<Reason> {
    match decision {
        Decision::Promote => panic!("promoted"),
        Decision::Keep(reasons) => reasons,
    }
}

#[test]
fn everything_against_a_candidate_is_named() {
    let (current, blind, noisy) = (forest(1, 0.6), forest(2, 0.99), forest(2, 0.3));
    let good = Quality::of(&current, &labelled()).unwrap();
    let decide_on = |candidate: &Forest, rows: &[WindowRow]| {
        let quality = Quality::of(candidate, &labelled()).unwrap();
        let report = shadowed(Some(&current), candidate, rows);
        decide(Some(&good), Some(&quality), &report, &limits())
    };
    assert!(matches!(
        reasons(decide_on(&blind, &week()))[..],
        [Reason::RecallWorse { .. }]
    ));
    assert!(
        matches!(reasons(decide_on(&noisy, &week()))[..], [Reason::OverBudget { alerts_per_day, .. }] if alerts_per_day > 40.0)
    );
    let day = &week()[..102];
    assert!(matches!(
        reasons(decide_on(&forest(2, 0.6), day))[..],
        [Reason::ShadowTooShort { .. }]
    ));
    let unmeasured = decide(Some(&good), None, &shadowed(None, &blind, &[]), &limits());
    assert!(matches!(
        reasons(unmeasured)[..],
        [Reason::NotMeasured, Reason::ShadowTooShort { .. }]
    ));
    let poor = Quality {
        auroc: 0.6,
        ..good.clone()
    };
    let report = shadowed(Some(&current), &forest(2, 0.6), &week());
    let against = reasons(decide(Some(&good), Some(&poor), &report, &limits()));
    assert!(matches!(
        against[..],
        [Reason::AurocLow { .. }, Reason::AurocWorse { .. }]
    ));
    assert!(against.iter().all(|reason| reason.to_string().len() > 10));
    let no_limit = Limits {
        alerts_per_day_max: f64::NAN,
        ..limits()
    };
    assert!(matches!(
        decide(None, Some(&good), &report, &no_limit),
        Decision::Keep(_)
    ));
}

#[test]
fn sets_that_cannot_measure() {
    let forest = forest(1, 0.6);
    let mut table = labelled();
    table.labels.fill(false);
    assert_eq!(Quality::of(&forest, &table), Err(QualityError::OneLabel));
    table.features[0] = "other".to_owned();
    assert!(matches!(
        Quality::of(&forest, &table),
        Err(QualityError::Names { column: 0, .. })
    ));
    table.features.pop();
    assert!(matches!(
        Quality::of(&forest, &table),
        Err(QualityError::Columns(_))
    ));
}
