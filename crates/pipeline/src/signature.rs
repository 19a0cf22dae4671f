//! `param_sig` and `payload_entropy` of a batch, from the query in `uri`.

use ahash::RandomState;
use arrow::array::{Array, ArrayRef, Float64Builder, RecordBatch, StringViewArray, StringViewBuilder};
use haetae_event::signature::{param_sig, payload_entropy};
use std::collections::HashMap;
use std::sync::Arc;

/// Distinct queries of one batch whose answers are remembered: clients of one page ask alike.
const REMEMBERED_MAX: usize = 4096;

/// Both columns, one value a row; null where the record has no query.
pub fn columns(records: &RecordBatch) -> (ArrayRef, ArrayRef) {
    let rows = records.num_rows();
    let uri: Option<&StringViewArray> = records
        .column_by_name("uri")
        .and_then(|column| column.as_any().downcast_ref());
    let mut signatures = StringViewBuilder::with_capacity(rows).with_deduplicate_strings();
    let mut entropies = Float64Builder::with_capacity(rows);
    let mut remembered: HashMap<&str, (Option<String>, Option<f64>), RandomState> = HashMap::default();
    for row in 0..rows {
        let query = uri
            .filter(|uri| uri.is_valid(row))
            .and_then(|uri| uri.value(row).split_once('?'))
            .map(|(_, query)| query);
        let Some(query) = query else {
            signatures.append_null();
            entropies.append_null();
            continue;
        };
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        let (signature, entropy) = remembered
            .entry(query)
            .or_insert_with(|| (param_sig(query), payload_entropy(query.as_bytes())));
        signatures.append_option(signature.as_deref());
        entropies.append_option(*entropy);
    }
    (Arc::new(signatures.finish()), Arc::new(entropies.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    #[test]
    fn one_value_a_row() {
        let uris =
            StringViewArray::from_iter([Some("/a?x=1"), None, Some("/b"), Some("/a?x=1"), Some("/a?")]);
        let records = RecordBatch::try_from_iter([("uri", Arc::new(uris) as ArrayRef)]).expect("one column");
        let (signatures, entropies) = columns(&records);
        let signatures: Vec<_> = signatures.as_string_view().iter().collect();
        assert_eq!(signatures, [Some("x:int"), None, None, Some("x:int"), None]);
        assert_eq!(entropies.null_count(), 3);
    }
}
