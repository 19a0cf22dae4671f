//! Positions for the sources.

use haetae_source::{Ledger, LedgerError};
use haetae_store::Store;
use std::sync::Arc;

pub struct StoreLedger(pub Arc<Store>);

impl Ledger for StoreLedger {
    fn positions(&self, source: &str, keys: &[String]) -> Result<Vec<Option<String>>, LedgerError> {
        self.0
            .positions(source, keys)
            .map_err(|error| LedgerError(error.to_string()))
    }

    fn all(&self, source: &str) -> Result<Vec<(String, String)>, LedgerError> {
        self.0
            .all_positions(source)
            .map_err(|error| LedgerError(error.to_string()))
    }
}
