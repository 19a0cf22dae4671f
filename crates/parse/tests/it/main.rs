//! What the crate promises, through its public door.

mod bad_input;
mod golden;
mod properties;
mod support;
