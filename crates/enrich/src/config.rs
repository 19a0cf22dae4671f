//! What the operator says about enrichment. Plain data; [`crate::Knowledge`] is made from it.

use crate::remote::RemoteService;
use crate::reputation::ListFormat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The section `enrich` of the configuration. The default enriches from native columns only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnrichConfig {
    pub geo: GeoConfig,
    /// In this order they are named in matches.
    pub reputation: Vec<ListConfig>,
    /// Asked by the service only, about public addresses only.
    pub remote: Option<RemoteService>,
    /// Seconds between checks whether a file changed; at least 1.
    pub reload_interval_s: u32,
}

impl Default for EnrichConfig {
    fn default() -> Self {
        EnrichConfig {
            geo: GeoConfig::default(),
            reputation: Vec::new(),
            remote: None,
            reload_interval_s: 60,
        }
    }
}

/// MaxMind DB files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeoConfig {
    pub country: Option<PathBuf>,
    pub asn: Option<PathBuf>,
    /// Gives the country where `country` is absent or does not know the address.
    pub city: Option<PathBuf>,
}

/// A reputation list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListConfig {
    /// Unique; findings name it.
    pub name: String,
    pub path: PathBuf,
    #[serde(default)]
    pub format: ListFormat,
    /// How bad an address on the list is, 0 … 100.
    #[serde(default = "default_score")]
    pub score: u8,
    /// Hours after the last change of the file for which the list counts; forever when not set.
    #[serde(default)]
    pub max_age_h: Option<u32>,
}

fn default_score() -> u8 {
    50
}

/// What is wrong with the configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("enrich.reload_interval_s must be at least 1")]
    NoInterval,
    #[error("{0} must not be empty")]
    EmptyPath(String),
    #[error("enrich.reputation[{0}].name must have 1 to 64 characters, none of them a control character")]
    BadName(usize),
    #[error("enrich.reputation[{0}].name is used twice: {1:?}")]
    NameTwice(usize, String),
    #[error("enrich.reputation[{0}].score must be at most 100, is {1}")]
    BadScore(usize, u8),
    #[error("enrich.reputation[{0}].max_age_h must be at least 1")]
    NoAge(usize),
    #[error("enrich.remote.{0}")]
    Remote(&'static str),
}

impl EnrichConfig {
    /// Checks what the types cannot say. Files are not looked at: they may come later.
    ///
    /// # Errors
    /// The first problem.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.reload_interval_s == 0 {
            return Err(ConfigError::NoInterval);
        }
        let geo = [
            ("enrich.geo.country", &self.geo.country),
            ("enrich.geo.asn", &self.geo.asn),
            ("enrich.geo.city", &self.geo.city),
        ];
        for (name, path) in geo {
            if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
                return Err(ConfigError::EmptyPath(name.to_owned()));
            }
        }
        let mut names = BTreeSet::new();
        for (at, list) in self.reputation.iter().enumerate() {
            list.validate(at)?;
            if !names.insert(&list.name) {
                return Err(ConfigError::NameTwice(at, list.name.clone()));
            }
        }
        self.remote.as_ref().map_or(Ok(()), RemoteService::validate)
    }
}

impl ListConfig {
    fn validate(&self, at: usize) -> Result<(), ConfigError> {
        if !is_name(&self.name) {
            return Err(ConfigError::BadName(at));
        }
        if self.path.as_os_str().is_empty() {
            return Err(ConfigError::EmptyPath(format!("enrich.reputation[{at}].path")));
        }
        if self.score > 100 {
            return Err(ConfigError::BadScore(at, self.score));
        }
        if self.max_age_h == Some(0) {
            return Err(ConfigError::NoAge(at));
        }
        Ok(())
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}
