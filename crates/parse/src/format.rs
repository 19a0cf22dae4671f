//! The formats, their names on the command line, and the one list of parsers.

use std::fmt;
use std::str::FromStr;

/// A log format this crate can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// CloudFront standard logs, W3C extended, tab separated.
    CloudFront,
    /// VPC Flow Logs, default or custom format, also as CSV.
    VpcFlow,
    /// AWS WAF JSON.
    Waf,
    /// Common and combined log format, as nginx and Apache write them.
    Combined,
    /// JSON objects, one a line or one after the other.
    JsonLines,
}

impl Format {
    pub const ALL: [Format; 5] = [
        Format::CloudFront,
        Format::VpcFlow,
        Format::Waf,
        Format::Combined,
        Format::JsonLines,
    ];

    /// The name `--format` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::CloudFront => "cloudfront",
            Format::VpcFlow => "vpcflow",
            Format::Waf => "waf",
            Format::Combined => "combined",
            Format::JsonLines => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no format.
#[derive(Debug, thiserror::Error)]
#[error("unknown format {0:?}; one of cloudfront, vpcflow, waf, combined (nginx, apache), json (ndjson)")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text.to_ascii_lowercase().as_str() {
            "cloudfront" => Ok(Format::CloudFront),
            "vpcflow" | "vpc" | "vpc-flow" => Ok(Format::VpcFlow),
            "waf" => Ok(Format::Waf),
            "combined" | "common" | "nginx" | "apache" | "web" => Ok(Format::Combined),
            "json" | "ndjson" | "jsonl" | "app" => Ok(Format::JsonLines),
            _ => Err(UnknownFormat(text.chars().take(40).collect())),
        }
    }
}
