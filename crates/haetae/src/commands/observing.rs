//! What the service prints, counts and lets go of after each commit.

use super::say::Say;
use crate::wiring::{JournalDoor, Meters};
use haetae_event::Counts;
use haetae_event::commit::IncidentRow;
use haetae_pipeline::{Observer, Reconciled};
use haetae_respond::Waker;
use haetae_source::push::committed_position;
use haetae_source::{Ledger, SourceProblem};
use haetae_store::{CommitReport, StoreError};
use std::sync::Arc;
use std::time::Duration;

pub struct RunObserver {
    pub say: Say,
    pub meters: Arc<Meters>,
    pub door: Arc<JournalDoor>,
    pub ledger: Arc<dyn Ledger>,
    pub waker: Waker,
}

impl Observer for RunObserver {
    fn committed(&mut self, _: &CommitReport, counts: Counts, reconciled: &Reconciled, _: &[IncidentRow]) {
        self.meters.committed(counts);
        self.waker.wake();
        let new = reconciled.put.iter().filter(|changed| changed.before.is_none());
        self.say.findings(new.map(|changed| &changed.finding));
        let released = committed_position(self.ledger.as_ref())
            .map_err(|error| error.to_string())
            .and_then(|at| {
                self.door
                    .release_before(at.next)
                    .map_err(|error| error.to_string())
            });
        if let Err(error) = released {
            self.say
                .trouble(&format!("journal: {error}; tried again after the next commit"));
        }
    }

    fn problem(&mut self, problem: &SourceProblem) {
        self.say.problem(problem);
    }

    fn alarm(&mut self, text: &str) {
        self.say.trouble(text);
    }

    fn warmed(&mut self, _rows: u64) {
        self.meters.warmed();
    }

    fn rules_taken(&mut self, rules: usize, rows: u64) {
        self.say.note(&format!(
            "rules read anew: {rules} in use, {rows} stored rows read for them"
        ));
    }

    fn commit_failed(&mut self, error: &StoreError, retry_in: Duration) {
        self.say.trouble(&format!(
            "commit failed: {error}; tried again in {} s, nothing is lost",
            retry_in.as_secs()
        ));
    }

    fn normalised(&mut self, _rows: usize, took: Duration) {
        self.meters.normalised(took);
    }
}
