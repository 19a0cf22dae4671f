//! The rows beside the segments.

use crate::fixture::*;
use haetae_event::commit::{
    CleanupRow, CommitUnit, DeliveryMark, DlqRow, FindingChange, IncidentRow, PositionRow,
};
use haetae_event::disk::RealDisk;
use haetae_event::time::{DAY_US, SECOND_US};
use haetae_event::{Entity, Finding, Level, Micros, Reason, TenantId, TimeWindow};
use haetae_store::{AuditRow, DlqFilter, FindingFilter, FindingState, IncidentFilter, Outcome, StoreOptions};
use std::sync::Arc;
use std::time::Instant;

fn entity() -> Entity {
    Entity {
        kind: "ip".into(),
        value: "203.0.113.9".into(),
    }
}

fn at(seconds: i64) -> Micros {
    NOW.saturating_add(seconds * SECOND_US)
}

fn finding(id: &str, start: i64, end: i64, level: Level) -> Finding {
    Finding {
        id: id.into(),
        ts: at(start),
        detector: "sigma".into(),
        rule_id: "rule".into(),
        title: "title".into(),
        level,
        tenant_id: TenantId::default(),
        entity: entity(),
        score: 1.0,
        confidence: 0.5,
        window: TimeWindow {
            start: at(start),
            end: at(end),
        },
        count: 3,
        evidence: vec![],
        attack: vec!["T1190".into()],
        cost: None,
        risk_score: 0,
        risk_cause: String::new(),
        facts: vec![("a".into(), "b".into())],
        gap_us: 0,
        monotone: true,
    }
}

fn changes(findings: Vec<FindingChange>) -> CommitUnit {
    CommitUnit {
        findings,
        ..CommitUnit::default()
    }
}

#[test]
fn a_hundred_thousand_positions_are_looked_up_in_batches() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let row = |n: usize, value: Option<String>| PositionRow {
        source: "s3:bucket/".into(),
        key: format!("prefix/object-{n:09}.gz"),
        value,
    };
    let begun = Instant::now();
    let positions = (0..100_000).map(|n| row(n, Some(format!("{{\"etag\":{n}}}"))));
    let unit = CommitUnit {
        positions: positions.collect(),
        ..CommitUnit::default()
    };
    store.commit(unit).expect("commits");
    let keys: Vec<String> = (99_000..101_000).map(|n| row(n, None).key).collect();
    let found = store.positions("s3:bucket/", &keys).expect("reads");
    assert_eq!(found.iter().flatten().count(), 1000);
    assert_eq!(found[0].as_deref(), Some("{\"etag\":99000}"));
    assert_eq!(store.all_positions("s3:bucket/").expect("reads").len(), 100_000);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let unit = CommitUnit {
        positions: (0..100_000).map(|n| row(n, None)).collect(),
        ..CommitUnit::default()
    };
    store.commit(unit).expect("commits");
    assert!(store.all_positions("s3:bucket/").expect("reads").is_empty());
}

#[test]
fn cleanups_are_owed_until_finished_and_take_their_position_along() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let mut owed = unit("one", 0);
    owed.cleanups = vec![CleanupRow {
        source: "test".into(),
        key: "k".into(),
        action: "{}".into(),
    }];
    store.commit(owed).expect("commits");
    drop(store);
    let store = open(dir.path());
    let pending = store.pending_cleanups(10).expect("reads");
    assert_eq!((pending.len(), pending[0].attempts), (1, 0));
    store
        .fail_cleanup(pending[0].id, "later", at(60))
        .expect("writes");
    assert!(store.pending_cleanups(10).expect("reads").is_empty(), "not due");
    store.fail_cleanup(pending[0].id, "again", NOW).expect("writes");
    let again = store.pending_cleanups(10).expect("reads");
    assert_eq!(again[0].attempts, 2);
    store
        .finish_cleanup(again[0].id, Some(("test", "k")))
        .expect("writes");
    assert!(store.pending_cleanups(10).expect("reads").is_empty());
    assert_eq!(position(&store), None);
}

#[test]
fn what_is_known_of_one_entity_is_listed_whatever_the_rule() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let of = |id: &str, rule: &str, kind: &str, end: i64| {
        let mut finding = finding(id, 0, end, Level::Low);
        finding.rule_id = rule.into();
        finding.entity.kind = kind.into();
        FindingChange::Put(finding)
    };
    let mut other = finding("other", 0, 500, Level::Low);
    other.entity.value = "203.0.113.10".into();
    let all = vec![
        of("a", "one", "ip", 100),
        of("b", "two", "src_ip", 300),
        of("c", "two", "ip", 200),
        of("gone", "two", "ip", 400),
        FindingChange::Put(other),
    ];
    store.commit(changes(all)).expect("commits");
    let gone = FindingChange::Withdrawn { id: "gone".into() };
    store.commit(changes(vec![gone])).expect("commits");
    let about = |since: i64, limit: usize| -> Vec<String> {
        let tenant = TenantId::default();
        let found = store.findings_about(&tenant, &entity().value, at(since), limit);
        found.expect("reads").into_iter().map(|f| f.id).collect()
    };
    assert_eq!(about(0, 10), ["b", "c", "a"]);
    assert_eq!(about(200, 10), ["b", "c"]);
    assert_eq!(about(0, 1), ["b"]);
}

#[test]
fn findings_touch_merge_withdraw_and_list() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let put = |f: Finding| FindingChange::Put(f);
    let a = finding("a", 0, 100, Level::Low);
    let all = vec![
        put(a.clone()),
        put(finding("b", 200, 300, Level::High)),
        put(finding("c", 900, 950, Level::Critical)),
    ];
    store.commit(changes(all)).expect("commits");
    let touching = |from, to, gap: i64| -> Vec<String> {
        let window = TimeWindow {
            start: at(from),
            end: at(to),
        };
        let tenant = TenantId::default();
        let found = store.findings_touching(&tenant, "rule", &entity(), window, gap * SECOND_US);
        found.expect("reads").into_iter().map(|f| f.id).collect()
    };
    assert_eq!(touching(101, 199, 0), Vec::<String>::new());
    assert_eq!(touching(101, 199, 1), ["a", "b"]);
    assert_eq!(touching(100, 100, 0), ["a"]);
    assert_eq!(
        touching(i64::MIN / SECOND_US, i64::MAX / SECOND_US, 10),
        ["a", "b", "c"]
    );
    let window = TimeWindow {
        start: at(250),
        end: at(900),
    };
    let within = store.findings_in(&TenantId::default(), window).expect("reads");
    assert_eq!(
        within.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(),
        ["b", "c"]
    );

    let merged = FindingChange::MergedInto {
        id: "b".into(),
        into: "a".into(),
    };
    let gone = FindingChange::Withdrawn { id: "c".into() };
    store.commit(changes(vec![merged, gone])).expect("commits");
    let active = store.findings(&FindingFilter::default()).expect("reads");
    assert_eq!((active.len(), &active[0].finding), (1, &a));
    let b = store.finding("b").expect("reads").expect("kept");
    assert_eq!(
        (b.state, b.merged_into.as_deref()),
        (FindingState::Merged, Some("a"))
    );
    let filter = FindingFilter {
        states: vec![],
        level_min: Some(Level::High),
        since: Some(at(301)),
        ..FindingFilter::default()
    };
    let listed = store.findings(&filter).expect("reads");
    assert_eq!((listed.len(), listed[0].state), (1, FindingState::Withdrawn));
    let back = put(finding("c", 900, 960, Level::Medium));
    store.commit(changes(vec![back])).expect("commits");
    assert_eq!(touching(960, 960, 0), ["c"], "put again is active again");
}

#[test]
fn incidents_are_replaced_and_the_open_one_is_found() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let incident = |id: &str, state: &str, last: i64| IncidentRow {
        id: id.into(),
        tenant_id: TenantId::default(),
        entity_kind: "ip".into(),
        entity_value: "203.0.113.9".into(),
        state: state.into(),
        level: "high".into(),
        opened_at: NOW,
        updated_at: at(last),
        last_event_ts: at(last),
        document: "{}".into(),
    };
    let unit = CommitUnit {
        incidents: vec![
            incident("1", "open", 1),
            incident("2", "resolved", 5),
            incident("1", "contained", 3),
        ],
        ..CommitUnit::default()
    };
    store.commit(unit).expect("commits");
    let found = store
        .open_incident(&TenantId::default(), &entity())
        .expect("reads");
    assert_eq!(
        found.map(|i| (i.id, i.state)),
        Some(("1".into(), "contained".into()))
    );
    let listed = store.incidents(&IncidentFilter::default()).expect("reads");
    assert_eq!(
        listed.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(),
        ["2", "1"]
    );
    store.put_incident(&incident("1", "resolved", 9)).expect("writes");
    assert_eq!(
        store
            .open_incident(&TenantId::default(), &entity())
            .expect("reads"),
        None
    );
    assert_eq!(
        store.incident("1").expect("reads").expect("kept").state,
        "resolved"
    );
    assert_eq!(store.stat().expect("stat").incidents_open, 0);
}

#[test]
fn the_outbox_never_takes_one_cause_twice_and_ends_for_good() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    store.commit(unit("a", 0)).expect("commits");
    store.commit(unit("a", 0)).expect("commits");
    store.commit(unit("b", 0)).expect("commits");
    let due = |now: Micros| -> Vec<(String, u32)> {
        let due = store.outbox_due(now, 10).expect("reads");
        due.into_iter().map(|d| (d.row.id, d.attempts)).collect()
    };
    assert_eq!(due(NOW), [("o-a".into(), 0), ("o-b".into(), 0)]);
    let lease_until = at(30);
    store
        .outbox_mark("o-a", Outcome::Sending { lease_until })
        .expect("writes");
    assert_eq!(due(NOW), [("o-b".into(), 0)]);
    assert_eq!(due(at(30)).len(), 2, "a lease ends");
    let error = "x".repeat(5000);
    store
        .outbox_mark("o-a", Outcome::Retry { at: at(60), error })
        .expect("writes");
    assert_eq!(due(at(60))[0], ("o-a".into(), 1));
    store.outbox_mark("o-a", Outcome::Done).expect("writes");
    let error = "410".to_owned();
    store
        .outbox_mark("o-b", Outcome::Dead { error: error.clone() })
        .expect("writes");
    store
        .outbox_mark("o-b", Outcome::Retry { at: NOW, error })
        .expect("writes");
    assert!(due(Micros::MAX).is_empty());
    let counts = store.outbox_counts().expect("reads");
    assert_eq!((counts.done, counts.dead, counts.pending), (1, 1, 0));
    store.commit(unit("a", 0)).expect("commits");
    assert!(due(Micros::MAX).is_empty(), "told once");
}

fn refused(n: usize, bytes: usize) -> DlqRow {
    DlqRow {
        source: if n.is_multiple_of(2) { "even" } else { "odd" }.into(),
        tenant_id: TenantId::default(),
        origin: "file".into(),
        ordinal: n as u64,
        reason: if n.is_multiple_of(3) {
            Reason::BadJson
        } else {
            Reason::BadField
        },
        detail: "why".into(),
        parser: "web@v1".into(),
        at: NOW,
        bytes: vec![n as u8; bytes],
    }
}

#[test]
fn the_dead_letter_queue_expires_bytes_then_rows_never_counts() {
    let dir = tempfile::tempdir().expect("folder");
    let options = StoreOptions {
        dlq_bytes_max: 1000,
        dlq_rows_max: 50,
        ..StoreOptions::default()
    };
    let store = open_with(dir.path(), options, Arc::new(RealDisk));
    for part in 0..6 {
        let unit = CommitUnit {
            dlq: (part * 10..part * 10 + 10).map(|n| refused(n, 40)).collect(),
            ..CommitUnit::default()
        };
        store.commit(unit).expect("commits");
    }
    let listed = store.dlq_list(&DlqFilter::default()).expect("reads");
    assert_eq!(
        (listed.len(), listed[0].ordinal, listed[49].ordinal),
        (50, 59, 10)
    );
    let newest = store.dlq_show(listed[0].id).expect("reads").expect("there");
    assert_eq!(newest.bytes, Some(vec![59; 40]));
    let oldest = store.dlq_show(listed[49].id).expect("reads").expect("there");
    assert_eq!((oldest.bytes, oldest.entry.size), (None, 40));
    let stat = store.stat().expect("stat");
    assert_eq!((stat.dlq_records, stat.dlq_bytes), (50, 1000));
    let counted: u64 = store.dlq_counts().expect("reads").iter().map(|c| c.records).sum();
    assert_eq!(counted, 60);
    let filter = DlqFilter {
        reason: Some("bad_json".into()),
        source: Some("odd".into()),
        limit: 3,
    };
    let some = store.dlq_list(&filter).expect("reads");
    assert_eq!(some.iter().map(|e| e.ordinal).collect::<Vec<_>>(), [57, 51, 45]);

    let flood = CommitUnit {
        dlq: (0..200).map(|n| refused(n, 40)).collect(),
        ..CommitUnit::default()
    };
    store.commit(flood).expect("commits");
    let stat = store.stat().expect("stat");
    assert_eq!((stat.dlq_records, stat.dlq_bytes), (50, 1000));
}

#[test]
fn marks_expire_settings_and_audit_stay() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let mark = |name: &str, accepted_at: Micros| DeliveryMark {
        tenant_id: TenantId::default(),
        mark: name.into(),
        body_sha256: "00".into(),
        reply: "{}".into(),
        accepted_at,
    };
    let unit = CommitUnit {
        marks: vec![mark("key:old", Micros(NOW.0 - 2 * DAY_US)), mark("key:new", NOW)],
        settings: vec![("kpi_last_at".into(), "1".into())],
        ..CommitUnit::default()
    };
    store.commit(unit).expect("commits");
    let marks = store.marks_since(Micros(0)).expect("reads");
    assert_eq!(marks, [mark("key:new", NOW)]);
    let tenant = TenantId::default();
    assert_eq!(
        store.mark(&tenant, "key:new").expect("reads"),
        Some(mark("key:new", NOW))
    );
    assert_eq!(store.mark(&tenant, "key:old").expect("reads"), None);
    store.set_setting("kpi_last_at", "2").expect("writes");
    assert_eq!(store.setting("kpi_last_at").expect("reads").as_deref(), Some("2"));
    let row = AuditRow {
        at: NOW,
        actor: "admin".into(),
        action: "close".into(),
        subject: "1".into(),
        detail: String::new(),
    };
    store.audit(&row).expect("writes");
    assert_eq!(store.audit_list(5).expect("reads"), [row]);
}

#[test]
fn old_findings_and_delivered_messages_are_forgotten() {
    let dir = tempfile::tempdir().expect("folder");
    let store = open(dir.path());
    let ages = [("old", -401), ("young", -399)];
    let put = ages.map(|(id, days)| {
        let seconds = days * 86_400;
        FindingChange::Put(finding(id, seconds - 10, seconds, Level::High))
    });
    let mut both = changes(put.into());
    both.outbox = unit("waiting", 0).outbox;
    both.outbox.extend(unit("told", 0).outbox);
    for row in &mut both.outbox {
        row.created_at = Micros(NOW.0 - 91 * DAY_US);
    }
    store.commit(both).expect("commits");
    store.outbox_mark("o-told", Outcome::Done).expect("writes");
    store.compact().expect("keeps house");
    let kept = store.findings(&FindingFilter::default()).expect("reads");
    assert_eq!(
        kept.iter().map(|f| f.finding.id.as_str()).collect::<Vec<_>>(),
        ["young"]
    );
    let counts = store.outbox_counts().expect("reads");
    assert_eq!((counts.pending, counts.done), (1, 0), "what is owed stays owed");
}

#[test]
fn a_newer_catalog_is_refused_not_touched() {
    let dir = tempfile::tempdir().expect("folder");
    drop(open(dir.path()));
    let catalog = rusqlite::Connection::open(dir.path().join("catalog.db")).expect("opens");
    catalog.pragma_update(None, "user_version", 99).expect("writes");
    drop(catalog);
    let refused = haetae_store::Store::open(
        dir.path(),
        StoreOptions::default(),
        Arc::new(RealDisk),
        Arc::new(haetae_event::SystemClock),
    );
    assert!(matches!(
        refused,
        Err(haetae_store::StoreError::TooNew { found: 99, .. })
    ));
}
