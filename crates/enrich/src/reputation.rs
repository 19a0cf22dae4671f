//! Reputation of addresses, from local lists.
//!
//! Each list is one file with a name and a score. Within a list the narrowest prefix around an
//! address that has not expired speaks; `ti_score` is the **highest** score of all lists that
//! know the address, 0 when none does, and null for a row without an address. Scores are not
//! added up: lists copy from each other, so their number is no independent evidence.
//!
//! Private and reserved addresses are never scored, whatever a list says (see `reserved`).
//! Formats: `source`. Layout in memory: [`prefixes`].

mod csv;
mod json;
mod pattern;
pub mod prefixes;
mod reserved;
mod source;
mod stix;
mod target;
mod text;

pub use reserved::is_reserved;
pub use source::{BadLine, LIST_BYTES_MAX, List, ListError, ListFormat, ListOptions, Tally};

use crate::Enricher;
use crate::addresses::Addresses;
use crate::live::Live;
use arrow::array::ArrayRef;
use haetae_event::{Clock, EventBatch, Micros};
use std::net::IpAddr;
use std::sync::Arc;

/// One list that knows an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub list: String,
    /// 0 … 100.
    pub score: u8,
    /// When the entry stops to count.
    pub expires: Option<Micros>,
    /// When the file of the list last changed: its age.
    pub list_modified: Micros,
}

/// All lists, shared by the enrichers of all threads.
#[derive(Clone, Default)]
pub struct Reputation {
    lists: Vec<Arc<Live<List>>>,
}

impl Reputation {
    pub fn new(lists: Vec<Arc<Live<List>>>) -> Self {
        Reputation { lists }
    }

    pub fn each(&self) -> impl Iterator<Item = &Arc<Live<List>>> {
        self.lists.iter()
    }

    /// Which lists know the address, in the order of the configuration.
    pub fn matches(&self, address: IpAddr, now: Micros) -> Vec<Match> {
        let lists = self.lists.iter().filter_map(|live| live.current());
        lists
            .filter_map(|list| {
                let verdict = list.verdict(address, now)?;
                Some(Match {
                    list: list.name().to_owned(),
                    score: verdict.score,
                    expires: verdict.expires,
                    list_modified: list.modified(),
                })
            })
            .collect()
    }
}

/// Fills `ti_score`.
pub struct ReputationScore {
    reputation: Reputation,
    clock: Arc<dyn Clock>,
}

impl ReputationScore {
    /// Expiry is judged by `clock`, not by event time: a list says what is known now.
    pub fn new(reputation: Reputation, clock: Arc<dyn Clock>) -> Self {
        ReputationScore { reputation, clock }
    }
}

impl Enricher for ReputationScore {
    fn name(&self) -> &'static str {
        "reputation"
    }

    fn enrich(&mut self, batch: &EventBatch) -> Vec<(&'static str, ArrayRef)> {
        let lists: Vec<Arc<List>> = self.reputation.each().filter_map(|live| live.current()).collect();
        if lists.is_empty() {
            return Vec::new();
        }
        let Some(addresses) = Addresses::of(batch) else {
            return Vec::new();
        };
        let now = self.clock.now();
        let highest = |&address: &IpAddr| {
            let scores = lists.iter().filter_map(|list| list.verdict(address, now));
            Some(scores.map(|verdict| i32::from(verdict.score)).max().unwrap_or(0))
        };
        let scores: Vec<Option<i32>> = addresses.distinct.iter().map(highest).collect();
        vec![("ti_score", addresses.spread_i32(&scores))]
    }
}
