//! `haetae parser shadow`: what a new version would change, on replayed or live data.

use super::draft::Draft;
use super::{ask, blueprint, choice, show, text};
use crate::cli::{InputArgs, ShadowArgs, TextOrJson};
use crate::commands::reading::read_with;
use crate::commands::say::for_terminal_lines;
use crate::config::Config;
use anyhow::{Result, bail};
use haetae_event::Columns;
use haetae_parse::shadow::{Comparison, Report};
use haetae_parse::{Candidate, Candidates, Choice};
use haetae_server::ParserRequest;
use serde_json::Value;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

pub fn run(args: &ShadowArgs, config: &Config) -> Result<ExitCode> {
    if args.inputs.is_empty() {
        return live(args, config);
    }
    let new = blueprint(&newest(&args.candidate, config)?, config)?;
    let against = match &args.against {
        Some(id) => id.clone(),
        None => stable_of(&args.candidate, config)?,
    };
    let old = choice(&against, config)?;
    let old_id = match &old {
        Choice::Format(format) => format.spec().parser_id,
        Choice::Blueprint(blueprint) => blueprint.id(),
        Choice::Detect => "by content",
    };
    if old_id == new.id() && !Path::new(&args.candidate).is_file() {
        bail!("{old_id} is the stable version itself: name another one, or a definition file");
    }
    let comparison = Arc::new(Mutex::new(Comparison::new(old_id, new.id())));
    let candidates = Arc::new(Always {
        candidate: Candidate {
            blueprint: new,
            comparison: comparison.clone(),
        },
    });
    let inputs = InputArgs {
        inputs: args.inputs.clone(),
        format: None,
        format_string: None,
        time_zone: None,
    };
    read_with(&inputs, config, &Columns::All, &old, Some(candidates), |_| Ok(()))?;
    let report = comparison.lock().unwrap_or_else(PoisonError::into_inner).report();
    print(&report, args.output)?;
    Ok(verdict(&report))
}

/// Something got worse: scripts see it.
fn verdict(report: &Report) -> ExitCode {
    if report.newly_failing > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn print(report: &Report, output: TextOrJson) -> Result<()> {
    match output {
        TextOrJson::Text => writeln!(stdout(), "{}", for_terminal_lines(&report.to_string()))?,
        TextOrJson::Json => writeln!(stdout(), "{}", serde_json::to_string_pretty(report)?)?,
    }
    Ok(())
}

/// Runs beside whatever parser reads the inputs.
#[derive(Debug)]
struct Always {
    candidate: Candidate,
}

impl Candidates for Always {
    fn beside(&self, _: &str) -> Option<Candidate> {
        Some(self.candidate.clone())
    }
}

/// The name of a candidate alone means its newest version; elsewhere it means the stable one.
fn newest(candidate: &str, config: &Config) -> Result<String> {
    if Path::new(candidate).is_file() || candidate.contains("@v") {
        return Ok(candidate.to_owned());
    }
    Ok(text(&show(candidate, config)?, "id"))
}

/// The name of the candidate alone means its stable version.
fn stable_of(candidate: &str, config: &Config) -> Result<String> {
    if Path::new(candidate).is_file() {
        return Ok(Draft::read(Path::new(candidate), None)?
            .definition
            .id()
            .to_owned());
    }
    let (name, _) = crate::wiring::split_id(candidate);
    let listed = ask(config, ParserRequest::List)?;
    let stable = listed.as_array().into_iter().flatten().find(|row| {
        let id = row["id"].as_str().unwrap_or_default();
        crate::wiring::split_id(id).0 == name
            && row["channel"]
                .as_str()
                .is_some_and(|channels| channels.contains("stable"))
    });
    match stable {
        Some(row) => Ok(row["id"].as_str().unwrap_or_default().to_owned()),
        None => bail!("no version of {name} is promoted: name the other side with --against"),
    }
}

/// On live data: begins, shows or ends a comparison that the service makes.
fn live(args: &ShadowArgs, config: &Config) -> Result<ExitCode> {
    let id = args.candidate.clone();
    if args.stop {
        let said = ask(config, ParserRequest::Unshadow { id })?;
        writeln!(
            stdout(),
            "{}",
            if said["ended"] == true {
                "ended"
            } else {
                "there was none"
            }
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = show(&id, config)?;
    if shown["shadow"].is_null() {
        let said = ask(config, ParserRequest::Shadow { id })?;
        writeln!(
            stdout(),
            "{} runs beside {} on what arrives from now on; the same command shows what it finds, --stop ends it",
            said["candidate"].as_str().unwrap_or_default(),
            said["against"].as_str().unwrap_or_default()
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let shadow = &shown["shadow"];
    match args.output {
        TextOrJson::Json => writeln!(stdout(), "{}", serde_json::to_string_pretty(shadow)?)?,
        TextOrJson::Text => live_text(&text(&shown, "id"), shadow)?,
    }
    let failing = shadow["report"]["newly_failing"].as_u64().unwrap_or(0);
    Ok(if failing > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn live_text(id: &str, shadow: &Value) -> Result<()> {
    writeln!(
        stdout(),
        "{id} against {} since {}",
        shadow["against"].as_str().unwrap_or_default(),
        shadow["started_at"].as_str().unwrap_or_default()
    )?;
    match serde_json::from_value::<Report>(shadow["report"].clone()) {
        Ok(report) => writeln!(stdout(), "{}", for_terminal_lines(&report.to_string()))?,
        Err(_) => writeln!(stdout(), "no record yet")?,
    }
    Ok(())
}
