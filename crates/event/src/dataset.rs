//! Datasets and their native columns.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of log the house knows. The name is the `ds=` key of the Hive layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dataset {
    CloudFront,
    VpcFlow,
    Waf,
    /// nginx and Apache access logs, and JSON lines that are access logs.
    Web,
    /// Any other JSON line.
    App,
}

impl Dataset {
    pub const ALL: [Dataset; 5] = [
        Dataset::CloudFront,
        Dataset::VpcFlow,
        Dataset::Waf,
        Dataset::Web,
        Dataset::App,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Dataset::CloudFront => "cloudfront",
            Dataset::VpcFlow => "vpcflow",
            Dataset::Waf => "waf",
            Dataset::Web => "web",
            Dataset::App => "app",
        }
    }

    pub fn parse(text: &str) -> Option<Dataset> {
        Dataset::ALL.into_iter().find(|dataset| dataset.as_str() == text)
    }

    /// Whether each record is one HTTP request.
    pub fn is_web(self) -> bool {
        matches!(self, Dataset::CloudFront | Dataset::Waf | Dataset::Web)
    }

    /// The dataset's own columns, beside Core v1.
    pub fn native_fields(self) -> &'static [NativeField] {
        match self {
            Dataset::CloudFront => crate::schema::CLOUDFRONT,
            Dataset::VpcFlow => crate::schema::VPCFLOW,
            Dataset::Waf => crate::schema::WAF,
            Dataset::Web => crate::schema::WEB,
            Dataset::App => crate::schema::APP,
        }
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Physical type of a native column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeType {
    Utf8,
    Int32,
    Int64,
    Float64,
    /// Not stored: the same values as the named Core v1 column.
    Core(&'static str),
}

/// One vendor field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeField {
    /// As the vendor writes it: `cs-uri-stem`, `srcaddr`, `httpRequest.clientIp`.
    pub vendor: &'static str,
    /// As it is stored and named inside a batch: lower case, `_` for `- . ( )`; with the
    /// dataset's name in front where it would clash with Core v1.
    pub column: &'static str,
    pub kind: NativeType,
    /// Other spellings people use in queries.
    pub aliases: &'static [&'static str],
}
