//! The channel-independent message: the payload of an outbox row.

use haetae_event::commit::OutboxRow;
use haetae_event::{Level, Micros};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Language of everything said to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Ko,
    #[default]
    En,
}

impl Language {
    /// The word of this language.
    pub fn pick<'a>(self, ko: &'a str, en: &'a str) -> &'a str {
        match self {
            Language::Ko => ko,
            Language::En => en,
        }
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ko" => Ok(Language::Ko),
            "en" => Ok(Language::En),
            other => Err(format!("languages are ko and en; got {other:?}")),
        }
    }
}

/// What is told, before it is dressed for a channel. Values may hold log text: escape at exit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// `incident`, `incident_update`, `digest`, `kpi`, `alarm`.
    pub kind: String,
    pub incident_id: Option<String>,
    pub level: Option<Level>,
    pub title: String,
    /// Our own sentences, one a line.
    pub summary: String,
    /// Name and value.
    pub fields: Vec<(String, String)>,
    /// What to do, in order.
    pub actions: Vec<String>,
    /// Log lines, as they came.
    pub evidence: Vec<String>,
    pub language: Language,
    pub demo: bool,
}

/// A message with an identity that a replay of the same cause makes again.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Deterministic; one outbox row a channel is made from it.
    pub id: String,
    pub message: Message,
}

impl Outgoing {
    /// One row for each channel, with ids `<id>:<channel>`.
    pub fn rows(&self, channels: &[String], created_at: Micros) -> Vec<OutboxRow> {
        let payload = serde_json::to_string(&self.message).expect("strings and enums always serialise");
        channels
            .iter()
            .map(|channel| OutboxRow {
                id: format!("{}:{channel}", self.id),
                channel: channel.clone(),
                kind: self.message.kind.clone(),
                payload: payload.clone(),
                created_at,
            })
            .collect()
    }
}
