//! Where an entry lies.

use serde::{Deserialize, Serialize};

/// A place in the journal: segment number, and byte offset in its file.
///
/// Positions grow with every entry and are never used again, also not across restarts. The
/// default, 0/0, lies before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    pub segment: u64,
    pub offset: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.segment, self.offset)
    }
}
