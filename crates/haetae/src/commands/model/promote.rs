//! `model promote`: a candidate beside the model in use, over what is stored; in use only if it
//! holds.

use super::{load, store, windows};
use crate::cli::ModelPromoteArgs;
use crate::config::Config;
use anyhow::{Context, Result};
use haetae_event::{Clock, SystemClock};
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
        let in_use = models.current(&name)?;
        let current = match &in_use {
            Some(promotion) => Some(models.load(&name, promotion.version)?),
            None => None,
        };
        let found = windows::read(&args.source, config)?;
        let mut shadow = Shadow::new(&names(), found.window_us, current.as_ref(), &candidate)?;
        found
            .rows
            .iter()
            .for_each(|row| shadow.observe(&row.key, &row.values));
        let report = shadow.report();
        let (mut of_current, mut of_candidate) = (None, None);
        if let Some(path) = &args.labels {
            let labels = windows::labels(path)?;
            let mut source = args.source.clone();
            source.from.clone_from(&args.labelled);
            let labelled = windows::labelled(&windows::read(&source, config)?, &labels);
            of_candidate = Some(Quality::of(&candidate, &labelled)?);
            of_current = current
                .as_ref()
                .map(|forest| Quality::of(forest, &labelled))
                .transpose()?;
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
