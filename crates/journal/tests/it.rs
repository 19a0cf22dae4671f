//! The journal through its trait, on real and failing disks.

use haetae_event::disk::{Disk, FaultDisk, RealDisk, SharedDisk};
use haetae_journal::{Journal, JournalError, JournalOptions, Position, SegmentJournal};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

const DIR: &str = "/data/journal";

fn small() -> JournalOptions {
    JournalOptions {
        segment_bytes: 400,
        ..JournalOptions::default()
    }
}

fn open(disk: &FaultDisk) -> SegmentJournal {
    SegmentJournal::open(Arc::new(disk.clone()), Path::new(DIR), small()).expect("opens")
}

/// Everything from `position`, and how many damaged places were met.
fn read_all(journal: &dyn Journal, mut position: Position) -> (Vec<Vec<u8>>, usize) {
    let (mut entries, mut damaged) = (Vec::new(), 0);
    loop {
        match journal.read_from(position, 64) {
            Ok(read) if read.is_empty() => return (entries, damaged),
            Ok(read) => {
                for (start, next, bytes) in read {
                    assert!(position <= start && start < next, "positions grow");
                    position = next;
                    entries.push(bytes);
                }
            }
            Err(JournalError::Damaged { resume, .. }) => {
                assert!(resume > position, "reading gets on");
                damaged += 1;
                position = resume;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What every [`Journal`] must do; `reopen` gives the same journal after a clean end.
fn contract(reopen: &dyn Fn() -> Box<dyn Journal>) {
    let journal = reopen();
    let start = journal.end();
    assert_eq!(read_all(journal.as_ref(), Position::default()), (vec![], 0));
    let entries: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n; usize::from(n) * 7]).collect();
    let mut positions = Vec::new();
    for entry in &entries {
        positions.push(journal.append(entry).expect("appends"));
    }
    assert!(positions.is_sorted() && positions[0] >= start);
    assert_eq!(read_all(journal.as_ref(), Position::default()).0, entries);
    assert_eq!(read_all(journal.as_ref(), positions[17]).0, entries[17..]);
    assert_eq!(read_all(journal.as_ref(), journal.end()).0.len(), 0);
    let end = journal.end();
    drop(journal);

    let journal = reopen();
    assert_eq!(journal.end(), end);
    assert_eq!(read_all(journal.as_ref(), Position::default()).0, entries);
    journal.release_before(positions[20]).expect("releases");
    let kept = read_all(journal.as_ref(), Position::default()).0;
    assert!(kept.ends_with(&entries[20..]), "nothing from there on is gone");
    assert_eq!(read_all(journal.as_ref(), positions[20]).0, entries[20..]);
    journal.release_before(end).expect("releases");
    drop(journal);

    let journal = reopen();
    let after = journal.append(b"after").expect("appends");
    assert!(after >= end, "positions are never used again");
    assert_eq!(read_all(journal.as_ref(), end).0, [b"after"]);
    let long = vec![0; JournalOptions::default().entry_bytes_max + 1];
    let refused = journal.append(&long);
    assert!(matches!(refused, Err(JournalError::EntryTooLarge { .. })));
}

#[test]
fn segment_journal_keeps_the_contract() {
    let disk = FaultDisk::new(1);
    contract(&|| Box::new(open(&disk)));
    let folder = tempfile::tempdir().expect("folder");
    let real: SharedDisk = Arc::new(RealDisk);
    let dir = folder.path().join("journal");
    contract(&|| Box::new(SegmentJournal::open(real.clone(), &dir, small()).expect("opens")));
}

#[test]
fn entries_of_many_threads_are_all_there_once() {
    let disk = FaultDisk::new(2);
    let journal = open(&disk);
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            let journal = &journal;
            scope.spawn(move || {
                for n in 0..200_u32 {
                    let entry = [thread.to_le_bytes(), n.to_le_bytes()].concat();
                    let at = journal.append(&entry).expect("appends");
                    let read = journal.read_from(at, 1).expect("reads its own");
                    assert_eq!((read[0].0, &read[0].2), (at, &entry));
                }
            });
        }
    });
    let (entries, damaged) = read_all(&journal, Position::default());
    assert_eq!((entries.len(), damaged), (1600, 0));
    assert_eq!(entries.iter().collect::<BTreeSet<_>>().len(), 1600);
}

/// Appends, releases and reopens until the power goes at `fuel`; returns what was acknowledged
/// and not released, and every entry that was ever tried.
fn run_until_crash(disk: &FaultDisk, fuel: u64) -> (Vec<Vec<u8>>, BTreeSet<Vec<u8>>) {
    let mut acknowledged: Vec<(Position, Vec<u8>)> = Vec::new();
    let mut tried = BTreeSet::new();
    let mut released = 0;
    disk.fail_after(fuel);
    let shared: SharedDisk = Arc::new(disk.clone());
    let Ok(journal) = SegmentJournal::open(shared, Path::new(DIR), small()) else {
        return (Vec::new(), tried);
    };
    for n in 0..60_u8 {
        let entry = vec![n; 10 + usize::from(n) * 3 % 97];
        tried.insert(entry.clone());
        match journal.append(&entry) {
            Ok(position) => acknowledged.push((position, entry)),
            Err(_) => break,
        }
        if n % 20 == 19 {
            let to = acknowledged[acknowledged.len() - 5].0;
            released = acknowledged.len() - 5;
            if journal.release_before(to).is_err() {
                break;
            }
        }
    }
    let kept = acknowledged.split_off(released);
    (kept.into_iter().map(|(_, entry)| entry).collect(), tried)
}

/// Whether every acknowledged entry survives a cut after `fuel` operations, and nothing else
/// than tried entries is read.
fn survives(seed: u64, fuel: u64, synced: bool) -> bool {
    let disk = FaultDisk::new(seed);
    if !synced {
        disk.ignore_syncs();
    }
    let (kept, tried) = run_until_crash(&disk, fuel);
    disk.crash();
    let shared: SharedDisk = Arc::new(disk.clone());
    let Ok(journal) = SegmentJournal::open(shared, Path::new(DIR), small()) else {
        return false;
    };
    let (found, damaged) = read_all(&journal, Position::default());
    let sound = journal.damages().is_empty() && damaged == 0;
    assert!(found.iter().all(|e| tried.contains(e)), "no invented entry");
    let survived = kept.iter().all(|entry| found.contains(entry));
    // Life goes on: the next entry is readable too.
    let next = journal.append(b"next").expect("appends");
    let read = journal.read_from(next, 1).expect("reads");
    sound && survived && read[0].2 == b"next"
}

#[test]
fn acknowledged_entries_survive_a_power_cut_at_any_operation() {
    for seed in 0..12 {
        for fuel in 0..200 {
            assert!(survives(seed, fuel, true), "seed {seed}, fuel {fuel}");
        }
    }
}

#[test]
fn without_syncs_the_same_check_fails() {
    let lost = (0..200).filter(|&fuel| !survives(1, fuel, false)).count();
    assert!(lost > 50, "only {lost} of 200 cuts were noticed");
}

#[test]
fn a_second_crash_during_recovery_changes_nothing() {
    for seed in 0..60 {
        let disk = FaultDisk::new(seed);
        let (kept, _) = run_until_crash(&disk, 60 + seed % 40);
        disk.crash();
        for fuel in 0..4 {
            disk.fail_after(fuel);
            let shared: SharedDisk = Arc::new(disk.clone());
            let _ = SegmentJournal::open(shared, Path::new(DIR), small());
            disk.crash();
        }
        let (found, damaged) = read_all(&open(&disk), Position::default());
        assert!(kept.iter().all(|e| found.contains(e)), "seed {seed}");
        assert_eq!(damaged, 0, "seed {seed}");
    }
}

#[test]
fn a_failed_sync_poisons_the_segment_and_the_next_append_takes_a_fresh_one() {
    let disk = FaultDisk::new(3);
    let journal = open(&disk);
    let first = journal.append(b"first").expect("appends");
    disk.fail_syncs(1);
    let refused = journal.append(b"never acknowledged");
    assert!(matches!(refused, Err(JournalError::NotWritten(_))));
    let second = journal.append(b"second").expect("appends");
    assert!(second.segment > first.segment);
    let expected = [b"first".to_vec(), b"second".to_vec()];
    assert_eq!(read_all(&journal, Position::default()).0, expected);
    drop(journal);
    disk.crash();
    let journal = open(&disk);
    assert_eq!(read_all(&journal, Position::default()), (expected.to_vec(), 0));
    assert!(journal.damages().is_empty());
}

#[test]
fn a_disk_that_stays_broken_refuses_and_recovers() {
    let disk = FaultDisk::new(4);
    let journal = open(&disk);
    journal.append(b"a").expect("appends");
    disk.fail_syncs(5);
    for _ in 0..5 {
        assert!(journal.append(b"x").is_err());
    }
    journal.append(b"b").expect("appends again");
    assert_eq!(read_all(&journal, Position::default()).0, [b"a", b"b"]);
    drop(journal);
    let journal = open(&disk);
    assert_eq!(read_all(&journal, Position::default()).0, [b"a", b"b"]);
    assert!(journal.damages().is_empty(), "{:?}", journal.damages());
}

fn filled(disk: &FaultDisk, entries: u8) -> Vec<Position> {
    let journal = open(disk);
    (0..entries)
        .map(|n| journal.append(&[n; 50]).expect("appends"))
        .collect()
}

#[test]
fn damage_in_the_middle_is_named_and_reading_resumes_behind_it() {
    let disk = FaultDisk::new(5);
    let positions = filled(&disk, 4);
    let path = disk.list(Path::new(DIR)).expect("list")[0].clone();
    disk.damage(&path, positions[1].offset + 30).expect("damages");
    let journal = open(&disk);
    let [damage] = journal.damages() else {
        panic!("{:?}", journal.damages());
    };
    assert_eq!((&damage.path, damage.offset), (&path, positions[1].offset));
    let first = journal.read_from(positions[0], 1).expect("reads")[0].1;
    match journal.read_from(first, 1) {
        Err(JournalError::Damaged {
            path: named,
            offset,
            resume,
        }) => {
            assert_eq!((named, offset), (path, positions[1].offset));
            assert_eq!(resume, positions[2]);
        }
        other => panic!("{other:?}"),
    }
    let (entries, damaged) = read_all(&journal, Position::default());
    assert_eq!((entries.len(), damaged), (3, 1));
}

#[test]
fn damage_in_an_older_segment_or_a_header_loses_only_what_it_hit() {
    let disk = FaultDisk::new(6);
    let positions = filled(&disk, 30);
    let paths = disk.list(Path::new(DIR)).expect("list");
    assert!(paths.len() > 3);
    disk.damage(&paths[1], 10).expect("header");
    let last_of_first = positions.iter().rfind(|p| p.segment == positions[0].segment);
    let offset = last_of_first.expect("some").offset;
    disk.damage(&paths[0], offset + 20).expect("entry");
    let journal = open(&disk);
    assert!(journal.damages().iter().any(|d| d.path == paths[1]));
    let (entries, _) = read_all(&journal, Position::default());
    assert_eq!(entries.len(), 29);
}

#[test]
fn a_missing_segment_is_reported() {
    let disk = FaultDisk::new(7);
    filled(&disk, 30);
    let paths = disk.list(Path::new(DIR)).expect("list");
    disk.remove(&paths[1]).expect("removes");
    let journal = open(&disk);
    assert!(journal.damages().iter().any(|d| d.path == paths[1]));
}

#[test]
fn readers_release_and_writers_do_not_disturb_each_other() {
    let disk = FaultDisk::new(8);
    let journal = open(&disk);
    let seen = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..500_u32 {
                journal.append(&n.to_le_bytes()).expect("appends");
            }
        });
        scope.spawn(|| {
            let mut at = Position::default();
            let mut seen = seen.lock().expect("one reader");
            while seen.len() < 500 {
                for (_, next, bytes) in journal.read_from(at, 200).expect("reads") {
                    seen.push(u32::from_le_bytes(bytes.try_into().expect("four bytes")));
                    at = next;
                }
                journal.release_before(at).expect("releases");
                std::thread::yield_now();
            }
        });
    });
    assert!(seen.into_inner().expect("ended").into_iter().eq(0..500));
    assert!(journal.bytes() < 1000, "released segments are gone");
}
