//! Correlations: cases worked out by hand, and a plain reference written from the specification.

mod cases;
mod events;
mod long;
mod mistakes;
mod reference;
