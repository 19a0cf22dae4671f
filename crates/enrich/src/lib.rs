//! Columns that other knowledge adds to events, and what of personal data is stored.

pub mod pii;
