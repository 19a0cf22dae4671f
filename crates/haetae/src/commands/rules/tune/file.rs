//! The proposal as `thresholds.yml`, which a rules folder takes as it is.

use super::report::Report;
use crate::config::Config;
use anyhow::{Context, Result, bail};
use haetae_detect::RuleSet;
use haetae_detect::thresholds::{self, Override};
use std::fmt::Write;
use std::path::Path;

/// Writes the thresholds in use with those of the proposal.
///
/// # Errors
/// When a file is there that is not in use, or nothing can be written.
pub fn write(path: &Path, rules: &RuleSet, report: &Report, config: &Config) -> Result<()> {
    let shown = path.display().to_string();
    if path.exists() {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        replaceable(&shown, &text, rules)?;
    }
    if report
        .rules
        .iter()
        .all(|rule| rule.now.threshold == rule.proposed.threshold)
    {
        eprintln!("nothing is to be changed: {shown} is not written");
        return Ok(());
    }
    let text = yaml(rules, report);
    if let Err(problems) = thresholds::parse(&shown, &text, rules.loaded(), &[]) {
        bail!("the proposal cannot be written as thresholds: {}", problems[0]);
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {shown}"))?;
    eprintln!("written: {shown}");
    let named = path.file_name().is_some_and(|name| name == "thresholds.yml");
    let folder = config
        .rules_dir
        .as_deref()
        .and_then(|dir| dir.canonicalize().ok());
    let own = path.canonicalize().ok();
    let inside = folder
        .zip(own)
        .is_some_and(|(folder, own)| own.starts_with(folder));
    if !(named && inside) {
        eprintln!("it is used once it lies in rules_dir under the name thresholds.yml");
    }
    Ok(())
}

/// Only thresholds that are in use are replaced: others would be lost without having counted.
fn replaceable(shown: &str, text: &str, rules: &RuleSet) -> Result<()> {
    let Ok((there, _)) = thresholds::parse(shown, text, rules.loaded(), &[]) else {
        bail!("{shown} is there and is no file of thresholds for these rules; name another one");
    };
    let in_use = |o: &Override| {
        rules
            .thresholds()
            .iter()
            .any(|u| u.rule == o.rule && u.now == o.now)
    };
    if !there.iter().all(in_use) {
        bail!("{shown} has thresholds that are not in use here; name another file, or take it away");
    }
    Ok(())
}

fn yaml(rules: &RuleSet, report: &Report) -> String {
    let mut text = format!(
        "# haetae rules tune --budget {}, over {} events until {}:\n\
         # {} notifications in {:.1} days instead of {}.\n",
        report.budget, report.events, report.end, report.notified_then, report.days, report.notified_now
    );
    if let Some(week) = &report.next_week {
        let range = week.proposed;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# Next week: {} expected, {} to {} in four weeks of five.",
            range.median, range.low, range.high
        );
    }
    let head = text.len();
    let changed = |id: &str| {
        let mut all = report.rules.iter();
        all.find(|rule| rule.id == id && rule.now.threshold != rule.proposed.threshold)
    };
    let kept = rules
        .thresholds()
        .iter()
        .filter(|known| changed(&known.rule).is_none());
    for known in kept {
        let was = (known.own.word(), known.own.number());
        entry(
            &mut text,
            &known.rule,
            (known.now.word(), &known.now.number()),
            was,
            "as before",
        );
    }
    for rule in report.rules.iter().filter(|rule| changed(&rule.id).is_some()) {
        let own = rules.thresholds().iter().find(|known| known.rule == rule.id);
        let was = own.map_or_else(|| rule.now.threshold.clone(), |known| known.own.number());
        if was == rule.proposed.threshold {
            continue;
        }
        let reason = format!(
            "{} of {} alerts, at {} until now; {}",
            rule.proposed.notified, rule.now.notified, rule.now.threshold, rule.title
        );
        let now = (rule.proposed.operator, rule.proposed.threshold.as_str());
        entry(&mut text, &rule.id, now, (rule.now.operator, was), &reason);
    }
    // Back to the rules' own numbers everywhere.
    let none = text.len() == head;
    text.insert_str(head, if none { "thresholds: []\n" } else { "thresholds:\n" });
    text
}

fn entry(text: &mut String, rule: &str, now: (&str, &str), was: (&str, String), reason: &str) {
    let _ = writeln!(
        text,
        "  - rule: {}\n    condition: {{{}: {}}}\n    was: {{{}: {}}}\n    reason: {}",
        quoted(rule),
        now.0,
        now.1,
        was.0,
        was.1,
        quoted(reason)
    );
}

/// A JSON text is a YAML text.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
