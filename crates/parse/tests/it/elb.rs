//! Classic Load Balancer records, cell by cell.

use crate::alb::{check, one};
use crate::support::read;
use haetae_event::Dataset;
use haetae_parse::ParseOptions;

/// Records of an HTTPS and of a TCP listener, and what is none.
pub const SAMPLE: &str = "2026-03-01T12:00:00.945958Z shop 192.0.2.1:2817 10.0.0.1:80 0.000086 0.001048 0.001337 200 201 7 57 \"GET https://www.example.com:443/a?b=c HTTP/1.1\" \"curl/7.38.0\" DHE-RSA-AES128-SHA TLSv1.2\n2026-03-01T12:00:01.000001Z shop 2001:db8::1:2817 - -1 -1 -1 - - 82 305 \"- - - \" \"-\" - - new 1\n2026-03-01T12:00:02Z shop 192.0.2.1:2817 10.0.0.1:80 x y z 200 200 0 57 \"GET / HTTP/1.1\"\n";

#[test]
fn every_field() {
    let whole = read(SAMPLE.as_bytes(), &ParseOptions::default());
    assert_eq!(whole.dataset, Some(Dataset::Elb));
    assert_eq!((whole.counts.events, whole.codes()), (2, vec!["field_count"]));
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00.945958Z"),
            ("src_ip", "192.0.2.1"),
            ("peer_ip", "192.0.2.1"),
            ("dst_host", "www.example.com"),
            ("method", "GET"),
            ("uri", "/a?b=c"),
            ("status", "200"),
            ("ua", "curl/7.38.0"),
            ("bytes_in", "7"),
            ("bytes_out", "57"),
            ("timestamp", "2026-03-01T12:00:00.945958Z"),
            ("elb_name", "shop"),
            ("request_port", "2817"),
            ("backend_ip", "10.0.0.1"),
            ("backend_port", "80"),
            ("request_processing_time", "0.000086"),
            ("backend_processing_time", "0.001048"),
            ("client_response_time", "0.001337"),
            ("elb_response_code", "200"),
            ("backend_response_code", "201"),
            ("url", "https://www.example.com:443/a?b=c"),
            ("protocol", "HTTP/1.1"),
            ("ssl_cipher", "DHE-RSA-AES128-SHA"),
            ("ssl_protocol", "TLSv1.2"),
            ("trailing", "∅"),
            ("warnings", "∅"),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("src_ip", "2001:db8::1"),
            ("request_port", "2817"),
            ("backend_ip", "∅"),
            ("request_processing_time", "-1"),
            ("status", "∅"),
            ("method", "∅"),
            ("uri", "∅"),
            ("dst_host", "∅"),
            ("bytes_in", "82"),
            ("ua", "∅"),
            ("trailing", "new 1"),
        ],
    );
}

#[test]
fn old_and_odd_records() {
    let line = SAMPLE.lines().next().expect("a line");
    let oldest = &line[..line.find(" \"curl").expect("an agent")];
    check(&one(oldest), 0, &[("uri", "/a?b=c"), ("ua", "∅")]);
    let quotes = line.replacen("curl/7.38.0", "a \"b\" \"c\" \\x22", 1);
    check(
        &one(&quotes),
        0,
        &[("ua", "a \"b\" \"c\" \\x22"), ("ssl_protocol", "TLSv1.2")],
    );
    // Seen in the wild: a time without fraction and zone.
    let bare = line.replacen(".945958Z", "", 1);
    check(&one(&bare), 0, &[("ts", "2026-03-01T12:00:00Z")]);
}
