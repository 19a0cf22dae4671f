//! Every rule in use, with why it is there and what it may be wrong about: what
//! `haetae rules list` prints, and `docs/detections.md`.

use crate::detectors::rules_of;
use crate::ruleset::{BUILTIN_DETECTORS, RuleSet};
use crate::sigma::document::Document;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write;

/// One rule, or one section of code detectors.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub id: String,
    pub name: Option<String>,
    pub title: String,
    pub level: String,
    /// Risk score of its findings before confidence; absent for code, whose levels vary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk_score: Option<u8>,
    /// File of a rule; `rules/detectors.yml` for code.
    pub file: String,
    pub why: String,
    pub falsepositives: Vec<String>,
    /// Ids of what a code detector tells, before the dataset.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub rules: &'static [&'static str],
    /// Settings of a code detector.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    pub attack: Vec<String>,
}

/// The rules that speak, in load order, and the built-in sections of `detectors.yml`.
///
/// # Errors
/// When those sections are no YAML.
pub fn entries(rules: &RuleSet) -> Result<Vec<Entry>, serde_saphyr::Error> {
    let speaking = rules.loaded().iter().filter(|loaded| speaks(&loaded.document));
    let rule = |loaded: &crate::ruleset::Loaded| {
        let a = loaded.document.attributes();
        Entry {
            id: a.id.clone(),
            name: a.name.clone(),
            title: a.title.clone(),
            level: a.level.to_string(),
            risk_score: Some(a.custom.risk.unwrap_or(a.level.risk_score())),
            file: loaded.file.to_string(),
            why: a.description.clone(),
            falsepositives: a.falsepositives.clone(),
            rules: &[],
            settings: Map::new(),
            attack: a.attack.clone(),
        }
    };
    let mut entries: Vec<Entry> = speaking.map(rule).collect();
    entries.extend(detectors()?);
    Ok(entries)
}

/// Bases of correlations say so in their title and do not alert by themselves.
fn speaks(document: &Document) -> bool {
    !document.attributes().title.contains("(base")
}

/// The sections of the built-in `detectors.yml` that judge.
fn detectors() -> Result<Vec<Entry>, serde_saphyr::Error> {
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
        let why = text("why").unwrap_or_default();
        let level = text("level").or_else(|| text("level_min").map(|least| format!("from {least} on")));
        let falsepositives = texts(settings.remove("falsepositives"));
        settings.remove("enabled");
        Some(Entry {
            title: name.replace('_', " "),
            rules: rules_of(&name),
            id: name,
            name: None,
            level: level.unwrap_or_else(|| "by evidence".into()),
            risk_score: None,
            file: "rules/detectors.yml".into(),
            why,
            falsepositives,
            settings,
            attack: Vec::new(),
        })
    };
    Ok(sections.into_iter().filter_map(entry).collect())
}

/// The page `docs/detections.md`.
pub fn markdown(entries: &[Entry]) -> String {
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
        if !entry.rules.is_empty() {
            let rules: Vec<String> = entry.rules.iter().map(|rule| format!("`{rule}`")).collect();
            let _ = write!(out, "\nTells: {}.\n", rules.join(", "));
        }
        if let Some(settings) = thresholds(&entry.settings) {
            let _ = write!(out, "\nThresholds: {settings}.\n");
        }
        for (name, part) in &entry.settings {
            if let Value::Object(part) = part {
                write_part(&mut out, name, part);
            }
        }
        if entry.settings.values().any(Value::is_object) {
            out.push('\n');
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

/// Numbers and words of a section, and lists of them; those of its parts are not.
fn thresholds(settings: &Map<String, Value>) -> Option<String> {
    let plain = |value: &Value| match value {
        Value::Array(list) => list.iter().all(|value| value.is_number() || value.is_string()),
        Value::Object(_) => false,
        _ => true,
    };
    let plain = settings.iter().filter(|(_, value)| plain(value));
    let said: Vec<String> = plain.map(|(key, value)| format!("`{key}: {value}`")).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// One part of a section on a line, with what it shares with others (`common`).
fn write_part(out: &mut String, name: &str, part: &Map<String, Value>) {
    let mut settings = part.clone();
    if let Some(Value::Object(common)) = settings.remove("common") {
        settings.extend(common);
    }
    settings.remove("enabled");
    let why = settings.remove("why");
    let wrong = settings.remove("falsepositives");
    let _ = write!(out, "\n- `{name}`");
    if let Some(level) = settings.remove("level").as_ref().and_then(Value::as_str) {
        let _ = write!(out, " ({level})");
    }
    out.push(':');
    if let Some(why) = why.as_ref().and_then(Value::as_str) {
        let _ = write!(out, " {}", why.trim());
    }
    if let Some(thresholds) = thresholds(&settings) {
        let _ = write!(out, " Thresholds: {thresholds}.");
    }
    for text in wrong.iter().filter_map(Value::as_array).flatten() {
        let _ = write!(out, "\n  - False positive: {}", text.as_str().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_sections_are_told_with_their_thresholds() {
        let entries = detectors().expect("the built-in file");
        let told = markdown(&entries);
        assert!(!told.contains("Thresholds: ."), "{told}");
        for said in [
            "`login_taken`",
            "`edos.yo_yo`",
            "`failed_over: ",
            "- `heavy_client` (medium): One address",
        ] {
            assert!(told.contains(said), "{said}");
        }
        for entry in entries {
            let parts = entry.settings.values().any(Value::is_object);
            assert!(parts || !entry.why.is_empty(), "{} says no reason", entry.id);
        }
    }
}
