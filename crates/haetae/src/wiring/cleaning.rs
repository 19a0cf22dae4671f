//! Carries out the clean-ups that commits have promised.

use haetae_event::Clock;
use haetae_source::{Cleaned, Cleaner, SourceProblem, StopFlag};
use haetae_store::{Store, StoreError};
use std::collections::HashMap;
use std::time::Duration;

/// Clean-ups taken from the catalog at once.
const AT_ONCE: usize = 64;

/// Pause when nothing is owed, and after a failure.
const IDLE: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_secs(30);

/// Works until told to stop; with `once`, until nothing is owed that can be done now.
pub fn clean_up(
    store: &Store,
    cleaners: &HashMap<String, Box<dyn Cleaner>>,
    clock: &dyn Clock,
    stop: &StopFlag,
    once: bool,
    report: &mut dyn FnMut(&SourceProblem),
) -> Result<(), StoreError> {
    loop {
        let owed = store.pending_cleanups(AT_ONCE)?;
        let mut done = 0;
        for cleanup in &owed {
            if stop.is_set() && !once {
                return Ok(());
            }
            let Some(cleaner) = cleaners.get(&cleanup.row.source) else {
                // The source is no longer configured: nobody may touch its objects.
                store.finish_cleanup(cleanup.id, None)?;
                continue;
            };
            match cleaner.clean(&cleanup.row) {
                Ok(Cleaned::Done) => {
                    store.finish_cleanup(cleanup.id, Some((&cleanup.row.source, &cleanup.row.key)))?;
                    done += 1;
                }
                Ok(Cleaned::Changed) => store.finish_cleanup(cleanup.id, None)?,
                Err(error) => {
                    report(&error.problem);
                    let again = clock.now().saturating_add(RETRY.as_micros() as i64);
                    store.fail_cleanup(cleanup.id, &error.problem.message, again)?;
                }
            }
        }
        if once && (owed.is_empty() || done == 0) {
            return Ok(());
        }
        if !once && stop.sleep(if owed.is_empty() { IDLE } else { Duration::ZERO }) {
            return Ok(());
        }
    }
}
