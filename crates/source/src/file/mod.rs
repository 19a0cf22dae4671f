//! Files and folders on this machine: read, then followed.

mod config;
mod identity;
mod run;
#[cfg(test)]
mod tests;

pub use config::FileConfig;
pub use run::FileSource;
