//! Two parsers on the same records: what a new version would change, before it is promoted.
//!
//! Records are told apart by their ordinal, so both parsers must frame the input alike. Memory is
//! bounded: counts, a histogram, and a few examples a column.

use crate::custom::cell_text;
use crate::parser::{ParsedBatch, RawBlock};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use haetae_event::{Counts, Reason, inside};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::time::Duration;

/// Examples kept of each column.
pub const EXAMPLES_MAX: usize = 5;
/// Records kept that fail only under the new parser.
pub const FAILURES_MAX: usize = 20;
/// Different warning codes counted.
const CODES_MAX: usize = 256;
/// Characters shown of a value.
const SHOWN_MAX: usize = 200;
/// Buckets of the histogram for each doubling.
const BUCKETS_PER_OCTAVE: f64 = 16.0;

/// How one side did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    pub parser: String,
    pub counts: Counts,
    /// Events of the records that are not blank.
    pub hit_rate: f64,
    /// Refused of the records that are not blank.
    pub error_rate: f64,
    /// Events by warning code.
    pub warnings: BTreeMap<String, u64>,
    /// Over blocks, weighted by their records.
    pub ns_per_record_p50: u64,
    pub ns_per_record_p95: u64,
}

/// One value that differs; `None` is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    pub ordinal: u64,
    pub old: Option<String>,
    pub new: Option<String>,
}

/// How one column differs, over the records that both sides took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDifference {
    pub differing: u64,
    /// Null under the old parser only.
    pub gained: u64,
    /// Null under the new parser only.
    pub lost: u64,
    pub examples: Vec<Example>,
}

/// A record that the old parser takes and the new one refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFailure {
    pub ordinal: u64,
    pub reason: Reason,
    pub detail: String,
    /// The record's beginning.
    pub record: String,
}

/// What was found so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub old: Side,
    pub new: Side,
    /// Records that both sides took.
    pub compared: u64,
    /// Of them, records in which some column differs.
    pub differing_records: u64,
    /// Only columns that differ.
    pub columns: BTreeMap<String, ColumnDifference>,
    pub newly_failing: u64,
    /// The first of them.
    pub newly_failing_records: Vec<NewFailure>,
    /// Records that the old parser refuses and the new one takes.
    pub newly_parsed: u64,
}

/// Accumulates a [`Report`] block by block.
#[derive(Clone, Debug)]
pub struct Comparison {
    old: Tallied,
    new: Tallied,
    compared: u64,
    differing_records: u64,
    columns: BTreeMap<String, ColumnDifference>,
    newly_failing: u64,
    failures: Vec<NewFailure>,
    newly_parsed: u64,
}

#[derive(Clone, Debug, Default)]
struct Tallied {
    parser: String,
    counts: Counts,
    warnings: BTreeMap<String, u64>,
    /// Records by bucket of their block's ns per record.
    buckets: BTreeMap<u32, u64>,
}

impl Tallied {
    fn add(&mut self, batch: &ParsedBatch, took: Duration) {
        self.counts += batch.counts;
        let records = batch.counts.lines_in - batch.counts.skipped.min(batch.counts.lines_in);
        if records > 0 {
            let ns = (took.as_nanos() as f64 / records as f64).max(1.0);
            *self
                .buckets
                .entry((ns.log2() * BUCKETS_PER_OCTAVE) as u32)
                .or_default() += records;
        }
        let Some(column) = batch.records.as_ref().and_then(|r| r.column_by_name("warnings")) else {
            return;
        };
        let Some(lists) = column.as_list_opt::<i32>() else {
            return;
        };
        for list in lists.iter().flatten() {
            let codes: BTreeSet<&str> = list.as_string_view().iter().flatten().collect();
            for code in codes {
                if self.warnings.len() < CODES_MAX || self.warnings.contains_key(code) {
                    *self.warnings.entry(code.to_owned()).or_default() += 1;
                }
            }
        }
    }

    /// The bucket below which `part` of the records lie, as ns.
    fn quantile(&self, part: f64) -> u64 {
        let total: u64 = self.buckets.values().sum();
        let wanted = (total as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (bucket, records) in &self.buckets {
            seen += records;
            if seen >= wanted {
                return 2f64.powf((f64::from(*bucket) + 0.5) / BUCKETS_PER_OCTAVE).round() as u64;
            }
        }
        0
    }

    fn side(&self) -> Side {
        let records = self.counts.lines_in.saturating_sub(self.counts.skipped);
        let rate = |count: u64| match records {
            0 => 0.0,
            records => count as f64 / records as f64,
        };
        Side {
            parser: self.parser.clone(),
            counts: self.counts,
            hit_rate: rate(self.counts.events),
            error_rate: rate(self.counts.rejected),
            warnings: self.warnings.clone(),
            ns_per_record_p50: self.quantile(0.5),
            ns_per_record_p95: self.quantile(0.95),
        }
    }
}

impl Report {
    /// Replaces what is shown of the records: the values of columns, and of refused records the text
    /// as column `raw`; what becomes `None` is gone.
    pub fn redact(&mut self, keep: impl Fn(&str, &str) -> Option<String>) {
        for (column, difference) in &mut self.columns {
            for example in &mut difference.examples {
                example.old = example.old.take().and_then(|text| keep(column, &text));
                example.new = example.new.take().and_then(|text| keep(column, &text));
            }
        }
        for failure in &mut self.newly_failing_records {
            failure.detail = keep("raw", &failure.detail).unwrap_or_default();
            failure.record = keep("raw", &failure.record).unwrap_or_default();
        }
    }
}

impl Comparison {
    /// Compares the parser `old` with the parser `new`, named by their ids.
    pub fn new(old: &str, new: &str) -> Comparison {
        let named = |parser: &str| Tallied {
            parser: parser.to_owned(),
            ..Tallied::default()
        };
        Comparison {
            old: named(old),
            new: named(new),
            compared: 0,
            differing_records: 0,
            columns: BTreeMap::new(),
            newly_failing: 0,
            failures: Vec::new(),
            newly_parsed: 0,
        }
    }

    /// Adds one block, parsed by both sides, and how long each took.
    pub fn feed(&mut self, block: &RawBlock, old: (&ParsedBatch, Duration), new: (&ParsedBatch, Duration)) {
        debug_assert!(
            old.0
                .ordinals
                .first()
                .is_none_or(|first| *first >= block.first_ordinal),
            "the batches are of this block"
        );
        self.old.add(old.0, old.1);
        self.new.add(new.0, new.1);
        self.failures(old.0, new.0);
        self.newly_parsed += old
            .0
            .rejects
            .iter()
            .filter(|reject| new.0.ordinals.binary_search(&reject.ordinal).is_ok())
            .count() as u64;
        if let (Some(before), Some(after)) = (&old.0.records, &new.0.records) {
            let pairs = common(&old.0.ordinals, &new.0.ordinals);
            self.compared += pairs.len() as u64;
            self.cells(before, after, &pairs);
        }
    }

    fn failures(&mut self, old: &ParsedBatch, new: &ParsedBatch) {
        for reject in &new.rejects {
            if old.ordinals.binary_search(&reject.ordinal).is_err() {
                continue;
            }
            self.newly_failing += 1;
            if self.failures.len() < FAILURES_MAX {
                let head = &reject.bytes[..reject.bytes.len().min(4 * SHOWN_MAX)];
                self.failures.push(NewFailure {
                    ordinal: reject.ordinal,
                    reason: reject.reason,
                    detail: reject.detail.clone(),
                    record: shown(&String::from_utf8_lossy(head)),
                });
            }
        }
    }

    fn cells(&mut self, old: &RecordBatch, new: &RecordBatch, pairs: &[Pair]) {
        let (old_schema, new_schema) = (old.schema(), new.schema());
        let fields = old_schema.fields().iter().chain(new_schema.fields());
        let names = fields.map(|field| field.name().as_str());
        // What is handed over to detection is no column of either.
        let names: BTreeSet<&str> = names.filter(|name| *name != inside::COLUMN).collect();
        let mut differing = vec![false; pairs.len()];
        for name in names {
            let (a, b) = (old_schema.index_of(name).ok(), new_schema.index_of(name).ok());
            for (at, pair) in pairs.iter().enumerate() {
                if same_cell((old, a, pair.old), (new, b, pair.new)) {
                    continue;
                }
                differing[at] = true;
                let before = a.and_then(|column| cell_text(old, column, pair.old));
                let after = b.and_then(|column| cell_text(new, column, pair.new));
                self.differs(name, pair.ordinal, before, after);
            }
        }
        self.differing_records += differing.iter().filter(|differs| **differs).count() as u64;
    }

    fn differs(&mut self, column: &str, ordinal: u64, old: Option<String>, new: Option<String>) {
        let entry = self.columns.entry(column.to_owned()).or_default();
        entry.differing += 1;
        entry.gained += u64::from(old.is_none());
        entry.lost += u64::from(new.is_none());
        if entry.examples.len() < EXAMPLES_MAX {
            entry.examples.push(Example {
                ordinal,
                old: old.map(|text| shown(&text)),
                new: new.map(|text| shown(&text)),
            });
        }
    }

    pub fn report(&self) -> Report {
        Report {
            old: self.old.side(),
            new: self.new.side(),
            compared: self.compared,
            differing_records: self.differing_records,
            columns: self.columns.clone(),
            newly_failing: self.newly_failing,
            newly_failing_records: self.failures.clone(),
            newly_parsed: self.newly_parsed,
        }
    }
}

/// Rows of one record on both sides.
struct Pair {
    ordinal: u64,
    old: usize,
    new: usize,
}

/// The records in both ascending lists.
fn common(old: &[u64], new: &[u64]) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(old.len().min(new.len()));
    let mut at = 0;
    for (row, ordinal) in old.iter().enumerate() {
        while new.get(at).is_some_and(|other| other < ordinal) {
            at += 1;
        }
        if new.get(at) == Some(ordinal) {
            pairs.push(Pair {
                ordinal: *ordinal,
                old: row,
                new: at,
            });
        }
    }
    pairs
}

type Place<'a> = (&'a RecordBatch, Option<usize>, usize);

fn same_cell((old, a, i): Place<'_>, (new, b, j): Place<'_>) -> bool {
    let null = |records: &RecordBatch, column: Option<usize>, row: usize| {
        column.is_none_or(|column| records.column(column).is_null(row))
    };
    match (null(old, a, i), null(new, b, j)) {
        (true, true) => return true,
        (true, false) | (false, true) => return false,
        (false, false) => {}
    }
    let (Some(a), Some(b)) = (a, b) else { return false };
    let (x, y) = (old.column(a), new.column(b));
    match (x.data_type(), y.data_type()) {
        (DataType::Utf8View, DataType::Utf8View) => {
            x.as_string_view().value(i) == y.as_string_view().value(j)
        }
        _ => cell_text(old, a, i) == cell_text(new, b, j),
    }
}

fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX - 1).chain(['…']).collect()
}

impl fmt::Display for Report {
    /// A table for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(String, String, String)> = Vec::new();
        let mut line = |name: &str, of: &dyn Fn(&Side) -> String| {
            lines.push((name.to_owned(), of(&self.old), of(&self.new)));
        };
        line("parser", &|side| side.parser.clone());
        line("records", &|side| side.counts.lines_in.to_string());
        line("events", &|side| {
            format!("{} ({:.2}%)", side.counts.events, 100.0 * side.hit_rate)
        });
        line("refused", &|side| {
            format!("{} ({:.2}%)", side.counts.rejected, 100.0 * side.error_rate)
        });
        line("ns per record p50", &|side| side.ns_per_record_p50.to_string());
        line("ns per record p95", &|side| side.ns_per_record_p95.to_string());
        let codes: BTreeSet<&String> = self.old.warnings.keys().chain(self.new.warnings.keys()).collect();
        for code in codes {
            line(code, &|side| {
                side.warnings.get(code).copied().unwrap_or(0).to_string()
            });
        }
        for (name, old, new) in &lines {
            writeln!(f, "{name:<28} {old:>22} {new:>22}")?;
        }
        writeln!(
            f,
            "compared {}, differing {}, newly failing {}, newly parsed {}",
            self.compared, self.differing_records, self.newly_failing, self.newly_parsed
        )?;
        for (name, column) in &self.columns {
            let ColumnDifference {
                differing,
                gained,
                lost,
                examples,
            } = column;
            writeln!(f, "{name}: {differing} differ, {gained} gained, {lost} lost")?;
            for example in examples {
                let mut text = format!("  #{}: ", example.ordinal);
                let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "∅".to_owned());
                write!(text, "{} → {}", cell(&example.old), cell(&example.new))?;
                writeln!(f, "{text}")?;
            }
        }
        for failure in &self.newly_failing_records {
            let NewFailure {
                ordinal,
                reason,
                detail,
                record,
            } = failure;
            writeln!(f, "fails #{ordinal}: {reason}, {detail}: {record}")?;
        }
        Ok(())
    }
}
