//! Learned models in use: judging windows of clients in the engine and requests at the door, and
//! retraining from what is stored.
//!
//! What is here: [`Models`] (which versions are in use, noticed anew), [`Model`] (one of them, with
//! its reasons in words), `detector` (behind the engine's seam), `inline` (behind that of
//! `POST /detect`), `retraining` (a candidate from the store, and the decision), `labelled` (attacks
//! to hold it against).
//!
//! What is not here: the forest and its features (`haetae_learn`), `haetae model` (`commands`).

mod detector;
mod inline;
mod labelled;
mod reading;
mod retraining;

pub use detector::{ForestDetector, read_columns};
pub use inline::InlineForest;
pub use labelled::are_attacks;
pub use reading::{Span, stored_windows};
pub use retraining::{Outcome, Retraining, WINDOWS_MIN};

use haetae_detect::MoreDetectors;
use haetae_detect::detector::Detector;
use haetae_detect::inline::InlineModel;
use haetae_event::Micros;
use haetae_event::disk::RealDisk;
use haetae_event::identity::InstallationKey;
use haetae_event::time::MINUTE_US;
use haetae_learn::Forest;
use haetae_learn::features::{COUNT, names};
use haetae_learn::forest::Explainer;
use haetae_learn::store::ModelStore;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Models in use at once: each costs the engine about a microsecond an event.
const MODELS_MAX: usize = 4;
/// Features named as reasons.
const REASONS_MAX: usize = 4;
/// A feature that made a score less than this many doublings higher is no reason.
const DOUBLINGS_MIN: f64 = 0.01;

/// A version of a model, ready to judge.
pub struct Model {
    /// `NAME@VERSION`.
    pub id: Arc<str>,
    /// `isolation_forest.NAME`.
    pub rule_id: String,
    pub forest: Forest,
    /// Length of the windows it was fitted on, µs.
    pub window_us: i64,
    /// Of the hashes that decide which clients are kept, and estimate paths.
    pub seed: u64,
    explainer: Explainer,
}

impl Model {
    /// # Errors
    /// When the forest was fitted on other numbers than this program extracts.
    pub fn new(name: &str, version: u32, forest: Forest, seed: u64) -> Result<Model, String> {
        fits(name, version, &forest)?;
        Ok(Model {
            id: format!("{name}@{version}").into(),
            rule_id: format!("isolation_forest.{name}"),
            window_us: window_of(&forest),
            seed,
            explainer: forest.explainer(),
            forest,
        })
    }

    /// What made the score of a window high: feature, and its value beside the usual range (first to
    /// ninety-ninth percentile of the training windows). The strongest first.
    pub fn reasons(&self, values: &[f64; COUNT]) -> Vec<(String, String)> {
        let explained = self
            .forest
            .explain_with(&self.explainer, values)
            .expect("a row of all features, and the forest's own explainer");
        let strong = explained.contributions.into_iter().take(REASONS_MAX);
        strong
            .filter(|c| c.doublings >= DOUBLINGS_MIN)
            .map(|c| {
                let value = c.value.map_or("missing".to_owned(), short);
                let (low, high) = (short(c.normal.0), short(c.normal.1));
                (c.feature, format!("{value}; usual {low} to {high}"))
            })
            .collect()
    }
}

/// # Errors
/// When the forest was fitted on other numbers than this program extracts.
pub fn fits(name: &str, version: u32, forest: &Forest) -> Result<(), String> {
    if forest.features() == names() {
        return Ok(());
    }
    Err(format!(
        "{name}@{version} was fitted on other features than those of this program; train it anew"
    ))
}

/// Length of the windows that a forest was fitted on, µs.
pub fn window_of(forest: &Forest) -> i64 {
    let trained_on = forest.training().window_us;
    if trained_on > 0 { trained_on } else { MINUTE_US }
}

/// The version in use, to be compared with; where it cannot be used, why: it is to be replaced.
pub fn to_compare(models: &ModelStore, name: &str) -> (Option<Forest>, Option<String>) {
    let loaded = match models.current(name) {
        Ok(None) => return (None, None),
        Ok(Some(promotion)) => {
            let version = promotion.version;
            let forest = models.load(name, version).map_err(|error| error.to_string());
            forest.and_then(|forest| fits(name, version, &forest).map(|()| forest))
        }
        Err(error) => Err(error.to_string()),
    };
    match loaded {
        Ok(forest) => (Some(forest), None),
        Err(why) => (None, Some(why)),
    }
}

/// The number under which this installation's hashes of windows are keyed: a public one would let
/// anybody choose addresses that are never kept. Where there is no key yet (a command without a data
/// directory, over files) nobody else's clients are judged either: 0.
pub fn seed_of(data_dir: &Path) -> u64 {
    let key = data_dir.join("installation.key").exists();
    let key = key.then(|| haetae_store::secrets::installation_key(data_dir).ok());
    key.flatten()
        .map_or(0, |key| InstallationKey::new(key).seed("windows"))
}

/// A number as people read it: three digits that matter.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == v.trunc() => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// Name, version and time of a promotion.
type Stamp = (String, u32, Micros);

/// Which models are in use.
pub struct Models {
    store: ModelStore,
    /// The model that judges requests at the door, when it is in use; else the first by name.
    preferred: String,
    data_dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By name.
    known: BTreeMap<String, Known>,
    /// The preferred one first, then by name.
    in_use: Vec<Arc<Model>>,
    /// What was said of all together.
    said: Option<String>,
}

/// One name.
#[derive(Default)]
struct Known {
    /// Of what is in use.
    stamp: Option<Stamp>,
    model: Option<Arc<Model>>,
    /// What was said last of it: told once.
    said: Option<String>,
}

/// What a look at the folder found.
#[derive(Debug, Default)]
pub struct Noticed {
    /// Other versions are in use than before.
    pub changed: bool,
    /// What cannot be used, and why.
    pub problems: Vec<String>,
}

/// Adds a line, unless it is what was said last.
fn say(last: &mut Option<String>, line: String, noticed: &mut Noticed) {
    if last.as_ref() != Some(&line) {
        noticed.problems.push(line.clone());
        *last = Some(line);
    }
}

impl Models {
    /// Of the folder `models` in a data directory, which need not exist. Nothing is loaded before
    /// [`Models::look`].
    pub fn new(data_dir: &Path, preferred: &str) -> Models {
        Models {
            store: ModelStore::new(Arc::new(RealDisk), data_dir.join("models")),
            preferred: preferred.to_owned(),
            data_dir: data_dir.to_path_buf(),
            state: Mutex::default(),
        }
    }

    /// Loads what was promoted since the last look. What cannot be read or loaded is said once and
    /// tried again at the next look; the former version stays in use meanwhile.
    pub fn look(&self) -> Noticed {
        let mut noticed = Noticed::default();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let names = match self.store.names() {
            Ok(names) => names,
            Err(error) => {
                say(&mut state.said, format!("models: {error}"), &mut noticed);
                return noticed;
            }
        };
        let before = state.known.len();
        state.known.retain(|name, _| names.contains(name));
        noticed.changed = state.known.len() < before;
        let promoted = self.promoted(names, &mut state, &mut noticed);
        let (used, left): (Vec<_>, Vec<_>) = promoted
            .into_iter()
            .enumerate()
            .partition(|(place, _)| *place < MODELS_MAX);
        if left.is_empty() {
            state.said = None;
        } else {
            let all = used.len() + left.len();
            let line = format!("{all} models are promoted, {MODELS_MAX} are used: models.name, then by name");
            say(&mut state.said, line, &mut noticed);
        }
        for (_, (name, _)) in left {
            let known = state.known.entry(name).or_default();
            noticed.changed |= known.model.take().is_some();
            known.stamp = None;
        }
        let mut in_use = Vec::new();
        for (_, (name, stamp)) in used {
            let known = state.known.entry(name).or_default();
            if let Some(stamp) = stamp {
                noticed.changed |= self.renew(known, stamp, &mut noticed.problems);
            }
            in_use.extend(known.model.clone());
        }
        state.in_use = in_use;
        noticed
    }

    /// Names with a promotion, the preferred one first; without its stamp where the promotion cannot
    /// be read and a former model is in use.
    fn promoted(
        &self,
        mut names: Vec<String>,
        state: &mut State,
        noticed: &mut Noticed,
    ) -> Vec<(String, Option<Stamp>)> {
        names.sort_by_key(|name| (*name != self.preferred, name.clone()));
        let mut promoted = Vec::new();
        for name in names {
            match self.store.current(&name) {
                Ok(Some(promotion)) => {
                    let stamp = (name.clone(), promotion.version, promotion.at);
                    promoted.push((name, Some(stamp)));
                }
                Ok(None) => noticed.changed |= state.known.remove(&name).is_some_and(|k| k.model.is_some()),
                Err(error) => {
                    let known = state.known.entry(name.clone()).or_default();
                    say(&mut known.said, format!("model {name}: {error}"), noticed);
                    if known.model.is_some() {
                        promoted.push((name, None));
                    }
                }
            }
        }
        promoted
    }

    /// Loads what is promoted, unless it is in use; whether that is another model now.
    fn renew(&self, known: &mut Known, stamp: Stamp, problems: &mut Vec<String>) -> bool {
        if known.stamp.as_ref() == Some(&stamp) {
            return false;
        }
        let (name, version, _) = &stamp;
        let loaded = self.store.load(name, *version).map_err(|error| error.to_string());
        let seed = seed_of(&self.data_dir);
        match loaded.and_then(|forest| Model::new(name, *version, forest, seed)) {
            Ok(model) => {
                (known.model, known.stamp, known.said) = (Some(Arc::new(model)), Some(stamp), None);
                true
            }
            Err(problem) => {
                let stays = known
                    .model
                    .as_ref()
                    .map(|model| format!("; {} stays in use", model.id));
                let problem = problem + &stays.unwrap_or_default();
                if known.said.as_ref() != Some(&problem) {
                    known.said = Some(problem.clone());
                    problems.push(problem);
                }
                false
            }
        }
    }

    /// As of the last look.
    pub fn in_use(&self) -> Vec<Arc<Model>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_use.clone()
    }

    /// The ids in use, for people; empty when there are none.
    pub fn ids(&self) -> String {
        let ids: Vec<String> = self.in_use().iter().map(|model| model.id.to_string()).collect();
        ids.join(", ")
    }

    /// Detectors of the models in use, for each engine anew.
    pub fn detectors(self: &Arc<Self>) -> MoreDetectors {
        let models = Arc::clone(self);
        MoreDetectors::new(move || {
            let detector = |model: Arc<Model>| Box::new(ForestDetector::new(model)) as Box<dyn Detector>;
            models.in_use().into_iter().map(detector).collect()
        })
    }

    /// The model that judges requests at the door, its clients' windows empty.
    pub fn inline(&self) -> Option<Arc<dyn InlineModel>> {
        let model = self.in_use().into_iter().next()?;
        Some(Arc::new(InlineForest::new(model)))
    }

    pub fn store(&self) -> ModelStore {
        self.store.clone()
    }

    pub fn seed(&self) -> u64 {
        seed_of(&self.data_dir)
    }
}

/// The models of a one-shot command; what cannot be used is said on stderr.
pub fn of_command(config: &crate::config::Config) -> MoreDetectors {
    let models = Arc::new(Models::new(&config.data_dir, &config.models.name));
    for problem in models.look().problems {
        eprintln!("problem: {problem}");
    }
    models.detectors()
}

#[cfg(test)]
mod tests;
