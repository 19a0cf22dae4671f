//! Fewer, larger files; and files that have had their time.

use crate::catalog::{lock, segments, upkeep};
use crate::commit::CommitStep;
use crate::error::StoreError;
use crate::merge::merge;
use crate::segment::{Place, SegmentWriter};
use crate::store::Store;
use crate::types::{CompactReport, SegmentInfo};
use haetae_event::time::{DAY_US, HOUR_US};
use haetae_event::{Dataset, Micros, TenantId};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// Files merged at once: each holds one decoded batch in memory.
const FILES_MAX: usize = 64;

/// Every parser whose rows are in one of the files.
fn parsers_of(files: &[SegmentInfo]) -> Vec<String> {
    let all: BTreeSet<&String> = files.iter().flat_map(|file| &file.parsers).collect();
    all.into_iter().cloned().collect()
}

type Partition = (Dataset, TenantId, String, String);

impl Store {
    /// One round of upkeep: expires segments and rows past their retention, merges the small files of
    /// each hour that is past or has many, deletes files replaced longer than the grace ago that
    /// no reader of this process holds. Commits and scans go on meanwhile.
    ///
    /// # Errors
    /// Disk and catalog. Merges done before the error hold.
    pub fn compact(&self) -> Result<CompactReport, StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        let _alone = lock(&self.compacting);
        let now = self.clock.now();
        let mut report = CompactReport::default();
        self.expire(now, &mut report)?;
        for (partition, files) in self.small_files(now) {
            for group in files.chunks(FILES_MAX) {
                if group.len() > 1 {
                    self.merge_group(&partition, group, now, &mut report)?;
                    report.partitions += 1;
                }
            }
        }
        self.delete_retired(now, &mut report)?;
        self.catalog.write(|tx| upkeep::expire(tx, &self.options, now))?;
        Ok(report)
    }

    /// Hours that are worth merging, with their small files.
    fn small_files(&self, now: Micros) -> BTreeMap<Partition, Vec<SegmentInfo>> {
        let mut hours: BTreeMap<Partition, Vec<SegmentInfo>> = BTreeMap::new();
        for s in self.view().segments.values() {
            if s.bytes < self.options.compact_bytes {
                let key = (s.dataset, s.tenant.clone(), s.dt.clone(), s.hh.clone());
                hours.entry(key).or_default().push(s.clone());
            }
        }
        hours.retain(|(_, _, dt, hh), files| {
            let begin = Micros::parse_rfc3339(&format!("{dt}T{hh}:00:00Z"));
            let past =
                begin.is_none_or(|begin| begin.saturating_add(HOUR_US + self.options.compact_after_us) < now);
            files.len() >= self.options.compact_files.max(2) || (past && files.len() > 1)
        });
        hours
    }

    fn merge_group(
        &self,
        (dataset, tenant, dt, hh): &Partition,
        files: &[SegmentInfo],
        now: Micros,
        report: &mut CompactReport,
    ) -> Result<(), StoreError> {
        let place = Place {
            id: self.next_segment_id(),
            dataset: *dataset,
            tenant: tenant.clone(),
            dt: dt.clone(),
            hh: hh.clone(),
            parsers: parsers_of(files),
        };
        let path = self.layout.file(*dataset, tenant, dt, hh, place.id);
        let written = self.write_merged(place, files);
        if written.is_err() {
            // Never in the catalog: the next open would delete it as well.
            let _ = self.disk.remove(&crate::layout::temporary(&path));
        }
        let made = written?;
        let rows: u64 = files.iter().map(|s| s.rows).sum();
        assert_eq!(made.rows, rows, "a merge keeps every row");
        let ids: Vec<i64> = files.iter().map(|s| s.id).collect();
        self.step(CommitStep::BeforeTransaction)?;
        let mut made = [made];
        let swapped = self.catalog.write(|tx| {
            segments::insert(tx, &made)?;
            segments::retire(tx, &ids, now)?;
            self.step(CommitStep::InsideTransaction)
        });
        if let Err(error) = swapped {
            lock(&self.debris).doubtful(&made);
            return Err(error);
        }
        let alive = self.step(CommitStep::AfterTransaction);
        if alive.is_ok() {
            self.rename(&mut made);
        }
        {
            let mut view = self.view_mut();
            view.add_pending(made.to_vec());
            view.retire(&ids, now);
        }
        report.files_in += files.len() as u64;
        report.files_out += 1;
        report.rows += rows;
        alive?;
        self.rename_pending();
        Ok(())
    }

    fn write_merged(&self, place: Place, files: &[SegmentInfo]) -> Result<SegmentInfo, StoreError> {
        let disk = self.disk.as_ref();
        let mut writer = SegmentWriter::create(self, place)?;
        merge(&self.disk, files, &mut |records| writer.write(records))?;
        writer.finish(disk)
    }

    /// Takes out whole segments whose youngest row is older than the dataset's retention.
    fn expire(&self, now: Micros, report: &mut CompactReport) -> Result<(), StoreError> {
        let mut old: Vec<SegmentInfo> = Vec::new();
        for (dataset, days) in &self.options.retention_days {
            let oldest = now.saturating_sub(i64::from(*days).saturating_mul(DAY_US));
            let view = self.view();
            let of_dataset = view.segments.values().filter(|s| s.dataset == *dataset);
            old.extend(of_dataset.filter(|s| s.max_ts < oldest).cloned());
        }
        if old.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = old.iter().map(|s| s.id).collect();
        self.catalog.write(|tx| {
            old.iter().try_for_each(|s| segments::expire(tx, s))?;
            segments::retire(tx, &ids, now)
        })?;
        self.view_mut().retire(&ids, now);
        report.segments_expired += ids.len() as u64;
        Ok(())
    }

    /// Deletes files, then the rows that knew them: a crash between leaves a row whose file is
    /// gone already, which the next round forgets.
    fn delete_retired(&self, now: Micros, report: &mut CompactReport) -> Result<(), StoreError> {
        let due: Vec<_> = {
            let mut view = self.view_mut();
            let (due, waiting) = std::mem::take(&mut view.retired).into_iter().partition(|r| {
                let waited = now.0.saturating_sub(r.retired_at.0);
                waited >= self.options.grace_us && Arc::strong_count(&r.lease) == 1
            });
            view.retired = waiting;
            due
        };
        let mut gone = Vec::new();
        for retired in due {
            match self.disk.remove(&retired.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %retired.path.display(), %error, "deleted later");
                    self.view_mut().retired.push(retired);
                }
                _ => gone.push(retired.id),
            }
        }
        if !gone.is_empty() {
            self.catalog.write(|tx| segments::forget(tx, &gone))?;
        }
        report.files_deleted += gone.len() as u64;
        Ok(())
    }
}
