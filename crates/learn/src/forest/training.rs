//! What a model remembers of the rows it was trained on.

use super::draws::Draws;
use super::matrix::{Cell, Matrix};
use haetae_event::Micros;
use haetae_event::identity::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Rows that quantiles are taken from; all when there are fewer.
const ROWS_FOR_QUANTILES: usize = 8_192;
/// Rows that a threshold by contamination is taken from; all when there are fewer.
pub(crate) const ROWS_FOR_THRESHOLD: usize = 65_536;

/// Streams of the seed beyond those of the trees.
const QUANTILE_STREAM: u64 = 1 << 40;
const THRESHOLD_STREAM: u64 = QUANTILE_STREAM + 1;

/// The quantiles kept of each feature.
pub const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// One feature of the training rows. Without a value that is there, all numbers are 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureSummary {
    pub min: f64,
    pub max: f64,
    /// At [`QUANTILES`], of a sample of 8,192 rows drawn by the seed: values that occurred.
    pub quantiles: [f64; 7],
    pub missing: u64,
}

/// The training rows in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    pub rows: u64,
    pub trained_at: Micros,
    /// Length of the windows that were the rows, µs; 0: they were no windows.
    pub window_us: i64,
    /// sha256 over shape and cells of the training matrix, in hexadecimal: two models with the
    /// same fingerprint saw the same rows in the same order.
    pub fingerprint: String,
    /// In the order of the columns.
    pub features: Vec<FeatureSummary>,
}

impl Training {
    pub(crate) fn of<T: Cell>(data: Matrix<'_, T>, seed: u64, trained_at: Micros) -> Training {
        let mut features = spans(data);
        let rows = drawn(seed, QUANTILE_STREAM, data.rows(), ROWS_FOR_QUANTILES);
        for (column, feature) in features.iter_mut().enumerate() {
            let values = rows.iter().map(|row| data.row(*row)[column].value());
            feature.quantiles = quantiles(values.filter(|value| !value.is_nan()).collect());
        }
        Training {
            rows: data.rows() as u64,
            trained_at,
            window_us: 0,
            fingerprint: fingerprint(data),
            features,
        }
    }
}

pub(crate) fn rows_of(seed: u64, rows: usize, most: usize) -> Vec<usize> {
    drawn(seed, THRESHOLD_STREAM, rows, most)
}

fn drawn(seed: u64, stream: u64, rows: usize, most: usize) -> Vec<usize> {
    let mut drawn = Draws::new(seed, stream).sample(rows, most);
    drawn.sort_unstable();
    drawn
}

fn spans<T: Cell>(data: Matrix<'_, T>) -> Vec<FeatureSummary> {
    let columns = data.columns();
    let mut low = vec![f64::INFINITY; columns];
    let mut high = vec![f64::NEG_INFINITY; columns];
    let mut missing = vec![0u64; columns];
    for row in data.cells().chunks_exact(columns) {
        for (column, cell) in row.iter().enumerate() {
            let value = cell.value();
            low[column] = low[column].min(value);
            high[column] = high[column].max(value);
            missing[column] += u64::from(value.is_nan());
        }
    }
    let summary = |column: usize| {
        let seen = low[column] <= high[column];
        FeatureSummary {
            min: if seen {
                super::matrix::finite(low[column])
            } else {
                0.0
            },
            max: if seen {
                super::matrix::finite(high[column])
            } else {
                0.0
            },
            quantiles: [0.0; 7],
            missing: missing[column],
        }
    };
    (0..columns).map(summary).collect()
}

/// The value at each of [`QUANTILES`], by nearest rank.
fn quantiles(mut values: Vec<f64>) -> [f64; 7] {
    values.sort_unstable_by(f64::total_cmp);
    QUANTILES.map(|share| {
        let rank = (share * values.len() as f64).ceil() as usize;
        let value = values.get(rank.saturating_sub(1)).copied();
        value.map_or(0.0, super::matrix::finite)
    })
}

fn fingerprint<T: Cell>(data: Matrix<'_, T>) -> String {
    let mut hash = Sha256::new();
    hash.update(b"haetae-matrix-v1\0");
    hash.update((data.rows() as u64).to_le_bytes());
    hash.update((data.columns() as u64).to_le_bytes());
    let mut bytes = Vec::with_capacity(8 * 1_024);
    for part in data.cells().chunks(1_024) {
        bytes.clear();
        for cell in part {
            // One bit pattern for every NaN, one for both zeros.
            let value = cell.value();
            let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
            bytes.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        hash.update(&bytes);
    }
    hex(&hash.finalize())
}
