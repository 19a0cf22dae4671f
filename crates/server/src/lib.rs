//! The HTTP door.
//!
//! What is here: `POST /v1/ingest` (checked, journalled, then answered), `POST /detect`, queries, lists and users' parsers
//! for the local operator, metrics and health; and what keeps the door safe: Host allow-list,
//! Origin check, tokens, size and time limits.
//!
//! What is not here: the journal, the store, the query engine and detection. They enter through
//! the traits of [`seams`], so that this crate can be run whole in a test.
//!
//! `request → guard (host, origin, token) → handler → seam → reply`

mod api;
mod detect;
mod error;
mod guard;
mod ingest;
mod list;
mod metrics;
mod options;
mod parsers;
mod query;
pub mod seams;
mod serve;
mod state;
mod token;

pub use error::{ApiError, ServerError};
pub use ingest::marks::{KEY_WINDOW_US, MARKS_MAX};
pub use metrics::{Histogram, MetricsSnapshot, Name, render as render_metrics};
pub use options::{IngestAuth, IngestKey, ServerOptions};
pub use seams::{
    DetectAnswer, DetectRequest, DoorError, IngestDoor, ListFilter, Metrics, ParserAdmin, ParserError,
    ParserRequest, ParserUpload, Push, QueryError, QueryLanguage, QueryRequest, QueryRows, QueryRunner,
    ReadError, Reader, RequestJudge,
};
pub use serve::{BoundServer, bind};
pub use state::{AppState, Parts};
pub use token::Token;
