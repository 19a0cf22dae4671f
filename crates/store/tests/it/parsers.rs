//! Users' parsers in the catalog, and the parsers of a file.

use crate::fixture::*;
use haetae_event::commit::CommitUnit;
use haetae_event::disk::RealDisk;
use haetae_store::{Added, Channel, ParserRow, ShadowRow};
use std::sync::Arc;

fn row(version: u32, definition: &str) -> ParserRow {
    ParserRow {
        name: "shop".into(),
        version,
        kind: "json".into(),
        dataset: "app".into(),
        definition: definition.into(),
        module: vec![],
        signed_by: String::new(),
        signature: String::new(),
        added_at: NOW,
    }
}

#[test]
fn versions_never_change() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    assert_eq!(store.add_parser(&row(1, "a"), "kim").expect("added"), Added::New);
    assert_eq!(
        store.add_parser(&row(1, "a"), "kim").expect("added"),
        Added::Unchanged
    );
    assert_eq!(
        store.add_parser(&row(1, "b"), "kim").expect("asked"),
        Added::Differs
    );
    assert_eq!(store.parsers().expect("read"), vec![row(1, "a")]);
    assert_eq!(store.parser("shop", 2).expect("read"), None);
}

#[test]
fn promotion_and_the_way_back() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let uses = || {
        let uses = store.parser_uses().expect("read");
        uses.into_iter()
            .map(|u| (u.channel, u.version))
            .collect::<Vec<_>>()
    };
    for version in 1..=3 {
        store.add_parser(&row(version, "a"), "kim").expect("added");
    }
    assert_eq!(uses(), [(Channel::Alpha, 3)]);
    assert_eq!(store.roll_back_parser("shop", NOW, "kim").expect("asked"), None);
    assert!(
        !store.promote_parser("shop", 9, NOW, "kim").expect("asked"),
        "no such version"
    );
    for version in [1, 2, 3] {
        assert!(
            store
                .promote_parser("shop", version, NOW, "kim")
                .expect("promoted")
        );
    }
    assert_eq!(uses(), [(Channel::Alpha, 3), (Channel::Stable, 3)]);
    assert_eq!(store.roll_back_parser("shop", NOW, "kim").expect("back"), Some(2));
    assert_eq!(uses(), [(Channel::Alpha, 3), (Channel::Stable, 2)]);
    let audit = store.audit_list(10).expect("read");
    assert_eq!(
        (audit[0].action.as_str(), audit[0].subject.as_str()),
        ("parser.rollback", "shop@v2")
    );
}

#[test]
fn comparisons_are_kept_until_they_end() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let mut shadow = ShadowRow {
        name: "shop".into(),
        candidate: 2,
        against: 1,
        started_at: NOW,
        updated_at: NOW,
        report: "{}".into(),
    };
    store.put_shadow(&shadow).expect("kept");
    shadow.report = "{\"records\":7}".into();
    store.put_shadow(&shadow).expect("kept");
    assert_eq!(store.shadows().expect("read"), vec![shadow]);
    assert!(store.end_shadow("shop", 2).expect("ended"));
    assert!(!store.end_shadow("shop", 2).expect("asked"));
}

#[test]
fn a_file_names_its_parsers_also_after_merging() {
    let dir = tempfile::tempdir().expect("folder");
    let options = haetae_store::StoreOptions {
        compact_files: 2,
        ..haetae_store::StoreOptions::default()
    };
    let store = open_with(dir.path(), options, Arc::new(RealDisk));
    for parser in ["shop@v1", "shop@v2"] {
        store.append_hot(batch("a", 1), parser);
    }
    store.commit(CommitUnit::default()).expect("committed");
    let parsers = || {
        let segments = store.segments(haetae_event::Dataset::Web).expect("read");
        segments.into_iter().map(|s| s.parsers).collect::<Vec<_>>()
    };
    assert_eq!(
        parsers(),
        [vec!["shop@v1".to_owned()], vec!["shop@v2".to_owned()]]
    );
    store.compact().expect("merged");
    assert_eq!(parsers(), [vec!["shop@v1".to_owned(), "shop@v2".to_owned()]]);
    drop(store);
    let again = open(dir.path());
    let segments = again.segments(haetae_event::Dataset::Web).expect("read");
    assert_eq!(segments[0].parsers, ["shop@v1", "shop@v2"]);
}
