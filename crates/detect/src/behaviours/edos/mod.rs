//! Economic denial of sustainability: traffic made to cost money, and the meter it is judged by.
//!
//! What is here: the cost meter as a detector (it prices the findings of all detectors), and six
//! judgements over its buckets of ten minutes. A bucket is judged once it is closed, and again
//! when late events come:
//!
//! | rule | window | decided |
//! |---|---|---|
//! | `edos.site_surge` | 5 min against the hour and the day before | ≤ 10 min |
//! | `edos.heavy_client` | 1 h | ≤ 10 min after the threshold is crossed |
//! | `edos.low_and_slow` | 24 h, judged on the hour | ≤ 1 h after it is crossed |
//! | `edos.yo_yo` | 3 h | ≤ 10 min after the fourth burst ends |
//! | `edos.cache_busting` | 1 h | ≤ 10 min after it is crossed |
//! | `edos.object_pulls` | 1 h | ≤ 10 min after it is crossed |
//! | `edos.unproductive_cluster` | 1 h against the day before | ≤ 10 min after it is crossed |
//!
//! What is not here: prices and usage ([`crate::cost`]); floods, which are told by rate.
//!
//! Judgements use pay-as-you-go list prices even under a flat-rate plan: what is attacked is the
//! same, and allowances end too.

mod client;
mod cluster;
mod found;
mod objects;
mod settings;
mod site;
mod window;

pub use settings::EdosSettings;

use crate::cost::tell::{self, Priced};
use crate::cost::{BUCKET_US, BUILTIN_PRICES, Cell, CostMeter, Meter, PriceTable, Tariff};
use crate::detector::{Detector, Rows};
use crate::detectors::Detectors;
use crate::engine::{Closing, Evaluation};
use found::Findings;
use haetae_event::time::MINUTE_US;
use haetae_event::{Episode, EventBatch, TenantId};
use std::collections::{BTreeMap, BTreeSet};
use window::{Window, start_us};

/// Buckets of an hour and of a day.
const HOUR: i32 = 6;
const DAY: i32 = 144;

/// The detector.
pub struct Edos {
    settings: Option<EdosSettings>,
    meter: Meter,
    findings: Findings,
    /// Windows to be judged, by tenant: buckets at which they end.
    hours: BTreeMap<usize, BTreeSet<i32>>,
    days: BTreeMap<usize, BTreeSet<i32>>,
}

impl Edos {
    /// The meter with its judgements; nothing when both are switched off.
    pub fn from_settings(settings: &Detectors) -> Option<Box<dyn Detector>> {
        let judged = settings.edos.clone().filter(|s| s.enabled);
        let meter = settings.cost_meter.as_ref().filter(|s| s.enabled);
        if judged.is_none() && meter.is_none() {
            return None;
        }
        const DEFAULT_BYTES_MAX: usize = 96 << 20;
        let tariff = match &settings.prices {
            Some(table) => Tariff::new(table, &settings.cost),
            None => {
                let table = PriceTable::parse(BUILTIN_PRICES).expect("the built-in table is tested");
                Tariff::new(&table, &settings.cost)
            }
        };
        let bytes_max = meter.map_or(DEFAULT_BYTES_MAX, CostMeter::bytes_max);
        Some(Box::new(Edos {
            settings: judged,
            meter: Meter::new(tariff, bytes_max),
            findings: Findings::default(),
            hours: BTreeMap::new(),
            days: BTreeMap::new(),
        }))
    }

    /// Notes which windows the rows since last time lie in.
    fn schedule(&mut self) {
        for (at, tenant) in self.meter.ledger.tenants.iter_mut().enumerate() {
            for bucket in std::mem::take(&mut tenant.dirty) {
                self.hours
                    .entry(at)
                    .or_default()
                    .extend(bucket + 1..=bucket.saturating_add(HOUR));
                let first = (bucket + 1 + HOUR - 1).div_euclid(HOUR) * HOUR;
                let ends = (0..DAY / HOUR).map(|hour| first + hour * HOUR);
                self.days.entry(at).or_default().extend(ends);
            }
        }
    }

    /// Takes the windows of a tenant that are closed and not empty of later news.
    fn due(&mut self, tenant: usize, closing: &Closing) -> (Vec<i32>, Vec<i32>) {
        let known = &self.meter.ledger.tenants[tenant];
        let datasets = known.datasets.iter();
        let closed = datasets.map(|dataset| closing.watermark(&known.id, *dataset));
        let closed = closed.min().unwrap_or(i64::MIN);
        let newest = known.minutes.keys().next_back().copied().unwrap_or(i64::MIN);
        let last = i32::try_from(newest.div_euclid(10) + 1).unwrap_or(i32::MAX);
        let whole_hour = last.saturating_add(HOUR - 1).div_euclid(HOUR) * HOUR;
        let take = |of: &mut BTreeMap<usize, BTreeSet<i32>>, last: i32| {
            let pending = of.entry(tenant).or_default();
            let is_due = |end: &i32| *end <= last && start_us(*end) <= closed;
            let due: Vec<i32> = pending.iter().copied().filter(is_due).collect();
            due.iter().for_each(|end| {
                pending.remove(end);
            });
            due
        };
        let hours = take(&mut self.hours, last);
        let days = take(&mut self.days, whole_hour);
        (hours, days)
    }

    fn judge_hours(&mut self, settings: &EdosSettings, tenant: usize, ends: &[i32]) {
        let ledger = &self.meter.ledger;
        let of = u16::try_from(tenant).expect("tenants are few");
        for &end in ends {
            let window = Window {
                ledger,
                tariff: &self.meter.tariff,
                tenant: of,
                from: end - HOUR,
                to: end,
            };
            let own = window.clients(&ledger.clients.active(of, window.from, end));
            let mut put = |about, found| self.findings.put(tenant, end, about, found);
            if settings.heavy_client.common.enabled {
                put(
                    &client::HEAVY,
                    client::heavy(&settings.heavy_client, &window, &own, settings.clients_min),
                );
            }
            let objects = objects::Objects::new(&window, &own, &ledger.pairs.active(of, window.from, end));
            if settings.cache_busting.common.enabled {
                put(&objects::BUSTING, objects.busting(&settings.cache_busting));
            }
            if settings.object_pulls.common.enabled {
                put(&objects::PULLS, objects.pulls(&settings.object_pulls));
            }
            if settings.site_surge.common.enabled {
                put(&site::SURGE, site::surge(&settings.site_surge, &window));
            }
            if settings.yo_yo.common.enabled {
                let buckets = i32::try_from(settings.yo_yo.window_minutes / 10).unwrap_or(18);
                let window = Window {
                    from: end - buckets.clamp(6, DAY),
                    ..window
                };
                let everybody = || window.clients(&ledger.clients.active(of, window.from, end));
                put(
                    &site::YO_YO,
                    site::yo_yo(&settings.yo_yo, &window, &own, everybody),
                );
            }
            if settings.unproductive.common.enabled {
                put(
                    &cluster::UNPRODUCTIVE,
                    cluster::unproductive(&settings.unproductive, &window, &own),
                );
            }
        }
    }

    fn judge_day(&mut self, settings: &EdosSettings, tenant: usize, end: i32) {
        let ledger = &self.meter.ledger;
        let of = u16::try_from(tenant).expect("tenants are few");
        // What was judged over rows that are forgotten by now stays as it was.
        if start_us(end - DAY) < ledger.tenants[tenant].known_from {
            return;
        }
        let window = Window {
            ledger,
            tariff: &self.meter.tariff,
            tenant: of,
            from: end - DAY,
            to: end,
        };
        let active = ledger.clients.active(of, window.from, end);
        let found = client::slow(&settings.low_and_slow, &window, &active, settings.clients_min);
        self.findings.put(tenant, end, &client::SLOW, found);
    }
}

impl Detector for Edos {
    fn columns(&self) -> &'static [&'static str] {
        crate::cost::reading::COLUMNS
    }

    fn lookback_us(&self) -> i64 {
        let minutes = self.settings.as_ref().map_or(0, |s| s.lookback_minutes.max(0));
        minutes.saturating_mul(MINUTE_US).max(BUCKET_US)
    }

    fn observe(&mut self, batch: &EventBatch, rows: &Rows<'_>) {
        self.meter.observe(batch, rows);
    }

    fn evaluate(&mut self, closing: &Closing, out: &mut Evaluation) {
        self.schedule();
        let Some(settings) = self.settings.clone() else {
            self.hours.clear();
            self.days.clear();
            return;
        };
        for tenant in 0..self.meter.ledger.tenants.len() {
            let (hours, days) = self.due(tenant, closing);
            self.judge_hours(&settings, tenant, &hours);
            if settings.low_and_slow.common.enabled {
                for end in days {
                    self.judge_day(&settings, tenant, end);
                }
            }
        }
        let tenants = &self.meter.ledger.tenants;
        self.findings.tell(|tenant| tenants[tenant].id.clone(), out);
    }

    fn forget(&mut self, tenant: &TenantId, before_us: i64) -> u64 {
        if let Some(at) = self.meter.ledger.tenants.iter().position(|t| t.id == *tenant) {
            self.findings.forget(at, before_us);
            let bucket = Cell::bucket_of(before_us).unwrap_or(i32::MIN);
            for pending in [&mut self.hours, &mut self.days] {
                if let Some(pending) = pending.get_mut(&at) {
                    *pending = pending.split_off(&bucket);
                }
            }
        }
        self.meter.ledger.forget(tenant, before_us)
    }

    fn unobserved(&self) -> u64 {
        self.findings.lost
    }

    fn price(&self, episode: &Episode) -> Option<Priced> {
        tell::price(&self.meter, episode)
    }

    fn bytes(&self) -> usize {
        self.meter.ledger.bytes() + self.findings.bytes()
    }

    fn shrink(&mut self, bytes_max: usize) -> u64 {
        let room = bytes_max.saturating_sub(self.findings.bytes());
        self.meter.ledger.shrink(room)
    }
}
