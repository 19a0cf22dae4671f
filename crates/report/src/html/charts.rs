//! Charts as inline SVG. Colours come from the style sheet, so that they follow light and dark.

use crate::escape::html as esc;
use crate::report::Report;
use crate::shown;
use haetae_incident::figures::{grouped, local_time, percent};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 180.0;
/// Room for the labels below.
const FOOT: f64 = 18.0;

/// Requests as bars, errors in front of them, on one scale.
pub(super) fn timeline(report: &Report) -> String {
    let points = &report.kpi.timeline;
    let peak = points.iter().map(|p| p.requests).max().unwrap_or(0).max(1);
    let step = WIDTH / points.len() as f64;
    let bar = (step * 0.86).max(0.5);
    let (requests_word, errors_word) = (
        report.language.pick("요청", "requests"),
        report.language.pick("오류", "errors"),
    );
    let label = report
        .language
        .pick("시간대별 요청과 오류", "Requests and errors over time");
    let mut out = format!(
        "<figure>\n<svg class=\"timeline\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">\n",
        HEIGHT + FOOT,
        esc(label)
    );
    for part in [0.5, 1.0] {
        let y = HEIGHT * (1.0 - part) + 0.5;
        out.push_str(&format!(
            "<line class=\"grid\" x1=\"0\" y1=\"{y}\" x2=\"{WIDTH}\" y2=\"{y}\"/>\n"
        ));
    }
    for (i, point) in points.iter().enumerate() {
        let x = i as f64 * step;
        let height = |n: u64| HEIGHT * n as f64 / peak as f64;
        out.push_str(&format!(
            "<g><title>{}: {requests_word} {}, {errors_word} {}</title>",
            esc(&local_time(point.ts, &report.tz)),
            grouped(point.requests),
            grouped(point.errors)
        ));
        for (class, n) in [("requests", point.requests), ("errors", point.errors)] {
            if n > 0 {
                // What is there shows, however little.
                let h = height(n).max(1.0);
                out.push_str(&format!(
                    "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{:.2}\" width=\"{bar:.2}\" height=\"{h:.2}\"/>",
                    HEIGHT - h
                ));
            }
        }
        out.push_str("</g>\n");
    }
    let ends = [(0.0, "start", points.first()), (WIDTH, "end", points.last())];
    for (x, anchor, point) in ends {
        let at = point.map(|p| local_time(p.ts, &report.tz)).unwrap_or_default();
        let y = HEIGHT + 14.0;
        out.push_str(&format!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>\n",
            esc(&at)
        ));
    }
    out.push_str("</svg>\n<figcaption>");
    out.push_str(&format!(
        "<span class=\"swatch requests\"></span>{requests_word} <span class=\"swatch errors\"></span>{errors_word} · {} {}",
        report.language.pick("최대", "peak"),
        grouped(peak)
    ));
    out.push_str("</figcaption>\n</figure>\n");
    out
}

/// One bar, split by class of status, with a legend.
pub(super) fn status(report: &Report) -> String {
    let total = report.kpi.requests.max(1) as f64;
    let label = report.language.pick("상태 코드 비율", "Share of status classes");
    let mut out = format!(
        "<figure>\n<svg class=\"status\" viewBox=\"0 0 {WIDTH} 24\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\n",
        esc(label)
    );
    let mut x = 0.0;
    let mut legend = String::new();
    for (i, (name, count)) in shown::classes(report).into_iter().enumerate() {
        let part = count as f64 / total;
        let width = part * WIDTH;
        if count > 0 {
            out.push_str(&format!(
                "<rect class=\"s{i}\" x=\"{x:.2}\" y=\"0\" width=\"{:.2}\" height=\"24\"><title>{} {}</title></rect>\n",
                width.max(1.0),
                esc(name),
                grouped(count)
            ));
        }
        x += width;
        legend.push_str(&format!(
            "<span class=\"item\"><span class=\"swatch s{i}\"></span>{} {} ({})</span> ",
            esc(name),
            grouped(count),
            percent(part)
        ));
    }
    out.push_str(&format!("</svg>\n<figcaption>{legend}</figcaption>\n</figure>\n"));
    out
}

/// A small bar for a share of all requests.
pub(super) fn share(part: f64) -> String {
    let width = (part.clamp(0.0, 1.0) * 100.0).max(0.5);
    format!(
        "<svg class=\"share\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect x=\"0\" y=\"0\" width=\"{width:.1}\" height=\"10\"/></svg>"
    )
}
