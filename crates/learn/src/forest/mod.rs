//! The Isolation Forest.
//!
//! Liu, Ting and Zhou, *Isolation Forest*, ICDM 2008, and *Isolation-Based Anomaly Detection*, ACM
//! TKDD 6(1), 2012. Trees split a small sample at random; a row that is soon alone is unusual.
//! Score `2^(−E[h(x)] / c(ψ))`: near 1 unusual, 0.5 and below like the others. The same definition
//! as the negative of scikit-learn's `score_samples`, but for an exact `c` (see
//! [`length::average_path_length`]).
//!
//! What the papers leave open, and how it is here:
//! - a feature is drawn among those with two different values in the node;
//! - thresholds are uniform between the least and the greatest value of the node, a row goes left
//!   when its value is not above;
//! - a **missing value** (NaN) takes no part in ranges, and goes the way of the greater part of
//!   the node's rows that have one (left when equal); infinities count as the largest numbers;
//! - the same seed, parameters and rows make the same forest, on any number of threads.
//!
//! What is here: `matrix`, `draws`, `grow` (one tree), `length`, `plan` (fast scoring), `explain`,
//! `training` (what is remembered of the training rows), `file` (save and load).

mod draws;
mod explain;
mod file;
mod grow;
pub mod length;
mod matrix;
mod plan;
mod prune;
mod training;

pub use explain::{Contribution, Explainer, Explanation};
pub use file::LoadError;
pub use matrix::{BadShape, Cell, Matrix};
pub use training::{FeatureSummary, QUANTILES, Training};

use draws::Draws;
use grow::Tree;
use haetae_event::Micros;
use length::average_path_length;
use plan::Plan;
use serde::{Deserialize, Serialize};

/// More trees or longer samples than anybody needs are a mistake, and cost memory.
pub const TREES_MAX: usize = 4_096;
pub const SAMPLE_MAX: usize = 1 << 16;
pub const FEATURES_MAX: usize = 4_096;

/// Which scores are anomalies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// Scores above this one.
    Above(f64),
    /// The score that this share (0 to 0.5) of the training rows exceeds.
    Contamination(f64),
}

/// How to fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Params {
    pub trees: usize,
    /// ψ: rows drawn without replacement for each tree; all rows when there are fewer.
    pub sample: usize,
    pub seed: u64,
    /// Share of the features each tree may use, above 0 to 1; at least one feature.
    pub max_features: f64,
    pub threshold: Threshold,
    /// Threads for fitting; scoring takes its own number. 1: the caller's thread only.
    #[serde(skip, default = "one")]
    pub threads: usize,
}

fn one() -> usize {
    1
}

impl Default for Params {
    /// The papers' forest: 100 trees of 256 rows, anomalies above 0.5.
    fn default() -> Self {
        Params {
            trees: 100,
            sample: 256,
            seed: 0,
            max_features: 1.0,
            threshold: Threshold::Above(0.5),
            threads: 1,
        }
    }
}

/// Why nothing was fitted.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    #[error("no rows to learn from")]
    NoRows,
    #[error("{names} feature names for {columns} columns")]
    Names { names: usize, columns: usize },
    #[error("{what} is {value}, allowed is {allowed}")]
    Param {
        what: &'static str,
        value: f64,
        allowed: &'static str,
    },
}

/// The matrix has other columns than the training rows.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given} columns, the forest was fitted on {fitted}")]
pub struct WrongColumns {
    pub given: usize,
    pub fitted: usize,
}

/// A fitted forest.
#[derive(Clone, Debug)]
pub struct Forest {
    params: Params,
    features: Vec<String>,
    training: Training,
    /// Score above which a row is an anomaly.
    threshold: f64,
    /// Rows each tree saw.
    sample: usize,
    trees: Vec<Tree>,
    plan: Plan,
}

/// A forest is its trees and what is known of them; the plan follows from the trees.
impl PartialEq for Forest {
    fn eq(&self, other: &Self) -> bool {
        let state = |f: &Forest| (f.threshold.to_bits(), f.sample);
        self.params == other.params
            && self.features == other.features
            && self.training == other.training
            && state(self) == state(other)
            && self.trees == other.trees
    }
}

fn check<T: Cell>(data: &Matrix<'_, T>, names: usize, params: &Params) -> Result<(), FitError> {
    let param = |what, value, allowed| Err(FitError::Param { what, value, allowed });
    let share = |threshold| match threshold {
        Threshold::Contamination(share) => share > 0.0 && share <= 0.5,
        Threshold::Above(score) => (0.0..=1.0).contains(&score),
    };
    if data.rows() == 0 {
        return Err(FitError::NoRows);
    }
    if names != data.columns() {
        let columns = data.columns();
        return Err(FitError::Names { names, columns });
    }
    if data.columns() > FEATURES_MAX {
        return param("features", data.columns() as f64, "1 to 4096");
    }
    if params.trees == 0 || params.trees > TREES_MAX {
        return param("trees", params.trees as f64, "1 to 4096");
    }
    if params.sample < 2 || params.sample > SAMPLE_MAX {
        return param("sample", params.sample as f64, "2 to 65536");
    }
    if !(params.max_features > 0.0 && params.max_features <= 1.0) {
        return param("max_features", params.max_features, "above 0 to 1");
    }
    if !share(params.threshold) {
        let (Threshold::Contamination(value) | Threshold::Above(value)) = params.threshold;
        return param("threshold", value, "a share above 0 to 0.5, or a score of 0 to 1");
    }
    Ok(())
}

/// Trees never reach deeper than the mean depth of a balanced tree over the sample.
fn depth_max(sample: usize) -> usize {
    sample.max(2).next_power_of_two().trailing_zeros() as usize
}

/// The trees, grown on so many threads, in their order.
fn grow_all<T: Cell>(data: Matrix<'_, T>, params: &Params, sample: usize) -> Vec<Tree> {
    let columns = data.columns();
    let share = (params.max_features * columns as f64) as usize;
    let grow_one = |number: usize| {
        let mut draws = Draws::new(params.seed, number as u64);
        let rows = draws.sample(data.rows(), sample);
        let chosen = draws.sample(columns, share.max(1));
        let features = chosen.into_iter().map(|f| f as u32).collect();
        grow::grow(data, &rows, features, depth_max(sample), &mut draws)
    };
    let threads = params.threads.clamp(1, params.trees);
    if threads == 1 {
        return (0..params.trees).map(grow_one).collect();
    }
    let share = params.trees.div_ceil(threads);
    let grow_one = &grow_one;
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| {
                let numbers = part * share..((part + 1) * share).min(params.trees);
                scope.spawn(move || numbers.map(grow_one).collect::<Vec<_>>())
            })
            .collect();
        let grown = parts
            .into_iter()
            .map(|part| part.join().expect("growing does not panic"));
        grown.flatten().collect()
    })
}

impl Forest {
    /// Learns from all rows of `data`. `trained_at` is only remembered: the caller's clock.
    ///
    /// # Errors
    /// See [`FitError`]; nothing about the values themselves is an error.
    pub fn fit<T: Cell>(
        data: Matrix<'_, T>,
        features: &[String],
        params: Params,
        trained_at: Micros,
    ) -> Result<Forest, FitError> {
        check(&data, features.len(), &params)?;
        let sample = params.sample.min(data.rows());
        let trees = grow_all(data, &params, sample);
        let training = Training::of(data, params.seed, trained_at);
        let mut forest = Forest::of_parts(params, features.to_vec(), training, sample, trees);
        forest.threshold = match forest.params.threshold {
            Threshold::Above(score) => score,
            Threshold::Contamination(share) => forest.score_exceeded_by(data, share),
        };
        Ok(forest)
    }

    fn of_parts(
        params: Params,
        features: Vec<String>,
        training: Training,
        sample: usize,
        trees: Vec<Tree>,
    ) -> Forest {
        let plan = Plan::of(&trees, features.len());
        Forest {
            params,
            features,
            training,
            threshold: 0.5,
            sample,
            trees,
            plan,
        }
    }

    /// The score that `share` of the rows exceeds, over at most 65,536 rows drawn by the seed.
    fn score_exceeded_by<T: Cell>(&self, data: Matrix<'_, T>, share: f64) -> f64 {
        let mut scores = if data.rows() <= training::ROWS_FOR_THRESHOLD {
            self.score(data)
                .expect("the training rows have the forest's columns")
        } else {
            let rows = training::rows_of(self.params.seed, data.rows(), training::ROWS_FOR_THRESHOLD);
            let cells: Vec<T> = rows.iter().flat_map(|row| data.row(*row)).copied().collect();
            let drawn = Matrix::new(&cells, data.columns()).expect("whole rows");
            self.score(drawn)
                .expect("the training rows have the forest's columns")
        };
        scores.sort_unstable_by(f64::total_cmp);
        let above = (share * scores.len() as f64) as usize;
        scores[scores.len() - 1 - above.min(scores.len() - 1)]
    }

    /// One score a row, 0 to 1; more is more unusual.
    ///
    /// # Errors
    /// When the columns are not those of the training rows.
    pub fn score<T: Cell>(&self, data: Matrix<'_, T>) -> Result<Vec<f64>, WrongColumns> {
        self.score_on(data, 1)
    }

    /// As [`Forest::score`], on so many threads. The result is the same on any number.
    ///
    /// # Errors
    /// See [`Forest::score`].
    pub fn score_on<T: Cell>(&self, data: Matrix<'_, T>, threads: usize) -> Result<Vec<f64>, WrongColumns> {
        self.check_columns(data.columns())?;
        let mut scores = vec![0.0; data.rows()];
        let share = data.rows().div_ceil(threads.max(1)).max(1);
        if threads < 2 || data.rows() <= share {
            self.score_into(data, &mut scores);
            return Ok(scores);
        }
        std::thread::scope(|scope| {
            for (part, scores) in scores.chunks_mut(share).enumerate() {
                let rows = data.slice(part * share, part * share + scores.len());
                scope.spawn(move || self.score_into(rows, scores));
            }
        });
        Ok(scores)
    }

    fn score_into<T: Cell>(&self, data: Matrix<'_, T>, scores: &mut [f64]) {
        self.plan.lengths(data, scores);
        let (trees, normal) = (self.trees.len() as f64, average_path_length(self.sample));
        for score in scores {
            *score = length::score(*score / trees, normal);
        }
    }

    /// The score of one row, walking each tree: for a single row cheaper than [`Forest::score`],
    /// and the same to the last bit.
    ///
    /// # Errors
    /// See [`Forest::score`].
    pub fn score_row<T: Cell>(&self, row: &[T]) -> Result<f64, WrongColumns> {
        self.check_columns(row.len())?;
        let total = self
            .trees
            .iter()
            .fold(0.0, |sum, tree| sum + path_length(tree, row));
        Ok(length::score(
            total / self.trees.len() as f64,
            average_path_length(self.sample),
        ))
    }

    fn check_columns(&self, given: usize) -> Result<(), WrongColumns> {
        let fitted = self.features.len();
        if given == fitted {
            Ok(())
        } else {
            Err(WrongColumns { given, fitted })
        }
    }

    /// Score above which a row is an anomaly.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Another threshold, as `rules tune` or a person sets it. Not a number, or outside 0 to 1: kept.
    pub fn set_threshold(&mut self, score: f64) {
        if (0.0..=1.0).contains(&score) {
            self.threshold = score;
        }
    }

    /// Says that the training rows were clients' windows of this length.
    pub fn set_window_us(&mut self, window_us: i64) {
        self.training.window_us = window_us.max(0);
    }

    pub fn is_anomaly(&self, score: f64) -> bool {
        score > self.threshold
    }

    pub fn params(&self) -> &Params {
        &self.params
    }

    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// What is remembered of the training rows.
    pub fn training(&self) -> &Training {
        &self.training
    }
}

/// Edges to the leaf of this row, and what the rows that share the leaf would still need.
fn path_length<T: Cell>(tree: &Tree, row: &[T]) -> f64 {
    let (mut at, mut edges) = (0, 0usize);
    while let Some(next) = tree.step(at, |feature| matrix::finite(row[feature].value())) {
        at = next;
        edges += 1;
    }
    edges as f64 + average_path_length(tree.nodes[at].rows() as usize)
}
