//! Folding batches in.

use super::chain::SEPARATOR;
use super::compile::{Compiled, Extractor, Feed};
use super::instead::{DATASET_SPACE, Instead};
use super::keys::Place;
use super::measure::{self, Measure};
use super::summary::Summaries;
use super::value::{Column, Value, field_number, field_text};
use super::windows::Mode;
use super::{Engine, Observed, State, Tenant};
use crate::detector::Rows;
use crate::fields::FieldRef;
use crate::names::bounded;
use haetae_event::time::MINUTE_US;
use haetae_event::{Dataset, EventBatch, TenantId};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// No key for this row.
const NONE: u32 = u32::MAX;

impl Engine {
    /// Folds one batch in; batches may come in any order and cut anywhere.
    pub fn observe(&mut self, batch: &EventBatch) -> Observed {
        let mut observed = Observed::default();
        let Some((low, high)) = batch.ts_range() else {
            return observed;
        };
        let tenant = self.state.tenant(&batch.tenant);
        let known = &mut self.state.tenants[usize::from(tenant)];
        known.watermarks.entry(batch.dataset).or_insert(i64::MIN);
        let floor = self.floor(usize::from(tenant));
        let ceiling = self.present_us.saturating_add(super::AHEAD_MAX_US);
        let known = &mut self.state.tenants[usize::from(tenant)];
        known.newest = known
            .newest
            .max(high.min(self.present_us.saturating_add(super::SKEW_MAX_US)));
        let (believed, young);
        let batch = if high > ceiling {
            believed = only(batch, |ts| ts <= ceiling);
            self.state.stats.unbelieved += (batch.rows() - believed.rows()) as u64;
            &believed
        } else {
            batch
        };
        let batch = if low < floor {
            let (rest, old) = split_at(batch, floor);
            observed
                .too_old
                .extend(old.map(|(low, high)| (batch.dataset, batch.tenant.clone(), low, high)));
            young = rest;
            &young
        } else {
            batch
        };
        if batch.rows() > 0 {
            self.state.observe_detectors(batch);
            fold(&mut self.compiled, &mut self.state, batch, tenant);
            self.make_room();
        }
        observed
    }
}

impl Engine {
    /// Rows before this event time may need what some rule or detector no longer remembers.
    fn floor(&self, tenant: usize) -> i64 {
        let tenant = &self.state.tenants[tenant];
        if tenant.cut.max(tenant.start).max(tenant.pressed_at) == i64::MIN {
            return i64::MIN;
        }
        let whole = |cut: i64, reach: i64| match cut {
            i64::MIN => cut,
            cut => cut.saturating_add(reach),
        };
        let rules = self.compiled.specs.iter().map(|spec| spec.mode.reach_us);
        let rules = rules.map(|reach| whole(self.cut_of_rule(tenant, reach), reach));
        let detectors = self.state.detectors.iter().map(|d| d.lookback_us());
        let detectors = detectors.map(|reach| whole(tenant.cut_for(self.need_us(reach)), reach));
        rules.chain(detectors).max().unwrap_or(i64::MIN)
    }
}

/// Rows at or after `floor`, and the time range of the others.
fn split_at(batch: &EventBatch, floor: i64) -> (EventBatch, Option<(i64, i64)>) {
    let old = batch.ts().values().iter().filter(|&&ts| ts < floor);
    let range = old.fold(None, |range: Option<(i64, i64)>, &ts| {
        Some(range.map_or((ts, ts), |(low, high)| (low.min(ts), high.max(ts))))
    });
    (only(batch, |ts| ts >= floor), range)
}

/// The rows whose event time is `wanted`.
fn only(batch: &EventBatch, wanted: impl Fn(i64) -> bool) -> EventBatch {
    let times = batch.ts().values().iter();
    let keep: arrow::array::BooleanArray = times.map(|&ts| Some(wanted(ts))).collect();
    let records =
        arrow::compute::filter_record_batch(&batch.records, &keep).expect("the mask has one bit per row");
    EventBatch {
        records,
        ..batch.clone()
    }
}

/// Group keys of one extractor, read when first asked for.
struct KeyColumn<'a> {
    columns: Vec<Column<'a>>,
    ids: Vec<u32>,
}

impl<'a> KeyColumn<'a> {
    fn unread(extractor: &Extractor, batch: &'a EventBatch) -> KeyColumn<'a> {
        let columns = extractor.fields.iter().map(|f| Column::of(batch, &f.column));
        KeyColumn {
            columns: columns.collect(),
            ids: vec![UNREAD; batch.rows()],
        }
    }
}

const UNREAD: u32 = u32::MAX - 1;

pub(super) fn fold(compiled: &mut Compiled, state: &mut State, batch: &EventBatch, tenant: u16) {
    let Some(plan) = compiled.plans.get_mut(&batch.dataset) else {
        return;
    };
    let (extractors, feeds, specs) = (&plan.extractors, &plan.feeds, &compiled.specs);
    let times = batch.ts().values();
    let mut summaries = Summaries::new(batch);
    let agents = Column::of(batch, "ua");
    let mut keys: Vec<KeyColumn<'_>> = extractors
        .iter()
        .map(|extractor| KeyColumn::unread(extractor, batch))
        .collect();
    let value_columns: Vec<Vec<Vec<Column<'_>>>> = feeds
        .iter()
        .map(|feeds| {
            let of = |feed: &Feed| feed.values.iter().map(|f| Column::of(batch, &f.column)).collect();
            feeds.iter().map(of).collect()
        })
        .collect();
    let mut total = Totals::default();
    let mut instead = None;
    // An event that several rules of a correlation match is one event.
    let mut counted = vec![(usize::MAX, NONE); specs.len()];
    plan.program.run(batch, |row, rule| {
        let ts = times[row];
        for (at, feed) in feeds[rule as usize].iter().enumerate() {
            let spec = &specs[feed.track];
            let key_column = &mut keys[feed.extractor];
            let mut key = key_column.ids[row];
            if key == UNREAD {
                key = state.key_of(
                    &extractors[feed.extractor],
                    &key_column.columns,
                    row,
                    tenant,
                    ts,
                    &agents,
                );
                key_column.ids[row] = key;
            }
            if key == NONE {
                if !spec.dataset_as_key {
                    state.stats.unkeyed += 1;
                    continue;
                }
                let instead = instead.get_or_insert_with(|| Instead::of(batch));
                let named = instead.as_ref().and_then(|instead| instead.named(row));
                key = state.key_instead(batch.dataset, named, tenant, ts);
            }
            if spec.proxy_aware {
                total.count(state, (feed.track, tenant), ts);
            }
            if spec.mode.measure.once_an_event() && again(&mut counted[feed.track], (row, key)) {
                continue;
            }
            let Some(what) = state.cell_of(&spec.mode, feed, &value_columns[rule as usize][at], row) else {
                state.stats.unmeasured += 1;
                continue;
            };
            let salt = summaries.salt(row);
            let slot = state.slot_of(feed.track, key);
            state.tracks[feed.track].observe(slot, ts, what, salt, || summaries.of(row));
        }
    });
    total.flush(state, tenant);
}

/// Whether `now` is what was seen last.
fn again(last: &mut (usize, u32), now: (usize, u32)) -> bool {
    std::mem::replace(last, now) == now
}

/// Collects counts of one minute per track before they go into the map: rows come almost
/// sorted.
#[derive(Default)]
struct Totals {
    held: Vec<(usize, i64, u64)>,
}

impl Totals {
    fn count(&mut self, state: &mut State, whose: (usize, u16), ts: i64) {
        let minute = ts.div_euclid(MINUTE_US);
        match self.held.iter_mut().find(|(track, _, _)| *track == whose.0) {
            Some((_, at, count)) if *at == minute => *count += 1,
            Some((_, at, count)) => {
                state.add_total(whose, *at, *count);
                (*at, *count) = (minute, 1);
            }
            None => self.held.push((whose.0, minute, 1)),
        }
    }

    fn flush(&mut self, state: &mut State, tenant: u16) {
        for (track, minute, count) in self.held.drain(..) {
            state.add_total((track, tenant), minute, count);
        }
    }
}

impl State {
    /// Index of a tenant, given now if it is new.
    pub(super) fn tenant(&mut self, id: &TenantId) -> u16 {
        let index = self
            .tenants
            .iter()
            .position(|tenant| tenant.id == *id)
            .unwrap_or_else(|| {
                self.tenants.push(Tenant {
                    id: id.clone(),
                    newest: i64::MIN,
                    cut: i64::MIN,
                    cut_at: i64::MIN,
                    start: self.starts.unwrap_or(i64::MIN),
                    pressed_at: i64::MIN,
                    watermarks: BTreeMap::new(),
                });
                self.tenants.len() - 1
            });
        u16::try_from(index).expect("tenants are configured, far fewer than 2^16")
    }

    fn key_of(
        &mut self,
        extractor: &Extractor,
        columns: &[Column<'_>],
        row: usize,
        tenant: u16,
        ts: i64,
        agents: &Column<'_>,
    ) -> u32 {
        let id = match (extractor.fields.as_slice(), columns) {
            ([field], [column]) => match field_text(column, row, field) {
                Some(text) => self.keys.intern(tenant, extractor.space, &bounded(&text)),
                None => return NONE,
            },
            (fields, columns) => {
                let mut text = String::new();
                for (at, (field, column)) in fields.iter().zip(columns).enumerate() {
                    let Some(part) = field_text(column, row, field) else {
                        return NONE;
                    };
                    if at > 0 {
                        text.push(SEPARATOR);
                    }
                    text.push_str(&bounded(&part));
                }
                self.keys.intern(tenant, extractor.space, &text)
            }
        };
        let agent = match agents.value(row) {
            Value::Text(agent) => 1 << (self.hasher.hash_one(agent) & 63),
            _ => 0,
        };
        let key = self.keys.get_mut(id);
        key.last_ts = key.last_ts.max(ts);
        key.agents |= agent;
        id
    }

    /// Where a track has its state of a key, made now if it has none.
    pub(super) fn slot_of(&mut self, track: usize, key: u32) -> u32 {
        let known = self.keys.get_mut(key);
        let number = u32::try_from(track).expect("fewer rules than 2^32");
        if let Some(slot) = known.places.slot(number) {
            return slot;
        }
        let slot = self.tracks[track].open(key, known.tenant);
        known.places.add(Place { track: number, slot });
        slot
    }

    fn add_total(&mut self, whose: (usize, u16), minute: i64, count: u64) {
        *self.totals.entry(whose).or_default().entry(minute).or_insert(0) += count;
    }

    /// The key of a row without the address that its rule is about: whom it names, else its dataset.
    fn key_instead(
        &mut self,
        dataset: Dataset,
        named: Option<(u16, Cow<'_, str>)>,
        tenant: u16,
        ts: i64,
    ) -> u32 {
        let (space, name) = match &named {
            Some((space, name)) => (*space, bounded(name)),
            None => (DATASET_SPACE, dataset.as_str().into()),
        };
        let id = self.keys.intern(tenant, space, &name);
        let key = self.keys.get_mut(id);
        key.last_ts = key.last_ts.max(ts);
        id
    }

    /// What one event is to a track, if it has what the track measures.
    fn cell_of(&self, mode: &Mode, feed: &Feed, columns: &[Column<'_>], row: usize) -> Option<u64> {
        match mode.measure {
            Measure::Events => Some(1),
            Measure::Distinct => self.value_hash(columns, &feed.values, row),
            Measure::Rules | Measure::Chain(_) => Some(measure::cell_of_rule(feed.rule)),
            Measure::Sum | Measure::Mean | Measure::Percentile(_) => {
                let number = field_number(columns.first()?, row, feed.values.first()?)?;
                measure::cell_of_number(mode, number)
            }
        }
    }

    fn value_hash(&self, columns: &[Column<'_>], fields: &[FieldRef], row: usize) -> Option<u64> {
        let mut hash = 0u64;
        for (column, field) in columns.iter().zip(fields) {
            hash = self.hash_part(hash, &field_text(column, row, field)?);
        }
        Some(hash)
    }

    /// Hash of a tuple, part by part.
    pub(super) fn hash_part(&self, before: u64, part: &str) -> u64 {
        self.hasher.hash_one((before, part))
    }

    fn observe_detectors(&mut self, batch: &EventBatch) {
        if self.detectors.is_empty() {
            return;
        }
        let rows = Rows::new(batch, &self.hasher);
        for detector in &mut self.detectors {
            detector.observe(batch, &rows);
        }
    }
}
