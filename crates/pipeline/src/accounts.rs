//! Accounts of tenants that may not store or tell their names.
//!
//! Detection sees the clear name; beside it stands [`ACCOUNT_KEY`], the keyed hash by which code
//! detectors keep accounts apart, so that rows read back from the store (which hold the hash or
//! nothing) continue what the rows of this process began. Where a row is read back and its name is
//! not known any more, `account` is null: one mask for all would make a whole site one account.
//! What is told names accounts by their hash, under a mask policy too, since findings of two
//! accounts must not become one.
//!
//! What is not here: names in addresses and paths (`/~kim/`), and anything that is stored.

use crate::privacy::Policies;
use ahash::RandomState;
use arrow::array::{ArrayRef, RecordBatch, StringViewArray, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use haetae_detect::behaviours::accounts::ACCOUNTS_FACTS;
use haetae_detect::fields::ACCOUNT_KEY;
use haetae_detect::{Evaluation, Withdrawn};
use haetae_enrich::pii::{
    ACCOUNT_MASK, Masker, PiiPolicy, TextPolicy, is_account_hash, without_accounts, without_name,
};
use haetae_event::identity::{InstallationKey, TenantKey};
use haetae_event::{Entity, Episode, EventBatch, Finding, TenantId};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Names remembered in each of two generations: the older one is dropped when the newer is full.
const NAMES_MAX: usize = 100_000;
/// Longer names are not remembered.
const NAME_BYTES_MAX: usize = 256;

/// See the module.
pub struct Accounts {
    policies: Policies,
    installation: InstallationKey,
    names: RefCell<Names>,
}

/// Names by their hash.
#[derive(Default)]
struct Names {
    newer: HashMap<Box<str>, Arc<str>, RandomState>,
    older: HashMap<Box<str>, Arc<str>, RandomState>,
}

impl Names {
    fn get(&self, hash: &str) -> Option<&Arc<str>> {
        self.newer.get(hash).or_else(|| self.older.get(hash))
    }

    fn put(&mut self, hash: &str, name: &str) {
        if name.len() > NAME_BYTES_MAX || self.newer.contains_key(hash) {
            return;
        }
        if self.newer.len() >= NAMES_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(hash.into(), name.into());
    }
}

/// Whether an entity of this kind (`account`, `src_ip,user`) names an account: Sigma's entities are
/// called by the fields that a rule groups by.
fn names_account(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let account = ["account", "user", "requester"]
        .iter()
        .any(|word| kind.contains(word));
    account && !kind.contains("agent")
}

impl Accounts {
    pub fn new(policies: Policies, installation: InstallationKey) -> Accounts {
        Accounts {
            policies,
            installation,
            names: RefCell::default(),
        }
    }

    pub fn are_hidden(&self, tenant: &TenantId) -> bool {
        self.policies.of(tenant).account != TextPolicy::Keep
    }

    fn key(&self, tenant: &TenantId) -> TenantKey {
        self.installation.tenant_key(tenant)
    }

    /// A batch as it arrived, as detection may see it: with the hashes beside the names, and
    /// messages (which become evidence) without the names.
    pub fn seen<'b>(&self, batch: &'b EventBatch) -> Cow<'b, EventBatch> {
        let policy = self.policies.of(&batch.tenant);
        if policy.account == TextPolicy::Keep {
            return Cow::Borrowed(batch);
        }
        let Some(accounts) = batch.str("account") else {
            return Cow::Borrowed(batch);
        };
        let key = self.key(&batch.tenant);
        let masker = Masker::new(policy, &key);
        let mut hashes: HashMap<&str, String, RandomState> = HashMap::default();
        for name in accounts.iter().flatten().filter(|name| is_name(name)) {
            hashes.entry(name).or_insert_with(|| masker.account_hash(name));
        }
        let mut names = self.names.borrow_mut();
        hashes.iter().for_each(|(name, hash)| names.put(hash, name));
        let column = accounts.iter().map(|name| name.and_then(|name| hashes.get(name)));
        let quiet = without_accounts(policy.account, &masker, batch, &["message"]);
        Cow::Owned(with(&quiet, [(ACCOUNT_KEY, texts(column))]))
    }

    /// A stored batch, likewise.
    pub fn restored(&self, batch: EventBatch) -> EventBatch {
        let Some(accounts) = batch.str("account") else {
            return batch;
        };
        let hidden = self.are_hidden(&batch.tenant);
        let masked = |stored: &str| stored == ACCOUNT_MASK || (hidden && is_account_hash(stored));
        if !hidden && !accounts.iter().flatten().any(masked) {
            return batch;
        }
        let policy = self.policies.of(&batch.tenant);
        let key = self.key(&batch.tenant);
        let masker = Masker::new(policy, &key);
        let names = self.names.borrow();
        let clear = accounts.iter().map(|stored| match stored? {
            hash if hidden && is_account_hash(hash) => names.get(hash).map(|name| &**name),
            // Stored before the policy was set.
            name => is_name(name).then_some(name),
        });
        let clear = texts(clear);
        if !hidden {
            return with(&batch, [("account", clear)]);
        }
        let hashes = accounts.iter().map(|stored| match stored? {
            hash if is_account_hash(hash) => Some(Cow::Borrowed(hash)),
            name => is_name(name).then(|| Cow::Owned(masker.account_hash(name))),
        });
        let hashes = texts(hashes);
        with(&batch, [("account", clear), (ACCOUNT_KEY, hashes)])
    }

    /// Findings as they may be told and kept.
    pub fn told(&self, mut evaluation: Evaluation) -> Evaluation {
        for episode in &mut evaluation.episodes {
            if self.are_hidden(&episode.tenant_id) {
                self.tell(episode);
            }
        }
        for gone in &mut evaluation.withdrawn {
            self.tell_withdrawn(gone);
        }
        evaluation
    }

    fn tell_withdrawn(&self, gone: &mut Withdrawn) {
        if self.are_hidden(&gone.tenant_id) {
            let key = self.key(&gone.tenant_id);
            let masker = Masker::new(self.policies.of(&gone.tenant_id), &key);
            gone.entity = told_entity(&masker, &gone.entity);
        }
    }

    fn tell(&self, episode: &mut Episode) {
        let policy: &PiiPolicy = self.policies.of(&episode.tenant_id);
        let key = self.key(&episode.tenant_id);
        let masker = Masker::new(policy, &key);
        let told = told_entity(&masker, &episode.entity);
        let clear = std::mem::replace(&mut episode.entity, told);
        for (_, names) in episode
            .facts
            .iter_mut()
            .filter(|(fact, _)| ACCOUNTS_FACTS.contains(&fact.as_str()))
        {
            let each = names.split(", ").map(|name| told_name(&masker, name));
            *names = each.collect::<Vec<_>>().join(", ");
        }
        let parts = parts(&clear).filter(|(kind, _)| names_account(kind));
        let of_entity: Vec<&str> = parts.map(|(_, name)| name).collect();
        let evidence = episode.evidence.iter_mut().map(|seen| &mut seen.summary);
        for text in evidence.chain(episode.facts.iter_mut().map(|(_, value)| value)) {
            for name in &of_entity {
                let cut = without_name(text, name, &told_name(&masker, name)).into_owned();
                *text = cut;
            }
            *text = self.without_known(&masker, text);
        }
    }

    /// The text without the names that this process has seen, where they stand as words: a chain of
    /// correlations tells the groups of its links.
    fn without_known(&self, masker: &Masker<'_>, text: &str) -> String {
        let names = self.names.borrow();
        let parts = text.split_inclusive(|c: char| c.is_whitespace() || ",;\"'()=".contains(c));
        parts
            .map(|part| {
                let word = part.trim_end_matches(|c: char| c.is_whitespace() || ",;\"'()=".contains(c));
                let hash = masker.account_hash(word);
                match names.get(&hash) {
                    Some(known) if **known == *word => Cow::Owned(format!("{hash}{}", &part[word.len()..])),
                    _ => Cow::Borrowed(part),
                }
            })
            .collect()
    }

    /// Whether a finding may not stand only because the accounts behind it are not known any more.
    pub fn may_be_behind(&self, finding: &Finding) -> bool {
        let counted = |(fact, _): &(String, String)| fact.contains("account");
        let forgotten = match self.policies.of(&finding.tenant_id).account {
            TextPolicy::Keep => false,
            TextPolicy::Mask => true,
            // Hashes are read back; rules see names.
            TextPolicy::Hash => finding.detector == "sigma",
        };
        forgotten && (names_account(&finding.entity.kind) || finding.facts.iter().any(counted))
    }
}

/// A name and no mask or placeholder.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text != "-" && text != ACCOUNT_MASK && !is_account_hash(text)
}

fn told_name(masker: &Masker<'_>, name: &str) -> String {
    if is_name(name) && name != "…" {
        masker.account_hash(name)
    } else {
        name.to_owned()
    }
}

/// Kinds and values of an entity of several fields. A value that holds commas cannot be taken
/// apart: it counts whole for each of its kinds.
fn parts(entity: &Entity) -> impl Iterator<Item = (&str, &str)> {
    let kinds = entity.kind.split(',').count();
    let apart = entity.value.split(',').count() == kinds;
    let mut values = entity.value.split(',');
    entity.kind.split(',').map(move |kind| {
        let value = if apart { values.next() } else { None };
        (kind, value.unwrap_or(&entity.value))
    })
}

fn told_entity(masker: &Masker<'_>, entity: &Entity) -> Entity {
    if !names_account(&entity.kind) {
        return entity.clone();
    }
    let apart = entity.value.split(',').count() == entity.kind.split(',').count();
    let told = parts(entity).map(|(kind, value)| {
        if names_account(kind) {
            told_name(masker, value)
        } else {
            value.to_owned()
        }
    });
    Entity {
        kind: entity.kind.clone(),
        value: if apart {
            told.collect::<Vec<_>>().join(",")
        } else {
            told_name(masker, &entity.value)
        },
    }
}

fn texts<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    let mut out = StringViewBuilder::new();
    values.for_each(|value| out.append_option(value));
    let array: StringViewArray = out.finish();
    Arc::new(array)
}

/// The batch with these columns in place of, or beside, its own.
fn with<const N: usize>(batch: &EventBatch, columns: [(&str, ArrayRef); N]) -> EventBatch {
    let schema = batch.records.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    let mut arrays = batch.records.columns().to_vec();
    for (name, array) in columns {
        match schema.index_of(name) {
            Ok(at) => arrays[at] = array,
            Err(_) => {
                fields.push(Arc::new(Field::new(name, DataType::Utf8View, true)));
                arrays.push(array);
            }
        }
    }
    let records = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("one text a row");
    EventBatch {
        records,
        ..batch.clone()
    }
}
