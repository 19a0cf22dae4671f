#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "test inputs are small and known"
)]

use super::*;
use crate::contract::{Commit, MemoryLedger, Seen, exam, once, start};
use crate::seam::Source;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn source(folder: &Path) -> Box<dyn Source> {
    let pattern = folder.join("*.log*").display().to_string();
    Box::new(FileSource::new(FileConfig {
        paths: vec![pattern],
        ..FileConfig::default()
    }))
}

fn append(path: &Path, text: &str) {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("appended");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn ledger() -> Arc<MemoryLedger> {
    Arc::new(MemoryLedger::default())
}

#[test]
fn it_passes_the_exam_of_all_sources() {
    let folder = folder();
    append(&folder.path().join("a.log"), "a1\na2\na3");
    append(&folder.path().join("b.log"), "b1\n");
    append(&folder.path().join("other.txt"), "c1\n");
    exam(&|| source(folder.path()), &["a1", "a2", "a3", "b1"]);
}

#[test]
fn growth_new_files_and_half_lines_are_followed() {
    let folder = folder();
    let path = folder.path().join("a.log");
    append(&path, "a1\nhal");
    let running = start(source(folder.path()), &ledger(), false);
    let mut seen = Seen::default();
    running.take_until(&mut seen, Commit::Finished, |seen| !seen.read.is_empty());
    assert_eq!(seen.lines(), ["a1"]);
    append(&path, "f\n");
    append(&folder.path().join("b.log"), "b1\n");
    running.take_until(&mut seen, Commit::Finished, |seen| seen.lines().len() == 3);
    assert_eq!(seen.lines(), ["a1", "b1", "half"]);
    append(&path, "tail without its end");
    running.take_until(&mut seen, Commit::Finished, |seen| seen.lines().len() == 4);
    assert_eq!(seen.lines()[3], "tail without its end");
    running.stop_now();
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_its_successor() {
    let folder = folder();
    let (path, moved) = (folder.path().join("a.log"), folder.path().join("old-a"));
    append(&path, "1\n");
    let running = start(source(folder.path()), &ledger(), false);
    let mut seen = Seen::default();
    running.take_until(&mut seen, Commit::Finished, |seen| !seen.read.is_empty());
    fs::rename(&path, &moved).expect("renamed");
    append(&moved, "2\n");
    append(&path, "3\n");
    running.take_until(&mut seen, Commit::Finished, |seen| seen.lines().len() == 3);
    let order: Vec<String> = seen.read.iter().flat_map(|(_, lines, _)| lines.clone()).collect();
    assert_eq!(order, ["1", "2", "3"]);
    running.stop_now();
}

#[test]
fn a_file_renamed_within_the_pattern_is_not_read_again() {
    let folder = folder();
    let path = folder.path().join("a.log");
    append(&path, "1\n");
    let ledger = ledger();
    once(source(folder.path()), &ledger, Commit::Finished);
    fs::rename(&path, folder.path().join("a.log.1")).expect("renamed");
    append(&path, "2\n");
    assert_eq!(
        once(source(folder.path()), &ledger, Commit::Finished).lines(),
        ["2"]
    );
}

#[test]
fn a_file_rotated_while_nobody_followed_is_found_by_its_inode() {
    let folder = folder();
    let (path, moved) = (folder.path().join("a.log"), folder.path().join("rotated"));
    append(&path, "1\n");
    let ledger = ledger();
    once(source(folder.path()), &ledger, Commit::Finished);
    append(&path, "2\n");
    fs::rename(&path, &moved).expect("renamed");
    append(&path, "3\n");
    assert_eq!(
        once(source(folder.path()), &ledger, Commit::Finished).lines(),
        ["2", "3"]
    );
}

#[test]
fn a_truncated_file_is_read_from_its_beginning() {
    let folder = folder();
    let path = folder.path().join("a.log");
    append(&path, "old one\nold two\n");
    let running = start(source(folder.path()), &ledger(), false);
    let mut seen = Seen::default();
    running.take_until(&mut seen, Commit::Finished, |seen| !seen.read.is_empty());
    // Longer than before: only the beginning tells.
    fs::write(&path, "new one\nnew two\nnew three\n").expect("rewritten in place");
    running.take_until(&mut seen, Commit::Finished, |seen| seen.lines().len() == 5);
    fs::write(&path, "x\n").expect("rewritten in place");
    running.take_until(&mut seen, Commit::Finished, |seen| seen.lines().len() == 6);
    running.stop_now();
    assert_eq!(
        seen.lines(),
        ["new one", "new three", "new two", "old one", "old two", "x"]
    );
}

#[test]
fn a_compressed_file_is_delivered_once_and_whole() {
    let folder = folder();
    fs::write(folder.path().join("a.log.gz"), [0x1f, 0x8b, 8, 0, b'\n', b'z']).expect("written");
    let ledger = ledger();
    assert_eq!(
        once(source(folder.path()), &ledger, Commit::Finished).read.len(),
        1
    );
    assert_eq!(
        once(source(folder.path()), &ledger, Commit::Finished).read.len(),
        0
    );
}

#[test]
fn later_stretches_bring_the_layout_lines_without_counting_them() {
    let folder = folder();
    let path = folder.path().join("a.log");
    append(&path, "#Version: 1.0\n#Fields: a b\n1 2\n");
    let ledger = ledger();
    once(source(folder.path()), &ledger, Commit::Finished);
    append(&path, "3 4\n5 6\n");
    let running = start(source(folder.path()), &ledger, true);
    let Some(crate::SourceMessage::Delivery(mut delivery)) =
        running.inbox.receive(Duration::from_secs(5)).expect("open")
    else {
        panic!("a delivery")
    };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut delivery.body, &mut text).expect("text");
    assert_eq!(
        (text.as_str(), delivery.skip_records),
        ("#Version: 1.0\n#Fields: a b\n3 4\n5 6\n", 2)
    );
    // Committed after one of its two records: the rest comes again.
    ledger.commit(delivery.position_rows(3, false));
    drop(delivery);
    running.wait();
    assert_eq!(
        once(source(folder.path()), &ledger, Commit::Finished).lines(),
        ["5 6"]
    );
}

#[test]
fn what_is_known_of_the_lines_comes_with_them() {
    let folder = folder();
    append(&folder.path().join("a.log"), "Mar  1 12:00:00 h a: x\n");
    let told = FileSource::new(FileConfig {
        paths: vec![folder.path().join("a.log").display().to_string()],
        format: Some("syslog".to_owned()),
        time_zone: Some("Asia/Seoul".to_owned()),
        ..FileConfig::default()
    });
    let running = start(Box::new(told), &ledger(), true);
    let Some(crate::SourceMessage::Delivery(delivery)) =
        running.inbox.receive(Duration::from_secs(5)).expect("open")
    else {
        panic!("a delivery")
    };
    assert_eq!(delivery.forced_format.as_deref(), Some("syslog"));
    assert_eq!(delivery.time_zone.as_deref(), Some("Asia/Seoul"));
    drop(delivery);
    running.wait();
}

#[test]
fn mistakes_of_the_configuration() {
    let config = |path: &str| FileConfig {
        paths: vec![path.to_owned()],
        ..FileConfig::default()
    };
    assert!(FileConfig::default().validate().is_err());
    assert!(config("[").validate().is_err());
    assert!(config("/var/log/*.log").validate().is_ok());
}
