//! Floods of requests, told apart from flash crowds, per host.
//!
//! Slots of 20 s hold exact counts per path template. A slot is looked at when its busiest
//! template has many times the median of the hour before it; what it is, is then decided by who
//! asks: a crowd are browsers, which load the assets of their pages; a flood are clients that do
//! not. Path, referer and user-agent figures are told beside it.

use ahash::AHashMap;
use haetae_event::Dataset;
use std::collections::BTreeMap;

/// Length of a slot, µs.
pub const SLOT_US: i64 = 20_000_000;

/// Slots before a slot that are its baseline: an hour.
pub const BASELINE_SLOTS: i64 = 180;

/// Slots since the first that is known, three minutes: with fewer, nothing is usual yet.
const KNOWN_MIN: i64 = 9;

/// Hosts watched.
const SITES_MAX: usize = 500;
/// Templates counted in one slot, those with the smallest hashes, so that which they are does not
/// depend on the order of rows; what is beyond counts under template [`OTHERS`].
const TEMPLATES_MAX: usize = 128;

/// One slot: a map entry is about 12 bytes with its share of the free ones, and 20 to 25 is what a
/// slot has.
const SLOT_BYTES: usize = size_of::<Slot>() + 300;

/// Stands for the templates that a slot has no room for.
pub const OTHERS: u32 = 0;

/// What one slot held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slot {
    /// Requests that are no assets, by clients with timelines.
    pub requests: u32,
    pub assets: u32,
    /// Requests without: of declared crawlers, for the site's health, or by nobody knows whom.
    pub apart: u32,
    /// Of the requests, those with a referer.
    pub referers: u32,
    /// Requests by class of user agent.
    agents: [u32; 16],
    templates: BTreeMap<u32, u32>,
    others: u32,
}

/// One request, as a slot counts it.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// `None` for an asset.
    pub template: Option<u32>,
    /// There is a timeline that it belongs to.
    pub watched: bool,
    pub referer: bool,
    pub agent: u8,
}

impl Slot {
    pub fn add(&mut self, counted: Counted) {
        let Some(template) = counted.template else {
            self.assets += 1;
            return;
        };
        if !counted.watched {
            self.apart += 1;
            return;
        }
        self.requests += 1;
        self.referers += u32::from(counted.referer);
        self.agents[usize::from(counted.agent & 15)] += 1;
        self.count(template, 1);
    }

    fn count(&mut self, template: u32, count: u32) {
        if let Some(known) = self.templates.get_mut(&template) {
            *known += count;
            return;
        }
        self.templates.insert(template, count);
        if self.templates.len() > TEMPLATES_MAX
            && let Some((_, count)) = self.templates.pop_last()
        {
            self.others += count;
        }
    }

    /// Under which template requests for `template` are counted.
    pub fn place(&self, template: u32) -> u32 {
        if self.templates.contains_key(&template) {
            template
        } else {
            OTHERS
        }
    }

    fn all(&self) -> u64 {
        u64::from(self.requests) + u64::from(self.assets) + u64::from(self.apart)
    }

    fn join(&mut self, other: &Slot) {
        self.requests += other.requests;
        self.assets += other.assets;
        self.apart += other.apart;
        self.others += other.others;
        self.referers += other.referers;
        for (own, theirs) in self.agents.iter_mut().zip(&other.agents) {
            *own += theirs;
        }
        for (&template, &count) in &other.templates {
            self.count(template, count);
        }
    }

    /// The busiest template; of equals the one with the smaller hash.
    fn busiest(&self) -> Option<(u32, u32)> {
        let order = |&(template, count): &(u32, u32)| (count, std::cmp::Reverse(template));
        let known = self.templates.iter().map(|(&t, &c)| (t, c));
        known.chain([(OTHERS, self.others)]).max_by_key(order)
    }

    fn of(&self, template: u32) -> u32 {
        if template == OTHERS {
            return self.others;
        }
        self.templates.get(&template).copied().unwrap_or(0)
    }

    /// Entropy of the paths, in bits.
    pub fn path_entropy(&self) -> f64 {
        let all = f64::from(self.requests.max(1));
        let bits = |count: u32| {
            let share = f64::from(count) / all;
            -share * share.log2()
        };
        let known = self.templates.values().copied();
        let others = (self.others > 0).then_some(self.others);
        known.chain(others).map(bits).sum()
    }

    /// Share of the most frequent class of user agents.
    pub fn agent_share(&self) -> f64 {
        f64::from(*self.agents.iter().max().unwrap_or(&0)) / f64::from(self.requests.max(1))
    }
}

/// The slots of one (tenant, dataset, host).
#[derive(Debug, Default)]
pub struct Site {
    pub tenant: u16,
    pub dataset: Option<Dataset>,
    pub host: Option<Box<str>>,
    slots: BTreeMap<i64, Slot>,
    /// Requests of all kinds in those slots, and the last slot there ever was.
    total: u64,
    last: i64,
}

/// A slot far above its baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Jump {
    pub slot: i64,
    pub template: u32,
    pub count: u32,
    /// Median of the template in the slots before.
    pub usual: u32,
    /// How many slots before it are known, of an hour.
    pub known: i64,
}

impl Site {
    pub fn slot(&self, slot: i64) -> Option<&Slot> {
        self.slots.get(&slot)
    }

    /// Slots of `from..to` that jump. A slot's verdict depends on the hour before it.
    pub fn jumps(&self, from: i64, to: i64, requests_min: u32, factor_min: f64) -> Vec<Jump> {
        let mut jumps = Vec::new();
        for (&slot, held) in self.slots.range(from..to.max(from)) {
            let Some((template, count)) = held.busiest().filter(|(_, count)| *count >= requests_min) else {
                continue;
            };
            // The hour before and nothing else: what lies further back may be forgotten or late.
            let before = || self.slots.range(slot - BASELINE_SLOTS..slot);
            let known = before().next().map_or(0, |(&first, _)| slot - first);
            if known < KNOWN_MIN {
                // A log that begins, or a host that nobody asked for an hour: any traffic would be
                // a jump. Clients over a limit of their own have rules of their own.
                continue;
            }
            let counts: Vec<u32> = before().map(|(_, slot)| slot.of(template)).collect();
            let all = usize::try_from(known).unwrap_or(0).max(counts.len());
            let usual = median(counts, all).max(self.usual_before_pause(slot, template));
            // Little baseline: more is asked for.
            let cold = if known < 15 { 2 } else { 1 };
            if f64::from(count) >= factor_min * f64::from(usual.max(1)) && count >= requests_min * cold {
                jumps.push(Jump {
                    slot,
                    template,
                    count,
                    usual,
                    known,
                });
            }
        }
        jumps
    }

    /// The median of the slots before the host was last silent, those with requests: a log may
    /// pause, and go on as before.
    fn usual_before_pause(&self, slot: i64, template: u32) -> u32 {
        let mut began = slot;
        let mut before = self.slots.range(slot - BASELINE_SLOTS..slot).rev().peekable();
        while before.next_if(|(at, _)| **at == began - 1).is_some() {
            began -= 1;
        }
        let counts: Vec<u32> = before.map(|(_, slot)| slot.of(template)).collect();
        let all = counts.len();
        median(counts, all)
    }

    pub fn prune(&mut self, before_us: i64) -> u64 {
        let keep = self
            .slots
            .split_off(&(before_us.div_euclid(SLOT_US) - BASELINE_SLOTS));
        let gone = std::mem::replace(&mut self.slots, keep).len() as u64;
        self.total = self.slots.values().map(Slot::all).sum();
        gone
    }

    fn bytes(&self) -> usize {
        self.slots.len() * SLOT_BYTES + 200
    }
}

/// The median of so many counts, those that are not there being zero.
fn median(mut counts: Vec<u32>, all: usize) -> u32 {
    counts.sort_unstable();
    let zeros = all.saturating_sub(counts.len());
    let middle = counts.len().max(all) / 2;
    middle
        .checked_sub(zeros)
        .and_then(|at| counts.get(at))
        .copied()
        .unwrap_or(0)
}

/// All hosts.
#[derive(Debug, Default)]
pub struct Sites {
    index: AHashMap<(u16, Dataset, Option<Box<str>>), usize>,
    pub sites: Vec<Site>,
    /// Requests to hosts that were given up for others.
    pub unseen: u64,
    bytes: usize,
}

impl Sites {
    /// The site, made now if it is new: when there is no room, in the place of the one with the
    /// fewest requests, of equals the one silent longest. Places of others never change.
    pub fn site(&mut self, tenant: u16, dataset: Dataset, host: Option<&str>) -> usize {
        // Found without copying the name only where the standard map allows it: one host in a
        // row is the rule, and the caller remembers it.
        let key = (tenant, dataset, host.map(Box::from));
        if let Some(&at) = self.index.get(&key) {
            return at;
        }
        let fresh = Site {
            tenant,
            dataset: Some(dataset),
            host: key.2.clone(),
            last: i64::MIN,
            ..Site::default()
        };
        let at = match self.least() {
            Some(at) if self.sites.len() >= SITES_MAX => {
                let gone = std::mem::replace(&mut self.sites[at], fresh);
                self.unseen += gone.total;
                self.bytes = self.bytes.saturating_sub(gone.slots.len() * SLOT_BYTES);
                if let Some(dataset) = gone.dataset {
                    self.index.remove(&(gone.tenant, dataset, gone.host));
                }
                at
            }
            _ => {
                self.sites.push(fresh);
                self.sites.len() - 1
            }
        };
        self.index.insert(key, at);
        at
    }

    /// The host that is missed least.
    fn least(&self) -> Option<usize> {
        let order = |&at: &usize| (self.sites[at].total, self.sites[at].last);
        (0..self.sites.len()).min_by_key(order)
    }

    pub fn join(&mut self, site: usize, slot: i64, counted: &Slot) {
        let site = &mut self.sites[site];
        let before = site.slots.len();
        site.total += counted.all();
        site.last = site.last.max(slot);
        site.slots.entry(slot).or_default().join(counted);
        if site.slots.len() > before {
            self.bytes += SLOT_BYTES;
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes + self.sites.len() * 200
    }

    pub fn recount(&mut self) {
        self.bytes = self.sites.iter().map(Site::bytes).sum();
    }

    /// Gives up the hosts with the fewest slots until `bytes_max` holds; returns how many.
    pub fn shrink(&mut self, bytes_max: usize) -> u64 {
        let mut lost = 0;
        self.recount();
        self.sites.sort_by_key(|site| std::cmp::Reverse(site.slots.len()));
        while self.bytes() > bytes_max && !self.sites.is_empty() {
            self.sites.pop();
            self.recount();
            lost += 1;
        }
        let key = |site: &Site| {
            site.dataset
                .map(|dataset| (site.tenant, dataset, site.host.clone()))
        };
        self.index = (self.sites.iter().enumerate())
            .filter_map(|(at, site)| Some((key(site)?, at)))
            .collect();
        lost
    }
}
