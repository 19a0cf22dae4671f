//! One tree walked level by level, many rows side by side.

use super::BLOCK;
use crate::forest::prune::{Pruned, Step};

const SIDE_BY_SIDE: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Place {
    threshold: f64,
    feature: u32,
    missing_right: bool,
    /// Left and right; a leaf leads to itself.
    next: [u32; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct Walk {
    places: Vec<Place>,
    lengths: Vec<f64>,
    edges: usize,
}

impl Walk {
    pub(crate) fn of(tree: &Pruned) -> Walk {
        let (mut places, mut lengths) = (Vec::new(), Vec::new());
        for (at, step) in tree.steps.iter().enumerate() {
            let here = at as u32;
            let (place, length) = match *step {
                Step::Leaf { length } => (
                    Place {
                        threshold: 0.0,
                        feature: 0,
                        missing_right: false,
                        next: [here, here],
                    },
                    length,
                ),
                Step::Split {
                    feature,
                    threshold,
                    missing_left,
                    right,
                } => (
                    Place {
                        threshold,
                        feature,
                        missing_right: !missing_left,
                        next: [here + 1, right],
                    },
                    0.0,
                ),
            };
            places.push(place);
            lengths.push(length);
        }
        Walk {
            edges: depth(tree, 0),
            places,
            lengths,
        }
    }

    /// Adds the path length of each row of the block; `values` by feature, then row. Eight rows walk
    /// side by side, so that their waits for memory overlap.
    pub(crate) fn add(&self, values: &[[f64; BLOCK]], rows: usize, sums: &mut [f64; BLOCK]) {
        let eights = sums.as_chunks_mut::<SIDE_BY_SIDE>().0.iter_mut().enumerate();
        for (number, sums) in eights.take(rows.div_ceil(SIDE_BY_SIDE)) {
            let first = number * SIDE_BY_SIDE;
            let mut at = [0usize; SIDE_BY_SIDE];
            for _ in 0..self.edges {
                for (side, at) in at.iter_mut().enumerate() {
                    let place = &self.places[*at];
                    let value = values[place.feature as usize][first + side];
                    let right = (value > place.threshold) | (value.is_nan() & place.missing_right);
                    *at = place.next[usize::from(right)] as usize;
                }
            }
            for (sum, at) in sums.iter_mut().zip(at) {
                *sum += self.lengths[at];
            }
        }
    }
}

fn depth(tree: &Pruned, at: usize) -> usize {
    match tree.steps[at] {
        Step::Leaf { .. } => 0,
        Step::Split { right, .. } => 1 + depth(tree, at + 1).max(depth(tree, right as usize)),
    }
}
