//! Fits the weights of the SQL injection model and says how well they carry over.
//!
//! `HAETAE_SHARED=… cargo run --release -p haetae-detect --example payload_fit > weights.txt`
//!
//! Logistic regression with an L1 penalty, fitted by FTRL-Proximal (McMahan et al., KDD 2013),
//! over the features of `payload::features`. An attack is a request of which only one window
//! needs to show it, so each round takes the window that the former round found worst (as in
//! multiple-instance learning); of benign requests every window counts. The same input gives the
//! same weights. With `-- misjudged` the texts that the others' model gets wrong are listed. Before the final fit each half of the data is judged by a model that was fitted
//! on the other half alone, and each tenth by that of the other nine; those numbers go to the standard error.

mod payload_data;

use haetae_detect::payload::features::{self, Feature};
use haetae_detect::payload::lex;
use haetae_detect::payload::{self, Parts};
use payload_data as data;
use std::collections::{BTreeMap, HashMap};

const ROUNDS: usize = 4;
const PASSES: usize = 12;
const ALPHA: f64 = 0.15;
const BETA: f64 = 1.0;
const L1: f64 = 2.0;
const L2: f64 = 1.0;
/// Taken off the constant, so that the default threshold lies where look-alikes are rare.
const OFFSET: f64 = 0.4;
/// How often a feature must occur to be one.
const SEEN_MIN: usize = 3;
/// Parts of the data that are judged by a model fitted on the other parts.
const FOLDS: u64 = 10;

/// A request: its windows, each the features it shows.
struct Bag {
    set: &'static str,
    fold: u64,
    is_attack: bool,
    weight: f64,
    windows: Vec<Vec<u32>>,
    /// For people who look at what is misjudged.
    text: String,
}

#[derive(Default)]
struct Vocabulary {
    numbers: HashMap<Feature, u32>,
    features: Vec<Feature>,
}

impl Vocabulary {
    /// What decisive features mean, on the scale before [`OFFSET`].
    fn floors(&self) -> Vec<f64> {
        let known: HashMap<_, _> = features::decisive().collect();
        let floor = |feature| {
            known
                .get(feature)
                .map_or(f64::NEG_INFINITY, |least| f64::from(*least) + OFFSET)
        };
        self.features.iter().map(floor).collect()
    }

    fn windows(&mut self, texts: &[String]) -> Vec<Vec<u32>> {
        let mut all = Vec::new();
        for text in texts {
            let lexed = lex::lex(text);
            for window in features::windows(&lexed) {
                let mut shown = Vec::new();
                features::each(text, &lexed, &window, |feature| {
                    let next = u32::try_from(self.features.len()).expect("few features");
                    let number = *self.numbers.entry(feature).or_insert(next);
                    if number == next {
                        self.features.push(feature);
                    }
                    shown.push(number);
                });
                shown.sort_unstable();
                shown.dedup();
                all.push(shown);
            }
        }
        all
    }
}

/// FNV-1a, so that the parts are the same everywhere.
fn fold(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for b in text.bytes() {
        hash = (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    }
    (hash >> 32) % FOLDS
}

fn bags(vocabulary: &mut Vocabulary) -> Vec<Bag> {
    let mut bags = Vec::new();
    let mut add = |set, key: &str, is_attack, weight, texts: &[String]| {
        let windows = vocabulary.windows(texts);
        if !windows.is_empty() {
            bags.push(Bag {
                set,
                fold: fold(key),
                is_attack,
                weight,
                windows,
                text: format!("{key} {texts:?}"),
            });
        }
    };
    for case in data::cases().iter().filter(|case| case.family == "942") {
        let texts = payload::sql_texts(&case.request.whole());
        let key = format!("{} {}", case.rule, case.number);
        if case.is_attack {
            add("crs-942", &key, true, 1.0, &texts);
            // The same among words, so that words around an attack are no alibi.
            for (before, behind) in [("검색 결과 ", ""), ("red shoes ", " for you")] {
                let padded: Vec<_> = texts
                    .iter()
                    .map(|text| format!("{before}{text}{behind}"))
                    .collect();
                add("crs-942-padded", &key, true, 0.15, &padded);
            }
        } else {
            add("crs-942-no-match", &key, false, 0.3, &texts);
        }
    }
    for (set, values) in data::benign() {
        let weight = match set {
            "look-alikes" => 8.0,
            "cp949" => 2.0,
            _ => 1.0,
        };
        for value in values {
            let request = data::Request::search(&value);
            add(set, &value, false, weight, &payload::sql_texts(&request.whole()));
        }
    }
    for value in data::prose::inputs(4000) {
        let request = data::Request::search(&data::encoded(&value));
        add(
            "made-up",
            &value,
            false,
            0.3,
            &payload::sql_texts(&request.whole()),
        );
    }
    for value in data::attacks::inputs(3000) {
        let request = data::Request::search(&data::encoded(&value));
        add(
            "made-up-attacks",
            &value,
            true,
            0.5,
            &payload::sql_texts(&request.whole()),
        );
    }
    for (value, kind) in data::parameters("train") {
        let request = data::Request::search(&data::encoded(&value));
        let texts = payload::sql_texts(&request.whole());
        match kind.as_str() {
            "norm" => add("params-norm", &value, false, 0.3, &texts),
            "sqli" => add("params-sqli", &value, true, 0.05, &texts),
            _ => {}
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for request in data::ordinary() {
        let texts = payload::sql_texts(&request.whole());
        if seen.insert(texts.clone()) {
            add("ordinary", &request.uri, false, 1.0, &texts);
        }
    }
    for agent in data::agents() {
        let parts = Parts {
            agent: Some(&agent),
            ..Parts::default()
        };
        add("agents", &agent, false, 1.0, &payload::sql_texts(&parts));
    }
    bags
}

struct Fit {
    bias: f64,
    weights: Vec<f64>,
    /// The least margin, by feature.
    floors: Vec<f64>,
}

impl Fit {
    fn margin(&self, window: &[u32]) -> f64 {
        self.bias + window.iter().map(|at| self.weights[*at as usize]).sum::<f64>()
    }

    fn worst(&self, bag: &Bag) -> f64 {
        let floor = |window: &[u32]| {
            window
                .iter()
                .map(|at| self.floors[*at as usize])
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let margins = bag
            .windows
            .iter()
            .map(|window| self.margin(window).max(floor(window)));
        margins.fold(f64::NEG_INFINITY, f64::max)
    }
}

/// One coordinate of FTRL-Proximal.
#[derive(Clone, Copy, Default)]
struct Coordinate {
    z: f64,
    n: f64,
}

impl Coordinate {
    fn weight(self, l1: f64) -> f64 {
        if self.z.abs() <= l1 {
            return 0.0;
        }
        -(self.z - self.z.signum() * l1) / ((BETA + self.n.sqrt()) / ALPHA + L2)
    }

    fn step(&mut self, gradient: f64, weight: f64) {
        let sigma = ((self.n + gradient * gradient).sqrt() - self.n.sqrt()) / ALPHA;
        self.z += gradient - sigma * weight;
        self.n += gradient * gradient;
    }
}

fn fit(bags: &[&Bag], vocabulary: &Vocabulary) -> Fit {
    let width = vocabulary.features.len();
    let mut counts = vec![0usize; width];
    for at in bags.iter().flat_map(|bag| bag.windows.iter().flatten()) {
        counts[*at as usize] += 1;
    }
    let floors = vocabulary.floors();
    let mut fit = Fit {
        bias: 0.0,
        weights: vec![0.0; width],
        floors: floors.clone(),
    };
    for round in 0..ROUNDS {
        let mut instances: Vec<(&[u32], f64, f64)> = Vec::new();
        for bag in bags {
            if bag.is_attack {
                let score = |window: &&Vec<u32>| {
                    if round == 0 {
                        window.len() as f64
                    } else {
                        fit.margin(window)
                    }
                };
                let worst = bag.windows.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
                instances.extend(worst.map(|window| (window.as_slice(), 1.0, bag.weight)));
            } else {
                instances.extend(
                    bag.windows
                        .iter()
                        .map(|window| (window.as_slice(), 0.0, bag.weight)),
                );
            }
        }
        // A fixed stride that shares no divisor visits all in a mixed order.
        let mut stride = 7919 % instances.len().max(2);
        while gcd(stride, instances.len()) != 1 {
            stride += 1;
        }
        let mut bias = Coordinate::default();
        let mut coordinates = vec![Coordinate::default(); width];
        let mut at = 0;
        for _ in 0..PASSES * instances.len() {
            at = (at + stride) % instances.len();
            let (window, target, importance) = instances[at];
            let used = || window.iter().filter(|at| counts[**at as usize] >= SEEN_MIN);
            let weights: f64 = used().map(|at| coordinates[*at as usize].weight(L1)).sum();
            let margin = bias.weight(0.0) + weights;
            let gradient = importance * (1.0 / (1.0 + (-margin).exp()) - target);
            let constant = bias.weight(0.0);
            bias.step(gradient, constant);
            for at in used() {
                let coordinate = &mut coordinates[*at as usize];
                let weight = coordinate.weight(L1);
                coordinate.step(gradient, weight);
            }
        }
        fit = Fit {
            bias: bias.weight(0.0),
            weights: coordinates
                .iter()
                .map(|coordinate| coordinate.weight(L1))
                .collect(),
            floors: floors.clone(),
        };
    }
    fit
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Flagged shares of each set at a few margins, each of `parts` parts judged by a model fitted on
/// the others.
fn cross_validate(bags: &[Bag], vocabulary: &Vocabulary, parts: u64) {
    let mut margins: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for side in 0..parts {
        let train: Vec<_> = bags.iter().filter(|bag| bag.fold % parts != side).collect();
        let fit = fit(&train, vocabulary);
        for bag in bags.iter().filter(|bag| bag.fold % parts == side) {
            let margin = fit.worst(bag);
            if parts > 2 && std::env::args().any(|word| word == "misjudged") {
                show(bag, margin);
            }
            margins.entry(bag.set).or_default().push(margin);
        }
    }
    eprintln!("{parts} parts, each judged by the others' model: % flagged from this score on");
    eprint!("{:18}{:>6}", "set", "n");
    let scores: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
    scores.iter().for_each(|score| eprint!("{score:>9.2}"));
    eprintln!();
    for (set, margins) in margins {
        eprint!("{set:18}{:6}", margins.len());
        for score in scores {
            let cut = (score / (1.0 - score)).ln() + OFFSET;
            let flagged = margins.iter().filter(|margin| **margin >= cut).count();
            eprint!("{:9.3}", 100.0 * flagged as f64 / margins.len() as f64);
        }
        eprintln!();
    }
}

fn show(bag: &Bag, margin: f64) {
    if (margin >= OFFSET) != bag.is_attack && bag.set != "crs-942-padded" && bag.set != "params-sqli" {
        eprintln!(
            "{margin:6.2} {} {}",
            bag.set,
            bag.text.chars().take(230).collect::<String>()
        );
    }
}

fn main() {
    if data::shared().is_none() {
        eprintln!("SKIPPED: no shared data (HAETAE_SHARED)");
        return;
    }
    let mut vocabulary = Vocabulary::default();
    let bags = bags(&mut vocabulary);
    let width = vocabulary.features.len();
    eprintln!("{} requests, {width} features", bags.len());
    for parts in [2, FOLDS] {
        cross_validate(&bags, &vocabulary, parts);
    }
    let fit = fit(&bags.iter().collect::<Vec<_>>(), &vocabulary);
    let mut rows: Vec<_> = fit
        .weights
        .iter()
        .zip(&vocabulary.features)
        .filter(|(weight, _)| weight.abs() >= 0.01)
        .map(|(weight, feature)| (feature.name(), *weight))
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    eprintln!("{} weights", rows.len());
    println!("Weights of the SQL injection model: log-odds, feature. By examples/payload_fit.rs.");
    println!("{:.3} bias", fit.bias - OFFSET);
    for (name, weight) in rows {
        println!("{weight:.3} {name}");
    }
}
