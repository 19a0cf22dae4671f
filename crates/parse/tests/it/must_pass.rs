//! Whole inputs with what must become of them, and hostile records that every parser survives.

use haetae_parse::fixtures::{self, Outcome};
use haetae_parse::{Format, ParseOptions};

#[test]
fn every_input_becomes_what_it_must() {
    let mut problems = Vec::new();
    let mut count = 0;
    for fixture in fixtures::must_pass() {
        count += 1;
        for problem in fixtures::check(&fixture) {
            problems.push(format!("{} ({}): {problem}", fixture.id, fixture.guards));
        }
    }
    assert!(count >= 400, "{count} inputs");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_wrong_expectation_is_noticed() {
    let mut fixture = fixtures::must_pass().next().expect("there are inputs");
    fixture.expect.events += 1;
    fixture.expect.reasons.push("bad_field".into());
    fixture.expect.rows[0].insert("status".into(), 201.into());
    assert_eq!(fixtures::check(&fixture).len(), 3);
}

#[test]
fn every_parser_survives_every_payload() {
    let options = ParseOptions::default();
    let mut all: Vec<Option<Format>> = Format::all().map(Some).collect();
    all.push(None);
    for format in all {
        let report = fixtures::survive(&mut |input| Outcome::of(input, format, &options).into_batch());
        assert!(report.inputs >= 3000);
        assert!(report.survived(), "{format:?}: {:#?}", report.problems);
        eprintln!(
            "{format:?}: {} events, {} rejected, {} skipped, slowest {:?} ({})",
            report.events, report.rejected, report.skipped, report.slowest, report.slowest_id
        );
    }
}

#[test]
fn a_parser_that_loses_records_or_panics_does_not_survive() {
    let lost = fixtures::survive(&mut |_| Default::default());
    assert_eq!(lost.problem_count, lost.inputs);
    let mut calls = 0;
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let options = ParseOptions::default();
    let report = fixtures::survive(&mut |input| {
        calls += 1;
        assert!(calls != 7, "on purpose");
        Outcome::of(input, None, &options).into_batch()
    });
    std::panic::set_hook(hook);
    assert_eq!(report.problem_count, 1, "{:#?}", report.problems);
}
