//! A list that is mostly of one: the first item lies in the list itself.
//!
//! Under an attack from millions of addresses nearly every key has one event per rule. A vector
//! would spend more on its own place on the heap than on what it holds.

use std::ops::{Deref, DerefMut};

/// As large as a vector for items of up to 16 bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Few<T> {
    #[default]
    None,
    One(T),
    Many(Vec<T>),
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Few::None => &[],
            Few::One(item) => std::slice::from_ref(item),
            Few::Many(items) => items,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Few::None => &mut [],
            Few::One(item) => std::slice::from_mut(item),
            Few::Many(items) => items,
        }
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut items: Vec<T>) -> Few<T> {
        if items.len() > 1 {
            if items.capacity() / 4 > items.len() {
                items.shrink_to_fit();
            }
            return Few::Many(items);
        }
        items.pop().map_or(Few::None, Few::One)
    }
}

impl<T> Few<T> {
    pub fn push(&mut self, item: T) {
        self.insert(self.len(), item);
    }

    /// Puts `item` before place `at`, at most the length.
    pub fn insert(&mut self, at: usize, item: T) {
        match self {
            Few::None => *self = Few::One(item),
            Few::One(_) => self.edit(|items| items.insert(at, item)),
            Few::Many(items) => items.insert(at, item),
        }
    }

    /// Takes the first `count` away.
    pub fn drop_first(&mut self, count: usize) {
        if count > 0 {
            self.edit(|items| drop(items.drain(..count)));
        }
    }

    /// Changes it as a vector.
    pub fn edit(&mut self, change: impl FnOnce(&mut Vec<T>)) {
        let mut items = match std::mem::take(self) {
            Few::None => Vec::new(),
            Few::One(item) => {
                let mut items = Vec::with_capacity(2);
                items.push(item);
                items
            }
            Few::Many(items) => items,
        };
        change(&mut items);
        *self = items.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_costs_no_more_than_a_vector() {
        assert_eq!(
            size_of::<Few<super::super::windows::Cell>>(),
            size_of::<Vec<u8>>()
        );
    }

    proptest! {
        #[test]
        fn it_is_a_vector(steps in prop::collection::vec((0u8..4, any::<usize>(), any::<u16>()), 0..60)) {
            let (mut few, mut vector) = (Few::None, Vec::new());
            for (step, at, item) in steps {
                let place = at % (vector.len() + 1);
                match step {
                    0 => {
                        few.push(item);
                        vector.push(item);
                    }
                    1 => {
                        few.insert(place, item);
                        vector.insert(place, item);
                    }
                    2 => {
                        few.drop_first(place);
                        vector.drain(..place);
                    }
                    _ => {
                        few.edit(|items| items.truncate(place));
                        vector.truncate(place);
                    }
                }
                prop_assert_eq!(&*few, &vector[..]);
            }
        }
    }
}
