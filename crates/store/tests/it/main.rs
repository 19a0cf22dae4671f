//! The store through its public face.

mod amend;
mod catalog;
mod compaction;
mod crash;
mod fixture;
mod parsers;
mod rows;
