//! Macros, automation and floods among people.

mod bounds;
mod crowds;
mod mistaken;
mod order;
mod traffic;

use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_event::{Dataset, Episode, Level};
use std::collections::BTreeSet;
use traffic::*;

fn engine() -> Engine {
    Engine::new(RuleSet::builtin(), EngineOptions::one_shot())
}

fn told(dataset: Dataset, world: &World) -> Vec<Episode> {
    let mut engine = engine();
    for asks in world.asks.chunks(4_000) {
        engine.observe(&batch(dataset, asks));
    }
    engine.evaluate(&Closing::everything()).episodes
}

/// Entities said to be macros or automation at `level` or above.
fn scripts_of(episodes: &[Episode], level: Level) -> BTreeSet<String> {
    let scripts = |e: &&Episode| matches!(e.detector.as_str(), "macro" | "automation") && e.level >= level;
    episodes
        .iter()
        .filter(scripts)
        .map(|e| e.entity.value.clone())
        .collect()
}

#[derive(Default, Debug)]
struct Score {
    right: usize,
    wrong: Vec<String>,
    missed: Vec<String>,
    requests: Vec<u32>,
}

fn score(worlds: &[(World, Vec<Episode>)], level: Level) -> Score {
    let mut score = Score::default();
    for (seed, (world, episodes)) in worlds.iter().enumerate() {
        let found = scripts_of(episodes, level);
        let truth: BTreeSet<String> = world.macros.iter().cloned().collect();
        score.right += found.intersection(&truth).count();
        for e in episodes {
            let fact = e.facts.iter().find(|(key, _)| key == "requests until decision");
            if truth.contains(&e.entity.value)
                && let Some((_, n)) = fact
            {
                score.requests.push(n.parse().expect("a number"));
            }
        }
        let why = |name: &String| {
            let of = episodes
                .iter()
                .find(|e| e.entity.value == *name && e.detector != "sigma");
            let parts: Vec<&str> = of
                .iter()
                .flat_map(|e| &e.evidence)
                .map(|e| e.summary.as_str())
                .collect();
            format!("seed {seed}: {name}: {parts:?}")
        };
        score.wrong.extend(found.difference(&truth).map(why));
        score.missed.extend(truth.difference(&found).map(why));
    }
    score.requests.sort_unstable();
    score
}

/// Judges worlds on two threads.
fn judged(dataset: Dataset, make: impl Fn(u64) -> World + Sync) -> Vec<(World, Vec<Episode>)> {
    let half = |seeds: std::ops::RangeInclusive<u64>| -> Vec<(World, Vec<Episode>)> {
        let one = |seed| {
            let world = make(seed);
            let episodes = told(dataset, &world);
            (world, episodes)
        };
        seeds.map(one).collect()
    };
    std::thread::scope(|scope| {
        let late = scope.spawn(|| half(11..=20));
        let mut all = half(1..=10);
        all.extend(late.join().expect("no panic"));
        all
    })
}

impl Score {
    fn print(&self, what: &str) -> (f64, f64) {
        let found = self.right + self.wrong.len();
        let precision = self.right as f64 / found.max(1) as f64;
        let recall = self.right as f64 / (self.right + self.missed.len()).max(1) as f64;
        let median = self.requests.get(self.requests.len() / 2);
        eprintln!(
            "{what}: precision {precision:.3} ({} of {found}), recall {recall:.3}, median requests until decision {median:?}",
            self.right
        );
        for line in self.wrong.iter().take(12) {
            eprintln!("  wrong {line}");
        }
        for line in self.missed.iter().take(12) {
            eprintln!("  missed {line}");
        }
        (precision, recall)
    }
}

#[test]
fn macros_among_people_over_twenty_seeds() {
    let worlds = judged(Dataset::Web, hour);
    let (precision, recall) = score(&worlds, Level::Medium).print("exact times, sessions, medium");
    let (certain, certain_recall) = score(&worlds, Level::High).print("exact times, sessions, high");
    assert!(precision >= 0.95 && recall >= 0.95);
    assert!(certain >= 0.999 && certain_recall >= 0.95);
}

#[test]
fn macros_in_whole_seconds_without_sessions() {
    let worlds = judged(Dataset::CloudFront, |seed| {
        let mut world = coarse(&hour(seed), &mut Dice::new(seed + 100));
        // Without sessions the office's macro is the office's address and user agent.
        for name in &mut world.macros {
            if name == "nat-macro" {
                *name = "211.234.118.50".into();
            }
        }
        world
    });
    let (precision, recall) = score(&worlds, Level::Medium).print("whole seconds, medium");
    let (certain, certain_recall) = score(&worlds, Level::High).print("whole seconds, high");
    assert!(precision >= 0.95 && recall >= 0.9);
    assert!(certain >= 0.999 && certain_recall >= 0.8);
}
