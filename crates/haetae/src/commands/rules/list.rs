//! `rules list`: every rule in use, with why it is there and what it may be wrong about.

use crate::cli::RuleListOutput;
use crate::commands::reloading::read_rules;
use crate::config::Config;
use anyhow::Result;
use haetae_detect::ruleset::BUILTIN_DETECTORS;
use haetae_detect::sigma::document::Document;
use haetae_respond::for_terminal;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::Path;

/// One rule, or one section of code detectors.
#[derive(Serialize)]
struct Entry {
    id: String,
    name: Option<String>,
    title: String,
    level: String,
    /// File of a rule; `rules/detectors.yml` for code.
    file: String,
    why: String,
    falsepositives: Vec<String>,
    /// Settings of a code detector.
    #[serde(skip_serializing_if = "Map::is_empty")]
    settings: Map<String, Value>,
    attack: Vec<String>,
}

/// # Errors
/// When the rules cannot be read.
pub fn run(path: Option<&Path>, output: RuleListOutput, config: &Config) -> Result<()> {
    let rules = read_rules(path, &config.cost)?;
    let mut entries: Vec<Entry> = rules
        .loaded()
        .iter()
        .filter(|loaded| speaks(&loaded.document))
        .map(|loaded| {
            let a = loaded.document.attributes();
            Entry {
                id: a.id.clone(),
                name: a.name.clone(),
                title: a.title.clone(),
                level: a.level.to_string(),
                file: loaded.file.to_string(),
                why: a.description.clone(),
                falsepositives: a.falsepositives.clone(),
                settings: Map::new(),
                attack: a.attack.clone(),
            }
        })
        .collect();
    entries.extend(detectors()?);
    match output {
        RuleListOutput::Json => println!("{}", serde_json::to_string_pretty(&entries)?),
        RuleListOutput::Markdown => print!("{}", markdown(&entries)),
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

/// Bases of correlations say so in their title and do not alert by themselves.
fn speaks(document: &Document) -> bool {
    !document.attributes().title.contains("(base")
}

/// The sections of the built-in `detectors.yml` that judge.
fn detectors() -> Result<Vec<Entry>> {
    let sections: Map<String, Value> = serde_saphyr::from_str(BUILTIN_DETECTORS)?;
    let texts = |value: Option<Value>| -> Vec<String> {
        let list = value.and_then(|v| v.as_array().cloned()).unwrap_or_default();
        list.iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect()
    };
    let entry = |(name, section): (String, Value)| {
        let Value::Object(mut settings) = section else {
            return None;
        };
        let mut text = |key: &str| settings.remove(key).and_then(|v| v.as_str().map(str::to_owned));
        let (why, level) = (text("why").unwrap_or_default(), text("level"));
        let falsepositives = texts(settings.remove("falsepositives"));
        settings.remove("enabled");
        Some(Entry {
            title: name.replace('_', " "),
            id: name,
            name: None,
            level: level.unwrap_or_else(|| "by evidence".into()),
            file: "rules/detectors.yml".into(),
            why,
            falsepositives,
            settings,
            attack: Vec::new(),
        })
    };
    Ok(sections.into_iter().filter_map(entry).collect())
}

fn markdown(entries: &[Entry]) -> String {
    let mut out = String::from(
        "# Built-in detections\n\nMade by `haetae rules list --output markdown`; the text of each is in its file.\n",
    );
    let mut file = "";
    for entry in entries {
        if file != entry.file {
            file = &entry.file;
            let _ = write!(out, "\n## {file}\n");
        }
        let name = entry.name.as_deref().unwrap_or(&entry.id);
        let _ = write!(
            out,
            "\n**{}** (`{name}`, {})  \n{}\n",
            entry.title,
            entry.level,
            entry.why.trim()
        );
        if !entry.settings.is_empty() {
            let settings: Vec<String> = entry
                .settings
                .iter()
                .filter(|(_, value)| !value.is_array() && !value.is_object())
                .map(|(key, value)| format!("`{key}: {value}`"))
                .collect();
            let _ = write!(out, "\nThresholds: {}.\n", settings.join(", "));
        }
        for text in &entry.falsepositives {
            let _ = write!(out, "\n- False positive: {text}");
        }
        if !entry.falsepositives.is_empty() {
            out.push('\n');
        }
    }
    out
}
