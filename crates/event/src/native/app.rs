//! Application-log fields.

use super::field;
use crate::dataset::NativeField;
use crate::dataset::NativeType::{Float64, Utf8};

/// What JSON application logs have in common; everything else goes to `attrs`.
pub const FIELDS: &[NativeField] = &[
    field("level", "level", Utf8, &["severity"]),
    field("message", "message", Utf8, &["msg"]),
    field("service", "service", Utf8, &["logger"]),
    field("request_time", "request_time", Float64, &[]),
];
