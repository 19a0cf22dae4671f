//! What an S3 source is told.

use haetae_event::TenantId;
use std::time::Duration;

/// What happens to an object once its events are committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterCommit {
    #[default]
    Keep,
    /// Copy to `archive_prefix` + key, then delete.
    Archive,
    Delete,
}

/// Which objects, and how to read them.
#[derive(Clone, Debug)]
pub struct S3Config {
    pub bucket: String,
    /// Plain prefix of the keys, not a folder name: `cf/2026-` is possible.
    pub prefix: String,
    /// Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, `us-east-1`.
    pub region: Option<String>,
    /// Of an S3-compatible store. Default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, AWS.
    pub endpoint: Option<String>,
    /// From the end of one poll to the next; the first is at start. At least 1 s.
    pub interval: Duration,
    /// Objects younger than this, by LastModified, are left for a later poll.
    pub delay: Duration,
    pub after_commit: AfterCommit,
    /// Put in front of the whole key, so that sources may share it without overwriting.
    pub archive_prefix: Option<String>,
    pub tenant: TenantId,
    pub format: Option<String>,
    pub flow_format: Option<String>,
    /// Zone of times that name none: an IANA name or an offset; `None` is UTC.
    pub time_zone: Option<String>,
}

impl Default for S3Config {
    /// CloudFront and VPC Flow Logs deliver every few minutes: once a minute keeps up at the
    /// price of one list request.
    fn default() -> Self {
        S3Config {
            bucket: String::new(),
            prefix: String::new(),
            region: None,
            endpoint: None,
            interval: Duration::from_secs(60),
            delay: Duration::ZERO,
            after_commit: AfterCommit::Keep,
            archive_prefix: None,
            tenant: TenantId::default(),
            format: None,
            flow_format: None,
            time_zone: None,
        }
    }
}

impl S3Config {
    /// The bucket and prefix of an `s3://bucket/prefix` URL; `None` for anything else.
    pub fn from_url(url: &str) -> Option<S3Config> {
        let rest = url.strip_prefix("s3://")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Some(S3Config {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            ..S3Config::default()
        })
    }

    /// # Errors
    /// The first value that cannot be used, with the key it stands under.
    pub fn validate(&self) -> Result<(), String> {
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.bucket.is_empty() || !self.bucket.chars().all(letters) {
            return Err(format!("bucket: {:?} is not a bucket name", self.bucket));
        }
        if self.interval < Duration::from_secs(1) {
            return Err("interval: at least 1s".to_owned());
        }
        if let Some(endpoint) = &self.endpoint
            && !endpoint.starts_with("http://")
            && !endpoint.starts_with("https://")
        {
            return Err(format!(
                "endpoint: {endpoint:?} must start with http:// or https://"
            ));
        }
        match (self.after_commit, self.archive_prefix.as_deref()) {
            (AfterCommit::Archive, None | Some("")) => {
                Err("archive_prefix: needed with after_commit: archive".to_owned())
            }
            (AfterCommit::Archive, Some(target)) if target == self.prefix => {
                Err("archive_prefix: must differ from prefix".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Name of the source: positions and counts are kept under it.
    pub fn id(&self) -> String {
        format!("s3:{}/{}", self.bucket, self.prefix)
    }

    /// Whether a key is one of our own archive.
    pub(super) fn is_archived(&self, key: &str) -> bool {
        self.archive_prefix
            .as_deref()
            .is_some_and(|prefix| !prefix.is_empty() && key.starts_with(prefix))
    }
}
