//! The account of a row inside the row's own texts (`Failed password for kim from …`): where the
//! account is masked or hashed, so is its name there.
//!
//! What is not here: names in addresses and paths (`/~kim/`), and names of other rows.

use super::mask::{ACCOUNT_MASK, Masker};
use super::policy::TextPolicy;
use arrow::array::{Array, ArrayRef, RecordBatch, StringViewArray, StringViewBuilder};
use haetae_event::EventBatch;
use std::borrow::Cow;
use std::sync::Arc;

/// Shorter names stand in too many words by chance.
const NAME_BYTES_MIN: usize = 2;

/// `text` with each `name` that stands alone (no letter, digit or `_` beside it) replaced by `mask`.
pub fn without_name<'t>(text: &'t str, name: &str, mask: &str) -> Cow<'t, str> {
    if name.len() < NAME_BYTES_MIN {
        return Cow::Borrowed(text);
    }
    let belongs = |c: char| c.is_alphanumeric() || c == '_';
    let alone = |at: usize| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(belongs) && !after.is_some_and(belongs)
    };
    let mut out = String::new();
    let mut from = 0;
    for (at, _) in text.match_indices(name).filter(|(at, _)| alone(*at)) {
        out.push_str(&text[from..at]);
        out.push_str(mask);
        from = at + name.len();
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// The batch with each row's account masked in the texts of `columns`, as `masker` masks accounts.
pub fn without_accounts(
    account: TextPolicy,
    masker: &Masker<'_>,
    batch: &EventBatch,
    columns: &[&str],
) -> EventBatch {
    let names = batch.str("account").filter(|_| account != TextPolicy::Keep);
    let Some(names) = names.filter(|names| names.null_count() < names.len()) else {
        return batch.clone();
    };
    let schema = batch.records.schema();
    let mut all = batch.records.columns().to_vec();
    for (field, column) in schema.fields().iter().zip(&mut all) {
        if columns.contains(&field.name().as_str())
            && let Some(texts) = column.as_any().downcast_ref::<StringViewArray>()
            && let Some(changed) = masked(names, texts, masker)
        {
            *column = changed;
        }
    }
    EventBatch {
        records: RecordBatch::try_new(schema, all).expect("types and lengths are kept"),
        ..batch.clone()
    }
}

/// A stored batch for detection: where `account` holds the one mask for all accounts it is null, so
/// that a site of many people is not taken for one account.
pub fn without_masks(batch: &EventBatch) -> EventBatch {
    let accounts = batch.str("account");
    let Some(accounts) = accounts.filter(|a| a.iter().flatten().any(|name| name == ACCOUNT_MASK)) else {
        return batch.clone();
    };
    let mut out = StringViewBuilder::with_capacity(accounts.len());
    for account in accounts {
        out.append_option(account.filter(|name| *name != ACCOUNT_MASK));
    }
    let schema = batch.records.schema();
    let mut all = batch.records.columns().to_vec();
    let place = schema.index_of("account").expect("looked at above");
    all[place] = Arc::new(out.finish());
    EventBatch {
        records: RecordBatch::try_new(schema, all).expect("one text a row"),
        ..batch.clone()
    }
}

/// `None` where nothing changes.
fn masked(names: &StringViewArray, texts: &StringViewArray, masker: &Masker<'_>) -> Option<ArrayRef> {
    let changed: Vec<Option<Cow<'_, str>>> = texts
        .iter()
        .zip(names)
        .map(|(text, name)| match (text, name) {
            (Some(text), Some(name)) if text.contains(name) => {
                Some(without_name(text, name, &masker.account(name)))
            }
            (text, _) => text.map(Cow::Borrowed),
        })
        .collect();
    if !changed.iter().any(|text| matches!(text, Some(Cow::Owned(_)))) {
        return None;
    }
    let mut out = StringViewBuilder::with_capacity(texts.len());
    changed.iter().for_each(|text| out.append_option(text.as_deref()));
    Some(Arc::new(out.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_of_its_own() {
        let of = |text: &str| without_name(text, "kim", "[account]").into_owned();
        assert_eq!(
            of("Failed password for kim from 192.0.2.7"),
            "Failed password for [account] from 192.0.2.7"
        );
        assert_eq!(of("user=kim, kimchi and skim"), "user=[account], kimchi and skim");
        assert_eq!(of("김kim kim"), "김kim [account]");
        assert_eq!(
            without_name("a b a", "a", "[account]"),
            "a b a",
            "too short to tell"
        );
    }
}
