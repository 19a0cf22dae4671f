//! Our parsers and VRL's read the same values from the same lines.

mod aws;
mod compare;
mod devices;
mod json;
mod web;
