//! Remote look-ups: with a slow fetcher and a clock that only moves when somebody waits.

use super::batches::{scores, web};
use haetae_enrich::remote::{
    Answer, CachedLookup, NotTaken, RemoteConfig, RemoteCounts, RemoteLookup, RemoteScore, channel,
};
use haetae_enrich::{Enricher, Enrichers};
use haetae_event::clock::ManualClock;
use haetae_event::{Clock, Micros, SystemClock};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers each request `delay_us` after it was made; waiting moves the clock.
struct Slow {
    clock: Arc<ManualClock>,
    state: Arc<Mutex<SlowState>>,
}

#[derive(Default)]
struct SlowState {
    delay_us: i64,
    capacity: usize,
    due: VecDeque<(i64, IpAddr)>,
    asked: Vec<IpAddr>,
    answer: Option<Answer<u8>>,
}

impl RemoteLookup<u8> for Slow {
    fn request(&mut self, address: IpAddr) -> Result<(), NotTaken> {
        let mut state = self.state.lock().unwrap();
        if state.due.len() >= state.capacity {
            return Err(NotTaken);
        }
        state.asked.push(address);
        let at = self.clock.now().0 + state.delay_us;
        state.due.push_back((at, address));
        Ok(())
    }

    fn answers(&mut self, wait: Duration) -> Vec<(IpAddr, Answer<u8>)> {
        let mut state = self.state.lock().unwrap();
        let end = self.clock.now().0 + wait.as_micros() as i64;
        let first = state.due.front().map_or(i64::MAX, |due| due.0);
        self.clock.set(Micros(first.min(end).max(self.clock.now().0)));
        let now = self.clock.now().0;
        let mut answers = Vec::new();
        while let Some((_, address)) = state.due.pop_front_if(|due| due.0 <= now) {
            answers.push((address, state.answer.unwrap_or(Answer::Found(70))));
        }
        answers
    }
}

struct World {
    clock: Arc<ManualClock>,
    state: Arc<Mutex<SlowState>>,
    lookup: CachedLookup<u8>,
}

fn world(delay_us: i64, config: RemoteConfig) -> World {
    let clock = Arc::new(ManualClock::at(Micros(1_000_000)));
    let state = Arc::new(Mutex::new(SlowState {
        delay_us,
        capacity: 1_000,
        ..SlowState::default()
    }));
    let slow = Slow {
        clock: clock.clone(),
        state: state.clone(),
    };
    World {
        lookup: CachedLookup::new(Box::new(slow), clock.clone(), config),
        clock,
        state,
    }
}

fn ip(n: u8) -> IpAddr {
    IpAddr::V4([203, 0, 113, n].into())
}

#[test]
fn answers_within_the_budget_are_in_the_batch() {
    let mut w = world(20_000, RemoteConfig::default());
    assert_eq!(w.lookup.look_up(&[ip(1), ip(2), ip(1)]), [Some(70); 3]);
    assert_eq!(w.clock.now().0, 1_020_000);
    assert_eq!(
        w.state.lock().unwrap().asked,
        [ip(1), ip(2)],
        "one request an address"
    );
    // From the cache, at once.
    assert_eq!(w.lookup.look_up(&[ip(2)]), [Some(70)]);
    assert_eq!(w.clock.now().0, 1_020_000);
    assert!(w.lookup.drain_backfill().is_empty(), "no row went without");
}

#[test]
fn the_batch_waits_its_budget_in_total_and_late_answers_are_filled_in() {
    let mut w = world(200_000, RemoteConfig::default());
    let addresses: Vec<IpAddr> = (0..50).map(ip).collect();
    assert_eq!(w.lookup.look_up(&addresses), vec![None; 50]);
    assert_eq!(w.clock.now().0, 1_050_000, "50 ms for the whole batch");
    // On their way: not asked for again.
    assert_eq!(w.lookup.look_up(&addresses), vec![None; 50]);
    assert_eq!(w.state.lock().unwrap().asked.len(), 50);
    assert_eq!(w.lookup.counts().late, 100);
    w.clock.advance_us(200_000);
    let mut late = w.lookup.drain_backfill();
    late.sort();
    assert_eq!(late, addresses.iter().map(|&a| (a, 70)).collect::<Vec<_>>());
    assert!(w.lookup.drain_backfill().is_empty(), "each once");
    assert_eq!(w.lookup.look_up(&addresses), vec![Some(70); 50]);
}

/// A service that never answers, and a batch of other addresses every millisecond: the pipeline
/// loses its first credit and a tenth of the time, no more.
#[test]
fn a_dead_service_does_not_hold_up_many_small_batches() {
    let config = RemoteConfig {
        in_flight_max: 64,
        ..RemoteConfig::default()
    };
    let mut w = world(i64::MAX / 2, config);
    let start = w.clock.now().0;
    let batches = 20_000u32;
    for n in 0..batches {
        w.lookup.look_up(&[IpAddr::from((0xcb00_0000 + n).to_be_bytes())]);
        w.clock.advance_us(1_000);
    }
    let took = w.clock.now().0 - start;
    let worked = i64::from(batches) * 1_000;
    assert!(took <= worked * 10 / 9 + 1_100_000, "{took}");
    assert_eq!(
        w.lookup.counts().requested,
        64,
        "one request an address in flight"
    );
    assert!(w.lookup.counts().dropped > 19_000);
}

#[test]
fn late_answers_serve_later_rows_and_are_still_owed() {
    let mut w = world(60_000, RemoteConfig::default());
    assert_eq!(w.lookup.look_up(&[ip(1)]), [None]);
    assert_eq!(w.lookup.look_up(&[ip(1)]), [Some(70)], "10 ms later");
    assert_eq!(w.clock.now().0, 1_060_000);
    assert_eq!(w.lookup.drain_backfill(), [(ip(1), 70)]);
}

#[test]
fn entries_expire_and_failures_are_kept_shorter() {
    let config = RemoteConfig {
        ttl_us: 10_000_000,
        negative_ttl_us: 1_000_000,
        failed_ttl_us: 500_000,
        ..RemoteConfig::default()
    };
    for (answer, value, kept_us) in [
        (Answer::Found(9), Some(9), 10_000_000),
        (Answer::NotFound, None, 1_000_000),
        (Answer::Failed, None, 500_000),
    ] {
        let mut w = world(1_000, config.clone());
        w.state.lock().unwrap().answer = Some(answer);
        assert_eq!(w.lookup.look_up(&[ip(1)]), [value]);
        w.clock.advance_us(kept_us - 1);
        assert_eq!(w.lookup.look_up(&[ip(1)]), [value]);
        assert_eq!(w.state.lock().unwrap().asked.len(), 1, "{answer:?}");
        w.clock.advance_us(1);
        assert_eq!(w.lookup.look_up(&[ip(1)]), [value]);
        assert_eq!(w.state.lock().unwrap().asked.len(), 2, "{answer:?}");
    }
}

#[test]
fn queue_cache_and_backfill_are_bounded() {
    let config = RemoteConfig {
        cache_entries: 20,
        in_flight_max: 30,
        backfill_max: 5,
        ..RemoteConfig::default()
    };
    let mut w = world(60_000, config);
    let addresses: Vec<IpAddr> = (0..100).map(ip).collect();
    w.lookup.look_up(&addresses);
    assert_eq!(w.lookup.counts().requested, 30);
    assert_eq!(w.lookup.counts().dropped, 70);
    w.clock.advance_us(60_000);
    assert_eq!(w.lookup.drain_backfill().len(), 5);
    assert_eq!(w.lookup.counts().backfill_dropped, 25);
    assert!(w.lookup.cached() <= 20);

    w.state.lock().unwrap().capacity = 3;
    let before = w.lookup.counts().dropped;
    w.lookup.look_up(&(100..110).map(ip).collect::<Vec<_>>());
    assert_eq!(w.lookup.counts().dropped - before, 7, "a full queue");
}

#[test]
fn a_lost_request_is_made_again_and_its_answer_ignored() {
    let config = RemoteConfig {
        request_timeout_us: 1_000_000,
        ..RemoteConfig::default()
    };
    let mut w = world(5_000_000, config);
    w.lookup.look_up(&[ip(1)]);
    w.clock.advance_us(1_000_000);
    w.lookup.look_up(&[ip(1)]);
    assert_eq!(w.state.lock().unwrap().asked, [ip(1), ip(1)]);
    assert_eq!(w.lookup.counts().lost, 1);
}

#[test]
fn answers_nobody_asked_for_are_not_kept() {
    let mut w = world(0, RemoteConfig::default());
    w.state.lock().unwrap().due.push_back((0, ip(9)));
    assert!(w.lookup.drain_backfill().is_empty());
    assert_eq!(w.lookup.cached(), 0);
}

#[test]
fn a_clock_that_stands_still_does_not_hang() {
    struct Dead;
    impl RemoteLookup<u8> for Dead {
        fn request(&mut self, _: IpAddr) -> Result<(), NotTaken> {
            Ok(())
        }
        fn answers(&mut self, _: Duration) -> Vec<(IpAddr, Answer<u8>)> {
            Vec::new()
        }
    }
    let clock = Arc::new(ManualClock::at(Micros(1)));
    let mut lookup: CachedLookup<u8> = CachedLookup::new(Box::new(Dead), clock, RemoteConfig::default());
    assert_eq!(lookup.look_up(&[ip(1)]), [None]);
}

#[test]
fn private_addresses_are_not_sent_out() {
    let w = world(1_000, RemoteConfig::default());
    let score = Arc::new(Mutex::new(RemoteScore::new(w.lookup)));
    let mut list = Enrichers::new(vec![Box::new(score.clone()) as Box<dyn Enricher>]);
    let after = list.apply(web(&[
        Some("10.0.0.1"),
        Some("203.0.113.1"),
        None,
        Some("fd00::1"),
        Some("203.0.113.2"),
    ]));
    assert_eq!(scores(&after), [None, Some(70), None, None, Some(70)]);
    assert_eq!(w.state.lock().unwrap().asked, [ip(1), ip(2)]);
    assert!(score.lock().unwrap().drain_backfill().is_empty());
    assert_eq!(
        score.lock().unwrap().counts(),
        RemoteCounts {
            requested: 2,
            ..RemoteCounts::default()
        }
    );
}

/// The real queues, a real thread and the real clock.
#[test]
fn a_fetcher_on_another_thread() {
    let (near, far) = channel(16);
    let fetcher = std::thread::spawn(move || {
        use haetae_enrich::remote::Work;
        let mut served = 0;
        loop {
            match far.next(Duration::from_millis(50)) {
                Work::Fetch(address) => {
                    assert!(far.answer(address, Answer::Found(1u8)));
                    served += 1;
                }
                Work::Idle => {}
                Work::Closed => return served,
            }
        }
    });
    let config = RemoteConfig {
        budget_us: 10_000_000,
        ..RemoteConfig::default()
    };
    let mut lookup = CachedLookup::new(Box::new(near), Arc::new(SystemClock), config);
    assert_eq!(lookup.look_up(&[ip(1), ip(2), ip(3)]), [Some(1); 3]);
    drop(lookup);
    assert_eq!(fetcher.join().unwrap(), 3);

    // Nobody there: refused at once, counted, null.
    let (near, far) = channel::<u8>(16);
    drop(far);
    let mut lookup = CachedLookup::new(Box::new(near), Arc::new(SystemClock), RemoteConfig::default());
    assert_eq!(lookup.look_up(&[ip(1)]), [None]);
    assert_eq!(lookup.counts().dropped, 1);
}
