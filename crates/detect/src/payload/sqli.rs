//! SQL injection: a linear model over the tokens of a value.
//!
//! The weights in `weights.txt` are those of a logistic regression with an L1 penalty over the
//! features of [`super::features`]; `examples/payload_fit.rs` fits them and says on what. The
//! score of a text is that of its worst window, so that padding before or behind an attack does
//! not thin it out.

use super::features::{self, Feature};
use super::lex;
use ahash::AHashMap;
use std::sync::LazyLock;

/// A linear model: features and what each adds to the log-odds.
#[derive(Clone, Debug, Default)]
pub struct Model {
    bias: f32,
    index: AHashMap<Feature, (u16, f32)>,
    floors: AHashMap<Feature, f32>,
}

const FEATURES_MAX: usize = 8192;

static FITTED: LazyLock<Model> = LazyLock::new(|| Model::parse(include_str!("weights.txt")));

impl Model {
    /// The model the product ships.
    pub fn fitted() -> &'static Model {
        &FITTED
    }

    /// From feature weights; features beyond 8,192 are left out.
    pub fn new(bias: f32, weights: impl IntoIterator<Item = (Feature, f32)>) -> Self {
        let index = weights
            .into_iter()
            .take(FEATURES_MAX)
            .zip(0u16..)
            .map(|((feature, weight), at)| (feature, (at, weight)))
            .collect();
        Self {
            bias,
            index,
            floors: features::decisive().collect(),
        }
    }

    /// Reads lines `weight feature`; the feature `bias` is the constant. Other lines are comments.
    pub fn parse(table: &str) -> Self {
        let mut bias = 0.0;
        let mut weights = Vec::new();
        for line in table.lines() {
            let Some((weight, name)) = line.split_once(' ') else {
                continue;
            };
            let Ok(weight) = weight.parse::<f32>() else {
                continue;
            };
            match Feature::parse(name) {
                Some(feature) => weights.push((feature, weight)),
                None if name == "bias" => bias = weight,
                None => {}
            }
        }
        Self::new(bias, weights)
    }

    /// How many features have a weight.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no feature has one.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What each feature of a text adds, most first; for people who ask why.
    pub fn explain(&self, text: &str) -> Vec<(Feature, f32)> {
        let lexed = lex::lex(text);
        let mut shown = AHashMap::new();
        for window in features::windows(&lexed) {
            features::each(text, &lexed, &window, |feature| {
                if let Some((_, weight)) = self.index.get(&feature) {
                    shown.insert(feature, *weight);
                }
            });
        }
        let mut shown: Vec<_> = shown.into_iter().collect();
        shown.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        shown
    }

    /// The log-odds of a decoded text, and the feature that speaks most for an attack.
    pub fn margin(&self, text: &str) -> (f32, Option<Feature>) {
        let lexed = lex::lex(text);
        let mut worst = (f32::NEG_INFINITY, None);
        for window in features::windows(&lexed) {
            let mut seen = [0u64; FEATURES_MAX / 64];
            let mut sum = self.bias;
            let mut top: (f32, Option<Feature>) = (0.0, None);
            let mut floor: (f32, Option<Feature>) = (f32::NEG_INFINITY, None);
            features::each(text, &lexed, &window, |feature| {
                if feature.is_trait()
                    && let Some(least) = self.floors.get(&feature).filter(|least| **least > floor.0)
                {
                    floor = (*least, Some(feature));
                }
                let Some(&(at, weight)) = self.index.get(&feature) else {
                    return;
                };
                let (word, bit) = (usize::from(at) / 64, 1u64 << (at % 64));
                if seen[word] & bit == 0 {
                    seen[word] |= bit;
                    sum += weight;
                    if weight > top.0 {
                        top = (weight, Some(feature));
                    }
                }
            });
            let (sum, reason) = if floor.0 > sum { floor } else { (sum, top.1) };
            if sum > worst.0 {
                worst = (sum, reason);
            }
        }
        worst
    }
}

/// The probability that goes with log-odds.
pub fn probability(margin: f32) -> f32 {
    1.0 / (1.0 + (-margin).exp())
}
