//! Which rows are steps on the way to payment.

use super::settings::Payment;
use crate::behaviours::paths::{PathEnds, Segments, normalised, path_of};
use crate::behaviours::sample;
use crate::engine::value::{Column, Value, split_uri};
use haetae_event::EventBatch;

/// Steps beyond these are not looked at.
pub const STEPS_MAX: usize = 8;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Went through, or was refused for its state (400, 409): an order was used up.
    Taken,
    /// The card was declined: may be sent again.
    Declined,
    /// Broken, throttled or not found: as if it had not been sent.
    Nothing,
}

/// One step by one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub ts: i64,
    /// Place on the way; those of one instant stand in the way's order.
    pub place: u8,
    pub end: End,
    /// Hash of the order's or payment's id, 0 without one.
    pub id: u64,
}

/// The way, ready for matching.
#[derive(Default)]
pub struct Way {
    steps: Vec<(PathEnds, Vec<String>)>,
    declined: Vec<i64>,
    used_up: Vec<i64>,
    ids: Vec<String>,
}

impl Way {
    pub fn new(settings: &Payment) -> Way {
        let steps = settings.steps.iter().take(STEPS_MAX);
        Way {
            steps: steps
                .map(|step| (PathEnds::new(&step.paths), step.methods.clone()))
                .collect(),
            declined: settings.declined_statuses.clone(),
            used_up: settings.used_up_statuses.clone(),
            ids: settings
                .id_parameters
                .iter()
                .map(|id| id.to_lowercase())
                .collect(),
        }
    }

    /// The place of a path and method; of several the furthest.
    fn place(&self, path: &str, method: &str) -> Option<u8> {
        let path = normalised(path);
        let segments = Segments::of(&path).without_ids();
        let fits = |(ends, methods): &(PathEnds, Vec<String>)| {
            let allowed = || methods.is_empty() || methods.iter().any(|m| m.eq_ignore_ascii_case(method));
            ends.fit(&segments) && allowed()
        };
        self.steps.iter().rposition(fits).map(|place| place as u8)
    }

    fn id_of(&self, uri: &str) -> u64 {
        let query = split_uri(uri).1.unwrap_or("");
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, value)| {
                !value.is_empty() && self.ids.iter().any(|id| id.eq_ignore_ascii_case(name))
            })
            .map_or(0, |(_, value)| sample::hash(value).max(1))
    }
}

/// Reads steps off a batch.
pub struct Reader<'a> {
    way: &'a Way,
    method: Column<'a>,
    uri: Column<'a>,
    status: Column<'a>,
}

impl<'a> Reader<'a> {
    pub fn new(batch: &'a EventBatch, way: &'a Way) -> Reader<'a> {
        let [method, uri, status] = ["method", "uri", "status"].map(|name| Column::of(batch, name));
        Reader {
            way,
            method,
            uri,
            status,
        }
    }

    /// The step of a row, and its path.
    pub fn step(&self, row: usize, ts: i64) -> Option<(Step, &'a str)> {
        let (Value::Text(method), Value::Text(uri)) = (self.method.value(row), self.uri.value(row)) else {
            return None;
        };
        let path = path_of(uri);
        let place = self.way.place(path, method)?;
        let end = match self.status.value(row) {
            Value::Int(status) if self.way.declined.contains(&status) => End::Declined,
            Value::Int(status) if !self.way.used_up.contains(&status) => End::Nothing,
            _ => End::Taken,
        };
        // A step before payment counts whatever its end: a page that broke must not make its
        // visitor a suspect.
        let id = self.way.id_of(uri);
        Some((Step { ts, place, end, id }, path))
    }
}
