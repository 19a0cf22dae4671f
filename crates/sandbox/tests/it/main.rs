//! The sandbox from outside: hostile guests, honest guests, signatures, and the example parsers.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bad_output;
mod budget;
mod examples;
mod guests;
mod isolation;
mod loading;
mod signature;
mod support;
