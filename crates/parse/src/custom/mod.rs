//! Users' parsers: a definition file, the extraction of fields, and the mapping onto columns.
//!
//! `definition (YAML) → ParserDefinition → Blueprint → Parser`
//!
//! What is here: the definition and its diagnostics, extraction for `json`, `kv`, `cef` and
//! `regex`, the seam for `custom` extraction, the definition's own tests.
//!
//! `src_ip` is what the definition maps to it; which proxies to believe is the definition's matter.
//! `raw` is always the record as it came, so that a field no column takes is never lost.
//!
//! What is not here: where definitions are kept, versions and promotion, the sandbox.

mod blueprint;
mod cef;
mod chunk;
mod definition;
mod extractor;
mod fields;
mod kv;
mod pattern;
mod records;
mod render;
mod trial;
mod yaml;

pub use definition::{Kind, ParserDefinition, is_parser_id};
pub use extractor::{Extracted, Extractor, ExtractorFactory, FieldKind};
pub(crate) use render::cell_text;
pub use trial::{Difference, TestOutcome, TryOutcome, try_lines};

/// Warning of a record without a time: it is stored at its arrival.
pub const TS_MISSING: &str = "ts_missing";
