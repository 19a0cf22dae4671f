//! What has been read since the last commit, and how it becomes one [`CommitUnit`].

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use haetae_event::commit::{CommitUnit, CountRow, DlqRow, PositionRow};
use haetae_event::{Counts, Dataset, Micros, Reject, TenantId};
use haetae_parse::ParsedBatch;
use haetae_source::Delivery;
use std::collections::BTreeMap;

/// The uncommitted rest: counts, rejects, positions of finished deliveries and of the one
/// under way.
#[derive(Default)]
pub struct Pending {
    unit: CommitUnit,
    counts: BTreeMap<(String, TenantId, Dataset), Counts>,
    /// Position of the delivery under way, should the commit come now.
    under_way: Vec<PositionRow>,
    records_done: u64,
}

impl Pending {
    pub fn begin(&mut self, delivery: &Delivery) {
        self.records_done = delivery.skip_records;
        self.under_way = Vec::new();
    }

    /// Everything up to `records_done` of the delivery has walked through the stages.
    pub fn advance(&mut self, delivery: &Delivery, records_done: u64) {
        self.records_done = self.records_done.max(records_done);
        self.under_way = delivery.position_rows(self.records_done, false);
    }

    pub fn records_done(&self) -> u64 {
        self.records_done
    }

    /// The delivery is read to its end: its position, mark and clean-up go with this commit.
    pub fn finish(&mut self, delivery: &Delivery, records_done: u64) {
        self.records_done = self.records_done.max(records_done);
        self.unit
            .positions
            .extend(delivery.position_rows(self.records_done, true));
        self.unit.marks.extend(delivery.mark.clone());
        self.unit.cleanups.extend(delivery.cleanup.clone());
        self.under_way = Vec::new();
    }

    /// The delivery broke off and will come again from where it is.
    pub fn leave(&mut self) {
        self.unit.positions.append(&mut self.under_way);
    }

    pub fn count(&mut self, delivery: &Delivery, dataset: Dataset, counts: Counts) {
        if counts.is_zero() {
            return;
        }
        debug_assert!(
            counts.balanced(),
            "the conservation law holds for every batch: {counts:?}"
        );
        let key = (delivery.source.clone(), delivery.tenant.clone(), dataset);
        *self.counts.entry(key).or_default() += counts;
    }

    pub fn reject(&mut self, delivery: &Delivery, parser: &str, at: Micros, rejects: Vec<Reject>) {
        self.unit.dlq.extend(rejects.into_iter().map(|reject| DlqRow {
            source: delivery.source.clone(),
            tenant_id: delivery.tenant.clone(),
            origin: delivery.origin.clone(),
            ordinal: reject.ordinal,
            reason: reject.reason,
            detail: reject.detail,
            parser: parser.to_owned(),
            at,
            bytes: reject.bytes,
        }));
    }

    /// Bytes of refused records waiting for the commit.
    pub fn reject_bytes(&self) -> usize {
        self.unit
            .dlq
            .iter()
            .map(|row| row.bytes.len() + row.detail.len())
            .sum()
    }

    /// The unit as it stands; [`Pending::committed`] forgets it once it is durable.
    pub fn unit(&self) -> CommitUnit {
        let mut unit = self.unit.clone();
        unit.positions.extend(self.under_way.iter().cloned());
        unit.counts = self
            .counts
            .iter()
            .map(|((source, tenant_id, dataset), counts)| CountRow {
                source: source.clone(),
                tenant_id: tenant_id.clone(),
                dataset: dataset.as_str().to_owned(),
                counts: *counts,
            })
            .collect();
        unit
    }

    /// Forgets what is durable now and gives the sum of its counts.
    pub fn committed(&mut self) -> Counts {
        self.unit = CommitUnit::default();
        let mut sum = Counts::default();
        for counts in std::mem::take(&mut self.counts).into_values() {
            sum += counts;
        }
        sum
    }
}

/// Drops the records before `skip`, which an earlier commit holds already. `first` is the
/// ordinal of the batch's first record.
pub fn without_committed(parsed: ParsedBatch, first: u64, skip: u64) -> ParsedBatch {
    if first >= skip {
        return parsed;
    }
    let ParsedBatch {
        records,
        ordinals,
        mut rejects,
        mut counts,
    } = parsed;
    let dropped = (skip - first).min(counts.lines_in);
    let events = ordinals.iter().filter(|&&ordinal| ordinal < skip).count() as u64;
    let rejected = rejects.iter().filter(|reject| reject.ordinal < skip).count() as u64;
    counts.lines_in -= dropped;
    counts.events -= events;
    counts.rejected -= rejected;
    counts.skipped -= dropped - events - rejected;
    rejects.retain(|reject| reject.ordinal >= skip);
    let keep: BooleanArray = ordinals.iter().map(|&ordinal| Some(ordinal >= skip)).collect();
    let records = records
        .map(|rows| filter_record_batch(&rows, &keep).expect("one flag a row"))
        .filter(|rows| rows.num_rows() > 0);
    let ordinals = ordinals.into_iter().filter(|&ordinal| ordinal >= skip).collect();
    ParsedBatch {
        records,
        ordinals,
        rejects,
        counts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haetae_event::Reason;

    #[test]
    fn a_resumed_delivery_counts_only_its_rest() {
        let reject = |ordinal| Reject {
            ordinal,
            reason: Reason::BadJson,
            detail: String::new(),
            bytes: vec![],
        };
        let parsed = ParsedBatch {
            records: None,
            ordinals: vec![11, 12, 14],
            rejects: vec![reject(13), reject(15)],
            counts: Counts {
                lines_in: 6,
                events: 3,
                rejected: 2,
                skipped: 1,
                ..Counts::default()
            },
        };
        let rest = without_committed(parsed, 10, 13);
        assert_eq!(
            rest.counts,
            Counts {
                lines_in: 3,
                events: 1,
                rejected: 2,
                ..Counts::default()
            }
        );
        assert!(rest.counts.balanced());
        assert_eq!(rest.ordinals, vec![14]);
        assert_eq!(rest.rejects.len(), 2);
    }
}
