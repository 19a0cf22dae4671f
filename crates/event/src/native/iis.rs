//! IIS and other W3C extended log fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
