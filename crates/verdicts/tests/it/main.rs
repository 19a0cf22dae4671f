//! The shared test set, and the list of differences.

mod benign;
mod hub;
mod order;
