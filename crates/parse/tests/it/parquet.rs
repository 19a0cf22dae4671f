//! Parquet input: the same events as the text form of the same rows, and nothing a hostile file
//! can do but become one reject.

use crate::support::{CLOUDFRONT, Whole, gzip, read, read_as};
use arrow::array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    StructArray, TimestampMillisecondArray, TimestampSecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use haetae_event::{Columns, Dataset};
use haetae_parse::{Limits, ParseOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use proptest::prelude::*;
use std::sync::Arc;

fn options() -> ParseOptions {
    ParseOptions::default()
}

pub fn written(columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> Vec<u8> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("equal lengths");
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("memory does not fail");
    writer.write(&batch).expect("memory does not fail");
    writer.into_inner().expect("memory does not fail")
}

fn plain() -> WriterProperties {
    WriterProperties::builder().build()
}

/// Every codec, with and without dictionaries, both page versions, several row groups and pages.
pub fn ways() -> Vec<WriterProperties> {
    let mut ways = Vec::new();
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for codec in codecs {
        for dictionary in [true, false] {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                let base: WriterPropertiesBuilder = WriterProperties::builder()
                    .set_compression(codec)
                    .set_dictionary_enabled(dictionary)
                    .set_writer_version(version)
                    .set_max_row_group_row_count(Some(3))
                    .set_data_page_row_count_limit(2)
                    .set_write_batch_size(1);
                ways.push(base.build());
            }
        }
    }
    ways
}

fn encoded(encoding: Encoding) -> WriterProperties {
    WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(encoding)
        .build()
}

pub fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// The columns of the text form: names as AWS writes them in Parquet, `-` is null.
fn all_strings<'a>(names: &'a [String], rows: &[Vec<&str>]) -> Vec<(&'a str, ArrayRef)> {
    let column = |at: usize| {
        let values: Vec<Option<&str>> = rows
            .iter()
            .map(|row| row.get(at).copied().filter(|value| *value != "-"))
            .collect();
        texts(&values)
    };
    names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), column(at)))
        .collect()
}

/// Every cell but `raw`, which differs by nature; the ordinals count rows.
fn same_events(text: &Whole, columns: &Whole) {
    assert_eq!(columns.dataset, text.dataset);
    assert_eq!(columns.counts.events, text.counts.events, "{:?}", columns.rejects);
    for column in &columns.columns {
        if column == "raw" {
            continue;
        }
        if column == "attrs" && !text.columns.contains(column) {
            // The text form has no attributes; the columns are all known.
            assert!((0..columns.rows.len()).all(|row| columns.cell(row, column) == "∅"));
            continue;
        }
        for row in 0..columns.rows.len() {
            assert_eq!(
                columns.cell(row, column),
                text.cell(row, column),
                "row {row}, {column}"
            );
        }
    }
    for column in &text.columns {
        assert!(columns.columns.contains(column), "{column} is there");
    }
}

fn cloudfront() -> (Vec<String>, Vec<Vec<&'static str>>) {
    let mut lines = CLOUDFRONT.lines();
    let header = lines.nth(1).expect("a header");
    let names = header
        .trim_start_matches("#Fields: ")
        .split(' ')
        .map(|name| name.to_lowercase().replace(['-', '('], "_").replace(')', ""))
        .collect();
    let rows = lines
        .filter(|line| line.matches('\t').count() > 20)
        .map(|line| line.split('\t').collect())
        .collect();
    (names, rows)
}

#[test]
fn cloudfront_columns_are_the_lines() {
    let text = read(CLOUDFRONT.as_bytes(), &options());
    let (names, rows) = cloudfront();
    for properties in ways() {
        let file = written(all_strings(&names, &rows), properties);
        let whole = read(file.as_slice(), &options());
        assert_eq!(whole.counts.lines_in, 2);
        assert_eq!(whole.ordinals, [0, 1]);
        same_events(&text, &whole);
    }
    let file = written(all_strings(&names, &rows), plain());
    assert_eq!(
        read(gzip(&file).as_slice(), &options()),
        read(file.as_slice(), &options())
    );
}

#[test]
fn bytes_that_are_no_text_leave_a_warning() {
    let agents = BinaryArray::from(vec![&b"UA/1"[..], b"UA/\xff"]);
    let columns = vec![
        ("x_edge_request_id", texts(&[Some("1"), Some("2")])),
        (
            "timestamp_ms",
            texts(&[Some("1772359200123"), Some("1772359200124")]),
        ),
        ("cs_user_agent", Arc::new(agents) as ArrayRef),
    ];
    let whole = read(written(columns, plain()).as_slice(), &options());
    assert_eq!((whole.cell(0, "ua"), whole.cell(0, "warnings")), ("UA/1", "∅"));
    assert_eq!(
        (whole.cell(1, "ua"), whole.cell(1, "warnings")),
        ("UA/\u{fffd}", "invalid_utf8")
    );
}

#[test]
fn cloudfront_raw_is_canonical_json_and_new_columns_are_attributes() {
    let columns = vec![
        ("X_Edge_Request_Id", texts(&[Some("id==")])),
        ("cs-uri-stem", texts(&[Some("/a\tb")])),
        ("date", texts(&[Some("2026-03-01")])),
        ("time", texts(&[Some("10:00:00")])),
        ("timestamp_ms", texts(&[Some("1772359200123")])),
        ("bb_version", texts(&[Some("a\"b")])),
        ("c_ip", texts(&[None])),
        ("zz", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
    ];
    let whole = read(written(columns, plain()).as_slice(), &options());
    assert_eq!(whole.dataset, Some(Dataset::CloudFront));
    assert_eq!(whole.cell(0, "ts"), "2026-03-01T10:00:00.123Z");
    assert_eq!(whole.cell(0, "request_id"), "id==");
    assert_eq!(whole.cell(0, "uri"), "/a%09b", "as CloudFront itself encodes it");
    assert_eq!(whole.cell(0, "attrs"), "{\"bb_version\":\"a\\\"b\",\"zz\":7}");
    assert_eq!(
        whole.cell(0, "raw"),
        "{\"X_Edge_Request_Id\":\"id==\",\"bb_version\":\"a\\\"b\",\"cs-uri-stem\":\"/a\\tb\",\
         \"date\":\"2026-03-01\",\"time\":\"10:00:00\",\"timestamp_ms\":\"1772359200123\",\"zz\":7}"
    );
}

const FLOW_HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status tcp-flags flow-direction reject-reason encryption-status instance-tag next-hop-az-id new-field";
const FLOW_ROWS: [&str; 5] = [
    "11\t000000000012\teni-1\t10.0.0.1\t203.0.113.9\t443\t50000\t6\t10\t4000\t1700000000\t1700000060\tACCEPT\tOK\t18\tegress\t-\t2\tweb server\tuse1-az1\tx",
    "11\t000000000012\teni-1\t203.0.113.9\t10.0.0.1\t50000\t443\t6\t9\t900\t1700000001\t1700000061\tREJECT\tOK\t2\tingress\tBPA\t-\t-\t-\t-",
    "11\t000000000012\teni-1\t-\t-\t-\t-\t-\t-\t-\t1700000002\t1700000062\t-\tNODATA\t-\t-\t-\t-\t-\t-\t-",
    "11\tunknown\teni-2\t-\t-\t-\t-\t-\t-\t-\t1700000003\t1700000063\t-\tSKIPDATA\t-\t-\t-\t-\t-\t-\t-",
    "11\t000000000012\teni-1\t2001:DB8::1\t2001:db8::2\t1\t2\t58\t1\t64\t1700000004\t1700000064\tACCEPT\tOK\t0\t-\t-\t0\tdb\t-\t-",
];
const FLOW_NUMBERS: [&str; 5] = ["version", "srcport", "dstport", "protocol", "tcp-flags"];
const FLOW_LONG: [&str; 4] = ["packets", "bytes", "start", "end"];

fn flow_columns(names: &[String], typed: bool) -> Vec<(&str, ArrayRef)> {
    let rows: Vec<Vec<&str>> = FLOW_ROWS.iter().map(|row| row.split('\t').collect()).collect();
    let strings = all_strings(names, &rows);
    let header: Vec<&str> = FLOW_HEADER.split(' ').collect();
    let number = |at: usize| {
        rows.iter()
            .map(move |row| row[at].parse::<i64>().ok())
            .collect::<Vec<Option<i64>>>()
    };
    let converted = strings.into_iter().enumerate().map(|(at, (name, column))| {
        let column: ArrayRef = match header[at] {
            vendor if typed && (FLOW_NUMBERS.contains(&vendor) || vendor == "encryption-status") => {
                let values = number(at).into_iter().map(|n| n.map(|n| n as i32));
                Arc::new(values.collect::<Int32Array>())
            }
            vendor if typed && FLOW_LONG.contains(&vendor) => {
                Arc::new(number(at).into_iter().collect::<Int64Array>())
            }
            _ => column,
        };
        (name, column)
    });
    converted.collect()
}

#[test]
fn flow_columns_are_the_lines() {
    // A CSV export, since one tag holds a blank.
    let csv: String = [FLOW_HEADER.replace(' ', ",")]
        .into_iter()
        .chain(FLOW_ROWS.iter().map(|row| row.replace('\t', ",")))
        .collect::<Vec<_>>()
        .join("\n");
    let text = read(csv.as_bytes(), &options());
    assert_eq!(text.counts.events, 5);
    let names: Vec<String> = FLOW_HEADER
        .split(' ')
        .map(|name| name.replace('-', "_"))
        .collect();
    let vendor: Vec<String> = FLOW_HEADER.split(' ').map(str::to_uppercase).collect();
    for properties in ways() {
        for (names, typed) in [(&names, true), (&names, false), (&vendor, true)] {
            let file = written(flow_columns(names, typed), properties.clone());
            let mut whole = read(file.as_slice(), &options());
            // The name of a field that is new is the column's.
            for row in &mut whole.rows {
                for cell in row.iter_mut().flatten() {
                    *cell = cell
                        .replace("new_field", "new-field")
                        .replace("NEW-FIELD", "new-field");
                }
            }
            same_events(&text, &whole);
        }
    }
    let whole = read(
        written(flow_columns(&names, true), plain()).as_slice(),
        &options(),
    );
    assert_eq!(whole.cell(0, "instance_tag"), "web server");
    assert_eq!(whole.cell(0, "bytes_out"), "4000");
    assert_eq!(whole.cell(0, "attrs"), "{\"new_field\":\"x\"}");
    assert_eq!(whole.cell(3, "warnings"), "flows_missing");
    assert_eq!(
        whole.cell(2, "raw"),
        "{\"account_id\":\"000000000012\",\"end\":1700000062,\"interface_id\":\"eni-1\",\
         \"log_status\":\"NODATA\",\"start\":1700000002,\"version\":11}"
    );
}

#[test]
fn flow_times_may_be_timestamps() {
    let columns = vec![
        ("srcaddr", texts(&[Some("192.0.2.1")])),
        ("dstaddr", texts(&[Some("10.0.0.1")])),
        (
            "start",
            Arc::new(TimestampMillisecondArray::from(vec![1_700_000_000_999])) as ArrayRef,
        ),
        (
            "end",
            Arc::new(TimestampSecondArray::from(vec![1_700_000_060])) as ArrayRef,
        ),
        (
            "action",
            Arc::new(BinaryArray::from_vec(vec![b"REJECT"])) as ArrayRef,
        ),
    ];
    let whole = read(written(columns, plain()).as_slice(), &options());
    assert_eq!(whole.dataset, Some(Dataset::VpcFlow));
    assert_eq!(whole.cell(0, "ts"), "2023-11-14T22:13:20Z");
    assert_eq!(whole.cell(0, "end"), "1700000060");
    assert_eq!(whole.cell(0, "blocked"), "true");
}

#[test]
fn other_columns_are_read_as_json_is() {
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("a"), None]);
    list.append_null();
    let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
    let object = StructArray::from(vec![(Arc::new(Field::new("k", DataType::Utf8, true)), inner)]);
    let columns = vec![
        ("level", texts(&[Some("error"), Some("info")])),
        ("message", texts(&[Some("it \"broke\"\n"), Some("한글")])),
        (
            "timestamp",
            Arc::new(TimestampMillisecondArray::from(vec![1, 2])) as ArrayRef,
        ),
        ("tags", Arc::new(list.finish()) as ArrayRef),
        ("o", Arc::new(object) as ArrayRef),
    ];
    for properties in ways() {
        let whole = read(written(columns.clone(), properties).as_slice(), &options());
        assert_eq!(whole.dataset, Some(Dataset::App));
        assert_eq!(
            (whole.counts.events, whole.counts.lines_in),
            (2, 2),
            "{:?}",
            whole.rejects
        );
        assert_eq!(whole.cell(0, "ts"), "1970-01-01T00:00:00.001Z");
        assert_eq!(whole.cell(0, "message"), "it \"broke\"\n");
        assert_eq!(
            whole.cell(0, "attrs"),
            "{\"o\":{\"k\":\"x\"},\"tags\":[\"a\",null]}"
        );
        assert_eq!(
            whole.cell(1, "raw"),
            "{\"level\":\"info\",\"message\":\"한글\",\"o\":{},\"timestamp\":\"1970-01-01T00:00:00.002Z\"}"
        );
    }
    let access = vec![
        ("status", Arc::new(Int32Array::from(vec![404])) as ArrayRef),
        ("request_uri", texts(&[Some("/x")])),
        ("remote_addr", texts(&[Some("192.0.2.1")])),
    ];
    let whole = read(written(access, plain()).as_slice(), &options());
    assert_eq!(whole.dataset, Some(Dataset::Web));
    assert_eq!(
        (whole.cell(0, "status"), whole.cell(0, "src_ip")),
        ("404", "192.0.2.1")
    );
}

#[test]
fn the_format_may_be_named() {
    let columns = || {
        vec![
            ("srcaddr", texts(&[Some("192.0.2.1")])),
            ("dstaddr", texts(&[Some("10.0.0.1")])),
        ]
    };
    let file = written(columns(), plain());
    let json = Some("json".parse().expect("a format"));
    assert_eq!(
        read_as(file.as_slice(), json, &options()).dataset,
        Some(Dataset::App)
    );
    let combined = Some("combined".parse().expect("a format"));
    assert_eq!(
        read_as(file.as_slice(), combined, &options()).codes(),
        ["unreadable"]
    );
    let projected = ParseOptions {
        columns: Columns::only(["src_ip", "bytes"]),
        ..options()
    };
    let whole = read(file.as_slice(), &projected);
    assert_eq!(whole.columns, ["ts", "src_ip", "bytes"]);
    assert_eq!(whole.cell(0, "src_ip"), "192.0.2.1");
}

#[test]
fn delta_encodings_are_read() {
    let values: Vec<String> = (0..3000)
        .map(|at| format!("10.{}.{}.1", at / 256, at % 256))
        .collect();
    let starts: Vec<i64> = (0..3000).map(|at| 1_700_000_000 + at * 7 % 1000).collect();
    let columns = || {
        vec![
            ("srcaddr", Arc::new(StringArray::from(values.clone())) as ArrayRef),
            ("dstaddr", Arc::new(StringArray::from(values.clone())) as ArrayRef),
        ]
    };
    let want = read(written(columns(), plain()).as_slice(), &options());
    assert_eq!(want.counts.events, 3000);
    for encoding in [Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
        let whole = read(written(columns(), encoded(encoding)).as_slice(), &options());
        assert_eq!(whole, want, "{encoding}");
    }
    for encoding in [
        Encoding::DELTA_BINARY_PACKED,
        Encoding::BYTE_STREAM_SPLIT,
        Encoding::PLAIN,
    ] {
        let columns = vec![
            ("start", Arc::new(Int64Array::from(starts.clone())) as ArrayRef),
            ("n", Arc::new(Int64Array::from(starts.clone())) as ArrayRef),
        ];
        let whole = read(written(columns, encoded(encoding)).as_slice(), &options());
        assert_eq!(whole.counts.events, 3000, "{encoding}: {:?}", whole.rejects);
        assert_eq!(
            whole.cell(2999, "attrs").matches("1700000993").count(),
            2,
            "{encoding}"
        );
    }
}

#[test]
fn long_values_and_rows_are_refused_alone() {
    let long = "x".repeat(300_000);
    let uri = [Some("/a"), Some(long.as_str()), Some("/b")];
    let columns = vec![
        ("x_edge_request_id", texts(&[Some("1"), Some("2"), Some("3")])),
        ("date", texts(&[Some("2026-03-01"); 3])),
        ("time", texts(&[Some("10:00:00"), Some("10:00:00"), Some("soon")])),
        ("cs_uri_stem", texts(&uri)),
    ];
    let whole = read(written(columns, plain()).as_slice(), &options());
    assert_eq!(whole.codes(), ["record_too_long", "bad_field"]);
    assert_eq!(
        (
            whole.ordinals.as_slice(),
            whole.rejects[0].ordinal,
            whole.rejects[1].ordinal
        ),
        (&[0][..], 1, 2)
    );
    assert!(whole.rejects[0].bytes.len() <= 256 * 1024);
    assert_eq!(
        whole.rejects[1].bytes,
        br#"{"cs_uri_stem":"/b","date":"2026-03-01","time":"soon","x_edge_request_id":"3"}"#
    );
}

#[test]
fn equal_rows_without_end_stop_at_the_cap() {
    // Two hundred thousand rows in a few hundred bytes.
    let value = "v".repeat(1000);
    let columns = vec![
        ("srcaddr", texts(&vec![Some(value.as_str()); 200_000])),
        ("dstaddr", texts(&vec![None; 200_000])),
    ];
    let file = written(
        columns,
        WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build(),
    );
    assert!(file.len() < 20_000, "{}", file.len());
    let whole = read(file.as_slice(), &options());
    assert_eq!(whole.codes(), ["decompression_cap"]);
    assert!(whole.counts.events < 100_000);
    // And pages that unpack to more than they may.
    let limits = Limits {
        parquet_bytes_max: 100_000,
        ..Limits::default()
    };
    let spread: Vec<String> = (0..20_000)
        .map(|at| format!("10.0.{}.{}", at / 256 % 256, at % 256))
        .collect();
    let spread: Vec<Option<&str>> = spread.iter().map(|text| Some(text.as_str())).collect();
    let columns = vec![("srcaddr", texts(&spread)), ("dstaddr", texts(&spread))];
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    let file = written(columns, properties.build());
    assert!(file.len() < 100_000 * 2);
    let whole = read(file.as_slice(), &ParseOptions { limits, ..options() });
    assert_eq!(whole.codes(), ["decompression_cap"]);
}

#[test]
fn a_damaged_file_is_one_reject() {
    let names: Vec<String> = FLOW_HEADER
        .split(' ')
        .map(|name| name.replace('-', "_"))
        .collect();
    let file = written(flow_columns(&names, true), plain());
    for cut in [4, 8, 12, file.len() / 2, file.len() - 9, file.len() - 1] {
        let whole = read(&file[..cut], &options());
        assert_eq!(whole.codes(), ["unreadable"], "cut at {cut}");
        assert_eq!(whole.counts.lines_in, 1);
    }
    let at = file.len() - 8;
    for length in [0u32, 1, u32::MAX, file.len() as u32 - 12] {
        let mut file = file.clone();
        file[at..at + 4].copy_from_slice(&length.to_le_bytes());
        assert_eq!(
            read(file.as_slice(), &options()).codes(),
            ["unreadable"],
            "footer of {length}"
        );
    }
    let mut encrypted = file.clone();
    let end = encrypted.len() - 4;
    encrypted[end..].copy_from_slice(b"PARE");
    assert_eq!(read(encrypted.as_slice(), &options()).codes(), ["unreadable"]);
}

fn framed(footer: &[u8]) -> Vec<u8> {
    [b"PAR1", footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

#[test]
fn hostile_footers_cost_nothing() {
    let deep: Vec<u8> = [&[0x1c; 4096][..], &[0; 4096]].concat();
    let huge_list = [0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00];
    // A list of two thousand million truth values, which some readers take for no bytes at all.
    let truths = [0x59, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00];
    // Schema: a chain of groups, each with one child.
    let element = [0x48, 0x01, b'g', 0x15, 0x02, 0x00];
    let chain = [
        &[0x15, 0x02, 0x19, 0xfc, 0xe8, 0x07][..],
        &element.repeat(1000),
        &[0],
    ]
    .concat();
    let endless = [0xff; 64];
    for footer in [&deep[..], &huge_list, &truths, &chain, &endless, &[], &[0]] {
        let whole = read(framed(footer).as_slice(), &options());
        assert_eq!(whole.codes(), ["unreadable"]);
    }
}

#[test]
fn an_empty_file_has_no_rows() {
    let file = written(vec![("srcaddr", texts(&[])), ("dstaddr", texts(&[]))], plain());
    let whole = read(file.as_slice(), &options());
    assert_eq!((whole.counts.lines_in, whole.rejects.len()), (0, 0));
}

/// Address, path, agent and status of a row.
type Cells = (Option<String>, Option<String>, Option<String>, Option<String>);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Rows as text and as Parquet are the same events, whatever the values.
    #[test]
    fn values_survive(
        rows in prop::collection::vec((
            prop::option::of("[0-9]{1,3}(\\.[0-9]{1,3}){3}|[a-f0-9:]{2,20}|[!-~]{1,12}"),
            prop::option::of("/[!-~가-힣]{0,20}"),
            prop::option::of("[A-Za-z0-9%()/.;, +]{1,30}"),
            prop::option::of("[0-9]{1,4}"),
        ), 1..40),
        way in 0usize..16,
    ) {
        // What text cannot say (a lone `-`, blanks at no end of a line) is null in both.
        let said = |value: &Option<String>| value.as_deref().filter(|v| *v != "-").map(str::to_owned);
        let mut text = String::from("#Fields: date time c-ip cs-uri-stem cs(User-Agent) sc-status\n");
        for (ip, uri, agent, status) in &rows {
            let cell = |value: &Option<String>| said(value).unwrap_or_else(|| "-".into());
            text.push_str(&format!("2026-03-01\t10:00:00\t{}\t{}\t{}\t{}\n", cell(ip), cell(uri), cell(agent), cell(status)));
        }
        let column = |pick: &dyn Fn(&Cells) -> Option<String>| {
            Arc::new(rows.iter().map(pick).collect::<StringArray>()) as ArrayRef
        };
        let count = rows.len();
        let columns = vec![
            ("cs_user_agent", column(&|row| said(&row.2))),
            ("c_ip", column(&|row| said(&row.0))),
            ("sc_status", column(&|row| said(&row.3))),
            ("time", texts(&vec![Some("10:00:00"); count])),
            ("cs_uri_stem", column(&|row| said(&row.1))),
            ("date", texts(&vec![Some("2026-03-01"); count])),
        ];
        let file = written(columns, ways().swap_remove(way));
        same_events(&read(text.as_bytes(), &options()), &read(file.as_slice(), &options()));
    }

    /// Bytes changed anywhere: rows or one reject, never a panic.
    #[test]
    fn flipped_bytes_do_no_harm(
        way in 0usize..16,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let names: Vec<String> = FLOW_HEADER.split(' ').map(|name| name.replace('-', "_")).collect();
        let mut file = written(flow_columns(&names, true), ways().swap_remove(way));
        // Half of the time the pages only: a footer that is damaged keeps them from being read.
        let footer = u32::from_le_bytes(file[file.len() - 8..][..4].try_into().expect("four bytes"));
        let end = file.len() - 8 - if flips.len() % 2 == 0 { footer as usize } else { 0 };
        for (place, value) in flips {
            file[place.index(end).max(4)] = value;
        }
        let whole = read(file.as_slice(), &options());
        prop_assert!(whole.counts.balanced());
        prop_assert!(whole.codes().iter().filter(|code| matches!(**code, "unreadable" | "decompression_cap")).count() <= 1);
    }
}
