//! Network Load Balancer TLS access-log fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
