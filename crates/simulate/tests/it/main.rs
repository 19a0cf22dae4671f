//! The crate from outside.

mod campaigns;
mod people;
mod scoring;
mod support;
mod written;
