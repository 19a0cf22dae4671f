//! RFC 5424 and RFC 3164 fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
