//! The conservation law's terms.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// What became of every record taken in, in records as framed.
///
/// Law: `lines_in = events + rejected + duplicates + sampled_out + skipped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records framed, plus one for each thing that could not be framed.
    pub lines_in: u64,
    pub events: u64,
    pub rejected: u64,
    /// Records of a second delivery, never merely equal lines.
    pub duplicates: u64,
    pub sampled_out: u64,
    /// Headers, comments and blank lines.
    pub skipped: u64,
}

impl Counts {
    /// Records accounted for; equals `lines_in` when the law holds.
    pub fn accounted(&self) -> u64 {
        self.events + self.rejected + self.duplicates + self.sampled_out + self.skipped
    }

    pub fn balanced(&self) -> bool {
        self.lines_in == self.accounted()
    }

    pub fn is_zero(&self) -> bool {
        *self == Counts::default()
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.lines_in += other.lines_in;
        self.events += other.events;
        self.rejected += other.rejected;
        self.duplicates += other.duplicates;
        self.sampled_out += other.sampled_out;
        self.skipped += other.skipped;
    }
}
