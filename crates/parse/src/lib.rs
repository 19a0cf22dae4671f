//! Bytes to columns: unpacks, frames, recognises and parses the log formats of the house.
//!
//! What is here: streaming gzip and zstd under caps, framing into blocks that end at record
//! boundaries, sniffing by content, one parser per format, users' parsers and their mapping
//! language, projection.
//!
//! What is not here: where bytes come from, tenants, identities, anything about attacks.
//!
//! `Read → BlockReader → RawBlock → Parser → ParsedBatch`, all of it inside [`InputReader`].

mod alb;
mod balanced;
pub mod block;
mod cef;
mod client;
mod cloudfront;
mod cloudfront_json;
mod cloudfront_realtime;
mod cloudtrail;
mod columnar;
mod combined;
pub mod custom;
mod date_pattern;
mod dictionary;
mod elb;
mod envelope;
mod error_log;
pub mod fixtures;
pub mod format;
mod gelf;
mod iis;
mod inflate;
pub mod input;
mod inside;
mod json;
mod json_braces;
mod json_columns;
mod json_keys;
mod json_nested;
mod json_record;
mod json_records;
mod json_scan;
mod json_write;
mod key_order;
mod known;
mod leef;
mod lines;
mod logfmt;
pub mod mapping;
mod nlb;
pub mod options;
mod pairs;
pub mod parser;
mod percent;
mod plan;
mod quoted;
mod records;
mod relay;
mod route53;
mod s3access;
mod scalar;
mod separators;
pub mod shadow;
mod sheet;
pub mod sniff;
mod stamp;
mod syslog;
mod syslog_auth;
mod syslog_events;
mod syslog_header;
mod syslog_programs;
mod vpcflow;
mod vpcflow_message;
mod w3c;
mod waf;
mod zone;

pub use custom::{Extracted, Extractor, ExtractorFactory, FieldKind, ParserDefinition};
pub use format::{Format, UnknownFormat};
pub use input::InputReader;
pub use mapping::{Diagnostic, Mapping, functions_reference};
pub use options::{Limits, ParseOptions};
pub use parser::{Blueprint, Candidate, Candidates, Choice, ParsedBatch, Parser, RawBlock};
pub use sniff::sniff;
pub use zone::{LocalZone, UnknownZone};
