//! A tenant's policy, and the batch it makes of a batch.

use super::mask::Masker;
use super::names::without_accounts;
use arrow::array::{
    Array, ArrayRef, FixedSizeBinaryArray, FixedSizeBinaryBuilder, RecordBatch, StringViewArray,
    StringViewBuilder, new_null_array,
};
use arrow::datatypes::DataType;
use haetae_event::EventBatch;
use haetae_event::identity::TenantKey;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// What becomes of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressPolicy {
    #[default]
    Keep,
    /// The first address of the /24 or /48.
    Truncate,
    /// `ip-` and 16 hex digits of an HMAC under the tenant's key.
    Hash,
}

/// What becomes of personal data in texts and accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextPolicy {
    #[default]
    Keep,
    /// `[email]`
    Mask,
    /// `[email:9f2c…]`: equal values stay equal, under the tenant's key.
    Hash,
}

/// What becomes of the record as received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawPolicy {
    /// As received while nothing else is asked for, redacted under any other policy.
    #[default]
    Follow,
    Keep,
    Redacted,
    Drop,
}

/// A tenant's policy. The default keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PiiPolicy {
    /// Client addresses, wherever they stand.
    pub src_ip: AddressPolicy,
    /// E-mail addresses, phone, card and resident registration numbers and secrets inside texts.
    pub text: TextPolicy,
    /// The `account` column.
    pub account: TextPolicy,
    pub raw: RawPolicy,
}

impl PiiPolicy {
    /// Whether rows are stored as they are.
    pub fn keeps_everything(&self) -> bool {
        self.masks_nothing() && matches!(self.raw, RawPolicy::Follow | RawPolicy::Keep)
    }

    /// What leaves no more than either: for figures over the rows of several tenants.
    #[must_use]
    pub fn stricter(&self, other: &PiiPolicy) -> PiiPolicy {
        PiiPolicy {
            src_ip: self.src_ip.max(other.src_ip),
            text: self.text.max(other.text),
            account: self.account.max(other.account),
            raw: self.raw_in_effect().max(other.raw_in_effect()),
        }
    }

    /// Never [`RawPolicy::Follow`].
    fn raw_in_effect(&self) -> RawPolicy {
        match self.raw {
            RawPolicy::Follow if self.masks_nothing() => RawPolicy::Keep,
            RawPolicy::Follow => RawPolicy::Redacted,
            other => other,
        }
    }

    fn masks_nothing(&self) -> bool {
        self.src_ip == AddressPolicy::Keep
            && self.text == TextPolicy::Keep
            && self.account == TextPolicy::Keep
    }
}

/// Texts that name no person: left alone, which also keeps filters on them cheap.
const IMPERSONAL: &[&str] = &[
    "region",
    "method",
    "rule_id",
    "ja4",
    "request_id",
    "trace_id",
    "ip_bucket",
    "param_sig",
    "src_country",
    "date",
    "time",
    "action",
    "protocol",
    "version",
    "severity",
    "facility",
];

/// What becomes of a column's values.
enum Change {
    Keep,
    Drop,
    Address,
    Account,
    Text,
}

impl Change {
    fn of(policy: &PiiPolicy, column: &str) -> Change {
        match column {
            "src_ip" | "peer_ip" => Change::Address,
            "account" => Change::Account,
            "raw" => match policy.raw_in_effect() {
                RawPolicy::Keep => Change::Keep,
                RawPolicy::Drop => Change::Drop,
                RawPolicy::Follow | RawPolicy::Redacted => Change::Text,
            },
            name if IMPERSONAL.contains(&name) => Change::Keep,
            _ => Change::Text,
        }
    }

    fn apply<'t>(&self, masker: &Masker<'_>, text: &'t str) -> Option<Cow<'t, str>> {
        match self {
            Change::Keep => Some(Cow::Borrowed(text)),
            Change::Drop => None,
            Change::Address => Some(masker.address(text)),
            Change::Account => Some(match masker.account(text) {
                Cow::Borrowed(same) => masker.text(same),
                owned => owned,
            }),
            Change::Text => Some(masker.text(text)),
        }
    }
}

/// One value of `column` as it may be stored; `None` where it may not.
pub fn stored_value<'t>(
    policy: &PiiPolicy,
    key: &TenantKey,
    column: &str,
    text: &'t str,
) -> Option<Cow<'t, str>> {
    if policy.keeps_everything() {
        return Some(Cow::Borrowed(text));
    }
    Change::of(policy, column).apply(&Masker::new(policy, key), text)
}

/// The rows as they may be stored: same number, same order, same columns.
pub fn apply(policy: &PiiPolicy, key: &TenantKey, batch: &EventBatch) -> EventBatch {
    if policy.keeps_everything() {
        return batch.clone();
    }
    let masker = Masker::new(policy, key);
    let texts: &[&str] = match policy.raw_in_effect() {
        RawPolicy::Redacted => &["message", "raw"],
        _ => &["message"],
    };
    let batch = &without_accounts(policy.account, &masker, batch, texts);
    let schema = batch.records.schema();
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .zip(batch.records.columns())
        .map(|(field, column)| match field.data_type() {
            DataType::Utf8View => text_column(policy, &masker, field.name(), column),
            DataType::FixedSizeBinary(32) if field.name() == "raw_hash" && !policy.masks_nothing() => {
                keyed(key, column)
            }
            _ => Arc::clone(column),
        })
        .collect();
    let records = RecordBatch::try_new(schema, columns).expect("types and lengths are kept");
    EventBatch {
        tenant: batch.tenant.clone(),
        dataset: batch.dataset,
        records,
    }
}

/// The column with each value replaced; shared where nothing changes.
fn text_column(policy: &PiiPolicy, masker: &Masker<'_>, name: &str, column: &ArrayRef) -> ArrayRef {
    let change = Change::of(policy, name);
    let texts = match change {
        Change::Keep => None,
        Change::Drop => return new_null_array(&DataType::Utf8View, column.len()),
        _ => column.as_any().downcast_ref::<StringViewArray>(),
    };
    let Some(texts) = texts else {
        return Arc::clone(column);
    };
    let changed: Vec<Option<Cow<'_, str>>> = texts
        .iter()
        .map(|text| text.and_then(|text| change.apply(masker, text)))
        .collect();
    if changed.iter().all(|text| !matches!(text, Some(Cow::Owned(_)))) {
        return Arc::clone(column);
    }
    let mut out = StringViewBuilder::with_capacity(texts.len());
    changed.iter().for_each(|text| out.append_option(text.as_deref()));
    Arc::new(out.finish())
}

/// The hash of a record is as telling as the record: it becomes an HMAC under the tenant's key.
fn keyed(key: &TenantKey, column: &ArrayRef) -> ArrayRef {
    let Some(hashes) = column.as_any().downcast_ref::<FixedSizeBinaryArray>() else {
        return Arc::clone(column);
    };
    let mut out = FixedSizeBinaryBuilder::with_capacity(hashes.len(), 32);
    for row in 0..hashes.len() {
        if hashes.is_null(row) {
            out.append_null();
        } else {
            out.append_value(key.keyed_hash("raw_hash", hashes.value(row)))
                .expect("32 bytes");
        }
    }
    Arc::new(out.finish())
}
