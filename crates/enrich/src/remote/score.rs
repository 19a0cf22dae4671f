//! `ti_score` from a remote reputation service.

use super::{CachedLookup, RemoteCounts};
use crate::Enricher;
use crate::addresses::Addresses;
use crate::reputation::is_reserved;
use arrow::array::ArrayRef;
use haetae_event::EventBatch;
use std::net::IpAddr;

/// Fills `ti_score` with what a remote service says, 0 … 100; null where it does not know, or
/// did not answer in time. Private and reserved addresses are neither scored nor sent out.
pub struct RemoteScore {
    lookup: CachedLookup<u8>,
}

impl RemoteScore {
    pub fn new(lookup: CachedLookup<u8>) -> Self {
        RemoteScore { lookup }
    }

    /// Late scores, for rows that went without and are not committed yet.
    pub fn drain_backfill(&mut self) -> Vec<(IpAddr, u8)> {
        let late = self.lookup.drain_backfill();
        late.into_iter()
            .map(|(address, score)| (address, score.min(100)))
            .collect()
    }

    pub fn counts(&self) -> RemoteCounts {
        self.lookup.counts()
    }
}

impl Enricher for RemoteScore {
    fn name(&self) -> &'static str {
        "remote_score"
    }

    fn enrich(&mut self, batch: &EventBatch) -> Vec<(&'static str, ArrayRef)> {
        let Some(addresses) = Addresses::of(batch) else {
            return Vec::new();
        };
        let open: Vec<IpAddr> = addresses
            .distinct
            .iter()
            .copied()
            .filter(|&a| !is_reserved(a))
            .collect();
        let mut found = self.lookup.look_up(&open).into_iter();
        let mut score = |&address: &IpAddr| {
            if is_reserved(address) {
                return None;
            }
            found.next().flatten().map(|score| i32::from(score.min(100)))
        };
        let scores: Vec<Option<i32>> = addresses.distinct.iter().map(&mut score).collect();
        vec![("ti_score", addresses.spread_i32(&scores))]
    }
}
