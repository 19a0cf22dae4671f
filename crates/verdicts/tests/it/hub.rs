//! Every test of the set against our verdicts.

use flate2::read::MultiGzDecoder;
use haetae_verdicts::verdict::{Outcome, compare};
use haetae_verdicts::{HubTest, classes, reading};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

/// The goal: this share of the compared tests.
const SAME_MIN: f64 = 0.95;

// The data is a known small file: no expansion bomb.
#[allow(clippy::disallowed_methods)]
fn tests() -> Option<Vec<HubTest>> {
    let root = std::env::var("HAETAE_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let path = PathBuf::from(root).join("data/sec/crowdsec-hub-tests.jsonl.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: {} is not there; set HAETAE_SHARED", path.display());
        return None;
    };
    let mut text = String::new();
    MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("gzip of UTF-8");
    let tests = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a test"));
    Some(tests.collect())
}

/// Names of the tests that `differences.md` explains: the first cells of its table.
fn explained() -> BTreeSet<String> {
    include_str!("../../differences.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Compared, same.
#[derive(Default)]
struct Tally {
    tests: usize,
    asked: usize,
    same: usize,
    supported: bool,
}

#[test]
fn same_verdicts_but_for_the_explained_differences() {
    let Some(tests) = tests() else { return };
    let names = reading::rule_names();
    let mut kinds: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut different: BTreeMap<&str, String> = BTreeMap::new();
    for test in &tests {
        let tally = kinds.entry(&test.log_type).or_default();
        tally.tests += 1;
        let outcome = compare(test, &names);
        tally.supported = outcome != Outcome::Unsupported;
        match outcome {
            Outcome::Same => {
                tally.asked += 1;
                tally.same += 1;
            }
            Outcome::Different(what) => {
                tally.asked += 1;
                different.insert(&test.test, what);
            }
            Outcome::NothingAsked | Outcome::Unsupported => {}
        }
    }
    eprintln!("{:22} {:>6} {:>9} {:>5}", "kind", "tests", "compared", "same");
    let (mut asked, mut same) = (0, 0);
    for (kind, tally) in kinds.iter().filter(|(_, tally)| tally.supported) {
        eprintln!(
            "{kind:22} {:>6} {:>9} {:>5}",
            tally.tests, tally.asked, tally.same
        );
        asked += tally.asked;
        same += tally.same;
    }
    let share = same as f64 / asked as f64;
    eprintln!("{:22} {:>6} {asked:>9} {same:>5}  {share:.3}", "all of these", "");
    let left: Vec<&str> = kinds
        .iter()
        .filter(|(_, t)| !t.supported)
        .map(|(kind, _)| *kind)
        .collect();
    eprintln!("not read by the product: {}", left.join(", "));
    for (test, what) in &different {
        eprintln!("  {test}: {what}");
    }
    let explained = explained();
    let unexplained: Vec<_> = different
        .keys()
        .filter(|name| !explained.contains(**name))
        .collect();
    let stale: Vec<_> = explained
        .iter()
        .filter(|name| !different.contains_key(name.as_str()))
        .collect();
    assert!(
        unexplained.is_empty(),
        "differences without a row: {unexplained:?}"
    );
    assert!(stale.is_empty(), "rows without a difference: {stale:?}");
    assert!(share >= SAME_MIN, "{same} of {asked}");
}

#[test]
fn the_rules_that_are_compared_exist() {
    let names: BTreeSet<String> = reading::rule_names().into_values().collect();
    let gone: Vec<&str> = classes::rules().filter(|rule| !names.contains(*rule)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}
