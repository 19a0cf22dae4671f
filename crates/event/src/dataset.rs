//! Datasets and their native columns.

use crate::native;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of log the house knows. The name is the `ds=` key of the Hive layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dataset {
    /// AWS CloudFront: standard (legacy and v2) and real-time logs.
    CloudFront,
    /// VPC Flow Logs.
    VpcFlow,
    /// AWS WAF.
    Waf,
    /// Application Load Balancer access logs.
    Alb,
    /// Network Load Balancer TLS access logs.
    Nlb,
    /// Classic Load Balancer access logs.
    Elb,
    /// S3 server access logs.
    S3Access,
    /// CloudTrail events.
    CloudTrail,
    /// Route 53 Resolver and hosted-zone query logs.
    Route53,
    /// nginx and Apache access logs, and JSON lines that are access logs.
    Web,
    /// IIS and other W3C extended access logs.
    Iis,
    /// RFC 5424 and RFC 3164 syslog.
    Syslog,
    /// ArcSight Common Event Format.
    Cef,
    /// Log Event Extended Format.
    Leef,
    /// Graylog Extended Log Format.
    Gelf,
    /// Any other JSON or key=value line.
    App,
}

impl Dataset {
    pub const ALL: [Dataset; 16] = [
        Dataset::CloudFront,
        Dataset::VpcFlow,
        Dataset::Waf,
        Dataset::Alb,
        Dataset::Nlb,
        Dataset::Elb,
        Dataset::S3Access,
        Dataset::CloudTrail,
        Dataset::Route53,
        Dataset::Web,
        Dataset::Iis,
        Dataset::Syslog,
        Dataset::Cef,
        Dataset::Leef,
        Dataset::Gelf,
        Dataset::App,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Dataset::CloudFront => "cloudfront",
            Dataset::VpcFlow => "vpcflow",
            Dataset::Waf => "waf",
            Dataset::Alb => "alb",
            Dataset::Nlb => "nlb",
            Dataset::Elb => "elb",
            Dataset::S3Access => "s3access",
            Dataset::CloudTrail => "cloudtrail",
            Dataset::Route53 => "route53",
            Dataset::Web => "web",
            Dataset::Iis => "iis",
            Dataset::Syslog => "syslog",
            Dataset::Cef => "cef",
            Dataset::Leef => "leef",
            Dataset::Gelf => "gelf",
            Dataset::App => "app",
        }
    }

    pub fn parse(text: &str) -> Option<Dataset> {
        Dataset::ALL.into_iter().find(|dataset| dataset.as_str() == text)
    }

    /// Whether each record is one HTTP request to a site. S3 access logs are not: they are an
    /// origin's view of requests that CloudFront logs too.
    pub fn is_web(self) -> bool {
        matches!(
            self,
            Dataset::CloudFront | Dataset::Waf | Dataset::Alb | Dataset::Elb | Dataset::Web | Dataset::Iis
        )
    }

    /// The dataset's own columns, beside Core v1.
    pub fn native_fields(self) -> &'static [NativeField] {
        match self {
            Dataset::CloudFront => native::cloudfront::FIELDS,
            Dataset::VpcFlow => native::vpcflow::FIELDS,
            Dataset::Waf => native::waf::FIELDS,
            Dataset::Alb => native::alb::FIELDS,
            Dataset::Nlb => native::nlb::FIELDS,
            Dataset::Elb => native::elb::FIELDS,
            Dataset::S3Access => native::s3access::FIELDS,
            Dataset::CloudTrail => native::cloudtrail::FIELDS,
            Dataset::Route53 => native::route53::FIELDS,
            Dataset::Web => native::web::FIELDS,
            Dataset::Iis => native::iis::FIELDS,
            Dataset::Syslog => native::syslog::FIELDS,
            Dataset::Cef => native::cef::FIELDS,
            Dataset::Leef => native::leef::FIELDS,
            Dataset::Gelf => native::gelf::FIELDS,
            Dataset::App => native::app::FIELDS,
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
    Boolean,
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
