//! Detection over Arrow batches: Sigma rules with correlations, and code detectors.
//!
//! What is here: loading and checking rules, matching them against columns, and the fold that
//! turns matches into [`haetae_event::Episode`]s which depend on the set of events alone, never
//! on the order in which they came.
//!
//! What is not here: I/O other than reading a rule folder, identities of findings, incidents.
//!
//! `EventBatch → match (rule × row) → cells (key, time) → sliding windows → Episode`

pub mod behaviours;
pub mod blocking;
pub mod catalogue;
pub mod columns;
pub mod cost;
pub mod detector;
pub mod detectors;
pub mod diagnostic;
pub mod engine;
pub mod exceptions;
pub mod fields;
pub mod inline;
pub mod logsource;
pub mod matcher;
mod names;
pub mod payload;
mod pool;
pub mod risk;
pub mod ruleset;
pub mod sigma;
pub mod thresholds;
pub mod tune;

pub use detector::{Detector, Rows, Verdict};
pub use diagnostic::Diagnostic;
pub use engine::{
    Closing, Engine, EngineOptions, EngineStats, Evaluation, MoreDetectors, Observed, Withdrawn,
};
pub use matcher::RuleMatcher;
pub use ruleset::RuleSet;
