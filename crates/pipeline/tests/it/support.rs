//! A store, detection over it, and batches of log-ins and requests.

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use haetae_detect::{Closing, Engine, EngineOptions, RuleSet};
use haetae_enrich::pii::{PiiPolicy, TextPolicy};
use haetae_event::clock::ManualClock;
use haetae_event::commit::{CommitUnit, FindingChange};
use haetae_event::disk::RealDisk;
use haetae_event::identity::InstallationKey;
use haetae_event::time::DAY_US;
use haetae_event::{Dataset, EventBatch, Finding, Micros, TenantId};
use haetae_pipeline::{Arrived, Detection, EqualRecords, Normaliser, Policies, Privacy, Reconciled};
use haetae_store::{FindingFilter, Store, StoreOptions};
use std::path::Path;
use std::sync::Arc;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
/// The first event, µs.
pub const START: i64 = 20_000 * DAY_US;

pub fn key() -> InstallationKey {
    InstallationKey::new([7; 32])
}

pub fn policies(account: TextPolicy) -> Policies {
    Policies {
        default: PiiPolicy {
            account,
            ..PiiPolicy::default()
        },
        ..Policies::default()
    }
}

pub fn store(dir: &Path) -> Store {
    let clock = ManualClock::at(Micros(START + DAY_US));
    Store::open(dir, StoreOptions::default(), Arc::new(RealDisk), Arc::new(clock)).expect("opens")
}

pub fn detection(account: TextPolicy) -> Detection {
    with_options(account, EngineOptions::default())
}

pub fn with_options(account: TextPolicy, options: EngineOptions) -> Detection {
    let engine = Engine::new(RuleSet::builtin(), options);
    Detection::new(engine, policies(account), key())
}

fn batch(
    dataset: Dataset,
    ts: Vec<i64>,
    texts: Vec<(&str, Vec<Option<String>>)>,
    status: Option<i32>,
) -> EventBatch {
    let rows = ts.len();
    let times = TimestampMicrosecondArray::from(ts).with_timezone("UTC");
    let mut columns: Vec<(&str, ArrayRef)> = vec![("ts", Arc::new(times))];
    for (name, values) in texts {
        columns.push((name, Arc::new(StringViewArray::from_iter(values))));
    }
    if let Some(status) = status {
        columns.push(("status", Arc::new(Int32Array::from(vec![status; rows]))));
    }
    let records = RecordBatch::try_from_iter(columns).expect("one length");
    let ordinals: Vec<u64> = (0..rows as u64).collect();
    let arrived = Arrived {
        tenant: &TenantId::default(),
        dataset,
        ingested_at: Micros(START),
        ordinals: &ordinals,
    };
    Normaliser::new(key()).normalise(&records, &arrived, &mut EqualRecords::default())
}

/// One log-in by ssh: seconds after the start, address, account, outcome.
pub type Login<'a> = (i64, &'a str, &'a str, &'a str);

pub fn logins(rows: &[Login<'_>]) -> EventBatch {
    let text = |of: &dyn Fn(&Login<'_>) -> String| rows.iter().map(|row| Some(of(row))).collect();
    let texts = vec![
        ("src_ip", text(&|row| row.1.into())),
        ("account", text(&|row| row.2.into())),
        ("event_outcome", text(&|row| row.3.into())),
        ("event_category", text(&|_| "authentication".into())),
        ("event_action", text(&|_| "login".into())),
        ("event_service", text(&|_| "ssh".into())),
        (
            "message",
            text(&|row| format!("{} password for {} from {} port 22 ssh2", row.3, row.2, row.1)),
        ),
    ];
    let ts = rows.iter().map(|row| START + row.0 * SECOND).collect();
    batch(Dataset::Syslog, ts, texts, None)
}

/// Requests of many clients for one page, evenly over a minute.
pub fn requests(minute: i64, count: i64, uri: &str) -> EventBatch {
    let all = || 0..count;
    let texts = vec![
        (
            "src_ip",
            all()
                .map(|n| Some(format!("198.51.{}.{}", n / 250 % 100, n % 250 + 1)))
                .collect(),
        ),
        ("method", all().map(|_| Some("GET".into())).collect()),
        ("uri", all().map(|_| Some(uri.into())).collect()),
        (
            "ua",
            all()
                .map(|n| Some(format!("Mozilla/5.0 (X11; Linux x86_64; rv:{n}.0) Firefox/{n}.0")))
                .collect(),
        ),
    ];
    let ts = all()
        .map(|n| START + minute * MINUTE + n * MINUTE / count)
        .collect();
    batch(Dataset::Web, ts, texts, Some(200))
}

/// A batch through detection into the store, as the driver does it.
pub fn take(detection: &mut Detection, store: &Store, account: TextPolicy, batch: &EventBatch) {
    detection.observe(batch);
    let stored = Privacy::new(policies(account), key()).stored(batch.clone());
    store.append_hot(stored, "test@v1");
}

/// Judges and commits.
pub fn settle(detection: &mut Detection, store: &Store, closing: &Closing) -> Reconciled {
    let found = detection.settle(store, closing).expect("settles");
    let unit = CommitUnit {
        findings: found.changes.clone(),
        ..CommitUnit::default()
    };
    store.commit(unit).expect("commits");
    found
}

/// What stands, oldest first.
pub fn findings(store: &Store) -> Vec<Finding> {
    let stored = store.findings(&FindingFilter {
        limit: 1_000,
        ..FindingFilter::default()
    });
    let mut found: Vec<Finding> = stored.expect("reads").into_iter().map(|s| s.finding).collect();
    found.sort_by(|a, b| (a.ts, &a.id).cmp(&(b.ts, &b.id)));
    found
}

pub fn withdrawn(found: &Reconciled) -> usize {
    let gone = |change: &&FindingChange| matches!(change, FindingChange::Withdrawn { .. });
    found.changes.iter().filter(gone).count()
}
