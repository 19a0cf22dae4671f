//! `/metrics`, in the Prometheus text format (version 0.0.4).

use haetae_event::Counts;
use haetae_event::commit::CountRow;
use std::fmt::Write;

/// Every metric there is; its text appears nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    LinesIn,
    Events,
    Rejected,
    Duplicates,
    SampledOut,
    Skipped,
    IngestRps,
    ParseErrorRate,
    DedupRatio,
    DlqSize,
    NormalizeLatency,
    JournalLagBytes,
    HotRows,
    OutboxPending,
    Warm,
    CrawlersVerified,
    CrawlersFake,
    CrawlersUnanswered,
    CrawlersNotAsked,
}

impl Name {
    pub const ALL: [Name; 19] = [
        Name::LinesIn,
        Name::Events,
        Name::Rejected,
        Name::Duplicates,
        Name::SampledOut,
        Name::Skipped,
        Name::IngestRps,
        Name::ParseErrorRate,
        Name::DedupRatio,
        Name::DlqSize,
        Name::NormalizeLatency,
        Name::JournalLagBytes,
        Name::HotRows,
        Name::OutboxPending,
        Name::Warm,
        Name::CrawlersVerified,
        Name::CrawlersFake,
        Name::CrawlersUnanswered,
        Name::CrawlersNotAsked,
    ];

    /// (name, type, help).
    pub fn describe(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Name::LinesIn => ("haetae_lines_in_total", "counter", "Records framed, committed."),
            Name::Events => ("haetae_events_total", "counter", "Records that became events."),
            Name::Rejected => (
                "haetae_rejected_total",
                "counter",
                "Records refused, in the dead-letter queue.",
            ),
            Name::Duplicates => (
                "haetae_duplicates_total",
                "counter",
                "Records of a second delivery.",
            ),
            Name::SampledOut => (
                "haetae_sampled_out_total",
                "counter",
                "Records dropped by sampling.",
            ),
            Name::Skipped => (
                "haetae_skipped_total",
                "counter",
                "Headers, comments and blank lines.",
            ),
            Name::IngestRps => (
                "haetae_ingest_rps",
                "gauge",
                "Records taken in per second, last minute.",
            ),
            Name::ParseErrorRate => (
                "haetae_parse_error_rate",
                "gauge",
                "Rejected over taken in, last minute.",
            ),
            Name::DedupRatio => ("haetae_dedup_ratio", "gauge", "Duplicates over taken in."),
            Name::DlqSize => ("haetae_dlq_size", "gauge", "Records in the dead-letter queue."),
            Name::NormalizeLatency => (
                "haetae_normalize_latency_seconds",
                "histogram",
                "Normalising and enriching one parsed batch, at most 256 KiB of input.",
            ),
            Name::JournalLagBytes => (
                "haetae_journal_lag_bytes",
                "gauge",
                "Accepted, not yet committed.",
            ),
            Name::HotRows => ("haetae_hot_rows", "gauge", "Rows not yet in a segment."),
            Name::OutboxPending => ("haetae_outbox_pending", "gauge", "Messages not yet delivered."),
            Name::Warm => (
                "haetae_detectors_warm",
                "gauge",
                "1 when detectors have seen their look-back.",
            ),
            Name::CrawlersVerified => (
                "haetae_crawlers_verified_total",
                "counter",
                "Claims of crawlers that reverse DNS confirmed.",
            ),
            Name::CrawlersFake | Name::CrawlersUnanswered | Name::CrawlersNotAsked => self.not_verified(),
        }
    }
}

impl Name {
    /// The part of [`Name::describe`] about claims that were not confirmed.
    fn not_verified(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Name::CrawlersFake => (
                "haetae_crawlers_fake_total",
                "counter",
                "Claims of crawlers that reverse DNS denied.",
            ),
            Name::CrawlersUnanswered => (
                "haetae_crawlers_unanswered_total",
                "counter",
                "Claims of crawlers without an answer.",
            ),
            _ => (
                "haetae_crawlers_not_asked_total",
                "counter",
                "Claims of crawlers that the queue had no room for.",
            ),
        }
    }
}

/// A histogram as counted by the pipeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper bounds in seconds, rising, without +Inf.
    pub bounds: Vec<f64>,
    /// Observations per bucket, not cumulative; one longer than `bounds` (the last is +Inf).
    pub counts: Vec<u64>,
    /// Of all observations, in seconds.
    pub sum: f64,
}

/// All numbers at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsSnapshot {
    /// Committed totals by source, tenant and dataset.
    pub counts: Vec<CountRow>,
    pub ingest_rps: f64,
    pub parse_error_rate: f64,
    pub dedup_ratio: f64,
    pub dlq_size: u64,
    pub normalize_latency: Histogram,
    pub journal_lag_bytes: u64,
    pub hot_rows: u64,
    pub outbox_pending: u64,
    pub warm: bool,
    /// Claims to be a crawler, by what the name system said.
    pub crawlers_verified: u64,
    pub crawlers_fake: u64,
    pub crawlers_unanswered: u64,
    pub crawlers_not_asked: u64,
}

/// The whole page.
pub fn render(snapshot: &MetricsSnapshot) -> String {
    let mut out = String::new();
    for name in Name::ALL {
        let (text, kind, help) = name.describe();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {text} {help}\n# TYPE {text} {kind}");
        match value(name, snapshot) {
            Value::PerSource(term) => {
                for row in &snapshot.counts {
                    let _ = writeln!(out, "{text}{} {}", labels(row), term(&row.counts));
                }
            }
            Value::Number(number) => {
                let _ = writeln!(out, "{text} {}", finite(number));
            }
            Value::Buckets(histogram) => buckets(&mut out, text, histogram),
        }
    }
    out
}

enum Value<'a> {
    PerSource(fn(&Counts) -> u64),
    Number(f64),
    Buckets(&'a Histogram),
}

fn value(name: Name, snapshot: &MetricsSnapshot) -> Value<'_> {
    // Counters above 2^53 would lose their last digits; gauges here stay far below.
    let whole = |n: u64| Value::Number(n as f64);
    match name {
        Name::LinesIn => Value::PerSource(|c| c.lines_in),
        Name::Events => Value::PerSource(|c| c.events),
        Name::Rejected => Value::PerSource(|c| c.rejected),
        Name::Duplicates => Value::PerSource(|c| c.duplicates),
        Name::SampledOut => Value::PerSource(|c| c.sampled_out),
        Name::Skipped => Value::PerSource(|c| c.skipped),
        Name::IngestRps => Value::Number(snapshot.ingest_rps),
        Name::ParseErrorRate => Value::Number(snapshot.parse_error_rate),
        Name::DedupRatio => Value::Number(snapshot.dedup_ratio),
        Name::DlqSize => whole(snapshot.dlq_size),
        Name::NormalizeLatency => Value::Buckets(&snapshot.normalize_latency),
        Name::JournalLagBytes => whole(snapshot.journal_lag_bytes),
        Name::HotRows => whole(snapshot.hot_rows),
        Name::OutboxPending => whole(snapshot.outbox_pending),
        Name::Warm => whole(u64::from(snapshot.warm)),
        Name::CrawlersVerified => whole(snapshot.crawlers_verified),
        Name::CrawlersFake => whole(snapshot.crawlers_fake),
        Name::CrawlersUnanswered => whole(snapshot.crawlers_unanswered),
        Name::CrawlersNotAsked => whole(snapshot.crawlers_not_asked),
    }
}

fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

fn buckets(out: &mut String, name: &str, histogram: &Histogram) {
    let mut total = 0;
    for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
        total += count;
        let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {total}");
    }
    let all: u64 = histogram.counts.iter().sum();
    let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {all}");
    let _ = writeln!(out, "{name}_sum {}\n{name}_count {all}", finite(histogram.sum));
}

fn labels(row: &CountRow) -> String {
    format!(
        "{{source=\"{}\",tenant=\"{}\",dataset=\"{}\"}}",
        label(&row.source),
        label(row.tenant_id.as_str()),
        label(&row.dataset)
    )
}

/// Escapes a label's value: backslash, quote, line feed; other control characters are dropped.
fn label(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
