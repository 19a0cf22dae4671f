//! Tests that hold ARCHITECTURE.md to be true: directions between crates, sizes, leftovers.
//!
//! What is here: nothing but `tests/it`, so that `cargo test` equals CI.
//!
//! What is not here: what `clippy.toml` and `deny.toml` already check.
