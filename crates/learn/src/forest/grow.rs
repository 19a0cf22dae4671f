//! Growing one tree.

use super::draws::Draws;
use super::matrix::{Cell, Matrix, finite};

/// A node of a tree. The left child of a split is the node after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Node {
    Leaf {
        /// Training rows that ended here.
        rows: u32,
    },
    Split {
        feature: u32,
        /// Values up to this one go left.
        threshold: f64,
        /// Where a missing value goes: the way of the greater part of the rows that had one.
        missing_left: bool,
        right: u32,
        rows: u32,
    },
}

impl Node {
    pub(crate) fn rows(&self) -> u32 {
        match self {
            Node::Leaf { rows } | Node::Split { rows, .. } => *rows,
        }
    }
}

/// Nodes in preorder; never empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

impl Tree {
    /// Index of the next node for a row at `at`, or `None` at a leaf.
    pub(crate) fn step(&self, at: usize, value: impl Fn(usize) -> f64) -> Option<usize> {
        match self.nodes[at] {
            Node::Leaf { .. } => None,
            Node::Split {
                feature,
                threshold,
                missing_left,
                right,
                ..
            } => {
                let value = value(feature as usize);
                let left = if value.is_nan() {
                    missing_left
                } else {
                    value <= threshold
                };
                Some(if left { at + 1 } else { right as usize })
            }
        }
    }
}

/// A sample of the training rows, feature after feature, and the tree that grows over it.
struct Grower<'d> {
    draws: &'d mut Draws,
    /// `values[feature * rows + place]`, already finite or NaN.
    values: Vec<f64>,
    rows: usize,
    /// Places of the sample, reordered so that each node's are together.
    places: Vec<u32>,
    /// All features that may be split on; the first so many of a node are not yet known constant.
    features: Vec<u32>,
    depth_max: usize,
    nodes: Vec<Node>,
    /// Room for the right part while a node's places are divided.
    spare: Vec<u32>,
}

/// Grows a tree over the rows `sample` of `data`, on `features` only, to at most `depth_max` edges.
pub(crate) fn grow<T: Cell>(
    data: Matrix<'_, T>,
    sample: &[usize],
    features: Vec<u32>,
    depth_max: usize,
    draws: &mut Draws,
) -> Tree {
    let rows = sample.len();
    let mut values = vec![0.0; rows * data.columns()];
    for (place, row) in sample.iter().enumerate() {
        for (feature, cell) in data.row(*row).iter().enumerate() {
            values[feature * rows + place] = finite(cell.value());
        }
    }
    let usable = features.len();
    let mut grower = Grower {
        draws,
        values,
        rows,
        places: (0..rows as u32).collect(),
        features,
        depth_max,
        nodes: Vec::with_capacity(rows),
        spare: Vec::with_capacity(rows),
    };
    grower.node(0, rows, 0, usable);
    Tree { nodes: grower.nodes }
}

impl Grower<'_> {
    /// Grows the node of the places `from..to`, its left part, its right part. The recursion is as
    /// deep as the tree.
    fn node(&mut self, from: usize, to: usize, depth: usize, mut usable: usize) {
        let rows = (to - from) as u32;
        let drawn = if rows > 1 && depth < self.depth_max {
            self.draw_feature(from, to, &mut usable)
        } else {
            None
        };
        let Some((feature, low, high)) = drawn else {
            self.nodes.push(Node::Leaf { rows });
            return;
        };
        let threshold = self.draw_threshold(low, high);
        let (middle, missing_left) = self.divide(from, to, feature, threshold);
        let at = self.nodes.len();
        let split = |right| Node::Split {
            feature,
            threshold,
            missing_left,
            right,
            rows,
        };
        self.nodes.push(split(0));
        self.node(from, middle, depth + 1, usable);
        self.nodes[at] = split(self.nodes.len() as u32);
        self.node(middle, to, depth + 1, usable);
    }

    /// A feature with two different values here, each such with the same chance, and its range.
    /// What is found constant stays constant below: it leaves the first `usable`.
    fn draw_feature(&mut self, from: usize, to: usize, usable: &mut usize) -> Option<(u32, f64, f64)> {
        while *usable > 0 {
            let place = self.draws.below(*usable);
            let feature = self.features[place];
            let column = &self.values[feature as usize * self.rows..][..self.rows];
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for place in &self.places[from..to] {
                // min and max pass over NaN.
                let value = column[*place as usize];
                (low, high) = (low.min(value), high.max(value));
            }
            if low < high {
                return Some((feature, low, high));
            }
            *usable -= 1;
            self.features.swap(place, *usable);
        }
        None
    }

    /// Uniform in [low, high): both sides get a row.
    fn draw_threshold(&mut self, low: f64, high: f64) -> f64 {
        let part = self.draws.unit();
        let threshold = low * (1.0 - part) + high * part;
        if threshold >= low && threshold < high {
            threshold
        } else {
            low
        }
    }

    /// Puts the places that go left first, in their order. Returns where the right part starts and
    /// whether missing values went left.
    fn divide(&mut self, from: usize, to: usize, feature: u32, threshold: f64) -> (usize, bool) {
        let column = &self.values[feature as usize * self.rows..][..self.rows];
        let here = &mut self.places[from..to];
        let (mut left, mut right) = (0usize, 0usize);
        for place in here.iter() {
            let value = column[*place as usize];
            left += usize::from(value <= threshold);
            right += usize::from(value > threshold);
        }
        let missing_left = left >= right;
        self.spare.clear();
        let mut kept = 0;
        for at in 0..here.len() {
            let place = here[at];
            let value = column[place as usize];
            let goes_left = value <= threshold || (missing_left && value.is_nan());
            if goes_left {
                here[kept] = place;
                kept += 1;
            } else {
                self.spare.push(place);
            }
        }
        here[kept..].copy_from_slice(&self.spare);
        (from + kept, missing_left)
    }
}
