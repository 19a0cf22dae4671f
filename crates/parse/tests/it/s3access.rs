//! S3 server access records, cell by cell.

use crate::alb::{check, one};
use crate::support::{read, shared};
use haetae_event::Dataset;
use haetae_parse::ParseOptions;

/// A refused GET, a batch record and an expiry, and what is none.
pub const SAMPLE: &str = "79a5 logs-bucket [06/Feb/2026:00:00:38 +0000] 192.0.2.3 arn:aws:iam::123456789012:user/ann 3E57 REST.GET.OBJECT a/b%2520c.txt \"GET /a/b%2520c.txt?x=1 HTTP/1.1\" 403 AccessDenied 243 11 7 5 \"https://e.example/\" \"S3Console/0.4\" v1 s9lz= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader logs-bucket.s3.us-west-1.amazonaws.com TLSv1.2 arn:aws:s3:us-west-1:123456789012:accesspoint/ap Yes us-east-1 new 1\n79a5 logs-bucket [06/Feb/2026:00:00:39 +0000] 2001:DB8::1 arn:aws:iam::1:user/a@b.example 8CD7 BATCH.DELETE.OBJECT j-1.5.0.war - 204 - - 344017 - - - - - IeDW= SigV4 ECDHE-RSA-AES128-SHA AuthHeader s3.eu-central-1.amazonaws.com TLSv1.2\n79a5 logs-bucket [06/Feb/2026:00:00:40 +0000] - AmazonS3 366D S3.EXPIRE.OBJECT 0/f.sst \"-\" - - - 317 - - \"-\" \"-\" qsEq DMlP= - - - - - - -\n79a5 logs-bucket [yesterday] - AmazonS3 366D S3.EXPIRE.OBJECT 0/f.sst \"-\" - - - 317 - - \"-\" \"-\" qsEq DMlP=\n79a5 logs-bucket 192.0.2.3\n";

#[test]
fn every_field() {
    let whole = read(SAMPLE.as_bytes(), &ParseOptions::default());
    assert_eq!(whole.dataset, Some(Dataset::S3Access));
    assert_eq!(
        (whole.counts.events, whole.codes()),
        (3, vec!["bad_field", "field_count"])
    );
    check(
        &whole,
        0,
        &[
            ("ts", "2026-02-06T00:00:38Z"),
            ("src_ip", "192.0.2.3"),
            ("peer_ip", "192.0.2.3"),
            ("dst_host", "logs-bucket.s3.us-west-1.amazonaws.com"),
            ("method", "GET"),
            ("uri", "/a/b%2520c.txt?x=1"),
            ("status", "403"),
            ("ua", "S3Console/0.4"),
            ("bytes_out", "243"),
            ("blocked", "true"),
            ("account", "arn:aws:iam::123456789012:user/ann"),
            ("request_id", "3E57"),
            ("bucketowner", "79a5"),
            ("bucket_name", "logs-bucket"),
            ("requestdatetime", "06/Feb/2026:00:00:38 +0000"),
            ("operation", "REST.GET.OBJECT"),
            ("key", "a/b%2520c.txt"),
            ("request_uri", "GET /a/b%2520c.txt?x=1 HTTP/1.1"),
            ("httpstatus", "403"),
            ("errorcode", "AccessDenied"),
            ("objectsize", "11"),
            ("totaltime", "7"),
            ("turnaroundtime", "5"),
            ("referrer", "https://e.example/"),
            ("versionid", "v1"),
            ("hostid", "s9lz="),
            ("sigv", "SigV4"),
            ("ciphersuite", "ECDHE-RSA-AES128-GCM-SHA256"),
            ("authtype", "AuthHeader"),
            ("tlsversion", "TLSv1.2"),
            (
                "accesspointarn",
                "arn:aws:s3:us-west-1:123456789012:accesspoint/ap",
            ),
            ("aclrequired", "Yes"),
            ("source_region", "us-east-1"),
            ("trailing", "new 1"),
            ("warnings", "∅"),
        ],
    );
    check(
        &whole,
        1,
        &[
            ("src_ip", "2001:db8::1"),
            ("request_uri", "∅"),
            ("method", "∅"),
            ("uri", "∅"),
            ("status", "204"),
            ("blocked", "∅"),
            ("bytes_out", "∅"),
            ("objectsize", "344017"),
            ("ua", "∅"),
            ("hostid", "IeDW="),
            ("tlsversion", "TLSv1.2"),
            ("accesspointarn", "∅"),
        ],
    );
    check(
        &whole,
        2,
        &[
            ("src_ip", "∅"),
            ("peer_ip", "∅"),
            ("account", "AmazonS3"),
            ("request_uri", "∅"),
            ("status", "∅"),
            ("objectsize", "317"),
            ("versionid", "qsEq"),
            ("hostid", "DMlP="),
            ("tlsversion", "∅"),
            ("warnings", "∅"),
        ],
    );
}

#[test]
fn quotes_and_spaces_where_they_should_not_be() {
    let line = SAMPLE.lines().next().expect("a line");
    let agent = line.replacen("S3Console/0.4", "a \"b\" \"c\" d\\", 1);
    check(
        &one(&agent),
        0,
        &[("ua", "a \"b\" \"c\" d\\"), ("versionid", "v1")],
    );
    let request = line.replacen("?x=1", "?x=\"y\" z\"", 1);
    check(
        &one(&request),
        0,
        &[
            ("uri", "/a/b%2520c.txt?x=\"y\" z\""),
            ("status", "403"),
            ("ua", "S3Console/0.4"),
        ],
    );
    let key = line.replacen(" a/b%2520c.txt \"", " a/b c d.txt \"", 1);
    check(
        &one(&key),
        0,
        &[("key", "a/b c d.txt"), ("method", "GET"), ("status", "403")],
    );
    let no_key = line.replacen(" a/b%2520c.txt \"", " - \"", 1);
    check(&one(&no_key), 0, &[("key", "∅"), ("uri", "/a/b%2520c.txt?x=1")]);
    let found = line.replacen("403 AccessDenied", "403 InvalidObjectState", 1);
    check(&one(&found), 0, &[("status", "403"), ("blocked", "∅")]);
    let anonymous = line.replacen("arn:aws:iam::123456789012:user/ann", "-", 1);
    check(&one(&anonymous), 0, &[("account", "∅")]);
}

#[test]
fn old_and_new_widths() {
    let line = SAMPLE.lines().next().expect("a line");
    let words: Vec<&str> = line.split(' ').collect();
    // 18 fields, as in 2008, make 21 words; with the region there are 27 fields.
    for count in 21..=words.len() {
        let whole = one(&words[..count].join(" "));
        check(&whole, 0, &[("ua", "S3Console/0.4"), ("versionid", "v1")]);
        assert_eq!(
            whole.cell(0, "source_region") == "us-east-1",
            count >= words.len() - 2
        );
    }
}

#[test]
fn the_services_own_records() {
    let path = "aws/elastic-integrations/s3access/test-s3-server-access.log";
    let Some(bytes) = shared(path) else { return };
    let whole = read(bytes.as_slice(), &ParseOptions::default());
    check(
        &whole,
        4,
        &[
            ("src_ip", "89.160.20.156"),
            ("operation", "BATCH.DELETE.OBJECT"),
            ("key", "jolokia-war-1.5.0.war"),
            ("status", "204"),
            ("dst_host", "s3.eu-central-1.amazonaws.com"),
        ],
    );
    check(
        &whole,
        6,
        &[
            ("src_ip", "∅"),
            ("account", "svc:delivery.logs.amazonaws.com"),
            ("warnings", "∅"),
        ],
    );
    check(
        &whole,
        9,
        &[
            ("operation", "S3.EXPIRE.OBJECT"),
            ("uri", "∅"),
            ("objectsize", "317"),
        ],
    );
}
