//! Clear addresses for detection over rows that were stored without them.
//!
//! A tenant's policy may cut or hash `src_ip` on the store branch. When detection reads such rows
//! back (at start, or for late objects), the address comes from what this process has seen, from
//! the 256 addresses of a cut v4 network (the one whose `src_key` the row carries), or it stays
//! unknown: then each client still is one entity, named by its network and its `src_key`, which is
//! no address and can never be blocked by mistake.
//!
//! What is not here: anything that is stored. All of it lives in memory.

use ahash::RandomState;
use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, RecordBatch, StringViewArray, StringViewBuilder};
use haetae_event::EventBatch;
use haetae_event::identity::{InstallationKey, hex};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

type SrcKey = [u8; 16];

/// Clients remembered in each of two generations: the older one is dropped when the newer is full.
const CLIENTS_MAX: usize = 500_000;

/// Remembers which address has which `src_key`.
pub struct Identities {
    key: InstallationKey,
    newer: HashMap<SrcKey, Arc<str>, RandomState>,
    older: HashMap<SrcKey, Arc<str>, RandomState>,
}

fn columns(batch: &EventBatch) -> Option<(&StringViewArray, &FixedSizeBinaryArray)> {
    let keys = batch.column("src_key")?.as_any().downcast_ref()?;
    Some((batch.str("src_ip")?, keys))
}

fn key_at(keys: &FixedSizeBinaryArray, row: usize) -> Option<SrcKey> {
    keys.is_valid(row)
        .then(|| keys.value(row).try_into().ok())
        .flatten()
}

impl Identities {
    pub fn new(key: InstallationKey) -> Self {
        Identities {
            key,
            newer: HashMap::default(),
            older: HashMap::default(),
        }
    }

    /// Notes the clear addresses of a batch.
    pub fn remember(&mut self, batch: &EventBatch) {
        let Some((addresses, keys)) = columns(batch) else {
            return;
        };
        for row in 0..batch.rows() {
            if let Some(key) = key_at(keys, row)
                && addresses.is_valid(row)
                && !self.newer.contains_key(&key)
            {
                self.put(key, addresses.value(row));
            }
        }
    }

    /// Notes an address from elsewhere, e.g. a finding's.
    pub fn remember_address(&mut self, text: &str) {
        if let Ok(address) = text.parse::<IpAddr>() {
            self.put(self.key.src_key(address), text);
        }
    }

    fn put(&mut self, key: SrcKey, address: &str) {
        if self.newer.len() >= CLIENTS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, address.into());
    }

    /// The batch with clear addresses where they can be known.
    pub fn restore(&mut self, batch: &EventBatch) -> EventBatch {
        let Some((addresses, keys)) = columns(batch) else {
            return batch.clone();
        };
        let mut out = StringViewBuilder::with_capacity(batch.rows());
        for row in 0..batch.rows() {
            let stored = addresses.is_valid(row).then(|| addresses.value(row));
            match stored.zip(key_at(keys, row)) {
                Some((stored, key)) => out.append_value(self.clear(stored, key)),
                None => out.append_option(stored),
            }
        }
        let schema = batch.records.schema();
        let replaced: ArrayRef = Arc::new(out.finish());
        let columns = schema
            .fields()
            .iter()
            .zip(batch.records.columns())
            .map(|(field, column)| {
                if field.name() == "src_ip" {
                    replaced.clone()
                } else {
                    column.clone()
                }
            })
            .collect();
        EventBatch {
            records: RecordBatch::try_new(schema, columns).expect("one text a row"),
            ..batch.clone()
        }
    }

    fn clear(&mut self, stored: &str, key: SrcKey) -> Arc<str> {
        if let Some(known) = self.newer.get(&key).or_else(|| self.older.get(&key)) {
            return known.clone();
        }
        let found: Arc<str> = match stored.parse::<IpAddr>() {
            // Stored before the policy was set.
            Ok(address) if self.key.src_key(address) == key => stored.into(),
            Ok(IpAddr::V4(network)) => match self.in_network(network, key) {
                Some(address) => address.to_string().into(),
                None => return unknown(stored, key),
            },
            Ok(IpAddr::V6(_)) => return unknown(stored, key),
            // A keyed hash names one client already.
            Err(_) => return stored.into(),
        };
        self.put(key, &found);
        found
    }

    fn in_network(&self, network: Ipv4Addr, key: SrcKey) -> Option<Ipv4Addr> {
        let [a, b, c, _] = network.octets();
        (0..=255)
            .map(|last| Ipv4Addr::new(a, b, c, last))
            .find(|address| self.key.src_key(IpAddr::V4(*address)) == key)
    }
}

fn unknown(network: &str, key: SrcKey) -> Arc<str> {
    format!("{network}#{}", &hex(&key)[..12]).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use haetae_event::{Dataset, TenantId};

    fn batch(stored: &[&str], clear: &[&str]) -> EventBatch {
        let key = InstallationKey::new([3; 32]);
        let keys = clear
            .iter()
            .map(|text| key.src_key(text.parse().expect("an address")));
        let columns: [(&str, ArrayRef); 2] = [
            ("src_ip", Arc::new(StringViewArray::from_iter_values(stored))),
            (
                "src_key",
                Arc::new(FixedSizeBinaryArray::try_from_iter(keys).expect("16 bytes each")),
            ),
        ];
        EventBatch {
            tenant: TenantId::default(),
            dataset: Dataset::Web,
            records: RecordBatch::try_from_iter(columns).expect("one length"),
        }
    }

    fn restored(identities: &mut Identities, batch: &EventBatch) -> Vec<String> {
        let out = identities.restore(batch);
        let texts = out.str("src_ip").expect("a column");
        texts.iter().flatten().map(str::to_owned).collect()
    }

    #[test]
    fn every_client_stays_one_entity() {
        let mut identities = Identities::new(InstallationKey::new([3; 32]));
        let clear = [
            "203.0.113.9",
            "203.0.113.200",
            "2001:db8::1",
            "2001:db8::2",
            "198.51.100.7",
        ];
        let cut = [
            "203.0.113.0",
            "203.0.113.0",
            "2001:db8::",
            "2001:db8::",
            "ip-0011223344556677",
        ];
        let stored = batch(&cut, &clear);
        let got = restored(&mut identities, &stored);
        assert_eq!(got[..2], clear[..2], "v4 is found in its network");
        assert!(got[2].starts_with("2001:db8::#") && got[2] != got[3], "{got:?}");
        assert_eq!(got[4], "ip-0011223344556677");
        identities.remember(&batch(&clear, &clear));
        assert_eq!(
            restored(&mut identities, &stored),
            clear,
            "what was seen is known"
        );
        let mut fresh = Identities::new(InstallationKey::new([3; 32]));
        fresh.remember_address("2001:db8::2");
        assert_eq!(restored(&mut fresh, &stored)[3], "2001:db8::2");
    }
}
