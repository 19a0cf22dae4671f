//! Log sources that were steady and say nothing any more.
//!
//! Per (tenant, dataset) and per host of a site: minutes with rows. A source was steady when the
//! hour before its last row held enough rows in enough minutes; it is silent after several times
//! the longest gap of that hour. An open silence needs a watermark that goes on without rows, so
//! that one-shot runs, which end everywhere at once, tell only silences that ended. Times of day
//! at which former days were quiet too are not told.
//!
//! A host is what clients write, and one scanner can write any: of a host a silence is told when
//! several clients asked for it in the hour before, or when it had rows through most of a day. Of a
//! host that is an address only the latter counts: that is where scanners of the internet knock.

use crate::detector::{Detector, Extent, Rows, Verdict, reconcile, score_of};
use crate::detectors::Detectors;
use crate::detectors::network::Silence;
use crate::engine::value::{Column, Value};
use crate::engine::{Closing, Evaluation};
use crate::names::bounded;
use ahash::AHashMap;
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, Entity, EventBatch, EvidenceRef, Micros, TenantId, TimeWindow, net};
use std::collections::BTreeMap;

/// Distinct (tenant, dataset, host) watched; of more the least busy quarter is forgotten.
const SERIES_MAX: usize = 2_000;
/// Clients of the hour before that make a host one of the site's.
const CLIENTS_MIN: usize = 3;
/// Or so many of the last day's hours with rows.
const HOURS_MIN: i64 = 12;
const HOUR_MINUTES: i64 = 60;
const DAY_MINUTES: i64 = 1_440;
/// Former days remembered.
const DAYS_MAX: i64 = 28;
const SLOT_MINUTES: i64 = 5;
/// A quiet time of a former day may begin so much earlier or end so much later.
const EARLIER_MINUTES: i64 = 30;
const LATER_MINUTES: i64 = 60;

/// How long after an event its record is usually delivered, minutes, where that is in objects:
/// vendors' documents say 5 to 10 minutes for flow logs and load balancers, 15 for CloudTrail,
/// about an hour for CloudFront, a few hours for S3 access logs.
fn delivery_minutes(dataset: Dataset) -> i64 {
    match dataset {
        Dataset::VpcFlow | Dataset::Alb | Dataset::Nlb | Dataset::Waf | Dataset::Route53 => 15,
        Dataset::CloudTrail => 20,
        Dataset::CloudFront | Dataset::Elb => 60,
        Dataset::S3Access => 240,
        _ => 0,
    }
}

/// Which five minutes of a day had rows.
type Slots = [u64; 5];

/// Rows of one minute, and some of their clients.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    rows: u64,
    /// Hashes, of up to [`CLIENTS_MIN`] different clients; 0 is none.
    clients: [u32; CLIENTS_MIN],
}

impl Minute {
    fn client(&mut self, hash: u64) {
        let hash = (hash >> 32) as u32 | 1;
        let place = self
            .clients
            .iter()
            .position(|known| *known == hash || *known == 0);
        if let Some(place) = place {
            self.clients[place] = hash;
        }
    }

    fn merge(&mut self, other: &Minute) {
        self.rows += other.rows;
        for hash in other.clients.into_iter().filter(|hash| *hash != 0) {
            self.client(u64::from(hash) << 32);
        }
    }
}

#[derive(Debug)]
struct Series {
    tenant: TenantId,
    dataset: Dataset,
    host: Option<Box<str>>,
    minutes: BTreeMap<i64, Minute>,
    /// Of all minutes held.
    rows: u64,
    first: i64,
    /// Days of the minutes that are forgotten.
    days: BTreeMap<i64, Slots>,
    /// Minutes before this one are judged, and nothing changed there since.
    judged: i64,
    /// What holds, by start; hosts of a silent dataset are not told.
    held: Vec<Verdict>,
    told: Vec<Verdict>,
}

/// The detector: every source of logs.
pub struct Silences {
    settings: Silence,
    series: Vec<Series>,
    index: AHashMap<(TenantId, Dataset, Option<Box<str>>), usize>,
    unseried: u64,
}

impl Silences {
    /// The detector, unless it is switched off.
    pub fn from_settings(settings: &Detectors) -> Option<Box<dyn Detector>> {
        let settings = settings.silence.clone().filter(|s| s.enabled)?;
        Some(Box::new(Silences {
            settings,
            series: Vec::new(),
            index: AHashMap::new(),
            unseried: 0,
        }))
    }

    fn add(&mut self, batch: &EventBatch, host: Option<&str>, minute: i64, counted: &Minute) {
        if counted.rows == 0 {
            return;
        }
        let host = host.map(bounded);
        let host = host.as_deref();
        let key = (batch.tenant.clone(), batch.dataset, host.map(Box::from));
        let index = match self.index.get(&key) {
            Some(&index) => index,
            None => {
                if self.series.len() >= SERIES_MAX {
                    self.make_room();
                }
                self.series
                    .push(Series::new(&batch.tenant, batch.dataset, host, minute));
                self.index.insert(key, self.series.len() - 1);
                self.series.len() - 1
            }
        };
        let series = &mut self.series[index];
        series.first = series.first.min(minute);
        series.rows += counted.rows;
        series.minutes.entry(minute).or_default().merge(counted);
        if minute <= series.judged {
            // The silence that this minute was in or ended begins after the one before it.
            let before = series.minutes.range(..minute).next_back();
            series.judged = before.map_or(i64::MIN, |(minute, _)| *minute);
        }
    }

    /// Forgets the least busy quarter; whole datasets and what is told of stay longest.
    fn make_room(&mut self) {
        self.series.sort_by(|a, b| a.worth().cmp(&b.worth()));
        let gone = self.series.drain(..SERIES_MAX / 4);
        self.unseried += gone.map(|series| series.rows).sum::<u64>();
        self.reindex();
    }

    fn reindex(&mut self) {
        let keys = self.series.iter().enumerate();
        self.index = keys
            .map(|(at, s)| ((s.tenant.clone(), s.dataset, s.host.clone()), at))
            .collect();
    }
}

impl Detector for Silences {
    fn columns(&self) -> &'static [&'static str] {
        &["dst_host"]
    }

    fn lookback_us(&self) -> i64 {
        (HOUR_MINUTES + 10) * MINUTE_US
    }

    fn observe(&mut self, batch: &EventBatch, rows: &Rows<'_>) {
        let hosts = match batch.dataset.is_web() {
            true => Column::of(batch, "dst_host"),
            false => Column::Absent,
        };
        let mut whole = (0, Minute::default());
        let mut host_run = (None, 0, Minute::default());
        for (row, &ts) in batch.ts().values().iter().enumerate() {
            let minute = ts.div_euclid(MINUTE_US);
            if whole.0 != minute {
                self.add(batch, None, whole.0, &whole.1);
                whole = (minute, Minute::default());
            }
            whole.1.rows += 1;
            let Value::Text(host) = hosts.value(row) else {
                continue;
            };
            if (host_run.0, host_run.1) != (Some(host), minute) {
                if let (Some(before), at, counted) = host_run {
                    self.add(batch, Some(before), at, &counted);
                }
                host_run = (Some(host), minute, Minute::default());
            }
            host_run.2.rows += 1;
            if let Some(client) = rows.clients[row] {
                host_run.2.client(client);
            }
        }
        self.add(batch, None, whole.0, &whole.1);
        if let (Some(host), at, counted) = host_run {
            self.add(batch, Some(host), at, &counted);
        }
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        // Whole datasets first: their silence is that of all their hosts.
        let mut wholes: AHashMap<(TenantId, Dataset), Vec<TimeWindow>> = AHashMap::new();
        let (whole, of_hosts): (Vec<usize>, Vec<usize>) =
            (0..self.series.len()).partition(|&at| self.series[at].host.is_none());
        for at in whole.into_iter().chain(of_hosts) {
            let series = &mut self.series[at];
            let closed = closing.watermark(&series.tenant, series.dataset);
            series.judge(&self.settings, closed);
            let mut now = series.held.clone();
            let key = (series.tenant.clone(), series.dataset);
            if series.host.is_none() {
                wholes.insert(key, now.iter().map(|v| v.extent.window()).collect());
            } else if let Some(windows) = wholes.get(&key) {
                now.retain(|v| !windows.iter().any(|w| w.touches(&v.extent.window(), 0)));
            }
            if now.is_empty() && series.told.is_empty() {
                continue;
            }
            let entity = series.entity();
            reconcile(&series.tenant, &entity, &mut series.told, now, out);
        }
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        let own = self.series.iter_mut().filter(|series| series.tenant == *tenant);
        own.map(|series| series.forget(before_us)).sum()
    }

    fn unobserved(&self) -> u64 {
        self.unseried
    }

    fn bytes(&self) -> usize {
        let of =
            |series: &Series| series.minutes.len() * 40 + series.days.len() * 64 + size_of::<Series>() * 2;
        self.series.iter().map(of).sum()
    }

    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let before = self.series.len();
        while self.bytes() > bytes_max && !self.series.is_empty() {
            // The sources with most to lose their rows are kept; what comes briefly is forgotten.
            self.series
                .sort_by_key(|series| std::cmp::Reverse(series.minutes.len()));
            self.series.truncate(self.series.len() / 2);
        }
        self.reindex();
        (before - self.series.len()) as u64
    }
}

impl Series {
    fn new(tenant: &TenantId, dataset: Dataset, host: Option<&str>, first: i64) -> Series {
        Series {
            tenant: tenant.clone(),
            dataset,
            host: host.map(Box::from),
            minutes: BTreeMap::new(),
            rows: 0,
            first,
            days: BTreeMap::new(),
            judged: i64::MIN,
            held: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Of two series the greater is kept longer.
    fn worth(&self) -> (bool, bool, u64, Option<&str>) {
        let told = !self.told.is_empty();
        (self.host.is_none(), told, self.rows, self.host.as_deref())
    }

    /// Whether this is a source of the site and not what one client made up: see the module.
    fn is_own(&self, last: i64) -> bool {
        let Some(host) = &self.host else { return true };
        let mut hour = Minute::default();
        for (_, minute) in self.minutes.range(last - HOUR_MINUTES + 1..=last) {
            hour.merge(minute);
        }
        if hour.clients.iter().all(|hash| *hash != 0) && !is_address(host) {
            return true;
        }
        let slots = HOUR_MINUTES / SLOT_MINUTES;
        let end = last.div_euclid(SLOT_MINUTES) + 1;
        let busy =
            |hour: &i64| (end - (hour + 1) * slots..end - hour * slots).any(|slot| self.had_rows(slot));
        (0..DAY_MINUTES / HOUR_MINUTES).filter(busy).count() as i64 >= HOURS_MIN
    }

    fn entity(&self) -> Entity {
        let (kind, value) = match &self.host {
            Some(host) => ("host", host.as_ref()),
            None => ("dataset", self.dataset.as_str()),
        };
        Entity {
            kind: kind.into(),
            value: value.into(),
        }
    }

    /// Judges the silences since the first minute that changed.
    fn judge(&mut self, settings: &Silence, closed: i64) {
        // Minutes before this one are final.
        let closed_minute = closed.div_euclid(MINUTE_US);
        let from = self.judged;
        let stays = |verdict: &Verdict| verdict.extent.start <= from.saturating_mul(MINUTE_US);
        let mut found = std::mem::take(&mut self.held);
        found.retain(stays);
        let mut open = None;
        let mut minutes = self.minutes.range(from..).map(|(minute, _)| *minute).peekable();
        while let Some(last) = minutes.next() {
            let next = minutes.peek().copied();
            let ended = next.is_some_and(|next| next <= closed_minute);
            if !ended {
                open.get_or_insert(last);
            }
            let until = match next {
                Some(next) if ended => next,
                _ if closed == i64::MAX => continue,
                _ => closed_minute,
            };
            let silent = until.saturating_sub(last).saturating_sub(1);
            if silent < settings.silent_minutes_min {
                continue;
            }
            let Some((rows, threshold)) = self.steadiness(settings, last) else {
                continue;
            };
            let wait = if ended { 0 } else { delivery_minutes(self.dataset) };
            if silent < threshold + wait || self.is_quiet_time(last + 1, threshold) || !self.is_own(last) {
                continue;
            }
            found.push(self.verdict(settings, (last, rows), threshold, next.filter(|_| ended)));
        }
        self.held = found;
        self.judged = open.unwrap_or(from);
    }

    /// Rows of the hour that ends with minute `last`, and how long a silence after it has to be;
    /// `None` when it was not steady.
    fn steadiness(&self, settings: &Silence, last: i64) -> Option<(u64, i64)> {
        let (mut rows, mut known, mut gap, mut before) = (0, 0, 1, None);
        for (&minute, counted) in self.minutes.range(last - HOUR_MINUTES + 1..=last) {
            rows += counted.rows;
            known += 1;
            gap = gap.max(before.map_or(1, |before| minute - before));
            before = Some(minute);
        }
        let steady = rows >= settings.rows_per_hour_min && known >= settings.minutes_min;
        let threshold = settings
            .silent_minutes_min
            .max(settings.gap_factor.saturating_mul(gap));
        steady.then_some((rows, threshold))
    }

    /// Whether former days were mostly quiet at this time: at least half of those known, or the
    /// same weekday a week or more ago.
    fn is_quiet_time(&self, start: i64, minutes: i64) -> bool {
        let begin = (start - EARLIER_MINUTES).div_euclid(SLOT_MINUTES);
        let end = (start + minutes + LATER_MINUTES).div_euclid(SLOT_MINUTES);
        let (mut known, mut quiet, mut weekday) = (0, 0, false);
        for day in 1..=DAYS_MAX {
            let back = day * DAY_MINUTES / SLOT_MINUTES;
            if (begin - back) * SLOT_MINUTES < self.first {
                break;
            }
            let busy = (begin - back..end - back)
                .filter(|&slot| self.had_rows(slot))
                .count();
            let was_quiet = busy * 2 <= usize::try_from(end - begin).unwrap_or(0);
            known += 1;
            quiet += usize::from(was_quiet);
            weekday |= was_quiet && day % 7 == 0;
        }
        known > 0 && (quiet * 2 >= known || weekday)
    }

    fn had_rows(&self, slot: i64) -> bool {
        let minute = slot * SLOT_MINUTES;
        let kept = self.days.get(&minute.div_euclid(DAY_MINUTES));
        kept.is_some_and(|slots| has(slots, minute))
            || self.minutes.range(minute..minute + SLOT_MINUTES).next().is_some()
    }

    fn verdict(
        &self,
        settings: &Silence,
        (last, rows): (i64, u64),
        threshold: i64,
        next: Option<i64>,
    ) -> Verdict {
        let start = (last + 1) * MINUTE_US;
        let end = next.unwrap_or(last + 1 + threshold) * MINUTE_US - 1;
        let mut facts = vec![
            ("rows in the hour before".to_owned(), rows.to_string()),
            ("silent for at least".to_owned(), format!("{threshold} min")),
        ];
        if let Some(next) = next {
            facts.push(("rows came again after".into(), format!("{} min", next - last - 1)));
        }
        let summary = format!("last minute with rows: {} of them", self.minutes[&last].rows);
        Verdict {
            detector: "log_silence",
            rule_id: format!("log_silence.{}", self.dataset),
            title: "Log source gone silent",
            level: settings.level,
            extent: Extent { start, end, count: 0 },
            score: score_of(settings.level),
            confidence: 0.7,
            gap_us: 1,
            monotone: false,
            evidence: vec![EvidenceRef {
                ts: Micros(last * MINUTE_US),
                summary,
            }],
            facts,
            attack: &["T1562.008"],
        }
    }

    /// Forgets minutes before the cut; of their days only which slots had rows is kept.
    fn forget(&mut self, before_us: i64) -> u64 {
        let keep = self.minutes.split_off(&before_us.div_euclid(MINUTE_US));
        let gone = std::mem::replace(&mut self.minutes, keep);
        for (&minute, counted) in &gone {
            self.rows -= counted.rows;
            let slots = self.days.entry(minute.div_euclid(DAY_MINUTES)).or_default();
            let slot = minute.rem_euclid(DAY_MINUTES) / SLOT_MINUTES;
            slots[slot as usize / 64] |= 1 << (slot % 64);
        }
        let newest = before_us.div_euclid(MINUTE_US * DAY_MINUTES);
        self.days = self.days.split_off(&(newest - DAYS_MAX - 1));
        self.told.retain(|verdict| verdict.extent.end >= before_us);
        self.held.retain(|verdict| verdict.extent.end >= before_us);
        gone.len() as u64
    }
}

/// Whether a host is written as an address, with or without its port.
fn is_address(host: &str) -> bool {
    let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
    let plain = |text: &str| net::parse_address(text.trim_matches(['[', ']'])).is_some();
    plain(host) || plain(bare)
}

fn has(slots: &Slots, minute: i64) -> bool {
    let slot = minute.rem_euclid(DAY_MINUTES) / SLOT_MINUTES;
    slots[slot as usize / 64] >> (slot % 64) & 1 == 1
}
