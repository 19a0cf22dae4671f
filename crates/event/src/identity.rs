//! Identities: `raw_hash`, `src_key`, finding ids.

use crate::dataset::Dataset;
use crate::finding::Entity;
use crate::tenant::TenantId;
use crate::time::Micros;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// The installation's secret: 32 bytes, made at first start, kept in the data directory. Held as the
/// state it puts an HMAC into: half of what hashing an address costs.
#[derive(Clone)]
pub struct InstallationKey(Hmac<Sha256>);

impl InstallationKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        InstallationKey(Hmac::new_from_slice(&bytes).expect("HMAC takes any key length"))
    }

    /// HMAC-SHA256 of the full address, cut to 16 bytes. v4 addresses are hashed as 4 bytes,
    /// v6 as 16, so that the key does not depend on how the text was written.
    pub fn src_key(&self, address: IpAddr) -> [u8; 16] {
        let mut mac = self.0.clone();
        match address {
            IpAddr::V4(v4) => mac.update(&v4.octets()),
            IpAddr::V6(v6) => mac.update(&v6.octets()),
        }
        let full = mac.finalize().into_bytes();
        let mut key = [0u8; 16];
        key.copy_from_slice(&full[..16]);
        key
    }
}

impl InstallationKey {
    /// A number that nobody outside can know, for hashes that decide what is kept; another one for
    /// each purpose, the same as long as the installation lives.
    pub fn seed(&self, purpose: &str) -> u64 {
        let mut mac = self.0.clone();
        mac.update(b"seed-v1\0");
        mac.update(purpose.as_bytes());
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        u64::from_le_bytes(*full.first_chunk().expect("32 bytes"))
    }

    /// The tenant's own secret, for pseudonyms that no other tenant's data shares.
    pub fn tenant_key(&self, tenant: &TenantId) -> TenantKey {
        let mut mac = self.0.clone();
        mac.update(b"tenant-v1\0");
        mac.update(tenant.as_str().as_bytes());
        TenantKey(mac.finalize().into_bytes().into())
    }
}

/// A tenant's secret, derived from the installation's.
#[derive(Clone)]
pub struct TenantKey([u8; 32]);

impl TenantKey {
    /// HMAC-SHA256 over the kind of value and the value.
    pub fn keyed_hash(&self, kind: &str, value: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key length");
        mac.update(kind.as_bytes());
        mac.update(b"\0");
        mac.update(value);
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TenantKey(…)")
    }
}

impl std::fmt::Debug for InstallationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstallationKey(…)")
    }
}

/// What tells two byte-equal records apart.
#[derive(Clone, Copy, Debug)]
pub enum Distinguisher<'a> {
    /// `x-edge-request-id`, `eventID`, …
    VendorId(&'a [u8]),
    /// The ordinal among byte-equal records of its delivery.
    Ordinal(u64),
}

/// sha256 over length-prefixed `"v1"`, tenant, dataset, record bytes and the distinguisher.
pub fn raw_hash(tenant: &TenantId, dataset: Dataset, record: &[u8], which: Distinguisher<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(b"v1");
    field(tenant.as_str().as_bytes());
    field(dataset.as_str().as_bytes());
    field(record);
    match which {
        Distinguisher::VendorId(id) => field(id),
        Distinguisher::Ordinal(n) => field(&n.to_le_bytes()),
    }
    hash.finalize().into()
}

/// 16 hex digits over tenant, rule, entity and the start of the episode.
pub fn finding_id(tenant: &TenantId, rule_id: &str, entity: &Entity, start: Micros) -> String {
    let parts: [&[u8]; 6] = [
        b"finding-v1",
        tenant.as_str().as_bytes(),
        rule_id.as_bytes(),
        entity.kind.as_bytes(),
        entity.value.as_bytes(),
        &start.0.to_le_bytes(),
    ];
    hex(&digest(&parts)[..8])
}

/// sha256 over the length-prefixed parts.
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_with_other_ordinals_differ() {
        let t = TenantId::default();
        let a = raw_hash(&t, Dataset::Web, b"line", Distinguisher::Ordinal(0));
        let b = raw_hash(&t, Dataset::Web, b"line", Distinguisher::Ordinal(1));
        assert_ne!(a, b);
        assert_eq!(a, raw_hash(&t, Dataset::Web, b"line", Distinguisher::Ordinal(0)));
    }

    #[test]
    fn src_key_depends_on_the_installation() {
        let ip: IpAddr = "203.0.113.9".parse().expect("valid");
        let a = InstallationKey::new([1; 32]).src_key(ip);
        assert_eq!(a, InstallationKey::new([1; 32]).src_key(ip));
        assert_ne!(a, InstallationKey::new([2; 32]).src_key(ip));
    }
}
