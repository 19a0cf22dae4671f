//! `haetae detect`.

use super::reading::read_all;
use super::reloading::load_rules;
use crate::cli::DetectArgs;
use crate::config::Config;
use crate::models;
use anyhow::Result;
use haetae_detect::{Closing, Engine, EngineOptions};
use haetae_event::Finding;
use std::io::Write;

pub fn run(args: &DetectArgs, config: &Config) -> Result<()> {
    let rules = load_rules(
        args.rules.as_deref().or(config.rules_dir.as_deref()),
        &config.cost,
    )?;
    let options = EngineOptions {
        more: models::of_command(config),
        ..EngineOptions::one_shot()
    };
    let mut engine = Engine::new(rules, options);
    let columns = engine.columns();
    read_all(&args.input, config, &columns, |step| {
        if let Some(batch) = &step.batch {
            engine.observe(batch);
        }
        Ok(())
    })?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for finding in findings(&mut engine) {
        serde_json::to_writer(&mut out, &finding)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Everything the engine has to say once all input is read: the gravest first, then by time.
pub fn findings(engine: &mut Engine) -> Vec<Finding> {
    let episodes = engine.evaluate(&Closing::everything()).episodes;
    let mut findings: Vec<Finding> = episodes.into_iter().map(Finding::from_episode).collect();
    findings.sort_by(|a, b| {
        (std::cmp::Reverse(a.level), a.window.start, &a.rule_id, &a.entity).cmp(&(
            std::cmp::Reverse(b.level),
            b.window.start,
            &b.rule_id,
            &b.entity,
        ))
    });
    findings
}
