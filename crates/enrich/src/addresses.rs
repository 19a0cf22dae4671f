//! The distinct source addresses of a batch, so that each is looked up once.

use ahash::AHashMap;
use arrow::array::{Array, ArrayRef, Int32Array, Int64Array, StringViewBuilder};
use haetae_event::EventBatch;
use haetae_event::net::parse_address;
use std::net::IpAddr;
use std::sync::Arc;

/// Slot of a row without an address.
const NONE: u32 = u32::MAX;

pub(crate) struct Addresses {
    /// In order of first appearance, v4-mapped v6 as v4.
    pub distinct: Vec<IpAddr>,
    /// Per row the place in `distinct`, or [`NONE`].
    slots: Vec<u32>,
}

impl Addresses {
    /// `None` when the batch has no `src_ip` column.
    pub fn of(batch: &EventBatch) -> Option<Self> {
        let texts = batch.str("src_ip")?;
        let mut distinct = Vec::new();
        let mut slots = Vec::with_capacity(texts.len());
        let mut known: AHashMap<IpAddr, u32> = AHashMap::new();
        // Logs come in runs of one client: the row before is the best guess.
        let mut last = ("", NONE);
        for text in texts.iter() {
            let Some(text) = text else {
                slots.push(NONE);
                continue;
            };
            if text != last.0 {
                let slot = parse_address(text).map_or(NONE, |address| {
                    *known.entry(address).or_insert_with(|| {
                        distinct.push(address);
                        distinct.len() as u32 - 1
                    })
                });
                last = (text, slot);
            }
            slots.push(last.1);
        }
        Some(Addresses { distinct, slots })
    }

    fn rows<'a, T>(&'a self, values: &'a [Option<T>]) -> impl Iterator<Item = Option<&'a T>> + 'a {
        self.slots
            .iter()
            .map(|&slot| values.get(slot as usize).and_then(Option::as_ref))
    }

    /// One value a row from one value a distinct address.
    pub fn spread_i32(&self, values: &[Option<i32>]) -> ArrayRef {
        Arc::new(
            self.rows(values)
                .map(Option::<&i32>::copied)
                .collect::<Int32Array>(),
        )
    }

    /// See [`Addresses::spread_i32`].
    pub fn spread_i64(&self, values: &[Option<i64>]) -> ArrayRef {
        Arc::new(
            self.rows(values)
                .map(Option::<&i64>::copied)
                .collect::<Int64Array>(),
        )
    }

    /// See [`Addresses::spread_i32`]; the values are two ASCII letters.
    pub fn spread_country(&self, values: &[Option<[u8; 2]>]) -> ArrayRef {
        let mut column = StringViewBuilder::with_capacity(self.slots.len());
        for value in self.rows(values) {
            column.append_option(value.and_then(|letters| std::str::from_utf8(letters).ok()));
        }
        Arc::new(column.finish())
    }
}
