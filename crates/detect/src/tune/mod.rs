//! Choosing thresholds from what is stored: the pure part of `haetae rules tune`.
//!
//! `present threshold → ladder → Engine::retold → gather → curve per rule → share of the budget → forecast`
//!
//! * [`budget`]: how many notifications are wanted.
//! * [`ladder`]: which thresholds are tried.
//! * [`gather`]: what was found stretch by stretch, as one.
//! * [`curve`]: what each of them tells, and how far a rule may be raised.
//! * [`share`](mod@share): which rules are raised, and how far.
//! * [`forecast`]: what the next week will bring.
//!
//! Not here: reading events, incidents and files. No clock, no chance: the same input gives the
//! same proposal and the same forecast.

pub mod budget;
pub mod curve;
pub mod forecast;
pub mod gather;
pub mod ladder;
pub mod share;

pub use budget::Budget;
pub use curve::{Curve, Truth};
pub use forecast::{Forecast, Range, next_week};
pub use gather::Gathered;
pub use ladder::{Ladder, ladder};
pub use share::{Choice, share};
