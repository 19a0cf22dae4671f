//! `rules list`: every rule in use, with why it is there and what it may be wrong about.

use crate::cli::RuleListOutput;
use crate::commands::reloading::load_rules;
use crate::config::Config;
use anyhow::Result;
use haetae_detect::catalogue;
use haetae_respond::for_terminal;
use std::path::Path;

/// # Errors
/// When the rules cannot be read.
pub fn run(path: Option<&Path>, output: RuleListOutput, config: &Config) -> Result<()> {
    let entries = catalogue::entries(&load_rules(path, &config.cost)?)?;
    match output {
        RuleListOutput::Json => println!("{}", serde_json::to_string_pretty(&entries)?),
        RuleListOutput::Markdown => print!("{}", catalogue::markdown(&entries)),
        RuleListOutput::Text => {
            for entry in &entries {
                let name = entry.name.as_deref().unwrap_or(&entry.id);
                println!(
                    "{:<13} {:<32} {}",
                    entry.level,
                    for_terminal(name),
                    for_terminal(&entry.title)
                );
            }
        }
    }
    Ok(())
}
