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
mod retraining;

pub use detector::{ForestDetector, read_columns};
pub use inline::InlineForest;
pub use labelled::are_attacks;
pub use retraining::{Outcome, Retraining, WINDOWS_MIN};

use haetae_detect::MoreDetectors;
use haetae_detect::detector::Detector;
use haetae_detect::inline::InlineModel;
use haetae_event::Micros;
use haetae_event::disk::RealDisk;
use haetae_event::time::MINUTE_US;
use haetae_learn::Forest;
use haetae_learn::features::{COUNT, names};
use haetae_learn::forest::Explainer;
use haetae_learn::store::{ModelStore, StoreError};
use std::path::Path;
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
    explainer: Explainer,
}

impl Model {
    /// # Errors
    /// When the forest was fitted on other numbers than this program extracts.
    pub fn new(name: &str, version: u32, forest: Forest) -> Result<Model, String> {
        if forest.features() != names() {
            return Err(format!(
                "{name}@{version} was fitted on other features than those of this program; train it anew"
            ));
        }
        let trained_on = forest.training().window_us;
        Ok(Model {
            id: format!("{name}@{version}").into(),
            rule_id: format!("isolation_forest.{name}"),
            window_us: if trained_on > 0 { trained_on } else { MINUTE_US },
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
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stamps: Vec<Stamp>,
    in_use: Vec<Arc<Model>>,
}

/// What a look at the folder found.
#[derive(Debug, Default)]
pub struct Noticed {
    /// Other versions are in use than before.
    pub changed: bool,
    /// What cannot be used, and why.
    pub problems: Vec<String>,
}

impl Models {
    /// Of the folder `models` in a data directory, which need not exist. Nothing is loaded before
    /// [`Models::look`].
    pub fn new(data_dir: &Path, preferred: &str) -> Models {
        Models {
            store: ModelStore::new(Arc::new(RealDisk), data_dir.join("models")),
            preferred: preferred.to_owned(),
            state: Mutex::default(),
        }
    }

    /// Loads what was promoted since the last look. A model that cannot be loaded is left out; when
    /// its folder cannot be read, what is in use stays.
    pub fn look(&self) -> Noticed {
        let mut noticed = Noticed::default();
        let stamps = match self.stamps() {
            Ok(stamps) => stamps,
            Err(error) => {
                noticed.problems.push(format!("models: {error}"));
                return noticed;
            }
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if stamps == state.stamps {
            return noticed;
        }
        if stamps.len() > MODELS_MAX {
            noticed.problems.push(format!(
                "{} models are promoted, the first {MODELS_MAX} by name are used",
                stamps.len()
            ));
        }
        let mut in_use = Vec::new();
        for (name, version, _) in stamps.iter().take(MODELS_MAX) {
            let loaded = self.store.load(name, *version).map_err(|error| error.to_string());
            match loaded.and_then(|forest| Model::new(name, *version, forest)) {
                Ok(model) => in_use.push(Arc::new(model)),
                Err(problem) => noticed.problems.push(problem),
            }
        }
        (state.stamps, state.in_use) = (stamps, in_use);
        noticed.changed = true;
        noticed
    }

    fn stamps(&self) -> Result<Vec<Stamp>, StoreError> {
        let mut stamps = Vec::new();
        for name in self.store.names()? {
            if let Some(promotion) = self.store.current(&name)? {
                stamps.push((name, promotion.version, promotion.at));
            }
        }
        stamps.sort();
        Ok(stamps)
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
        let in_use = self.in_use();
        let preferred = format!("isolation_forest.{}", self.preferred);
        let chosen = in_use.iter().find(|model| model.rule_id == preferred);
        let model = chosen.or(in_use.first())?;
        Some(Arc::new(InlineForest::new(model.clone())))
    }

    pub fn store(&self) -> ModelStore {
        self.store.clone()
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
