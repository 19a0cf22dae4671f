//! The MaxMind test databases against the answers they were built from.

use super::batches::{asns, countries, web};
use super::shared::{gunzip, samples};
use haetae_enrich::config::GeoConfig;
use haetae_enrich::files::DiskFiles;
use haetae_enrich::geo::{Database, DatabaseError, Role};
use haetae_enrich::{EnrichConfig, Knowledge};
use haetae_event::SystemClock;
use haetae_event::net::Cidr;
use maxminddb::{Reader, WithinOptions};
use serde_json::Value;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

struct Expected {
    network: Cidr,
    /// The base as it is written: v4 networks of a v6 tree stand as `::a.b.c.d`.
    base: IpAddr,
    record: Value,
}

/// The networks of a source file, v4 as v4.
fn expected(path: &Path) -> Vec<Expected> {
    let parsed: Vec<serde_json::Map<String, Value>> =
        serde_json::from_slice(&gunzip(&fs::read(path).unwrap())).unwrap();
    let entries = parsed.into_iter().flatten();
    entries
        .map(|(network, record)| {
            let (base, bits) = network.split_once('/').unwrap();
            let (mut base, mut bits): (IpAddr, u8) = (base.parse().unwrap(), bits.parse().unwrap());
            if let IpAddr::V6(v6) = base
                && bits >= 96
                && v6.to_bits() >> 32 == 0
                && v6.to_bits() > 0xffff
            {
                base = IpAddr::V4(std::net::Ipv4Addr::from_bits(v6.to_bits() as u32));
                bits -= 96;
            }
            Expected {
                network: Cidr::new(base, bits).unwrap(),
                base,
                record,
            }
        })
        .collect()
}

/// The record of the narrowest network around an address.
fn narrowest(entries: &[Expected], address: IpAddr) -> &Value {
    let around = entries.iter().filter(|entry| entry.network.contains(address));
    &around.max_by_key(|entry| entry.network.bits()).unwrap().record
}

fn last(network: Cidr) -> IpAddr {
    match network.base() {
        IpAddr::V4(v4) => {
            IpAddr::V4((v4.to_bits() | u32::MAX.checked_shr(network.bits().into()).unwrap_or(0)).into())
        }
        IpAddr::V6(v6) => {
            IpAddr::V6((v6.to_bits() | u128::MAX.checked_shr(network.bits().into()).unwrap_or(0)).into())
        }
    }
}

fn load(folder: &Path, name: &str, role: Role) -> Database {
    Database::load(fs::read(folder.join(name)).unwrap(), role).unwrap()
}

#[test]
fn every_country_of_the_city_database() {
    let Some(folder) = samples("mmdb") else { return };
    let database = load(&folder, "GeoIP2-City-Test.mmdb", Role::Country);
    let entries = expected(&folder.join("GeoIP2-City-Test.json.gz"));
    let mut known = 0;
    for entry in &entries {
        for address in [entry.base, last(entry.network)] {
            let wanted = narrowest(&entries, address)["country"]["iso_code"].as_str();
            let got = database.country(address);
            assert_eq!(
                got.as_ref().map(|c| std::str::from_utf8(c).unwrap()),
                wanted,
                "{address}"
            );
            known += usize::from(got.is_some());
        }
    }
    assert!(
        entries.len() > 200 && known > 400,
        "{} networks, {known} known",
        entries.len()
    );
}

#[test]
fn every_number_of_the_asn_database() {
    let Some(folder) = samples("mmdb") else { return };
    let database = load(&folder, "GeoLite2-ASN-Test.mmdb", Role::Asn);
    let entries = expected(&folder.join("GeoLite2-ASN-Test.json.gz"));
    for entry in &entries {
        for address in [entry.base, last(entry.network)] {
            let wanted = narrowest(&entries, address)["autonomous_system_number"].as_u64();
            assert_eq!(database.asn(address).map(u64::from), wanted, "{address}");
            assert!(wanted.is_some());
        }
        // A v4-mapped v6 address is the v4 address.
        if let IpAddr::V4(v4) = entry.base {
            assert_eq!(database.asn(v4.to_ipv6_mapped().into()), database.asn(entry.base));
        }
    }
    assert!(entries.len() > 700);
}

/// Databases without a source file: the short path against decoding the whole record.
#[test]
fn every_network_of_the_other_databases() {
    let Some(folder) = samples("mmdb") else { return };
    for name in [
        "GeoLite2-Country-Test.mmdb",
        "GeoLite2-City-Test.mmdb",
        "GeoIP2-City-Test.mmdb",
    ] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let database = Database::load(bytes.clone(), Role::Country).unwrap();
        let reader = Reader::from_source(bytes).unwrap();
        let (mut networks, mut known) = (0, 0);
        for found in reader.networks(WithinOptions::default()).unwrap() {
            let found = found.unwrap();
            let record: Value = found.decode().unwrap().unwrap();
            let address = found.network().unwrap().ip();
            let got = database.country(address);
            let wanted = record["country"]["iso_code"].as_str();
            assert_eq!(
                got.as_ref().map(|c| std::str::from_utf8(c).unwrap()),
                wanted,
                "{name} {address}"
            );
            networks += 1;
            known += usize::from(got.is_some());
        }
        assert!(
            networks > 100 && known > 100,
            "{name}: {networks} networks, {known} known"
        );
    }
}

#[test]
fn a_database_of_another_kind_is_refused() {
    let Some(folder) = samples("mmdb") else { return };
    for (name, role) in [
        ("GeoLite2-ASN-Test.mmdb", Role::Country),
        ("GeoLite2-Country-Test.mmdb", Role::Asn),
        ("GeoIP2-Anonymous-IP-Test.mmdb", Role::Country),
    ] {
        let result = Database::load(fs::read(folder.join(name)).unwrap(), role);
        assert!(matches!(result, Err(DatabaseError::WrongKind { .. })), "{name}");
    }
}

#[test]
fn columns_from_disk_with_city_as_second_source() {
    let Some(folder) = samples("mmdb") else { return };
    let config = EnrichConfig {
        geo: GeoConfig {
            country: Some(folder.join("GeoLite2-Country-Test.mmdb")),
            asn: Some(folder.join("GeoLite2-ASN-Test.mmdb")),
            city: Some(folder.join("GeoIP2-City-Test.mmdb")),
        },
        ..EnrichConfig::default()
    };
    let knowledge = Knowledge::new(&config, Arc::new(DiskFiles), Arc::new(SystemClock)).unwrap();
    let mut list = knowledge.enrichers();
    // Before anything was read every value is null.
    let rows = [
        Some("81.2.69.160"),
        Some("::ffff:81.2.69.160"),
        Some("2001:218::9"),
        Some("1.128.0.5"),
        None,
    ];
    assert_eq!(countries(&list.apply(web(&rows))), [None; 5]);
    assert_eq!(knowledge.refresh().len(), 3);
    let after = list.apply(web(&rows));
    assert_eq!(countries(&after)[..3], [Some("GB"), Some("GB"), Some("JP")]);
    assert_eq!(asns(&after)[3..], [Some(1221), None]);
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST).to_string();
    assert_eq!(countries(&list.apply(web(&[Some(&v6)]))), [None]);
}
