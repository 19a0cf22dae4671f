//! Core v1: the columns that every event has, whatever its dataset.

use arrow::datatypes::{DataType, Field, TimeUnit};

/// Core v1: name, type, nullable. `tenant` and `ds` are keys of the layout, not columns of a
/// batch; queries show them as `tenant_id` and `dataset`.
pub fn core_fields() -> Vec<Field> {
    let ts = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let text = DataType::Utf8View;
    vec![
        Field::new("ts", ts(), false),
        Field::new("ingested_at", ts(), true),
        Field::new("region", text.clone(), true),
        Field::new("src_ip", text.clone(), true),
        Field::new("dst_host", text.clone(), true),
        Field::new("peer_ip", text.clone(), true),
        Field::new("src_key", DataType::FixedSizeBinary(16), true),
        Field::new("method", text.clone(), true),
        Field::new("uri", text.clone(), true),
        Field::new("status", DataType::Int32, true),
        Field::new("ua", text.clone(), true),
        Field::new("bytes_in", DataType::Int64, true),
        Field::new("bytes_out", DataType::Int64, true),
        Field::new("blocked", DataType::Boolean, true),
        Field::new("rule_id", text.clone(), true),
        Field::new("session_id", text.clone(), true),
        Field::new("account", text.clone(), true),
        Field::new("ja4", text.clone(), true),
        Field::new("request_id", text.clone(), true),
        Field::new("trace_id", text.clone(), true),
        Field::new("raw", text.clone(), true),
        Field::new("raw_hash", DataType::FixedSizeBinary(32), true),
        Field::new("ip_bucket", text.clone(), true),
        Field::new("ts_epoch", DataType::Int64, true),
        // Names and value classes of the parameters, see `haetae_event::signature`.
        Field::new("param_sig", text.clone(), true),
        // Shannon entropy of query and body, in bits a byte.
        Field::new("payload_entropy", DataType::Float64, true),
        // ISO 3166-1 alpha-2.
        Field::new("src_country", text.clone(), true),
        Field::new("src_asn", DataType::Int64, true),
        // 0 unknown … 100 certainly bad.
        Field::new("ti_score", DataType::Int32, true),
        // Soft problems of the record, e.g. `ts_out_of_range`.
        Field::new(
            "warnings",
            DataType::List(std::sync::Arc::new(Field::new("item", DataType::Utf8View, true))),
            true,
        ),
        // JSON object of the keys that have no column.
        Field::new("attrs", text, true),
    ]
}
