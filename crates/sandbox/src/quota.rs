//! What one parser may use.

use std::time::Duration;

/// Limits of one parser. [`Quota::default`] is meant to be kept; tests and unusual parsers change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Largest linear memory of an instance, in bytes. Asking for more ends the run as
    /// [`MemoryLimit`](crate::Failure::MemoryLimit).
    pub memory_bytes_max: usize,
    /// Wall time in which a record on its own must be done. Also the time of each step of a search
    /// for culprits, so that a search costs at most this much per halving and culprit.
    pub record_deadline: Duration,
    /// Wall time of one call with many records (never more than their `record_deadline`s together).
    pub batch_deadline: Duration,
    /// Records handed over in one call; longer slices are cut.
    pub batch_records_max: usize,
    /// Bytes of a request after which it is cut (one record may be longer).
    pub batch_bytes_max: usize,
    /// Bytes of one result buffer.
    pub output_bytes_max: usize,
    /// Bytes of one record in the result buffer.
    pub record_output_bytes_max: usize,
    /// Fields of one record.
    pub fields_max: usize,
    /// Bytes of one value.
    pub value_bytes_max: usize,
    /// Wall time that failing calls and the search for their culprits may take within `failure_window`.
    /// One step beyond it at most (`batch_deadline`), then the parser is suspended.
    pub failure_budget: Duration,
    /// Length of the sliding window of `failure_budget`; counted in sixtieths.
    pub failure_window: Duration,
}

impl Default for Quota {
    fn default() -> Self {
        Quota {
            memory_bytes_max: 64 << 20,
            record_deadline: Duration::from_millis(200),
            batch_deadline: Duration::from_secs(1),
            batch_records_max: 4096,
            batch_bytes_max: 4 << 20,
            output_bytes_max: 32 << 20,
            record_output_bytes_max: 1 << 20,
            fields_max: 512,
            value_bytes_max: 256 << 10,
            failure_budget: Duration::from_secs(60),
            failure_window: Duration::from_secs(3600),
        }
    }
}
