//! Sliding counts of many keys, from two origins, in bounded memory.
//!
//! The same request may be seen twice: when the site asks about it, and again when its access log
//! arrives. Each origin is counted apart and they are never added up, so that one request never
//! weighs two. Logs stamp the end of a request, often rounded to the second, which can crowd a few
//! more of the same requests into a window: so the inline count stands while the log tells about
//! as much, and the log counts where it clearly knows more.

use ahash::AHashMap;
use std::sync::{Mutex, PoisonError};

/// Where a request was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Asked about while it is served.
    Inline,
    /// Read in an access log.
    Log,
}

/// Locks: more than cores, so that two requests rarely meet.
const SHARDS: usize = 64;
/// Keys looked at to find one to forget.
const SAMPLE: usize = 8;
/// A key with its table entry and a few seconds of counts.
const KEY_BYTES: usize = 96;

/// What one second held.
#[derive(Clone, Copy, Debug)]
struct Second {
    at: i64,
    inline: u32,
    log: u32,
}

/// The seconds of one key's window, oldest first.
#[derive(Debug)]
struct Window {
    key: u64,
    seconds: Vec<Second>,
}

impl Window {
    fn count(&mut self, at: i64, origin: Origin, span_s: i64) -> u64 {
        let newest = self.seconds.last().map_or(at, |last| last.at.max(at));
        if at <= newest - span_s {
            return self.merged(newest);
        }
        let gone = self
            .seconds
            .partition_point(|second| second.at <= newest - span_s);
        self.seconds.drain(..gone);
        let place = self.seconds.partition_point(|second| second.at < at);
        if self.seconds.get(place).is_none_or(|second| second.at != at) {
            let empty = Second {
                at,
                inline: 0,
                log: 0,
            };
            self.seconds.insert(place, empty);
        }
        let second = &mut self.seconds[place];
        match origin {
            Origin::Inline => second.inline = second.inline.saturating_add(1),
            Origin::Log => second.log = second.log.saturating_add(1),
        }
        self.merged(at)
    }

    /// Both origins' count up to the second `until`.
    fn merged(&self, until: i64) -> u64 {
        let (mut inline, mut log) = (0u64, 0u64);
        for second in self.seconds.iter().take_while(|second| second.at <= until) {
            inline += u64::from(second.inline);
            log += u64::from(second.log);
        }
        let same_traffic = inline > 0 && log <= inline + inline / 4 + 5;
        if same_traffic { inline } else { log.max(inline) }
    }

    fn newest(&self) -> i64 {
        self.seconds.last().map_or(i64::MIN, |second| second.at)
    }
}

#[derive(Debug, Default)]
struct Shard {
    places: AHashMap<u64, usize>,
    windows: Vec<Window>,
    /// Where the next sample begins.
    hand: usize,
    evicted: u64,
}

impl Shard {
    /// The window of a key; a new key takes the place of the least one of a sample when all places
    /// are taken: of keys that ended, else of the smallest count. A key that is busy is never the
    /// smallest among keys seen once, however many of those come.
    fn window(&mut self, key: u64, at: i64, keys_max: usize, span_s: i64) -> &mut Window {
        if let Some(&place) = self.places.get(&key) {
            return &mut self.windows[place];
        }
        let place = if self.windows.len() < keys_max {
            self.windows.push(Window {
                key,
                seconds: Vec::new(),
            });
            self.windows.len() - 1
        } else {
            let place = self.least(at, span_s);
            self.places.remove(&self.windows[place].key);
            self.evicted += 1;
            self.windows[place] = Window {
                key,
                seconds: Vec::new(),
            };
            place
        };
        self.places.insert(key, place);
        &mut self.windows[place]
    }

    fn least(&mut self, at: i64, span_s: i64) -> usize {
        let length = self.windows.len();
        let first = self.hand;
        self.hand = (self.hand + SAMPLE) % length;
        (0..SAMPLE.min(length))
            .map(|step| (first + step) % length)
            .min_by_key(|&place| {
                let window = &self.windows[place];
                let over = window.newest() <= at - span_s;
                (!over, window.merged(i64::MAX), window.newest())
            })
            .expect("a full shard has windows")
    }
}

/// Counts by key over the last `span_s` seconds before each event, the event's own included.
#[derive(Debug)]
pub struct Counts {
    shards: Vec<Mutex<Shard>>,
    keys_max: usize,
    span_s: i64,
}

impl Counts {
    /// `bytes_max` bounds the memory of all keys.
    pub fn new(span_s: u32, bytes_max: usize) -> Counts {
        Counts {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            keys_max: (bytes_max / KEY_BYTES / SHARDS).max(SAMPLE),
            span_s: i64::from(span_s.max(1)),
        }
    }

    /// Counts one event of second `at` and gives the window's count with it.
    pub fn count(&self, key: u64, at: i64, origin: Origin) -> u64 {
        let mut shard = self.shards[key as usize % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        shard
            .window(key, at, self.keys_max, self.span_s)
            .count(at, origin, self.span_s)
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
            assert!(counts.count(1, at + 1, Origin::Log) <= 50);
        }
        assert_eq!(counts.count(1, 51, Origin::Inline), 51);
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
        assert!(evicted > 100_000);
        assert!(last >= 199, "the busy key kept {last} of 200");
    }
}
