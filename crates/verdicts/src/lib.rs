//! Our verdicts beside another project's: the log tests of CrowdSec's hub through our parse and
//! detect, with the built-in rules.
//!
//! What is here: which log kinds are compared ([`kinds`]), which verdict class their scenarios and
//! our rules speak of ([`classes`]), and the comparison ([`verdict`]). The tests read the shared
//! test set, print a table, and hold `differences.md` to be complete and without a row too many.
//!
//! What is not here: anything that the product needs. No other crate may depend on this one.
//!
//! # When two verdicts are the same
//!
//! - A log kind is compared when [`kinds::formats`] names formats of ours that read it. Each line
//!   becomes an event of the first of these formats that does not reject it, as when one source
//!   per format read the file.
//! - A test that expects overflows: for each (class of the scenario, source) one of our findings
//!   has level ≥ low, speaks of that class, and is about that source: its entity is the source, or
//!   its entity is an account and its evidence names the source. Where the set names no source, any
//!   will do. A scenario without a class is a difference.
//! - A test that expects none: no finding has level ≥ medium in a class of the scenarios the test
//!   loads; a test that loads none must see no finding ≥ medium at all.
//! - Not compared: tests that assert nothing about scenarios, and those whose only overflows are of
//!   scenarios that check an installation ([`classes::Class::SelfTest`]), which judge no behaviour.

pub mod classes;
pub mod kinds;
pub mod reading;
pub mod verdict;

use serde::Deserialize;

/// One test of the set.
#[derive(Clone, Debug, Deserialize)]
pub struct HubTest {
    pub test: String,
    pub log_type: String,
    pub scenario_files: Vec<String>,
    pub scenario_names: Vec<String>,
    pub log: String,
    /// `None`: nothing is asserted; empty: nothing may be told.
    pub expected_overflows: Option<Vec<Overflow>>,
}

/// One verdict of the other side.
#[derive(Clone, Debug, Deserialize)]
pub struct Overflow {
    /// Null in broken rows of the set.
    pub scenario: Option<String>,
    #[serde(default)]
    pub sources: Vec<String>,
}
