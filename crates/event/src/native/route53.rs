//! Route 53 Resolver and hosted-zone query-log fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
