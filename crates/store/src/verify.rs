//! Whether everything is as the catalog says.

use crate::catalog::segments;
use crate::error::StoreError;
use crate::file;
use crate::recover::files_below;
use crate::store::Store;
use crate::types::{SegmentInfo, VerifyProblem, VerifyReport};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

impl Store {
    /// Checks that every file is there with the rows the catalog says, that no file is there
    /// which it does not know, that SQLite finds its own file sound, and the conservation law:
    /// counts balance, and events counted are rows stored or expired. Hot rows are not counted
    /// yet and do not matter. Reads footers, not rows.
    ///
    /// # Errors
    /// The catalog's; what is wrong with files is in the report.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        let segments = self.all_segments()?;
        for segment in &segments {
            report.segments += 1;
            report.rows += segment.rows;
            if let Err(problem) = self.check_file(segment) {
                report.problems.push(problem);
            }
        }
        self.find_strays(&segments, &mut report)?;
        self.check_counts(&segments, &mut report)?;
        let sound: String = self
            .catalog
            .read(|c| Ok(c.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?))?;
        if sound != "ok" {
            report
                .problems
                .push(problem("catalog_damaged", "catalog.db", sound));
        }
        Ok(report)
    }

    fn check_file(&self, segment: &SegmentInfo) -> Result<(), VerifyProblem> {
        let name = segment.path.display().to_string();
        let bytes = self
            .disk
            .len(&segment.path)
            .map_err(|e| problem("missing_file", &name, e.to_string()))?;
        if bytes != segment.bytes {
            let text = format!("{bytes} bytes, the catalog says {}", segment.bytes);
            return Err(problem("size_mismatch", &name, text));
        }
        let footer = file::open(&self.disk, &segment.path)
            .map_err(|e| problem("unreadable_file", &name, e.to_string()))?;
        let rows = footer.metadata().file_metadata().num_rows();
        if u64::try_from(rows).ok() != Some(segment.rows) {
            let text = format!("{rows} rows, the catalog says {}", segment.rows);
            return Err(problem("row_mismatch", &name, text));
        }
        Ok(())
    }

    fn find_strays(&self, segments: &[SegmentInfo], report: &mut VerifyReport) -> Result<(), StoreError> {
        // Listed before the catalog is asked again, so that a file committed meanwhile is known.
        let found = files_below(self.disk.as_ref(), self.layout.tables())?;
        let known = self.catalog.read(|c| segments::load(c, &self.layout))?;
        let names: BTreeSet<PathBuf> = known
            .live
            .iter()
            .map(|s| s.path.clone())
            .chain(known.retired.iter().map(|r| r.path.clone()))
            .chain(segments.iter().map(|s| s.path.clone()))
            .collect();
        for path in found {
            // Temporary files belong to a commit in progress, or to the next open.
            let finished = path.extension().is_some_and(|e| e == "parquet");
            if finished && !names.contains(&path) {
                let text = "the catalog does not know this file".to_owned();
                let name = path.display().to_string();
                report.problems.push(problem("stray_file", &name, text));
            }
        }
        Ok(())
    }

    fn check_counts(&self, segments: &[SegmentInfo], report: &mut VerifyReport) -> Result<(), StoreError> {
        let mut events: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut stored = events.clone();
        for row in self.counts()? {
            if !row.counts.balanced() {
                let name = format!("{} / {} / {}", row.source, row.tenant_id, row.dataset);
                let text = format!(
                    "{} records in, {} accounted for",
                    row.counts.lines_in,
                    row.counts.accounted()
                );
                report.problems.push(problem("counts_unbalanced", &name, text));
            }
            let key = (row.dataset, row.tenant_id.to_string());
            *events.entry(key).or_default() += row.counts.events;
        }
        for s in segments {
            let key = (s.dataset.to_string(), s.tenant.to_string());
            *stored.entry(key).or_default() += s.rows;
        }
        for (dataset, tenant, rows) in self.catalog.read(segments::expired)? {
            *stored.entry((dataset, tenant)).or_default() += rows;
        }
        let keys: BTreeSet<_> = events.keys().chain(stored.keys()).cloned().collect();
        for key in keys {
            let counted = events.get(&key).copied().unwrap_or(0);
            let kept = stored.get(&key).copied().unwrap_or(0);
            if counted != kept {
                let name = format!("ds={} tenant={}", key.0, key.1);
                let text = format!("{counted} events counted, {kept} rows stored or expired");
                report.problems.push(problem("events_not_stored", &name, text));
            }
        }
        Ok(())
    }
}

fn problem(code: &'static str, subject: &str, message: String) -> VerifyProblem {
    VerifyProblem {
        code,
        subject: subject.to_owned(),
        message,
    }
}
