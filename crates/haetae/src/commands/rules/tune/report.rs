//! The proposal, as `--output json` prints it.

use super::{Choice, Engine, Level, Micros, Replayed, Sorted, Tuned};
use crate::cli::TuneArgs;
use haetae_detect::engine::ladder::{Alert, Retold};
use haetae_detect::thresholds::{Limit, decimal};
use haetae_detect::tune::forecast::{DAYS_MIN, DAYS_SURE};
use haetae_detect::tune::ladder::STRICTER_MAX;
use haetae_detect::tune::{Forecast, Range, next_week};
use haetae_event::Finding;
use serde::Serialize;
use std::collections::BTreeMap;

/// Entities listed of one rule.
const LISTED_MAX: usize = 5;

#[derive(Serialize)]
pub struct Report {
    pub start: Micros,
    pub end: Micros,
    pub events: u64,
    /// From the first event to the last.
    pub days: f64,
    pub budget: String,
    pub budget_in_period: f64,
    /// Alerts below it do not notify.
    pub level: Level,
    pub notified_now: usize,
    pub notified_then: usize,
    pub within_budget: bool,
    /// `null` where too little is known.
    pub next_week: Option<Week>,
    pub rules: Vec<OfRule>,
    /// Rules with a threshold that told nothing and are left as they are.
    pub silent: usize,
    pub not_tuned: Vec<NotTuned>,
    pub below_level: Below,
    pub notes: Vec<String>,
}

#[derive(Serialize)]
pub struct Week {
    pub days_known: usize,
    pub weekdays_told_apart: bool,
    pub unchanged: Range,
    pub proposed: Range,
}

#[derive(Serialize)]
pub struct Below {
    pub rules: usize,
    pub alerts: usize,
}

#[derive(Serialize)]
pub struct NotTuned {
    pub id: String,
    pub title: String,
    pub level: Level,
    pub alerts: usize,
    pub why: String,
}

#[derive(Serialize)]
pub struct OfRule {
    pub id: String,
    pub name: Option<String>,
    pub title: String,
    pub level: Level,
    pub now: At,
    pub proposed: At,
    pub why: String,
    /// Alerts of incidents that are contained or resolved: all of them are told by the proposal.
    pub confirmed_alerts: usize,
    /// Alerts that the proposal does not tell.
    pub lost: usize,
    /// Of those: alerts of incidents called false.
    pub lost_false_positives: usize,
    pub lost_entities: Vec<Lost>,
    pub lost_example: Option<Example>,
    pub kept_example: Option<Example>,
    pub next_week: Option<WeekOfRule>,
    /// A lower threshold for which the budget has room; a note, never a proposal.
    pub could_be_lowered: Option<At>,
    /// Every threshold that was tried.
    pub ladder: Vec<At>,
}

#[derive(Serialize)]
pub struct WeekOfRule {
    pub unchanged: Range,
    pub proposed: Range,
}

/// One threshold and what it tells in the period.
#[derive(Serialize)]
pub struct At {
    pub condition: String,
    pub operator: &'static str,
    /// As a decimal, exact.
    pub threshold: String,
    /// As `rules backtest` counts them.
    pub alerts: usize,
    /// Those of the level that notifies.
    pub notified: usize,
    /// With an alert that notifies.
    pub entities: usize,
}

#[derive(Serialize)]
pub struct Lost {
    pub kind: String,
    pub value: String,
    pub alerts: usize,
    /// Furthest number it reached in all the period.
    pub peak: String,
}

#[derive(Serialize)]
pub struct Example {
    pub ts: Micros,
    pub entity: String,
    pub count: u64,
    pub evidence: Option<String>,
}

/// Puts everything together. `most`: notifications the budget has for the period.
pub fn report(
    args: &TuneArgs,
    (engine, replayed): (&Engine, &Replayed),
    sorted: &Sorted,
    choice: &Choice,
    (level, most): (Level, f64),
) -> Report {
    let tuned = &sorted.tuned;
    let places = |t: &Tuned, chosen: usize| t.curve.ladder.present + chosen;
    let whole_days = replayed.days_with_events().floor().min(400.0) as usize;
    let forecast = |of: &dyn Fn(usize) -> usize| {
        let daily = tuned.iter().enumerate();
        let daily: Vec<Vec<u32>> = daily
            .map(|(at, t)| t.curve.daily(places(t, of(at)), replayed.end, whole_days))
            .collect();
        next_week(&daily, whole_days)
    };
    let weeks = (forecast(&|_| 0), forecast(&|at| choice.chosen[at]));
    let notified_now = tuned
        .iter()
        .map(|t| t.curve.steps[t.curve.ladder.present].notified)
        .sum();
    let budget = Budgeted {
        most,
        now: notified_now,
        rules: tuned.len(),
    };
    let mut rules: Vec<OfRule> = tuned
        .iter()
        .enumerate()
        .map(|(at, t)| of_rule(t, choice.chosen[at], &budget, (at, &weeks)))
        .collect();
    let all = rules.len();
    rules.retain(|rule| rule.now.alerts > 0 || rule.could_be_lowered.is_some() || !args.rule.is_empty());
    rules.sort_by(|a, b| (b.now.notified, b.level, &a.id).cmp(&(a.now.notified, a.level, &b.id)));
    let within_budget = choice.alerts as f64 <= most;
    Report {
        start: replayed.start,
        end: replayed.end,
        events: replayed.events,
        days: (replayed.days_with_events() * 100.0).round() / 100.0,
        budget: args.budget.to_string(),
        budget_in_period: (most * 100.0).round() / 100.0,
        level,
        notified_now,
        notified_then: choice.alerts,
        within_budget,
        notes: notes(engine, whole_days, within_budget),
        next_week: week(weeks),
        silent: all - rules.len(),
        rules,
        not_tuned: not_tuned(sorted),
        below_level: Below {
            rules: sorted.below.0,
            alerts: sorted.below.1,
        },
    }
}

fn week((unchanged, proposed): (Option<Forecast>, Option<Forecast>)) -> Option<Week> {
    let (unchanged, proposed) = (unchanged?, proposed?);
    Some(Week {
        days_known: proposed.days,
        weekdays_told_apart: proposed.weekdays,
        unchanged: unchanged.total,
        proposed: proposed.total,
    })
}

fn not_tuned(sorted: &Sorted) -> Vec<NotTuned> {
    let mut all: Vec<NotTuned> = sorted
        .untuned
        .iter()
        .map(|untuned| NotTuned {
            id: untuned.id.clone(),
            title: untuned.title.clone(),
            level: untuned.level,
            alerts: untuned.alerts,
            why: untuned.why.clone(),
        })
        .collect();
    all.sort_by(|a, b| (b.level, b.alerts, &a.id).cmp(&(a.level, a.alerts, &b.id)));
    all
}

fn notes(engine: &Engine, whole_days: usize, within_budget: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if whole_days < DAYS_MIN {
        notes.push(format!(
            "nothing is predicted: {whole_days} whole days are known, {DAYS_MIN} at least are needed"
        ));
    } else if whole_days < DAYS_SURE {
        notes.push(format!(
            "the history is short: {whole_days} whole days, not each weekday was seen; the ranges are widened"
        ));
    }
    if !within_budget {
        notes.push(format!(
            "the budget cannot be kept by thresholds: none is raised beyond {STRICTER_MAX} times, past a \
             confirmed attack, or until its rule is silent; see whether exceptions.yml is meant for those who are told again and again"
        ));
    }
    if engine.stats().evicted_keys > 0 {
        notes.push(
            "more entities came than are remembered at once; those silent longest were forgotten, so that rules with \
             long time spans may have told more"
                .into(),
        );
    }
    notes
}

/// The budget, as a rule sees it.
struct Budgeted {
    most: f64,
    /// What all rules told that notifies.
    now: usize,
    rules: usize,
}

type Weeks = (Option<Forecast>, Option<Forecast>);

fn of_rule(tuned: &Tuned, chosen: usize, budget: &Budgeted, (place, weeks): (usize, &Weeks)) -> OfRule {
    let curve = &tuned.curve;
    let (now, then) = (curve.ladder.present, curve.ladder.present + chosen);
    let lost: Vec<(&Retold, &Alert)> = curve
        .notified(now)
        .filter(|(of, alert)| !told_at(of, then, alert, curve.counts_from))
        .collect();
    let lost_false = |(of, alert): &&(&Retold, &Alert)| {
        let mut known = tuned.false_positives.iter();
        known.any(|f| f.tenant == of.tenant && f.entity == of.entity && f.window.touches(&alert.window, 0))
    };
    let is_lost = |finding: &Finding| {
        lost.iter().any(|(of, alert)| {
            of.entity == finding.entity && of.tenant == finding.tenant_id && alert.window == finding.window
        })
    };
    let counts = |finding: &&Finding| finding.level >= curve.counts_from;
    let told = || tuned.findings.iter().filter(counts);
    OfRule {
        id: tuned.attributes.id.clone(),
        name: tuned.attributes.name.clone(),
        title: tuned.attributes.title.clone(),
        level: curve.level,
        now: at(tuned, now),
        proposed: at(tuned, then),
        why: why(tuned, chosen, budget),
        confirmed_alerts: curve.truths,
        lost: lost.len(),
        lost_false_positives: lost.iter().filter(lost_false).count(),
        lost_entities: lost_entities(&lost),
        lost_example: told().find(|finding| is_lost(finding)).map(example),
        kept_example: told().find(|finding| !is_lost(finding)).map(example),
        next_week: weeks
            .0
            .as_ref()
            .zip(weeks.1.as_ref())
            .map(|(unchanged, proposed)| WeekOfRule {
                unchanged: unchanged.rules[place],
                proposed: proposed.rules[place],
            }),
        could_be_lowered: lower(tuned, budget),
        ladder: (0..curve.ladder.limits.len())
            .map(|rung| at(tuned, rung))
            .collect(),
    }
}

/// Whether the entity is still told of this alert at the threshold `at`.
fn told_at(of: &Retold, at: usize, alert: &Alert, counts_from: Level) -> bool {
    let mut there = of.at(at).iter().filter(|there| there.level >= counts_from);
    there.any(|there| there.window.touches(&alert.window, 0))
}

fn at(tuned: &Tuned, place: usize) -> At {
    let limit: Limit = tuned.curve.ladder.limits[place];
    let step = tuned.curve.steps[place];
    At {
        condition: limit.to_string(),
        operator: limit.word(),
        threshold: limit.number(),
        alerts: step.alerts,
        notified: step.notified,
        entities: step.entities,
    }
}

fn example(finding: &Finding) -> Example {
    Example {
        ts: finding.window.start,
        entity: finding.entity.value.clone(),
        count: finding.count,
        evidence: finding.evidence.first().map(|e| e.summary.clone()),
    }
}

fn lost_entities(lost: &[(&Retold, &Alert)]) -> Vec<Lost> {
    let mut by_entity: BTreeMap<(&str, &str), (usize, &Retold)> = BTreeMap::new();
    for (of, _) in lost {
        let key = (of.entity.kind.as_str(), of.entity.value.as_str());
        by_entity.entry(key).or_insert((0, of)).0 += 1;
    }
    let mut all: Vec<Lost> = by_entity
        .into_iter()
        .map(|((kind, value), (alerts, of))| Lost {
            kind: kind.to_owned(),
            value: value.to_owned(),
            alerts,
            peak: decimal(of.peak),
        })
        .collect();
    all.sort_by(|a, b| (b.alerts, &a.value).cmp(&(a.alerts, &b.value)));
    all.truncate(LISTED_MAX);
    all
}

/// Why the threshold is what it is.
fn why(tuned: &Tuned, chosen: usize, budget: &Budgeted) -> String {
    let curve = &tuned.curve;
    let (now, then) = (curve.ladder.present, curve.ladder.present + chosen);
    let (told, left) = (curve.steps[now].notified, curve.steps[then].notified);
    let held_back = curve.last_true + 1 < curve.ladder.limits.len();
    if chosen == 0 {
        return match told {
            0 => "kept: it told nothing that notifies".to_owned(),
            _ if budget.now as f64 <= budget.most => {
                "kept: all rules together are within the budget".to_owned()
            }
            _ if held_back && curve.last_true == now => {
                "kept: the next threshold would not tell a confirmed attack".to_owned()
            }
            _ => "kept: raising others saves more alerts per step, weighed by severity".to_owned(),
        };
    }
    let (was, is) = (
        curve.ladder.limits[now].amount as f64,
        curve.ladder.limits[then].amount as f64,
    );
    let times = (is / was).max(was / is);
    let direction = if is > was { "raised" } else { "lowered to say less" };
    let mut text = format!("{direction} {times:.2} times: tells {left} of {told}");
    if held_back && then == curve.last_true {
        text.push_str("; not further, because a confirmed attack would not be told");
    } else if then == curve.last_speaking && then + 1 < curve.ladder.limits.len() {
        text.push_str("; not further, because it would tell nothing at all");
    }
    text
}

/// A lower threshold for which the budget has room, where it is hardly used.
fn lower(tuned: &Tuned, budget: &Budgeted) -> Option<At> {
    if budget.now as f64 > budget.most / 4.0 {
        return None;
    }
    let room = (budget.most - budget.now as f64) / budget.rules.max(1) as f64;
    let steps = &tuned.curve.steps;
    let now = steps[tuned.curve.ladder.present].notified;
    let fits = |&place: &usize| steps[place].notified > now && (steps[place].notified - now) as f64 <= room;
    (0..tuned.curve.ladder.present)
        .find(fits)
        .map(|place| at(tuned, place))
}
