use super::*;
use crate::notifier::Delivery;
use crate::outbox::OutboxError;
use futures::future::{BoxFuture, FutureExt};
use haetae_event::clock::ManualClock;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

#[derive(Default)]
struct FakeOutbox {
    rows: Mutex<Vec<(OutboxRow, u32)>>,
    log: Mutex<Vec<(String, Outcome)>>,
    record_failures: Mutex<u32>,
}

impl Outbox for FakeOutbox {
    fn due(&self, _now: Micros, limit: usize) -> Result<Vec<(OutboxRow, u32)>, OutboxError> {
        Ok(self.rows.lock().unwrap().iter().take(limit).cloned().collect())
    }

    fn record(&self, id: &str, outcome: Outcome) -> Result<(), OutboxError> {
        let mut failures = self.record_failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(OutboxError("disk busy".into()));
        }
        let mut rows = self.rows.lock().unwrap();
        match outcome {
            Outcome::RetryAt { .. } => rows
                .iter_mut()
                .filter(|(r, _)| r.id == id)
                .for_each(|(_, n)| *n += 1),
            _ => rows.retain(|(r, _)| r.id != id),
        }
        self.log.lock().unwrap().push((id.to_owned(), outcome));
        Ok(())
    }
}

/// Answers from a script, then `Delivered`; keeps what it was given.
struct Scripted {
    name: &'static str,
    script: Mutex<VecDeque<Delivery>>,
    seen: Arc<Mutex<Vec<String>>>,
    delay: Duration,
}

impl Notifier for Scripted {
    fn channel(&self) -> &str {
        self.name
    }

    fn deliver<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Delivery> {
        async move {
            tokio::time::sleep(self.delay).await;
            self.seen.lock().unwrap().push(row.id.clone());
            self.script
                .lock()
                .unwrap()
                .pop_front()
                .unwrap_or(Delivery::Delivered)
        }
        .boxed()
    }
}

struct Stage {
    outbox: Arc<FakeOutbox>,
    seen: Arc<Mutex<Vec<String>>>,
    clock: Arc<ManualClock>,
    said: Arc<Mutex<Vec<String>>>,
    waker: Waker,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

fn row(channel: &str, id: &str, at: i64) -> (OutboxRow, u32) {
    let row = OutboxRow {
        id: id.into(),
        channel: channel.into(),
        kind: "incident".into(),
        payload: "{}".into(),
        created_at: Micros(at),
    };
    (row, 0)
}

fn stage(rows: Vec<(OutboxRow, u32)>, script: Vec<Delivery>, delay: Duration) -> Stage {
    let outbox = Arc::new(FakeOutbox {
        rows: Mutex::new(rows),
        ..FakeOutbox::default()
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let said = Arc::new(Mutex::new(Vec::new()));
    let notifier = Scripted {
        name: "a",
        script: Mutex::new(script.into()),
        seen: seen.clone(),
        delay,
    };
    let clock = Arc::new(ManualClock::at(Micros(1)));
    let lines = said.clone();
    let options = DelivererOptions {
        back_off: BackOff {
            base: Duration::from_millis(5),
            cap: Duration::from_millis(20),
        },
        page_rows: 2,
        idle_poll: Duration::from_millis(500),
        operator: Arc::new(move |line| lines.lock().unwrap().push(line.to_owned())),
        ..DelivererOptions::default()
    };
    let deliverer = Deliverer::new(outbox.clone(), vec![Arc::new(notifier)], clock.clone(), options);
    let (stop, stopped) = watch::channel(false);
    let waker = deliverer.waker();
    let task = tokio::spawn(deliverer.run(stopped));
    Stage {
        outbox,
        seen,
        clock,
        said,
        waker,
        stop,
        task,
    }
}

impl Stage {
    async fn until(&self, what: impl Fn(&Self) -> bool) {
        for _ in 0..400 {
            if what(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("did not happen; log {:?}", self.outbox.log.lock().unwrap());
    }

    fn empty(&self) -> bool {
        self.outbox.rows.lock().unwrap().is_empty()
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    async fn end(self) {
        let began = Instant::now();
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

fn retry() -> Delivery {
    Delivery::Retry {
        after: None,
        why: "down".into(),
    }
}

#[tokio::test]
async fn nothing_overtakes_a_row_that_is_retried() {
    let rows = vec![row("a", "1", 1), row("a", "2", 2), row("a", "3", 3)];
    let stage = stage(
        rows,
        vec![retry(), retry(), Delivery::Delivered, retry()],
        Duration::ZERO,
    );
    stage.until(Stage::empty).await;
    assert_eq!(stage.seen(), ["1", "1", "1", "2", "2", "3"]);
    stage.end().await;
}

#[tokio::test]
async fn a_retry_is_tried_far_more_often_than_six_times_then_given_up_by_age() {
    let stage = stage(vec![row("a", "1", 1)], vec![retry(); 10_000], Duration::ZERO);
    stage.until(|s| s.seen().len() > 20).await;
    assert!(!stage.empty());
    stage.clock.advance_us(DAY_US + 10);
    stage.until(Stage::empty).await;
    assert!(matches!(
        stage.outbox.log.lock().unwrap().last(),
        Some((_, Outcome::Dead { .. }))
    ));
    assert!(stage.said.lock().unwrap()[0].contains("gave up"));
    stage.end().await;
}

#[tokio::test]
async fn the_receivers_wish_overrides_the_back_off() {
    let wish = Delivery::Retry {
        after: Some(Duration::from_millis(300)),
        why: "429".into(),
    };
    let began = Instant::now();
    let stage = stage(vec![row("a", "1", 1)], vec![wish], Duration::ZERO);
    stage.until(Stage::empty).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    stage.end().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_recorded_is_not_delivered_again() {
    let stage = stage(Vec::new(), Vec::new(), Duration::ZERO);
    *stage.outbox.record_failures.lock().unwrap() = 3;
    stage.outbox.rows.lock().unwrap().push(row("a", "1", 1));
    stage.waker.wake();
    stage.until(Stage::empty).await;
    assert_eq!(stage.seen(), ["1"]);
    stage.end().await;
}

#[tokio::test]
async fn dead_rows_let_the_next_one_through() {
    let dead = Delivery::Dead {
        why: "404\x1b[2J".into(),
    };
    let stage = stage(
        vec![row("a", "1", 1), row("a", "2", 2)],
        vec![dead],
        Duration::ZERO,
    );
    stage.until(Stage::empty).await;
    assert_eq!(stage.seen(), ["1", "2"]);
    assert!(!stage.said.lock().unwrap()[0].contains('\x1b'));
    stage.end().await;
}

#[tokio::test]
async fn strays_are_told_once_and_do_not_starve_others() {
    let mut rows: Vec<_> = (0..20).map(|n| row("gone", &format!("g{n}"), n)).collect();
    rows.push(row("a", "mine", 30));
    let stage = stage(rows, Vec::new(), Duration::ZERO);
    stage.until(|s| s.seen() == ["mine"]).await;
    stage.waker.wake();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(stage.said.lock().unwrap().len(), 1);
    assert_eq!(stage.outbox.rows.lock().unwrap().len(), 20);
    stage.clock.advance_us(DAY_US + 100);
    stage.waker.wake();
    stage.until(|s| s.outbox.rows.lock().unwrap().len() < 20).await;
    stage.end().await;
}

#[tokio::test]
async fn a_wake_up_delivers_at_once_and_stop_does_not_wait_for_the_receiver() {
    let stage = stage(Vec::new(), Vec::new(), Duration::from_secs(5));
    tokio::time::sleep(Duration::from_millis(30)).await;
    stage.outbox.rows.lock().unwrap().push(row("a", "1", 1));
    stage.waker.wake();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let outbox = stage.outbox.clone();
    stage.end().await;
    assert!(outbox.log.lock().unwrap().is_empty(), "not known to be delivered");
}

#[test]
fn back_off_grows_to_its_cap_and_a_seed_replays_it() {
    let back_off = BackOff::default();
    let ceilings: Vec<_> = (1..=8).map(|n| back_off.ceiling(n).as_secs()).collect();
    assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(back_off.ceiling(u32::MAX), back_off.cap);
    let waits = |seed| {
        let mut jitter = back_off::Jitter::new(back_off, seed);
        (1..20).map(|n| jitter.wait(n)).collect::<Vec<_>>()
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
    assert!(
        waits(3)
            .iter()
            .zip(1..)
            .all(|(wait, n)| *wait <= back_off.ceiling(n))
    );
}
