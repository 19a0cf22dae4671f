//! The timeline of one client over one window: its requests, thinned without regard to the
//! order in which they came.
//!
//! What is kept is a function of the set of requests: of each actor (a session, an account, or
//! a user agent, of one client) the earliest [`ACTOR_HITS_MAX`] requests that are no assets; of
//! one client whole actors in the order of their hashes up to [`CLIENT_HITS_MAX`]. Assets are
//! counted by minute. Requests that are not kept are counted by minute, so that totals stay
//! exact for clients of any size.

use super::request::Kind;

/// Length of a window, µs. Windows are aligned to the epoch.
pub const WINDOW_US: i64 = 1_800_000_000;

/// Requests kept of one actor in one window.
pub const ACTOR_HITS_MAX: usize = 384;

/// Requests kept of one client in one window, all its actors together.
pub const CLIENT_HITS_MAX: usize = 2_048;

const KIND: u8 = 0b111;
const POST: u8 = 1 << 3;
const REFERER: u8 = 1 << 4;
const ERROR: u8 = 1 << 5;
const SESSION: u8 = 1 << 6;
const LIBRARY: u8 = 1 << 7;
const CALL: u16 = 1 << 15;

/// One request, or the assets of one minute, in 16 bytes. Sorts by actor, then by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Hash of the session, else the account, else the user agent.
    pub who: u32,
    /// µs since the window began; of assets, their minute.
    pub at: u32,
    /// Template; of assets, how many.
    pub path: u32,
    exact: u16,
    agent: u8,
    flags: u8,
}

/// What a [`Hit`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub who: u32,
    pub at: u32,
    pub template: u32,
    pub exact: u16,
    pub agent: u8,
    pub kind: Kind,
    pub call: bool,
    pub post: bool,
    pub referer: bool,
    pub error: bool,
    /// `who` is a session or an account.
    pub session: bool,
    pub library: bool,
}

impl Hit {
    pub fn new(seen: Seen) -> Hit {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let session = bit(seen.session, SESSION);
        if seen.kind == Kind::Asset {
            return Hit {
                who: seen.who,
                at: seen.at / 60_000_000 * 60_000_000,
                path: 1,
                exact: 0,
                agent: 0,
                flags: Kind::Asset as u8 | session,
            };
        }
        Hit {
            who: seen.who,
            at: seen.at,
            path: seen.template,
            exact: (seen.exact & !CALL) | if seen.call { CALL } else { 0 },
            agent: seen.agent,
            flags: seen.kind as u8
                | session
                | bit(seen.post, POST)
                | bit(seen.referer, REFERER)
                | bit(seen.error, ERROR)
                | bit(seen.library, LIBRARY),
        }
    }

    pub fn kind(&self) -> Kind {
        Kind::of_bits(self.flags & KIND)
    }

    pub fn is_asset(&self) -> bool {
        self.flags & KIND == Kind::Asset as u8
    }

    pub fn post(&self) -> bool {
        self.flags & POST != 0
    }

    pub fn referer(&self) -> bool {
        self.flags & REFERER != 0
    }

    /// Whether `who` is a session or an account.
    pub fn session(&self) -> bool {
        self.flags & SESSION != 0
    }

    pub fn library(&self) -> bool {
        self.flags & LIBRARY != 0
    }

    /// A call by a script or program rather than a document.
    pub fn call(&self) -> bool {
        self.exact & CALL != 0
    }

    /// The very path, as far as a hash tells.
    pub fn step(&self) -> u64 {
        u64::from(self.path) << 16 | u64::from(self.exact)
    }

    /// Assets of one actor and minute are one marker.
    fn same_marker(&self, other: &Hit) -> bool {
        self.is_asset() && other.is_asset() && self.who == other.who && self.at == other.at
    }

    /// By actor and time; markers of one minute stand side by side.
    fn order(&self) -> (u32, u32, bool, u32, u16, u8, u8) {
        let Hit {
            who,
            at,
            path,
            exact,
            agent,
            flags,
        } = *self;
        (who, at, !self.is_asset(), path, exact, agent, flags)
    }
}

/// One client in one window.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which window: start divided by [`WINDOW_US`].
    pub window: i32,
    hits: Vec<Hit>,
    /// How many hits before they are settled again.
    settle_at: u32,
    settled: bool,
    last: u32,
    pub dirty: bool,
    /// What was not kept: (minute of the window, requests), one entry per minute.
    dropped: Vec<(u8, u32)>,
}

impl Span {
    pub fn new(window: i32) -> Span {
        Span {
            window,
            hits: Vec::new(),
            settle_at: 1_024,
            settled: true,
            last: 0,
            dirty: false,
            dropped: Vec::new(),
        }
    }

    pub fn start_us(&self) -> i64 {
        i64::from(self.window) * WINDOW_US
    }

    /// Adds one request; returns by how many bytes the timeline grew.
    pub fn add(&mut self, hit: Hit) -> usize {
        self.dirty = true;
        self.last = self.last.max(hit.at);
        if let Some(last) = self.hits.last_mut()
            && last.same_marker(&hit)
        {
            last.path = last.path.saturating_add(hit.path);
            return 0;
        }
        let before = self.hits.capacity();
        self.hits.push(hit);
        self.settled = false;
        if self.hits.len() >= self.settle_at as usize {
            self.settle();
        }
        self.hits.capacity().saturating_sub(before) * size_of::<Hit>()
    }

    /// Sorts, joins and thins.
    pub fn settle(&mut self) {
        if self.settled {
            return;
        }
        self.hits.sort_unstable_by_key(Hit::order);
        self.hits.dedup_by(|next, kept| {
            let same = kept.same_marker(next);
            if same {
                kept.path = kept.path.saturating_add(next.path);
            }
            same
        });
        let (mut who, mut run) = (0, 0usize);
        let mut dropped = std::mem::take(&mut self.dropped);
        let mut kept = 0usize;
        self.hits.retain(|hit| {
            if hit.who != who {
                (who, run) = (hit.who, 0);
            }
            run += usize::from(!hit.is_asset());
            let keep = (hit.is_asset() || run <= ACTOR_HITS_MAX) && kept < CLIENT_HITS_MAX;
            kept += usize::from(keep);
            if !keep {
                let count = if hit.is_asset() { hit.path } else { 1 };
                drop_one(&mut dropped, (hit.at / 60_000_000) as u8, count);
            }
            keep
        });
        self.dropped = dropped;
        self.settle_at = u32::try_from((self.hits.len() * 2).max(1_024)).unwrap_or(u32::MAX);
        self.settled = true;
    }

    /// Whether nothing was added since it was settled.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// The hits that are kept, sorted by actor and time; call after [`Span::settle`].
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// Requests that were counted and not kept.
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().map(|&(_, count)| u64::from(count)).sum()
    }

    /// When its last request came, µs in the window, markers of assets at their minute.
    pub fn last_us(&self) -> u32 {
        self.last
    }

    /// Roughly how many hits, before thinning.
    pub fn len(&self) -> usize {
        self.hits.len()
    }

    /// Bytes beyond its own size.
    pub fn bytes(&self) -> usize {
        self.hits.capacity() * size_of::<Hit>() + self.dropped.capacity() * 8
    }

    /// The actors with their hits before `until` (µs in the window), those of one actor in a row.
    pub fn actors(&self, until: u32) -> impl Iterator<Item = Actor<'_>> {
        self.hits.chunk_by(|a, b| a.who == b.who).filter_map(move |run| {
            let end = run.partition_point(|hit| hit.at < until);
            (end > 0).then(|| Actor { hits: &run[..end] })
        })
    }
}

fn drop_one(dropped: &mut Vec<(u8, u32)>, minute: u8, count: u32) {
    match dropped.iter_mut().find(|(at, _)| *at == minute) {
        Some((_, known)) => *known = known.saturating_add(count),
        None => dropped.push((minute, count)),
    }
}

/// The hits of one actor, in order of time.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    pub hits: &'a [Hit],
}

/// Sums over an actor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Requests that are no assets.
    pub requests: u32,
    /// Of them documents.
    pub pages: u32,
    pub assets: u32,
    pub referers: u32,
    pub libraries: u32,
    /// Steps of a sale.
    pub sale: u32,
    /// Steps of a sale sent with POST.
    pub posts: u32,
    /// Most requests in one minute of the clock.
    pub busiest_minute: u32,
    /// First and last request that is no asset, µs in the window.
    pub first: u32,
    pub last: u32,
}

impl<'a> Actor<'a> {
    pub fn who(&self) -> u32 {
        self.hits.first().map_or(0, |hit| hit.who)
    }

    pub fn session(&self) -> bool {
        self.hits.first().is_some_and(Hit::session)
    }

    /// Those that are no assets.
    pub fn requests(&self) -> impl Iterator<Item = &'a Hit> {
        self.hits.iter().filter(|hit| !hit.is_asset())
    }

    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        let (mut minute, mut in_minute) = (u32::MAX, 0);
        for hit in self.hits {
            if hit.is_asset() {
                sums.assets = sums.assets.saturating_add(hit.path);
                continue;
            }
            if sums.requests == 0 {
                sums.first = hit.at;
            }
            sums.last = hit.at;
            sums.requests += 1;
            sums.pages += u32::from(!hit.call() && !hit.post());
            sums.referers += u32::from(hit.referer());
            sums.libraries += u32::from(hit.library());
            sums.sale += u32::from(hit.kind().of_sale());
            sums.posts += u32::from(hit.kind().of_sale() && hit.post());
            if hit.at / 60_000_000 != minute {
                (minute, in_minute) = (hit.at / 60_000_000, 0);
            }
            in_minute += 1;
            sums.busiest_minute = sums.busiest_minute.max(in_minute);
        }
        sums
    }
}
