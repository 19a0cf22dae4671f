//! Network Load Balancer TLS records, cell by cell.

use crate::alb::{check, one};
use crate::support::read;
use haetae_event::Dataset;
use haetae_parse::ParseOptions;

/// Two records and what is none.
pub const SAMPLE: &str = "tls 2.0 2026-03-01T12:00:00 net/front/c6e7 a1b2 192.0.2.1:51341 10.0.0.1:443 5 2.5 98 246 - arn:aws:acm:us-east-2:1:certificate/2a sn-1 ECDHE-RSA-AES128-SHA tlsv12 x25519 shop.example h2 http/1.1 \"h2\",\"http/1.1\" 2026-03-01T11:59:30\ntls 2.0 2026-03-01T12:00:01 net/front/c6e7 a1b2 [2001:db8::1]:51341 10.0.0.1:443 0 - 0 0 48 - - - - - - - - - 2026-03-01T12:00:01 new 1\ntls 2.0 2026-03-01T12:00:02 net/front\n";

#[test]
fn every_field() {
    let whole = read(SAMPLE.as_bytes(), &ParseOptions::default());
    assert_eq!(whole.dataset, Some(Dataset::Nlb));
    assert_eq!((whole.counts.events, whole.codes()), (2, vec!["field_count"]));
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00Z"),
            ("src_ip", "192.0.2.1"),
            ("peer_ip", "192.0.2.1"),
            ("dst_host", "shop.example"),
            ("bytes_in", "98"),
            ("bytes_out", "246"),
            ("type", "tls"),
            ("version", "2.0"),
            ("time", "2026-03-01T12:00:00"),
            ("elb", "net/front/c6e7"),
            ("listener_id", "a1b2"),
            ("client_port", "51341"),
            ("target_ip", "10.0.0.1"),
            ("target_port", "443"),
            ("tcp_connection_time_ms", "5"),
            ("tls_handshake_time_ms", "2.5"),
            ("incoming_tls_alert", "∅"),
            ("cert_arn", "arn:aws:acm:us-east-2:1:certificate/2a"),
            ("certificate_serial", "sn-1"),
            ("tls_cipher_suite", "ECDHE-RSA-AES128-SHA"),
            ("tls_protocol_version", "tlsv12"),
            ("tls_named_group", "x25519"),
            ("alpn_fe_protocol", "h2"),
            ("alpn_be_protocol", "http/1.1"),
            ("alpn_client_preference_list", "\"h2\",\"http/1.1\""),
            ("tls_connection_creation_time", "2026-03-01T11:59:30"),
            ("trailing", "∅"),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("src_ip", "2001:db8::1"),
            ("client_port", "51341"),
            ("dst_host", "∅"),
            ("tls_handshake_time_ms", "∅"),
            ("bytes_in", "0"),
            ("incoming_tls_alert", "48"),
            ("alpn_client_preference_list", "∅"),
            ("tls_connection_creation_time", "2026-03-01T12:00:01"),
            ("trailing", "new 1"),
        ],
    );
}

#[test]
fn protocol_lists_with_spaces_and_quotes() {
    let line = SAMPLE.lines().next().expect("a line");
    for list in ["\"h2 \",\"x\"", "\"a\" b\",\"c\"", "\\\"http/1.1\\\"", "\"\""] {
        let whole = one(&line.replacen("\"h2\",\"http/1.1\"", list, 1));
        check(
            &whole,
            0,
            &[
                ("alpn_client_preference_list", list),
                ("tls_connection_creation_time", "2026-03-01T11:59:30"),
            ],
        );
    }
}
