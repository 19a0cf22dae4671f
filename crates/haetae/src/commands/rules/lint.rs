//! `rules lint`: what of a folder does not load, and what will not do what it says.

use crate::commands::reloading::read_rules;
use crate::config::Config;
use anyhow::Result;
use haetae_event::{Clock, SystemClock};
use std::path::Path;
use std::process::ExitCode;

/// Exit 1 when anything does not load.
pub fn run(path: Option<&Path>, config: &Config) -> Result<ExitCode> {
    let builtin = haetae_detect::RuleSet::builtin().len();
    let rules = read_rules(path, &config.cost)?;
    for diagnostic in rules.diagnostics() {
        println!("{diagnostic}");
    }
    for note in rules.notes() {
        println!("note: {note}");
    }
    let now = SystemClock.now();
    for exception in rules.exceptions().iter().filter(|e| e.expired(now)) {
        println!(
            "note: the exception for {} of {} ({}) is over; take it out of exceptions.yml",
            exception.shown(),
            exception.owner,
            exception.reason
        );
    }
    let wrong = rules.diagnostics().len();
    eprintln!(
        "{} rules load ({builtin} built in), {wrong} problems",
        rules.len()
    );
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
