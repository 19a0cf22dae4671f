//! Counts by minute: a sorted list.
//!
//! Most of what is counted by minute is there for one minute or a few, and a tree keeps room for
//! eleven from the first on: under a flood of names that is ten times the memory. Late minutes are near
//! the end of the list.

use crate::pool::allocated;
use std::ops::RangeInclusive;

/// Values by minute since the epoch.
#[derive(Clone, Debug)]
pub struct ByMinute<T>(Vec<(i64, T)>);

impl<T> Default for ByMinute<T> {
    fn default() -> ByMinute<T> {
        ByMinute(Vec::new())
    }
}

impl<T> ByMinute<T> {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a minute, made now if there is none.
    pub fn or_insert_with(&mut self, minute: i64, make: impl FnOnce() -> T) -> &mut T {
        let at = match self.0.last() {
            Some((last, _)) if *last == minute => self.0.len() - 1,
            _ => self.0.partition_point(|(known, _)| *known < minute),
        };
        if self.0.get(at).is_none_or(|(known, _)| *known != minute) {
            if self.0.is_empty() {
                self.0.reserve_exact(1);
            }
            self.0.insert(at, (minute, make()));
        }
        &mut self.0[at].1
    }

    /// Minutes and values, in order.
    pub fn range(&self, minutes: RangeInclusive<i64>) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        let from = self.0.partition_point(|(known, _)| known < minutes.start());
        let to = self.0.partition_point(|(known, _)| known <= minutes.end());
        self.0[from..to.max(from)]
            .iter()
            .map(|(minute, value)| (*minute, value))
    }

    pub fn minutes(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.0.iter().map(|(minute, _)| *minute)
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn last(&self) -> Option<i64> {
        self.0.last().map(|(minute, _)| *minute)
    }

    /// Takes out the minutes before `minute`.
    pub fn forget(&mut self, minute: i64) -> impl ExactSizeIterator<Item = T> {
        let gone = self.0.partition_point(|(known, _)| *known < minute);
        self.0.drain(..gone).map(|(_, value)| value)
    }

    /// Memory of the list, bytes; not what values hold elsewhere.
    pub fn bytes(&self) -> usize {
        allocated(self.0.capacity() * size_of::<(i64, T)>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((-20i64..20, any::<bool>()), 0..60), ends in (-25i64..25, -25i64..25)) {
            let (mut list, mut tree) = (ByMinute::default(), BTreeMap::new());
            for (minute, add) in steps {
                if add {
                    *list.or_insert_with(minute, || 0) += 1;
                    *tree.entry(minute).or_insert(0) += 1;
                } else {
                    let keep = tree.split_off(&minute);
                    let gone: Vec<i32> = std::mem::replace(&mut tree, keep).into_values().collect();
                    prop_assert_eq!(list.forget(minute).collect::<Vec<_>>(), gone);
                }
                prop_assert_eq!(list.last(), tree.keys().next_back().copied());
                prop_assert!(list.minutes().eq(tree.keys().copied()));
                prop_assert!(list.values().eq(tree.values()));
                let within: Vec<(i64, &i32)> = list.range(ends.0..=ends.1).collect();
                let expected = tree.iter().filter(|(minute, _)| (ends.0..=ends.1).contains(*minute));
                prop_assert_eq!(within, expected.map(|(minute, value)| (*minute, value)).collect::<Vec<_>>());
                prop_assert_eq!((list.len(), list.is_empty()), (tree.len(), tree.is_empty()));
            }
        }
    }
}
