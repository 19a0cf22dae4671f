//! From the configuration to running sources: the one list of source kinds.

use crate::config::{AfterCommit, Config, SourceConfig, SourceType};
use anyhow::Result;
use haetae_source::file::{FileConfig, FileSource};
use haetae_source::s3::{self, S3Config, S3Source};
use haetae_source::{Cleaner, Source};
use std::collections::HashMap;
use std::time::Duration;

/// Sources to run, and who cleans up after them, by source id.
#[derive(Default)]
pub struct SourceParts {
    pub sources: Vec<Box<dyn Source>>,
    pub cleaners: HashMap<String, Box<dyn Cleaner>>,
}

impl SourceParts {
    pub fn add(&mut self, source: Box<dyn Source>) {
        if let Some(cleaner) = source.cleaner() {
            self.cleaners.insert(source.id().to_owned(), cleaner);
        }
        self.sources.push(source);
    }
}

/// Builds what `sources` of the configuration names.
///
/// # Errors
/// When a value is refused by the source itself.
pub fn configured_sources(config: &Config) -> Result<SourceParts> {
    let mut parts = SourceParts::default();
    for entry in &config.sources {
        let entry = &entry.value;
        let source: Box<dyn Source> = match entry.r#type {
            SourceType::S3 => Box::new(S3Source::new(s3_config(entry))),
            SourceType::File => Box::new(FileSource::new(FileConfig {
                paths: entry.paths.clone().unwrap_or_default(),
                tenant: entry.tenant.clone(),
                format: entry.format.clone(),
                flow_format: entry.format_string.clone(),
                time_zone: entry.time_zone.clone(),
            })),
        };
        parts.add(source);
    }
    Ok(parts)
}

/// The S3 source's own configuration.
pub fn s3_config(entry: &SourceConfig) -> S3Config {
    S3Config {
        bucket: entry.bucket.clone().unwrap_or_default(),
        prefix: entry.prefix.clone().unwrap_or_default(),
        region: entry.region.clone(),
        endpoint: entry.endpoint.clone(),
        interval: entry
            .interval
            .map_or(Duration::from_secs(60), |interval| interval.0),
        delay: entry.delay.map_or(Duration::ZERO, |delay| delay.0),
        after_commit: match entry.after_commit.unwrap_or_default() {
            AfterCommit::Keep => s3::AfterCommit::Keep,
            AfterCommit::Archive => s3::AfterCommit::Archive,
            AfterCommit::Delete => s3::AfterCommit::Delete,
        },
        archive_prefix: entry.archive_prefix.clone(),
        tenant: entry.tenant.clone(),
        format: entry.format.clone(),
        flow_format: entry.format_string.clone(),
        time_zone: entry.time_zone.clone(),
    }
}
