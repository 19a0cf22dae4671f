//! How well scores tell labelled rows apart.

use serde::{Deserialize, Serialize};

/// Area under the ROC curve: the chance that a positive row's score is above a negative one's,
/// equal scores counting half (the Mann–Whitney statistic with mid-ranks). `None` when one of the
/// classes is absent, a score is not a number, or the lengths differ.
pub fn auroc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    if scores.len() != labels.len() || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut rows: Vec<(f64, bool)> = scores
        .iter()
        .map(|s| s + 0.0)
        .zip(labels.iter().copied())
        .collect();
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let positives = labels.iter().filter(|label| **label).count() as f64;
    let negatives = rows.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    // Pairs won by a positive row, in halves, so that every number is whole.
    let (mut below, mut halves) = (0u64, 0u128);
    for tied in rows.chunk_by(|a, b| a.0 == b.0) {
        let here = tied.iter().filter(|(_, label)| *label).count() as u64;
        let others = tied.len() as u64 - here;
        halves += u128::from(here) * u128::from(2 * below + others);
        below += others;
    }
    Some(halves as f64 / 2.0 / positives / negatives)
}

/// Labelled rows judged at one threshold: score above it means anomaly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    pub true_positives: u64,
    pub false_positives: u64,
    pub true_negatives: u64,
    pub false_negatives: u64,
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Confusion {
    pub fn at(threshold: f64, scores: &[f64], labels: &[bool]) -> Confusion {
        let mut counts = Confusion::default();
        for (score, label) in scores.iter().zip(labels) {
            let place = match (*score > threshold, *label) {
                (true, true) => &mut counts.true_positives,
                (true, false) => &mut counts.false_positives,
                (false, false) => &mut counts.true_negatives,
                (false, true) => &mut counts.false_negatives,
            };
            *place += 1;
        }
        counts
    }

    /// Share of the anomalies found; `None` without any.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of what was called an anomaly that is one; `None` when nothing was.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_positives)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_by_hand() {
        let area = |scores: &[f64], labels: &[u8]| {
            auroc(scores, &labels.iter().map(|l| *l == 1).collect::<Vec<_>>())
        };
        assert_eq!(area(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]), Some(0.75));
        assert_eq!(area(&[1.0, 2.0, 3.0], &[0, 0, 1]), Some(1.0));
        assert_eq!(area(&[3.0, 2.0, 1.0], &[0, 0, 1]), Some(0.0));
        // All tied: no better than a coin.
        assert_eq!(area(&[5.0; 7], &[0, 1, 0, 1, 1, 0, 0]), Some(0.5));
        // One win and one tie of two pairs.
        assert_eq!(area(&[1.0, 2.0, 2.0], &[0, 0, 1]), Some(0.75));
        assert_eq!(area(&[0.0, -0.0], &[0, 1]), Some(0.5));
        assert_eq!(area(&[1.0, 2.0], &[1, 1]), None);
        assert_eq!(area(&[1.0, f64::NAN], &[0, 1]), None);
        assert_eq!(area(&[], &[]), None);
        assert_eq!(area(&[1.0], &[0, 1]), None);
    }

    #[test]
    fn a_threshold_is_passed_only_from_above() {
        let c = Confusion::at(0.5, &[0.5, 0.6, 0.4, 0.9], &[true, true, false, false]);
        assert_eq!((c.recall(), c.precision()), (Some(0.5), Some(0.5)));
        assert_eq!(Confusion::default().recall(), None);
        assert_eq!(Confusion::default().precision(), None);
    }
}
