//! How the other clients of one window behave: what a signal is worth depends on it.
//!
//! Only actors that load assets vote (browsers with people, as a rule): a fleet of scripts must
//! not define what is ordinary. All figures are sums over the actors of the window, so order
//! does not matter, and what an actor added can be taken back when it has done more.

use super::actor::Actor;
use super::period;
use super::timeline::Hit;
use ahash::AHashMap;
use std::collections::hash_map::Entry;

/// Templates and sequences counted per window; what is beyond has no prior.
const TEMPLATES_MAX: usize = 8_192;
const SEQUENCES_MAX: usize = 400_000;

/// A person needs longer from seeing a form to sending it, µs. Stamps of whole seconds: the same
/// second.
pub const QUICK_US: u32 = 800_000;

/// Percentage of a template's loaders that ask at one interval when the site's script does.
const SCRIPT_SHARE: u32 = 3;

/// Evidence of a rhythm from which on it is a vote.
const VOTE_NATS: f64 = 2.0;

/// Steps of a sequence that is compared between clients.
pub const SEQUENCE_STEPS: usize = 6;

/// Whether an actor's figures are added or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Add,
    Take,
}

impl Sign {
    fn apply(self, count: &mut u32, amount: u32) {
        *count = match self {
            Sign::Add => count.saturating_add(amount),
            Sign::Take => count.saturating_sub(amount),
        };
    }

    fn one(self, count: &mut u32) {
        self.apply(count, 1);
    }

    /// Counts `key`, or takes one of it back; keys without any are gone.
    fn key(self, counts: &mut AHashMap<u64, u32>, key: u64) {
        match (self, counts.entry(key)) {
            (Sign::Add, entry) => *entry.or_default() += 1,
            (Sign::Take, Entry::Occupied(known)) if *known.get() <= 1 => _ = known.remove(),
            (Sign::Take, Entry::Occupied(mut known)) => *known.get_mut() -= 1,
            (Sign::Take, Entry::Vacant(_)) => {}
        }
    }
}

/// How often each small number came: requests of one actor, which are bounded.
#[derive(Clone, Debug, Default, PartialEq)]
struct Histogram {
    times: Vec<u32>,
    all: u32,
}

impl Histogram {
    fn count(&mut self, value: u32, sign: Sign) {
        let at = value as usize;
        if self.times.len() <= at {
            self.times.resize(at + 1, 0);
        }
        sign.one(&mut self.times[at]);
        sign.one(&mut self.all);
        trim(&mut self.times);
    }

    /// The number that one in a hundred exceeds.
    fn most(&self) -> Option<u32> {
        let mut before = self.all * 99 / 100;
        let held = |&times: &u32| {
            let here = before < times;
            before = before.saturating_sub(times);
            here
        };
        self.times
            .iter()
            .position(held)
            .and_then(|value| u32::try_from(value).ok())
    }
}

/// Takes zeros off the end.
fn trim(counts: &mut Vec<u32>) {
    while counts.last() == Some(&0) {
        counts.pop();
    }
}

/// What is known of one path template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// Actors that asked for it and either load assets or send referers.
    pub plausible: u32,
    /// Actors that asked for it and load assets.
    pub loaders: u32,
    /// Requests of loaders, and those with a referer.
    pub requests: u32,
    pub referers: u32,
    /// Requests by loader, and the number that one in a hundred of them exceeds, as of
    /// [`Population::finish`].
    counts: Histogram,
    busy: Option<u32>,
    /// POSTs of loaders right after another step, and those sooner than a person.
    pub submits: u32,
    pub quick: u32,
    /// Loaders that sent POSTs here in a row faster than fingers do.
    pub hammerers: u32,
    /// Loaders that ask at regular intervals, by the logarithm of the period; sorted.
    rhythms: Vec<(u16, u32)>,
}

impl Template {
    /// A loader's own regular interval here.
    fn vote(&mut self, beat: Option<period::Beat>, sign: Sign) {
        let Some(beat) = beat else {
            return;
        };
        let rhythm = rhythm(beat.period_us);
        match (self.rhythms.binary_search_by_key(&rhythm, |known| known.0), sign) {
            (Ok(at), Sign::Take) if self.rhythms[at].1 <= 1 => _ = self.rhythms.remove(at),
            (Ok(at), _) => sign.one(&mut self.rhythms[at].1),
            (Err(at), Sign::Add) => self.rhythms.insert(at, (rhythm, 1)),
            (Err(_), Sign::Take) => {}
        }
    }

    /// Whether a part of the loaders that no fleet makes up keeps this interval here: the site's
    /// own script does, perhaps one of several.
    pub fn scripted(&self, period_us: f64, own_vote: bool) -> bool {
        let wanted = i32::from(rhythm(period_us));
        let near = |&&(at, _): &&(u16, u32)| (i32::from(at) - wanted).abs() <= 2;
        let votes: u32 = self.rhythms.iter().filter(near).map(|&(_, count)| count).sum();
        let votes = votes.saturating_sub(u32::from(own_vote));
        votes >= 3 && votes * 100 >= self.loaders * SCRIPT_SHARE
    }

    /// Whether enough loaders came to say that the site has no script that asks at intervals.
    pub fn never_polled(&self) -> bool {
        self.loaders >= 10 && !self.polled()
    }

    /// Requests of one loader in the window that one in a hundred exceeds, at least ten; `None`
    /// while too few came.
    pub fn busy(&self) -> Option<u32> {
        self.busy
    }

    /// Whether many loaders ask at intervals, whichever.
    pub fn polled(&self) -> bool {
        let votes: u32 = self.rhythms.iter().map(|&(_, count)| count).sum();
        votes >= 3 && votes * 100 >= self.loaders * SCRIPT_SHARE
    }
}

/// Steps of about 13 %.
fn rhythm(period_us: f64) -> u16 {
    (period_us.max(1.0).ln() * 8.0) as u16
}

/// A sequence of steps: how many actors take it again and again, and how often chance would bring it about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shared {
    pub actors: u32,
    pub expected: f64,
}

/// Steps and transitions counted per window.
const TRANSITIONS_MAX: usize = 200_000;

/// The figures of one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Population {
    templates: AHashMap<u32, Template>,
    sequences: AHashMap<u64, u32>,
    /// How often each step is followed by any, and by each other.
    steps: AHashMap<u64, u32>,
    transitions: AHashMap<u64, u32>,
    pub loaders: u32,
    /// Busiest minutes of loaders, and what one in a hundred of them exceeds, as of
    /// [`Population::finish`].
    busiest: Histogram,
    busy: u32,
    /// Requests for steps of a sale by second of the window.
    seconds: Vec<u32>,
    /// First step of a sale after each second that may be an opening is looked up late.
    opening: Option<u32>,
    /// Sorted by [`Population::finish_reactions`].
    reactions: Vec<u32>,
    /// A table had no room for all: what is in it depends on who came first.
    full: bool,
}

/// Room for the requests of one actor, sorted by template.
#[derive(Default)]
pub struct Scratch {
    pub by_path: Vec<(u32, u32, bool)>,
    pub times: Vec<u32>,
    pub gaps: Vec<f64>,
    pub steps: Vec<u64>,
    grams: Vec<u64>,
}

impl Scratch {
    /// Fills [`Scratch::steps`].
    pub fn steps(&mut self, actor: &Actor<'_>) {
        self.steps.clear();
        self.steps.extend(actor.requests().map(Hit::step));
        // Asking again for the same is no step.
        self.steps.dedup();
    }

    /// Fills [`Scratch::by_path`] with (template, time, referer) of what is no asset.
    pub fn sort_by_path(&mut self, actor: &Actor<'_>) {
        self.by_path.clear();
        self.by_path
            .extend(actor.requests().map(|hit| (hit.path, hit.at, hit.referer())));
        self.by_path.sort_unstable();
    }
}

impl Population {
    /// Adds what one actor did, or takes it back; sequences from `sequences_min` requests on.
    pub fn count(&mut self, actor: &Actor<'_>, sequences_min: u32, scratch: &mut Scratch, sign: Sign) {
        let sums = actor.sums();
        let loader = sums.assets > 0;
        if loader {
            sign.one(&mut self.loaders);
        }
        if loader && sums.requests > 0 {
            self.busiest.count(sums.busiest_minute, sign);
        }
        if sums.sale > 0 {
            self.count_seconds(actor, sign);
        }
        if sums.requests >= sequences_min {
            self.count_sequences(actor, scratch, sign);
        }
        if loader || sums.referers > 0 {
            self.count_templates(actor, loader, scratch, sign);
        }
    }

    fn count_templates(&mut self, actor: &Actor<'_>, loader: bool, scratch: &mut Scratch, sign: Sign) {
        scratch.sort_by_path(actor);
        let resolution = period::resolution_us(actor.requests().map(|hit| hit.at));
        if loader && sign == Sign::Take {
            self.count_submits(actor, resolution, sign);
        }
        let Scratch {
            by_path, times, gaps, ..
        } = scratch;
        for run in by_path.chunk_by(|a, b| a.0 == b.0) {
            if self.templates.len() >= TEMPLATES_MAX && !self.templates.contains_key(&run[0].0) {
                self.full = true;
                continue;
            }
            let template = self.templates.entry(run[0].0).or_default();
            sign.one(&mut template.plausible);
            if loader {
                sign.one(&mut template.loaders);
                let count = u32::try_from(run.len()).unwrap_or(u32::MAX);
                sign.apply(&mut template.requests, count);
                template.counts.count(count, sign);
                let referers = run.iter().map(|&(_, _, referer)| u32::from(referer)).sum();
                sign.apply(&mut template.referers, referers);
                if run.len() > 5 {
                    times.clear();
                    times.extend(run.iter().map(|&(_, at, _)| at));
                    template.vote(period::beat(times, resolution, VOTE_NATS, gaps), sign);
                }
            }
            if template.plausible == 0 {
                self.templates.remove(&run[0].0);
            }
        }
        if loader && sign == Sign::Add {
            self.count_submits(actor, resolution, sign);
        }
    }

    fn count_seconds(&mut self, actor: &Actor<'_>, sign: Sign) {
        for hit in actor.requests().filter(|hit| hit.kind().of_sale()) {
            let second = (hit.at / 1_000_000) as usize;
            if self.seconds.len() <= second {
                self.seconds.resize(second + 1, 0);
            }
            sign.one(&mut self.seconds[second]);
        }
        trim(&mut self.seconds);
    }

    fn count_submits(&mut self, actor: &Actor<'_>, resolution: u32, sign: Sign) {
        if let Some((path, 4..)) = hammering(actor, resolution)
            && let Some(template) = self.templates.get_mut(&path)
        {
            sign.one(&mut template.hammerers);
        }
        for submit in submits(actor) {
            if let Some(template) = self.templates.get_mut(&submit.template) {
                sign.one(&mut template.submits);
                if submit.gap_us < QUICK_US.max(resolution) {
                    sign.one(&mut template.quick);
                }
            }
        }
    }

    /// The sequences that one actor takes more than once.
    fn count_sequences(&mut self, actor: &Actor<'_>, scratch: &mut Scratch, sign: Sign) {
        scratch.steps(actor);
        let Scratch { steps, grams, .. } = scratch;
        grams.clear();
        grams.extend(sequences(steps).map(hash));
        grams.sort_unstable();
        // Once is a way through the site, again is a script.
        for again in grams.chunk_by(|a, b| a == b).filter(|run| run.len() > 1) {
            if self.sequences.len() < SEQUENCES_MAX || self.sequences.contains_key(&again[0]) {
                sign.key(&mut self.sequences, again[0]);
            } else {
                self.full = true;
            }
        }
        for pair in steps.windows(2) {
            let transition = hash(pair);
            if self.transitions.len() < TRANSITIONS_MAX || self.transitions.contains_key(&transition) {
                sign.key(&mut self.steps, pair[0]);
                sign.key(&mut self.transitions, transition);
            } else {
                self.full = true;
            }
        }
    }

    /// Whether a table had no room for all.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Who takes these steps, if at least `actors_min` do, and how often they would follow each other if each depended on the
    /// one before only (a Markov chain of the first order, estimated from everybody).
    pub fn shared(&self, run: &[u64], actors_min: u32) -> Option<Shared> {
        let actors = self.sequences.get(&hash(run)).copied();
        let actors = actors.filter(|&actors| actors >= actors_min)?;
        let count = |map: &AHashMap<u64, u32>, key: u64| f64::from(map.get(&key).copied().unwrap_or(0));
        let mut expected = count(&self.steps, run[0]);
        for pair in run.windows(2) {
            expected *= count(&self.transitions, hash(pair)) / count(&self.steps, pair[0]).max(1.0);
        }
        Some(Shared { actors, expected })
    }

    /// Settles what needs all actors: who is busy, and the opening second.
    pub fn finish(&mut self) {
        self.busy = self.busiest.most().unwrap_or(0).max(20);
        for template in self.templates.values_mut() {
            let most = template.counts.most().filter(|_| template.counts.all >= 20);
            template.busy = most.map(|most| most.max(10));
        }
        self.opening = opening(&self.seconds);
        self.reactions.clear();
    }

    /// When a sale opened in this window, in seconds of it.
    pub fn opening(&self) -> Option<u32> {
        self.opening
    }

    /// Adds a loader's reaction to the opening.
    pub fn add_reaction(&mut self, actor: &Actor<'_>) {
        if let Some(after) = self.opening.and_then(|second| reaction(actor, second)) {
            self.reactions.push(after);
        }
    }

    pub fn finish_reactions(&mut self) {
        self.reactions.sort_unstable();
    }

    /// Share of loaders that were at least as quick, when enough of them came.
    pub fn as_quick(&self, after_us: u32) -> Option<f64> {
        let quick = self.reactions.partition_point(|&known| known <= after_us);
        (self.reactions.len() >= 20).then(|| (quick as f64 + 1.0) / (self.reactions.len() as f64 + 1.0))
    }

    /// Different sequences that anybody takes more than once.
    pub fn sequences(&self) -> u32 {
        u32::try_from(self.sequences.len()).unwrap_or(u32::MAX)
    }

    pub fn template(&self, path: u32) -> Option<&Template> {
        self.templates.get(&path)
    }

    /// Requests in the busiest minute that one in a hundred loaders reaches, at least twenty.
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// Memory, estimated.
    pub fn bytes(&self) -> usize {
        const ENTRY_BYTES: usize = 24;
        let maps = self.sequences.len() + self.steps.len() + self.transitions.len();
        maps * ENTRY_BYTES
            + self.templates.len() * (size_of::<Template>() + ENTRY_BYTES + 32)
            + (self.seconds.len() + self.reactions.len()) * 4
    }
}

/// The second in which steps of a sale jump: at least 20 in three seconds, and eight times the
/// mean of the minute before.
fn opening(seconds: &[u32]) -> Option<u32> {
    let mut best: Option<(f64, usize)> = None;
    for at in 30..seconds.len() {
        let burst: u32 = seconds[at..seconds.len().min(at + 3)].iter().sum();
        if burst < 20 {
            continue;
        }
        let before = &seconds[at.saturating_sub(60)..at];
        let mean = f64::from(before.iter().sum::<u32>()) / before.len() as f64;
        let factor = f64::from(burst) / 3.0 / mean.max(0.5);
        if factor >= 8.0 && best.is_none_or(|(known, _)| factor > known) {
            best = Some((factor, at));
        }
    }
    best.and_then(|(_, at)| u32::try_from(at).ok())
}

/// µs from the opening to the actor's first seat or payment.
pub fn reaction(actor: &Actor<'_>, opening: u32) -> Option<u32> {
    let from = opening.saturating_mul(1_000_000);
    let first = actor.requests().find(|hit| {
        hit.at >= from && matches!(hit.kind(), super::request::Kind::Seat | super::request::Kind::Pay)
    })?;
    Some(first.at - from)
}

/// A step of a sale sent right after another step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submit {
    pub template: u32,
    pub at: u32,
    pub gap_us: u32,
}

/// Every POST of a sale, with the time since the request before it; not what repeats a POST.
pub fn submits<'a>(actor: &Actor<'a>) -> impl Iterator<Item = Submit> + use<'a> {
    let hits = actor.hits;
    let mut before: Option<&Hit> = None;
    hits.iter().filter(|hit| !hit.is_asset()).filter_map(move |hit| {
        let last = before.replace(hit)?;
        let asked = hit.post() && hit.kind().of_sale() && !last.post() && last.path != hit.path;
        asked.then(|| Submit {
            template: hit.path,
            at: hit.at,
            gap_us: hit.at - last.at,
        })
    })
}

/// Every [`SEQUENCE_STEPS`] steps in a row with at least three different ones.
pub fn sequences(steps: &[u64]) -> impl Iterator<Item = &[u64]> {
    steps.windows(SEQUENCE_STEPS).filter(|run| {
        let new = |&at: &usize| !run[..at].contains(&run[at]);
        (0..run.len()).filter(new).count() >= 3
    })
}

fn hash(run: &[u64]) -> u64 {
    run.iter().fold(0x517C_C1B7_2722_0A95, |hash: u64, step| {
        (hash.rotate_left(7) ^ step).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    })
}

/// POSTs for a step of a sale that follow one of the same kind faster than fingers do; in
/// stamps of whole seconds, those beyond three in one second. By template, the most.
pub fn hammering(actor: &Actor<'_>, resolution_us: u32) -> Option<(u32, u32)> {
    const FINGERS_US: u32 = 250_000;
    let coarse = resolution_us >= 1_000_000;
    let posts = actor.requests().filter(|hit| hit.post() && hit.kind().of_sale());
    let (mut last, mut run): (Option<&Hit>, u32) = (None, 0);
    let mut counts: Vec<(u32, u32)> = Vec::new();
    for hit in posts {
        let gap = last
            .filter(|last| last.path == hit.path)
            .map(|last| hit.at - last.at);
        let quick = match gap {
            Some(gap) if coarse => {
                run = if gap == 0 { run + 1 } else { 0 };
                run >= 3
            }
            Some(gap) => gap < FINGERS_US,
            None => false,
        };
        last = Some(hit);
        if quick {
            match counts.iter().position(|(path, _)| *path == hit.path) {
                Some(at) => counts[at].1 += 1,
                None if counts.len() < 16 => counts.push((hit.path, 1)),
                None => {}
            }
        }
    }
    counts.into_iter().max_by_key(|&(path, count)| (count, path))
}
