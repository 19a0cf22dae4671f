//! `model promote`: a candidate beside the model in use, over what is stored; in use only if it
//! holds.

use super::{load, store, windows};
use crate::cli::ModelPromoteArgs;
use crate::config::Config;
use crate::models::{to_compare, window_of};
use anyhow::{Context, Result};
use haetae_event::{Clock, SystemClock};
use haetae_learn::Forest;
use haetae_learn::features::names;
use haetae_learn::promote::{Decision, Limits, Quality, decide};
use haetae_learn::shadow::Shadow;
use haetae_learn::store::Promotion;
use std::process::ExitCode;

/// Exit 1 when the candidate does not hold.
pub fn run(args: &ModelPromoteArgs, config: &Config) -> Result<ExitCode> {
    let (name, version, candidate) = load(&args.model, config)?;
    let models = store(config);
    let note = if args.force {
        "promoted by hand, without trial".to_owned()
    } else {
        let (current, unusable) = to_compare(&models, &name);
        if let Some(why) = unusable {
            println!("not compared with the model in use, which cannot be used: {why}");
        }
        let window_us = windows::length(&args.source, Some(&candidate))?;
        // Alerts are counted on windows; only a model of the same ones can stand beside it.
        let beside = current.as_ref().filter(|forest| window_of(forest) == window_us);
        if beside.is_none() && current.is_some() {
            println!("the model in use judges windows of another length: its alerts are not counted");
        }
        let mut shadow = Shadow::new(&names(), window_us, beside, &candidate)?;
        windows::each(&args.source, window_us, config, |row| {
            shadow.observe(&row.key, &row.values);
        })?;
        let report = shadow.report();
        let (mut of_current, mut of_candidate) = (None, None);
        if let Some(path) = &args.labels {
            let labels = windows::labels(path)?;
            let mut source = args.source.clone();
            source.from.clone_from(&args.labelled);
            // Each on windows of its own length.
            let of = |forest: &Forest| -> Result<Quality> {
                let labelled = windows::labelled(&source, window_of(forest), config, &labels)?;
                Ok(Quality::of(forest, &labelled)?)
            };
            of_candidate = Some(of(&candidate)?);
            of_current = current.as_ref().map(of).transpose()?;
        }
        println!(
            "{name}@{version} over {} windows, {:.1} days: {:.1} alerts a day{}",
            report.windows,
            report.span_days(),
            report.alerts_per_day(&report.candidate),
            report.current.as_ref().map_or(String::new(), |side| {
                format!("; the model in use: {:.1}", report.alerts_per_day(side))
            })
        );
        let limits = Limits {
            alerts_per_day_max: args.budget_per_day,
            shadow_days_min: args.days_min,
            ..Limits::default()
        };
        match decide(of_current.as_ref(), of_candidate.as_ref(), report, &limits) {
            Decision::Promote => "held on the labelled set and within the budget".to_owned(),
            Decision::Keep(reasons) => {
                for reason in reasons {
                    println!("against it: {reason}");
                }
                println!("{name}@{version} is not promoted");
                return Ok(ExitCode::FAILURE);
            }
        }
    };
    let promotion = Promotion {
        version,
        at: SystemClock.now(),
        note,
    };
    models
        .promote(&name, &promotion)
        .with_context(|| format!("cannot promote {name}@{version}"))?;
    println!("{name}@{version} is in use: {}", promotion.note);
    Ok(ExitCode::SUCCESS)
}
