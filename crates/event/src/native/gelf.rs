//! Graylog Extended Log Format fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
