//! `haetae parser test`: a definition's own tests, hostile payloads through it, and lines tried while
//! it is being written. Without a target the same sets prove the built-in formats.

use super::blueprint;
use super::draft::Draft;
use super::trial;
use crate::cli::{ParserTestArgs, TextOrJson};
use crate::commands::say::for_terminal_lines;
use crate::config::Config;
use anyhow::Result;
use haetae_event::decode::attack_text;
use haetae_event::signature::param_sig;
use haetae_parse::custom::TestOutcome;
use haetae_parse::fixtures::{self, Outcome, SurvivalReport};
use haetae_parse::{Blueprint, Choice, Format, ParseOptions};
use serde::Serialize;
use serde_json::json;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Mistakes of one set that are told one by one.
const TOLD_MAX: usize = 20;

pub fn run(args: &ParserTestArgs, config: &Config) -> Result<ExitCode> {
    let Some(target) = &args.target else {
        return verdict(
            &[built_in_inputs(), payload_meanings(), built_in_survival()],
            args.output,
        );
    };
    if args.try_input.is_some() {
        return trial::run(target, args, config);
    }
    if !args.watch {
        return verdict(&sets_of(target, config)?, args.output);
    }
    let mut watched = trial::Watched::new([Path::new(target)]);
    loop {
        match sets_of(target, config) {
            Ok(sets) => _ = verdict(&sets, args.output)?,
            Err(error) => eprintln!("{error:#}"),
        }
        eprintln!("waiting for the next change of {target}; Ctrl-C ends");
        watched.wait();
    }
}

/// One set of checks and how it went.
#[derive(Serialize)]
struct Set {
    name: String,
    checks: usize,
    failed: usize,
    /// The first failures, with their place.
    failures: Vec<String>,
    /// Figures beside the verdict.
    note: String,
}

impl Set {
    fn of(name: &str, checks: usize, mut failures: Vec<String>) -> Set {
        let failed = failures.len();
        failures.truncate(TOLD_MAX);
        Set {
            name: name.to_owned(),
            checks,
            failed,
            failures,
            note: String::new(),
        }
    }

    fn survival(name: String, reports: &[SurvivalReport]) -> Set {
        let sum = |count: fn(&SurvivalReport) -> u64| reports.iter().map(count).sum::<u64>();
        let mut failures: Vec<String> = reports.iter().flat_map(|r| r.problems.clone()).collect();
        failures.truncate(TOLD_MAX);
        let slowest = reports.iter().max_by_key(|report| report.slowest);
        let slowest = slowest.map(|r| format!("slowest {:.1?} ({})", r.slowest, r.slowest_id));
        Set {
            name,
            checks: reports.iter().map(|r| r.inputs).sum(),
            failed: reports.iter().map(|r| r.problem_count).sum(),
            failures,
            note: format!(
                "{} events, {} rejected, {} skipped; {}",
                sum(|r| r.events),
                sum(|r| r.rejected),
                sum(|r| r.skipped),
                slowest.unwrap_or_default()
            ),
        }
    }

    fn say(&self) -> Result<()> {
        let mark = if self.failed == 0 { "ok    " } else { "FAILED" };
        writeln!(
            stdout(),
            "{mark} {}: {} of {}",
            self.name,
            self.checks - self.failed,
            self.checks
        )?;
        if !self.note.is_empty() {
            writeln!(stdout(), "         {}", for_terminal_lines(&self.note))?;
        }
        for failure in &self.failures {
            writeln!(
                stdout(),
                "         {}",
                for_terminal_lines(failure).replace('\n', "\n         ")
            )?;
        }
        if self.failed > self.failures.len() {
            writeln!(
                stdout(),
                "         and {} more",
                self.failed - self.failures.len()
            )?;
        }
        Ok(())
    }
}

fn verdict(sets: &[Set], output: TextOrJson) -> Result<ExitCode> {
    let failed: usize = sets.iter().map(|set| set.failed).sum();
    match output {
        TextOrJson::Text => sets.iter().try_for_each(Set::say)?,
        TextOrJson::Json => writeln!(stdout(), "{}", json!({"passed": failed == 0, "sets": sets}))?,
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Every set that a user's parser must pass.
fn sets_of(target: &str, config: &Config) -> Result<Vec<Set>> {
    let (parser, own) = if Path::new(target).is_file() {
        let draft = Draft::read(Path::new(target), None)?;
        let outcomes = draft
            .definition
            .run_tests(draft.extractor()?, &ParseOptions::default());
        let outcomes = outcomes.map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })?;
        (draft.blueprint()?, Some(own_tests(target, &outcomes)))
    } else {
        // Its own tests have passed when it was uploaded, and versions never change.
        (blueprint(target, config)?, None)
    };
    let report = survival(Choice::Blueprint(parser.clone()));
    let payloads = Set::survival(format!("hostile payloads through {}", parser.id()), &[report]);
    Ok(own
        .into_iter()
        .chain([payloads, beside_built_in(&parser)])
        .collect())
}

fn own_tests(file: &str, outcomes: &[TestOutcome]) -> Set {
    let failures = outcomes.iter().filter(|outcome| !outcome.passed).map(|outcome| {
        let mut text = format!("{file}:{}: test {}", outcome.at, outcome.index + 1);
        if !outcome.problem.is_empty() {
            text.push_str(&format!(": {}", outcome.problem));
        }
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
        for d in &outcome.differences {
            text.push_str(&format!(
                "\n  {}: {}, expected {}",
                d.column,
                shown(&d.got),
                shown(&d.expected)
            ));
        }
        text
    });
    let mut set = Set::of("its own tests", outcomes.len(), failures.collect());
    if outcomes.is_empty() {
        set.note = "it has none: add `tests:` with a line and what must become of it".to_owned();
    }
    set
}

/// The built-in formats are still recognised when this parser is offered by content.
fn beside_built_in(parser: &Arc<dyn Blueprint>) -> Set {
    let options = ParseOptions {
        blueprints: Arc::from([parser.clone()]),
        ..ParseOptions::default()
    };
    // What no format takes may well be this parser's.
    let inputs = fixtures::must_pass().filter(|fixture| fixture.expect.dataset.is_some());
    must_pass(
        "must-pass inputs of the built-in formats, with it beside them",
        inputs,
        &options,
    )
}

fn built_in_inputs() -> Set {
    must_pass(
        "must-pass inputs",
        fixtures::must_pass(),
        &ParseOptions::default(),
    )
}

fn must_pass(name: &str, inputs: impl Iterator<Item = fixtures::Fixture>, options: &ParseOptions) -> Set {
    let (mut checks, mut failures) = (0, Vec::new());
    for fixture in inputs {
        checks += 1;
        let problems = fixtures::check_with(&fixture, options);
        if !problems.is_empty() {
            failures.push(format!(
                "{} ({}): {}",
                fixture.id,
                fixture.guards,
                problems.join("; ")
            ));
        }
    }
    Set::of(name, checks, failures)
}

/// Decoding and signatures of every payload.
fn payload_meanings() -> Set {
    let (mut checks, mut failures) = (0, Vec::new());
    for payload in fixtures::payloads() {
        checks += 1;
        let text = attack_text(&payload.payload);
        let sig = payload.param_sig.as_deref();
        if text != payload.text() {
            failures.push(format!(
                "{}: reads {text:?}, not {:?}",
                payload.id,
                payload.text()
            ));
        } else if sig.is_some_and(|wanted| param_sig(&payload.payload).as_deref() != Some(wanted)) {
            failures.push(format!("{}: param_sig is not {sig:?}", payload.id));
        }
    }
    Set::of("meaning of payloads (decoding, param_sig)", checks, failures)
}

fn built_in_survival() -> Set {
    let formats: Vec<Format> = Format::all().collect();
    let reports: Vec<SurvivalReport> = formats
        .iter()
        .map(|format| survival(Choice::Format(*format)))
        .collect();
    Set::survival(
        format!("hostile payloads through {} formats", formats.len()),
        &reports,
    )
}

fn survival(choice: Choice) -> SurvivalReport {
    let options = ParseOptions::default();
    fixtures::survive(&mut |input| Outcome::of(input, choice.clone(), &options).into_batch())
}
