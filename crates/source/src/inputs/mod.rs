//! The inputs of one-shot commands: files, folders, globs, `-`, `s3://bucket/prefix`.

mod expand;
#[cfg(test)]
mod tests;

pub use expand::{Input, InputError, expand, matching_files};
