//! One budget for many rules: which are raised, and how far.
//!
//! Each rule has a curve: alerts over effort, the effort being the logarithm of how many times the
//! threshold is raised. Steps are taken along the lower convex hull of each curve, over all rules
//! in the order of what they save per effort and per severity, until the budget is met: the greedy
//! that is optimal for separable convex costs (Fox, Discrete optimization via marginal analysis,
//! Management Science 13, 1966). The last step stops at the first threshold that is enough.
//!
//! The order of the steps does not depend on the budget, so a larger budget stops earlier on the
//! same way: more budget never gives a higher threshold. An alert more is not always saved by a
//! higher threshold (one long episode may fall into two), therefore only thresholds that save
//! something count as steps at all.

/// A threshold: how far it is from the present one, and what it tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// |ln(threshold / present)|.
    pub effort: f64,
    pub alerts: usize,
}

/// What became of the budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// For each rule the rung chosen; 0 is the present one.
    pub chosen: Vec<usize>,
    /// Alerts of all rules then.
    pub alerts: usize,
}

/// A piece of the lower hull of one rule's curve.
struct Segment {
    rule: usize,
    from: usize,
    to: usize,
    /// Alerts saved per effort and severity.
    gain: f64,
}

/// Chooses a rung for each rule (its severity from 0 to 1, its rungs from the present threshold
/// on) so that all together tell at most `most` alerts, or as few as they can.
pub fn share(rules: &[(f64, Vec<Rung>)], most: f64) -> Choice {
    let mut chosen = vec![0; rules.len()];
    let mut alerts: usize = rules
        .iter()
        .map(|(_, rungs)| rungs.first().map_or(0, |rung| rung.alerts))
        .sum();
    let enough = |alerts: usize| alerts as f64 <= most;
    let mut segments: Vec<Segment> = Vec::new();
    for (rule, (severity, rungs)) in rules.iter().enumerate() {
        segments.extend(hull(rule, *severity, rungs));
    }
    // Stable: within a rule gains fall, and equal ones stay in their order.
    segments.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    for Segment { rule, from, to, .. } in segments {
        if enough(alerts) {
            break;
        }
        let rungs = &rules[rule].1;
        let others = alerts - rungs[from].alerts;
        let first = (from + 1..to).find(|&at| enough(others + rungs[at].alerts));
        let at = first.unwrap_or(to);
        (chosen[rule], alerts) = (at, others + rungs[at].alerts);
    }
    Choice { chosen, alerts }
}

/// The lower convex hull over the rungs that tell less than all before them.
fn hull(rule: usize, severity: f64, rungs: &[Rung]) -> Vec<Segment> {
    let mut corners: Vec<usize> = Vec::new();
    let mut least = usize::MAX;
    for (at, rung) in rungs.iter().enumerate() {
        if rung.alerts >= least {
            continue;
        }
        least = rung.alerts;
        // What lies on or above the line from the corner before it to this rung is no corner.
        while let [.., before, last] = corners[..]
            && saved(rungs, before, last) <= saved(rungs, before, at)
        {
            corners.pop();
        }
        corners.push(at);
    }
    let pairs = corners.windows(2);
    pairs
        .map(|pair| Segment {
            rule,
            from: pair[0],
            to: pair[1],
            gain: saved(rungs, pair[0], pair[1]) / severity.max(0.01),
        })
        .collect()
}

/// Alerts saved per effort between two rungs, the second telling less.
fn saved(rungs: &[Rung], from: usize, to: usize) -> f64 {
    let less = rungs[from].alerts.saturating_sub(rungs[to].alerts);
    less as f64 / (rungs[to].effort - rungs[from].effort).max(f64::MIN_POSITIVE)
}
