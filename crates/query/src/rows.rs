//! The result of a query.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use std::collections::HashSet;
use std::fmt;

/// Why a result is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    /// The row limit.
    Rows(usize),
    /// The size limit of a result.
    Bytes(usize),
}

impl fmt::Display for Truncation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Truncation::Rows(max) => write!(f, "only the first {max} rows are shown"),
            Truncation::Bytes(max) => write!(f, "the result was cut at {} MiB", max >> 20),
        }
    }
}

/// Rows × columns in the order of the SELECT.
#[derive(Clone, Debug)]
pub struct QueryRows {
    columns: Vec<String>,
    pub(crate) batches: Vec<RecordBatch>,
    truncation: Option<Truncation>,
}

impl QueryRows {
    pub(crate) fn new(schema: &Schema, batches: Vec<RecordBatch>, truncation: Option<Truncation>) -> Self {
        QueryRows {
            columns: unique_names(schema),
            batches,
            truncation,
        }
    }

    /// Unique names, in the order of the SELECT.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The note for people, when rows were left out.
    pub fn truncation(&self) -> Option<Truncation> {
        self.truncation
    }
}

/// A JSON object cannot hold a key twice: the second `n` is `n_2`.
fn unique_names(schema: &Schema) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut names = Vec::new();
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut turn = 2;
        while !taken.insert(name.clone()) {
            name = format!("{}_{turn}", field.name());
            turn += 1;
        }
        names.push(name);
    }
    names
}
