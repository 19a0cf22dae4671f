//! The native columns of each dataset, one file a dataset.
//!
//! A field whose name is also a Core v1 column's is stored as `<dataset>_<name>`.

use crate::dataset::{NativeField, NativeType};

pub mod alb;
pub mod app;
pub mod cef;
pub mod cloudfront;
pub mod cloudtrail;
pub mod elb;
pub mod gelf;
pub mod iis;
pub mod leef;
pub mod nlb;
pub mod route53;
pub mod s3access;
pub mod syslog;
pub mod vpcflow;
pub mod waf;
pub mod web;

const fn field(
    vendor: &'static str,
    column: &'static str,
    kind: NativeType,
    aliases: &'static [&'static str],
) -> NativeField {
    NativeField {
        vendor,
        column,
        kind,
        aliases,
    }
}
