//! `rules eval`: how well findings tell the truth of simulated traffic.

use crate::cli::{EvalArgs, InputArgs, TextOrJson};
use crate::commands::reading::read_all;
use crate::commands::reloading::read_rules;
use crate::config::Config;
use anyhow::{Context, Result, bail};
use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use haetae_detect::{Closing, Engine, EngineOptions, Evaluation};
use haetae_event::time::SECOND_US;
use haetae_event::{Dataset, Entity, EventBatch, Finding, Level, Micros};
use haetae_simulate::Labels;
use haetae_simulate::score::{Options, Told, render, score};
use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::process::ExitCode;

/// Event time between two looks of the engine, as between two commits of the service.
const STEP_US: i64 = 10 * SECOND_US;
/// How long a pushed source is waited for.
const LATENESS_US: i64 = 90 * SECOND_US;
/// Findings this sure, of one address or network and grave enough, may lead to a block.
const BLOCK_CONFIDENCE_MIN: f64 = 0.9;

pub fn run(args: &EvalArgs, config: &Config) -> Result<ExitCode> {
    let text = std::fs::read_to_string(&args.labels)
        .with_context(|| format!("cannot read {}", args.labels.display()))?;
    let labels: Labels = serde_json::from_str(&text)
        .with_context(|| format!("{} is no labels.json of haetae simulate", args.labels.display()))?;
    let told = if args.from.is_empty() {
        told_by(&args.findings)?
    } else {
        as_the_service_would(args, config)?
    };
    let report = score(&labels, &told, &Options::default());
    match args.output {
        TextOrJson::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        TextOrJson::Text => print!("{}", render(&report)),
    }
    Ok(ExitCode::SUCCESS)
}

fn told(finding: &Finding, told_at: Micros) -> Told {
    let named = matches!(finding.entity.kind.as_str(), "ip" | "net");
    Told {
        rule_id: finding.rule_id.clone(),
        title: finding.title.clone(),
        level: finding.level,
        entity: finding.entity.clone(),
        window: finding.window,
        told_at,
        may_block: named && finding.level >= Level::High && finding.confidence >= BLOCK_CONFIDENCE_MIN,
    }
}

/// Findings of a file: when they were told is not in them, the end of their window is the latest.
fn told_by(path: &str) -> Result<Vec<Told>> {
    let input: Box<dyn Read> = match path {
        "-" => Box::new(std::io::stdin().lock()),
        path => {
            let file = std::fs::File::open(path).with_context(|| format!("cannot read {path}"))?;
            Box::new(BufReader::new(file))
        }
    };
    let mut all = Vec::new();
    let findings = serde_json::Deserializer::from_reader(input).into_iter::<Finding>();
    for (number, finding) in (1..).zip(findings) {
        let finding = finding.with_context(|| format!("{path}, finding {number}"))?;
        all.push(told(&finding, finding.window.end));
    }
    Ok(all)
}

/// Rows of one dataset, put in order of time.
struct Ordered {
    batches: Vec<EventBatch>,
    /// Event time, batch, row.
    rows: Vec<(i64, usize, usize)>,
    next: usize,
}

impl Ordered {
    /// Rows before `until`, those given already left out.
    fn before(&mut self, until: i64) -> Result<Option<EventBatch>> {
        let from = self.next;
        self.next += self.rows[from..].partition_point(|row| row.0 < until);
        let Some(first) = self.batches.first().filter(|_| self.next > from) else {
            return Ok(None);
        };
        let picked: Vec<(usize, usize)> = self.rows[from..self.next]
            .iter()
            .map(|&(_, batch, row)| (batch, row))
            .collect();
        let records: Vec<&RecordBatch> = self.batches.iter().map(|batch| &batch.records).collect();
        Ok(Some(EventBatch {
            records: interleave_record_batch(&records, &picked)?,
            ..first.clone()
        }))
    }
}

fn read(args: &EvalArgs, config: &Config, engine: &Engine) -> Result<Vec<Ordered>> {
    let input = InputArgs {
        inputs: args.from.clone(),
        format: None,
        format_string: None,
        time_zone: None,
    };
    // One dataset of one schema is put together: formats of a dataset may differ in columns.
    let mut found: BTreeMap<(Dataset, String), Ordered> = BTreeMap::new();
    read_all(&input, config, &engine.columns(), |step| {
        let Some(mut batch) = step.batch else {
            return Ok(());
        };
        batch.compact();
        let names: Vec<String> = batch
            .records
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let ordered = found
            .entry((batch.dataset, names.join(",")))
            .or_insert_with(|| Ordered {
                batches: Vec::new(),
                rows: Vec::new(),
                next: 0,
            });
        let number = ordered.batches.len();
        let times = batch.ts().values().iter().enumerate();
        ordered.rows.extend(times.map(|(row, &ts)| (ts, number, row)));
        ordered.batches.push(batch);
        Ok(())
    })?;
    let mut all: Vec<Ordered> = found.into_values().collect();
    for ordered in &mut all {
        ordered.rows.sort_unstable();
    }
    Ok(all)
}

/// Tells after every ten seconds of event time, with windows closed 90 s after their end.
fn as_the_service_would(args: &EvalArgs, config: &Config) -> Result<Vec<Told>> {
    let rules = read_rules(
        args.rules.as_deref().or(config.rules_dir.as_deref()),
        &config.cost,
    )?;
    let mut engine = Engine::new(rules, EngineOptions::default());
    let mut input = read(args, config, &engine)?;
    let first = input.iter().filter_map(|o| o.rows.first()).map(|row| row.0).min();
    let last = input.iter().filter_map(|o| o.rows.last()).map(|row| row.0).max();
    let (Some(first), Some(last)) = (first, last) else {
        bail!("there are no events in what --from names");
    };
    let mut findings = Findings::default();
    let mut now = first;
    while now <= last.saturating_add(LATENESS_US) {
        now = now.saturating_add(STEP_US);
        for ordered in &mut input {
            if let Some(batch) = ordered.before(now)? {
                engine.observe(&batch);
            }
        }
        findings.take(engine.evaluate(&Closing::at(now - LATENESS_US)), now);
    }
    findings.take(engine.evaluate(&Closing::everything()), now);
    let all = findings.0.into_values().flatten();
    Ok(all.map(|(finding, told_at)| told(&finding, told_at)).collect())
}

/// Findings by rule and entity, in their latest form, with the time of their first telling.
#[derive(Default)]
struct Findings(BTreeMap<(String, Entity), Vec<(Finding, Micros)>>);

impl Findings {
    /// What touches a finding of the same rule and entity is that finding, and what is withdrawn
    /// goes.
    fn take(&mut self, evaluation: Evaluation, now: i64) {
        for gone in evaluation.withdrawn {
            if let Some(known) = self.0.get_mut(&(gone.rule_id, gone.entity)) {
                known.retain(|(finding, _)| !finding.window.touches(&gone.window, 0));
            }
        }
        for episode in evaluation.episodes {
            let finding = Finding::from_episode(episode);
            let key = (finding.rule_id.clone(), finding.entity.clone());
            let known = self.0.entry(key).or_default();
            let mut told_at = Micros(now);
            known.retain(|(former, at)| {
                let same = former.window.touches(&finding.window, finding.gap_us);
                if same {
                    told_at = told_at.min(*at);
                }
                !same
            });
            known.push((finding, told_at));
        }
    }
}
