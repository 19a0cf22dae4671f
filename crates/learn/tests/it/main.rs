//! Boundaries of the crate.

mod features;
mod files;
mod forest;
mod lifecycle;
mod online;
mod shared;
mod table;
