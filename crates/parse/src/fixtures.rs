//! The project's own fixtures: payloads with what they mean, and whole inputs with what must
//! become of them; for tests, and for trying a user's parser before it is used.
//!
//! What is not here: how they are made (`fixtures/make.py`, `fixtures/must_pass.py`), and where our
//! reading differs on purpose (`fixtures/differences.md`).

use crate::format::Format;
use crate::input::InputReader;
use crate::options::ParseOptions;
use crate::parser::{Choice, ParsedBatch};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use base64::Engine;
use haetae_event::{Dataset, Micros};
use serde::Deserialize;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

const PAYLOADS: &str = include_str!("../fixtures/payloads.jsonl");
const MUST_PASS: &str = include_str!("../fixtures/must-pass.jsonl");

/// Problems told one by one in a [`SurvivalReport`].
const PROBLEMS_MAX: usize = 100;

/// Who would send a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadClass {
    /// A visitor of a site.
    Normal,
    /// Anybody: rare but legal, or damaged.
    Edge,
    /// An attacker.
    Hostile,
}

/// Where a payload stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Query,
    Body,
}

/// A query string or a body, and what it means.
#[derive(Clone, Debug, Deserialize)]
pub struct Payload {
    pub id: String,
    pub class: PayloadClass,
    /// Language of a normal payload (`ko`), kind of a hostile one (`sqli`).
    pub lang: String,
    /// Layers it is wrapped in, from the innermost to the outermost.
    pub encodings: Vec<String>,
    pub place: Place,
    /// As it stands in the request.
    pub payload: String,
    /// What [`haetae_event::decode::attack_text`] makes of it; `None`: the payload itself.
    text: Option<String>,
    /// What [`haetae_event::signature::param_sig`] makes of it, where that is known.
    pub param_sig: Option<String>,
    /// Whether nothing about it calls for an alarm.
    pub benign: bool,
}

impl Payload {
    /// What [`haetae_event::decode::attack_text`] makes of it.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or(&self.payload)
    }
}

/// Every payload, in the order of the file.
pub fn payloads() -> impl Iterator<Item = Payload> {
    PAYLOADS
        .lines()
        .map(|line| serde_json::from_str(line).expect("the file is written by make.py"))
}

/// A whole input and what must become of it.
#[derive(Clone, Debug)]
pub struct Fixture {
    pub id: String,
    /// The trap that it guards against.
    pub guards: String,
    /// `None`: the format must be recognised.
    pub format: Option<Format>,
    pub input: Vec<u8>,
    pub expect: Expected,
}

/// What must become of a [`Fixture`].
#[derive(Clone, Debug, Deserialize)]
pub struct Expected {
    /// `None` where no parser fits.
    pub dataset: Option<String>,
    pub events: u64,
    pub rejected: u64,
    pub skipped: u64,
    /// Codes of the rejects, in order.
    pub reasons: Vec<String>,
    /// For the first rows: columns and their values; a list of texts for `warnings`.
    pub rows: Vec<serde_json::Map<String, Value>>,
}

#[derive(Deserialize)]
struct FixtureLine {
    id: String,
    guards: String,
    format: Option<String>,
    input_b64: String,
    expect: Expected,
}

/// Every input that must pass, in the order of the file.
pub fn must_pass() -> impl Iterator<Item = Fixture> {
    MUST_PASS.lines().map(|line| {
        let line: FixtureLine = serde_json::from_str(line).expect("the file is written by must_pass.py");
        Fixture {
            id: line.id,
            guards: line.guards,
            format: line
                .format
                .map(|name| name.parse().expect("the file names formats")),
            input: base64::engine::general_purpose::STANDARD
                .decode(line.input_b64)
                .expect("the file holds Base64"),
            expect: line.expect,
        }
    })
}

/// Everything that one input became.
#[derive(Debug, Default)]
pub struct Outcome {
    pub dataset: Option<Dataset>,
    /// Batches in order; each one's counts are its own.
    pub batches: Vec<ParsedBatch>,
}

impl Outcome {
    /// Reads `input` from memory to its end.
    pub fn of(input: &[u8], choice: impl Into<Choice>, options: &ParseOptions) -> Outcome {
        let mut reader = InputReader::open(input, choice, options);
        let mut batches = Vec::new();
        while let Some(batch) = reader.next_batch().expect("memory does not fail") {
            batches.push(batch);
        }
        Outcome {
            dataset: reader.dataset(),
            batches,
        }
    }

    /// As one batch: counts summed, ordinals and rejects in order, the records of the first block.
    pub fn into_batch(self) -> ParsedBatch {
        let mut whole = ParsedBatch::default();
        for batch in self.batches {
            whole.counts += batch.counts;
            whole.ordinals.extend(batch.ordinals);
            whole.rejects.extend(batch.rejects);
            whole.records = whole.records.or(batch.records);
        }
        whole
    }
}

/// What is wrong with our reading of a fixture; nothing when it passes.
pub fn check(fixture: &Fixture) -> Vec<String> {
    check_with(fixture, &ParseOptions::default())
}

/// As [`check`], where the options may offer further parsers.
pub fn check_with(fixture: &Fixture, options: &ParseOptions) -> Vec<String> {
    let outcome = Outcome::of(&fixture.input, fixture.format, options);
    let expect = &fixture.expect;
    let mut problems = Vec::new();
    let dataset = outcome.dataset.map(Dataset::as_str);
    if dataset != expect.dataset.as_deref() {
        problems.push(format!("dataset {dataset:?}, not {:?}", expect.dataset));
    }
    let records: Vec<RecordBatch> = outcome.batches.iter().filter_map(|b| b.records.clone()).collect();
    let whole = outcome.into_batch();
    let counts = whole.counts;
    let got = (counts.events, counts.rejected, counts.skipped);
    let wanted = (expect.events, expect.rejected, expect.skipped);
    if got != wanted || !counts.balanced() {
        problems.push(format!("(events, rejected, skipped) {got:?}, not {wanted:?}"));
    }
    let reasons: Vec<&str> = whole.rejects.iter().map(|r| r.reason.code()).collect();
    if reasons != expect.reasons {
        problems.push(format!("reasons {reasons:?}, not {:?}", expect.reasons));
    }
    for (number, row) in expect.rows.iter().enumerate() {
        for (column, wanted) in row {
            let got = cell(&records, number, column);
            if !same(&got, wanted) {
                problems.push(format!("row {number}, {column}: {got}, not {wanted}"));
            }
        }
    }
    problems
}

/// Numbers are the same when their values are.
fn same(got: &Value, wanted: &Value) -> bool {
    got == wanted || matches!((got.as_f64(), wanted.as_f64()), (Some(a), Some(b)) if a == b)
}

/// The value in row `number` of all records; null also for a column or row that is not there.
fn cell(records: &[RecordBatch], mut number: usize, column: &str) -> Value {
    for batch in records {
        if number < batch.num_rows() {
            return batch
                .column_by_name(column)
                .map_or(Value::Null, |array| value(array.as_ref(), number));
        }
        number -= batch.num_rows();
    }
    Value::Null
}

fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Timestamp(..) => {
            let us = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Micros(us).to_string().into()
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            items.as_string_view().iter().flatten().map(Value::from).collect()
        }
        other => format!("a value of type {other}").into(),
    }
}

/// What became of the hostile records that [`survive`] feeds.
#[derive(Clone, Debug, Default)]
pub struct SurvivalReport {
    /// Inputs fed, one record each.
    pub inputs: usize,
    pub events: u64,
    pub rejected: u64,
    pub skipped: u64,
    /// Broken promises: a panic, a record lost or counted twice. At most [`PROBLEMS_MAX`] are told.
    pub problems: Vec<String>,
    pub problem_count: usize,
    /// The longest time one record took, and whose it was.
    pub slowest: Duration,
    pub slowest_id: String,
}

impl SurvivalReport {
    pub fn survived(&self) -> bool {
        self.problem_count == 0
    }

    fn problem(&mut self, text: String) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }
}

/// Feeds every payload to a parser as a whole line, in a string of a JSON object and in a line of
/// `key=value` pairs. Each is one record and must have one outcome; nothing may panic.
///
/// Panics are caught only where they unwind. The panic hook still speaks.
pub fn survive(parse: &mut dyn FnMut(&[u8]) -> ParsedBatch) -> SurvivalReport {
    let mut report = SurvivalReport::default();
    for payload in payloads() {
        for (shape, input) in records_with(&payload) {
            let id = format!("{} as {shape}", payload.id);
            one(&mut report, id, &input, parse);
        }
    }
    report
}

fn one(report: &mut SurvivalReport, id: String, input: &[u8], parse: &mut dyn FnMut(&[u8]) -> ParsedBatch) {
    report.inputs += 1;
    let started = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| parse(input)));
    let took = started.elapsed();
    let Ok(batch) = result else {
        report.problem(format!("{id}: panic"));
        return;
    };
    if took > report.slowest {
        (report.slowest, report.slowest_id) = (took, id.clone());
    }
    let counts = batch.counts;
    report.events += counts.events;
    report.rejected += counts.rejected;
    report.skipped += counts.skipped;
    let told = counts.events as usize == batch.ordinals.len()
        && counts.rejected as usize == batch.rejects.len()
        && batch
            .records
            .as_ref()
            .is_none_or(|records| records.num_rows() <= batch.ordinals.len());
    if counts.lines_in != 1 || !counts.balanced() || !told {
        report.problem(format!("{id}: {counts:?}"));
    }
}

/// One record each: (what shape it has, its bytes).
fn records_with(payload: &Payload) -> [(&'static str, Vec<u8>); 3] {
    // Line ends would make several records of it.
    let line = payload.payload.replace(['\r', '\n'], " ");
    let text = Value::from(payload.payload.as_str());
    [
        ("a line", format!("{line}\n").into_bytes()),
        (
            "a JSON string",
            format!("{{\"time\":\"2026-03-01T10:00:00Z\",\"uri\":\"/p\",\"status\":200,\"q\":{text}}}\n")
                .into_bytes(),
        ),
        (
            "a pair",
            format!("time=2026-03-01T10:00:00Z level=info q={line} n=1\n").into_bytes(),
        ),
    ]
}
