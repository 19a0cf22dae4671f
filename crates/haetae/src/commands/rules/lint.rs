//! `rules lint`: what of a folder does not load, and what will not do what it says.

use super::with_rules_of;
use anyhow::Result;
use haetae_event::{Clock, SystemClock};
use std::path::Path;
use std::process::ExitCode;

/// Exit 1 when anything does not load.
pub fn run(path: Option<&Path>) -> Result<ExitCode> {
    let builtin = with_rules_of(None)?.len();
    let rules = with_rules_of(path)?;
    for diagnostic in rules.diagnostics() {
        println!("{diagnostic}");
    }
    let now = SystemClock.now();
    for exception in rules.exceptions().iter().filter(|e| e.expired(now)) {
        println!(
            "note: the exception of {} ({}) is over; take it out",
            exception.owner, exception.reason
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
