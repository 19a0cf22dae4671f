//! Forests as bytes, and the folder they are in.

use haetae_event::Micros;
use haetae_event::disk::{Disk, FaultDisk, RealDisk};
use haetae_learn::forest::LoadError;
use haetae_learn::store::{ModelStore, Promotion, StoreError};
use haetae_learn::{Forest, Matrix, Params};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn forest(seed: u64) -> Forest {
    let cells: Vec<f64> = (0..900).map(|n| f64::from(n * n % 83)).collect();
    let names = ["a".to_owned(), "b".to_owned(), "한글".to_owned()];
    let params = Params {
        seed,
        trees: 12,
        sample: 64,
        ..Params::default()
    };
    Forest::fit(
        Matrix::new(&cells, 3).expect("made for this test"),
        &names,
        params,
        Micros(1_772_323_200_000_000),
    )
    .expect("made for this test")
}

/// The same bytes with a checksum that fits: what somebody with a text editor could make.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 32;
    let checksum = Sha256::digest(&bytes[..at]);
    bytes[at..].copy_from_slice(&checksum);
    bytes
}

#[test]
fn every_damaged_byte_is_noticed() {
    let bytes = forest(1).to_bytes();
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(Forest::from_bytes(&damaged).is_err(), "byte {at}");
    }
    for length in [0, 1, 7, 8, 12, 20, 51, 52, bytes.len() / 2, bytes.len() - 1] {
        assert!(Forest::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(
        Forest::from_bytes(&longer),
        Err(LoadError::Length { .. })
    ));
    let mut newer = bytes.clone();
    newer[8] = 3;
    assert_eq!(Forest::from_bytes(&signed(newer)), Err(LoadError::Version(3)));
    assert_eq!(Forest::from_bytes(b"{}"), Err(LoadError::Magic));
}

#[test]
fn a_forest_keeps_what_it_knows() {
    let back = Forest::from_bytes(&forest(1).to_bytes()).unwrap();
    assert_eq!(back.features(), ["a", "b", "한글"]);
    assert_eq!(back.training().rows, 300);
    assert_eq!(back.training().trained_at, Micros(1_772_323_200_000_000));
    assert_eq!(back.training().fingerprint.len(), 64);
    assert_eq!(
        (back.params().trees, back.params().sample, back.params().seed),
        (12, 64, 1)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// With a fitting checksum, any change is an error or a forest that scores without a panic.
    #[test]
    fn hostile_files_are_harmless(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in prop::option::of(any::<prop::sample::Index>())) {
        let mut bytes = forest(2).to_bytes();
        for (at, byte) in edits {
            let at = 20 + at.index(bytes.len() - 52);
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            let kept = 20 + cut.index(bytes.len() - 52);
            bytes.truncate(kept + 32);
            bytes[12..20].copy_from_slice(&((kept - 20) as u64).to_le_bytes());
        }
        if let Ok(forest) = Forest::from_bytes(&signed(bytes)) {
            let columns = forest.features().len();
            let cells = vec![1.0; columns * 3];
            prop_assert!(forest.score(Matrix::new(&cells, columns).unwrap()).is_ok());
            prop_assert!(forest.explain(&cells[..columns]).is_ok());
        }
    }

    #[test]
    fn any_bytes_are_an_error(tail in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Forest::from_bytes(&tail).is_err());
        let length = (tail.len() as u64).to_le_bytes();
        let framed = [b"HAETAEIF", &1u32.to_le_bytes()[..], &length, &tail, &[0; 32]].concat();
        // A body of noise; its counts may be anything.
        let _ = Forest::from_bytes(&signed(framed));
    }
}

fn promotion(version: u32) -> Promotion {
    Promotion {
        version,
        at: Micros(7),
        note: "holds".to_owned(),
    }
}

fn store_on(disk: &FaultDisk) -> ModelStore {
    ModelStore::new(Arc::new(disk.clone()), PathBuf::from("/data/models"))
}

#[test]
fn versions_and_promotions() {
    let disk = FaultDisk::new(1);
    let store = store_on(&disk);
    assert!(store.names().unwrap().is_empty());
    assert_eq!(store.current("web").unwrap(), None);
    let forests = [forest(1), forest(2)];
    assert_eq!(store.add("web", &forests[0]).unwrap(), 1);
    assert_eq!(store.add("web", &forests[1]).unwrap(), 2);
    assert_eq!(store.names().unwrap(), ["web"]);
    assert_eq!(store.versions("web").unwrap(), [1, 2]);
    assert_eq!(store.load("web", 2).unwrap(), forests[1]);
    assert!(matches!(
        store.load("web", 3),
        Err(StoreError::NoVersion { version: 3, .. })
    ));
    assert!(store.promote("web", &promotion(3)).is_err());
    for version in [1, 2, 1] {
        store.promote("web", &promotion(version)).unwrap();
    }
    assert_eq!(store.current("web").unwrap(), Some(promotion(1)));
    let history: Vec<u32> = store.history("web").unwrap().iter().map(|p| p.version).collect();
    assert_eq!(history, [1, 2, 1]);
    for name in ["", "..", "a/b", "Web", "a\0b", &"x".repeat(65)] {
        assert!(
            matches!(store.add(name, &forests[0]), Err(StoreError::Name(_))),
            "{name}"
        );
    }
}

#[test]
fn a_damaged_model_is_not_promoted() {
    let disk = FaultDisk::new(1);
    let store = store_on(&disk);
    store.add("web", &forest(1)).unwrap();
    let path = Path::new("/data/models/web/0001/forest.bin");
    let length = disk.len(path).unwrap();
    disk.truncate(path, length - 9).unwrap();
    assert!(matches!(store.load("web", 1), Err(StoreError::Model { .. })));
    assert!(store.promote("web", &promotion(1)).is_err());
    assert_eq!(store.current("web").unwrap(), None);
}

/// Power fails after any operation: what was promised is there, the rest is whole or absent.
#[test]
fn a_crash_at_any_operation_leaves_whole_models() {
    let forests = [1, 2, 3].map(forest);
    for fuel in 0..40 {
        for seed in 0..3 {
            let disk = FaultDisk::new(seed);
            let store = store_on(&disk);
            disk.fail_after(fuel);
            let first = store.add("web", &forests[0]).is_ok();
            let promoted = first && store.promote("web", &promotion(1)).is_ok();
            let second = promoted && store.add("web", &forests[1]).is_ok();
            disk.crash();
            let store = store_on(&disk);
            let versions = store.versions("web").unwrap();
            assert!(!first || versions.contains(&1), "{fuel} {seed}");
            assert!(!second || versions.contains(&2), "{fuel} {seed}");
            for version in versions {
                assert_eq!(store.load("web", version).unwrap(), forests[version as usize - 1]);
            }
            let current = store.current("web").unwrap();
            assert!(!promoted || current == Some(promotion(1)));
            // And work goes on.
            let next = store.add("web", &forests[2]).unwrap();
            store.promote("web", &promotion(next)).unwrap();
            assert_eq!(store.current("web").unwrap(), Some(promotion(next)));
        }
    }
}

/// The service retrains while commands train and promote: nobody writes over anybody.
#[test]
fn writers_at_the_same_time_get_numbers_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("models");
    let forests: Vec<Forest> = (0..8).map(forest).collect();
    let added: Vec<(u32, usize)> = std::thread::scope(|scope| {
        let writers: Vec<_> = forests
            .chunks(2)
            .enumerate()
            .map(|(writer, own)| {
                let store = ModelStore::new(Arc::new(RealDisk), root.clone());
                scope.spawn(move || {
                    let add = |(place, forest)| {
                        let version = store.add("web", forest).unwrap();
                        store.promote("web", &promotion(version)).unwrap();
                        (version, writer * 2 + place)
                    };
                    own.iter().enumerate().map(add).collect::<Vec<_>>()
                })
            })
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    let store = ModelStore::new(Arc::new(RealDisk), root);
    for (version, which) in &added {
        assert_eq!(
            store.load("web", *version).unwrap(),
            forests[*which],
            "version {version}"
        );
    }
    assert_eq!(store.versions("web").unwrap().len(), 8);
    let mut promoted: Vec<u32> = store.history("web").unwrap().iter().map(|p| p.version).collect();
    promoted.sort_unstable();
    assert_eq!(promoted, store.versions("web").unwrap());
}

/// A claim that a crash left behind costs its number and nothing else.
#[test]
fn a_claim_left_behind_is_passed_by() {
    let disk = FaultDisk::new(1);
    let store = store_on(&disk);
    store.add("web", &forest(1)).unwrap();
    disk.create(Path::new("/data/models/web/000002.claim")).unwrap();
    assert_eq!(store.add("web", &forest(2)).unwrap(), 3);
    assert_eq!(store.versions("web").unwrap(), [1, 3]);
}

/// What is in use is said by the last file alone.
#[test]
fn an_old_promotion_that_is_damaged_stops_nothing() {
    let disk = FaultDisk::new(1);
    let store = store_on(&disk);
    store.add("web", &forest(1)).unwrap();
    store.promote("web", &promotion(1)).unwrap();
    disk.truncate(Path::new("/data/models/web/promotions/000001.json"), 3)
        .unwrap();
    assert!(matches!(store.current("web"), Err(StoreError::Promotion { .. })));
    store.promote("web", &promotion(1)).unwrap();
    assert_eq!(store.current("web").unwrap(), Some(promotion(1)));
}
