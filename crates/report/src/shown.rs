//! What text and HTML say alike: words, and figures as label and value.

use crate::report::Report;
use haetae_event::{Finding, Level};
use haetae_incident::Language;
use haetae_incident::figures::{bytes, grouped, length, local_span, percent};

/// Level in the report's language.
pub(crate) fn level_word(level: Level, language: Language) -> &'static str {
    match (level, language) {
        (Level::Critical, Language::Ko) => "치명",
        (Level::High, Language::Ko) => "높음",
        (Level::Medium, Language::Ko) => "중간",
        (Level::Low, Language::Ko) => "낮음",
        (Level::Informational, Language::Ko) => "참고",
        (Level::Critical, Language::En) => "CRITICAL",
        (Level::High, Language::En) => "HIGH",
        (Level::Medium, Language::En) => "MEDIUM",
        (Level::Low, Language::En) => "LOW",
        (Level::Informational, Language::En) => "INFO",
    }
}

/// A finding's entity as logged; hostile.
pub(crate) fn source(finding: &Finding) -> String {
    match finding.entity.kind.as_str() {
        "ip" | "src_ip" | "srcaddr" | "peer_ip" | "" => finding.entity.value.clone(),
        kind => format!("{kind} {}", finding.entity.value),
    }
}

/// `412건` or `412×`.
pub(crate) fn times(count: u64, language: Language) -> String {
    format!("{}{}", grouped(count), language.pick("건", "×"))
}

/// What a finding's traffic cost, in words; empty where nothing was metered.
pub(crate) fn cost_words(finding: &Finding, language: Language) -> String {
    let planned = haetae_incident::figures::plan_known(finding);
    let words = |cost| haetae_incident::figures::cost(cost, planned, language);
    finding.cost.map(words).unwrap_or_default()
}

/// The same as a line of its own, where it costs anything.
pub(crate) fn cost(finding: &Finding, language: Language) -> Option<String> {
    let name = language.pick("추정 비용", "Estimated cost");
    finding
        .cost
        .is_some()
        .then(|| format!("{name}: {}", cost_words(finding, language)))
}

/// The headline: how many findings above informational, or why there is none.
pub(crate) fn verdict(report: &Report) -> String {
    let language = report.language;
    if report.detection_skipped {
        let text = language.pick(
            "탐지를 하지 않았습니다(--no-detect). 아래는 통계뿐입니다.",
            "Detection was not run (--no-detect): below are figures only.",
        );
        return text.to_owned();
    }
    let above = report
        .findings
        .iter()
        .filter(|f| f.level > Level::Informational)
        .count();
    let severe = report.findings.iter().filter(|f| f.level >= Level::High).count();
    match (above, language) {
        (0, Language::Ko) => "주의할 탐지가 없습니다.".to_owned(),
        (0, Language::En) => "Nothing found that needs attention.".to_owned(),
        (_, Language::Ko) => {
            format!(
                "탐지 {}건, 그중 높음 이상 {}건",
                grouped(above as u64),
                grouped(severe as u64)
            )
        }
        (1, Language::En) => format!("1 finding, {} of them high or critical", grouped(severe as u64)),
        (_, Language::En) => {
            format!(
                "{} findings, {} of them high or critical",
                grouped(above as u64),
                grouped(severe as u64)
            )
        }
    }
}

/// Label and value of everything that is one number.
pub(crate) fn figures(report: &Report) -> Vec<(&'static str, String)> {
    let (kpi, language) = (&report.kpi, report.language);
    let none = || language.pick("없음", "none").to_owned();
    let mut rows = vec![(language.pick("로그 구간", "Window"), window(report))];
    let datasets = kpi
        .by_dataset
        .iter()
        .map(|(dataset, totals)| format!("{dataset} {}", grouped(totals.events)))
        .collect::<Vec<_>>()
        .join(" · ");
    rows.push((
        language.pick("데이터", "Datasets"),
        if datasets.is_empty() { none() } else { datasets },
    ));
    rows.push((language.pick("레코드", "Records"), records(report)));
    if kpi.requests == 0 {
        rows.push((language.pick("요청", "Requests"), none()));
        return rows;
    }
    rows.push((language.pick("요청", "Requests"), grouped(kpi.requests)));
    let about = if kpi.unique_ips_approximate { "~" } else { "" };
    rows.push((
        language.pick("고유 IP", "Unique IPs"),
        format!("{about}{}", grouped(kpi.unique_ips)),
    ));
    rows.push((language.pick("전송량", "Bytes out"), bytes(kpi.bytes_out)));
    if let Some(rate) = kpi.error_rate {
        rows.push((language.pick("오류율", "Error rate"), percent(rate)));
    }
    if let Some(ratio) = kpi.cache_hit_ratio {
        rows.push((language.pick("캐시 적중률", "Cache hits"), percent(ratio)));
    }
    if let (Some(mean), Some(p95)) = (kpi.avg_time_taken_ms, kpi.p95_time_taken_ms) {
        let about = if kpi.p95_approximate { "~" } else { "" };
        let value = format!(
            "{} {mean:.0} ms · p95 {about}{p95:.0} ms",
            language.pick("평균", "mean")
        );
        rows.push((language.pick("응답 시간", "Time taken"), value));
    }
    rows
}

fn window(report: &Report) -> String {
    match (report.kpi.window.start, report.kpi.window.end) {
        (Some(start), Some(end)) => {
            let lasted = length(end.0.saturating_sub(start.0), report.language);
            format!("{} ({lasted})", local_span(start, end, &report.tz))
        }
        _ => report.language.pick("이벤트 없음", "no events").to_owned(),
    }
}

/// The conservation law's terms; those that are zero are left out.
fn records(report: &Report) -> String {
    let (counts, language) = (report.counts, report.language);
    let term = |n: u64, ko: &str, en: &str| match language {
        Language::Ko => format!("{ko} {}", grouped(n)),
        Language::En => format!("{} {en}", grouped(n)),
    };
    let mut terms = vec![term(counts.events, "이벤트", "events")];
    for (n, ko, en) in [
        (counts.rejected, "거부", "rejected"),
        (counts.duplicates, "중복", "duplicates"),
        (counts.sampled_out, "표본 제외", "sampled out"),
        (counts.skipped, "건너뜀", "skipped"),
    ] {
        if n > 0 {
            terms.push(term(n, ko, en));
        }
    }
    format!("{} = {}", grouped(counts.lines_in), terms.join(" + "))
}

/// The classes of status with their counts.
pub(crate) fn classes(report: &Report) -> [(&'static str, u64); 5] {
    let status = report.kpi.status;
    [
        ("2xx", status.s2xx),
        ("3xx", status.s3xx),
        ("4xx", status.s4xx),
        ("5xx", status.s5xx),
        (report.language.pick("기타", "other"), status.other),
    ]
}

/// Heading and entries of each top list that has any.
pub(crate) fn tops(report: &Report) -> Vec<(&'static str, &[crate::TopEntry])> {
    let (kpi, language) = (&report.kpi, report.language);
    [
        (language.pick("상위 경로", "Top paths"), &kpi.top_paths),
        (language.pick("상위 IP", "Top IPs"), &kpi.top_ips),
        (
            language.pick("상위 User-Agent", "Top user agents"),
            &kpi.top_user_agents,
        ),
        (
            language.pick("상위 유입 경로", "Top referrers"),
            &kpi.top_referrers,
        ),
        (language.pick("상위 호스트", "Top hosts"), &kpi.top_hosts),
    ]
    .into_iter()
    .filter(|(_, entries)| !entries.is_empty())
    .map(|(name, entries)| (name, entries.as_slice()))
    .collect()
}
