//! Which rows are attempts to log in, and how they ended.

use super::settings::Accounts;
use crate::behaviours::paths::{PathEnds, Segments, normalised, path_of};
use crate::engine::value::{Column, Value};
use ahash::AHashMap;
use haetae_event::EventBatch;
use std::borrow::Cow;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Failed,
    Succeeded,
    /// The log does not say (404, 5xx, no status).
    Unknown,
}

/// The settings, ready for matching.
#[derive(Default)]
pub struct Patterns {
    logins: PathEnds,
    forms: PathEnds,
    failed: Vec<i64>,
}

impl Patterns {
    pub fn new(settings: &Accounts) -> Patterns {
        let statuses = settings.failed_statuses.iter().chain(&settings.refused_statuses);
        Patterns {
            logins: PathEnds::new(&settings.login_paths),
            forms: PathEnds::new(&settings.form_paths),
            failed: statuses.copied().collect(),
        }
    }
}

/// What of a batch tells log-ins.
pub struct Reader<'a> {
    patterns: &'a Patterns,
    method: Column<'a>,
    uri: Column<'a>,
    status: Column<'a>,
    event_outcome: Column<'a>,
    event_category: Column<'a>,
    event_action: Column<'a>,
    /// Paths repeat: by path as logged, how it reads when it is a log-in's, and whether it is a form.
    known: AHashMap<&'a str, Option<(Cow<'a, str>, bool)>>,
}

/// Columns read here.
pub const COLUMNS: [&str; 6] = [
    "method",
    "uri",
    "status",
    "event_outcome",
    "event_category",
    "event_action",
];

/// Distinct paths of one batch remembered.
const KNOWN_MAX: usize = 4_096;

impl<'a> Reader<'a> {
    pub fn new(batch: &'a EventBatch, patterns: &'a Patterns) -> Reader<'a> {
        let [method, uri, status, event_outcome, event_category, event_action] =
            COLUMNS.map(|name| Column::of(batch, name));
        Reader {
            patterns,
            method,
            uri,
            status,
            event_outcome,
            event_category,
            event_action,
            known: AHashMap::new(),
        }
    }

    /// `None` when the row is no log-in, else its end and its path.
    pub fn attempt(&mut self, row: usize) -> Option<(Outcome, Option<Cow<'a, str>>)> {
        match self.method.value(row) {
            Value::Text(method) if method.eq_ignore_ascii_case("POST") => self.request(row),
            Value::Null => self.event(row).map(|outcome| (outcome, None)),
            _ => None,
        }
    }

    fn request(&mut self, row: usize) -> Option<(Outcome, Option<Cow<'a, str>>)> {
        let Value::Text(uri) = self.uri.value(row) else {
            return None;
        };
        let path = path_of(uri);
        let (read, form) = match self.known.get(path) {
            Some(known) => known.clone(),
            None => {
                let found = self.login(path);
                if self.known.len() < KNOWN_MAX {
                    self.known.insert(path, found.clone());
                }
                found
            }
        }?;
        let outcome = match self.status.value(row) {
            Value::Int(status) if self.patterns.failed.contains(&status) => Outcome::Failed,
            Value::Int(200) if form => Outcome::Failed,
            Value::Int(200..=399) => Outcome::Succeeded,
            _ => Outcome::Unknown,
        };
        Some((outcome, Some(read)))
    }

    /// How a log-in's path reads, and whether a form answers there.
    fn login(&self, path: &'a str) -> Option<(Cow<'a, str>, bool)> {
        let read = normalised(path);
        let segments = Segments::of(&read);
        let login = self.patterns.logins.fit(&segments);
        let form = login && self.patterns.forms.fit(&segments);
        login.then_some((read, form))
    }

    /// Authentication told by a system's own log.
    fn event(&self, row: usize) -> Option<Outcome> {
        let Value::Text(outcome) = self.event_outcome.value(row) else {
            return None;
        };
        let says = |column: &Column<'_>, words: &[&str]| match column.value(row) {
            Value::Text(text) => {
                let text = text.to_ascii_lowercase();
                words.iter().any(|word| text.contains(word))
            }
            _ => false,
        };
        if !says(&self.event_category, &["authentication"])
            && !says(
                &self.event_action,
                &["login", "logon", "log-in", "signin", "authent", "password"],
            )
        {
            return None;
        }
        Some(match outcome.to_ascii_lowercase().as_str() {
            "failure" | "failed" | "fail" | "denied" => Outcome::Failed,
            "success" | "succeeded" | "accepted" => Outcome::Succeeded,
            _ => Outcome::Unknown,
        })
    }
}
