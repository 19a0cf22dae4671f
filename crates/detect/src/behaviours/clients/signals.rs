//! What speaks for a script and what for a person, as log-likelihood ratios that are added.
//!
//! Each part is `ln P(signal | script) − ln P(signal | person)`, the second taken from the other
//! clients of the window where they are enough. Parts that do not vary independently are capped
//! together. The sum is compared at growing lengths of the timeline, as in Wald's sequential
//! test: a decision once reached on a prefix stands, since what comes later is another matter
//! (a person may log in and then start the macro, never the other way about).

use super::actor::{Actor, Sums};
use super::period::{self, Beat};
use super::population::{self, Population, QUICK_US, SEQUENCE_STEPS, Scratch, Shared, Template};
use crate::detectors::Macros;

/// One part of the evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub signal: &'static str,
    pub nats: f64,
    pub text: String,
}

/// The evidence on one prefix of a timeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    pub parts: Vec<Part>,
    pub beat: Option<Beat>,
    /// Parts are weighed only, without their words.
    quiet: bool,
}

impl Evidence {
    /// Natural logarithm of the likelihood ratio.
    pub fn total(&self) -> f64 {
        self.parts.iter().map(|part| part.nats).sum()
    }

    pub fn of(&self, signal: &str) -> f64 {
        let own = self.parts.iter().filter(|part| part.signal == signal);
        own.map(|part| part.nats).sum()
    }

    /// Signals of timing and order: without one of them a client that looks like a script is
    /// merely a visitor with an odd browser.
    pub fn behaves(&self) -> bool {
        let timing = [REGULARITY, SUBMIT, SEQUENCE, HAMMERING].map(|signal| self.of(signal));
        timing.iter().sum::<f64>() >= 3.0 || self.of(BARE) >= 3.0
    }

    /// How much speaks for one clock behind all requests.
    pub fn clocked(&self) -> f64 {
        self.beat.map_or(0.0, |_| self.of(REGULARITY))
    }

    /// Signals of timing alone.
    fn timed(&self) -> bool {
        [REGULARITY, SUBMIT, HAMMERING]
            .map(|signal| self.of(signal))
            .iter()
            .sum::<f64>()
            >= 3.0
    }

    fn add(&mut self, signal: &'static str, nats: f64, text: impl FnOnce() -> String) {
        if nats != 0.0 {
            let text = if self.quiet { String::new() } else { text() };
            self.parts.push(Part { signal, nats, text });
        }
    }
}

const REGULARITY: &str = "regular intervals";
const NO_BROWSER: &str = "not a browser";
const BROWSER: &str = "browser";
const SUBMIT: &str = "sub-human submits";
const SEQUENCE: &str = "shared sequence";
const HAMMERING: &str = "hammering";
const BARE: &str = "bare pages";
const OPENING: &str = "at the opening";
const VOLUME: &str = "volume";

/// Later than this after an opening is not at once, µs.
const AT_ONCE_US: u32 = 3_000_000;

/// Fewer actors with the same steps are no fleet.
const ACTORS_MIN: u32 = 3;

/// Pages without assets that say no more than the first of them.
const BARE_PAGES: u32 = 8;

/// Everything the signals need beside the actor.
pub struct Judge<'a> {
    pub settings: &'a Macros,
    pub population: &'a Population,
    /// Decisions later than this, µs in the window, have to wait.
    pub decided_before: u32,
}

impl Judge<'_> {
    pub fn weigh(&self, actor: &Actor<'_>, sums: &Sums, scratch: &mut Scratch) -> Evidence {
        let mut evidence = Evidence::default();
        scratch.sort_by_path(actor);
        self.browser(sums, scratch, &mut evidence);
        self.regularity(actor, sums, scratch, &mut evidence);
        self.submits(actor, &mut evidence);
        self.sequences(actor, scratch, &mut evidence);
        self.hammering(actor, &mut evidence);
        self.opening(actor, &mut evidence);
        self.volume(sums, scratch, &mut evidence);
        evidence
    }

    /// Whether all that an actor did may weigh as much as `least`: most actors are people, and what
    /// intervals could say at most is reckoned before they are looked at.
    fn may_weigh(&self, actor: &Actor<'_>, least: f64, scratch: &mut Scratch) -> bool {
        let sums = actor.sums();
        let mut evidence = Evidence {
            quiet: true,
            ..Evidence::default()
        };
        scratch.sort_by_path(actor);
        self.browser(&sums, scratch, &mut evidence);
        self.submits(actor, &mut evidence);
        self.sequences(actor, scratch, &mut evidence);
        self.hammering(actor, &mut evidence);
        self.opening(actor, &mut evidence);
        self.volume(&sums, scratch, &mut evidence);
        let runs = scratch.by_path.chunk_by(|a, b| a.0 == b.0);
        let most = runs.map(|run| period::nats_max(run.len())).fold(0.0, f64::max);
        if evidence.total() + most.min(self.settings.regularity_max) < least {
            return false;
        }
        self.regularity(actor, &sums, scratch, &mut evidence);
        evidence.total() >= least
    }

    /// Assets, referers and the user agent: each of them innocent, and all of one cause, hence
    /// one cap.
    fn browser(&self, sums: &Sums, scratch: &Scratch, out: &mut Evidence) {
        let seen = f64::from(sums.requests.min(8)) / 8.0;
        if sums.assets >= (sums.pages / 5).max(1) {
            let referers = sums.referers * 2 >= sums.requests;
            // Two pages with their assets say little about hundreds of calls.
            let told = (f64::from(sums.pages) * 4.0 / f64::from(sums.requests.max(1))).clamp(0.3, 1.0);
            let nats = if referers { -2.5 } else { -2.0 } * told;
            out.add(BROWSER, nats, || format!("{} assets loaded", sums.assets));
            return;
        }
        let (mut load, mut requests, mut referers) = (0.0f64, 0u32, 0u32);
        for run in scratch.by_path.chunk_by(|a, b| a.0 == b.0) {
            let Some(template) = self.population.template(run[0].0) else {
                continue;
            };
            if template.plausible >= 5 {
                load = load.max(f64::from(template.loaders) / f64::from(template.plausible));
            }
            requests += template.requests;
            referers += template.referers;
        }
        let mut texts = Vec::new();
        let mut nats = 0.0;
        if sums.assets == 0 && load > 0.0 {
            nats += -(1.0 - load.min(0.97)).ln() * seen;
            texts.push(format!("no assets, which {:.0} % of visitors load", load * 100.0));
        }
        if sums.referers == 0 && requests >= 20 && referers > 0 {
            let usual = f64::from(referers) / f64::from(requests);
            nats += -(1.0 - usual.min(0.95)).ln() * seen;
            texts.push(format!("no referer, usually {:.0} %", usual * 100.0));
        }
        if sums.libraries == sums.requests {
            nats += 3.0;
            texts.push("user agent of a library".into());
        }
        if sums.assets == 0 && load >= 0.7 && sums.pages > BARE_PAGES {
            // A warm cache asks again for something now and then; the more pages, the less likely
            // it is that none was asked for.
            let more = f64::from(sums.pages - BARE_PAGES);
            out.add(BARE, (0.25 * more).min(self.settings.bare_pages_max), || {
                format!("{} pages without one asset", sums.pages)
            });
        }
        out.add(NO_BROWSER, nats.min(self.settings.not_a_browser_max), || {
            texts.join("; ")
        });
    }

    fn regularity(&self, actor: &Actor<'_>, sums: &Sums, scratch: &mut Scratch, out: &mut Evidence) {
        let resolution = period::resolution_us(actor.requests().map(|hit| hit.at));
        let mut found: Option<(f64, Option<Beat>, usize)> = None;
        let Scratch {
            by_path, times, gaps, ..
        } = scratch;
        for run in by_path.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 5) {
            times.clear();
            times.extend(run.iter().map(|&(_, at, _)| at));
            let template = self.population.template(run[0].0);
            // A browser that has the page open may run the page's script.
            let open = sums.assets > 0
                && !template.is_some_and(|template| template.never_polled())
                && run.iter().filter(|&&(_, _, referer)| referer).count() * 2 > run.len();
            let discount = if open { 0.4 } else { 1.0 };
            let own_vote = sums.assets > 0;
            let beat = period::beat(times, resolution, 0.0, gaps)
                .filter(|beat| !template.is_some_and(|t| t.scripted(beat.period_us, own_vote)));
            let steady = match template {
                Some(template) if template.polled() => 0.0,
                _ => period::steady(times),
            };
            let nats = beat.map_or(0.0, |beat| beat.nats).max(steady) * discount;
            if nats > found.map_or(0.0, |(known, _, _)| known) {
                found = Some((nats, beat, run.len()));
            }
        }
        let Some((nats, beat, requests)) = found else {
            return;
        };
        out.beat = beat;
        out.add(
            REGULARITY,
            nats.min(self.settings.regularity_max),
            || match beat {
                Some(beat) => format!(
                    "{} intervals of one path are multiples of {:.2} s, {} of them of more than one",
                    beat.intervals,
                    beat.period_us / 1e6,
                    beat.skipped
                ),
                None => format!("{requests} requests of one path spread evenly over the seconds"),
            },
        );
    }

    fn submits(&self, actor: &Actor<'_>, out: &mut Evidence) {
        let resolution = period::resolution_us(actor.requests().map(|hit| hit.at));
        let limit = QUICK_US.max(resolution);
        let (mut nats, mut quick, mut all) = (0.0, 0u32, 0u32);
        for submit in population::submits(actor) {
            let template = self.population.template(submit.template);
            // Few people send a form within a second of the request before it; how many of this
            // site's do is known after some.
            let (known, known_quick) = template.map_or((0, 0), |t| (t.submits, t.quick));
            let person = (f64::from(known_quick) + 1.0) / (f64::from(known) + 20.0);
            all += 1;
            if submit.gap_us < limit {
                quick += 1;
                nats += (0.7 / person).ln().max(0.0);
            } else if submit.gap_us > limit || resolution < 1_000_000 {
                nats += (0.3 / (1.0 - person).max(0.3)).ln();
            }
        }
        let nats = if quick >= 2 {
            nats.clamp(0.0, self.settings.submit_max)
        } else {
            0.0
        };
        out.add(SUBMIT, nats, || {
            format!(
                "{quick} of {all} submits within {:.1} s of the request before",
                f64::from(limit) / 1e6
            )
        });
    }

    /// Sequences that more actors take than chance explains.
    fn sequences(&self, actor: &Actor<'_>, scratch: &mut Scratch, out: &mut Evidence) {
        scratch.steps(actor);
        let (mut alike, mut best) = (0u32, (0.0f64, Shared::default()));
        let tried = (f64::from(self.population.sequences()) + 1.0).ln();
        for run in population::sequences(&scratch.steps) {
            let Some(shared) = self.population.shared(run, ACTORS_MIN) else {
                continue;
            };
            let (seen, expected) = (f64::from(shared.actors), shared.expected.max(0.01));
            if seen >= 20.0 * expected {
                // A Poisson count so far above its mean, anywhere among all sequences.
                let nats = seen * (seen / expected).ln() - (seen - expected) - tried;
                alike += 1;
                best = if nats > best.0 { (nats, shared) } else { best };
            }
        }
        if alike >= 2 {
            let (nats, shared) = best;
            out.add(SEQUENCE, nats.min(self.settings.sequence_max), || {
                format!(
                    "{} actors take the same {SEQUENCE_STEPS} steps again and again, by chance {:.2} would",
                    shared.actors, shared.expected
                )
            });
        }
    }

    /// POSTs faster than fingers.
    fn hammering(&self, actor: &Actor<'_>, out: &mut Evidence) {
        let resolution = period::resolution_us(actor.requests().map(|hit| hit.at));
        let Some((path, count @ 4..)) = population::hammering(actor, resolution) else {
            return;
        };
        let template = self.population.template(path);
        // The site's own script does it where many visitors do.
        if template.is_some_and(|t| t.hammerers >= 3 && t.hammerers * 5 >= t.loaders) {
            return;
        }
        let each = if resolution >= 1_000_000 { 1.5 } else { 1.0 };
        let nats = ((f64::from(count) - 1.0) * each).min(self.settings.submit_max);
        out.add(HAMMERING, nats, || {
            format!("{count} times one and the same POST faster than fingers")
        });
    }

    fn opening(&self, actor: &Actor<'_>, out: &mut Evidence) {
        let Some(second) = self.population.opening() else {
            return;
        };
        let Some(after) = population::reaction(actor, second) else {
            return;
        };
        if let Some(share) = self.population.as_quick(after).filter(|_| after < AT_ONCE_US) {
            let nats = (-share.ln()).min(2.0);
            if share < 0.2 {
                out.add(OPENING, nats, || {
                    format!(
                        "{:.1} s after the opening, sooner than {:.0} % of visitors",
                        f64::from(after) / 1e6,
                        (1.0 - share) * 100.0
                    )
                });
            }
        }
    }

    /// More requests than visitors make: in a minute, or of one path.
    fn volume(&self, sums: &Sums, scratch: &Scratch, out: &mut Evidence) {
        let mut most = (
            f64::from(sums.busiest_minute) / f64::from(self.population.busy()),
            "in a minute",
        );
        for run in scratch.by_path.chunk_by(|a, b| a.0 == b.0) {
            let busy = self.population.template(run[0].0).and_then(Template::busy);
            if let Some(busy) = busy {
                let factor = run.len() as f64 / f64::from(busy);
                most = if factor > most.0 {
                    (factor, "of one path")
                } else {
                    most
                };
            }
        }
        let (factor, what) = most;
        // Many people behind one address are busy, too, and load assets.
        let weight = if sums.assets > 0 { 0.6 } else { 1.0 };
        let nats = match factor {
            f if f >= 8.0 => 4.0,
            f if f >= 4.0 => 3.0,
            f if f >= 2.0 => 1.5,
            _ => 0.0,
        };
        out.add(VOLUME, nats * weight, || {
            format!("{factor:.0} times as many requests {what} as the busiest hundredth of visitors")
        });
    }
}

/// Lengths of a timeline, in requests that are no assets, at which it is judged.
const CHECKPOINTS: [u32; 13] = [6, 8, 10, 12, 16, 20, 28, 40, 64, 96, 144, 224, 384];

/// What was decided of an actor.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// A macro with evidence that suffices to act on; else automation.
    pub certain: bool,
    /// It asks for steps of a sale, or more often than monitors do.
    pub eager: bool,
    /// Most requests name a robot that nobody can verify.
    pub claimed: bool,
    pub evidence: Evidence,
    /// Requests (no assets) and time, µs in the window, at which it was decided.
    pub requests: u32,
    pub at: u32,
}

/// Seats and queues asked for so often in a minute, most requests being such: monitors look once
/// in fifteen seconds at most.
const WANTED_PER_MINUTE_MIN: u32 = 5;

impl Judge<'_> {
    /// A slow beat on pages, or on one step alone, is a monitor somebody forgot to declare; one that
    /// goes by a browser's name and asks for seats among other things is none.
    fn eager(&self, sums: &Sums) -> bool {
        let browser = (sums.libraries + sums.claimed) * 2 <= sums.requests;
        sums.grabs > 0
            || sums.kinds.count_ones() > 1
            || sums.busiest_minute >= self.settings.requests_per_minute_min
            || (sums.wanted * 2 > sums.requests && sums.busiest_minute >= WANTED_PER_MINUTE_MIN)
            || (sums.wanted > 0 && sums.wanted < sums.requests && browser)
    }

    /// Judges growing prefixes. The first that suffices for certainty decides; else the first
    /// that suffices for suspicion.
    pub fn decide(&self, actor: &Actor<'_>, scratch: &mut Scratch) -> Option<Decision> {
        // Most actors are people on the whole; looking at their beginnings would not change that.
        if !self.may_weigh(actor, self.settings.evidence_automation_min / 3.0, scratch) {
            return None;
        }
        let mut suspected: Option<Decision> = None;
        let mut checkpoints = CHECKPOINTS.iter().copied().peekable();
        let mut requests = 0u32;
        for (index, hit) in actor.hits.iter().enumerate() {
            requests += u32::from(!hit.is_asset());
            if hit.at > self.decided_before {
                break;
            }
            let last = index + 1 == actor.hits.len();
            let due = checkpoints
                .next_if(|&at| !hit.is_asset() && at <= requests)
                .is_some();
            if !(due || last) || requests < self.settings.requests_min {
                continue;
            }
            let prefix = Actor {
                hits: &actor.hits[..=index],
            };
            let sums = prefix.sums();
            let evidence = self.weigh(&prefix, &sums, scratch);
            let total = evidence.total();
            if total < self.settings.evidence_automation_min || !evidence.behaves() {
                continue;
            }
            let eager = self.eager(&sums);
            // Without sessions an address may mix the steps of several people.
            let own = actor.session() || evidence.timed();
            let certain = total >= self.settings.evidence_macro_min && eager && own;
            let decision = Decision {
                certain,
                eager,
                claimed: sums.claimed * 2 > sums.requests,
                evidence,
                requests,
                at: hit.at,
            };
            if certain {
                return Some(decision);
            }
            suspected.get_or_insert(decision);
        }
        suspected
    }
}
