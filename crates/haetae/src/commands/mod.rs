//! One file per command.

pub mod analyze;
pub mod catalog;
pub mod demo;
pub mod detect;
pub mod doctor;
mod listing;
pub mod model;
mod observing;
pub mod parse;
pub mod parser;
pub mod query;
mod reading;
mod refreshing;
mod reloading;
pub mod rules;
pub mod run;
pub mod say;
mod service;
pub mod simulate;
mod stored;
