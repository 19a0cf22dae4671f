//! CloudTrail record fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
