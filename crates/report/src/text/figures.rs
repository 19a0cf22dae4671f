//! The figures' half of the text report.

use super::lines::{Page, Tone, clipped, fitted, right};
use crate::TimelinePoint;
use crate::escape;
use crate::report::Report;
use crate::shown;
use haetae_incident::figures::{grouped, length, local_time, percent};
use unicode_width::UnicodeWidthStr;

/// Entries printed of each top list.
const TOPS_SHOWN: usize = 10;
const BAR_COLUMNS: usize = 24;
/// Room for `requests (peak 1,234,567)`.
const LABEL_COLUMNS: usize = 25;
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn show(page: &mut Page, report: &Report) {
    page.line(0, Tone::Head, report.language.pick("수치", "Figures"));
    let rows = shown::figures(report);
    let label = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    for (name, value) in &rows {
        page.cut(2, Tone::Plain, &format!("{}  {value}", fitted(name, label)));
    }
    if report.kpi.requests == 0 {
        return;
    }
    page.gap();
    page.line(0, Tone::Head, report.language.pick("상태 코드", "Status"));
    show_status(page, report);
    show_timeline(page, report);
    for (name, entries) in shown::tops(report) {
        page.gap();
        let about = match entries.iter().any(|entry| entry.approximate) {
            true => report.language.pick(" (근사값)", " (approximate)"),
            false => "",
        };
        page.line(0, Tone::Head, &format!("{name}{about}"));
        show_top(page, report, entries);
    }
}

fn show_status(page: &mut Page, report: &Report) {
    let total = report.kpi.requests as f64;
    for (name, count) in shown::classes(report) {
        let part = count as f64 / total;
        let tone = match name {
            "5xx" if count > 0 => Tone::Bad,
            _ => Tone::Plain,
        };
        let line = format!(
            "{} {} {} {}",
            fitted(name, 5),
            right(&grouped(count), 12),
            right(&percent(part), 7),
            bar(part)
        );
        page.cut(2, tone, &line);
    }
}

fn bar(part: f64) -> String {
    let cells = (part * BAR_COLUMNS as f64).round() as usize;
    let cells = if part > 0.0 { cells.max(1) } else { 0 };
    "█".repeat(cells.min(BAR_COLUMNS))
}

/// Requests and errors over time, one character a stretch of time.
fn show_timeline(page: &mut Page, report: &Report) {
    let points = &report.kpi.timeline;
    let (Some(first), true) = (points.first(), points.len() > 1) else {
        return;
    };
    let language = report.language;
    let room = page.width - LABEL_COLUMNS - 3;
    let group = points.len().div_ceil(room);
    let fold = |of: fn(&TimelinePoint) -> u64| -> Vec<u64> {
        points
            .chunks(group)
            .map(|chunk| chunk.iter().map(of).sum())
            .collect()
    };
    let (requests, errors) = (fold(|p| p.requests), fold(|p| p.errors));
    page.gap();
    let width_us = report.kpi.timeline_width_us.saturating_mul(group as i64);
    let each = length(width_us, language);
    let start = local_time(first.ts, &report.tz);
    page.line(
        0,
        Tone::Head,
        &match language {
            crate::Language::Ko => format!("시간대별 ({start}부터, 한 칸 {each})"),
            crate::Language::En => format!("Over time (from {start}, {each} a column)"),
        },
    );
    for (name, values) in [
        (language.pick("요청", "requests"), &requests),
        (language.pick("오류", "errors"), &errors),
    ] {
        let peak = values.iter().copied().max().unwrap_or(0);
        let label = format!("{name} ({} {})", language.pick("최대", "peak"), grouped(peak));
        page.cut(
            2,
            Tone::Plain,
            &format!("{} {}", fitted(&label, LABEL_COLUMNS), spark(values, peak)),
        );
    }
}

fn spark(values: &[u64], peak: u64) -> String {
    let step = |&value: &u64| match value {
        0 => ' ',
        value => STEPS[(value.saturating_sub(1) as u128 * 8 / u128::from(peak.max(1))) as usize],
    };
    values.iter().map(step).collect()
}

fn show_top(page: &mut Page, report: &Report, entries: &[crate::TopEntry]) {
    let total = report.kpi.requests.max(1) as f64;
    let counts: Vec<String> = entries
        .iter()
        .take(TOPS_SHOWN)
        .map(|e| grouped(e.count))
        .collect();
    let columns = counts.iter().map(String::len).max().unwrap_or(0);
    let room = page.width - columns - 12;
    for (entry, count) in entries.iter().zip(&counts) {
        let share = percent(entry.count as f64 / total);
        let key = clipped(&escape::terminal(&entry.key), room);
        page.line(
            2,
            Tone::Plain,
            &format!("{} {}  {key}", right(count, columns), right(&share, 7)),
        );
    }
}
