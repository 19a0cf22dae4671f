//! ArcSight Common Event Format fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
