//! Findings folded into incidents, and what is said about them.
//!
//! What is here: the incident document, [`fold`] (a pure function from stored incidents and
//! changed findings to new rows and messages), and the texts by rule family, Korean and English.
//! No model writes them: they come from tables.
//!
//! What is not here: storage, delivery, channel mark-up. Messages hold log text as it is;
//! whoever prints one escapes it for his channel.
//!
//! `Finding changes + IncidentRows → fold → IncidentRows + Outgoing → outbox → respond`

mod document;
mod family;
pub mod figures;
mod fold;
mod josa;
mod message;
pub mod spent;
mod tell;
mod text;

pub use document::{
    FINDINGS_MAX, FindingRef, Impact, Incident, PlaybookStage, State, TIMELINE_MAX, TimelineEntry,
};
pub use family::Family;
pub use fold::{Changed, FoldInput, FoldOptions, Folded, fold};
pub use josa::{Josa, with_particle};
pub use message::{Language, Message, Outgoing};
pub use text::{Advice, advice, family_title};

#[cfg(test)]
mod tests;
