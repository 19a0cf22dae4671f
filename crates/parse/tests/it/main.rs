//! What the crate promises, through its public door.

mod alb;
mod bad_input;
mod cloudfront_v2;
mod elb;
mod golden;
mod iis;
mod nlb;
mod parquet;
mod properties;
mod s3access;
mod support;
mod vpcflow;
