//! Stored rows of the last days, for trying rules on.

use crate::commands::query::open_idle;
use crate::config::Config;
use anyhow::{Result, bail};
use haetae_enrich::pii::without_masks;
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

    /// The first event in the stretch, as far as the list of segments tells without reading:
    /// nothing lies before it.
    ///
    /// # Errors
    /// The store's.
    pub fn earliest(&self) -> Result<Micros> {
        let stat = self.store.stat()?;
        let oldest = stat.datasets.iter().map(|dataset| dataset.min_ts).min();
        Ok(oldest.unwrap_or(self.end).max(self.start))
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Hands every row over, dataset by dataset; gives their number. Accounts that were stored masked
    /// are null.
    ///
    /// # Errors
    /// The store's.
    pub fn read(&self, columns: &Columns, each: impl FnMut(&EventBatch)) -> Result<u64> {
        let bar = progress()?;
        let rows = self.between(columns, (self.start.0, self.end.0.saturating_add(1)), &bar, each)?;
        bar.finish_and_clear();
        Ok(rows)
    }

    /// The rows of `from..until`, dataset by dataset; counts them on `bar`.
    ///
    /// # Errors
    /// The store's.
    pub fn between(
        &self,
        columns: &Columns,
        (from, until): (i64, i64),
        bar: &ProgressBar,
        mut each: impl FnMut(&EventBatch),
    ) -> Result<u64> {
        let mut rows = 0;
        for dataset in Dataset::ALL {
            bar.set_message(dataset.as_str());
            let request = ScanRequest {
                start_us: from,
                end_us: until,
                columns: columns.clone(),
                ..ScanRequest::of(dataset)
            };
            self.store.scan(&request, &mut |batch| {
                rows += batch.rows() as u64;
                bar.inc(batch.rows() as u64);
                each(&without_masks(&batch));
                ControlFlow::Continue(())
            })?;
        }
        Ok(rows)
    }
}

/// Rows read so far, on a terminal.
///
/// # Errors
/// Never: the template is fixed.
pub fn progress() -> Result<ProgressBar> {
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(ProgressStyle::with_template("{spinner} {human_pos} rows {msg}")?);
    Ok(bar)
}
