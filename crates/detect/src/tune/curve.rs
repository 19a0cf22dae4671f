//! What one rule would have told at each threshold of its ladder, and how far it may be raised.

use super::ladder::Ladder;
use super::share::Rung;
use crate::detector::score_of;
use crate::engine::ladder::{Alert, Retold};
use haetae_event::time::DAY_US;
use haetae_event::{Entity, Level, Micros, TenantId, TimeWindow};

/// An alert that people called a true attack: it must be told whatever is saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    pub tenant: TenantId,
    pub entity: Entity,
    pub window: TimeWindow,
}

/// Counts of one threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Episodes, as `rules backtest` counts them.
    pub alerts: usize,
    /// Those of the level that counts.
    pub notified: usize,
    /// Entities with an episode that counts.
    pub entities: usize,
}

/// One rule on its ladder.
#[derive(Clone, Debug)]
pub struct Curve {
    pub ladder: Ladder,
    pub level: Level,
    /// For each threshold.
    pub steps: Vec<Step>,
    /// Last threshold at which every truth is still told.
    pub last_true: usize,
    /// Last threshold at which it still tells something, where it tells something at present: no
    /// proposal silences a rule whole.
    pub last_speaking: usize,
    /// Truths that are told at present.
    pub truths: usize,
    /// What each entity was told for.
    pub retold: Vec<Retold>,
    /// Episodes below it do not notify.
    pub counts_from: Level,
}

impl Curve {
    /// The curve of a rule of `level`; episodes from `counts_from` on notify.
    pub fn new(
        ladder: Ladder,
        retold: Vec<Retold>,
        level: Level,
        counts_from: Level,
        truths: &[Truth],
    ) -> Curve {
        let steps: Vec<Step> = (0..ladder.limits.len())
            .map(|at| step(&retold, at, counts_from))
            .collect();
        let told = |truth: &Truth, at: usize| {
            let mut of = retold.iter();
            let of = of.find(|r| r.tenant == truth.tenant && r.entity == truth.entity);
            let touching = |alert: &Alert| alert.window.touches(&truth.window, 0);
            of.is_some_and(|retold| retold.at(at).iter().any(touching))
        };
        // What is not told now is not lost by any change.
        let standing: Vec<&Truth> = truths
            .iter()
            .filter(|truth| told(truth, ladder.present))
            .collect();
        let rungs = ladder.present..ladder.limits.len();
        let kept = rungs.take_while(|&at| standing.iter().all(|truth| told(truth, at)));
        let last_true = kept.last().unwrap_or(ladder.present);
        let speaking = steps.iter().rposition(|step| step.notified > 0);
        let last_speaking = speaking.unwrap_or(ladder.present).max(ladder.present);
        Curve {
            level,
            steps,
            last_true,
            last_speaking,
            truths: standing.len(),
            retold,
            counts_from,
            ladder,
        }
    }

    /// From the present threshold to the last that may be proposed, as [`super::share()`] wants it.
    pub fn rungs(&self) -> Vec<Rung> {
        let present = self.ladder.limits[self.ladder.present].amount as f64;
        (self.ladder.present..=self.last_true.min(self.last_speaking))
            .map(|at| Rung {
                effort: (self.ladder.limits[at].amount as f64 / present).ln().abs(),
                alerts: self.steps[at].notified,
            })
            .collect()
    }

    /// How grave a missed alert is, 0 to 1.
    pub fn severity(&self) -> f64 {
        score_of(self.level)
    }

    /// Episodes that notify at the threshold `at`, with whose they are.
    pub fn notified(&self, at: usize) -> impl Iterator<Item = (&Retold, &Alert)> {
        self.retold.iter().flat_map(move |retold| {
            let alerts = retold.at(at).iter();
            alerts
                .filter(|alert| alert.level >= self.counts_from)
                .map(move |alert| (retold, alert))
        })
    }

    /// Notifications at the threshold `at` in each of the `days` whole days that end with `end`,
    /// the oldest first. An episode counts where it begins.
    pub fn daily(&self, at: usize, end: Micros, days: usize) -> Vec<u32> {
        let mut counts = vec![0; days];
        for (_, alert) in self.notified(at) {
            let back = end.0.saturating_sub(alert.window.start.0).max(0) / DAY_US;
            let back = usize::try_from(back).unwrap_or(usize::MAX);
            if let Some(count) = days
                .checked_sub(back.saturating_add(1))
                .and_then(|day| counts.get_mut(day))
            {
                *count += 1;
            }
        }
        counts
    }
}

fn step(retold: &[Retold], at: usize, counts_from: Level) -> Step {
    let mut step = Step {
        alerts: 0,
        notified: 0,
        entities: 0,
    };
    for of in retold {
        let notified = of
            .at(at)
            .iter()
            .filter(|alert| alert.level >= counts_from)
            .count();
        step.alerts += of.at(at).len();
        step.notified += notified;
        step.entities += usize::from(notified > 0);
    }
    step
}
