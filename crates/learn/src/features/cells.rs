//! One client's window, as each log tells of it.
//!
//! The same request may stand in the logs of the content network, of the firewall and of the
//! balancer. They are folded apart and never added up: the log with the most requests speaks.

use super::COUNT;
use super::cell::{Cell, Request};
use haetae_event::{Dataset, Micros};

#[derive(Clone, Debug, Default)]
pub(crate) struct Cells(Vec<(Dataset, Cell)>);

impl Cells {
    /// True when a log tells of the window for the first time: one more cell.
    pub(crate) fn add(&mut self, dataset: Dataset, slot: usize, request: &Request<'_>) -> bool {
        let known = self.0.iter().position(|(of, _)| *of == dataset);
        let place = known.unwrap_or_else(|| {
            self.0.reserve_exact(1);
            self.0.push((dataset, Cell::new()));
            self.0.len() - 1
        });
        self.0[place].1.add(slot, request);
        known.is_none()
    }

    /// Of equals the first dataset by name, so that order does not matter.
    fn fullest(&self) -> Option<&Cell> {
        let fullest = self.0.iter().max_by(|(a, x), (b, y)| {
            let requests = x.requests().cmp(&y.requests());
            requests.then_with(|| b.as_str().cmp(a.as_str()))
        });
        fullest.map(|(_, cell)| cell)
    }

    /// Rows folded in, of all logs.
    pub(crate) fn events(&self) -> u64 {
        self.0.iter().map(|(_, cell)| cell.requests()).sum()
    }

    /// Cells held.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn values(&self, start: Micros, window_us: i64) -> [f64; COUNT] {
        match self.fullest() {
            Some(cell) => cell.values(start, window_us),
            None => Cell::new().values(start, window_us),
        }
    }
}
