//! Several judgements as one: the same question asked of several seeds.

use super::{Blocking, KindScore, ScoreReport, ratio};
use crate::plan::AttackKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sums over several reports; ratios are of the sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pooled {
    pub reports: u64,
    pub total: KindScore,
    pub kinds: Vec<KindScore>,
    pub blocking: Blocking,
    /// The lowest precision and recall of any one report.
    pub worst_precision: Option<f64>,
    pub worst_recall: Option<f64>,
    pub unfounded_per_day_most: f64,
}

/// Adds up the counts. Delays are of each report alone and are left out.
pub fn pool(reports: &[ScoreReport]) -> Pooled {
    let mut kinds: BTreeMap<Option<AttackKind>, KindScore> = BTreeMap::new();
    let mut blocking = Blocking::default();
    for report in reports {
        for score in report.kinds.iter().chain([&report.total]) {
            add(kinds.entry(score.kind).or_default(), score);
        }
        blocking.findings += report.blocking.findings;
        blocking.rightly += report.blocking.rightly;
        blocking.shared += report.blocking.shared;
        for (rule, count) in &report.blocking.shared_by_rule {
            *blocking.shared_by_rule.entry(rule.clone()).or_insert(0) += count;
        }
    }
    blocking.precision = ratio(blocking.rightly, blocking.findings);
    blocking.precision_own = ratio(blocking.rightly - blocking.shared, blocking.findings);
    let lowest = |of: fn(&KindScore) -> Option<f64>| {
        let all = reports.iter().filter_map(|report| of(&report.total));
        all.min_by(f64::total_cmp)
    };
    let total = kinds.remove(&None).unwrap_or_default();
    Pooled {
        reports: reports.len() as u64,
        total,
        kinds: kinds.into_values().collect(),
        blocking,
        worst_precision: lowest(|score| score.precision),
        worst_recall: lowest(|score| score.recall),
        unfounded_per_day_most: reports
            .iter()
            .map(|report| report.notifications.unfounded_per_day)
            .fold(0.0, f64::max),
    }
}

fn add(sum: &mut KindScore, score: &KindScore) {
    sum.kind = score.kind;
    sum.campaigns += score.campaigns;
    sum.campaigns_found += score.campaigns_found;
    sum.actors += score.actors;
    sum.actors_found += score.actors_found;
    sum.true_entities += score.true_entities;
    sum.false_entities += score.false_entities;
    sum.recall = ratio(sum.actors_found, sum.actors);
    sum.precision = ratio(sum.true_entities, sum.true_entities + sum.false_entities);
}
