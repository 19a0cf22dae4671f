//! `rules eval`: how well findings tell the truth of simulated traffic.
//!
//! What counts is what was told, not what is left of it in the end: a finding keeps the highest
//! level it ever had, also when it was lowered or withdrawn later, since whoever was woken for it
//! was woken. How many were withdrawn stands beside the scores.

use super::names::LabelledNames;
use super::ordered::{self, Findings, read};
use crate::cli::{EvalArgs, TextOrJson};
use crate::commands::reloading::load_rules;
use crate::config::Config;
use anyhow::{Context, Result, bail};
use haetae_detect::blocking::Blocking;
use haetae_detect::cost::{PriceTable, Tariff, Usage};
use haetae_detect::{Closing, Engine, EngineOptions, Evaluation, RuleSet, risk};
use haetae_event::time::SECOND_US;
use haetae_event::{Clock, Dataset, Entity, Finding, Level, Micros, SystemClock};
use haetae_pipeline::Claims;
use haetae_simulate::score::{Options, Prices, ScoreReport, Told, render, score};
use haetae_simulate::{CampaignLabel, Labels};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::process::ExitCode;
use std::sync::Arc;

/// Event time between two looks of the engine, as between two commits of the service.
const STEP_US: i64 = 10 * SECOND_US;
/// How long a pushed source is waited for.
const LATENESS_US: i64 = 90 * SECOND_US;

pub fn run(args: &EvalArgs, config: &Config) -> Result<ExitCode> {
    let text = std::fs::read_to_string(&args.labels)
        .with_context(|| format!("cannot read {}", args.labels.display()))?;
    let mut labels: Labels = serde_json::from_str(&text)
        .with_context(|| format!("{} is no labels.json of haetae simulate", args.labels.display()))?;
    let rules = load_rules(
        args.rules.as_deref().or(config.rules_dir.as_deref()),
        &config.cost,
    )?;
    let options = Options {
        prices: Some(prices(&rules, config)),
        ..Options::default()
    };
    let blocking = Blocking::of(&rules);
    let (told, withdrawn, not_in_input) = if args.from.is_empty() {
        eprintln!(
            "findings do not say when they were told: the end of each one's window is taken; --from measures it"
        );
        (told_by(&args.findings, &blocking)?, None, Vec::new())
    } else {
        let tellings = as_the_service_would(args, config, &labels, &rules, &blocking)?;
        let unseen = leave_out_unseen(&mut labels, &tellings.datasets);
        let withdrawn = tellings.withdrawn();
        (tellings.told(), Some(withdrawn), unseen)
    };
    let report = Report {
        score: score(&labels, &told, &options),
        withdrawn,
        not_in_input,
    };
    match args.output {
        TextOrJson::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        TextOrJson::Text => {
            print!("{}", render(&report.score));
            if let Some(Withdrawn { all, notified }) = report.withdrawn {
                println!("told and withdrawn: {all}, {notified} of them notified");
            }
            if !report.not_in_input.is_empty() {
                let ids = report.not_in_input.join(", ");
                println!("not scored, since the input has no log of them: {ids}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the units of an attack add to the bill, under the configured plan.
fn prices(rules: &RuleSet, config: &Config) -> Prices {
    let table = rules.detectors().and_then(|detectors| detectors.prices.clone());
    let table = table.unwrap_or_else(|| Arc::new(PriceTable::builtin()));
    let tariff = Tariff::new(&table, &config.cost);
    let usd = |usage: Usage| tariff.marginal(&usage).total();
    Prices {
        per_million_requests: usd(Usage {
            requests: 1_000_000,
            ..Usage::default()
        }),
        per_gb_out: usd(Usage {
            bytes_out: 1_000_000_000,
            ..Usage::default()
        }),
        per_million_origin_requests: usd(Usage {
            origin_requests: 1_000_000,
            ..Usage::default()
        }),
    }
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    score: ScoreReport,
    /// Unknown of findings that are read from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<Withdrawn>,
    /// Attacks that the input has no log of: nobody could find them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_in_input: Vec<String>,
}

/// Takes the attacks out that show only in logs which are not there; gives their ids.
fn leave_out_unseen(labels: &mut Labels, logs: &BTreeSet<Dataset>) -> Vec<String> {
    let flows = logs.contains(&Dataset::VpcFlow);
    let requests = logs.iter().any(|log| *log != Dataset::VpcFlow);
    let seen = |campaign: &CampaignLabel| match campaign.requests {
        0 => flows,
        _ => requests || (flows && campaign.flow_bytes > 0),
    };
    let all = std::mem::take(&mut labels.campaigns);
    let (kept, unseen): (Vec<_>, Vec<_>) = all.into_iter().partition(seen);
    labels.campaigns = kept;
    unseen.into_iter().map(|campaign| campaign.id).collect()
}

/// Findings that were told and do not hold in the end.
#[derive(Clone, Copy, Serialize)]
struct Withdrawn {
    /// Those that are scored at all.
    all: usize,
    /// Of them those that were notifications.
    notified: usize,
}

fn told(finding: &Finding, told_at: Micros, blocking: &Blocking<'_>) -> Told {
    Told {
        rule_id: finding.rule_id.clone(),
        title: finding.title.clone(),
        level: finding.level,
        entity: finding.entity.clone(),
        window: finding.window,
        told_at,
        may_block: blocking.may_block(finding),
    }
}

/// Findings of a file: when they were told is not in them, the end of their window is the latest.
fn told_by(path: &str, blocking: &Blocking<'_>) -> Result<Vec<Told>> {
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
        all.push(told(&finding, finding.window.end, blocking));
    }
    Ok(all)
}

/// Tells after every ten seconds of event time, with windows closed 90 s after their end. The name
/// system is that of the labels: nobody is asked.
fn as_the_service_would<'r>(
    args: &EvalArgs,
    config: &Config,
    labels: &Labels,
    rules: &RuleSet,
    blocking: &'r Blocking<'r>,
) -> Result<Tellings<'r>> {
    let mut engine = Engine::new(rules.clone(), EngineOptions::default());
    let mut input = read(&args.from, None, config, &engine)?;
    let Some((first, last)) = ordered::range(&input) else {
        bail!("there are no events in what --from names");
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let names = LabelledNames::of(labels).map(Arc::new);
    let mut claims = names.map_or_else(Claims::default, |names| Claims::new(names, clock));
    let mut findings = Findings::default();
    let mut tellings = Tellings::new(blocking, ordered::datasets(&input));
    let mut now = first;
    while now <= last.saturating_add(LATENESS_US) {
        now = now.saturating_add(STEP_US);
        for ordered in &mut input {
            if let Some(batch) = ordered.before(now)? {
                engine.observe(&batch);
            }
        }
        let mut evaluation = claims.judge(engine.evaluate(&Closing::at(now - LATENESS_US)));
        engine.leave_out_excepted(&mut evaluation);
        tellings.take(evaluation.clone(), now);
        findings.take(evaluation, now);
    }
    let mut evaluation = claims.judge(engine.evaluate(&Closing::everything()));
    engine.leave_out_excepted(&mut evaluation);
    tellings.take(evaluation.clone(), now);
    findings.take(evaluation, now);
    let all: Vec<(Finding, Micros)> = findings.into_all().collect();
    tellings.sums = sums(&all, engine.rules(), config);
    Ok(tellings)
}

/// What small findings add up to in the end, told with the last of those it is made of.
fn sums(all: &[(Finding, Micros)], rules: &RuleSet, config: &Config) -> Vec<(Finding, Micros)> {
    let mut findings: Vec<Finding> = all.iter().map(|(finding, _)| finding.clone()).collect();
    risk::with_sums(&mut findings, rules, config.notify.min_level);
    let sums = findings.drain(all.len()..);
    sums.map(|sum| {
        let parts = all.iter().filter(|(part, _)| {
            let bearer = risk::bearer(&part.entity);
            bearer.is_some_and(|bearer| bearer == sum.entity) && part.window.touches(&sum.window, 0)
        });
        let told_at = parts.map(|(_, told_at)| *told_at).max();
        let told_at = told_at.unwrap_or(sum.window.end);
        (sum, told_at)
    })
    .collect()
}

/// Findings by rule and entity, each as it was told at its worst.
struct Tellings<'r> {
    blocking: &'r Blocking<'r>,
    /// The logs there were rows of.
    datasets: BTreeSet<Dataset>,
    ever: BTreeMap<(String, Entity), Vec<Ever>>,
    /// What small findings added up to in the end.
    sums: Vec<(Finding, Micros)>,
}

/// One finding from its first telling on.
struct Ever {
    /// With the latest window, the highest level it ever had, and the time of its first telling
    /// at a level that is scored.
    told: Told,
    withdrawn: bool,
}

impl Ever {
    /// Goes on from what was told before.
    fn follow(&mut self, former: &Ever, level_min: Level) {
        let told = &mut self.told;
        // Told below what is scored is not told yet.
        let (was, is) = (former.told.level >= level_min, told.level >= level_min);
        if was || !is {
            told.told_at = told.told_at.min(former.told.told_at);
        }
        told.level = told.level.max(former.told.level);
        told.may_block |= former.told.may_block;
    }
}

impl<'r> Tellings<'r> {
    fn new(blocking: &'r Blocking<'r>, datasets: BTreeSet<Dataset>) -> Tellings<'r> {
        Tellings {
            blocking,
            datasets,
            ever: BTreeMap::new(),
            sums: Vec::new(),
        }
    }

    /// What touches a finding of the same rule and entity is that finding.
    fn take(&mut self, evaluation: Evaluation, now: i64) {
        let level_min = Options::default().level_min;
        for gone in evaluation.withdrawn {
            let known = self.ever.get_mut(&(gone.rule_id, gone.entity));
            for ever in known.into_iter().flatten() {
                ever.withdrawn |= ever.told.window.touches(&gone.window, 0);
            }
        }
        for episode in evaluation.episodes {
            let finding = Finding::from_episode(episode);
            let known = self
                .ever
                .entry((finding.rule_id.clone(), finding.entity.clone()))
                .or_default();
            let mut ever = Ever {
                told: told(&finding, Micros(now), self.blocking),
                withdrawn: false,
            };
            known.retain(|former| {
                let same = former.told.window.touches(&finding.window, finding.gap_us);
                if same {
                    ever.follow(former, level_min);
                }
                !same
            });
            known.push(ever);
        }
    }

    fn withdrawn(&self) -> Withdrawn {
        let options = Options::default();
        let gone = || self.ever.values().flatten().filter(|ever| ever.withdrawn);
        Withdrawn {
            all: gone().filter(|ever| ever.told.level >= options.level_min).count(),
            notified: gone()
                .filter(|ever| ever.told.level >= options.notify_min)
                .count(),
        }
    }

    fn told(self) -> Vec<Told> {
        let sums = self.sums.iter();
        let sums = sums.map(|(sum, told_at)| told(sum, *told_at, self.blocking));
        let ever = self.ever.into_values().flatten().map(|ever| ever.told);
        ever.chain(sums).collect()
    }
}
