//! Why a row has its score.
//!
//! Each split on a row's way moves the path length that is to be expected: from the mean over the
//! training rows of the node to the mean over those of the child. The move is written to the
//! split's feature (the decomposition along a path of Saabas, *Interpreting random forests*, 2014,
//! with path lengths in the place of predictions). A feature that cut a row off early has moved it
//! far.

use super::grow::{Node, Tree};
use super::length::{average_path_length, score};
use super::matrix::{Cell, finite};
use super::{Forest, WrongColumns};
use serde::Serialize;

/// What one feature did to a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// Column of the feature.
    pub column: usize,
    pub feature: String,
    /// The row's value; `None`: missing.
    pub value: Option<f64>,
    /// Doublings of the score: above 0 more unusual, below 0 more usual.
    pub doublings: f64,
    /// 1st and 99th percentile of the training rows.
    pub normal: (f64, f64),
    /// Least and greatest value of the training rows.
    pub seen: (f64, f64),
}

/// A score and where it comes from: `log2(score) = log2(base) + Σ doublings`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    pub score: f64,
    /// The score of a row that took the mean path of the training rows in every tree.
    pub base: f64,
    /// Every feature, the one that made the row most unusual first; by column where equal.
    pub contributions: Vec<Contribution>,
}

/// For each node the mean path length of the training rows in it.
fn expected(tree: &Tree) -> Vec<f64> {
    let mut edges = vec![0usize; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate() {
        if let Node::Split { right, .. } = node {
            edges[at + 1] = edges[at] + 1;
            edges[*right as usize] = edges[at] + 1;
        }
    }
    let mut expected = vec![0.0; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        expected[at] = match node {
            Node::Leaf { rows } => edges[at] as f64 + average_path_length(*rows as usize),
            Node::Split { right, rows, .. } => {
                let side = |child: usize| expected[child] * f64::from(tree.nodes[child].rows());
                (side(at + 1) + side(*right as usize)) / f64::from(*rows).max(1.0)
            }
        };
    }
    expected
}

/// The mean path lengths of all nodes of a forest, computed once for many explanations: as large as
/// a third of the forest.
#[derive(Clone, Debug)]
pub struct Explainer {
    expected: Vec<Vec<f64>>,
}

impl Forest {
    /// What explanations of this forest need.
    pub fn explainer(&self) -> Explainer {
        Explainer {
            expected: self.trees.iter().map(expected).collect(),
        }
    }

    /// Why this row has its score: features sorted by what they added. Costs a walk over every node
    /// of the forest; see [`Forest::explain_with`] for many rows.
    ///
    /// # Errors
    /// When the columns are not those of the training rows.
    pub fn explain<T: Cell>(&self, row: &[T]) -> Result<Explanation, WrongColumns> {
        self.explain_with(&self.explainer(), row)
    }

    /// As [`Forest::explain`], at the cost of scoring one row.
    ///
    /// # Errors
    /// See [`Forest::explain`].
    ///
    /// # Panics
    /// When the explainer is that of another forest.
    pub fn explain_with<T: Cell>(
        &self,
        explainer: &Explainer,
        row: &[T],
    ) -> Result<Explanation, WrongColumns> {
        self.check_columns(row.len())?;
        let mut moved = vec![0.0; row.len()];
        let (mut total, mut total_base) = (0.0, 0.0);
        for (tree, expected) in self.trees.iter().zip(&explainer.expected) {
            total_base += expected[0];
            let mut at = 0;
            while let Some(next) = tree.step(at, |feature| finite(row[feature].value())) {
                if let Node::Split { feature, .. } = tree.nodes[at] {
                    moved[feature as usize] += expected[next] - expected[at];
                }
                at = next;
            }
            total += expected[at];
        }
        let (trees, normal) = (self.trees.len() as f64, average_path_length(self.sample));
        let unit = if normal > 0.0 {
            -1.0 / (trees * normal)
        } else {
            0.0
        };
        let contribution = |column: usize| {
            let value = row[column].value();
            let summary = &self.training.features[column];
            Contribution {
                column,
                feature: self.features[column].clone(),
                value: (!value.is_nan()).then_some(value),
                doublings: moved[column] * unit,
                normal: (summary.quantiles[0], summary.quantiles[6]),
                seen: (summary.min, summary.max),
            }
        };
        let mut contributions: Vec<Contribution> = (0..row.len()).map(contribution).collect();
        contributions.sort_by(|a, b| b.doublings.total_cmp(&a.doublings).then(a.column.cmp(&b.column)));
        Ok(Explanation {
            score: score(total / trees, normal),
            base: score(total_base / trees, normal),
            contributions,
        })
    }
}
