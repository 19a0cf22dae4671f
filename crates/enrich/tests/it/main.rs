//! Boundary tests of enrichment.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod bad_databases;
mod batches;
mod contract;
mod crawlers;
mod databases;
mod enrichers;
mod lists;
mod memory_files;
mod pii;
mod prefixes;
mod ranges;
mod reload;
mod remote;
mod settings;
mod shared;
mod stix;
