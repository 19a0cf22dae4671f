//! Boundary tests: detection over a store, across restarts and changes of rules.

mod accounts;
mod changes;
mod support;
