//! Correlations of correlations: firings of one become events of another.
//!
//! A firing carries the group fields of its correlation. To a correlation that counts or sums, a
//! stretch in which the lower one held is one event, at the moment it was first crossed. To one
//! that asks what was there (`temporal`, `value_count`), each moment at which the lower one held
//! is a sighting: a burst that goes on is still there when the next step comes.

use super::State;
use super::compile::TrackSpec;
use super::measure::{self, Measure};
use super::memory::Change;
use std::sync::Arc;

/// Between the parts of a composite key; a control character that no field of a log line holds
/// by chance, so that parts with commas in them stay apart.
pub const SEPARATOR: char = '\u{1f}';

/// Where the firings of a correlation go.
#[derive(Clone, Debug)]
pub struct Link {
    /// The watching track; higher than the watched one's.
    pub track: usize,
    pub space: u16,
    /// Group fields of the watching one, as places among those of the watched.
    pub group: Vec<usize>,
    /// Fields counted or measured, likewise.
    pub values: Vec<usize>,
    /// Place of the watched rule among the rules of the watching one.
    pub rule: u8,
}

/// Gives `changes` of a key of `track` to the correlations that watch it.
pub fn pass_on(specs: &[TrackSpec], state: &mut State, track: usize, key: u32, changes: &[Change]) {
    let spec = &specs[track];
    let Some(newest) = changes.iter().map(|change| change.firing.ts).max() else {
        return;
    };
    let (tenant, text) = (state.keys.get(key).tenant, state.keys.get(key).text.clone());
    let parts: Vec<&str> = text.split(SEPARATOR).collect();
    let part = |at: &usize| parts.get(*at).copied().unwrap_or_default();
    for link in &spec.links {
        let mode = &specs[link.track].mode;
        let what = match mode.measure {
            Measure::Events => Some(1),
            Measure::Distinct => {
                let hashed = link.values.iter().map(part);
                Some(hashed.fold(0, |hash, part| state.hash_part(hash, part)))
            }
            Measure::Rules | Measure::Chain(_) => Some(measure::cell_of_rule(link.rule)),
            Measure::Sum | Measure::Mean | Measure::Percentile(_) => {
                let number = link.values.first().and_then(|at| part(at).parse().ok());
                number.and_then(|number| measure::cell_of_number(mode, number))
            }
        };
        let Some(what) = what else {
            state.stats.unmeasured += changes.iter().filter(|change| change.holds).count() as u64;
            continue;
        };
        let group: Vec<&str> = link.group.iter().map(part).collect();
        let group = group.join(&SEPARATOR.to_string());
        let upper = state.keys.intern(tenant, link.space, &group);
        let known = state.keys.get_mut(upper);
        known.last_ts = known.last_ts.max(newest);
        let each = matches!(
            mode.measure,
            Measure::Distinct | Measure::Rules | Measure::Chain(_)
        );
        let line = || -> Arc<str> { format!("{}: {}", spec.title, parts.join(",")).into() };
        for change in changes.iter().filter(|change| each || change.firing.first) {
            let slot = state.slot_of(link.track, upper);
            state.tracks[link.track].pass(slot, what, *change, line);
        }
    }
}
