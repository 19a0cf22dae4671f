//! Settings of a local journal, with their reasons.

/// Sizes in bytes. Plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// A segment is closed before it would grow past this. 64 MiB: released space comes back
    /// soon, and one segment can be read whole at start.
    pub segment_bytes: u64,
    /// Longest entry. 16 MiB: three of the largest requests the door takes.
    pub entry_bytes_max: usize,
    /// Entries waiting for the running fsync; more appends wait. 16 MiB: two tenths of a second
    /// of a disk that writes 80 MB/s.
    pub waiting_bytes_max: usize,
}

impl Default for JournalOptions {
    fn default() -> Self {
        JournalOptions {
            segment_bytes: 64 << 20,
            entry_bytes_max: 16 << 20,
            waiting_bytes_max: 16 << 20,
        }
    }
}
