//! `haetae rules`: check rules, run their tests, try them on what is stored.

mod backtest;
mod eval;
mod lint;

mod testing;

use crate::cli::RulesCommand;
use crate::config::Config;
use anyhow::{Context, Result};
use haetae_detect::RuleSet;
use std::path::Path;
use std::process::ExitCode;

pub fn run(command: &RulesCommand, config: &Config) -> Result<ExitCode> {
    match command {
        RulesCommand::Lint { dir } => lint::run(dir.as_deref().or(config.rules_dir.as_deref())),
        RulesCommand::Test { path } => testing::run(path.as_deref().or(config.rules_dir.as_deref()), config),
        RulesCommand::Eval(args) => eval::run(args, config),
        RulesCommand::Backtest(args) => backtest::run(args, config),
    }
}

/// The built-in rules with those under `path`, a folder or one file.
///
/// # Errors
/// When it cannot be read.
fn with_rules_of(path: Option<&Path>) -> Result<RuleSet> {
    let mut rules = RuleSet::builtin();
    if let Some(path) = path {
        let unreadable = || format!("cannot read the rules in {}", path.display());
        if path.is_dir() {
            rules.load_dir(path).with_context(unreadable)?;
        } else {
            let text = std::fs::read_to_string(path).with_context(unreadable)?;
            rules.load_text(&path.display().to_string(), &text);
        }
    }
    Ok(rules)
}
