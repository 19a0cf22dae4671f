//! From decisions to verdicts: who is named, what is said, and how windows join.

use super::signals::Decision;
use super::timeline::WINDOW_US;
use crate::detector::{Extent, Verdict, score_of};
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::{Dataset, EvidenceRef, Level, Micros};

/// Episodes of one client no further apart than a window are one, µs.
pub const GAP_US: i64 = WINDOW_US;

/// What is said of an actor.
pub struct Said<'a> {
    pub decision: &'a Decision,
    pub dataset: Dataset,
    /// Start of the window, µs.
    pub start_us: i64,
    pub extent: Extent,
    pub level: Level,
    /// Beside the evidence.
    pub facts: Vec<(String, String)>,
}

/// Macro, or automation where the evidence does not suffice to act.
pub fn tell(said: Said<'_>) -> Verdict {
    let decision = said.decision;
    let (detector, title) = if decision.certain {
        ("macro", "Macro or ticket bot")
    } else {
        ("automation", "Automated requests")
    };
    let total = decision.evidence.total();
    let decided = Micros(said.start_us + i64::from(decision.at));
    let mut facts = vec![
        ("log-likelihood ratio".to_owned(), format!("{total:.1}")),
        (
            "requests until decision".to_owned(),
            decision.requests.to_string(),
        ),
        ("decided at".to_owned(), decided.to_string()),
    ];
    if let Some(beat) = decision.evidence.beat {
        facts.push(("base period".to_owned(), format!("{:.2} s", beat.period_us / 1e6)));
    }
    facts.extend(said.facts);
    let evidence = decision
        .evidence
        .parts
        .iter()
        .take(EVIDENCE_MAX)
        .map(|part| EvidenceRef {
            ts: decided,
            summary: format!("{} {:+.1}: {}", part.signal, part.nats, part.text),
        })
        .collect();
    Verdict {
        detector,
        rule_id: format!("{detector}.{}", said.dataset),
        title,
        level: said.level,
        extent: said.extent,
        score: score_of(said.level),
        // Prior odds of a thousand people to one script.
        confidence: 1.0 / (1.0 + (6.9 - total).exp()),
        gap_us: GAP_US,
        monotone: false,
        evidence,
        facts,
        attack: &["T1119"],
    }
}

/// Verdicts of neighbouring windows under one rule are one episode: the first one's reasons, the
/// higher level, all events.
pub fn joined(mut verdicts: Vec<Verdict>) -> Vec<Verdict> {
    // All that can differ, so that what comes first does not depend on who was judged first.
    verdicts.sort_by(|a, b| {
        let key = |v: &Verdict| (v.extent.start, v.extent.end, v.extent.count, v.level);
        let own = (&a.rule_id, key(a)).cmp(&(&b.rule_id, key(b)));
        own.then_with(|| (&a.evidence, &a.facts).cmp(&(&b.evidence, &b.facts)))
    });
    let mut whole: Vec<Verdict> = Vec::with_capacity(verdicts.len());
    for verdict in verdicts {
        match whole.last_mut() {
            Some(last)
                if last.rule_id == verdict.rule_id
                    && verdict.extent.start.saturating_sub(last.extent.end) <= verdict.gap_us =>
            {
                last.extent.end = last.extent.end.max(verdict.extent.end);
                last.extent.count += verdict.extent.count;
                last.confidence = last.confidence.max(verdict.confidence);
                if verdict.level > last.level {
                    (last.level, last.score) = (verdict.level, verdict.score);
                }
            }
            _ => whole.push(verdict),
        }
    }
    whole
}
