//! `haetae rules`: check rules, run their tests, try them on what is stored.

mod backtest;
mod eval;
mod lint;
mod list;
mod names;
mod ordered;
mod replay;
mod testing;
mod tune;

use crate::cli::RulesCommand;
use crate::config::Config;
use anyhow::Result;
use std::process::ExitCode;

pub fn run(command: &RulesCommand, config: &Config) -> Result<ExitCode> {
    match command {
        RulesCommand::Lint { dir } => lint::run(dir.as_deref().or(config.rules_dir.as_deref()), config),
        RulesCommand::List { path, output } => {
            let path = path.as_deref().or(config.rules_dir.as_deref());
            list::run(path, *output, config).map(|()| ExitCode::SUCCESS)
        }
        RulesCommand::Test { path } => testing::run(path.as_deref().or(config.rules_dir.as_deref()), config),
        RulesCommand::Eval(args) => eval::run(args, config),
        RulesCommand::Backtest(args) => backtest::run(args, config),
        RulesCommand::Tune(args) => tune::run(args, config),
    }
}
