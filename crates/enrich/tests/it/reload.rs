//! Files that change, break and vanish under a running program.

use super::batches::{countries, scores, web};
use super::memory_files::MemoryFiles;
use super::shared::samples;
use haetae_enrich::config::{GeoConfig, ListConfig};
use haetae_enrich::files::DiskFiles;
use haetae_enrich::reputation::ListFormat;
use haetae_enrich::{EnrichConfig, Knowledge, Notice};
use haetae_event::Micros;
use haetae_event::clock::ManualClock;
use std::sync::Arc;
use std::sync::atomic::Ordering;

struct World {
    files: Arc<MemoryFiles>,
    clock: Arc<ManualClock>,
    knowledge: Knowledge,
}

fn list(name: &str, score: u8) -> ListConfig {
    ListConfig {
        name: name.into(),
        path: name.into(),
        format: ListFormat::Auto,
        score,
        max_age_h: None,
    }
}

fn world(config: EnrichConfig) -> World {
    let files = Arc::new(MemoryFiles::default());
    let clock = Arc::new(ManualClock::at(Micros(1_000_000_000)));
    let knowledge = Knowledge::new(&config, files.clone(), clock.clone()).unwrap();
    World {
        files,
        clock,
        knowledge,
    }
}

fn lists_world() -> World {
    world(EnrichConfig {
        reputation: vec![list("a", 40), list("b", 90)],
        reload_interval_s: 10,
        ..EnrichConfig::default()
    })
}

impl World {
    fn refresh_later(&self) -> Vec<Notice> {
        self.clock.advance_us(10_000_000);
        self.knowledge.refresh()
    }

    fn score(&self, address: &str) -> Option<i32> {
        let after = self.knowledge.enrichers().apply(web(&[Some(address)]));
        after.i32("ti_score").map(|column| column.value(0))
    }
}

fn alarm(notices: &[Notice]) -> &str {
    match notices {
        [Notice::Alarm { text }] => text,
        other => panic!("not one alarm: {other:?}"),
    }
}

#[test]
fn the_highest_score_of_all_lists() {
    let w = lists_world();
    w.files.put("a", 1, "203.0.113.0/24\n198.51.100.1\n");
    w.files.put("b", 1, "203.0.113.7\n10.0.0.1\n");
    let notices = w.knowledge.refresh();
    assert!(
        matches!(&notices[1], Notice::Loaded { detail, .. }
        if detail == "list \"b\": 1 entries, 1 private or reserved, never scored; line 2: private or reserved: \"10.0.0.1\""),
        "{notices:?}"
    );
    let rows = [
        Some("203.0.113.7"),
        Some("203.0.113.8"),
        Some("198.51.100.2"),
        Some("10.0.0.1"),
        None,
        Some("-"),
    ];
    let after = w.knowledge.enrichers().apply(web(&rows));
    assert_eq!(scores(&after), [Some(90), Some(40), Some(0), Some(0), None, None]);
    let matches = w
        .knowledge
        .reputation()
        .matches("203.0.113.7".parse().unwrap(), Micros(5));
    let named: Vec<(&str, u8)> = matches.iter().map(|m| (m.list.as_str(), m.score)).collect();
    assert_eq!(named, [("a", 40), ("b", 90)]);
    assert_eq!(matches[0].list_modified, Micros(1));
    assert!(
        w.knowledge
            .reputation()
            .matches("10.0.0.1".parse().unwrap(), Micros(5))
            .is_empty()
    );
}

#[test]
fn a_changed_list_is_read_once_the_interval_has_passed() {
    let w = lists_world();
    w.files.put("a", 1, "203.0.113.1\n");
    w.files.put("b", 1, "203.0.113.2\n");
    assert_eq!(w.knowledge.refresh().len(), 2);
    assert_eq!(w.score("203.0.113.9"), Some(0));
    w.files.put("a", 2, "203.0.113.9\n");
    let stamps = w.files.stamps.load(Ordering::SeqCst);
    assert_eq!(w.knowledge.refresh(), []);
    assert_eq!(
        w.files.stamps.load(Ordering::SeqCst),
        stamps,
        "not even looked at"
    );
    assert_eq!(w.refresh_later().len(), 1);
    assert_eq!(w.score("203.0.113.9"), Some(40));
    assert_eq!(w.score("203.0.113.1"), Some(0));
    let reads = w.files.reads.load(Ordering::SeqCst);
    assert_eq!(w.refresh_later(), []);
    assert_eq!(
        w.files.reads.load(Ordering::SeqCst),
        reads,
        "unchanged files are not read"
    );
    // A clock that was set back does not stop the checks.
    w.files.put("a", 3, "203.0.113.1\n");
    w.clock.set(Micros(5));
    assert_eq!(w.knowledge.refresh().len(), 1);
}

#[test]
fn a_broken_vanished_or_shrunken_list_keeps_the_old_one() {
    let w = lists_world();
    let many: String = (0..100).map(|n| format!("203.0.113.{n}\n")).collect();
    w.files.put("a", 1, many.clone());
    w.files.put("b", 1, "198.51.100.1\n");
    w.knowledge.refresh();
    let few: String = (0..40).map(|n| format!("203.0.113.{n}\n")).collect();
    for (step, (content, why)) in [
        ("<html>\nlogin\n", "bad of"),
        ("", "shrank from 100 to 0"),
        (few.as_str(), "shrank from 100 to 40"),
        ("{\"type\":\"bundle\",", "not a STIX bundle"),
    ]
    .into_iter()
    .enumerate()
    {
        w.files.put("a", 2 + step as i64, content);
        let notices = w.refresh_later();
        assert!(alarm(&notices).contains(why), "{notices:?}");
        assert!(alarm(&notices).starts_with("a: ") && alarm(&notices).ends_with("stays in use"));
        assert_eq!(w.score("203.0.113.99"), Some(40));
        assert_eq!(w.knowledge.alarms().len(), 1);
        assert_eq!(w.refresh_later(), [], "said once");
    }
    w.files.delete("a");
    assert!(alarm(&w.refresh_later()).contains("not found"));
    assert_eq!(w.refresh_later(), [], "said once");
    assert_eq!(w.score("203.0.113.99"), Some(40));
    w.files.put("a", 9, many);
    assert!(matches!(w.refresh_later()[..], [Notice::Loaded { .. }]));
    assert_eq!(w.knowledge.alarms(), Vec::<String>::new());
}

#[test]
fn a_list_that_was_never_there_says_so_and_scores_nothing() {
    let w = lists_world();
    let notices = w.knowledge.refresh();
    assert_eq!(notices.len(), 2);
    assert!(matches!(&notices[0], Notice::Alarm { text } if text.ends_with("there is no version in use")));
    assert_eq!(w.score("203.0.113.1"), None, "no column at all");
    w.files.put("b", 1, "203.0.113.1\n");
    w.refresh_later();
    assert_eq!(w.score("203.0.113.1"), Some(90));
}

#[test]
fn a_damaged_database_keeps_the_old_one_and_a_new_one_is_seen() {
    let Some(folder) = samples("mmdb") else { return };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let w = world(EnrichConfig {
        geo: GeoConfig {
            country: Some("c".into()),
            ..GeoConfig::default()
        },
        reload_interval_s: 10,
        ..EnrichConfig::default()
    });
    let mut list = w.knowledge.enrichers();
    let mut country = |address| countries(&list.apply(web(&[Some(address)])))[0].map(str::to_owned);
    w.files.put("c", 1, read("GeoLite2-Country-Test.mmdb"));
    assert!(matches!(w.knowledge.refresh()[..], [Notice::Loaded { .. }]));
    let first = country("81.2.69.160");
    assert_eq!(first.as_deref(), Some("GB"));

    let sound = read("GeoLite2-Country-Test.mmdb");
    for (step, damaged) in [
        sound[..sound.len() / 2].to_vec(),
        read("bad/cyclic-data-structure.mmdb"),
        read("GeoLite2-ASN-Test.mmdb"),
        Vec::new(),
    ]
    .into_iter()
    .enumerate()
    {
        w.files.put("c", 2 + step as i64, damaged);
        assert!(alarm(&w.refresh_later()).ends_with("the version read before stays in use"));
        assert_eq!(country("81.2.69.160"), first);
        assert_eq!(w.refresh_later(), []);
    }

    // The same tree with another country: answers cached before the swap are forgotten.
    let mut changed = sound;
    let mut at = 0;
    while let Some(found) = changed[at..].windows(3).position(|bytes| bytes == b"\x42GB") {
        changed[at + found + 1..at + found + 3].copy_from_slice(b"ZZ");
        at += found + 3;
    }
    assert!(at > 0, "the database writes GB as a string of two bytes");
    w.files.put("c", 9, changed);
    assert!(matches!(w.refresh_later()[..], [Notice::Loaded { .. }]));
    assert_eq!(country("81.2.69.160").as_deref(), Some("ZZ"));
}

#[test]
fn files_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.txt");
    std::fs::write(&path, "203.0.113.1\n").unwrap();
    let mut entry = list("a", 50);
    entry.path = path.clone();
    let config = EnrichConfig {
        reputation: vec![entry],
        reload_interval_s: 1,
        ..EnrichConfig::default()
    };
    let clock = Arc::new(ManualClock::at(Micros(1)));
    let knowledge = Knowledge::new(&config, Arc::new(DiskFiles), clock.clone()).unwrap();
    assert!(matches!(knowledge.refresh()[..], [Notice::Loaded { .. }]));
    std::fs::write(&path, "203.0.113.1\n203.0.113.2\n").unwrap();
    clock.advance_us(1_000_000);
    assert!(matches!(knowledge.refresh()[..], [Notice::Loaded { .. }]));
    let known = |address: &str| {
        !knowledge
            .reputation()
            .matches(address.parse().unwrap(), Micros(1))
            .is_empty()
    };
    assert!(known("203.0.113.2") && !known("203.0.113.3"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    clock.advance_us(1_000_000);
    assert!(alarm(&knowledge.refresh()).contains("not a regular file"));
    assert!(known("203.0.113.2"));
}
