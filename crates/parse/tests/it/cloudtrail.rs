//! CloudTrail: every column against a second reader, files framed as streams, what is no event.

use crate::oracle::{check_all_needed, check_native, check_ocsf};
use crate::support::{Whole, read, read_as, shared};
use haetae_event::{Columns, Dataset};
use haetae_parse::{Format, InputReader, Limits, ParseOptions};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;

const RECORD: &str = r#"{"eventVersion":"1.10","userIdentity":{"type":"AssumedRole","principalId":"AROA1:me","arn":"arn:aws:sts::111122223333:assumed-role/r/me","accountId":"111122223333","accessKeyId":"ASIA1","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA1","arn":"arn:aws:iam::111122223333:role/r","accountId":"111122223333","userName":"r"},"attributes":{"creationDate":"2026-03-01T11:00:00Z","mfaAuthenticated":"true"},"newPart":{"x":1}},"invokedBy":"cloudformation.amazonaws.com"},"eventTime":"2026-03-01T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"DeleteBucket","awsRegion":"ap-northeast-2","sourceIPAddress":"2001:DB8::7","userAgent":"aws-cli/2 \"quoted\"","errorCode":"AccessDenied","errorMessage":"no {brace} and \\ \"quote\"","requestParameters":{"bucketName":"b","n":[1,{"a":null}]},"responseElements":null,"additionalEventData":"free text","requestID":"R1","eventID":"11111111-2222-3333-4444-555555555555","readOnly":false,"resources":[{"ARN":"arn:aws:s3:::b"}],"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"444455556666","sessionCredentialFromConsole":"true","tlsDetails":{"tlsVersion":"TLSv1.3"},"vendorsNewKey":{"y":[]}}"#;

fn options() -> ParseOptions {
    ParseOptions::default()
}

fn check(whole: &Whole, row: usize, want: &[(&str, &str)]) {
    for (column, value) in want {
        assert_eq!(whole.cell(row, column), *value, "row {row}, {column}");
    }
}

/// Records that differ in their time and id.
fn record(number: usize) -> String {
    RECORD
        .replace(
            "12:00:00Z",
            &format!("12:{:02}:{:02}Z", number / 60 % 60, number % 60),
        )
        .replace("11111111-", &format!("{number:08}-"))
}

#[test]
fn every_field_of_a_record() {
    let whole = read(RECORD.as_bytes(), &options());
    assert_eq!(
        (whole.dataset, whole.counts.events),
        (Some(Dataset::CloudTrail), 1)
    );
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00Z"),
            ("src_ip", "2001:db8::7"),
            ("peer_ip", "2001:DB8::7"),
            ("sourceipaddress", "2001:DB8::7"),
            ("account", "444455556666"),
            ("region", "ap-northeast-2"),
            ("ua", "aws-cli/2 \"quoted\""),
            ("request_id", "11111111-2222-3333-4444-555555555555"),
            ("blocked", "true"),
            ("eventversion", "1.10"),
            ("errormessage", "no {brace} and \\ \"quote\""),
            ("useridentity_sessioncontext_sessionissuer_username", "r"),
            ("useridentity_sessioncontext_attributes_mfaauthenticated", "true"),
            ("useridentity_invokedby", "cloudformation.amazonaws.com"),
            ("requestparameters", r#"{"bucketName":"b","n":[1,{"a":null}]}"#),
            ("responseelements", "∅"),
            ("additionaleventdata", "free text"),
            ("readonly", "false"),
            ("sessioncredentialfromconsole", "true"),
            (
                "attrs",
                r#"{"userIdentity.sessionContext.newPart":{"x":1},"vendorsNewKey":{"y":[]}}"#,
            ),
            ("raw", RECORD),
            ("warnings", "∅"),
        ],
    );
    assert!(
        !whole
            .columns
            .iter()
            .any(|c| c == "uri" || c == "method" || c == "status")
    );
}

#[test]
fn callers_that_are_no_clients() {
    for (address, src_ip, warnings) in [
        ("ec2.amazonaws.com", "∅", "∅"),
        ("AWS Internal", "∅", "∅"),
        ("30.*.0.210", "∅", "bad_address"),
        ("1.2.3.4.5", "∅", "bad_address"),
        ("2001:db8:::1:zz", "∅", "bad_address"),
        ("192.0.2.1", "192.0.2.1", "∅"),
        ("", "∅", "∅"),
    ] {
        let whole = read(RECORD.replace("2001:DB8::7", address).as_bytes(), &options());
        check(
            &whole,
            0,
            &[("src_ip", src_ip), ("peer_ip", src_ip), ("warnings", warnings)],
        );
        assert_eq!(
            whole.cell(0, "sourceipaddress"),
            if address.is_empty() { "∅" } else { address }
        );
    }
    for (code, blocked) in [
        ("UnauthorizedOperation", "true"),
        ("Client.UnauthorizedOperation", "true"),
        ("AccessDeniedException", "true"),
        ("Success", "false"),
        ("ThrottlingException", "false"),
    ] {
        let whole = read(
            RECORD
                .replace("\"AccessDenied\"", &format!("{code:?}"))
                .as_bytes(),
            &options(),
        );
        check(&whole, 0, &[("blocked", blocked), ("errorcode", code)]);
    }
    let whole = read(
        RECORD.replace("\"errorCode\":\"AccessDenied\",", "").as_bytes(),
        &options(),
    );
    check(&whole, 0, &[("blocked", "false"), ("errorcode", "∅")]);
    let whole = read(RECORD.replace("\"444455556666\"", "null").as_bytes(), &options());
    check(
        &whole,
        0,
        &[("account", "111122223333"), ("recipientaccountid", "∅")],
    );
    let whole = read(
        RECORD
            .replace("\"eventTime\":\"2026", "\"eventTime\":\"x2026")
            .as_bytes(),
        &options(),
    );
    assert_eq!((whole.counts.events, whole.codes()), (0, vec!["bad_field"]));
}

/// The same three records in every shape they are delivered in.
fn shapes() -> Vec<String> {
    let records: Vec<String> = (0..3).map(record).collect();
    let pretty: Value =
        serde_json::from_str(&format!("{{\"Records\":[{}]}}", records.join(","))).expect("JSON");
    let pretty = serde_json::to_string_pretty(&pretty).expect("JSON");
    vec![
        records.join("\n"),
        records.concat(),
        format!("[{}]", records.join(",\n")),
        format!("{{\"Records\":[{}]}}", records.join(",")),
        format!("\u{feff} {{ \"Records\" :\n [ {} ] }}\n", records.join(" , ")),
        format!(
            "{{\"Records\":[{},{}]}}{{\"Records\":[]}}\n{{\"Records\":[{}]}}",
            records[0], records[1], records[2]
        ),
        pretty,
    ]
}

#[test]
fn every_shape_gives_the_same_events_however_it_is_cut() {
    let small = |block_bytes, step| {
        let limits = Limits {
            block_bytes,
            record_bytes_max: 4000,
            ..Limits::default()
        };
        (ParseOptions { limits, ..options() }, step)
    };
    let columns = ["ts", "eventname", "request_id", "useridentity_arn", "readonly"];
    let want: Vec<Vec<String>> = {
        let whole = read(shapes()[0].as_bytes(), &options());
        (0..3)
            .map(|row| columns.iter().map(|c| whole.cell(row, c).to_owned()).collect())
            .collect()
    };
    for shape in shapes() {
        for (options, step) in [
            small(1 << 18, 1 << 20),
            small(1, 1),
            small(7, 3),
            small(900, 100),
            small(3000, 5000),
        ] {
            let whole = read(Steps(shape.as_bytes(), step), &options);
            assert_eq!(whole.dataset, Some(Dataset::CloudTrail));
            assert_eq!(
                (whole.counts.lines_in, whole.counts.events),
                (3, 3),
                "{shape}\n{:?}",
                whole.rejects
            );
            assert_eq!(whole.ordinals, [0, 1, 2]);
            for (row, want) in want.iter().enumerate() {
                let got: Vec<&str> = columns.iter().map(|c| whole.cell(row, c)).collect();
                assert_eq!(&got, want);
            }
        }
    }
}

struct Steps<'a>(&'a [u8], usize);

impl Read for Steps<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = out.len().min(self.1).min(self.0.len());
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// One line of `{"Records":[…]}`, made while it is read.
struct OneLine {
    pending: Vec<u8>,
    at: usize,
    record: String,
    left: usize,
}

impl Read for OneLine {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.pending.len() && self.left > 0 {
            self.left -= 1;
            self.at = 0;
            self.pending = self.record.clone().into_bytes();
            self.pending
                .extend_from_slice(if self.left == 0 { b"]}" } else { b"," });
        }
        let count = out.len().min(self.pending.len() - self.at);
        out[..count].copy_from_slice(&self.pending[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[test]
fn a_file_of_one_long_line_is_a_stream() {
    let records = 100_000_000 / RECORD.len();
    let input = OneLine {
        pending: b"{\"Records\":[".to_vec(),
        at: 0,
        record: RECORD.to_owned(),
        left: records,
    };
    let options = ParseOptions {
        columns: Columns::only(["eventname"]),
        ..options()
    };
    let mut reader = InputReader::open(input, None, &options);
    let rows_max = (options.limits.block_bytes + options.limits.record_bytes_max) / RECORD.len() + 1;
    while let Some(batch) = reader.next_batch().expect("memory does not fail") {
        assert!(
            batch.ordinals.len() <= rows_max,
            "a batch is one block, not the file"
        );
    }
    let totals = reader.totals();
    assert_eq!((totals.lines_in, totals.events), (records as u64, records as u64));
}

#[test]
fn a_record_too_long_or_broken_is_one_reject() {
    let limits = Limits {
        record_bytes_max: 5000,
        block_bytes: 1000,
        ..Limits::default()
    };
    let options = ParseOptions { limits, ..options() };
    let long = record(1).replace("free text", &"},{\\\"[{".repeat(4000));
    let text = format!("{{\"Records\":[{},{long},{}]}}", record(0), record(2));
    let whole = read(text.as_bytes(), &options);
    assert_eq!((whole.counts.events, whole.codes()), (2, vec!["record_too_long"]));
    assert!(whole.rejects[0].bytes.starts_with(b"{\"eventVersion\""));
    let broken = record(1).replace("\"readOnly\":false", "\"readOnly\":fals");
    let text = format!("{{\"Records\":[{},{broken},7,{}]}}", record(0), record(2));
    let whole = read(text.as_bytes(), &options);
    assert_eq!(
        (whole.counts.events, whole.codes()),
        (2, vec!["bad_json", "bad_json"])
    );
    let cut = format!("{{\"Records\":[{},{}", record(0), &record(1)[..500]);
    let whole = read(cut.as_bytes(), &options);
    assert_eq!((whole.counts.events, whole.codes()), (1, vec!["bad_json"]));
}

#[test]
fn bridged_events_and_what_is_no_event() {
    let bridged = format!(
        r#"{{"version":"0","id":"e1","detail-type":"AWS API Call via CloudTrail","source":"aws.s3","account":"444455556666","time":"2026-03-01T12:00:01Z","region":"ap-northeast-2","resources":[],"detail":{RECORD}}}"#
    );
    let whole = read(bridged.as_bytes(), &options());
    assert_eq!(
        (whole.dataset, whole.counts.events),
        (Some(Dataset::CloudTrail), 1)
    );
    check(
        &whole,
        0,
        &[
            ("ts", "2026-03-01T12:00:00Z"),
            ("eventname", "DeleteBucket"),
            ("src_ip", "2001:db8::7"),
            ("raw", &bridged),
        ],
    );
    assert!(
        whole
            .cell(0, "attrs")
            .contains("\"detail-type\":\"AWS API Call via CloudTrail\"")
    );
    let digest = r#"{"awsAccountId":"1","digestStartTime":"2026-03-01T11:00:00Z","digestEndTime":"2026-03-01T12:00:00Z","logFiles":[{"s3Bucket":"b"}]}"#;
    let whole = read(digest.as_bytes(), &options());
    assert_eq!((whole.counts.lines_in, whole.counts.skipped), (1, 1));
    let empty = read(&b"{\"Records\":[]}"[..], &options());
    assert_eq!(
        (empty.counts.lines_in, empty.dataset),
        (0, Some(Dataset::CloudTrail))
    );
    let insight = RECORD
        .replace("AwsApiCall", "AwsCloudTrailInsight")
        .replace("\"vendorsNewKey\"", "\"insightDetails\"");
    let whole = read(insight.as_bytes(), &options());
    check(
        &whole,
        0,
        &[
            ("eventtype", "AwsCloudTrailInsight"),
            ("insightdetails", "{\"y\":[]}"),
        ],
    );
    let notice = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-03-01T12:00:00Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"p"},"s3":{"s3SchemaVersion":"1.0"}}]}"#;
    assert_eq!(read(notice.as_bytes(), &options()).dataset, Some(Dataset::App));
}

#[test]
fn samples_agree_with_a_second_reader() {
    if let Some(bytes) = shared("aws/cloudtrail/invictus-cloudtrail.jsonl") {
        let records: Vec<Value> = serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("samples are JSON");
        let lines = read(bytes.as_slice(), &options());
        assert_eq!((lines.counts.events, lines.counts.lines_in), (653, 653));
        check_native(&lines, Dataset::CloudTrail, &records, &[]);
        let file = [b"{\"Records\":[", bytes.trim_ascii_end(), b"]}"].concat();
        let file: Vec<u8> = file.iter().map(|&b| if b == b'\n' { b',' } else { b }).collect();
        let stream = read(file.as_slice(), &options());
        assert_eq!((&stream.rows, &stream.ordinals), (&lines.rows, &lines.ordinals));
        let services = (0..653).filter(|&row| lines.cell(row, "src_ip") == "∅").count();
        assert!(services > 0 && services < 653);
    }
    for path in [
        "aws/cloudtrail/lambda-promtail-cloudtrail.json",
        "aws/cloudtrail/opensearch-catalog-raw-sample.json",
    ] {
        let Some(bytes) = shared(path) else { continue };
        let whole = read(bytes.as_slice(), &options());
        let file: Value = serde_json::from_slice(&bytes).expect("samples are JSON");
        let records = file
            .get("Records")
            .map_or(vec![file.clone()], |r| r.as_array().expect("a list").clone());
        assert_eq!(whole.counts.lines_in as usize, records.len(), "{path}");
        check_native(&whole, Dataset::CloudTrail, &records, &[]);
    }
}

const OCSF: &[(&str, &str)] = &[
    (
        "/actor/session/created_time_dt",
        "useridentity_sessioncontext_attributes_creationdate",
    ),
    (
        "/actor/session/is_mfa",
        "useridentity_sessioncontext_attributes_mfaauthenticated",
    ),
    (
        "/actor/session/issuer",
        "useridentity_sessioncontext_sessionissuer_arn",
    ),
    ("/actor/user/account/uid", "useridentity_accountid"),
    ("/actor/user/credential_uid", "useridentity_accesskeyid"),
    ("/actor/user/name", "useridentity_username"),
    ("/actor/user/type", "useridentity_type"),
    ("/actor/user/uid", "useridentity_arn"),
    ("/actor/user/uid_alt", "useridentity_principalid"),
    ("/api/operation", "eventname"),
    ("/api/request/data", "requestparameters"),
    ("/api/response/data", "responseelements"),
    ("/api/service/name", "eventsource"),
    ("/cloud/region", "region"),
    ("/http_request/user_agent", "ua"),
    ("/metadata/event_code", "eventtype"),
    ("/metadata/uid", "request_id"),
    ("/src_endpoint/ip", "src_ip"),
    ("/time", "ts"),
    ("/unmapped/managementEvent", "managementevent"),
    ("/unmapped/readOnly", "readonly"),
    ("/unmapped/recipientAccountId", "account"),
    (
        "/unmapped/sessionCredentialFromConsole",
        "sessioncredentialfromconsole",
    ),
    (
        "/unmapped/userIdentity.sessionContext.sessionIssuer.accountId",
        "useridentity_sessioncontext_sessionissuer_accountid",
    ),
    (
        "/unmapped/userIdentity.sessionContext.sessionIssuer.principalId",
        "useridentity_sessioncontext_sessionissuer_principalid",
    ),
    (
        "/unmapped/userIdentity.sessionContext.sessionIssuer.type",
        "useridentity_sessioncontext_sessionissuer_type",
    ),
    (
        "/unmapped/userIdentity.sessionContext.sessionIssuer.userName",
        "useridentity_sessioncontext_sessionissuer_username",
    ),
];

#[test]
fn agrees_with_ocsf_but_for_the_listed_differences() {
    let mut used = BTreeSet::new();
    for (name, request_id) in [
        ("account_change", "c99bf9da-e0bd-4bf7-bb32-example"),
        ("authentication", "∅"),
        ("generic_api_activity", "1c8a6220-4263-4763-b526-example"),
    ] {
        let Some(bytes) = shared(&format!("aws/cloudtrail/ocsf-{name}.raw.json")) else {
            continue;
        };
        let whole = read(bytes.as_slice(), &options());
        assert_eq!((whole.counts.lines_in, whole.counts.events), (1, 1), "{name}");
        assert_eq!(whole.cell(0, "requestid"), request_id);
        let fixture = format!("aws/cloudtrail/ocsf-{name}.expected-ocsf.json");
        used.extend(check_ocsf(&whole, &fixture, OCSF, "cloudtrail.md"));
    }
    check_all_needed(&used, "cloudtrail.md");
}

#[test]
fn damage_never_panics() {
    let base = format!("{{\"Records\":[{},{}]}}", record(0), record(1));
    let format: Format = "cloudtrail".parse().expect("a format");
    let limits = Limits {
        block_bytes: 500,
        record_bytes_max: 3000,
        ..Limits::default()
    };
    let small = ParseOptions { limits, ..options() };
    for at in (0..base.len()).step_by(3) {
        for token in ["", "\"", "{", "}", "[", "]", "\\", "\0", "{\"Records\":["] {
            let mut bytes = base.clone().into_bytes();
            bytes.splice(at..at + 1, token.bytes());
            assert!(read_as(bytes.as_slice(), Some(format), &small).counts.balanced());
        }
    }
}
