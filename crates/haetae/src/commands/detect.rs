//! `haetae detect`.

use super::reading::{Asked, read_all};
use super::reloading::load_rules;
use crate::cli::DetectArgs;
use crate::config::Config;
use crate::models;
use crate::wiring::judged;
use anyhow::Result;
use haetae_detect::{Closing, Engine, EngineOptions, risk};
use haetae_event::{Counts, Finding};
use std::io::Write;
use std::process::ExitCode;

pub fn run(args: &DetectArgs, config: &Config) -> Result<ExitCode> {
    let rules = load_rules(
        args.rules.as_deref().or(config.rules_dir.as_deref()),
        &config.cost,
    )?;
    let options = EngineOptions {
        more: models::of_command(config),
        ..EngineOptions::one_shot()
    };
    let mut engine = Engine::new(rules, options);
    let asked = Asked::from(&engine);
    let counts = read_all(&args.input, config, asked, |step| {
        if let Some(batch) = &step.batch {
            engine.observe(batch);
        }
        Ok(())
    })?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for finding in findings(&mut engine, config)? {
        serde_json::to_writer(&mut out, &finding)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(read_enough(&counts))
}

/// Says what could not be read. Silence of a detector that saw nothing must not look like peace: input
/// without one readable record is a failure.
fn read_enough(counts: &Counts) -> ExitCode {
    if counts.rejected > 0 {
        eprintln!(
            "{} of {} records could not be read; `haetae parse` shows them and why",
            counts.rejected, counts.lines_in
        );
    } else if counts.lines_in == 0 {
        eprintln!("the input is empty: nothing was looked at");
    }
    match counts.events == 0 && counts.rejected > 0 {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// Everything the engine has to say once all input is read, and what small things add up to for
/// whom nothing was told: the gravest first, then by time. Claims of crawlers are checked, which
/// may take a while.
///
/// # Errors
/// When the check of crawlers cannot be set up.
pub fn findings(engine: &mut Engine, config: &Config) -> Result<Vec<Finding>> {
    let evaluation = engine.evaluate(&Closing::everything());
    let evaluation = judged(evaluation, engine, config)?;
    let mut findings: Vec<Finding> = evaluation
        .episodes
        .into_iter()
        .map(Finding::from_episode)
        .collect();
    risk::with_sums(&mut findings, engine.rules(), config.notify.min_level);
    findings.sort_by(|a, b| {
        (std::cmp::Reverse(a.level), a.window.start, &a.rule_id, &a.entity).cmp(&(
            std::cmp::Reverse(b.level),
            b.window.start,
            &b.rule_id,
            &b.entity,
        ))
    });
    Ok(findings)
}
