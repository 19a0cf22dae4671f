//! Parsers that waste time are suspended.

use super::guests::echo_but;
use super::support::*;
use haetae_sandbox::{Clock, Failure, Outcome, Parser, Quota, Runtime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Moves on by `step` each time it is read: every call into a guest takes `step`.
#[derive(Default)]
struct Steps {
    now_ms: AtomicU64,
    step_ms: AtomicU64,
}

impl Clock for Steps {
    fn now(&self) -> Duration {
        let step = self.step_ms.load(Ordering::SeqCst);
        Duration::from_millis(self.now_ms.fetch_add(step, Ordering::SeqCst))
    }
}

fn trapping(clock: &Arc<Steps>, budget_s: u64) -> Parser {
    let runtime = Runtime::with_clock(Arc::clone(clock) as Arc<dyn Clock>).unwrap();
    let quota = Quota {
        failure_budget: Duration::from_secs(budget_s),
        ..Quota::default()
    };
    Parser::load(
        &runtime,
        "acme-gate",
        "2.1.0",
        &wasm(&echo_but("(unreachable)")),
        quota,
    )
    .unwrap()
}

#[test]
fn a_used_up_budget_suspends_with_one_alarm() {
    let clock = Arc::new(Steps::default());
    clock.step_ms.store(1000, Ordering::SeqCst);
    let parser = trapping(&clock, 60);
    let mut sandbox = parser.sandbox();
    let records = records(1000, &[(10, "!"), (500, "!"), (700, "!"), (900, "!")]);
    assert_eq!(sandbox.alarm(), None);
    let batch = sandbox.run(&slices(&records));
    assert_eq!(failure(&batch, 10), Failure::Trap);
    assert_eq!(failure(&batch, 999), Failure::Suspended);
    let suspended = batch
        .iter()
        .filter(|o| matches!(o, Outcome::Failed(Failure::Suspended, _)))
        .count();
    // Those found before the suspension keep what they got, in their places.
    for i in (0..1000 - suspended).filter(|i| ![10, 500, 700, 900].contains(i)) {
        assert_eq!(raw(&batch, i).as_bytes(), records[i]);
    }
    let alarm = sandbox.alarm().expect("one alarm");
    assert_eq!(
        (&*alarm.parser, &*alarm.version, alarm.cause),
        ("acme-gate", "2.1.0", Failure::Trap)
    );
    assert!(
        alarm.spent > alarm.allowed && alarm.spent < Duration::from_secs(63),
        "{alarm}"
    );
    assert!(alarm.failed_calls > 10 && alarm.failed_records >= 1, "{alarm}");
    let text = alarm.to_string();
    assert!(
        text.contains("acme-gate 2.1.0") && text.contains("of 60.0 s") && text.contains("trap"),
        "{text}"
    );
    assert_eq!(sandbox.alarm(), None);

    let after = parser.sandbox().run(&[b"innocent"]);
    assert_eq!(
        failure(&after, 0),
        Failure::Suspended,
        "all sandboxes of a parser share its account"
    );
    assert_eq!(sandbox.alarm(), None, "no second alarm");

    parser.resume();
    assert_eq!(raw(&sandbox.run(&[b"innocent"]), 0), "innocent");
}

#[test]
fn what_is_long_ago_does_not_count() {
    let clock = Arc::new(Steps::default());
    let parser = trapping(&clock, 60);
    let mut sandbox = parser.sandbox();
    for _ in 0..20 {
        // 50 s of failure, then 61 minutes of peace.
        clock.step_ms.store(50_000, Ordering::SeqCst);
        assert_eq!(failure(&sandbox.run(&[b"!"]), 0), Failure::Trap);
        clock.step_ms.store(0, Ordering::SeqCst);
        clock.now_ms.fetch_add(61 * 60_000, Ordering::SeqCst);
    }
    clock.step_ms.store(35_000, Ordering::SeqCst);
    assert_eq!(failure(&sandbox.run(&[b"!"]), 0), Failure::Trap);
    assert!(!parser.is_suspended());
    assert_eq!(failure(&sandbox.run(&[b"!"]), 0), Failure::Trap);
    assert!(parser.is_suspended());
}

#[test]
fn success_costs_nothing() {
    let clock = Arc::new(Steps::default());
    clock.step_ms.store(100_000, Ordering::SeqCst);
    let parser = trapping(&clock, 60);
    let mut sandbox = parser.sandbox();
    for _ in 0..10 {
        assert_eq!(raw(&sandbox.run(&[b"fine"]), 0), "fine");
    }
    assert!(!parser.is_suspended());
}

#[test]
fn real_spinning_is_bounded_by_the_budget() {
    let quota = Quota {
        failure_budget: Duration::from_millis(400),
        ..impatient()
    };
    let parser = load(&echo_but("(loop $l (br $l))"), quota);
    let spinning = vec![b"!".to_vec(); 2000];
    let begin = std::time::Instant::now();
    let batch = parser.sandbox().run(&slices(&spinning));
    // 2,000 records of 150 ms each would be five minutes.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(batch.len(), 2000);
    assert_eq!(failure(&batch, 1999), Failure::Suspended);
    assert_eq!(
        parser.take_alarm().map(|alarm| alarm.cause),
        Some(Failure::TimeOut)
    );
}
