//! Scores of a remote service that came after their rows had been enriched.

use haetae_enrich::remote::RemoteScore;
use haetae_event::identity::InstallationKey;
use haetae_store::Store;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The enricher that asks, shared with whoever fills its late answers in.
pub type SharedScore = Arc<Mutex<RemoteScore>>;

/// Knows where late scores come from and whose rows they belong to.
pub struct Backfill {
    remote: Option<SharedScore>,
    key: InstallationKey,
}

impl Backfill {
    pub fn new(remote: Option<SharedScore>, key: InstallationKey) -> Self {
        Backfill { remote, key }
    }

    /// Puts what came into rows that are not committed yet, and says into how many. Rows are found
    /// by `src_key`: the stored address may be truncated or hashed. Committed rows stay without.
    pub fn fill_in(&self, store: &Store) -> u64 {
        let Some(remote) = &self.remote else { return 0 };
        let late = remote
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain_backfill();
        let late: HashMap<[u8; 16], i32> = late
            .into_iter()
            .map(|(address, score)| (self.key.src_key(address), i32::from(score)))
            .collect();
        store.amend_hot(&late)
    }
}
