//! The judgement as text for a terminal.

use super::{KindScore, ScoreReport};
use std::fmt::Write;

/// False findings shown one by one.
const SHOWN_MAX: usize = 40;

fn share(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.4}"))
}

fn row(out: &mut String, score: &KindScore) {
    let name = score.kind.map_or("total", |kind| kind.as_str());
    let (median, p95, soon) = score
        .delay_s
        .map_or(("–".into(), "–".into(), "–".into()), |delay| {
            (
                format!("{:.1}", delay.median),
                format!("{:.1}", delay.p95),
                format!("{:.2}", delay.within_60s),
            )
        });
    let _ = writeln!(
        out,
        "{name:9} {:>6} {:>6} {:>12} {:>12} {:>7} {:>7} {:>9} {:>9} {:>9}",
        share(score.recall),
        share(score.precision),
        format!("{}/{}", score.actors_found, score.actors),
        format!("{}/{}", score.campaigns_found, score.campaigns),
        score.true_entities,
        score.false_entities,
        median,
        p95,
        soon,
    );
}

/// Several lines of text, each ended by a newline. Entities and rule ids come from logs and
/// files: escape before showing them elsewhere than in a terminal that drops control characters.
pub fn render(report: &ScoreReport) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "scenario {}, seed {}", report.scenario, report.seed);
    let _ = writeln!(
        out,
        "{:9} {:>6} {:>6} {:>12} {:>12} {:>7} {:>7} {:>9} {:>9} {:>9}",
        "kind", "recall", "prec.", "actors", "campaigns", "true", "false", "median s", "p95 s", "in 60 s"
    );
    for score in report.kinds.iter().chain([&report.total]) {
        row(&mut out, score);
    }
    campaigns(&mut out, report);
    let (blocking, told) = (&report.blocking, report.notifications);
    let _ = writeln!(
        out,
        "may block: {} findings, {} about attackers, precision {}; {} of them at addresses that others may share, precision without them {}",
        blocking.findings,
        blocking.rightly,
        share(blocking.precision),
        blocking.shared,
        share(blocking.precision_own)
    );
    let _ = writeln!(
        out,
        "notifications: {} in {:.2} days, {} unfounded ({:.2} a day, {} on the worst day)",
        told.all, told.days, told.unfounded, told.unfounded_per_day, told.unfounded_on_worst_day
    );
    falsehoods(&mut out, report);
    out
}

fn campaigns(out: &mut String, report: &ScoreReport) {
    for campaign in &report.campaigns {
        let _ = write!(
            out,
            "{:20} {}/{} actors",
            campaign.id, campaign.actors_found, campaign.actors
        );
        let Some(first) = &campaign.first else {
            let known = campaign.detectable_at.is_some();
            let _ = writeln!(
                out,
                ", {}",
                if known {
                    "missed"
                } else {
                    "ended too early to be known"
                }
            );
            continue;
        };
        let late = first
            .seconds_late
            .map_or(String::new(), |late| format!(" ({late:+.1} s from detectable)"));
        let usd = first
            .prevented
            .usd
            .map_or(String::new(), |usd| format!(", US$ {usd:.2}"));
        let _ = writeln!(
            out,
            ", after {} events, {:.1} s{late}, by {} on {} {}; prevented {} events, {:.3} GB{usd}",
            first.events,
            first.seconds,
            first.rule_id,
            first.entity.kind,
            first.entity.value.escape_debug(),
            first.prevented.events,
            first.prevented.bytes_out as f64 / 1e9,
        );
    }
}

fn falsehoods(out: &mut String, report: &ScoreReport) {
    for finding in report.false_findings.iter().take(SHOWN_MAX) {
        let _ = writeln!(
            out,
            "false: {} {} on {} {} at {}: {}",
            finding.level,
            finding.rule_id,
            finding.entity.kind,
            finding.entity.value.escape_debug(),
            finding.told_at,
            finding.reason
        );
    }
    if report.false_findings.len() > SHOWN_MAX {
        let more = report.false_findings.len() - SHOWN_MAX;
        let _ = writeln!(out, "and {more} more false findings");
    }
}
