//! `rules tune`: thresholds that fit a budget of notifications, from what is stored.
//!
//! The rows are read once, in order of time. What each rule would have told at other thresholds
//! comes from the state of that one replay; the share of the budget and the forecast are [`haetae_detect::tune`].

mod file;
mod report;
mod text;

use super::replay::{Replayed, replay_in_order};
use crate::cli::{TextOrJson, TuneArgs};
use crate::commands::query::open_idle;
use crate::commands::reloading::read_rules;
use crate::config::Config;
use anyhow::{Result, bail};
use haetae_detect::sigma::document::Attributes;
use haetae_detect::tune::{Choice, Curve, Gathered, Ladder, Truth, ladder, share};
use haetae_detect::{Engine, EngineOptions, RuleSet};
use haetae_event::{Finding, Level, Micros};
use haetae_incident::{Incident, State};
use haetae_store::IncidentFilter;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Three times what the service holds, about 900 MB at most; a day or two of events is held at a
/// time, and twice the longest time span.
const CELLS_MAX: usize = 12_000_000;
/// Four times that of the service.
const KEYS_MAX: usize = 2_000_000;
/// Incidents whose state is looked at, the latest first.
const INCIDENTS_MAX: usize = 100_000;

/// A rule that can be tuned, with what it would have told.
struct Tuned {
    attributes: Attributes,
    curve: Curve,
    /// What it did tell, in order of time.
    findings: Vec<Finding>,
    /// Alerts people called false.
    false_positives: Vec<Truth>,
}

/// A rule that told something and cannot be tuned.
struct Untuned {
    id: String,
    title: String,
    level: Level,
    alerts: usize,
    why: String,
}

/// All rules, sorted out.
#[derive(Default)]
struct Sorted {
    tuned: Vec<Tuned>,
    untuned: Vec<Untuned>,
    /// Rules below the level that notifies, and what they told.
    below: (usize, usize),
}

pub fn run(args: &TuneArgs, config: &Config) -> Result<ExitCode> {
    let path = args.rules.as_deref().or(config.rules_dir.as_deref());
    let rules = read_rules(path, &config.cost)?;
    for diagnostic in rules.diagnostics() {
        eprintln!("rule not loaded: {diagnostic}");
    }
    let named = named(&rules, &args.rule)?;
    let options = EngineOptions {
        cells_max: CELLS_MAX,
        keys_max: KEYS_MAX,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(rules, options);
    let level = args.level.unwrap_or(config.notify.min_level);
    let mut plans = plans(&engine, &named, level);
    let source = (args.last, &args.from[..], &args.format);
    let (replayed, findings) = replay_in_order(&mut engine, config, source, |engine, stretch, lost| {
        for plan in plans.values_mut() {
            let mut part = engine.retold(&plan.id, &plan.ladder.limits, stretch);
            part.whole &= !lost;
            plan.gathered.add(part, plan.ladder.limits[0].rising());
        }
    })?;
    let judged = match args.from.is_empty() {
        true => Judged::by_people(config)?,
        false => Judged::default(),
    };
    let sorted = sort_out(&engine, &named, (level, plans), findings, &judged);
    let most = args.budget.per_day() * replayed.days_with_events().max(1.0);
    let curves: Vec<_> = sorted
        .tuned
        .iter()
        .map(|t| (t.curve.severity(), t.curve.rungs()))
        .collect();
    let choice = share(&curves, most);
    let report = report::report(args, (&engine, &replayed), &sorted, &choice, (level, most));
    match args.output {
        TextOrJson::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        TextOrJson::Text => text::print(&report, config)?,
    }
    if let Some(path) = &args.write {
        file::write(path, engine.rules(), &report, config)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is asked about a rule while its events go by.
struct Plan {
    id: String,
    ladder: Ladder,
    gathered: Gathered,
}

/// The rules that will be tuned, by id.
fn plans(engine: &Engine, named: &[String], level: Level) -> BTreeMap<String, Plan> {
    let mut plans = BTreeMap::new();
    for document in engine
        .rules()
        .loaded()
        .iter()
        .map(|loaded| loaded.document.as_ref())
    {
        let attributes = document.attributes();
        let wanted = match named {
            [] => attributes.level >= level,
            named => named.contains(&attributes.id),
        };
        if let (true, Ok(limit)) = (wanted, engine.limit_of(&attributes.id)) {
            let plan = Plan {
                id: attributes.id.clone(),
                ladder: ladder(limit, document.counts()),
                gathered: Gathered::default(),
            };
            plans.insert(plan.id.clone(), plan);
        }
    }
    plans
}

/// Ids of the rules named on the command line.
fn named(rules: &RuleSet, given: &[String]) -> Result<Vec<String>> {
    let id_of = |name: &String| {
        let mut loaded = rules.loaded().iter();
        let found = loaded.find(|loaded| loaded.document.answers_to(name));
        match found {
            Some(loaded) => Ok(loaded.document.attributes().id.clone()),
            // Rules of code detectors are named `detector.dataset`.
            None if name.contains('.') => Ok(name.clone()),
            None => bail!("no rule has the id or name {name:?}; `haetae rules list` lists them"),
        }
    };
    given.iter().map(id_of).collect()
}

/// Alerts that people have judged, by rule.
#[derive(Default)]
struct Judged {
    real: BTreeMap<String, Vec<Truth>>,
    false_positives: BTreeMap<String, Vec<Truth>>,
}

impl Judged {
    /// From the states of stored incidents. Those that are merely open say nothing.
    fn by_people(config: &Config) -> Result<Judged> {
        let states = [State::Contained, State::Resolved, State::FalsePositive];
        let filter = IncidentFilter {
            states: states.iter().map(|state| state.as_str().to_owned()).collect(),
            limit: INCIDENTS_MAX,
            ..IncidentFilter::default()
        };
        let mut judged = Judged::default();
        for row in open_idle(config)?.incidents(&filter)? {
            let Ok(incident) = Incident::from_row(&row) else {
                eprintln!("the incident {} is not readable and says nothing here", row.id);
                continue;
            };
            // One that became part of another is judged there.
            if incident.merged_into.is_some() {
                continue;
            }
            let by_rule = match incident.state {
                State::FalsePositive => &mut judged.false_positives,
                _ => &mut judged.real,
            };
            for finding in incident.standing() {
                by_rule.entry(finding.rule_id.clone()).or_default().push(Truth {
                    tenant: incident.tenant_id.clone(),
                    entity: incident.entity.clone(),
                    window: finding.window,
                });
            }
        }
        Ok(judged)
    }
}

/// Each rule to those that are tuned, or to those that are not and why.
fn sort_out(
    engine: &Engine,
    named: &[String],
    (level, mut plans): (Level, BTreeMap<String, Plan>),
    findings: Vec<Finding>,
    judged: &Judged,
) -> Sorted {
    let mut by_rule: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        by_rule.entry(finding.rule_id.clone()).or_default().push(finding);
    }
    let mut sorted = Sorted::default();
    for loaded in engine.rules().loaded() {
        let attributes = loaded.document.attributes();
        let told = by_rule.remove(&attributes.id).unwrap_or_default();
        let wanted = named.is_empty() || named.contains(&attributes.id);
        if let Some(plan) = plans.remove(&attributes.id) {
            // Whoever names a rule means it, whatever its level.
            let counts_from = if named.is_empty() {
                level
            } else {
                level.min(attributes.level)
            };
            sorted.place(attributes, plan, counts_from, told, judged);
        } else if wanted && !told.is_empty() && (attributes.level >= level || !named.is_empty()) {
            let why = engine.limit_of(&attributes.id).err().unwrap_or_default();
            sorted.untuned.push(Untuned::of(&attributes.id, &told, why));
        } else if wanted && !told.is_empty() {
            sorted.below = (sorted.below.0 + 1, sorted.below.1 + told.len());
        }
    }
    for (id, told) in by_rule {
        let wanted = named.is_empty() || named.contains(&id);
        let notifies = told.iter().any(|finding| finding.level >= level);
        if wanted && (notifies || !named.is_empty()) {
            let why = "it is a code detector: its thresholds stand in detectors.yml, and each trial of one \
                       would be a replay of its own";
            sorted.untuned.push(Untuned::of(&id, &told, why));
        } else if wanted {
            sorted.below = (sorted.below.0 + 1, sorted.below.1 + told.len());
        }
    }
    for id in named {
        let there =
            sorted.tuned.iter().any(|t| t.attributes.id == *id) || sorted.untuned.iter().any(|u| u.id == *id);
        if !there {
            let why = engine.limit_of(id).err().unwrap_or("it told nothing");
            sorted.untuned.push(Untuned::of(id, &[], why));
        }
    }
    sorted
}

impl Untuned {
    fn of(id: &str, told: &[Finding], why: &str) -> Untuned {
        Untuned {
            id: id.to_owned(),
            title: told.first().map(|f| f.title.clone()).unwrap_or_default(),
            level: told.iter().map(|f| f.level).max().unwrap_or(Level::Informational),
            alerts: told.len(),
            why: why.to_owned(),
        }
    }
}

impl Sorted {
    fn place(
        &mut self,
        attributes: &Attributes,
        plan: Plan,
        counts_from: Level,
        mut told: Vec<Finding>,
        judged: &Judged,
    ) {
        let lacking = plan.gathered.parts_lacking();
        let (ladder, retold) = (plan.ladder, plan.gathered.into_retold());
        // The engine is the judge: at the present threshold both must have told the same.
        let now: usize = retold.iter().map(|of| of.at(ladder.present).len()).sum();
        if lacking > 0 || now != told.len() {
            let why = match lacking {
                0 => format!("the engine told {} alerts where {now} were counted", told.len()),
                parts => format!("in {parts} quarter-days its events did not fit in memory whole"),
            };
            self.untuned.push(Untuned::of(&attributes.id, &told, &why));
            return;
        }
        told.sort_by_key(|finding| finding.window.start);
        let of = |judged: &BTreeMap<String, Vec<Truth>>| judged.get(&attributes.id).cloned();
        let truths = of(&judged.real).unwrap_or_default();
        self.tuned.push(Tuned {
            curve: Curve::new(ladder, retold, attributes.level, counts_from, &truths),
            attributes: attributes.clone(),
            findings: told,
            false_positives: of(&judged.false_positives).unwrap_or_default(),
        });
    }
}
