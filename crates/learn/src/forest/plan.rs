//! Scoring many rows: the forest as tables of bit masks.
//!
//! After the idea of QuickScorer (Lucchese et al., *QuickScorer*, SIGIR 2015): number a tree's
//! leaves from left to right; each split that a row passes on its right side rules out the leaves
//! on its left side; the first leaf that no split rules out is the row's. QuickScorer visits the
//! splits one by one. Here the splits of one tree on one feature are joined beforehand: for every
//! interval between two thresholds there is one mask, so that a row costs one look-up and one AND
//! per tree and feature, whatever its path. Nothing depends on a comparison, so nothing is
//! mispredicted.
//!
//! A value becomes the rank of its interval once a row (binary search among all thresholds of the
//! feature), then once a *group* of trees (a table look-up), small enough that a rank in the group
//! is a byte and a table has 256 masks. Trees with too many leaves or features for masks are walked.
//!
//! What is here: making the plan and running it over blocks of rows. Trees come from `prune`.

use super::grow::Tree;
use super::matrix::{Cell, Matrix};
use super::prune::{Pruned, Step, prune};

mod masks;
mod walk;

use masks::{COLUMNS_MAX, Masks, Word};
use walk::Walk;

/// Rows looked at together: their ranks and sums stay in the first-level cache.
pub(crate) const BLOCK: usize = 512;

/// Largest rank of a value in a group; above it only [`MISSING`].
const RANK_MAX: usize = 254;
const MISSING: u8 = 255;

/// See [`Section`].
const SECTION_TREES: usize = 128;

/// Bytes of masks; trees beyond are walked.
const MASK_BYTES_MAX: usize = 64 << 20;

#[derive(Clone, Debug)]
enum Part {
    Narrow(Masks<u64>),
    Wide(Masks<u128>),
    Walk(Walk),
}

/// Trees that share the ranks of a byte.
#[derive(Clone, Debug)]
struct Group {
    /// Of the features split on: rank among the thresholds of the section → rank in this group.
    ranks: Vec<(usize, Vec<u8>)>,
    parts: Vec<Part>,
}

/// Trees that share the ranks of a binary search. Not the whole forest: tables grow with the
/// number of trees times the number of thresholds.
#[derive(Clone, Debug)]
struct Section {
    /// All thresholds of each feature.
    cuts: Vec<Cuts>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    columns: usize,
    sections: Vec<Section>,
}

/// Sorted thresholds, filled up with infinity to a power of two.
#[derive(Clone, Debug)]
struct Cuts {
    padded: Vec<f64>,
    length: usize,
}

impl Cuts {
    /// Of ascending thresholds without repeats.
    fn of(values: Vec<f64>) -> Cuts {
        let length = values.len();
        let mut padded = values;
        padded.resize((length + 1).next_power_of_two(), f64::INFINITY);
        Cuts { padded, length }
    }

    fn values(&self) -> &[f64] {
        &self.padded[..self.length]
    }

    /// For each value the number of thresholds below it; of a missing one, that of all and one more.
    fn rank(&self, values: &[f64; BLOCK], rows: usize, ranks: &mut [u32; BLOCK]) {
        let missing = self.length as u32 + 1;
        let eights = ranks
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip(values.as_chunks::<8>().0);
        for (ranks, values) in eights.take(rows.div_ceil(8)) {
            let mut found = [0usize; 8];
            let mut step = self.padded.len() / 2;
            while step > 0 {
                for (found, value) in found.iter_mut().zip(values) {
                    let below = self.padded[*found + step - 1] < *value;
                    *found = std::hint::select_unpredictable(below, *found + step, *found);
                }
                step /= 2;
            }
            *ranks = found.map(|rank| rank as u32);
        }
        for (rank, value) in ranks.iter_mut().zip(values).take(rows) {
            *rank = if value.is_nan() { missing } else { *rank };
        }
    }
}

/// What one block needs while it is scored.
struct Scratch {
    /// By feature, then row.
    values: Vec<[f64; BLOCK]>,
    all: Vec<[u32; BLOCK]>,
    /// By row, then feature.
    group: Vec<u8>,
    sums: [f64; BLOCK],
}

impl Plan {
    pub(crate) fn of(trees: &[Tree], columns: usize) -> Plan {
        let pruned: Vec<Pruned> = trees.iter().map(prune).collect();
        let chosen: Vec<(&Pruned, bool)> = pruned.iter().zip(choose(&pruned, columns)).collect();
        let sections = chosen.chunks(SECTION_TREES);
        Plan {
            columns,
            sections: sections.map(|trees| Section::of(trees, columns)).collect(),
        }
    }

    /// The sum of the path lengths of each row, the trees in their order.
    ///
    /// # Panics
    /// When the columns are not the forest's; `sums` has as many places as `data` rows.
    pub(crate) fn lengths<T: Cell>(&self, data: Matrix<'_, T>, sums: &mut [f64]) {
        let mut scratch = Scratch {
            values: vec![[0.0; BLOCK]; self.columns],
            all: vec![[0; BLOCK]; self.columns],
            group: vec![0; BLOCK * self.columns],
            sums: [0.0; BLOCK],
        };
        for (block, sums) in sums.chunks_mut(BLOCK).enumerate() {
            let rows = data.slice(block * BLOCK, block * BLOCK + sums.len());
            for (feature, values) in scratch.values.iter_mut().enumerate() {
                for (value, row) in values.iter_mut().zip(rows.cells().chunks_exact(self.columns)) {
                    *value = row[feature].value();
                }
            }
            scratch.sums.fill(0.0);
            for section in &self.sections {
                section.add(sums.len(), &mut scratch);
            }
            sums.copy_from_slice(&scratch.sums[..sums.len()]);
        }
    }
}

/// The thresholds of the trees that become masks, by feature, ascending, without repeats.
fn thresholds(trees: &[(&Pruned, bool)], columns: usize) -> Vec<Vec<f64>> {
    let mut thresholds = vec![Vec::new(); columns];
    for (tree, _) in trees.iter().filter(|(_, masked)| *masked) {
        tree.each_split(|feature, threshold| thresholds[feature].push(threshold));
    }
    for cuts in &mut thresholds {
        cuts.sort_unstable_by(f64::total_cmp);
        cuts.dedup();
    }
    thresholds
}

impl Section {
    fn of(trees: &[(&Pruned, bool)], columns: usize) -> Section {
        let cuts: Vec<Cuts> = thresholds(trees, columns).into_iter().map(Cuts::of).collect();
        let mut groups = Vec::new();
        let mut used = vec![0usize; columns];
        let mut first = 0;
        for (number, (tree, masked)) in trees.iter().enumerate() {
            let mut fits = true;
            if *masked {
                tree.each_split(|feature, _| {
                    used[feature] += 1;
                    fits &= used[feature] <= RANK_MAX;
                });
            }
            if !fits {
                groups.push(Group::of(&trees[first..number], &cuts));
                first = number;
                used.fill(0);
                tree.each_split(|feature, _| used[feature] += 1);
            }
        }
        groups.push(Group::of(&trees[first..], &cuts));
        Section { cuts, groups }
    }

    fn add(&self, rows: usize, scratch: &mut Scratch) {
        for (feature, cuts) in self.cuts.iter().enumerate().filter(|(_, cuts)| cuts.length > 0) {
            cuts.rank(&scratch.values[feature], rows, &mut scratch.all[feature]);
        }
        for group in &self.groups {
            group.add(rows, scratch);
        }
    }
}

/// Which trees become masks.
fn choose(trees: &[Pruned], columns: usize) -> Vec<bool> {
    let mut bytes = 0;
    let fits = |tree: &Pruned| {
        let width = if tree.leaves <= u64::LEAVES { 8 } else { 16 };
        let more = columns * 256 * width;
        let fits = columns <= COLUMNS_MAX && tree.leaves <= u128::LEAVES && bytes + more <= MASK_BYTES_MAX;
        bytes += if fits { more } else { 0 };
        fits
    };
    trees.iter().map(fits).collect()
}

impl Pruned {
    pub(crate) fn each_split(&self, mut each: impl FnMut(usize, f64)) {
        for step in &self.steps {
            if let Step::Split {
                feature, threshold, ..
            } = step
            {
                each(*feature as usize, *threshold);
            }
        }
    }
}

impl Group {
    fn of(trees: &[(&Pruned, bool)], all: &[Cuts]) -> Group {
        let thresholds = thresholds(trees, all.len());
        let tables = thresholds.iter().zip(all).map(|(cuts, all)| narrow(cuts, all));
        let ranks = tables.enumerate().filter(|(_, table)| !table.is_empty());
        let part = |(tree, masked): &(&Pruned, bool)| match (masked, tree.leaves <= u64::LEAVES) {
            (false, _) => Part::Walk(Walk::of(tree)),
            (true, true) => Part::Narrow(Masks::of(tree, &thresholds)),
            (true, false) => Part::Wide(Masks::of(tree, &thresholds)),
        };
        Group {
            ranks: ranks.collect(),
            parts: trees.iter().map(part).collect(),
        }
    }

    fn add(&self, rows: usize, scratch: &mut Scratch) {
        for (feature, table) in &self.ranks {
            let all = scratch.all[*feature].iter().take(rows);
            for (ranks, all) in scratch.group.chunks_exact_mut(scratch.all.len()).zip(all) {
                ranks[*feature] = table[*all as usize];
            }
        }
        for part in &self.parts {
            match part {
                Part::Narrow(masks) => masks.add(&scratch.group, &mut scratch.sums),
                Part::Wide(masks) => masks.add(&scratch.group, &mut scratch.sums),
                Part::Walk(walk) => walk.add(&scratch.values, rows, &mut scratch.sums),
            }
        }
    }
}

/// The table from ranks among all thresholds to ranks among these; empty when there are none.
fn narrow(cuts: &[f64], all: &Cuts) -> Vec<u8> {
    if cuts.is_empty() {
        return Vec::new();
    }
    let mut table = Vec::with_capacity(all.length + 2);
    let mut rank = 0u8;
    table.push(0);
    for cut in all.values() {
        // A value above `cut` is above as many of these as there are up to `cut`.
        if cuts.get(rank as usize) == Some(cut) {
            rank += 1;
        }
        table.push(rank);
    }
    table.push(MISSING);
    table
}
