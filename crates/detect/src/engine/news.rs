//! Two evaluations as one: what was found while making room, and what was found after.

use super::Evaluation;
use ahash::{AHashMap, RandomState};
use haetae_event::{Entity, Episode, TenantId};

/// Places in a list by what they are about. Between two evaluations very many addresses may be told
/// of: names are hashed, not copied.
#[derive(Default)]
struct About {
    hasher: RandomState,
    places: AHashMap<u64, Vec<usize>>,
}

impl About {
    fn add(&mut self, (tenant, rule, entity): (&TenantId, &str, &Entity), at: usize) {
        let hash = self.hasher.hash_one((tenant, rule, entity));
        self.places.entry(hash).or_default().push(at);
    }

    /// Places of what this is about, and perhaps of others.
    fn of(&self, (tenant, rule, entity): (&TenantId, &str, &Entity)) -> impl Iterator<Item = usize> {
        let hash = self.hasher.hash_one((tenant, rule, entity));
        self.places.get(&hash).into_iter().flatten().copied()
    }
}

fn about(episode: &Episode) -> (&TenantId, &str, &Entity) {
    (&episode.tenant_id, &episode.rule_id, &episode.entity)
}

impl Evaluation {
    /// What both say together: of episodes that the later evaluation tells anew or withdraws,
    /// only the later word. What never was told outside must not come out as a second episode.
    #[must_use]
    pub(super) fn followed_by(self, mut later: Evaluation) -> Evaluation {
        if self.episodes.is_empty() && self.withdrawn.is_empty() {
            return later;
        }
        let (mut told, mut gone) = (About::default(), About::default());
        for (at, episode) in later.episodes.iter().enumerate() {
            told.add(about(episode), at);
        }
        for (at, w) in later.withdrawn.iter().enumerate() {
            gone.add((&w.tenant_id, &w.rule_id, &w.entity), at);
        }
        let mut kept = self.episodes;
        kept.retain(|earlier| {
            let of = about(earlier);
            let again = told.of(of).find(|&at| {
                let now = &later.episodes[at];
                about(now) == of && now.window.touches(&earlier.window, earlier.gap_us)
            });
            if let Some(at) = again {
                widen(&mut later.episodes[at], earlier);
                return false;
            }
            let undone = gone.of(of).any(|at| {
                let gone = &later.withdrawn[at];
                (&gone.tenant_id, gone.rule_id.as_str(), &gone.entity) == of
                    && gone.window.touches(&earlier.window, 0)
            });
            earlier.monotone || !undone
        });
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
