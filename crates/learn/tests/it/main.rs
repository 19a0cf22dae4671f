//! Boundaries of the crate.

mod features;
mod files;
mod forest;
mod lifecycle;
mod shared;
mod table;
