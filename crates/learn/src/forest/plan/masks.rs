//! One tree as masks of leaves.

use super::{BLOCK, MISSING};
use crate::forest::prune::{Pruned, Step};

/// A set of leaves.
pub(crate) trait Word: Copy {
    const LEAVES: usize;
    const ALL: Self;
    fn and(self, other: Self) -> Self;
    /// All but the leaves `from..to`.
    fn without(from: usize, to: usize) -> Self;
    /// The first leaf in the set, below [`Word::LEAVES`].
    fn first(self) -> usize;
}

macro_rules! word {
    ($type:ty, $leaves:literal) => {
        impl Word for $type {
            const LEAVES: usize = $leaves;
            const ALL: Self = <$type>::MAX;

            fn and(self, other: Self) -> Self {
                self & other
            }

            fn without(from: usize, to: usize) -> Self {
                let below = |n: usize| match n {
                    $leaves => <$type>::MAX,
                    n => ((1 as $type) << n) - 1,
                };
                !(below(to) & !below(from))
            }

            fn first(self) -> usize {
                self.trailing_zeros() as usize & ($leaves - 1)
            }
        }
    };
}

word!(u64, 64);
word!(u128, 128);

/// A forest on more features is walked.
pub(crate) const COLUMNS_MAX: usize = 12;

/// For each rank of a value in the group, the leaves it leaves open.
type Table<W> = [W; 256];

#[derive(Clone, Debug)]
pub(crate) struct Masks<W> {
    /// One for each feature of the forest, split on or not: their places are then known when the
    /// program is compiled, see [`Masks::add`].
    tables: Vec<Table<W>>,
    /// By leaf, filled up to [`Word::LEAVES`].
    lengths: Vec<f64>,
}

impl<W: Word> Masks<W> {
    /// `cuts`: the thresholds of each feature in the group, ascending. The tree has at most
    /// [`Word::LEAVES`] leaves.
    pub(crate) fn of(tree: &Pruned, cuts: &[Vec<f64>]) -> Masks<W> {
        let mut masks: Masks<W> = Masks {
            tables: vec![[W::ALL; 256]; cuts.len()],
            lengths: Vec::with_capacity(W::LEAVES),
        };
        masks.join(tree, 0, cuts);
        masks.lengths.resize(W::LEAVES, 0.0);
        // So far a table has at each rank the splits that this rank is the first to pass.
        for (table, cuts) in masks.tables.iter_mut().zip(cuts) {
            for rank in 1..=cuts.len() {
                table[rank] = table[rank].and(table[rank - 1]);
            }
        }
        masks
    }

    /// Numbers the leaves below `at` and enters its splits.
    fn join(&mut self, tree: &Pruned, at: usize, cuts: &[Vec<f64>]) {
        let (feature, threshold, missing_left, right) = match tree.steps[at] {
            Step::Leaf { length } => return self.lengths.push(length),
            Step::Split {
                feature,
                threshold,
                missing_left,
                right,
            } => (feature as usize, threshold, missing_left, right as usize),
        };
        let first = self.lengths.len();
        self.join(tree, at + 1, cuts);
        let closed = W::without(first, self.lengths.len());
        let passed = 1 + cuts[feature].partition_point(|cut| *cut < threshold);
        let table = &mut self.tables[feature];
        table[passed] = table[passed].and(closed);
        if !missing_left {
            let missing = MISSING as usize;
            table[missing] = table[missing].and(closed);
        }
        self.join(tree, right, cuts);
    }

    /// Adds the path length of each row. `ranks`: those of the group, row after row.
    ///
    /// Each number of features has code of its own: tables and ranks then lie at fixed distances
    /// from one address each, and a look-up is two instructions.
    pub(crate) fn add(&self, ranks: &[u8], sums: &mut [f64; BLOCK]) {
        match self.tables.len() {
            1 => self.add_of::<1>(ranks, sums),
            2 => self.add_of::<2>(ranks, sums),
            3 => self.add_of::<3>(ranks, sums),
            4 => self.add_of::<4>(ranks, sums),
            5 => self.add_of::<5>(ranks, sums),
            6 => self.add_of::<6>(ranks, sums),
            7 => self.add_of::<7>(ranks, sums),
            8 => self.add_of::<8>(ranks, sums),
            9 => self.add_of::<9>(ranks, sums),
            10 => self.add_of::<10>(ranks, sums),
            11 => self.add_of::<11>(ranks, sums),
            _ => self.add_of::<COLUMNS_MAX>(ranks, sums),
        }
    }

    fn add_of<const K: usize>(&self, ranks: &[u8], sums: &mut [f64; BLOCK]) {
        let tables: Option<&[Table<W>; K]> = self.tables.as_array();
        let tables = tables.expect("a table for each feature, and no more features than have code");
        let lengths = &self.lengths[..W::LEAVES];
        for (sum, ranks) in sums.iter_mut().zip(ranks.as_chunks::<K>().0) {
            let mut open = tables[0][ranks[0] as usize];
            for k in 1..K {
                open = open.and(tables[k][ranks[k] as usize]);
            }
            *sum += lengths[open.first()];
        }
    }
}
