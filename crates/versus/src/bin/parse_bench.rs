//! CPU time of one thread on generated lines in memory: ours, VRL's, and splitting lines alone.
//!
//! `parse_bench [--mib N] [--rounds N] [--json FILE] [--ours] [KIND …]`: a Markdown table on stdout, the same
//! figures as JSON in the file. Each figure is the best of the rounds; in a round the sides take
//! turns, so that all meet the same machine. VRL's function is called directly, once per line, and
//! gets the line without a copy; `--ours` leaves it out, for a profile.

use bytes::Bytes;
use haetae_event::Columns;
use haetae_parse::{Format, InputReader, ParseOptions};
use haetae_versus::lines::{KINDS, Kind};
use haetae_versus::theirs::Theirs;
use std::hint::black_box;
use std::process::ExitCode;

/// What rules and reports read of nearly every event.
const TYPICAL: [&str; 10] = [
    "ts",
    "src_ip",
    "dst_host",
    "method",
    "uri",
    "status",
    "ua",
    "bytes_out",
    "blocked",
    "account",
];

/// Their program for a kind; VRL has no function for the formats that a regular expression or a
/// split reads here, and none that reads CloudFront's header lines.
const PROGRAMS: &[(&str, &str)] = &[
    ("vpcflow", "parse_aws_vpc_flow_log!(.message)"),
    (
        "vpcflow-all",
        "parse_aws_vpc_flow_log!(.message, \"version account_id interface_id srcaddr dstaddr srcport dstport protocol packets bytes start end action log_status vpc_id subnet_id instance_id tcp_flags type pkt_srcaddr pkt_dstaddr region az_id sublocation_type sublocation_id pkt_src_aws_service pkt_dst_aws_service flow_direction traffic_path\")",
    ),
    ("alb", "parse_aws_alb_log!(.message, strict_mode: false)"),
    (
        "elb",
        r#"parse_regex!(.message, r'^(?P<timestamp>\S+) (?P<elb_name>\S+) (?P<request_ip>[^:]+):(?P<request_port>\d+) (?P<backend>\S+) (?P<request_processing_time>\S+) (?P<backend_processing_time>\S+) (?P<client_response_time>\S+) (?P<elb_response_code>\S+) (?P<backend_response_code>\S+) (?P<received_bytes>\d+) (?P<sent_bytes>\d+) "(?P<request_verb>\S+) (?P<url>\S+) (?P<protocol>[^"]+)" "(?P<user_agent>[^"]*)" (?P<ssl_cipher>\S+) (?P<ssl_protocol>\S+)')"#,
    ),
    (
        "s3access",
        r#"parse_regex!(.message, r'^(?P<bucketowner>\S+) (?P<bucket_name>\S+) \[(?P<requestdatetime>[^\]]+)\] (?P<remoteip>\S+) (?P<requester>\S+) (?P<requestid>\S+) (?P<operation>\S+) (?P<key>\S+) "(?P<request_uri>[^"]*)" (?P<httpstatus>\S+) (?P<errorcode>\S+) (?P<bytessent>\S+) (?P<objectsize>\S+) (?P<totaltime>\S+) (?P<turnaroundtime>\S+) "(?P<referrer>[^"]*)" "(?P<useragent>[^"]*)" (?P<versionid>\S+) (?P<hostid>\S+) (?P<sigv>\S+) (?P<ciphersuite>\S+) (?P<authtype>\S+) (?P<endpoint>\S+) (?P<tlsversion>\S+)')"#,
    ),
    ("waf", "parse_json!(.message)"),
    ("common", "parse_common_log!(.message)"),
    ("combined", "parse_apache_log!(.message, format: \"combined\")"),
    ("nginx-main", "parse_nginx_log!(.message, format: \"main\")"),
    ("json", "parse_json!(.message)"),
    ("iis", "split(string!(.message), \" \")"),
    ("syslog", "parse_syslog!(.message)"),
    ("syslog-3164", "parse_syslog!(.message)"),
    ("cef", "parse_cef!(.message)"),
    ("logfmt", "parse_logfmt!(.message)"),
];

struct Choices {
    bytes: usize,
    rounds: usize,
    json: Option<String>,
    ours_alone: bool,
    kinds: Vec<String>,
}

fn choices() -> Result<Choices, String> {
    let mut choices = Choices {
        bytes: 64 << 20,
        rounds: 3,
        json: None,
        ours_alone: false,
        kinds: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        let number = |text: String| text.parse::<usize>().map_err(|e| format!("{text}: {e}"));
        match argument.as_str() {
            "--mib" => choices.bytes = number(value()?)? << 20,
            "--rounds" => choices.rounds = number(value()?)?.max(1),
            "--ours" => choices.ours_alone = true,
            "--json" => choices.json = Some(value()?),
            kind if KINDS.iter().any(|k| k.name == kind) => choices.kinds.push(argument),
            other => return Err(format!("{other} is no option and no kind of lines")),
        }
    }
    Ok(choices)
}

/// Best CPU seconds of each side over one text.
struct Figures {
    kind: &'static str,
    bytes: usize,
    lines: usize,
    split: f64,
    all: f64,
    typical: f64,
    theirs: Option<f64>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("parse_bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let choices = choices()?;
    let mut figures = Vec::new();
    println!(
        "| lines | bytes a line | ours, all columns | ours, {} columns | VRL | splitting lines | ours ÷ VRL | ours ÷ splitting |",
        TYPICAL.len()
    );
    println!("|---|---|---|---|---|---|---|---|");
    for kind in KINDS {
        if !choices.kinds.is_empty() && !choices.kinds.iter().any(|name| name == kind.name) {
            continue;
        }
        match kind.format.parse::<Format>() {
            Ok(format) => {
                let figure = measure(kind, format, &choices)?;
                println!("{}", figure.row());
                figures.push(figure);
            }
            Err(e) => eprintln!("SKIPPED: {}: {e}", kind.name),
        }
    }
    if let Some(path) = choices.json {
        let all: Vec<serde_json::Value> = figures.iter().map(Figures::json).collect();
        let text = serde_json::to_string_pretty(&all).map_err(|e| e.to_string())?;
        std::fs::write(&path, text + "\n").map_err(|e| format!("{path}: {e}"))?;
    }
    Ok(())
}

fn measure(kind: &'static Kind, format: Format, choices: &Choices) -> Result<Figures, String> {
    let text = kind.text(1, choices.bytes);
    let shared = Bytes::from(text.clone().into_bytes());
    let mut programs = PROGRAMS.iter().filter(|_| !choices.ours_alone);
    let program = programs.find(|(name, _)| *name == kind.name);
    let mut theirs = program.map(|(_, source)| Theirs::compile(source)).transpose()?;
    let typical = Columns::only(TYPICAL);
    let mut figures = Figures {
        kind: kind.name,
        bytes: text.len(),
        lines: split(text.as_bytes()),
        split: f64::INFINITY,
        all: f64::INFINITY,
        typical: f64::INFINITY,
        theirs: theirs.as_ref().map(|_| f64::INFINITY),
    };
    for _ in 0..choices.rounds {
        figures.split = figures.split.min(seconds(|| Ok(split(text.as_bytes())))?);
        figures.all = figures.all.min(seconds(|| ours(&text, format, &Columns::All))?);
        figures.typical = figures.typical.min(seconds(|| ours(&text, format, &typical))?);
        if let (Some(theirs), Some(best)) = (&mut theirs, &mut figures.theirs) {
            let header = kind.header.len();
            *best = best.min(seconds(|| read_by(theirs, &shared, header))?);
        }
    }
    Ok(figures)
}

/// CPU seconds of this thread.
fn seconds<T>(work: impl FnOnce() -> Result<T, String>) -> Result<f64, String> {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let start = now();
    black_box(work()?);
    Ok(now() - start)
}

/// Looks at every line and no further.
fn split(text: &[u8]) -> usize {
    let (mut start, mut lines) = (0, 0);
    for end in memchr::memchr_iter(b'\n', text) {
        black_box(&text[start..end]);
        start = end + 1;
        lines += 1;
    }
    lines
}

fn ours(text: &str, format: Format, columns: &Columns) -> Result<u64, String> {
    let options = ParseOptions {
        columns: columns.clone(),
        ..ParseOptions::default()
    };
    let mut reader = InputReader::open(text.as_bytes(), Some(format), &options);
    while let Some(batch) = reader.next_batch().map_err(|e| e.to_string())? {
        if let Some(reject) = batch.rejects.first() {
            return Err(format!("{format} refuses a line: {}", reject.detail));
        }
        black_box(&batch.records);
    }
    Ok(reader.totals().events)
}

fn read_by(theirs: &mut Theirs, text: &Bytes, header: usize) -> Result<usize, String> {
    let (mut start, mut lines) = (header, 0);
    for end in memchr::memchr_iter(b'\n', &text[header..]) {
        let line = text.slice(start..header + end);
        let value = theirs
            .read(line.clone())
            .map_err(|e| format!("VRL refuses {line:?}: {e}"))?;
        black_box(&value);
        start = header + end + 1;
        lines += 1;
    }
    Ok(lines)
}

impl Figures {
    fn speed(&self, seconds: f64) -> (f64, f64) {
        (
            self.bytes as f64 / 1e6 / seconds,
            self.lines as f64 / 1e6 / seconds,
        )
    }

    fn row(&self) -> String {
        let shown = |seconds: f64| {
            let (megabytes, events) = self.speed(seconds);
            format!("{megabytes:.0} MB/s, {events:.2} M/s")
        };
        let theirs = self.theirs.map_or("-".to_owned(), shown);
        let ratio = self
            .theirs
            .map_or("-".to_owned(), |theirs| format!("{:.1}", theirs / self.all));
        format!(
            "| {} | {} | {} | {} | {theirs} | {} | {ratio} | {:.2} |",
            self.kind,
            self.bytes / self.lines.max(1),
            shown(self.all),
            shown(self.typical),
            shown(self.split),
            self.split / self.all,
        )
    }

    fn json(&self) -> serde_json::Value {
        let side = |seconds: f64| {
            let (megabytes, events) = self.speed(seconds);
            serde_json::json!({"cpu_seconds": seconds, "megabytes_per_second": megabytes, "million_events_per_second": events})
        };
        serde_json::json!({
            "lines": self.kind,
            "bytes": self.bytes,
            "events": self.lines,
            "ours_all": side(self.all),
            "ours_typical": side(self.typical),
            "vrl": self.theirs.map(side),
            "split": side(self.split),
            "ours_over_vrl": self.theirs.map(|theirs| theirs / self.all),
            "ours_over_split": self.split / self.all,
        })
    }
}
