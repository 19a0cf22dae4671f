//! Sigma: from YAML text to checked rules. Follows the Sigma specification 2.1.0 for the parts
//! named in each module; anything else in a rule is a [`crate::Diagnostic`].

pub mod condition;
pub mod correlation;
pub mod document;
pub mod encode;
pub mod filter;
pub mod item;
pub mod modifiers;
pub mod moment;
pub mod pattern;
pub mod placeholder;
pub mod references;
pub mod yaml;

pub use document::{Attributes, Document, Rule};
