//! Classic Load Balancer access-log fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
