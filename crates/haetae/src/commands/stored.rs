//! Stored rows of the last days, for trying rules on.

use crate::commands::query::open_idle;
use crate::config::Config;
use anyhow::{Result, bail};
use haetae_event::{Columns, Dataset, EventBatch, Micros};
use haetae_store::{ScanRequest, Store};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// A stretch of stored event time.
pub struct Stored {
    store: Arc<Store>,
    pub start: Micros,
    /// The newest stored event.
    pub end: Micros,
}

impl Stored {
    /// The last `last` before the newest stored event, or what there is of it: a store that is no
    /// longer fed can still be asked, and days before the first event are no quiet days.
    ///
    /// # Errors
    /// When there is no store, or nothing in it.
    pub fn last(config: &Config, last: Duration) -> Result<Stored> {
        let store = open_idle(config)?;
        let stat = store.stat()?;
        let newest = stat.datasets.iter().map(|d| d.max_ts).max();
        let oldest = stat.datasets.iter().map(|d| d.min_ts).min();
        let (Some(end), Some(oldest)) = (newest, oldest) else {
            bail!("nothing is stored in {} yet", config.data_dir.display());
        };
        let span = i64::try_from(last.as_micros()).unwrap_or(i64::MAX);
        Ok(Stored {
            store,
            start: end.saturating_sub(span).max(oldest),
            end,
        })
    }

    /// Whole and begun days.
    pub fn days(&self) -> f64 {
        let span = self.end.0.saturating_sub(self.start.0).max(1);
        span as f64 / haetae_event::time::DAY_US as f64
    }

    /// Hands every row over, dataset by dataset; gives their number.
    ///
    /// # Errors
    /// The store's.
    pub fn read(&self, columns: &Columns, mut each: impl FnMut(&EventBatch)) -> Result<u64> {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        bar.set_style(ProgressStyle::with_template("{spinner} {human_pos} rows {msg}")?);
        let mut rows = 0;
        for dataset in Dataset::ALL {
            bar.set_message(dataset.as_str());
            let request = ScanRequest {
                start_us: self.start.0,
                end_us: self.end.0.saturating_add(1),
                columns: columns.clone(),
                ..ScanRequest::of(dataset)
            };
            self.store.scan(&request, &mut |batch| {
                rows += batch.rows() as u64;
                bar.set_position(rows);
                each(&batch);
                ControlFlow::Continue(())
            })?;
        }
        bar.finish_and_clear();
        Ok(rows)
    }
}
