//! The program as its users run it: child processes, a real S3 API, a webhook receiver.

mod bad_input;
mod cli;
mod crash;
mod crawlers;
mod end_to_end;
mod inline;
mod models;
mod notify;
mod order;
mod parsers;
mod remote;
mod rules;
mod support;
mod tune;
