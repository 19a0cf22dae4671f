//! Trees as scoring needs them: leaves are path lengths, and a split whose two sides say the same
//! is no split.

use super::grow::{Node, Tree};
use super::length::average_path_length;

/// A node of a pruned tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Leaf {
        length: f64,
    },
    Split {
        feature: u32,
        threshold: f64,
        missing_left: bool,
        right: u32,
    },
}

/// In preorder, the left child behind its parent; never empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pruned {
    pub(crate) steps: Vec<Step>,
    pub(crate) leaves: usize,
}

pub(crate) fn prune(tree: &Tree) -> Pruned {
    let mut steps = Vec::with_capacity(tree.nodes.len());
    copy(tree, 0, 0, &mut steps);
    let leaves = steps.iter().filter(|s| matches!(s, Step::Leaf { .. })).count();
    Pruned { steps, leaves }
}

/// Appends the subtree at `at`; its length when all its rows have the same.
fn copy(tree: &Tree, at: usize, edges: usize, steps: &mut Vec<Step>) -> Option<f64> {
    let (feature, threshold, missing_left, old_right) = match tree.nodes[at] {
        Node::Leaf { rows } => {
            let length = edges as f64 + average_path_length(rows as usize);
            steps.push(Step::Leaf { length });
            return Some(length);
        }
        Node::Split {
            feature,
            threshold,
            missing_left,
            right,
            ..
        } => (feature, threshold, missing_left, right as usize),
    };
    let place = steps.len();
    steps.push(Step::Leaf { length: 0.0 });
    let left_length = copy(tree, at + 1, edges + 1, steps);
    let right = steps.len() as u32;
    let right_length = copy(tree, old_right, edges + 1, steps);
    match (left_length, right_length) {
        (Some(left), Some(other)) if left == other => {
            steps.truncate(place);
            steps.push(Step::Leaf { length: left });
            Some(left)
        }
        _ => {
            steps[place] = Step::Split {
                feature,
                threshold,
                missing_left,
                right,
            };
            None
        }
    }
}
