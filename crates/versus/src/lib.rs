//! Our parsers beside another implementation: the Vector Remap Language's `parse_*` functions.
//!
//! What is here: lines of every format from a seed, one way to read a text through our parsers as
//! rows of text, one to read a line through a VRL function. The tests compare the values of both
//! field by field, `parse_bench` the speed.
//!
//! What is not here: anything that the product needs. No other crate may depend on this one.

pub mod lines;
pub mod ours;
pub mod theirs;
