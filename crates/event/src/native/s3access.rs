//! S3 server access-log fields.

use crate::dataset::NativeField;

pub const FIELDS: &[NativeField] = &[];
