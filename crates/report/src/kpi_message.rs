//! The KPI summary for chat and console.

use crate::kpi::{Kpi, TopEntry};
use haetae_incident::figures::{bytes, grouped, length, local_span, percent};
use haetae_incident::{Language, Message};
use jiff::tz::TimeZone;

/// Entries of a top list in the message.
const TOPS_TOLD: usize = 5;

/// What the figures alone do not say.
#[derive(Clone, Debug)]
pub struct KpiContext {
    pub language: Language,
    pub tz: TimeZone,
    pub demo: bool,
    /// Objects read since the last summary.
    pub objects: Option<u64>,
    /// How long records took from event to arrival: the mean, in µs.
    pub log_delay_us: Option<i64>,
    /// Findings of the same stretch of time.
    pub findings: Option<u64>,
}

impl Default for KpiContext {
    fn default() -> Self {
        KpiContext {
            language: Language::default(),
            tz: TimeZone::UTC,
            demo: false,
            objects: None,
            log_delay_us: None,
            findings: None,
        }
    }
}

/// The summary as a message of kind `kpi`, ten fields at most. Paths and user agents in it are
/// log text: whoever prints it escapes.
pub fn kpi_message(kpi: &Kpi, context: &KpiContext) -> Message {
    let language = context.language;
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut push = |ko: &str, en: &str, value: String| {
        fields.push((language.pick(ko, en).to_owned(), value));
    };
    if let (Some(start), Some(end)) = (kpi.window.start, kpi.window.end) {
        push(
            "로그 구간",
            "Window of the logs",
            local_span(start, end, &context.tz),
        );
    }
    push("요청", "Requests", requests(kpi, language));
    push(
        "4xx / 5xx",
        "4xx / 5xx",
        format!("{} / {}", grouped(kpi.status.s4xx), grouped(kpi.status.s5xx)),
    );
    if let Some(rate) = kpi.error_rate {
        push("오류율", "Error rate", percent(rate));
    }
    if let Some(mean) = kpi.avg_time_taken_ms {
        let p95 = kpi.p95_time_taken_ms.unwrap_or(mean);
        push(
            "응답 시간(평균 / p95)",
            "Time taken (mean / p95)",
            format!("{mean:.0} ms / {p95:.0} ms"),
        );
    }
    let mut traffic = bytes(kpi.bytes_out);
    if let Some(ratio) = kpi.cache_hit_ratio {
        traffic.push_str(&format!(
            " · {} {}",
            language.pick("캐시 적중", "cache hits"),
            percent(ratio)
        ));
    }
    push("전송량", "Sent", traffic);
    if !kpi.top_paths.is_empty() {
        push("상위 경로", "Top paths", tops(&kpi.top_paths));
    }
    if !kpi.top_ips.is_empty() {
        push("상위 IP", "Top IPs", tops(&kpi.top_ips));
    }
    if let Some(delay) = delay(context) {
        push("로그 지연", "Log delay", delay);
    }
    if let Some(findings) = context.findings {
        push("탐지", "Findings", grouped(findings));
    }
    Message {
        kind: "kpi".to_owned(),
        incident_id: None,
        level: None,
        title: language.pick("트래픽 요약", "Traffic summary").to_owned(),
        summary: summary(kpi, language),
        fields,
        actions: Vec::new(),
        evidence: Vec::new(),
        language,
        demo: context.demo,
    }
}

fn requests(kpi: &Kpi, language: Language) -> String {
    let about = if kpi.unique_ips_approximate { "~" } else { "" };
    let ips = grouped(kpi.unique_ips);
    match language {
        Language::Ko => format!("{}건 (IP {about}{ips}개)", grouped(kpi.requests)),
        Language::En => format!("{} ({about}{ips} IPs)", grouped(kpi.requests)),
    }
}

/// One line for the notification preview.
fn summary(kpi: &Kpi, language: Language) -> String {
    let n = grouped(kpi.requests);
    let errors = grouped(kpi.status.s4xx.saturating_add(kpi.status.s5xx));
    match (kpi.error_rate, language) {
        (Some(rate), Language::Ko) => format!("요청 {n}건, 오류 {errors}건({})", percent(rate)),
        (Some(rate), Language::En) => format!("{n} requests, {errors} errors ({})", percent(rate)),
        (None, Language::Ko) => {
            let events: u64 = kpi.by_dataset.values().map(|totals| totals.events).sum();
            format!("웹 요청 없음, 이벤트 {}건", grouped(events))
        }
        (None, Language::En) => {
            let events: u64 = kpi.by_dataset.values().map(|totals| totals.events).sum();
            format!("no web requests, {} events", grouped(events))
        }
    }
}

fn tops(entries: &[TopEntry]) -> String {
    let line = |entry: &TopEntry| {
        let about = if entry.approximate { "~" } else { "" };
        format!(
            "{} ({about}{})",
            haetae_incident::figures::cut(&entry.key, 80),
            grouped(entry.count)
        )
    };
    entries
        .iter()
        .take(TOPS_TOLD)
        .map(line)
        .collect::<Vec<_>>()
        .join(", ")
}

fn delay(context: &KpiContext) -> Option<String> {
    let language = context.language;
    let mut parts = Vec::new();
    if let Some(us) = context.log_delay_us {
        parts.push(format!(
            "{} {}",
            language.pick("평균", "mean"),
            length(us, language)
        ));
    }
    if let Some(objects) = context.objects {
        parts.push(match language {
            Language::Ko => format!("객체 {}개", grouped(objects)),
            Language::En => format!("{} objects", grouped(objects)),
        });
    }
    (!parts.is_empty()).then(|| parts.join(" · "))
}
