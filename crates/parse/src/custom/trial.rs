//! A definition's own tests, and trying a parser on lines without storing anything.

use super::definition::ParserDefinition;
use super::extractor::ExtractorFactory;
use super::render::{cell_json, cell_text};
use crate::block::Framing;
use crate::format::Opening;
use crate::mapping::Diagnostic;
use crate::options::ParseOptions;
use crate::parser::{Blueprint, ParsedBatch, RawBlock};
use arrow::buffer::Buffer;
use haetae_event::{Micros, Reason};
use serde::Serialize;
use std::sync::Arc;

/// A column of a test that is not as expected; `None` is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub column: String,
    pub expected: Option<String>,
    pub got: Option<String>,
}

/// How one of a definition's tests went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestOutcome {
    /// From 0.
    pub index: usize,
    /// Line of the definition file the test's line stands in.
    pub at: u32,
    pub passed: bool,
    pub differences: Vec<Difference>,
    /// What went wrong beside the columns; empty otherwise.
    pub problem: String,
}

/// What became of one record of a tried line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TryOutcome {
    /// Which of the lines, from 0.
    pub line: usize,
    /// The columns that are not null, as a JSON object.
    pub columns: Option<String>,
    /// Reason code and detail.
    pub reject: Option<(Reason, String)>,
}

/// Parses one line as an input of its own.
fn parse_line(blueprint: &dyn Blueprint, line: &[u8], options: &ParseOptions) -> ParsedBatch {
    // A record over several lines is only possible where objects show where it ends.
    let framing = match blueprint.is_json() && line.contains(&b'\n') {
        true => Framing::Objects,
        false => Framing::Lines,
    };
    let opening = Opening {
        head: line,
        framing,
        options,
    };
    let block = RawBlock {
        bytes: Buffer::from_vec(line.to_vec()),
        first_ordinal: 0,
    };
    blueprint.open(&opening).parse(&block)
}

/// What each line would become. A line may hold several records; a blank one holds none.
pub fn try_lines(blueprint: &dyn Blueprint, lines: &[&[u8]], options: &ParseOptions) -> Vec<TryOutcome> {
    let mut outcomes = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let batch = parse_line(blueprint, line, options);
        let mut found: Vec<(u64, TryOutcome)> = Vec::new();
        for (row, ordinal) in batch.ordinals.iter().enumerate() {
            let columns = batch.records.as_ref().map(|records| cell_json(records, row));
            let outcome = TryOutcome {
                line: number,
                columns,
                reject: None,
            };
            found.push((*ordinal, outcome));
        }
        for reject in batch.rejects {
            let outcome = TryOutcome {
                line: number,
                columns: None,
                reject: Some((reject.reason, reject.detail)),
            };
            found.push((reject.ordinal, outcome));
        }
        found.sort_by_key(|(ordinal, _)| *ordinal);
        outcomes.extend(found.into_iter().map(|(_, outcome)| outcome));
    }
    outcomes
}

impl ParserDefinition {
    /// Runs the definition's tests. Records without a time arrive at `options.arrival`.
    ///
    /// # Errors
    /// As [`ParserDefinition::blueprint`].
    pub fn run_tests(
        &self,
        extractor: Option<Arc<dyn ExtractorFactory>>,
        options: &ParseOptions,
    ) -> Result<Vec<TestOutcome>, Vec<Diagnostic>> {
        let blueprint = self.blueprint(extractor)?;
        let run = |(index, test): (usize, &super::definition::TestCase)| {
            let batch = parse_line(&*blueprint, test.line.as_bytes(), options);
            let (problem, differences) = match test.reject {
                Some(reason) => (judge_reject(&batch, reason), Vec::new()),
                None => judge_event(&batch, &test.expect),
            };
            TestOutcome {
                index,
                at: test.at,
                passed: problem.is_empty() && differences.is_empty(),
                differences,
                problem,
            }
        };
        Ok(self.tests.iter().enumerate().map(run).collect())
    }
}

fn judge_reject(batch: &ParsedBatch, expected: Reason) -> String {
    match (batch.rejects.as_slice(), batch.counts.events) {
        ([reject], 0) if reject.reason == expected => String::new(),
        ([reject], 0) => format!("refused as {}: {}", reject.reason, reject.detail),
        (rejects, events) => format!("{events} events and {} refusals", rejects.len()),
    }
}

fn judge_event(batch: &ParsedBatch, expected: &[(String, Option<String>)]) -> (String, Vec<Difference>) {
    let records = match (&batch.records, batch.rejects.as_slice(), batch.counts.events) {
        (Some(records), [], 1) => records,
        (_, [reject], 0) => {
            return (
                format!("refused as {}: {}", reject.reason, reject.detail),
                Vec::new(),
            );
        }
        (_, rejects, events) => {
            return (
                format!("{events} events and {} refusals", rejects.len()),
                Vec::new(),
            );
        }
    };
    let mut differences = Vec::new();
    for (column, expected) in expected {
        let got = records
            .schema()
            .index_of(column)
            .ok()
            .and_then(|at| cell_text(records, at, 0));
        if !same(expected.as_deref(), got.as_deref()) {
            differences.push(Difference {
                column: column.clone(),
                expected: expected.clone(),
                got,
            });
        }
    }
    (String::new(), differences)
}

/// Whether two cells mean the same: times may be written in another zone, numbers with a point.
fn same(expected: Option<&str>, got: Option<&str>) -> bool {
    let (Some(expected), Some(got)) = (expected, got) else {
        return expected == got;
    };
    if expected == got {
        return true;
    }
    let number = |text: &str| text.parse::<f64>().ok();
    match (Micros::parse_rfc3339(expected), Micros::parse_rfc3339(got)) {
        (Some(a), Some(b)) => a == b,
        _ => number(expected).is_some_and(|a| number(got) == Some(a)),
    }
}
