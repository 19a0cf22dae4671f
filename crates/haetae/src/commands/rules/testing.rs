//! `rules test`: the tests that stand beside rules, `NAME.test.yml`.
//!
//! A case gives log lines, or records that are sent through the same door as users' JSON, and
//! names the rules that must and must not speak. Everything runs through the real parsers.

use crate::commands::reloading::read_rules;
use crate::config::Config;
use anyhow::{Context, Result, bail};
use haetae_detect::ruleset::is_test_file;
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, EventBatch, Level, Micros, TenantId};
use haetae_parse::{Choice, InputReader, ParseOptions};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Records of one case: more would be a load test.
const RECORDS_MAX: u32 = 1_000_000;
/// Event time of `at: 0s`: 2026-03-01T00:00:00Z.
const START_US: i64 = 1_772_323_200_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    /// Dataset of the records, e.g. `web`; of lines, when their content does not show it.
    #[serde(default)]
    dataset: Option<String>,
    /// Log lines as they come.
    #[serde(default)]
    lines: Option<String>,
    #[serde(default)]
    events: Vec<Events>,
    /// Ids or names of rules that must speak.
    #[serde(default)]
    told: Vec<String>,
    #[serde(default)]
    silent: Vec<String>,
    /// No finding above this.
    #[serde(default)]
    level_max: Option<Level>,
}

/// One record, over and over; `{n}` in its texts is the number of the repetition, from 0.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    #[serde(default = "once")]
    repeat: u32,
    /// Time of the first, after 2026-03-01T00:00:00Z.
    #[serde(default)]
    at: Option<String>,
    /// Time between repetitions; default a second.
    #[serde(default)]
    every: Option<String>,
    record: serde_json::Map<String, serde_json::Value>,
}

fn once() -> u32 {
    1
}

pub fn run(path: Option<&Path>, config: &Config) -> Result<ExitCode> {
    let Some(path) = path else {
        bail!("name a folder of rules, or set rules_dir; tests are files named NAME.test.yml");
    };
    let rules = read_rules(Some(path), &config.cost)?;
    for diagnostic in rules.diagnostics() {
        println!("{diagnostic}");
    }
    let files = test_files(path)?;
    if files.is_empty() {
        bail!(
            "no NAME.test.yml under {}: a test names log lines and the rules that must speak",
            path.display()
        );
    }
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let cases: Vec<Case> =
            serde_saphyr::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        for case in cases {
            let wrong =
                judge(&case, &rules, config).with_context(|| format!("{}: {}", file.display(), case.case))?;
            if wrong.is_empty() {
                passed += 1;
                continue;
            }
            failed += 1;
            println!("FAILED {}: {}", file.display(), case.case);
            wrong.iter().for_each(|line| println!("       {line}"));
        }
    }
    eprintln!("{passed} cases hold, {failed} do not");
    let fine = failed == 0 && rules.diagnostics().is_empty();
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn test_files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        let beside = path.with_extension("test.yml");
        return Ok(beside.is_file().then_some(beside).into_iter().collect());
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let unreadable = || format!("cannot read {}", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_test_file(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A case that asks nothing holds whatever the rules do, and so does silence of a rule that is not
/// there.
fn check(case: &Case, rules: &RuleSet) -> Result<()> {
    if case.told.is_empty() && case.silent.is_empty() && case.level_max.is_none() {
        bail!("it asks nothing; give it `told`, `silent` or `level_max`");
    }
    if case.lines.is_none() && case.events.is_empty() {
        bail!("it has no input; give it `lines` or `events`");
    }
    let known = |wanted: &str| {
        // Rules of code detectors are named `detector.variant`.
        let code = wanted.contains('.');
        let mut loaded = rules.loaded().iter().map(|l| l.document.attributes());
        code || loaded.any(|a| a.id == wanted || a.name.as_deref() == Some(wanted))
    };
    let mut named = case.told.iter().chain(&case.silent);
    if let Some(wanted) = named.find(|name| !known(name)) {
        bail!("no rule has the id or name {wanted:?}; `haetae rules list` has all of them");
    }
    Ok(())
}

/// What is wrong with the findings of a case, a line each.
fn judge(case: &Case, rules: &RuleSet, config: &Config) -> Result<Vec<String>> {
    check(case, rules)?;
    let mut engine = Engine::new(rules.clone(), EngineOptions::one_shot());
    let mut wrong = Vec::new();
    if let Some(lines) = &case.lines {
        feed(
            &mut engine,
            case,
            lines.clone().into_bytes(),
            Choice::Detect,
            config,
            &mut wrong,
        )?;
    }
    if !case.events.is_empty() {
        let json = records(&case.events)?;
        feed(&mut engine, case, json, Choice::Detect, config, &mut wrong)?;
    }
    let found = engine.evaluate(&Closing::everything()).episodes;
    let names = |id: &str| -> BTreeSet<String> {
        let loaded = rules.loaded().iter().map(|l| l.document.attributes());
        let name = loaded.filter(|a| a.id == id).find_map(|a| a.name.clone());
        name.into_iter().chain([id.to_owned()]).collect()
    };
    let told: BTreeSet<String> = found.iter().flat_map(|e| names(&e.rule_id)).collect();
    for missing in case.told.iter().filter(|name| !told.contains(*name)) {
        wrong.push(format!("{missing} did not speak"));
    }
    for loud in case.silent.iter().filter(|name| told.contains(*name)) {
        wrong.push(format!("{loud} spoke"));
    }
    for episode in &found {
        if case.level_max.is_some_and(|max| episode.level > max) {
            let (title, level) = (&episode.title, episode.level);
            wrong.push(format!("{title:?} spoke at level {level}"));
        }
    }
    Ok(wrong)
}

fn feed(
    engine: &mut Engine,
    case: &Case,
    bytes: Vec<u8>,
    choice: Choice,
    config: &Config,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let dataset = match &case.dataset {
        None => None,
        Some(name) => Some(Dataset::parse(name).with_context(|| {
            let known = Dataset::ALL.map(Dataset::as_str).join(", ");
            format!("no dataset {name:?}; known are {known}")
        })?),
    };
    let options = ParseOptions {
        dataset,
        columns: engine.columns(),
        client_ip: crate::commands::reading::client_policy(config)?,
        arrival: Micros(START_US),
        ..ParseOptions::default()
    };
    let mut reader = InputReader::open(Box::new(Cursor::new(bytes)), choice, &options);
    while let Some(parsed) = reader.next_batch()? {
        for reject in &parsed.rejects {
            wrong.push(format!(
                "record {} cannot be read: {}",
                reject.ordinal + 1,
                reject.detail
            ));
        }
        let dataset = reader.dataset().or(dataset).unwrap_or(Dataset::App);
        if let Some(records) = parsed.records {
            engine.observe(&EventBatch {
                tenant: TenantId::default(),
                dataset,
                records,
            });
        }
    }
    Ok(())
}

/// NDJSON with a `ts` in each record that has none.
fn records(events: &[Events]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for event in events {
        if event.repeat > RECORDS_MAX {
            bail!("repeat is at most {RECORDS_MAX}");
        }
        let span = |text: &Option<String>, default: i64| match text {
            None => Ok(default),
            Some(text) => crate::config::parse_duration(text)
                .map(|span| i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
                .map_err(|error| anyhow::anyhow!("{text:?}: {error}")),
        };
        let (at, every) = (span(&event.at, 0)?, span(&event.every, 1_000_000)?);
        for n in 0..event.repeat {
            let mut record = serde_json::Value::Object(event.record.clone());
            fill(&mut record, &n.to_string());
            let offset = at.saturating_add(every.saturating_mul(i64::from(n)));
            if let Some(map) = record.as_object_mut()
                && !map.contains_key("ts")
            {
                let ts = Micros(START_US.saturating_add(offset)).to_string();
                map.insert("ts".into(), ts.into());
            }
            serde_json::to_writer(&mut out, &record)?;
            out.push(b'\n');
        }
    }
    Ok(out)
}

fn fill(value: &mut serde_json::Value, n: &str) {
    match value {
        serde_json::Value::String(text) if text.contains("{n}") => *text = text.replace("{n}", n),
        serde_json::Value::Array(list) => list.iter_mut().for_each(|value| fill(value, n)),
        serde_json::Value::Object(map) => map.values_mut().for_each(|value| fill(value, n)),
        _ => {}
    }
}
