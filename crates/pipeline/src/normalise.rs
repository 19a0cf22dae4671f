//! Core columns that no parser can know: arrival time, client key, record hash, address bucket,
//! and the shape of the parameters.

use crate::signature;
use ahash::RandomState;
use arrow::array::{
    Array, ArrayRef, FixedSizeBinaryBuilder, Int64Array, RecordBatch, StringViewArray, StringViewBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use haetae_event::identity::{Distinguisher, InstallationKey, raw_hash};
use haetae_event::{Dataset, EventBatch, Micros, TenantId};
use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

/// How many distinct record hashes of one delivery are remembered to number byte-equal records.
/// Past it a record is numbered by its place in the delivery, which is as unique.
const EQUAL_RECORDS_MAX: usize = 1 << 20;

/// How many addresses keep their `src_key` at hand.
const KEY_CACHE_MAX: usize = 1 << 16;

/// Numbers byte-equal records within one delivery (the `raw_hash` distinguisher).
#[derive(Default)]
pub struct EqualRecords {
    seen: HashMap<u64, u32, RandomState>,
}

impl EqualRecords {
    fn ordinal(&mut self, hash: u64, place: u64) -> u64 {
        if self.seen.len() >= EQUAL_RECORDS_MAX && !self.seen.contains_key(&hash) {
            return (1 << 63) | place;
        }
        let count = self.seen.entry(hash).or_insert(0);
        *count += 1;
        u64::from(*count - 1)
    }
}

/// Adds the derived columns to parsed rows; holds the installation's key and a bounded cache.
pub struct Normaliser {
    key: InstallationKey,
    keys: HashMap<Box<str>, [u8; 16], RandomState>,
    record_hasher: RandomState,
}

/// Rows on their way from the parser to the store.
pub struct Arrived<'a> {
    pub tenant: &'a TenantId,
    pub dataset: Dataset,
    pub ingested_at: Micros,
    /// Place of each row's record in its delivery.
    pub ordinals: &'a [u64],
}

impl Normaliser {
    pub fn new(key: InstallationKey) -> Self {
        Normaliser {
            key,
            keys: HashMap::default(),
            record_hasher: RandomState::new(),
        }
    }

    /// rows × parser's columns → rows × (parser's columns + derived), in the same order.
    ///
    /// # Panics
    /// When `records` lacks `ts`: every parser makes one.
    pub fn normalise(
        &mut self,
        records: &RecordBatch,
        arrived: &Arrived<'_>,
        equal: &mut EqualRecords,
    ) -> EventBatch {
        let rows = records.num_rows();
        let text = |name: &str| -> Option<&StringViewArray> {
            records
                .column_by_name(name)
                .and_then(|c| c.as_any().downcast_ref())
        };
        let ts: &TimestampMicrosecondArray = records
            .column_by_name("ts")
            .and_then(|c| c.as_any().downcast_ref())
            .expect("every parser makes ts");

        let arrived_at =
            TimestampMicrosecondArray::from_value(arrived.ingested_at.0, rows).with_timezone("UTC");
        let epoch: Int64Array = ts.values().iter().map(|us| us.div_euclid(1_000_000)).collect();
        let (src_key, ip_bucket) = self.address_columns(text("src_ip"), rows);
        let hashes = self.record_hashes(text("raw"), text("request_id"), arrived, equal, rows);

        let mut derived: Vec<(&str, DataType, ArrayRef)> = vec![
            (
                "ingested_at",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                Arc::new(arrived_at),
            ),
            ("src_key", DataType::FixedSizeBinary(16), src_key),
            ("raw_hash", DataType::FixedSizeBinary(32), hashes),
            ("ts_epoch", DataType::Int64, Arc::new(epoch)),
        ];
        // What a parser derived itself stands.
        let (param_sig, entropy) = signature::columns(records);
        let offered = [
            ("ip_bucket", DataType::Utf8View, ip_bucket),
            ("param_sig", DataType::Utf8View, param_sig),
            ("payload_entropy", DataType::Float64, entropy),
        ];
        derived.extend(
            offered
                .into_iter()
                .filter(|(name, ..)| records.column_by_name(name).is_none()),
        );
        let schema = records.schema();
        let kept: Vec<usize> = (0..records.num_columns())
            .filter(|&i| derived.iter().all(|(name, _, _)| schema.field(i).name() != name))
            .collect();
        let mut fields: Vec<Field> = kept.iter().map(|&i| schema.field(i).clone()).collect();
        let mut columns: Vec<ArrayRef> = kept.iter().map(|&i| records.column(i).clone()).collect();
        for (name, kind, column) in derived {
            fields.push(Field::new(name, kind, true));
            columns.push(column);
        }
        let records = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .expect("every derived column has one value a row");
        EventBatch {
            tenant: arrived.tenant.clone(),
            dataset: arrived.dataset,
            records,
        }
    }

    fn address_columns(&mut self, src_ip: Option<&StringViewArray>, rows: usize) -> (ArrayRef, ArrayRef) {
        let mut keys = FixedSizeBinaryBuilder::with_capacity(rows, 16);
        let mut buckets = StringViewBuilder::with_capacity(rows);
        let mut written = String::new();
        for row in 0..rows {
            let text = src_ip.filter(|a| a.is_valid(row)).map(|a| a.value(row));
            let address = text.and_then(|t| t.parse::<IpAddr>().ok().map(|ip| (t, ip)));
            match address {
                Some((text, ip)) => {
                    keys.append_value(self.src_key(text, ip)).expect("16 bytes");
                    bucket(ip, &mut written);
                    buckets.append_value(&written);
                }
                None => {
                    keys.append_null();
                    buckets.append_null();
                }
            }
        }
        (Arc::new(keys.finish()), Arc::new(buckets.finish()))
    }

    fn src_key(&mut self, text: &str, ip: IpAddr) -> [u8; 16] {
        if let Some(key) = self.keys.get(text) {
            return *key;
        }
        let key = self.key.src_key(ip);
        if self.keys.len() >= KEY_CACHE_MAX {
            self.keys.clear();
        }
        self.keys.insert(text.into(), key);
        key
    }

    fn record_hashes(
        &self,
        raw: Option<&StringViewArray>,
        vendor_id: Option<&StringViewArray>,
        arrived: &Arrived<'_>,
        equal: &mut EqualRecords,
        rows: usize,
    ) -> ArrayRef {
        let mut hashes = FixedSizeBinaryBuilder::with_capacity(rows, 32);
        for row in 0..rows {
            let Some(record) = raw.filter(|a| a.is_valid(row)).map(|a| a.value(row)) else {
                hashes.append_null();
                continue;
            };
            let id = vendor_id.filter(|a| a.is_valid(row)).map(|a| a.value(row));
            let which = match id {
                Some(id) => Distinguisher::VendorId(id.as_bytes()),
                None => {
                    let place = arrived.ordinals.get(row).copied().unwrap_or(row as u64);
                    Distinguisher::Ordinal(equal.ordinal(self.record_hasher.hash_one(record), place))
                }
            };
            let hash = raw_hash(arrived.tenant, arrived.dataset, record.as_bytes(), which);
            hashes.append_value(hash).expect("32 bytes");
        }
        Arc::new(hashes.finish())
    }
}

/// The /24 of a v4 address, the /48 of a v6 one, in `text`.
fn bucket(ip: IpAddr, text: &mut String) {
    text.clear();
    match ip {
        IpAddr::V4(v4) => {
            for octet in &v4.octets()[..3] {
                decimal(*octet, text);
                text.push('.');
            }
            text.push_str("0/24");
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            write!(text, "{a:x}:{b:x}:{c:x}::/48").expect("writing to a String cannot fail");
        }
    }
}

/// Formatting machinery costs more than the rest of a row's address.
fn decimal(octet: u8, text: &mut String) {
    if octet >= 100 {
        text.push(char::from(b'0' + octet / 100));
    }
    if octet >= 10 {
        text.push(char::from(b'0' + octet / 10 % 10));
    }
    text.push(char::from(b'0' + octet % 10));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_written_as_the_standard_library_does() {
        let mut text = String::new();
        for octet in 0..=255u8 {
            bucket(IpAddr::from([octet, 0, octet, 9]), &mut text);
            assert_eq!(text, format!("{octet}.0.{octet}.0/24"));
        }
        bucket("2001:db8:1:2::3".parse().expect("valid"), &mut text);
        assert_eq!(text, "2001:db8:1::/48");
    }
}
