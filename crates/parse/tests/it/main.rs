//! What the crate promises, through its public door.

mod alb;
mod bad_input;
mod cef;
mod cloudfront_v2;
mod cloudtrail;
mod custom;
mod elb;
mod envelope;
mod gelf;
mod golden;
mod iis;
mod leef;
mod logfmt;
mod mapping;
mod nginx_json;
mod nlb;
mod oracle;
mod parquet;
mod properties;
mod route53;
mod s3access;
mod shadow;
mod support;
mod syslog;
mod vpcflow;
mod waf;
