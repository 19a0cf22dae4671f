//! Other rules and other detectors in a running engine.
//!
//! Baselines are of days, longer than anybody reads back: what does not change keeps what it knows.
//! What is new catches up with stored rows, which the rest is not told of again.

use super::{Engine, MoreDetectors, State, compile};
use crate::behaviours;
use crate::detector::{Detector, Rows};
use crate::detectors::Detectors;
use crate::ruleset::RuleSet;
use haetae_event::EventBatch;

/// What a detector is, beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// Place in the list of built-in ones; `None`: one of [`MoreDetectors`].
    place: Option<usize>,
    /// It has not seen what is stored.
    behind: bool,
}

/// The detectors of a new engine.
pub(super) fn seated(rules: &RuleSet, more: &MoreDetectors) -> (Vec<Seat>, Vec<Box<dyn Detector>>) {
    let built_in = rules.detectors().map(behaviours::numbered).into_iter().flatten();
    let built_in = built_in.map(|(place, detector)| (Some(place), detector));
    let more = more.make().into_iter().map(|detector| (None, detector));
    let seat = |(place, detector)| {
        let seat = Seat { place, behind: false };
        (seat, detector)
    };
    built_in.chain(more).map(seat).unzip()
}

impl Engine {
    /// Puts other rules in the place of the present ones. Code detectors whose settings stay keep
    /// what they know; rules, and detectors with other settings, are empty: show them what is
    /// stored with [`Engine::catch_up`], then call [`Engine::caught_up`].
    pub fn take_rules(&mut self, rules: RuleSet) {
        let compiled = compile::compile(&rules);
        let none = Detectors::default();
        let (old, new) = (self.rules.detectors(), rules.detectors());
        let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
        let mut seats = Vec::new();
        let mut detectors = Vec::new();
        let known = self.state.seats.drain(..).zip(self.state.detectors.drain(..));
        let (mut built_in, more): (Vec<_>, Vec<_>) = known.partition(|(seat, _)| seat.place.is_some());
        for (place, made) in behaviours::numbered(new) {
            let same = |(seat, _): &(Seat, _)| seat.place == Some(place);
            let kept = built_in
                .iter()
                .position(same)
                .filter(|_| behaviours::is_same(place, old, new));
            let (seat, detector) = kept.map(|at| built_in.swap_remove(at)).unwrap_or((
                Seat {
                    place: Some(place),
                    behind: true,
                },
                made,
            ));
            seats.push(seat);
            detectors.push(detector);
        }
        for (seat, detector) in more {
            seats.push(seat);
            detectors.push(detector);
        }
        let known = std::mem::take(&mut self.state);
        self.state = State {
            tracks: compiled.tracks(),
            seats,
            detectors,
            rules_behind: true,
            tenants: known.tenants,
            starts: known.starts,
            pending: known.pending,
            stats: known.stats,
            hasher: known.hasher,
            ..State::default()
        };
        self.inside = compiled.inside();
        (self.rules, self.compiled) = (rules, compiled);
    }

    /// Makes the detectors anew that are not built in; all else keeps what it knows. To be followed
    /// as [`Engine::take_rules`] is.
    pub fn remake_more(&mut self) {
        let seats = std::mem::take(&mut self.state.seats);
        let known = seats.into_iter().zip(self.state.detectors.drain(..));
        let built_in: Vec<_> = known.filter(|(seat, _)| seat.place.is_some()).collect();
        let more = self.options.more.make().into_iter().map(|detector| {
            let seat = Seat {
                place: None,
                behind: true,
            };
            (seat, detector)
        });
        (self.state.seats, self.state.detectors) = built_in.into_iter().chain(more).unzip();
    }

    /// Folds a stored batch into what is new only.
    pub fn catch_up(&mut self, batch: &EventBatch) {
        let Some((_, high)) = batch.ts_range() else {
            return;
        };
        let tenant = self.state.tenant(&batch.tenant);
        let known = &mut self.state.tenants[usize::from(tenant)];
        known.watermarks.entry(batch.dataset).or_insert(i64::MIN);
        known.newest = known.newest.max(high);
        let rows = Rows::new(batch, &self.state.hasher);
        let all = self.state.detectors.iter_mut().zip(&self.state.seats);
        for (detector, _) in all.filter(|(_, seat)| seat.behind) {
            detector.observe(batch, &rows);
        }
        if self.state.rules_behind {
            super::observe::fold(&mut self.compiled, &mut self.state, batch, tenant);
        }
        self.make_room();
    }

    /// All stored rows from `from_us` on were shown: from here on everything sees the same rows.
    pub fn caught_up(&mut self, from_us: Option<i64>) {
        self.state.rules_behind = false;
        self.state.seats.iter_mut().for_each(|seat| seat.behind = false);
        if let Some(from_us) = from_us {
            self.starts_at(from_us);
        }
    }
}
