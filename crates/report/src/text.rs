//! The report as text: first what is wrong and what to do, then the figures.

mod figures;
mod lines;
#[cfg(test)]
mod tests;

use crate::report::{Report, Trouble};
use crate::shown::{level_word, source, times, verdict};
use haetae_event::{Finding, Level};
use haetae_incident::figures::{grouped, local_span, local_time};
use haetae_incident::{advice, family_title};
use lines::{Page, Tone, fitted};

/// Whether to colour: the caller knows the terminal and `NO_COLOR`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    #[default]
    Never,
    Ansi,
}

/// How the text report is laid out.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    pub colour: Colour,
    /// Columns of the terminal; values outside 60..=160 are taken as the nearer end.
    pub width: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        TextOptions {
            colour: Colour::Never,
            width: 100,
        }
    }
}

/// Sources listed under one family.
const SOURCES_SHOWN: usize = 5;
const SOURCES_SHOWN_LOW: usize = 2;
/// Log lines shown of the worst finding of a family.
const EVIDENCE_SHOWN: usize = 2;
const WARNINGS_SHOWN: usize = 20;

pub(crate) fn render(report: &Report, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    let troubles = report.troubles();
    let tone = troubles.first().map_or(Tone::Good, |worst| tone(worst.level));
    page.line(
        0,
        tone,
        &format!(
            "{}: {}",
            report.language.pick("해태 보고서", "Haetae report"),
            verdict(report)
        ),
    );
    for trouble in &troubles {
        page.gap();
        show_trouble(&mut page, report, trouble);
    }
    show_warnings(&mut page, report);
    page.gap();
    figures::show(&mut page, report);
    show_observations(&mut page, report);
    page.gap();
    let made = local_time(report.generated_at, &report.tz);
    let note = format!("{} {made}", report.language.pick("작성", "made"));
    page.line(0, Tone::Dim, &note);
    page.finish()
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Critical | Level::High => Tone::Bad,
        Level::Medium => Tone::Warn,
        Level::Low | Level::Informational => Tone::Plain,
    }
}

fn show_trouble(page: &mut Page, report: &Report, trouble: &Trouble<'_>) {
    let language = report.language;
    let worst = trouble.findings[0];
    let advice = advice(worst, language);
    let n = trouble.findings.len();
    let many = match n {
        1 => String::new(),
        n => format!(" ({}{})", grouped(n as u64), language.pick("건", " findings")),
    };
    let title = format!("[{}] {}{many}", level_word(trouble.level, language), advice.title);
    page.line(0, tone(trouble.level), &title);
    page.wrapped(2, 0, &advice.what);
    // What is not urgent takes less room.
    let urgent = trouble.level > Level::Low;
    if urgent {
        page.wrapped(
            2,
            0,
            &format!("{}: {}", language.pick("추정 원인", "Likely cause"), advice.cause),
        );
    }
    let sources = if urgent { SOURCES_SHOWN } else { SOURCES_SHOWN_LOW };
    for finding in trouble.findings.iter().take(sources) {
        show_source(page, report, finding);
    }
    if n > sources {
        let more = grouped((n - sources) as u64);
        let text = match language {
            crate::Language::Ko => format!("… 외 {more}건 (--output json에 모두 있습니다)"),
            crate::Language::En => format!("… and {more} more (all of them with --output json)"),
        };
        page.line(4, Tone::Dim, &text);
    }
    for evidence in worst
        .evidence
        .iter()
        .take(if urgent { EVIDENCE_SHOWN } else { 0 })
    {
        let line = format!("| {} {}", local_time(evidence.ts, &report.tz), evidence.summary);
        page.cut(4, Tone::Dim, &line);
    }
    page.line(2, Tone::Head, language.pick("할 일", "What to do"));
    for (i, action) in advice
        .actions
        .iter()
        .take(if urgent { usize::MAX } else { 1 })
        .enumerate()
    {
        page.wrapped(4, 3, &format!("{}. {action}", i + 1));
    }
}

/// One line: who, how much, when, which rule.
fn show_source(page: &mut Page, report: &Report, finding: &Finding) {
    let when = local_span(finding.window.start, finding.window.end, &report.tz);
    let line = format!(
        "{}  {}  {when}  {}",
        fitted(&crate::escape::terminal(&source(finding)), 16),
        fitted(&times(finding.count, report.language), 8),
        finding.title
    );
    page.cut(4, Tone::Plain, &line);
    if let Some(cost) = crate::shown::cost(finding, report.language) {
        page.cut(6, Tone::Dim, &cost);
    }
}

fn show_warnings(page: &mut Page, report: &Report) {
    if report.warnings.is_empty() {
        return;
    }
    page.gap();
    page.line(0, Tone::Warn, report.language.pick("유의할 점", "Notes"));
    for warning in report.warnings.iter().take(WARNINGS_SHOWN) {
        page.wrapped(2, 2, &format!("- {warning}"));
    }
    if report.warnings.len() > WARNINGS_SHOWN {
        page.line(
            2,
            Tone::Dim,
            &format!("+{}", report.warnings.len() - WARNINGS_SHOWN),
        );
    }
}

/// Informational findings: one line a family.
fn show_observations(page: &mut Page, report: &Report) {
    let groups = report.observations();
    if groups.is_empty() {
        return;
    }
    page.gap();
    page.line(
        0,
        Tone::Head,
        report
            .language
            .pick("참고(조치 불필요)", "Observations (no action needed)"),
    );
    for group in groups {
        let mut sources: Vec<String> = group.findings.iter().map(|finding| source(finding)).collect();
        sources.sort();
        sources.dedup();
        let mut shown = sources.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        if sources.len() > 4 {
            shown.push_str(&format!(" +{}", sources.len() - 4));
        }
        let title = match group.family {
            haetae_incident::Family::Generic => group.findings[0].title.as_str(),
            family => family_title(family, report.language),
        };
        let n = group.findings.len() as u64;
        page.cut(
            2,
            Tone::Plain,
            &format!("{title}: {} · {shown}", times(n, report.language)),
        );
    }
}
