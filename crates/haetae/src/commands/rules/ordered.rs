//! Events of files in order of time, and findings as they change while events come.

use crate::cli::InputArgs;
use crate::commands::reading::read_all;
use crate::config::Config;
use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use haetae_detect::{Engine, Evaluation};
use haetae_event::{Dataset, Entity, EventBatch, Finding, Micros};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one dataset, put in order of time.
pub struct Ordered {
    batches: Vec<EventBatch>,
    /// Event time, batch, row.
    rows: Vec<(i64, usize, usize)>,
    next: usize,
}

impl Ordered {
    /// Rows before `until`, those given already left out.
    pub fn before(&mut self, until: i64) -> Result<Option<EventBatch>> {
        let from = self.next;
        self.next += self.rows[from..].partition_point(|row| row.0 < until);
        let Some(first) = self.batches.first().filter(|_| self.next > from) else {
            return Ok(None);
        };
        // Few batches have a part in one step: only those are touched.
        let rows = &self.rows[from..self.next];
        let mut numbers: Vec<usize> = rows.iter().map(|row| row.1).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let place = |batch| {
            numbers
                .binary_search(&batch)
                .expect("each row's batch is among them")
        };
        let picked: Vec<(usize, usize)> = rows.iter().map(|row| (place(row.1), row.2)).collect();
        let records: Vec<&RecordBatch> = numbers.iter().map(|&n| &self.batches[n].records).collect();
        Ok(Some(EventBatch {
            records: interleave_record_batch(&records, &picked)?,
            ..first.clone()
        }))
    }
}

/// All rows of `inputs`, by dataset and columns; they are kept in memory.
///
/// # Errors
/// Those of reading.
pub fn read(
    inputs: &[String],
    format: Option<&String>,
    config: &Config,
    engine: &Engine,
) -> Result<Vec<Ordered>> {
    let input = InputArgs {
        inputs: inputs.to_vec(),
        format: format.cloned(),
        format_string: None,
        time_zone: None,
    };
    // One dataset of one schema is put together: formats of a dataset may differ in columns.
    let mut found: BTreeMap<(Dataset, String), Ordered> = BTreeMap::new();
    read_all(&input, config, &engine.columns(), |step| {
        let Some(mut batch) = step.batch else {
            return Ok(());
        };
        batch.compact();
        let names: Vec<String> = batch
            .records
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect();
        let ordered = found
            .entry((batch.dataset, names.join(",")))
            .or_insert_with(|| Ordered {
                batches: Vec::new(),
                rows: Vec::new(),
                next: 0,
            });
        let number = ordered.batches.len();
        let times = batch.ts().values().iter().enumerate();
        ordered.rows.extend(times.map(|(row, &ts)| (ts, number, row)));
        ordered.batches.push(batch);
        Ok(())
    })?;
    let mut all: Vec<Ordered> = found.into_values().collect();
    for ordered in &mut all {
        ordered.rows.sort_unstable();
    }
    Ok(all)
}

/// Which logs there are rows of.
pub fn datasets(all: &[Ordered]) -> BTreeSet<Dataset> {
    let batches = all.iter().flat_map(|ordered| &ordered.batches);
    batches.map(|batch| batch.dataset).collect()
}

/// Time of the first row and of the last; `None` when there is none.
pub fn range(all: &[Ordered]) -> Option<(i64, i64)> {
    let first = all.iter().filter_map(|o| o.rows.first()).map(|row| row.0).min();
    let last = all.iter().filter_map(|o| o.rows.last()).map(|row| row.0).max();
    first.zip(last)
}

/// Findings by rule and entity, in their latest form, with the time of their first telling.
#[derive(Default)]
pub struct Findings(BTreeMap<(String, Entity), Vec<(Finding, Micros)>>);

impl Findings {
    /// What touches a finding of the same rule and entity is that finding, and what is withdrawn
    /// goes.
    pub fn take(&mut self, evaluation: Evaluation, now: i64) {
        for gone in evaluation.withdrawn {
            if let Some(known) = self.0.get_mut(&(gone.rule_id, gone.entity)) {
                known.retain(|(finding, _)| !finding.window.touches(&gone.window, 0));
            }
        }
        for episode in evaluation.episodes {
            let finding = Finding::from_episode(episode);
            let key = (finding.rule_id.clone(), finding.entity.clone());
            let known = self.0.entry(key).or_default();
            let mut told_at = Micros(now);
            known.retain(|(former, at)| {
                let same = former.window.touches(&finding.window, finding.gap_us);
                if same {
                    told_at = told_at.min(*at);
                }
                !same
            });
            known.push((finding, told_at));
        }
    }
    /// Each finding with the time of its first telling.
    pub fn into_all(self) -> impl Iterator<Item = (Finding, Micros)> {
        self.0.into_values().flatten()
    }
}
