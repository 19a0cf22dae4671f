//! `haetae parser shadow`: what a new version would change, on replayed or live data.

use super::draft::Draft;
use super::{ask, show};
use crate::cli::{ShadowArgs, ShadowOutput};
use crate::commands::reading::read_with;
use crate::config::Config;
use anyhow::{Context, Result, bail};
use haetae_event::Columns;
use haetae_parse::shadow::{Comparison, Report};
use haetae_parse::{Blueprint, Candidate, Candidates, Choice};
use haetae_server::ParserRequest;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

pub fn run(args: &ShadowArgs, config: &Config) -> Result<ExitCode> {
    if args.inputs.inputs.is_empty() {
        return live(args, config);
    }
    let new = blueprint(&args.candidate, config)?;
    let old = match &args.against {
        Some(id) => side(id, config)?,
        None => Side::Blueprint(blueprint(&stable_of(&args.candidate, config)?, config)?),
    };
    let comparison = Arc::new(Mutex::new(Comparison::new(&old.id(), new.id())));
    let candidates = Arc::new(Always {
        candidate: Candidate {
            blueprint: new,
            comparison: comparison.clone(),
        },
    });
    read_with(
        &args.inputs,
        config,
        &Columns::All,
        old.choice(),
        Some(candidates),
        |_| Ok(()),
    )?;
    let report = comparison.lock().unwrap_or_else(PoisonError::into_inner).report();
    print(&report, args.output)?;
    Ok(verdict(&report))
}

/// Something got worse: scripts see it.
fn verdict(report: &Report) -> ExitCode {
    if report.newly_failing > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn print(report: &Report, output: ShadowOutput) -> Result<()> {
    match output {
        ShadowOutput::Text => print!("{}", haetae_respond::for_terminal_lines(&report.to_string())),
        ShadowOutput::Json => println!("{}", serde_json::to_string_pretty(report)?),
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

enum Side {
    Format(haetae_parse::Format),
    Blueprint(Arc<dyn Blueprint>),
}

impl Side {
    fn id(&self) -> String {
        match self {
            Side::Format(format) => format.spec().parser_id.to_owned(),
            Side::Blueprint(blueprint) => blueprint.id().to_owned(),
        }
    }

    fn choice(&self) -> Choice {
        match self {
            Side::Format(format) => Choice::Format(*format),
            Side::Blueprint(blueprint) => Choice::Blueprint(blueprint.clone()),
        }
    }
}

fn side(id: &str, config: &Config) -> Result<Side> {
    match id.split('@').next().unwrap_or(id).parse() {
        Ok(format) => Ok(Side::Format(format)),
        Err(_) => Ok(Side::Blueprint(blueprint(id, config)?)),
    }
}

/// A definition file, or a version in the catalog.
fn blueprint(id: &str, config: &Config) -> Result<Arc<dyn Blueprint>> {
    if Path::new(id).is_file() {
        return Draft::read(Path::new(id), None)?.blueprint();
    }
    let store = crate::commands::query::open_idle(config)?;
    let clock = Arc::new(haetae_event::SystemClock);
    let shelf = crate::wiring::Shelf::open(store, Vec::new(), clock)?;
    haetae_pipeline::ParserShelf::named(&shelf, id)
        .with_context(|| format!("{id} is neither a definition file nor a parser; see `haetae parser list`"))
}

/// The name of the candidate alone means its stable version.
fn stable_of(candidate: &str, config: &Config) -> Result<String> {
    if Path::new(candidate).is_file() {
        return Ok(Draft::read(Path::new(candidate), None)?.definition.id().to_owned());
    }
    let (name, _) = crate::wiring::split_id(candidate);
    let listed = ask(config, ParserRequest::List)?;
    let stable = listed.as_array().into_iter().flatten().find(|row| {
        let id = row["id"].as_str().unwrap_or_default();
        crate::wiring::split_id(id).0 == name
            && row["channel"].as_str().is_some_and(|channels| channels.contains("stable"))
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
        println!("{}", if said["ended"] == true { "ended" } else { "there was none" });
        return Ok(ExitCode::SUCCESS);
    }
    let shown = show(&id, config)?;
    if shown["shadow"].is_null() {
        let said = ask(config, ParserRequest::Shadow { id })?;
        println!(
            "{} runs beside {} on what arrives from now on; the same command shows what it finds, --stop ends it",
            said["candidate"].as_str().unwrap_or_default(),
            said["against"].as_str().unwrap_or_default()
        );
        return Ok(ExitCode::SUCCESS);
    }
    let shadow = &shown["shadow"];
    match args.output {
        ShadowOutput::Json => println!("{}", serde_json::to_string_pretty(shadow)?),
        ShadowOutput::Text => live_text(&id, shadow)?,
    }
    let failing = shadow["report"]["newly_failing"].as_u64().unwrap_or(0);
    Ok(if failing > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn live_text(id: &str, shadow: &Value) -> Result<()> {
    println!(
        "{id} against {} since {}",
        shadow["against"].as_str().unwrap_or_default(),
        shadow["started_at"].as_str().unwrap_or_default()
    );
    match serde_json::from_value::<Report>(shadow["report"].clone()) {
        Ok(report) => print!("{}", haetae_respond::for_terminal_lines(&report.to_string())),
        Err(_) => println!("no record yet"),
    }
    Ok(())
}
