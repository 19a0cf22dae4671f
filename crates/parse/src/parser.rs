//! The seam: what a parser is given and what it gives back.

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use haetae_event::{Counts, Dataset, Reject};

/// Complete records only: the bytes end at a record boundary or at the end of the input.
#[derive(Clone, Debug)]
pub struct RawBlock {
    pub bytes: Buffer,
    /// Ordinal of the first record in its input, 0-based.
    pub first_ordinal: u64,
}

/// What became of one block.
#[derive(Clone, Debug, Default)]
pub struct ParsedBatch {
    /// The wanted core and native columns, one row per event in input order; `None` when the
    /// block held no event. The schema is the same for every batch of one input. A wanted `raw`
    /// column is the record as received, without its line end (lossy where it is not UTF-8).
    pub records: Option<RecordBatch>,
    /// Per row: the record's ordinal in the input.
    pub ordinals: Vec<u64>,
    pub rejects: Vec<Reject>,
    /// Of this block alone; always balanced.
    pub counts: Counts,
}

/// Bytes to columns, for one format.
///
/// Implementations never panic on any bytes, keep the order of records, and hold no state but the
/// layout that header lines announce, so that the same input cut into other blocks gives the same
/// rows.
pub trait Parser: Send {
    /// Name and version: `cloudfront@v1`.
    fn id(&self) -> &'static str;

    fn dataset(&self) -> Dataset;

    /// Parses every record of the block.
    fn parse(&mut self, block: &RawBlock) -> ParsedBatch;
}
