//! The proposal for people, in the look of `rules backtest`.

use super::Micros;
use super::report::{At, Example, OfRule, Report};
use crate::config::Config;
use anyhow::Result;
use haetae_detect::tune::Range;
use haetae_respond::for_terminal;
use std::io::Write;

/// # Errors
/// When nothing can be written.
pub fn print(report: &Report, config: &Config) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let zone = config.timezone();
    let moment = |ts: Micros| {
        let zoned = ts.timestamp().to_zoned(zone.clone());
        zoned.strftime("%Y-%m-%d %H:%M %:z").to_string()
    };
    let (from, until) = (moment(report.start), moment(report.end));
    writeln!(
        out,
        "{from} .. {until}, {} events in {:.1} days",
        report.events, report.days
    )?;
    writeln!(
        out,
        "budget {}: {} notifications in that time (alerts from {} on); now {}, proposed {}",
        report.budget, report.budget_in_period, report.level, report.notified_now, report.notified_then
    )?;
    if let Some(week) = &report.next_week {
        let by = apart(week.weekdays_told_apart);
        writeln!(
            out,
            "next week: {}; unchanged: {} (median and 80 % range, from {} days{by})",
            range(week.proposed),
            range(week.unchanged),
            week.days_known
        )?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for rule in &report.rules {
        of_rule(&mut out, rule, report.days, &moment)?;
    }
    if !report.not_tuned.is_empty() {
        writeln!(out, "\nnot tuned, and not in the budget:")?;
    }
    for rule in &report.not_tuned {
        writeln!(
            out,
            "  {}  [{}]  {}\n    {} alerts; {}",
            for_terminal(&rule.title),
            rule.level,
            for_terminal(&rule.id),
            rule.alerts,
            rule.why
        )?;
    }
    writeln!(out)?;
    if report.below_level.rules > 0 {
        let below = &report.below_level;
        writeln!(
            out,
            "{} rules told {} alerts below {}, which do not notify (--level tunes them too)",
            below.rules, below.alerts, report.level
        )?;
    }
    let silent = report.silent;
    if silent > 0 {
        writeln!(
            out,
            "{silent} rules with a threshold told nothing and stay as they are"
        )?;
    }
    out.flush()?;
    Ok(())
}

fn apart(weekdays: bool) -> &'static str {
    if weekdays { ", weekdays told apart" } else { "" }
}

fn range(range: Range) -> String {
    format!("{} ({} to {})", range.median, range.low, range.high)
}

fn of_rule(out: &mut impl Write, rule: &OfRule, days: f64, moment: &dyn Fn(Micros) -> String) -> Result<()> {
    writeln!(
        out,
        "\n{}  [{}]  {}",
        for_terminal(&rule.title),
        rule.level,
        for_terminal(&rule.id)
    )?;
    writeln!(out, "  now       {}", told(&rule.now, days))?;
    writeln!(out, "  proposed  {}", told(&rule.proposed, days))?;
    if let Some(week) = &rule.next_week {
        let (then, now) = (range(week.proposed), range(week.unchanged));
        writeln!(out, "  next week {then}; unchanged: {now}")?;
    }
    writeln!(out, "  why       {}", rule.why)?;
    if rule.confirmed_alerts > 0 {
        writeln!(
            out,
            "  confirmed {} alerts of true incidents, all of them kept",
            rule.confirmed_alerts
        )?;
    }
    if rule.lost_false_positives > 0 {
        writeln!(
            out,
            "  false     {} of the {} lost were called false",
            rule.lost_false_positives, rule.lost
        )?;
    }
    for lost in &rule.lost_entities {
        let (kind, value) = (for_terminal(&lost.kind), for_terminal(&lost.value));
        writeln!(
            out,
            "  lost      {kind} {value}  {} alerts, reached {}",
            lost.alerts, lost.peak
        )?;
    }
    for (what, found) in [("lost", &rule.lost_example), ("kept", &rule.kept_example)] {
        if let Some(found) = found {
            writeln!(out, "  e.g. {what} {}", example(found, moment))?;
        }
    }
    if let Some(lower) = &rule.could_be_lowered {
        writeln!(
            out,
            "  note      the budget has room for {}: {} notifications",
            lower.condition, lower.notified
        )?;
    }
    Ok(())
}

fn told(at: &At, days: f64) -> String {
    let below = match at.alerts.saturating_sub(at.notified) {
        0 => String::new(),
        below => format!(", {below} more lowered below that level"),
    };
    // A day is the least one can speak of.
    let per_day = at.notified as f64 / days.max(1.0);
    let (condition, notified, entities) = (&at.condition, at.notified, at.entities);
    format!("{condition}: {notified} alerts, {per_day:.1} a day, {entities} entities{below}")
}

fn example(example: &Example, moment: &dyn Fn(Micros) -> String) -> String {
    let evidence = example.evidence.as_deref().unwrap_or("-");
    format!(
        "{}  {}  {} events  {}",
        moment(example.ts),
        for_terminal(&example.entity),
        example.count,
        for_terminal(evidence)
    )
}
