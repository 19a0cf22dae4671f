//! Two evaluations as one: what was found while making room, and what was found after.

use super::Evaluation;
use haetae_event::{Entity, Episode, TenantId};
use std::collections::BTreeMap;

type Of = (TenantId, String, Entity);

impl Evaluation {
    /// What both say together: of episodes that the later evaluation tells anew or withdraws,
    /// only the later word. What never was told outside must not come out as a second episode.
    #[must_use]
    pub(super) fn followed_by(self, mut later: Evaluation) -> Evaluation {
        let mut told: BTreeMap<Of, Vec<usize>> = BTreeMap::new();
        let mut gone: BTreeMap<Of, Vec<usize>> = BTreeMap::new();
        if self.episodes.is_empty() && self.withdrawn.is_empty() {
            return later;
        }
        for (at, e) in later.episodes.iter().enumerate() {
            let of = (e.tenant_id.clone(), e.rule_id.clone(), e.entity.clone());
            told.entry(of).or_default().push(at);
        }
        for (at, w) in later.withdrawn.iter().enumerate() {
            let of = (w.tenant_id.clone(), w.rule_id.clone(), w.entity.clone());
            gone.entry(of).or_default().push(at);
        }
        let mut kept = Vec::new();
        for earlier in self.episodes {
            let of = (
                earlier.tenant_id.clone(),
                earlier.rule_id.clone(),
                earlier.entity.clone(),
            );
            let again = told.get(&of).into_iter().flatten().copied().find(|&at| {
                let window = later.episodes[at].window;
                window.touches(&earlier.window, earlier.gap_us)
            });
            if let Some(at) = again {
                widen(&mut later.episodes[at], &earlier);
                continue;
            }
            let withdrawn = gone.get(&of).into_iter().flatten();
            let undone = withdrawn
                .copied()
                .any(|at| later.withdrawn[at].window.touches(&earlier.window, 0));
            if earlier.monotone || !undone {
                kept.push(earlier);
            }
        }
        kept.append(&mut later.episodes);
        let mut withdrawn = self.withdrawn;
        withdrawn.append(&mut later.withdrawn);
        Evaluation {
            episodes: kept,
            withdrawn,
        }
    }
}

/// What more events only confirm does not shrink when its older part is forgotten.
fn widen(episode: &mut Episode, earlier: &Episode) {
    if episode.monotone {
        episode.window = episode.window.union(&earlier.window);
        episode.count = episode.count.max(earlier.count);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Withdrawn;
    use super::*;
    use haetae_event::{Level, Micros, TimeWindow};

    fn window(start: i64, end: i64) -> TimeWindow {
        TimeWindow {
            start: Micros(start),
            end: Micros(end),
        }
    }

    fn episode(start: i64, end: i64, monotone: bool) -> Episode {
        Episode {
            tenant_id: TenantId::default(),
            detector: "d".into(),
            rule_id: "r".into(),
            title: "t".into(),
            level: Level::Low,
            entity: Entity {
                kind: "ip".into(),
                value: "192.0.2.1".into(),
            },
            window: window(start, end),
            count: (end - start).unsigned_abs(),
            gap_us: 5,
            score: 0.3,
            confidence: 0.5,
            evidence: Vec::new(),
            attack: Vec::new(),
            monotone,
            facts: Vec::new(),
            cost: None,
            risk: haetae_event::Risk::default(),
        }
    }

    fn evaluation(episodes: &[Episode], withdrawn: &[(i64, i64)]) -> Evaluation {
        let gone = |&(start, end): &(i64, i64)| Withdrawn {
            tenant_id: TenantId::default(),
            rule_id: "r".into(),
            entity: episode(0, 0, false).entity,
            window: window(start, end),
        };
        Evaluation {
            episodes: episodes.to_vec(),
            withdrawn: withdrawn.iter().map(gone).collect(),
        }
    }

    #[test]
    fn the_later_word_counts() {
        let before = evaluation(&[episode(0, 10, false), episode(40, 50, false)], &[]);
        let after = evaluation(&[episode(12, 20, false)], &[(40, 50)]);
        let both = before.followed_by(after.clone());
        assert_eq!(both, after);
    }

    #[test]
    fn what_is_not_touched_stays() {
        let before = evaluation(&[episode(0, 10, false)], &[(90, 95)]);
        let both = before.followed_by(evaluation(&[episode(16, 20, false)], &[(60, 70)]));
        assert_eq!(both.episodes.len(), 2);
        assert_eq!(both.withdrawn.len(), 2);
    }

    #[test]
    fn confirmed_episodes_do_not_shrink() {
        let before = evaluation(&[episode(0, 10, true)], &[]);
        let both = before.followed_by(evaluation(&[episode(8, 14, true)], &[(0, 10)]));
        assert_eq!(both.episodes.len(), 1);
        assert_eq!(
            (both.episodes[0].window, both.episodes[0].count),
            (window(0, 14), 10)
        );
    }
}
