//! What clients and addresses are told for.

use super::visit::{Places, Violation, Wrong};
use super::{At, Judged, Known, Payments, Required};
use crate::detector::{Extent, Verdict, score_of};
use haetae_event::finding::EVIDENCE_MAX;
use haetae_event::{Dataset, EvidenceRef, Level, Micros};

/// Names of the rules: the dataset follows.
const ABUSE: &str = "payment_flow";
const DECLINED: &str = "payment_declined";

impl Payments {
    pub(super) fn judge(&self, judged: &Judged, path: Option<&str>, dataset: Dataset) -> Vec<Verdict> {
        let mut out = Vec::new();
        for run in runs(&judged.abuse, self.shape.session_us) {
            if run.len() as u64 >= self.settings.violations_min.max(1) {
                out.push(self.abuse(run, judged.borrowed, path, dataset));
            }
        }
        for run in runs(&judged.declined, self.shape.session_us) {
            if run.len() as u64 >= self.settings.declined_min.max(1) {
                let told = (DECLINED, "Many declined payments: stolen cards tried out");
                out.push(self.verdict(told, self.settings.level, run, path, dataset));
            }
        }
        out
    }

    /// What the clients of one address did together: those known by it alone, and of those with a
    /// session or account what was not told of them.
    pub(super) fn judge_address(
        &self,
        clients: &[At],
        required: &Required,
        closed: i64,
        dataset: Dataset,
    ) -> Vec<Verdict> {
        let (mut all, mut certain) = (Judged::default(), false);
        let (mut paid, mut abusing, mut declining) = (0, 0, 0);
        let mut path: Option<&str> = None;
        for &at in clients {
            let client = self.clients.get(at);
            let Some((_, payer)) = client.paid() else { continue };
            if client.known != Known::Address && !payer.told.is_empty() {
                continue;
            }
            let mut own = self.violations(at, required, closed);
            let own_path = payer.path.as_deref();
            certain |= client.known == Known::Address && !self.judge(&own, own_path, dataset).is_empty();
            paid += 1;
            abusing += usize::from(!own.abuse.is_empty());
            declining += usize::from(!own.declined.is_empty());
            all.borrowed |= own.borrowed && !own.abuse.is_empty();
            all.abuse.append(&mut own.abuse);
            all.declined.append(&mut own.declined);
            path = path.into_iter().chain(own_path).min();
        }
        // Of many people behind one address a few stumble; of those who open sessions for it all do.
        if !certain && abusing * 2 < paid {
            all.abuse.clear();
        }
        if !certain && declining * 2 < paid {
            all.declined.clear();
        }
        all.abuse.sort_unstable();
        all.declined.sort_unstable();
        self.judge(&all, path, dataset)
    }

    fn abuse(&self, run: &[Violation], borrowed: bool, path: Option<&str>, dataset: Dataset) -> Verdict {
        let count = |of: fn(&Wrong) -> bool| run.iter().filter(|v| of(&v.wrong)).count();
        let skipped = count(|wrong| matches!(wrong, Wrong::Skipped(_)));
        let disordered = count(|wrong| matches!(wrong, Wrong::OutOfOrder(_)));
        let replayed = count(|wrong| matches!(wrong, Wrong::Replayed));
        let title = if replayed >= skipped && replayed >= disordered {
            "Payment flow: payment sent again without a new order"
        } else if disordered >= skipped {
            "Payment flow: payment before the steps it needs"
        } else {
            "Payment flow: steps before the payment left out"
        };
        let many = run.len() as u64 >= self.settings.violations_high;
        let level = match (many, borrowed) {
            (true, false) => self.settings.level_high,
            (true, true) | (false, false) => self.settings.level,
            (false, true) => self.settings.level.min(Level::Low),
        };
        let mut verdict = self.verdict((ABUSE, title), level, run, path, dataset);
        let mut missing: Places = 0;
        for violation in run {
            if let Wrong::Skipped(places) | Wrong::OutOfOrder(places) = violation.wrong {
                missing |= places;
            }
        }
        let names: Vec<&str> = (0..self.shape.payment)
            .filter(|place| missing & 1 << place != 0)
            .filter_map(|place| self.settings.steps.get(usize::from(place)))
            .map(|step| step.name.as_str())
            .collect();
        verdict.facts = vec![
            ("steps left out".into(), skipped.to_string()),
            ("out of order".into(), disordered.to_string()),
            ("sent again".into(), replayed.to_string()),
        ];
        if !names.is_empty() {
            verdict.facts.push(("missing steps".into(), names.join(", ")));
        }
        if borrowed {
            verdict.confidence = 0.5;
            let fact = "of browsers: too few clients pay with this program to have one of their own";
            verdict.facts.push(("way".into(), fact.into()));
        }
        verdict
    }

    fn verdict(
        &self,
        (detector, title): (&'static str, &'static str),
        level: Level,
        run: &[Violation],
        path: Option<&str>,
        dataset: Dataset,
    ) -> Verdict {
        let path = path.unwrap_or("payment");
        let evidence = run.iter().take(EVIDENCE_MAX).map(|violation| EvidenceRef {
            ts: Micros(violation.ts),
            summary: match violation.wrong {
                Wrong::Skipped(_) => format!("{path}: without the steps before it"),
                Wrong::OutOfOrder(_) => format!("{path}: before the steps it needs"),
                Wrong::Replayed => format!("{path}: sent again"),
                Wrong::Declined => format!("{path}: declined"),
            },
        });
        Verdict {
            detector,
            rule_id: format!("{detector}.{dataset}"),
            title,
            level,
            extent: Extent {
                start: run.first().map_or(0, |v| v.ts),
                end: run.last().map_or(0, |v| v.ts),
                count: run.len() as u64,
            },
            score: score_of(level),
            confidence: 0.8,
            gap_us: self.shape.session_us,
            monotone: false,
            evidence: evidence.collect(),
            facts: Vec::new(),
            attack: &[],
        }
    }
}

/// Violations no further apart than `gap_us`, in order.
fn runs(violations: &[Violation], gap_us: i64) -> impl Iterator<Item = &[Violation]> {
    violations.chunk_by(move |a, b| b.ts - a.ts <= gap_us)
}
