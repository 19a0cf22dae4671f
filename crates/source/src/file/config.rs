//! What a file source is told.

use haetae_event::TenantId;

/// Which files, and how to read them.
#[derive(Clone, Debug, Default)]
pub struct FileConfig {
    /// Files, folders and globs.
    pub paths: Vec<String>,
    pub tenant: TenantId,
    pub format: Option<String>,
    pub flow_format: Option<String>,
    /// Zone of times that name none: an IANA name or an offset; `None` is UTC.
    pub time_zone: Option<String>,
}

impl FileConfig {
    /// # Errors
    /// When there is nothing to read, or a glob does not parse.
    pub fn validate(&self) -> Result<(), String> {
        if self.paths.is_empty() {
            return Err("paths is empty".to_owned());
        }
        for path in &self.paths {
            globset::Glob::new(path).map_err(|error| format!("paths: {error}"))?;
        }
        Ok(())
    }
}
