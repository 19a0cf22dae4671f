//! `rules backtest`: what rules would have told over what is stored.

use super::replay::replay;
use crate::cli::{BacktestArgs, TextOrJson};
use crate::commands::reloading::read_rules;
use crate::config::Config;
use anyhow::{Result, bail};
use haetae_detect::{Engine, EngineOptions, RuleSet};
use haetae_event::{Finding, Micros};
use haetae_respond::for_terminal;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Entities and examples listed of one rule.
const LISTED_MAX: usize = 5;

/// The report; its JSON is what `--output json` prints.
#[derive(Serialize)]
struct Report {
    start: Micros,
    end: Micros,
    events: u64,
    rules: Vec<OfRule>,
    /// Rules that told nothing.
    silent: Vec<String>,
}

#[derive(Serialize)]
struct OfRule {
    id: String,
    title: String,
    level: haetae_event::Level,
    alerts: usize,
    per_day: f64,
    entities: usize,
    by_day: BTreeMap<String, usize>,
    top_entities: Vec<Top>,
    examples: Vec<Example>,
    /// Estimated cost of what it told, US dollars; `null` where none is known.
    cost_usd: Option<f64>,
}

#[derive(Serialize)]
struct Top {
    kind: String,
    value: String,
    alerts: usize,
    events: u64,
}

#[derive(Serialize)]
struct Example {
    ts: Micros,
    entity: String,
    count: u64,
    evidence: Option<String>,
}

pub fn run(args: &BacktestArgs, config: &Config) -> Result<ExitCode> {
    let path = args.path.as_deref().or(config.rules_dir.as_deref());
    let rules = read_rules(path, &config.cost)?;
    for diagnostic in rules.diagnostics() {
        eprintln!("rule not loaded: {diagnostic}");
    }
    let wanted = wanted(&rules, args)?;
    let mut engine = Engine::new(rules.clone(), EngineOptions::one_shot());
    let replayed = replay(&mut engine, config, (args.last, &args.from, &args.format))?;
    let (start, end, events) = (replayed.start, replayed.end, replayed.events);
    let findings = crate::commands::detect::findings(&mut engine, config)?;
    if events == 0 {
        eprintln!("no event was read: nothing can be said of these rules");
    }
    let span = (start, end, replayed.days(), events);
    let report = report(&rules, &wanted, &findings, span, &config.timezone());
    match args.output {
        TextOrJson::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        TextOrJson::Text => text(&report, config)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Ids of the rules that are reported: those of the path; without one all of them.
fn wanted(rules: &RuleSet, args: &BacktestArgs) -> Result<BTreeSet<String>> {
    let all = rules.loaded().iter();
    let own: BTreeSet<String> = match &args.path {
        None => return Ok(all.map(|l| l.document.attributes().id.clone()).collect()),
        // Built-in rules have file names too, of no folder of the user's.
        Some(path) => all
            .filter(|l| !l.builtin && Path::new(&*l.file).starts_with(path))
            .map(|l| l.document.attributes().id.clone())
            .collect(),
    };
    if own.is_empty() {
        bail!("no rule of that path loads; `haetae rules lint` says why");
    }
    Ok(own)
}

fn report(
    rules: &RuleSet,
    wanted: &BTreeSet<String>,
    findings: &[Finding],
    (start, end, days, events): (Micros, Micros, f64, u64),
    timezone: &TimeZone,
) -> Report {
    let mut by_rule: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    let known: BTreeSet<&str> = rules
        .loaded()
        .iter()
        .map(|l| l.document.attributes().id.as_str())
        .collect();
    // Code detectors have no file: they belong to "all".
    let everything = wanted.len() == known.len();
    for finding in findings {
        let id = finding.rule_id.as_str();
        if wanted.contains(id) || (everything && !known.contains(id)) {
            by_rule.entry(id).or_default().push(finding);
        }
    }
    let silent = wanted
        .iter()
        .filter(|id| !by_rule.contains_key(id.as_str()))
        .cloned()
        .collect();
    let mut rules: Vec<OfRule> = by_rule
        .into_iter()
        .map(|(id, findings)| of_rule(id, &findings, days, timezone))
        .collect();
    rules.sort_by(|a, b| (b.level, b.alerts, &a.id).cmp(&(a.level, a.alerts, &b.id)));
    Report {
        start,
        end,
        events,
        rules,
        silent,
    }
}

fn of_rule(id: &str, findings: &[&Finding], days: f64, timezone: &TimeZone) -> OfRule {
    let mut by_day: BTreeMap<String, usize> = BTreeMap::new();
    let mut entities: BTreeMap<(&str, &str), (usize, u64)> = BTreeMap::new();
    for finding in findings {
        let day = finding
            .ts
            .timestamp()
            .to_zoned(timezone.clone())
            .date()
            .to_string();
        *by_day.entry(day).or_default() += 1;
        let key = (finding.entity.kind.as_str(), finding.entity.value.as_str());
        let seen = entities.entry(key).or_default();
        seen.0 += 1;
        seen.1 += finding.count;
    }
    let mut top: Vec<Top> = entities
        .iter()
        .map(|(&(kind, value), &(alerts, events))| Top {
            kind: kind.to_owned(),
            value: value.to_owned(),
            alerts,
            events,
        })
        .collect();
    top.sort_by(|a, b| (b.alerts, b.events, &a.value).cmp(&(a.alerts, a.events, &b.value)));
    top.truncate(LISTED_MAX);
    let examples = findings
        .iter()
        .take(LISTED_MAX)
        .map(|finding| Example {
            ts: finding.ts,
            entity: finding.entity.value.clone(),
            count: finding.count,
            evidence: finding.evidence.first().map(|e| e.summary.clone()),
        })
        .collect();
    let costs: Vec<f64> = findings.iter().filter_map(|f| f.cost.map(|c| c.so_far)).collect();
    OfRule {
        id: id.to_owned(),
        title: findings.first().map(|f| f.title.clone()).unwrap_or_default(),
        level: findings
            .iter()
            .map(|f| f.level)
            .max()
            .unwrap_or(haetae_event::Level::Informational),
        alerts: findings.len(),
        // A day is the least one can speak of.
        per_day: findings.len() as f64 / days.max(1.0),
        entities: entities.len(),
        by_day,
        top_entities: top,
        examples,
        cost_usd: (!costs.is_empty()).then(|| costs.iter().sum()),
    }
}

fn text(report: &Report, config: &Config) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let zone = config.timezone();
    let at = |ts: Micros| {
        ts.timestamp()
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M %:z")
            .to_string()
    };
    writeln!(
        out,
        "{} .. {}, {} events",
        at(report.start),
        at(report.end),
        report.events
    )?;
    for rule in &report.rules {
        writeln!(
            out,
            "\n{}  [{}]  {}\n  {} alerts, {:.1} a day, {} entities{}",
            for_terminal(&rule.title),
            rule.level,
            rule.id,
            rule.alerts,
            rule.per_day,
            rule.entities,
            rule.cost_usd
                .map_or(String::new(), |usd| format!(", about ${usd:.2}")),
        )?;
        let days: Vec<String> = rule.by_day.iter().map(|(day, n)| format!("{day}: {n}")).collect();
        writeln!(out, "  by day    {}", days.join("  "))?;
        for top in &rule.top_entities {
            let (kind, value) = (for_terminal(&top.kind), for_terminal(&top.value));
            writeln!(
                out,
                "  {kind:<9} {value}  {} alerts, {} events",
                top.alerts, top.events
            )?;
        }
        for example in &rule.examples {
            let evidence = example.evidence.as_deref().unwrap_or("-");
            let entity = for_terminal(&example.entity);
            writeln!(out, "  {}  {entity}  {}", at(example.ts), for_terminal(evidence))?;
        }
    }
    if !report.silent.is_empty() {
        writeln!(out, "\n{} rules told nothing", report.silent.len())?;
    }
    out.flush()?;
    Ok(())
}
