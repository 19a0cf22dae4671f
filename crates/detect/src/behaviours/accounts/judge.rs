//! What the minutes of a tally say: pure functions of the counts.
//!
//! Thresholds are those published for AWS WAF ATP (more than 20 attempts, or more than 10 failed,
//! of one address in 10 minutes), and the ratios of hunting guides (names per address, attempts
//! per name near one, share of one user agent, successes after failures); see `rules/detectors.yml`.

use super::settings::{Accounts, ByMany};
use super::tally::{Sum, Tally};
use crate::detector::{Extent, Verdict, score_of};
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::time::MINUTE_US;
use haetae_event::{EvidenceRef, Level, Micros};

/// Names of rules: the dataset follows, `login_stuffing.web`.
pub const STUFFING: &str = "login_stuffing";
pub const GUESSING: &str = "login_guessing";
pub const SPRAY: &str = "login_spray";
pub const SLOW: &str = "login_slow";
pub const TAKEN: &str = "login_taken";
pub const AGENT: &str = "login_agent";
pub const SITE: &str = "login_site";

const GOT_IN_FACT: &str = "accounts that got in";
/// Facts whose values are names of accounts, with `, ` between them.
pub const ACCOUNTS_FACTS: &[&str] = &[GOT_IN_FACT];

/// T1110 with guessing (.001), spraying (.003) and stuffing (.004).
const ATTACK_GUESSING: &[&str] = &["T1110.001"];
const ATTACK_SPRAY: &[&str] = &["T1110.003"];
const ATTACK_STUFFING: &[&str] = &["T1110.004"];
const ATTACK_TAKEN: &[&str] = &["T1110", "T1078"];

/// How a stretch of time is told.
struct Told {
    detector: &'static str,
    title: &'static str,
    level: Level,
    confidence: f64,
    monotone: bool,
    attack: &'static [&'static str],
}

/// A range of minutes in which a condition held.
type Stretch = (i64, i64);

/// See the module.
pub struct Judge<'a> {
    pub settings: &'a Accounts,
    /// Windows ending at or before this are final, µs.
    pub closed: i64,
}

impl Judge<'_> {
    /// The last minute that is final.
    fn final_minute(&self) -> i64 {
        self.closed.div_euclid(MINUTE_US).saturating_sub(1)
    }

    pub fn client(&self, tally: &Tally) -> Vec<Verdict> {
        let config = &self.settings.by_client;
        let mut out = Vec::new();
        let holds = |sum: &Sum| {
            let failing = sum.failed > config.failed_over && sum.failed_share() >= config.failed_share_min;
            let many =
                sum.attempts > config.attempts_over && sum.failed_share() >= config.failed_share_min_of_many;
            failing || many
        };
        let least = config.failed_over.min(config.attempts_over / 2);
        for stretch in stretches(tally, config.window_minutes, self.final_minute(), least, holds) {
            let sum = tally.sum(stretch.0, stretch.1);
            let names = sum.accounts.distinct();
            let guessing = names > 0 && names < config.accounts_min;
            let told = Told {
                detector: if guessing { GUESSING } else { STUFFING },
                title: if guessing {
                    "Log-in guessing: one client, few accounts"
                } else {
                    "Credential stuffing: one client, many failed log-ins"
                },
                level: config.level,
                confidence: 0.9,
                monotone: false,
                attack: if guessing {
                    ATTACK_GUESSING
                } else {
                    ATTACK_STUFFING
                },
            };
            out.push(verdict(tally, stretch, config.window_minutes, &told, &sum));
        }
        self.sprays(tally, &mut out);
        self.slow(tally, &mut out);
        out
    }

    /// Many names, each tried about once, over hours.
    fn sprays(&self, tally: &Tally, out: &mut Vec<Verdict>) {
        let config = &self.settings.spray;
        let holds = |sum: &Sum| {
            sum.accounts.distinct() >= config.accounts_min
                && sum.accounts.mean_times() <= config.attempts_per_account_max
                && sum.failed_share() >= config.failed_share_min
        };
        // Of so many names tried once, most failed.
        let least = (config.accounts_min as f64 * config.failed_share_min) as u64 / 2;
        for stretch in stretches(tally, config.window_minutes, self.final_minute(), least, holds) {
            let told = Told {
                detector: SPRAY,
                title: "Password spraying: many accounts, about one log-in each",
                level: config.level,
                confidence: 0.85,
                monotone: false,
                attack: ATTACK_SPRAY,
            };
            let sum = tally.sum(stretch.0, stretch.1);
            out.push(verdict(tally, stretch, config.window_minutes, &told, &sum));
        }
    }

    /// Below every rate, for hours, without one success.
    fn slow(&self, tally: &Tally, out: &mut Vec<Verdict>) {
        let config = &self.settings.slow;
        let least = config.failed_min.saturating_sub(1);
        let holds = |sum: &Sum| {
            let from = sum.first.div_euclid(MINUTE_US);
            let to = sum.last.div_euclid(MINUTE_US);
            if sum.succeeded > 0 || to - from < config.span_minutes_min {
                return false;
            }
            if sum.accounts.distinct() < config.accounts_min {
                return false;
            }
            let failing: Vec<i64> = tally
                .minutes
                .range(from..=to)
                .filter(|(_, cell)| cell.failed > 0)
                .map(|(minute, _)| minute)
                .collect();
            let mut gaps: Vec<i64> = failing.windows(2).map(|pair| pair[1] - pair[0]).collect();
            gaps.sort_unstable();
            gaps.get(gaps.len() / 2)
                .is_some_and(|gap| *gap >= config.interval_minutes_min)
        };
        for stretch in stretches(tally, config.window_minutes, self.final_minute(), least, holds) {
            let told = Told {
                detector: SLOW,
                title: "Slow log-in guessing: failures minutes apart, for hours",
                level: config.level,
                confidence: 0.6,
                monotone: false,
                attack: ATTACK_GUESSING,
            };
            let sum = tally.sum(stretch.0, stretch.1);
            out.push(verdict(tally, stretch, config.window_minutes, &told, &sum));
        }
    }

    pub fn account(&self, tally: &Tally) -> Vec<Verdict> {
        let config = &self.settings.by_account;
        let mut out = Vec::new();
        let window = config.window_minutes;
        // More failures only confirm it: nothing waits for the window's end.
        let many = |sum: &Sum| sum.failed > config.failed_over;
        for stretch in stretches(tally, window, i64::MAX, config.failed_over, many) {
            let sum = tally.sum(stretch.0, stretch.1);
            let spread = sum.failing.distinct() > config.addresses_over;
            let told = Told {
                detector: GUESSING,
                title: if spread {
                    "Log-in guessing: one account from many addresses"
                } else {
                    "Many failed log-ins of one account"
                },
                level: if spread { config.level } else { config.level_few },
                confidence: if spread { 0.9 } else { 0.4 },
                monotone: true,
                attack: ATTACK_GUESSING,
            };
            out.push(verdict(tally, stretch, window, &told, &sum));
        }
        let taken = |sum: &Sum| {
            sum.failed > config.success_after_over
                && sum.failing.distinct() >= config.success_addresses_min
                && a_guesser_got_in(tally, sum)
                && success_last(tally, sum)
        };
        for stretch in stretches(tally, window, i64::MAX, config.success_after_over, taken) {
            let told = Told {
                detector: TAKEN,
                title: "Log-in succeeded after guessing: the account may be taken over",
                level: config.level.max(Level::High),
                confidence: 0.7,
                monotone: true,
                attack: ATTACK_TAKEN,
            };
            let sum = tally.sum(stretch.0, stretch.1);
            out.push(verdict(tally, stretch, window, &told, &sum));
        }
        out
    }

    /// Many addresses of one network or provider.
    pub fn many(&self, tally: &Tally, config: &ByMany) -> Vec<Verdict> {
        let holds = |sum: &Sum| {
            sum.failed > config.failed_over
                && sum.failed_share() >= config.failed_share_min
                && sum.failing.distinct() >= config.addresses_min
        };
        let (window, least) = (config.window_minutes, config.failed_over);
        let told = Told {
            detector: STUFFING,
            title: "Credential stuffing from many addresses of one network",
            level: config.level,
            confidence: 0.85,
            monotone: false,
            attack: ATTACK_STUFFING,
        };
        stretches(tally, window, self.final_minute(), least, holds)
            .into_iter()
            .map(|stretch| {
                let sum = tally.sum(stretch.0, stretch.1);
                verdict(tally, stretch, window, &told, &sum)
            })
            .collect()
    }

    /// One user agent or fingerprint against `all` log-ins of the dataset.
    pub fn agent(&self, tally: &Tally, all: &Tally) -> Vec<Verdict> {
        let config = &self.settings.by_agent;
        let window = config.window_minutes;
        let holds = |sum: &Sum| {
            let to = sum.last.div_euclid(MINUTE_US);
            let failed = all.counts(to - window + 1, to).0;
            sum.failed > config.failed_over
                && sum.failed_share() >= config.failed_share_min
                && sum.failing.distinct() >= config.addresses_min
                && sum.failed as f64 > config.share_of_failures_over * failed as f64
        };
        let told = Told {
            detector: AGENT,
            title: "One client program makes much of all failed log-ins",
            level: config.level,
            confidence: 0.7,
            monotone: false,
            attack: ATTACK_STUFFING,
        };
        stretches(tally, window, self.final_minute(), config.failed_over, holds)
            .into_iter()
            .map(|stretch| {
                let sum = tally.sum(stretch.0, stretch.1);
                let mut verdict = verdict(tally, stretch, window, &told, &sum);
                let failed = all.counts(stretch.0, stretch.1).0;
                let share = 100.0 * sum.failed as f64 / failed.max(1) as f64;
                verdict
                    .facts
                    .push(("share of all failures".into(), format!("{share:.0} %")));
                verdict
            })
            .collect()
    }

    /// All log-ins of one path against the hours before.
    pub fn site(&self, tally: &Tally) -> Vec<Verdict> {
        let config = &self.settings.site;
        let usual = |from: i64| {
            let before = tally.sum(from - config.baseline_minutes, from - 1);
            (before.attempts, before.failed_share())
        };
        let holds = |sum: &Sum| {
            if sum.attempts < config.attempts_min || sum.failed_share() < config.failed_share_min {
                return false;
            }
            let to = sum.last.div_euclid(MINUTE_US);
            let (attempts, share) = usual(to - config.window_minutes + 1);
            attempts >= config.baseline_attempts_min && sum.failed_share() >= config.factor_min * share
        };
        let least = (config.attempts_min as f64 * config.failed_share_min) as u64 / 2;
        let told = Told {
            detector: SITE,
            title: "Unusual share of failed log-ins",
            level: config.level,
            confidence: 0.7,
            monotone: false,
            attack: &["T1110"],
        };
        let window = config.window_minutes;
        stretches(tally, window, self.final_minute(), least, holds)
            .into_iter()
            .map(|stretch| {
                let sum = tally.sum(stretch.0, stretch.1);
                let mut verdict = verdict(tally, stretch, window, &told, &sum);
                let share = 100.0 * usual(stretch.0).1;
                verdict
                    .facts
                    .push(("usual share".into(), format!("{share:.0} %")));
                verdict
            })
            .collect()
    }
}

/// Whether an address that failed succeeded as well.
fn a_guesser_got_in(tally: &Tally, sum: &Sum) -> bool {
    let minutes = sum.first.div_euclid(MINUTE_US)..=sum.last.div_euclid(MINUTE_US);
    let cells = || tally.minutes.range(minutes.clone()).map(|(_, cell)| cell);
    let failed = |hash: u64| cells().any(|cell| cell.has_failed(hash));
    sum.succeeding.hashes().any(failed)
}

/// Whether a success came after a failure.
fn success_last(tally: &Tally, sum: &Sum) -> bool {
    let minutes = sum.first.div_euclid(MINUTE_US)..=sum.last.div_euclid(MINUTE_US);
    let cells = || tally.minutes.range(minutes.clone()).map(|(_, cell)| cell);
    let first_failed = cells().filter_map(|cell| cell.first_failed).min();
    let last_succeeded = cells().filter_map(|cell| cell.last_succeeded).max();
    first_failed < last_succeeded
}

/// Ranges of minutes covered by windows of `window` minutes that end in minute `last` or before
/// and in which `holds`. Windows with no more than `failed_over` failures are not looked at.
fn stretches(
    tally: &Tally,
    window: i64,
    last: i64,
    failed_over: u64,
    holds: impl Fn(&Sum) -> bool,
) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    if tally.failed <= failed_over {
        return found;
    }
    for minute in tally.minutes.minutes().take_while(|minute| *minute <= last) {
        let from = minute - window + 1;
        if tally.counts(from, minute).0 <= failed_over {
            continue;
        }
        let sum = tally.sum(from, minute);
        if !holds(&sum) {
            continue;
        }
        let start = sum.first.div_euclid(MINUTE_US);
        match found.last_mut() {
            Some(known) if start <= known.1 + window + 1 => known.1 = minute,
            _ => found.push((start, minute)),
        }
    }
    found
}

fn verdict(tally: &Tally, stretch: Stretch, window: i64, told: &Told, sum: &Sum) -> Verdict {
    let cells = || tally.minutes.range(stretch.0..=stretch.1).map(|(_, cell)| cell);
    let mut evidence: Vec<EvidenceRef> = cells()
        .filter_map(|cell| cell.evidence.as_ref())
        .map(|(ts, line)| EvidenceRef {
            ts: Micros(*ts),
            summary: line.to_string(),
        })
        .collect();
    evidence.sort();
    evidence.truncate(EVIDENCE_MAX);
    Verdict {
        detector: told.detector,
        // Given by the detector, which knows the dataset.
        rule_id: String::new(),
        title: told.title,
        level: told.level,
        extent: Extent {
            start: sum.first,
            end: sum.last,
            count: sum.failed,
        },
        score: score_of(told.level),
        confidence: told.confidence,
        gap_us: window * MINUTE_US,
        monotone: told.monotone,
        evidence,
        facts: facts(sum, cells().flat_map(|cell| cell.names.iter())),
        attack: told.attack,
    }
}

fn facts<'a>(sum: &Sum, names: impl Iterator<Item = &'a Box<str>>) -> Vec<(String, String)> {
    /// Names told.
    const NAMES_MAX: usize = 5;
    let mut facts = vec![
        ("attempts".to_owned(), sum.attempts.to_string()),
        ("failed".to_owned(), sum.failed.to_string()),
        ("succeeded".to_owned(), sum.succeeded.to_string()),
    ];
    if !sum.accounts.is_empty() {
        facts.push(("different accounts".to_owned(), sum.accounts.told()));
    }
    if !sum.failing.is_empty() {
        facts.push(("different addresses that failed".to_owned(), sum.failing.told()));
    }
    let mut names: Vec<&str> = names.map(|name| &**name).collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() && sum.accounts.distinct() > 1 {
        let mut list = names[..names.len().min(NAMES_MAX)].join(", ");
        if sum.succeeded > NAMES_MAX as u64 {
            list.push_str(", …");
        }
        facts.push((GOT_IN_FACT.to_owned(), list));
    }
    facts
}
