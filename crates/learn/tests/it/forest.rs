//! Fitting, scoring, explaining.

use haetae_event::Micros;
use haetae_learn::forest::FitError;
use haetae_learn::{Forest, Matrix, Params, Threshold};
use proptest::prelude::*;

fn names(columns: usize) -> Vec<String> {
    (0..columns).map(|n| format!("f{n}")).collect()
}

fn fit(cells: &[f64], columns: usize, params: Params) -> Forest {
    let data = Matrix::new(cells, columns).expect("made for this test");
    Forest::fit(data, &names(columns), params, Micros(1)).expect("made for this test")
}

/// Numbers as logs have them: few values, many, missing, infinite.
fn cell() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0..6i32).prop_map(f64::from),
        4 => -1e6..1e6f64,
        1 => Just(f64::NAN),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MAX), Just(-0.0), Just(f64::MIN_POSITIVE)],
    ]
}

fn table() -> impl Strategy<Value = (Vec<f64>, usize)> {
    (1usize..24, 1usize..300)
        .prop_flat_map(|(columns, rows)| (prop::collection::vec(cell(), columns * rows), Just(columns)))
}

fn params() -> impl Strategy<Value = Params> {
    let sample = prop_oneof![2usize..300, Just(256), Just(2_000)];
    (1usize..40, sample, any::<u64>(), 0.01..=1.0f64).prop_map(|(trees, sample, seed, max_features)| Params {
        trees,
        sample,
        seed,
        max_features,
        ..Params::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// The plan of masks and the walk over each tree say the same to the last bit, for the training
    /// rows and for others.
    #[test]
    fn fast_and_plain_scores_agree((cells, columns) in table(), params in params(), other in prop::collection::vec(cell(), 24 * 9)) {
        let forest = fit(&cells, columns, params);
        let other = &other[..other.len() / columns * columns];
        for cells in [&cells[..], other] {
            let data = Matrix::new(cells, columns).unwrap();
            let scores = forest.score(data).unwrap();
            for (row, score) in scores.iter().enumerate() {
                prop_assert_eq!(forest.score_row(data.row(row)).unwrap().to_bits(), score.to_bits());
                prop_assert!((0.0..=1.0).contains(score));
            }
            prop_assert_eq!(forest.score_on(data, 3).unwrap(), scores);
        }
    }

    #[test]
    fn threads_do_not_change_the_forest((cells, columns) in table(), params in params()) {
        let alone = fit(&cells, columns, params.clone());
        let together = fit(&cells, columns, Params { threads: 3, ..params });
        prop_assert_eq!(alone.to_bytes(), together.to_bytes());
    }

    /// `log2(score) = log2(base) + Σ doublings`.
    #[test]
    fn contributions_sum_to_the_score((cells, columns) in table(), params in params()) {
        let forest = fit(&cells, columns, params);
        let data = Matrix::new(&cells, columns).unwrap();
        for row in 0..data.rows().min(10) {
            let why = forest.explain(data.row(row)).unwrap();
            let sum: f64 = why.contributions.iter().map(|c| c.doublings).sum();
            prop_assert!((why.score.log2() - why.base.log2() - sum).abs() < 1e-9);
            prop_assert!((why.score - forest.score_row(data.row(row)).unwrap()).abs() < 1e-12);
            prop_assert!(why.contributions.is_sorted_by(|a, b| a.doublings >= b.doublings));
            prop_assert_eq!(why.contributions.len(), columns);
        }
    }

    #[test]
    fn saved_forests_come_back((cells, columns) in table(), params in params()) {
        let forest = fit(&cells, columns, params);
        let bytes = forest.to_bytes();
        let mut back = Forest::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&back, &forest);
        prop_assert_eq!(back.to_bytes(), bytes);
        back.set_threshold(0.7);
        prop_assert!(back != forest || forest.threshold() == 0.7);
    }
}

/// A cloud and one row far off in one feature.
fn cloud(outlier: f64) -> Vec<f64> {
    let mut cells: Vec<f64> = (0..600)
        .flat_map(|n| [f64::from(n % 10), f64::from(n * 7 % 31), f64::from(n * 13 % 17)])
        .collect();
    cells[4] = outlier; // row 1, feature 1
    cells
}

#[test]
fn the_odd_row_scores_highest_and_its_feature_is_named() {
    let cells = cloud(10_000.0);
    let data = Matrix::new(&cells, 3).unwrap();
    for seed in 0..10 {
        let forest = fit(
            &cells,
            3,
            Params {
                seed,
                sample: 600,
                ..Params::default()
            },
        );
        let scores = forest.score(data).unwrap();
        let top = (0..scores.len())
            .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
            .unwrap();
        assert_eq!(top, 1);
        let why = forest.explain(data.row(1)).unwrap();
        assert_eq!(why.contributions[0].column, 1);
        assert!(why.contributions[0].doublings > 0.1, "{why:?}");
        assert_eq!(why.contributions[0].value, Some(10_000.0));
        assert!(why.contributions[0].normal.1 <= 30.0);
        assert_eq!(why.contributions[0].seen, (0.0, 10_000.0));
    }
}

#[test]
fn other_seeds_make_other_forests() {
    let cells = cloud(5.0);
    let of = |seed| {
        fit(
            &cells,
            3,
            Params {
                seed,
                ..Params::default()
            },
        )
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1).to_bytes(), of(2).to_bytes());
    assert_eq!(of(1).training().fingerprint, of(2).training().fingerprint);
    let other = fit(
        &cloud(6.0),
        3,
        Params {
            seed: 1,
            ..Params::default()
        },
    );
    assert_ne!(of(1).training().fingerprint, other.training().fingerprint);
}

#[test]
fn rows_that_tell_nothing_apart() {
    for cells in [vec![7.0], vec![7.0; 500], vec![f64::NAN; 300]] {
        let forest = fit(&cells, 1, Params::default());
        let scores = forest.score(Matrix::new(&cells, 1).unwrap()).unwrap();
        assert!(scores.iter().all(|s| (*s - 0.5).abs() < 1e-12), "{scores:?}");
        // A value never seen has no split to be cut off by.
        assert!((forest.score_row(&[1e9]).unwrap() - 0.5).abs() < 1e-12);
    }
    let forest = fit(&[1.0, 2.0], 1, Params::default());
    assert!(
        forest
            .score(Matrix::<f64>::new(&[], 1).unwrap())
            .unwrap()
            .is_empty()
    );
}

/// A missing value goes with the many, so it alone does not make a row unusual.
#[test]
fn missing_goes_with_the_many() {
    let mut cells: Vec<f64> = (0..256).map(|n| f64::from(n % 16)).collect();
    cells[3] = 1e6;
    let forest = fit(&cells, 1, Params::default());
    let missing = forest.score_row(&[f64::NAN]).unwrap();
    assert!(missing < forest.score_row(&[1e6]).unwrap() - 0.2);
    assert!(
        forest.explain(&[f64::NAN]).unwrap().contributions[0]
            .value
            .is_none()
    );
}

#[test]
fn f32_rows_score_as_f64_rows() {
    let cells = cloud(77.0);
    let small: Vec<f32> = cells.iter().map(|v| *v as f32).collect();
    let forest = fit(&cells, 3, Params::default());
    let from_f32 = forest.score(Matrix::new(&small, 3).unwrap()).unwrap();
    assert_eq!(from_f32, forest.score(Matrix::new(&cells, 3).unwrap()).unwrap());
}

#[test]
fn contamination_sets_the_threshold() {
    let cells: Vec<f64> = (0..4_000).map(|n| f64::from(n * n % 7_919)).collect();
    for share in [0.01, 0.05, 0.2] {
        let forest = fit(
            &cells,
            1,
            Params {
                threshold: Threshold::Contamination(share),
                ..Params::default()
            },
        );
        let scores = forest.score(Matrix::new(&cells, 1).unwrap()).unwrap();
        let above = scores.iter().filter(|s| forest.is_anomaly(**s)).count() as f64 / 4_000.0;
        assert!(above <= share && above > share / 2.0, "{above} of {share}");
    }
}

#[test]
fn what_cannot_be_fitted_is_an_error() {
    let data = Matrix::new(&[1.0, 2.0, 3.0], 1).unwrap();
    let fit = |params| {
        Forest::fit(data, &names(1), params, Micros(0))
            .map(|_| ())
            .unwrap_err()
    };
    let base = Params::default;
    for params in [
        Params { trees: 0, ..base() },
        Params {
            trees: 1 << 20,
            ..base()
        },
        Params { sample: 1, ..base() },
        Params {
            sample: usize::MAX,
            ..base()
        },
        Params {
            max_features: 0.0,
            ..base()
        },
        Params {
            max_features: f64::NAN,
            ..base()
        },
        Params {
            threshold: Threshold::Contamination(0.7),
            ..base()
        },
        Params {
            threshold: Threshold::Above(f64::NAN),
            ..base()
        },
    ] {
        assert!(matches!(fit(params), FitError::Param { .. }));
    }
    let none = Matrix::<f64>::new(&[], 1).unwrap();
    assert_eq!(
        Forest::fit(none, &names(1), base(), Micros(0)).map(|_| ()),
        Err(FitError::NoRows)
    );
    let names_wrong = Forest::fit(data, &names(2), base(), Micros(0)).map(|_| ());
    assert!(matches!(names_wrong, Err(FitError::Names { .. })));
    assert!(Matrix::new(&[1.0, 2.0, 3.0], 2).is_err());
    assert!(Matrix::<f64>::new(&[], 0).is_err());
    let forest = Forest::fit(data, &names(1), base(), Micros(0)).unwrap();
    assert!(forest.score(Matrix::new(&[1.0, 2.0], 2).unwrap()).is_err());
    assert!(forest.score_row(&[1.0, 2.0]).is_err());
    assert!(forest.explain(&[] as &[f64]).is_err());
}
