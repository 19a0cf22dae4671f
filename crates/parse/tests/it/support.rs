//! Reading an input whole, and looking at cells.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use haetae_event::{Counts, Dataset, Reject};
use haetae_parse::{Choice, Format, InputReader, ParseOptions};
use std::io::Read;
use std::path::PathBuf;

/// Everything one input became, rows as text.
#[derive(Debug, PartialEq)]
pub struct Whole {
    pub columns: Vec<String>,
    /// `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
    pub ordinals: Vec<u64>,
    pub rejects: Vec<Reject>,
    pub counts: Counts,
    pub dataset: Option<Dataset>,
}

impl Whole {
    /// The cell of `row` in `column`, null as "∅".
    pub fn cell(&self, row: usize, column: &str) -> &str {
        let at = self
            .columns
            .iter()
            .position(|c| c == column)
            .unwrap_or_else(|| panic!("no column {column}"));
        self.rows[row][at].as_deref().unwrap_or("∅")
    }

    pub fn codes(&self) -> Vec<&'static str> {
        self.rejects.iter().map(|r| r.reason.code()).collect()
    }
}

pub fn read(input: impl Read, options: &ParseOptions) -> Whole {
    read_as(input, None, options)
}

pub fn read_as(input: impl Read, forced: Option<Format>, options: &ParseOptions) -> Whole {
    read_with(input, forced.into(), options)
}

pub fn read_with(input: impl Read, choice: Choice, options: &ParseOptions) -> Whole {
    let mut reader = InputReader::open(input, choice, options);
    let mut whole = Whole {
        columns: Vec::new(),
        rows: Vec::new(),
        ordinals: Vec::new(),
        rejects: Vec::new(),
        counts: Counts::default(),
        dataset: None,
    };
    while let Some(batch) = reader.next_batch().expect("memory does not fail") {
        assert!(batch.counts.balanced(), "{:?}", batch.counts);
        assert_eq!(batch.counts.events as usize, batch.ordinals.len());
        assert_eq!(batch.counts.rejected as usize, batch.rejects.len());
        whole.counts += batch.counts;
        if let Some(records) = &batch.records {
            let names: Vec<String> = records
                .schema()
                .fields()
                .iter()
                .map(|f| f.name().clone())
                .collect();
            assert!(
                whole.columns.is_empty() || whole.columns == names,
                "the schema is constant"
            );
            whole.columns = names;
            for row in 0..records.num_rows() {
                whole.rows.push(
                    (0..records.num_columns())
                        .map(|c| cell(records, row, c))
                        .collect(),
                );
            }
        }
        whole.ordinals.extend(batch.ordinals);
        whole.rejects.extend(batch.rejects);
    }
    assert_eq!(reader.totals(), whole.counts);
    whole.dataset = reader.dataset();
    whole
}

fn cell(records: &RecordBatch, row: usize, column: usize) -> Option<String> {
    let array = records.column(column);
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8View => {
            // Views are made without validation: look at every byte.
            let value = array.as_string_view().value(row);
            assert!(std::str::from_utf8(value.as_bytes()).is_ok());
            value.to_owned()
        }
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Timestamp(..) => {
            haetae_event::Micros(array.as_primitive::<TimestampMicrosecondType>().value(row)).to_string()
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            items
                .as_string_view()
                .iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(",")
        }
        other => panic!("unexpected type {other}"),
    })
}

/// A file of the shared samples, or `None`, said loudly, where they are not.
pub fn shared(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("HAETAE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let full = root.join("data").join(path);
    match std::fs::read(&full) {
        Ok(bytes) => Some(bytes),
        Err(e) => {
            eprintln!("SKIPPED: {} is not here ({e}); set HAETAE_SHARED", full.display());
            None
        }
    }
}

/// Seconds this thread has run; of the wall where the system does not say.
fn cpu_seconds() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let ran = std::fs::read("/proc/thread-self/schedstat").ok();
    let ran = ran.and_then(|text| {
        String::from_utf8(text)
            .ok()?
            .split(' ')
            .next()?
            .parse::<f64>()
            .ok()
    });
    let wall = || START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64();
    ran.map_or_else(wall, |nanoseconds| nanoseconds / 1e9)
}

/// How long work takes per byte may not grow with the line: a megabyte of long lines takes less than
/// four times as long as a megabyte of lines a tenth as long, where quadratic work would take ten
/// times. The clock's tick is a few milliseconds, and a busy machine gets three tries.
pub fn assert_linear(what: &str, line: impl Fn(usize) -> String, work: impl Fn(&str)) {
    let seconds = |input: &str, times: usize| {
        let start = cpu_seconds();
        (0..times).for_each(|_| work(input));
        cpu_seconds() - start
    };
    let (short, long) = (line(25_000), line(250_000));
    let tries = (0..3).map(|_| (seconds(&short, 40), seconds(&long, 4)));
    let worst: Vec<(f64, f64)> = tries
        .take_while(|(short, long)| *long >= short * 4.0 + 0.03)
        .collect();
    assert!(
        worst.len() < 3,
        "{what:?}: seconds of short and long lines: {worst:?}"
    );
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(bytes).expect("memory does not fail");
    out.finish().expect("memory does not fail")
}

pub const CLOUDFRONT: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td1.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0%20(한글)\ta=b%2520c\t-\tHit\tSOX4xwn4XV6Q4rgb==\twww.example.com\thttps\t23\t0.001\t203.0.113.7,%2010.0.0.1\tTLSv1.2\tECDHE\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78\t-\t-\n2019-12-04\t21:02:32\tLAX1\t392\t2001:DB8::1\tGET\td1.cloudfront.net\t/\t000\thttps://a.example/%3Fq\t-\t-\t-\tError\tid2==\t-\thttps\t23\t-\t-\t-\t-\tError\tHTTP/2.0\n\n2019-12-04\t21:02:33\tLAX1\n";
pub const FLOWS: &str = "2 123456789010 eni-1 172.31.16.139 203.0.113.12 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n2 123456789010 eni-1 203.0.113.12 172.31.16.139 20641 22 6 20 99 1418530011 1418530070 REJECT OK\n2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA\nversion srcaddr dstaddr bytes start flow-direction\n5 10.0.0.1 10.0.0.2 7 1566848875 egress\n5 10.0.0.1\n";
pub const COMBINED: &str = "192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /a.gif?x=1 HTTP/1.0\" 200 2326 \"http://e.example/\" \"Moz \\\"x\\\"\" \"203.0.113.9, 10.0.0.1\"\n192.0.2.1 - - [10/Oct/2000:13:55:37 -0700] \"\\x16\\x03\\x01\" 400 -\n\"192.0.2.1 - - [10/Oct/2000:13:55:38 -0700] \"POST /b HTTP/1.1\" 303 3 \"-\" \"agent\"\"\njunk\n";
pub const WAF: &str = "{\"timestamp\":1576280412771,\"webaclId\":\"arn\",\"terminatingRuleId\":\"group\",\"action\":\"BLOCK\",\"ruleGroupList\":[{\"ruleGroupId\":\"AWS#SQL\",\"terminatingRule\":{\"ruleId\":\"SQLi_BODY\",\"action\":\"BLOCK\"}}],\"httpRequest\":{\"clientIp\":\"192.0.2.7\",\"headers\":[{\"name\":\"Host\",\"value\":\"h.example\"},{\"name\":\"User-Agent\",\"value\":\"curl/7\"}],\"uri\":\"/x\",\"args\":\"q=1\",\"httpMethod\":\"GET\",\"requestId\":\"null\"},\"new\":{\"k\":[1]}}";
pub const JSON: &str = "{\"time\":\"2026-03-01T12:00:00.5Z\",\"remote_addr\":\"192.0.2.9\",\"method\":\"GET\",\"request_uri\":\"/p?q=\\u00e9\",\"status\":\"404\",\"bytes\":12,\"tenant_id\":\"evil\",\"dataset\":\"x\",\"n\":{\"a\":1}}\n{\"ts\":1772366400123,\"path\":\"/b\",\"status\":200}\n{\"path\":\"/c\",\"status\":200}\n{\"ts\":\"soon\",\"path\":\"/d\"}\nnot json\n{\"ts\":1,\"path\":\"/e\"}{\"ts\":2,\"path\":\"/f\"}\n";
pub const SYSLOG: &str = "<165>1 2003-08-24T05:14:15.000003-07:00 db-7 shipd 8710 ID47 [x@9 k=\"a \\\" b\" e=\"\"][y] \u{feff}disk 한글\n<38>Dec  9 06:55:46 gate sshd[24200]: Failed password for invalid user anna from 203.0.113.9 port 4 ssh2\n\n<190>45: *Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: by console\n<13>Dec  9 06:55:47 gate api: {\"client_ip\":\"2001:DB8::1\",\"uri\":\"/a\",\"k\":[1]}\nno syslog at all\nDec  9 06:55:48 fw kernel: [1.5] IN=eth0 OUT= SRC=192.0.2.77 DST=10.0.0.1 DF DPT=22\n";
pub const CEF: &str = "<134>Dec 31 10:00:00 waf-1 CEF:1|Acme \\| Sons|Gate|2.1|942100|SQL = bad|High|rt=1767175200123 src=203.0.113.5 spt=x dst=10.0.0.7 act=Blocked request=https://shop.example/a?x=1&y=2 b=c requestMethod=POST cs1Label=Rule cs1=a\\=b 한글 mine=1\n<134>CEF:0|V|P|1|2|n|\n<134>Dec 31 10:00:00 h a: no such\n";
pub const LEEF: &str = "<13>Dec 31 10:00:00 gw LEEF:1.0|Acme|Wall|4|DENY|devTime=1767175200123\tsrc=203.0.113.5\tusrName=한글\turl=http://a.example/p?q=1\taction=blocked\tmine=a=b c\nLEEF:2.0|V|P|1|id|^|src=::1^msg=a|b^no pair^devTime=never\nLEEF:1.0|V\n";
pub const LOGFMT: &str = "time=2025-12-31T10:00:00+09:00 level=warn msg=\"slow \\\"query\\\" 한글\" client_ip=192.0.2.7 uri=/a?b=c status=503 took=12ms dry-run a= a=2\n2025-12-31T10:00:00Z INFO up port=80, x=y; z=1\nno pairs\n\u{1b}[36mINFO\u{1b}[0m[0012] hello    \u{1b}[36mport\u{1b}[0m=80\n";

/// xorshift64: the same bytes on every run.
pub struct Dice(pub u64);

impl Dice {
    /// A number under `below`; 0 when there is none.
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}
