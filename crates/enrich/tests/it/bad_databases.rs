//! Corrupt and lying databases: an error or "unknown", never a panic and never a long time.

use super::shared::samples;
use haetae_enrich::geo::{Database, Role};
use maxminddb::Reader;
use proptest::prelude::*;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Addresses all over both families.
fn addresses() -> Vec<IpAddr> {
    let mut list: Vec<IpAddr> = (0..=255u32)
        .flat_map(|upper| {
            [0, 1, 0x0012_3456, 0x00ff_ffff].map(|lower| IpAddr::V4((upper << 24 | lower).into()))
        })
        .collect();
    list.extend((0..128).flat_map(|bit| [1u128 << bit, !(1u128 << bit)].map(|bits| IpAddr::V6(bits.into()))));
    list.extend(
        ["::", "::1", "::ffff:1.2.3.4", "2001:218::", "2a02:d500::"]
            .map(|text| text.parse::<IpAddr>().unwrap()),
    );
    list
}

fn ask_everything(database: &Database) -> usize {
    addresses()
        .into_iter()
        .filter(|&address| database.country(address).is_some() | database.asn(address).is_some())
        .count()
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "mmdb"))
        .collect();
    files.sort();
    files
}

/// Beyond our own loading: the reader without its verification, which another user of the crate
/// may skip, must not panic or hang either.
///
/// How many look-ups found no data, gave data, and failed.
fn ask_unverified(bytes: Vec<u8>) -> Option<[usize; 3]> {
    let reader = Reader::from_source(bytes).ok()?;
    let mut counts = [0; 3];
    for address in addresses() {
        let Ok(found) = reader.lookup(address) else {
            counts[2] += 1;
            continue;
        };
        let short = [
            found
                .decode_path::<&str>(&maxminddb::path!["country", "iso_code"])
                .is_err(),
            found
                .decode_path::<u32>(&maxminddb::path!["autonomous_system_number"])
                .is_err(),
        ];
        match found.decode::<serde_json::Value>() {
            Ok(None) => counts[0] += 1,
            Ok(Some(_)) if !short.contains(&true) => counts[1] += 1,
            _ => counts[2] += 1,
        }
    }
    Some(counts)
}

#[test]
fn every_bad_file_is_refused() {
    let Some(folder) = samples("mmdb") else { return };
    let files = files(folder.join("bad"));
    assert_eq!(files.len(), 21);
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = fs::read(&path).unwrap();
        let start = Instant::now();
        for role in [Role::Country, Role::Asn] {
            // The one that is sound has no country and no number either.
            match Database::load(bytes.clone(), role) {
                Ok(database) => panic!(
                    "{name} as {role:?}: loaded, {} answers",
                    ask_everything(&database)
                ),
                Err(error) => println!("{name}: {role:?}: {error}"),
            }
        }
        match ask_unverified(bytes) {
            Some(counts) => println!("{name}: unverified: none, data, errors = {counts:?}"),
            None => println!("{name}: does not open"),
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{name} took {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn odd_databases_do_no_harm() {
    let Some(folder) = samples("mmdb") else { return };
    for path in files(folder) {
        let bytes = fs::read(&path).unwrap();
        for role in [Role::Country, Role::Asn] {
            match Database::load(bytes.clone(), role) {
                Ok(database) => assert!(ask_everything(&database) < 5_000),
                Err(error) => println!("{}: {role:?}: {error}", path.display()),
            }
        }
        ask_unverified(bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A sound file with flipped bytes or a missing end.
    #[test]
    fn damaged_files_do_no_harm(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
        city in any::<bool>(),
    ) {
        let Some(folder) = samples("mmdb") else { return Ok(()) };
        let name = if city { "GeoIP2-City-Test.mmdb" } else { "GeoLite2-ASN-Test.mmdb" };
        let mut bytes = fs::read(folder.join(name)).unwrap();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let role = if city { Role::Country } else { Role::Asn };
        if let Ok(database) = Database::load(bytes.clone(), role) {
            ask_everything(&database);
        }
        ask_unverified(bytes);
    }
}
