//! The timeline of one client over one window: its requests, thinned without regard to the
//! order in which they came.
//!
//! What is kept is a function of the set of requests: of each actor (a session, an account, or
//! a user agent, of one client) the earliest [`ACTOR_HITS_MAX`] requests that are no assets; of
//! one client whole actors in the order of their hashes up to [`CLIENT_HITS_MAX`]. Assets are
//! counted by minute. Requests that are not kept are counted by minute, so that totals stay
//! exact for clients of any size, and by actor and minute for the actors with the smallest
//! hashes ([`LOST_MAX`] entries): with what is kept, exact figures of a random sample of actors
//! of which nobody's requests are thinned away.

use super::actor::Actor;
use super::request::Kind;
use crate::pool::allocated;

/// Length of a window, µs. Windows are aligned to the epoch.
pub const WINDOW_US: i64 = 1_800_000_000;

/// Requests kept of one actor in one window.
pub const ACTOR_HITS_MAX: usize = 384;

/// Requests kept of one client in one window, all its actors together.
pub const CLIENT_HITS_MAX: usize = 2_048;

/// Minutes of actors counted of what was not kept of one client in one window.
pub const LOST_MAX: usize = 1_024;

const KIND: u8 = 0b111;
const POST: u8 = 1 << 3;
const REFERER: u8 = 1 << 4;
const CLAIMED: u8 = 1 << 5;
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
    /// The user agent names a robot that nobody can verify.
    pub claimed: bool,
    /// Refused for good: 4xx, but for 429.
    pub refused: bool,
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
                // Asking for what is not there is not loading a page.
                path: u32::from(!seen.refused),
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
                | bit(seen.claimed, CLAIMED)
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

    /// Its user agent names a robot that nobody can verify.
    pub fn claimed(&self) -> bool {
        self.flags & CLAIMED != 0
    }

    /// A call by a script or program rather than a document.
    pub fn call(&self) -> bool {
        self.exact & CALL != 0
    }

    /// Neither an asset nor a call, asked for and not sent.
    pub fn document(&self) -> bool {
        !self.is_asset() && !self.call() && !self.post()
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

/// Requests of one actor in one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    pub who: u32,
    /// Of the window.
    pub minute: u8,
    /// `who` is a session or an account.
    pub session: bool,
    /// Requests that are no assets.
    pub requests: u32,
    /// Of them documents.
    pub pages: u32,
    pub assets: u32,
}

impl Minute {
    pub fn of(hit: &Hit) -> Minute {
        let asset = hit.is_asset();
        Minute {
            who: hit.who,
            minute: (hit.at / 60_000_000) as u8,
            session: hit.session(),
            requests: u32::from(!asset),
            pages: u32::from(!asset && hit.document()),
            assets: if asset { hit.path } else { 0 },
        }
    }

    fn join(&mut self, other: &Minute) {
        self.requests = self.requests.saturating_add(other.requests);
        self.pages = self.pages.saturating_add(other.pages);
        self.assets = self.assets.saturating_add(other.assets);
    }
}

/// One client in one window. Most clients of an attack ask once: their one request lies in it.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which window: start divided by [`WINDOW_US`].
    pub window: i32,
    /// Hits before this, µs in the window, are part of its population.
    counted: u32,
    held: Held,
}

#[derive(Clone, Debug)]
enum Held {
    One { hit: Hit, dirty: bool },
    Many(Box<Many>),
}

/// More than one hit.
#[derive(Clone, Debug)]
struct Many {
    hits: Vec<Hit>,
    /// How many hits before they are settled again.
    settle_at: u32,
    last: u32,
    settled: bool,
    /// Which hits are part of the population has changed since.
    upset: bool,
    dirty: bool,
    thinned: Option<Box<Thinned>>,
}

/// What was not kept.
#[derive(Clone, Debug, Default)]
struct Thinned {
    /// (minute of the window, requests), one entry per minute.
    dropped: Vec<(u8, u32)>,
    /// The same by actor and minute, sorted by both, the first [`LOST_MAX`].
    lost: Vec<Minute>,
}

impl Many {
    fn new(hit: Hit, dirty: bool) -> Many {
        let mut hits = Vec::with_capacity(2);
        hits.push(hit);
        Many {
            hits,
            settle_at: 1_024,
            last: hit.at,
            settled: true,
            upset: false,
            dirty,
            thinned: None,
        }
    }

    fn add(&mut self, hit: Hit, counted: u32) {
        self.dirty = true;
        self.last = self.last.max(hit.at);
        if let Some(last) = self.hits.last_mut()
            && last.same_marker(&hit)
        {
            last.path = last.path.saturating_add(hit.path);
            return;
        }
        self.upset |= hit.at < counted;
        self.hits.push(hit);
        self.settled = false;
        if self.hits.len() >= self.settle_at as usize {
            self.settle(counted);
        }
    }

    /// Sorts, joins and thins.
    fn settle(&mut self, counted: u32) {
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
        let mut dropped: Vec<(u8, u32)> = Vec::new();
        let mut kept = 0usize;
        let mut upset = self.upset;
        let mut lost: Vec<Minute> = Vec::new();
        self.hits.retain(|hit| {
            if hit.who != who {
                (who, run) = (hit.who, 0);
            }
            run += usize::from(!hit.is_asset());
            let keep = (hit.is_asset() || run <= ACTOR_HITS_MAX) && kept < CLIENT_HITS_MAX;
            kept += usize::from(keep);
            if !keep {
                let count = if hit.is_asset() { hit.path } else { 1 };
                drop_some(&mut dropped, (hit.at / 60_000_000) as u8, count);
                upset |= hit.at < counted;
                lose(&mut lost, hit);
            }
            keep
        });
        self.upset = upset;
        if !lost.is_empty() {
            let thinned = self.thinned.get_or_insert_default();
            thinned.remember(&lost);
            for (minute, count) in dropped {
                drop_some(&mut thinned.dropped, minute, count);
            }
        }
        self.settle_at = u32::try_from((self.hits.len() * 2).max(1_024)).unwrap_or(u32::MAX);
        self.settled = true;
    }

    fn bytes(&self) -> usize {
        let thinned = self.thinned.as_ref().map_or(0, |thinned| {
            allocated(size_of::<Thinned>())
                + allocated(thinned.dropped.capacity() * size_of::<(u8, u32)>())
                + allocated(thinned.lost.capacity() * size_of::<Minute>())
        });
        allocated(size_of::<Many>()) + allocated(self.hits.capacity() * size_of::<Hit>()) + thinned
    }
}

impl Thinned {
    /// Adds to what is counted of actors that are not kept. Who is among the first of them in the
    /// end was so all along, since there are only ever more: what is counted of them is exact.
    fn remember(&mut self, lost: &[Minute]) {
        if lost.is_empty() {
            return;
        }
        self.lost.extend_from_slice(lost);
        self.lost.sort_by_key(|entry| (entry.who, entry.minute));
        self.lost.dedup_by(|next, known| {
            let same = (next.who, next.minute) == (known.who, known.minute);
            if same {
                known.join(next);
            }
            same
        });
        self.lost.truncate(LOST_MAX);
        self.lost.shrink_to_fit();
    }
}

impl Span {
    /// With its first hit.
    pub fn new(window: i32, hit: Hit) -> Span {
        Span {
            window,
            counted: 0,
            held: Held::One { hit, dirty: true },
        }
    }

    pub fn start_us(&self) -> i64 {
        i64::from(self.window) * WINDOW_US
    }

    /// Adds one request.
    pub fn add(&mut self, hit: Hit) {
        match &mut self.held {
            Held::One { hit: known, dirty } if known.same_marker(&hit) => {
                known.path = known.path.saturating_add(hit.path);
                *dirty = true;
            }
            Held::One { hit: known, dirty } => {
                let mut many = Many::new(*known, *dirty);
                many.add(hit, self.counted);
                self.held = Held::Many(Box::new(many));
            }
            Held::Many(many) => many.add(hit, self.counted),
        }
    }

    /// Sorts, joins and thins.
    pub fn settle(&mut self) {
        if let Held::Many(many) = &mut self.held {
            many.settle(self.counted);
        }
    }

    /// Whether anything was added since the last call.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(match &mut self.held {
            Held::One { dirty, .. } => dirty,
            Held::Many(many) => &mut many.dirty,
        })
    }

    /// Whether anything was added since that was asked for last.
    pub fn is_dirty(&self) -> bool {
        match &self.held {
            Held::One { dirty, .. } => *dirty,
            Held::Many(many) => many.dirty,
        }
    }

    fn thinned(&self) -> Option<&Thinned> {
        match &self.held {
            Held::One { .. } => None,
            Held::Many(many) => many.thinned.as_deref(),
        }
    }

    fn lost(&self) -> &[Minute] {
        self.thinned().map_or(&[], |thinned| &thinned.lost)
    }

    fn dropped_by_minute(&self) -> &[(u8, u32)] {
        self.thinned().map_or(&[], |thinned| &thinned.dropped)
    }

    /// What every actor did by minute, in no order and perhaps in parts, and up to which hash of
    /// an actor that is all there is to know; call after [`Span::settle`].
    pub fn minutes(&self) -> (impl Iterator<Item = Minute>, u32) {
        let lost = self.lost();
        let until = match lost.last() {
            // The minutes of the last one may not all be there.
            Some(last) if lost.len() >= LOST_MAX => last.who,
            _ => u32::MAX,
        };
        let kept = self.hits().iter().map(Minute::of);
        (kept.chain(lost.iter().copied()), until)
    }

    /// Requests and assets of one minute of the window that were counted and not kept.
    pub fn dropped_in(&self, minute: u8) -> u32 {
        let of = self.dropped_by_minute().iter().find(|&&(at, _)| at == minute);
        of.map_or(0, |&(_, count)| count)
    }

    /// Whether it loaded any asset before `until`, µs in the window (of what was not kept:
    /// ever).
    pub fn loads_assets(&self, until: u32) -> bool {
        let loaded = |hit: &Hit| hit.is_asset() && hit.path > 0 && hit.at < until;
        self.hits().iter().any(loaded) || self.lost().iter().any(|entry| entry.assets > 0)
    }

    /// Whether nothing was added since it was settled.
    pub fn is_settled(&self) -> bool {
        match &self.held {
            Held::One { .. } => true,
            Held::Many(many) => many.settled,
        }
    }

    /// Says that the hits before `until`, and no others, are part of the population.
    pub fn set_counted(&mut self, until: u32) {
        self.counted = until;
        if let Held::Many(many) = &mut self.held {
            many.upset = false;
        }
    }

    /// Whether the hits that are part of the population are other ones by now.
    pub fn is_upset(&self) -> bool {
        match &self.held {
            Held::One { .. } => false,
            Held::Many(many) => many.upset,
        }
    }

    /// Whether it may have hits that are no part of the population.
    pub fn has_grown(&self) -> bool {
        self.last_us() >= self.counted
    }

    /// The actors as they are part of the population; call after [`Span::settle`].
    pub fn counted(&self) -> impl Iterator<Item = Actor<'_>> {
        self.actors(self.counted)
    }

    /// Actors with hits that the population up to `until` has and that of before has not: as
    /// they were then, if they were there, and as they are. Call after [`Span::settle`].
    pub fn grown(&self, until: u32) -> impl Iterator<Item = (Option<Actor<'_>>, Actor<'_>)> {
        let hits = if self.has_grown() { self.hits() } else { &[] };
        hits.chunk_by(|a, b| a.who == b.who).filter_map(move |run| {
            let before = run.partition_point(|hit| hit.at < self.counted);
            let now = run.partition_point(|hit| hit.at < until);
            let actor = |end: usize| Actor { hits: &run[..end] };
            (now > before).then(|| ((before > 0).then(|| actor(before)), actor(now)))
        })
    }

    /// The hits that are kept, sorted by actor and time; call after [`Span::settle`].
    pub fn hits(&self) -> &[Hit] {
        match &self.held {
            Held::One { hit, .. } => std::slice::from_ref(hit),
            Held::Many(many) => &many.hits,
        }
    }

    /// Requests that were counted and not kept.
    pub fn dropped(&self) -> u64 {
        let dropped = self.dropped_by_minute().iter();
        dropped.map(|&(_, count)| u64::from(count)).sum()
    }

    /// When its last request came, µs in the window, markers of assets at their minute.
    pub fn last_us(&self) -> u32 {
        match &self.held {
            Held::One { hit, .. } => hit.at,
            Held::Many(many) => many.last,
        }
    }

    /// Roughly how many hits, before thinning.
    pub fn len(&self) -> usize {
        self.hits().len()
    }

    /// Bytes beyond its own size.
    pub fn bytes(&self) -> usize {
        match &self.held {
            Held::One { .. } => 0,
            Held::Many(many) => many.bytes(),
        }
    }

    /// The actors with their hits before `until` (µs in the window), those of one actor in a row.
    pub fn actors(&self, until: u32) -> impl Iterator<Item = Actor<'_>> {
        self.hits()
            .chunk_by(|a, b| a.who == b.who)
            .filter_map(move |run| {
                let end = run.partition_point(|hit| hit.at < until);
                (end > 0).then(|| Actor { hits: &run[..end] })
            })
    }
}

fn drop_some(dropped: &mut Vec<(u8, u32)>, minute: u8, count: u32) {
    match dropped.iter_mut().find(|(at, _)| *at == minute) {
        Some((_, known)) => *known = known.saturating_add(count),
        None => dropped.push((minute, count)),
    }
}

/// Counts one more request, or marker of assets, that is not kept; they come by actor.
fn lose(lost: &mut Vec<Minute>, hit: &Hit) {
    let one = Minute::of(hit);
    if let Some(last) = lost.last_mut()
        && (last.who, last.minute) == (one.who, one.minute)
    {
        last.join(&one);
    } else if lost.len() < LOST_MAX {
        // Whatever comes later has a larger hash.
        lost.push(one);
    }
}

#[cfg(test)]
mod tests;
