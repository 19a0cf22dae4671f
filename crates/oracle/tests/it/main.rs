//! Verdicts of both engines, the regression cases, and the way of a JSON line to a verdict.

mod compare;
mod differences;
mod inside;
mod mapping;
mod regression;
