//! The seam: what a parser is given and what it gives back.

use crate::format::Opening;
use crate::shadow::Comparison;
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use haetae_event::{Counts, Dataset, Reject};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

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
    fn id(&self) -> &str;

    fn dataset(&self) -> Dataset;

    /// Parses every record of the block.
    fn parse(&mut self, block: &RawBlock) -> ParsedBatch;
}

/// One version of a parser that users define: makes a [`Parser`] for each input.
///
/// Shared by all inputs that use it; immutable, since a version never changes.
pub trait Blueprint: Send + Sync + Debug {
    /// Name and version: `shop@v3`.
    fn id(&self) -> &str;

    fn dataset(&self) -> Dataset;

    /// Whether the beginning of an unpacked input looks like its records.
    fn recognises(&self, head: &[u8]) -> bool;

    /// Whether records are JSON objects, which need not end with their line.
    fn is_json(&self) -> bool;

    fn open(&self, opening: &Opening<'_>) -> Box<dyn Parser>;
}

/// A version that reads the same blocks as the one in use, to be compared with it.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub blueprint: Arc<dyn Blueprint>,
    /// What was found so far; fed after each block.
    pub comparison: Arc<Mutex<Comparison>>,
}

/// Which candidates run beside which parsers.
pub trait Candidates: Send + Sync + Debug {
    /// The candidate beside the parser with this id (`shop@v1`), if there is one.
    fn beside(&self, parser_id: &str) -> Option<Candidate>;
}

/// How an input's parser is chosen.
#[derive(Clone, Debug, Default)]
pub enum Choice {
    /// By content: [`crate::ParseOptions::blueprints`] first, then the built-in formats.
    #[default]
    Detect,
    Format(crate::Format),
    Blueprint(Arc<dyn Blueprint>),
}

impl From<Option<crate::Format>> for Choice {
    fn from(forced: Option<crate::Format>) -> Choice {
        forced.map_or(Choice::Detect, Choice::Format)
    }
}
