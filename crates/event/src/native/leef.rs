//! Log Event Extended Format fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
