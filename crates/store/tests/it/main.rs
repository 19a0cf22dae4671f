//! The store through its public face.

mod catalog;
mod compaction;
mod crash;
mod fixture;
mod parsers;
mod rows;
