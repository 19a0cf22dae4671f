//! The report as one HTML file: no script, no link, nothing from a network.

mod charts;
#[cfg(test)]
mod tests;

use crate::escape::html as esc;
use crate::report::{Report, Trouble};
use crate::shown::{self, level_word, source, times, verdict};
use haetae_event::{Finding, Level};
use haetae_incident::figures::{cut, grouped, length, local_span, local_time, percent};
use haetae_incident::{Language, advice, family_title};

const STYLE: &str = include_str!("html/style.css");
const SOURCES_SHOWN: usize = 20;
const EVIDENCE_SHOWN: usize = 5;
const TOPS_SHOWN: usize = 10;
const WARNINGS_SHOWN: usize = 50;

pub(crate) fn render(report: &Report) -> String {
    let language = report.language;
    let title = language.pick("해태 보고서", "Haetae report");
    let mut out = String::with_capacity(64 * 1024);
    out.push_str("<!doctype html>\n<html lang=\"");
    out.push_str(language.pick("ko", "en"));
    out.push_str("\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    );
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.push_str(&format!(
        "<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    ));
    let troubles = report.troubles();
    header(&mut out, report, title, troubles.first().map(|worst| worst.level));
    if !troubles.is_empty() {
        out.push_str(&format!(
            "<section>\n<h2>{}</h2>\n",
            language.pick("무엇이 문제인가", "What is wrong")
        ));
        troubles
            .iter()
            .for_each(|trouble| show_trouble(&mut out, report, trouble));
        out.push_str("</section>\n");
    }
    warnings(&mut out, report);
    figures(&mut out, report);
    tops(&mut out, report);
    observations(&mut out, report);
    footer(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn class(level: Level) -> &'static str {
    level.as_str()
}

fn header(out: &mut String, report: &Report, title: &str, worst: Option<Level>) {
    let mood = match worst {
        Some(level) => class(level),
        None if report.detection_skipped => "informational",
        None => "good",
    };
    out.push_str(&format!(
        "<header class=\"verdict {mood}\">\n<p class=\"name\">{title}</p>\n<h1>{}</h1>\n",
        esc(&verdict(report))
    ));
    let inputs = match report.inputs.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => match report.language {
            Language::Ko => format!("{first} 외 {}개", grouped(rest.len() as u64)),
            Language::En => format!("{first} and {} more", grouped(rest.len() as u64)),
        },
    };
    if !inputs.is_empty() {
        out.push_str(&format!("<p class=\"inputs\">{}</p>\n", esc(&cut(&inputs, 300))));
    }
    out.push_str("</header>\n");
}

fn show_trouble(out: &mut String, report: &Report, trouble: &Trouble<'_>) {
    let language = report.language;
    let worst = trouble.findings[0];
    let advice = advice(worst, language);
    let n = trouble.findings.len();
    out.push_str(&format!(
        "<article class=\"trouble {}\">\n<h3><span class=\"badge\">{}</span> {}</h3>\n",
        class(trouble.level),
        level_word(trouble.level, language),
        esc(advice.title)
    ));
    out.push_str(&format!("<p>{}</p>\n", esc(&advice.what)));
    out.push_str(&format!(
        "<p class=\"cause\">{}: {}</p>\n",
        language.pick("추정 원인", "Likely cause"),
        esc(&advice.cause)
    ));
    out.push_str(&format!(
        "<h4>{}</h4>\n<ol>\n",
        language.pick("할 일", "What to do")
    ));
    advice
        .actions
        .iter()
        .for_each(|action| out.push_str(&format!("<li>{}</li>\n", esc(action))));
    out.push_str("</ol>\n<div class=\"scroll\"><table>\n<thead><tr>");
    for (ko, en) in [
        ("대상", "Source"),
        ("건수", "Count"),
        ("언제", "When"),
        ("규칙", "Rule"),
        ("ATT&CK", "ATT&CK"),
        ("추정 비용", "Estimated cost"),
    ] {
        out.push_str(&format!("<th>{}</th>", esc(language.pick(ko, en))));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    trouble
        .findings
        .iter()
        .take(SOURCES_SHOWN)
        .for_each(|finding| show_finding(out, report, finding));
    out.push_str("</tbody></table></div>\n");
    if n > SOURCES_SHOWN {
        let more = grouped((n - SOURCES_SHOWN) as u64);
        let text = match language {
            Language::Ko => format!("… 외 {more}건"),
            Language::En => format!("… and {more} more"),
        };
        out.push_str(&format!("<p class=\"dim\">{text}</p>\n"));
    }
    evidence(out, report, worst);
    out.push_str("</article>\n");
}

fn show_finding(out: &mut String, report: &Report, finding: &Finding) {
    let when = local_span(finding.window.start, finding.window.end, &report.tz);
    out.push_str(&format!(
        "<tr><td class=\"key\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        esc(&cut(&source(finding), 200)),
        grouped(finding.count),
        esc(&when),
        esc(&cut(&finding.title, 200)),
        esc(&cut(&finding.attack.join(", "), 100)),
        esc(&shown::cost_words(finding, report.language)),
    ));
}

fn evidence(out: &mut String, report: &Report, finding: &Finding) {
    if finding.evidence.is_empty() {
        return;
    }
    let heading = report.language.pick("근거", "Evidence");
    out.push_str(&format!("<h4>{heading}</h4>\n<ul class=\"evidence\">\n"));
    for seen in finding.evidence.iter().take(EVIDENCE_SHOWN) {
        out.push_str(&format!(
            "<li><span class=\"dim\">{}</span> <code>{}</code></li>\n",
            esc(&local_time(seen.ts, &report.tz)),
            esc(&cut(&seen.summary, 500))
        ));
    }
    out.push_str("</ul>\n");
}

fn warnings(out: &mut String, report: &Report) {
    if report.warnings.is_empty() {
        return;
    }
    let heading = report.language.pick("유의할 점", "Notes");
    out.push_str(&format!(
        "<section class=\"warnings\">\n<h2>{heading}</h2>\n<ul>\n"
    ));
    for warning in report.warnings.iter().take(WARNINGS_SHOWN) {
        out.push_str(&format!("<li>{}</li>\n", esc(&cut(warning, 500))));
    }
    if report.warnings.len() > WARNINGS_SHOWN {
        out.push_str(&format!("<li>+{}</li>\n", report.warnings.len() - WARNINGS_SHOWN));
    }
    out.push_str("</ul>\n</section>\n");
}

fn figures(out: &mut String, report: &Report) {
    let language = report.language;
    out.push_str(&format!(
        "<section>\n<h2>{}</h2>\n<dl class=\"figures\">\n",
        language.pick("수치", "Figures")
    ));
    for (name, value) in shown::figures(report) {
        out.push_str(&format!(
            "<div><dt>{}</dt><dd>{}</dd></div>\n",
            esc(name),
            esc(&value)
        ));
    }
    out.push_str("</dl>\n");
    if report.kpi.requests > 0 {
        out.push_str(&format!("<h3>{}</h3>\n", language.pick("상태 코드", "Status")));
        out.push_str(&charts::status(report));
    }
    if report.kpi.timeline.len() > 1 {
        let each = length(report.kpi.timeline_width_us, language);
        let heading = match language {
            Language::Ko => format!("시간대별 요청과 오류 (막대 하나 {each})"),
            Language::En => format!("Requests and errors over time ({each} a bar)"),
        };
        out.push_str(&format!("<h3>{}</h3>\n", esc(&heading)));
        out.push_str(&charts::timeline(report));
    }
    out.push_str("</section>\n");
}

fn tops(out: &mut String, report: &Report) {
    let lists = shown::tops(report);
    if lists.is_empty() {
        return;
    }
    let total = report.kpi.requests.max(1) as f64;
    out.push_str("<section class=\"tops\">\n");
    for (name, entries) in lists {
        let about = match entries.iter().any(|entry| entry.approximate) {
            true => report.language.pick(" (근사값)", " (approximate)"),
            false => "",
        };
        out.push_str(&format!(
            "<div class=\"top\">\n<h3>{}{about}</h3>\n<table>\n<tbody>\n",
            esc(name)
        ));
        for entry in entries.iter().take(TOPS_SHOWN) {
            let share = entry.count as f64 / total;
            out.push_str(&format!(
                "<tr><td class=\"key\">{}</td><td class=\"n\">{}</td><td class=\"share\">{}</td><td class=\"n dim\">{}</td></tr>\n",
                esc(&cut(&entry.key, 160)),
                grouped(entry.count),
                charts::share(share),
                percent(share),
            ));
        }
        out.push_str("</tbody></table>\n</div>\n");
    }
    out.push_str("</section>\n");
}

fn observations(out: &mut String, report: &Report) {
    let groups = report.observations();
    if groups.is_empty() {
        return;
    }
    let heading = report
        .language
        .pick("참고(조치 불필요)", "Observations (no action needed)");
    out.push_str(&format!("<section>\n<h2>{heading}</h2>\n<ul>\n"));
    for group in groups {
        let mut sources: Vec<String> = group.findings.iter().map(|finding| source(finding)).collect();
        sources.sort();
        sources.dedup();
        let more = sources.len().saturating_sub(6);
        let mut shown = sources
            .iter()
            .take(6)
            .map(|s| esc(&cut(s, 80)))
            .collect::<Vec<_>>()
            .join(", ");
        if more > 0 {
            shown.push_str(&format!(" +{more}"));
        }
        let title = match group.family {
            haetae_incident::Family::Generic => group.findings[0].title.as_str(),
            family => family_title(family, report.language),
        };
        let n = times(group.findings.len() as u64, report.language);
        out.push_str(&format!(
            "<li>{}: {n} <span class=\"dim\">{shown}</span></li>\n",
            esc(&cut(title, 200))
        ));
    }
    out.push_str("</ul>\n</section>\n");
}

fn footer(out: &mut String, report: &Report) {
    let made = local_time(report.generated_at, &report.tz);
    let word = report.language.pick("작성", "made");
    out.push_str(&format!(
        "<footer class=\"dim\">Haetae · {word} {}</footer>\n",
        esc(&made)
    ));
}
