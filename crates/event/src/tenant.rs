//! Tenant names: they become folder names, so they are checked once, here.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A tenant id matching `[a-z0-9_-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

/// The text is not a tenant id.
#[derive(Debug, thiserror::Error)]
#[error("tenant names are 1 to 64 of a-z, 0-9, `_` and `-`; got {0:?}")]
pub struct BadTenant(String);

impl TenantId {
    pub const DEFAULT: &'static str = "default";

    /// # Errors
    /// When `text` does not match `[a-z0-9_-]{1,64}`.
    pub fn new(text: &str) -> Result<Self, BadTenant> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if fits {
            Ok(TenantId(text.into()))
        } else {
            Err(BadTenant(text.chars().take(80).collect()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantId {
    fn default() -> Self {
        TenantId(Self::DEFAULT.into())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TenantId {
    type Error = BadTenant;

    fn try_from(text: String) -> Result<Self, BadTenant> {
        TenantId::new(&text)
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> String {
        tenant.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for bad in ["", "../etc", "A", "a b", "ㄱ", "a/b", ".", &"x".repeat(65)] {
            assert!(TenantId::new(bad).is_err(), "{bad:?}");
        }
        assert!(TenantId::new("team-1_b").is_ok());
    }
}
