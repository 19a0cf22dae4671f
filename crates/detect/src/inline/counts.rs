//! Sliding counts of many keys, from two origins, in bounded memory.
//!
//! The same request may be seen twice: when the site asks about it, and again when its access log
//! arrives. Each origin is counted apart and they are never added up, so that one request never
//! weighs two. Logs stamp the end of a request, often rounded to the second, which can crowd a few
//! more of the same requests into a window: so the inline count stands while the log tells about
//! as much, and the log counts where it clearly knows more. A request may stand in several logs
//! (the content network's, the firewall's, the balancer's): each dataset is counted apart and the
//! largest counts.

use ahash::AHashMap;
use haetae_event::Dataset;
use std::sync::{Mutex, PoisonError};

/// Where a request was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Asked about while it is served.
    Inline,
    /// Read in an access log of this dataset.
    Log(Dataset),
}

/// Locks: more than cores, so that two requests rarely meet.
const SHARDS: usize = 64;
/// Keys looked at to find one to forget.
const SAMPLE: usize = 8;
/// A key with its table entry and its share of what lists and the allocator keep free, without its
/// seconds. With it the process takes what is reckoned (`many_addresses … "inline alone"`).
const KEY_BYTES: usize = 156;

/// What one second held, of one origin.
#[derive(Clone, Copy, Debug)]
struct Second {
    at: i64,
    count: u32,
}

/// The last seconds that one origin told of a key, oldest first.
#[derive(Debug, Default)]
struct Seconds(Vec<Second>);

impl Seconds {
    fn newest(&self) -> i64 {
        self.0.last().map_or(i64::MIN, |second| second.at)
    }

    /// Whether the second still counts; others are older than the window of the newest.
    fn add(&mut self, at: i64, span_s: i64) -> bool {
        let oldest = self.newest().max(at).saturating_sub(span_s);
        if at <= oldest {
            return false;
        }
        let gone = self.0.partition_point(|second| second.at <= oldest);
        self.0.drain(..gone);
        if self.0.capacity() > 8 && self.0.len() * 4 < self.0.capacity() {
            self.0.shrink_to(self.0.len() * 2);
        }
        let place = self.0.partition_point(|second| second.at < at);
        match self.0.get_mut(place).filter(|second| second.at == at) {
            Some(second) => second.count = second.count.saturating_add(1),
            None => {
                if self.0.capacity() == 0 {
                    self.0.reserve_exact(1);
                }
                self.0.insert(place, Second { at, count: 1 });
            }
        }
        true
    }

    /// Count of the window that ends with second `until`.
    fn count(&self, until: i64, span_s: i64) -> u64 {
        let inside = |second: &&Second| second.at <= until && second.at > until.saturating_sub(span_s);
        self.0
            .iter()
            .filter(inside)
            .map(|second| u64::from(second.count))
            .sum()
    }
}

/// What both origins told of one key. Each has a newest second of its own: a log whose clock runs
/// ahead must not make old what is asked now.
#[derive(Debug)]
struct Window {
    key: u64,
    inline: Seconds,
    /// At most one a web dataset.
    logs: Vec<(Dataset, Seconds)>,
}

impl Window {
    fn count(&mut self, at: i64, origin: Origin, span_s: i64) -> u64 {
        let own = match origin {
            Origin::Inline => &mut self.inline,
            Origin::Log(dataset) => self.log(dataset),
        };
        let until = if own.add(at, span_s) { at } else { own.newest() };
        self.merged(until, span_s)
    }

    fn log(&mut self, dataset: Dataset) -> &mut Seconds {
        let place = match self.logs.iter().position(|(of, _)| *of == dataset) {
            Some(place) => place,
            None => {
                self.logs.reserve_exact(1);
                self.logs.push((dataset, Seconds::default()));
                self.logs.len() - 1
            }
        };
        &mut self.logs[place].1
    }

    fn origins(&self) -> impl Iterator<Item = &Seconds> {
        let logs = self.logs.iter().map(|(_, log)| log);
        std::iter::once(&self.inline).chain(logs)
    }

    /// Both origins' count up to the second `until`.
    fn merged(&self, until: i64, span_s: i64) -> u64 {
        let inline = self.inline.count(until, span_s);
        let logs = self.logs.iter().map(|(_, log)| log.count(until, span_s));
        let log = logs.max().unwrap_or(0);
        let same_traffic = inline > 0 && log <= inline + inline / 4 + 5;
        if same_traffic { inline } else { log.max(inline) }
    }

    fn newest(&self) -> i64 {
        self.origins().map(Seconds::newest).max().unwrap_or(i64::MIN)
    }

    fn bytes(&self) -> usize {
        let seconds: usize = self.origins().map(|seconds| seconds.0.capacity()).sum();
        KEY_BYTES + seconds * size_of::<Second>() + self.logs.capacity() * size_of::<(Dataset, Seconds)>()
    }
}

#[derive(Debug, Default)]
struct Shard {
    places: AHashMap<u64, usize>,
    windows: Vec<Window>,
    bytes: usize,
    /// Where the next sample begins.
    hand: usize,
    evicted: u64,
}

impl Shard {
    fn count(&mut self, key: u64, at: i64, origin: Origin, span_s: i64) -> u64 {
        let windows = &mut self.windows;
        let place = *self.places.entry(key).or_insert_with(|| {
            windows.push(Window {
                key,
                inline: Seconds::default(),
                logs: Vec::new(),
            });
            windows.len() - 1
        });
        let window = &mut self.windows[place];
        let before = if window.newest() == i64::MIN {
            0
        } else {
            window.bytes()
        };
        let count = window.count(at, origin, span_s);
        self.bytes = self.bytes + window.bytes() - before;
        count
    }

    /// Forgets the least window of a sample until all fit: of keys that ended, else of the smallest
    /// count. A key that is busy is never the smallest among keys seen once, however many come.
    fn make_room(&mut self, key: u64, at: i64, bytes_max: usize, span_s: i64) {
        while self.bytes > bytes_max && self.windows.len() > SAMPLE {
            let place = self.least(key, at, span_s);
            let gone = self.windows.swap_remove(place);
            self.places.remove(&gone.key);
            if let Some(moved) = self.windows.get(place) {
                self.places.insert(moved.key, place);
            }
            self.bytes -= gone.bytes();
            self.evicted += 1;
        }
    }

    /// The key just counted is not looked at.
    fn least(&mut self, key: u64, at: i64, span_s: i64) -> usize {
        let length = self.windows.len();
        let first = self.hand % length;
        self.hand = (first + SAMPLE) % length;
        (0..SAMPLE)
            .map(|step| (first + step) % length)
            .filter(|&place| self.windows[place].key != key)
            .min_by_key(|&place| {
                let window = &self.windows[place];
                let newest = window.newest();
                (
                    newest > at.saturating_sub(span_s),
                    window.merged(newest, span_s),
                    newest,
                )
            })
            .expect("a sample has other keys")
    }
}

/// Counts by key over the last `span_s` seconds before each event, the event's own included.
#[derive(Debug)]
pub struct Counts {
    shards: Vec<Mutex<Shard>>,
    /// Of one shard.
    bytes_max: usize,
    span_s: i64,
}

impl Counts {
    /// `bytes_max` bounds the memory of all keys.
    pub fn new(span_s: u32, bytes_max: usize) -> Counts {
        Counts {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            bytes_max: bytes_max / SHARDS,
            span_s: i64::from(span_s.max(1)),
        }
    }

    /// Counts one event of second `at` and gives the window's count with it.
    pub fn count(&self, key: u64, at: i64, origin: Origin) -> u64 {
        let mut shard = self.shards[key as usize % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = shard.count(key, at, origin, self.span_s);
        shard.make_room(key, at, self.bytes_max, self.span_s);
        count
    }

    /// Keys that are remembered, and how many were forgotten to make room.
    pub fn keys(&self) -> (usize, u64) {
        self.shards.iter().fold((0, 0), |(keys, evicted), shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            (keys + shard.windows.len(), evicted + shard.evicted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_slide_by_the_second() {
        let counts = Counts::new(60, 1 << 20);
        for at in 0..60 {
            assert_eq!(counts.count(1, at, Origin::Inline), at as u64 + 1);
        }
        assert_eq!(counts.count(1, 60, Origin::Inline), 60, "second 0 has left");
        assert_eq!(counts.count(1, 500, Origin::Inline), 1);
        assert_eq!(counts.count(1, 100, Origin::Inline), 1, "too old to count");
        assert_eq!(counts.count(2, 100, Origin::Inline), 1, "another key");
    }

    #[test]
    fn one_request_seen_twice_is_one() {
        let counts = Counts::new(60, 1 << 20);
        for at in 0..50 {
            assert_eq!(counts.count(1, at, Origin::Inline), at as u64 + 1);
        }
        // The log stamps the end of the request, a second later.
        for at in 0..50 {
            assert!(counts.count(1, at + 1, Origin::Log(Dataset::Web)) <= 50);
        }
        assert_eq!(counts.count(1, 51, Origin::Inline), 51);
    }

    #[test]
    fn a_log_ahead_of_the_clock_hides_nothing() {
        let counts = Counts::new(60, 1 << 20);
        counts.count(1, 200, Origin::Log(Dataset::Web));
        for at in 0..50 {
            assert_eq!(counts.count(1, at, Origin::Inline), at as u64 + 1);
        }
        assert_eq!(counts.count(1, i64::MAX, Origin::Log(Dataset::Web)), 1);
        assert_eq!(counts.count(1, 50, Origin::Inline), 51);
        assert_eq!(counts.count(1, i64::MIN, Origin::Log(Dataset::Web)), 1);
    }

    fn held(counts: &Counts) -> usize {
        let of = |shard: &Mutex<Shard>| {
            let shard = shard.lock().expect("no test panics in it");
            let bytes: usize = shard.windows.iter().map(Window::bytes).sum();
            assert_eq!(bytes, shard.bytes);
            bytes
        };
        counts.shards.iter().map(of).sum()
    }

    #[test]
    fn keys_that_are_busy_for_long_are_counted_as_large_as_they_are() {
        let bytes_max = 1 << 20;
        let counts = Counts::new(60, bytes_max);
        for key in 0..5_000u64 {
            for at in 0..60 {
                counts.count(key, at, Origin::Inline);
            }
        }
        assert!(held(&counts) <= bytes_max, "{}", held(&counts));
        assert!(counts.keys().1 > 0);
    }

    #[test]
    fn many_keys_seen_once_do_not_push_out_a_busy_one() {
        let counts = Counts::new(60, SHARDS * SAMPLE * KEY_BYTES * 4);
        let mut last = 0;
        for n in 0..200_000u64 {
            counts.count(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, 10, Origin::Inline);
            if n % 1_000 == 0 {
                last = counts.count(42, 10, Origin::Inline);
            }
        }
        let (keys, evicted) = counts.keys();
        assert!(keys <= SHARDS * SAMPLE * 4, "{keys}");
        assert!(held(&counts) <= SHARDS * SAMPLE * KEY_BYTES * 4);
        assert!(evicted > 100_000);
        assert!(last >= 199, "the busy key kept {last} of 200");
    }

    #[test]
    fn two_logs_of_one_request_are_one() {
        let counts = Counts::new(60, 1 << 20);
        let mut most = 0;
        for at in 0..50 {
            for dataset in [Dataset::CloudFront, Dataset::Alb] {
                most = most.max(counts.count(1, at, Origin::Log(dataset)));
            }
        }
        assert_eq!(most, 50);
        // What one of them alone has is counted.
        assert_eq!(counts.count(1, 50, Origin::Log(Dataset::Alb)), 51);
    }
}
