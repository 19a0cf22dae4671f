//! Objects of one S3 bucket and prefix: listed page by page, fetched as streams, cleaned up
//! after their commit.
//!
//! `list a page → ask the ledger → fetch the new ones → Delivery …, then PollEnd`

mod clean;
mod config;
mod connect;
mod credentials;
mod fault;
mod fetch;
mod in_flight;
#[cfg(test)]
mod mini;
mod once;
mod run;
mod runtime;
#[cfg(test)]
mod tests;

pub use clean::S3Cleaner;
pub use config::{AfterCommit, S3Config};
pub use once::{ObjectStream, list_blocking, probe_blocking};
pub use run::S3Source;
