use super::*;
use haetae_event::TenantId;

#[test]
fn page_reads_as_prometheus_text_whatever_the_source_is_called() {
    let snapshot = MetricsSnapshot {
        counts: vec![CountRow {
            source: "s3:a\"b\\c\nd\u{7}".into(),
            tenant_id: TenantId::default(),
            dataset: "web".into(),
            counts: Counts {
                lines_in: 3,
                events: 2,
                rejected: 1,
                ..Counts::default()
            },
        }],
        parse_error_rate: f64::NAN,
        normalize_latency: Histogram {
            bounds: vec![0.1, 1.0],
            counts: vec![2, 1, 1],
            sum: 3.5,
        },
        warm: true,
        ..MetricsSnapshot::default()
    };
    let page = render(&snapshot);
    for line in [
        r#"haetae_lines_in_total{source="s3:a\"b\\c\nd",tenant="default",dataset="web"} 3"#,
        "haetae_parse_error_rate 0",
        r#"haetae_normalize_latency_seconds_bucket{le="0.1"} 2"#,
        r#"haetae_normalize_latency_seconds_bucket{le="1"} 3"#,
        r#"haetae_normalize_latency_seconds_bucket{le="+Inf"} 4"#,
        "haetae_normalize_latency_seconds_sum 3.5",
        "haetae_normalize_latency_seconds_count 4",
        "haetae_detectors_warm 1",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}\n{page}");
    }
    for name in Name::ALL {
        let (text, kind, _) = name.describe();
        assert!(text.starts_with("haetae_"));
        assert_eq!(
            page.matches(&format!("# TYPE {text} {kind}\n")).count(),
            1,
            "{text}"
        );
    }
}
