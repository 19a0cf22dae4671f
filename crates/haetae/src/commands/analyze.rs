//! `haetae analyze`: one report over logs of any kind.

use super::detect::findings;
use super::reading::{Asked, read_all};
use super::reloading::load_rules;
use crate::cli::{AnalyzeArgs, ReportOutput};
use crate::config::{Config, Language as ConfigLanguage};
use crate::models;
use anyhow::{Context, Result};
use haetae_detect::{Engine, EngineOptions};
use haetae_event::{Clock, Reason, SystemClock};
use haetae_report::{Colour, KpiAccumulator, Language, Report, TextOptions};
use haetae_respond::for_terminal;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Refused records that are named in the report; the rest is only counted.
const NAMED_REJECTS_MAX: usize = 8;

/// Refused records by input and reason, with one example each.
#[derive(Default)]
struct Refused {
    kinds: BTreeMap<(String, Reason), (u64, String)>,
}

impl Refused {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .kinds
            .iter()
            .take(NAMED_REJECTS_MAX)
            .map(|((input, reason), (n, example))| format!("{input}: {n} × {reason}, e.g. {example}"))
            .collect();
        let more = self.kinds.len().saturating_sub(NAMED_REJECTS_MAX);
        if more > 0 {
            lines.push(format!(
                "… {more} more; `haetae parse --rejects FILE` writes them all"
            ));
        }
        lines
    }
}

pub fn run(args: &AnalyzeArgs, config: &Config) -> Result<()> {
    let mut figures = KpiAccumulator::new();
    let mut engine = if args.no_detect {
        None
    } else {
        let rules = load_rules(
            args.rules.as_deref().or(config.rules_dir.as_deref()),
            &config.cost,
        )?;
        let options = EngineOptions {
            more: models::of_command(config),
            ..EngineOptions::one_shot()
        };
        Some(Engine::new(rules, options))
    };
    let mut asked = Asked::from(&KpiAccumulator::columns());
    if let Some(engine) = &engine {
        asked.columns = asked.columns.union(engine.columns());
        asked.inside = engine.inside().clone();
    }
    let mut refused = Refused::default();
    let mut too_old = 0u64;
    let counts = read_all(&args.input, config, asked, |step| {
        for reject in step.rejects {
            let kind = refused.kinds.entry((step.input.to_owned(), reject.reason));
            kind.or_insert_with(|| (0, format!("record {}: {}", reject.ordinal, reject.detail)))
                .0 += 1;
        }
        if let Some(batch) = &step.batch {
            figures.observe(batch);
            if let Some(engine) = &mut engine {
                too_old += engine.observe(batch).too_old.len() as u64;
            }
        }
        Ok(())
    })?;
    let findings = match &mut engine {
        Some(engine) => findings(engine, config)?,
        None => Vec::new(),
    };
    let mut warnings = refused.lines();
    if too_old > 0 {
        let text = "some records lie too far back for the memory bound of detection; give the inputs in the order of their time";
        warnings.push(text.to_owned());
    }
    let report = Report {
        kpi: figures.finish(),
        findings,
        counts,
        warnings,
        inputs: args.input.inputs.clone(),
        generated_at: SystemClock.now(),
        tz: config.timezone(),
        language: match config.language() {
            ConfigLanguage::Ko => Language::Ko,
            ConfigLanguage::En => Language::En,
        },
        detection_skipped: args.no_detect,
    };
    write(args, &report)
}

fn write(args: &AnalyzeArgs, report: &Report) -> Result<()> {
    let Some(path) = &args.out else {
        let mut out = std::io::stdout().lock();
        let text = match args.output {
            ReportOutput::Json => report.to_json(),
            ReportOutput::Html => report.to_html(),
            ReportOutput::Text => report.to_text(&for_stdout()),
        };
        out.write_all(text.as_bytes())?;
        return Ok(());
    };
    let text = match kind(path, args.output) {
        ReportOutput::Json => report.to_json(),
        ReportOutput::Html => report.to_html(),
        ReportOutput::Text => report.to_text(&TextOptions::default()),
    };
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!(
        "{}: {} findings",
        for_terminal(&path.display().to_string()),
        report.findings.len()
    );
    Ok(())
}

/// A file's ending chooses the output, unless one was asked for.
fn kind(path: &Path, asked: ReportOutput) -> ReportOutput {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html" | "htm") => ReportOutput::Html,
        Some("json") => ReportOutput::Json,
        _ => asked,
    }
}

fn for_stdout() -> TextOptions {
    let terminal = std::io::stdout().is_terminal();
    let colour = if terminal && std::env::var_os("NO_COLOR").is_none() {
        Colour::Ansi
    } else {
        Colour::Never
    };
    let width = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    TextOptions {
        colour,
        width: width.unwrap_or(100),
    }
}
