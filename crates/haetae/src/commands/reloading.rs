//! The rules in use: read at the start, and again when their folder changes; promotions of models,
//! noticed beside them.

use super::say::Say;
use crate::models::Models;
use anyhow::{Context, Result};
use haetae_detect::cost::CostOptions;
use haetae_detect::inline::Inline;
use haetae_detect::ruleset::rule_files;
use haetae_detect::{Engine, EngineOptions, RuleSet};
use haetae_pipeline::{Change, RuleShelf};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The folder is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Files of a folder that are looked at.
const FILES_MAX: usize = 20_000;

/// The built-in rules with those under `extra`, a folder or one file, and the prices they cost by.
///
/// # Errors
/// When something cannot be read. What is wrong inside is in [`RuleSet::diagnostics`].
pub fn read_rules(extra: Option<&Path>, cost: &CostOptions) -> Result<RuleSet> {
    let mut rules = RuleSet::builtin();
    rules.set_cost(cost.clone());
    if let Some(path) = extra {
        let unreadable = || format!("cannot read the rules in {}", path.display());
        if path.is_file() {
            let text = std::fs::read_to_string(path).with_context(unreadable)?;
            rules.load_text(&path.display().to_string(), &text);
        } else {
            rules.load_dir(path).with_context(unreadable)?;
        }
    }
    if let Some(path) = &cost.prices {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the prices in {}", path.display()))?;
        rules.load_prices(&path.display().to_string(), &text);
    }
    Ok(rules)
}

/// As [`read_rules`]; a rule that does not load is said on stderr and left.
///
/// # Errors
/// As there.
pub fn load_rules(extra: Option<&Path>, cost: &CostOptions) -> Result<RuleSet> {
    let rules = read_rules(extra, cost)?;
    for diagnostic in rules.diagnostics() {
        eprintln!("rule not loaded: {diagnostic}");
    }
    Ok(rules)
}

/// Built-in rules and those of a folder.
pub struct RulesFolder {
    dir: Option<PathBuf>,
    /// How the site is billed.
    cost: CostOptions,
    /// As it was when the rules in use were read.
    seen: Vec<Stamp>,
    /// Diagnostics of the rules in use.
    problems: BTreeSet<String>,
    looked: Instant,
    /// Set by SIGHUP: look now.
    asked: Arc<AtomicBool>,
    models: Arc<Models>,
    /// Gets the model in use.
    inline: Arc<Inline>,
    say: Say,
}

/// Name, size and time of change of one file.
type Stamp = (PathBuf, u64, Option<SystemTime>);

impl RulesFolder {
    /// `rules` are those in use now, read from `dir`.
    pub fn new(
        dir: Option<&Path>,
        rules: &RuleSet,
        (models, inline): (Arc<Models>, Arc<Inline>),
        cost: CostOptions,
        asked: Arc<AtomicBool>,
        say: Say,
    ) -> RulesFolder {
        RulesFolder {
            seen: dir.map(stamps).unwrap_or_default(),
            dir: dir.map(Path::to_path_buf),
            cost,
            problems: problems(rules),
            looked: Instant::now(),
            asked,
            models,
            inline,
            say,
        }
    }
}

impl RuleShelf for RulesFolder {
    /// Changed rules and promoted models come into use beside what did not change: baselines stay.
    fn changed(&mut self) -> Option<Change> {
        let asked = self.asked.swap(false, Ordering::Relaxed);
        if !asked && self.looked.elapsed() < LOOK_EVERY {
            return None;
        }
        self.looked = Instant::now();
        let more = take_models(&self.models, &self.inline, &self.say);
        let rules = self.rules_changed();
        if let Some(rules) = &rules {
            self.inline.set_settings(rules.inline());
        }
        (more || rules.is_some()).then_some(Change { rules, more })
    }
}

/// The engine of a service that starts: rules, and the models in use.
pub fn first_engine(rules: RuleSet, models: &Arc<Models>, inline: &Inline, say: &Say) -> Engine {
    take_models(models, inline, say);
    inline.set_settings(rules.inline());
    let options = EngineOptions {
        more: models.detectors(),
        ..EngineOptions::default()
    };
    Engine::new(rules, options)
}

/// Looks at what is promoted and hands it to the door; true when it is other than before.
fn take_models(models: &Models, inline: &Inline, say: &Say) -> bool {
    let noticed = models.look();
    noticed.problems.iter().for_each(|problem| say.trouble(problem));
    if noticed.changed {
        inline.set_model(models.inline());
        say.note(&format!("models in use: {}", models.ids()));
    }
    noticed.changed
}

impl RulesFolder {
    /// Rules with new mistakes are refused whole: a slip of the pen must not switch off what
    /// watched until then.
    fn rules_changed(&mut self) -> Option<RuleSet> {
        let dir = self.dir.as_ref()?;
        let now = stamps(dir);
        if now == self.seen {
            return None;
        }
        self.seen = now;
        let rules = match read_rules(Some(dir), &self.cost) {
            Ok(rules) => rules,
            Err(error) => {
                self.say
                    .trouble(&format!("{error:#}; the former ones stay in use"));
                return None;
            }
        };
        let now_wrong = problems(&rules);
        if !now_wrong.is_subset(&self.problems) {
            for diagnostic in now_wrong.difference(&self.problems) {
                self.say.trouble(&format!("rule not loaded: {diagnostic}"));
            }
            self.say
                .trouble("the changed rules have mistakes; the former ones stay in use");
            return None;
        }
        self.problems = now_wrong;
        Some(rules)
    }
}

/// What is wrong with rules, without the places: a line more above a known mistake is no new one.
fn problems(rules: &RuleSet) -> BTreeSet<String> {
    let all = rules.diagnostics().iter();
    all.map(|d| format!("{}: {}: {}", d.file, d.code, d.message))
        .collect()
}

/// The file `path`, or every rule file under the folder of that name, sorted. What cannot be read
/// is not there.
fn stamps(path: &Path) -> Vec<Stamp> {
    let files = match path.is_file() {
        true => vec![path.to_path_buf()],
        false => rule_files(path).unwrap_or_default(),
    };
    let stamp = |file: PathBuf| {
        let meta = std::fs::metadata(&file).ok()?;
        Some((file, meta.len(), meta.modified().ok()))
    };
    files.into_iter().take(FILES_MAX).filter_map(stamp).collect()
}
