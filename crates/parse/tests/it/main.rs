//! What the crate promises, through its public door.

mod alb;
mod bad_input;
mod elb;
mod golden;
mod nlb;
mod properties;
mod s3access;
mod support;
