//! Our Sigma engine beside rsigma 0.23: the same rules over the same events.
//!
//! What is here: the shared rules and events, events made from the rules' own values, and both
//! engines behind one call. The tests compare verdicts; `differences.md` lists where they differ
//! and what the specification says there. No other crate depends on this one.

pub mod engines;
pub mod generate;
pub mod samples;
