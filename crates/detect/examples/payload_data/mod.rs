//! The shared data sets that the payload classifier is fitted and measured on.
//!
//! Read from the folder `HAETAE_SHARED` names (`shared` beside the checkout without it); nothing of them is kept.

#![allow(dead_code, reason = "each program that includes this needs a part of it")]

pub mod attacks;
pub mod prose;

use flate2::read::GzDecoder;
use haetae_detect::payload::Parts;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The folder of shared data, if it is there.
pub fn shared() -> Option<PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into();
    let folder = std::env::var_os("HAETAE_SHARED").map_or_else(beside, PathBuf::from);
    let folder = folder.join("data");
    folder.is_dir().then_some(folder)
}

/// No shared file unpacks to more.
const UNPACKED_BYTES_MAX: u64 = 1 << 30;

#[allow(clippy::disallowed_methods, reason = "own test data, capped")]
fn bytes(name: &str) -> Vec<u8> {
    let path = shared().expect("shared data").join(name);
    let mut out = Vec::new();
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    GzDecoder::new(file)
        .take(UNPACKED_BYTES_MAX)
        .read_to_end(&mut out)
        .expect("gzip");
    out
}

/// Lines of a gzipped text file.
pub fn lines(name: &str) -> Vec<String> {
    String::from_utf8_lossy(&bytes(name))
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A request with all its parts owned.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// A request for one value, as searches send it.
    pub fn search(value: &str) -> Self {
        Self {
            uri: format!("/search?q={value}"),
            ..Self::default()
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// What an access log shows of it.
    pub fn logged(&self) -> Parts<'_> {
        Parts {
            uri: &self.uri,
            agent: self.header("user-agent"),
            referer: self.header("referer"),
            cookie: self.header("cookie"),
            ..Parts::default()
        }
    }

    pub fn whole(&self) -> Parts<'_> {
        let known = ["user-agent", "referer", "cookie"];
        Parts {
            headers: self
                .headers
                .iter()
                .filter(|(name, _)| !known.iter().any(|known| name.eq_ignore_ascii_case(known)))
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            content_type: self.header("content-type"),
            body: self.body.as_deref(),
            ..self.logged()
        }
    }

    /// From the bytes of an HTTP/1 request.
    fn parse(raw: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(raw).into_owned();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .or_else(|| text.split_once("\n\n"))
            .unwrap_or((&text, ""));
        let mut lines = head.lines();
        let uri = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let body = (!body.is_empty()).then(|| body.as_bytes().to_vec());
        Some(Self { uri, headers, body })
    }
}

/// A regression case of the OWASP Core Rule Set.
#[derive(Clone, Debug)]
pub struct Case {
    pub family: String,
    pub rule: u64,
    pub number: u64,
    /// Whether that rule must match.
    pub is_attack: bool,
    pub request: Request,
}

/// All cases of the Core Rule Set.
pub fn cases() -> Vec<Case> {
    lines("sec/crs-tests.jsonl.gz")
        .iter()
        .map(|line| case(line))
        .collect()
}

fn case(line: &str) -> Case {
    let row: Value = serde_json::from_str(line).expect("JSON");
    let text = |name: &str| row[name].as_str().unwrap_or("").to_owned();
    let raw = row["encoded_request"]
        .as_str()
        .and_then(base64)
        .and_then(|raw| Request::parse(&raw));
    let request = raw.unwrap_or_else(|| Request {
        uri: text("uri"),
        headers: row["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned()))
            .collect(),
        body: row["body"].as_str().map(|body| body.as_bytes().to_vec()),
    });
    Case {
        family: text("family"),
        rule: row["rule_id"].as_u64().unwrap_or(0),
        number: row["test_id"].as_u64().unwrap_or(0),
        is_attack: row["expect"] == "match",
        request,
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bits = 0u32;
    let mut held = 0;
    let mut out = Vec::new();
    for b in text.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=') {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        bits = (bits << 6) | u32::try_from(alphabet.iter().position(|known| *known == b)?).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

/// The sets of benign values, still encoded: a short name and the values.
pub fn benign() -> Vec<(&'static str, Vec<String>)> {
    [
        ("korean", "sec/benign-ko-queries.txt.gz"),
        ("cp949", "sec/benign-ko-queries-cp949.txt.gz"),
        ("multilingual", "sec/benign-multilingual-queries.txt.gz"),
        ("look-alikes", "sec/benign-sql-lookalikes.txt.gz"),
    ]
    .into_iter()
    .map(|(name, file)| (name, lines(file)))
    .collect()
}

/// Parameter values of HttpParamsDataset with their kind (`norm`, `sqli`, `xss`, …), decoded.
pub fn parameters(part: &str) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(&bytes(&format!("http_params/payload_{part}.csv.gz"))).into_owned();
    let rows = csv(&text);
    rows.into_iter()
        .skip(1)
        .filter(|row| row.len() == 4)
        .map(|row| (row[0].clone(), row[2].clone()))
        .collect()
}

fn csv(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let row = rows.last_mut().expect("one row at least");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                row.last_mut().expect("one field at least").push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\n' if !quoted => rows.push(vec![String::new()]),
            '\r' if !quoted => {}
            other => row.last_mut().expect("one field at least").push(other),
        }
    }
    rows
}

/// Percent-encodes a decoded value, all but letters and digits.
pub fn encoded(value: &str) -> String {
    value
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// Requests of an ordinary site's access log.
pub fn ordinary() -> Vec<Request> {
    lines("apache_logs_10k/apache_logs.gz")
        .iter()
        .filter_map(|line| logged(line))
        .collect()
}

/// Requests of a scanner, whose lines stand in quotes.
pub fn scans() -> Vec<Request> {
    let all = lines("scanner_access_log/acunetix.log.gz");
    all.iter()
        .filter_map(|line| logged(line.trim_matches('"')))
        .collect()
}

fn logged(line: &str) -> Option<Request> {
    let mut fields = line.split_once("] \"")?.1.split("\" ");
    let uri = fields.next()?.split(' ').nth(1)?.to_owned();
    let rest: Vec<_> = line.rsplitn(5, '"').collect();
    let headers = match rest.as_slice() {
        [_, agent, _, referer, _] => vec![
            ("User-Agent".to_owned(), (*agent).to_owned()),
            ("Referer".to_owned(), (*referer).to_owned()),
        ],
        _ => Vec::new(),
    };
    Some(Request {
        uri,
        headers,
        body: None,
    })
}

/// User agents of crawlers, good ones and others.
pub fn agents() -> Vec<String> {
    let text = bytes("crawler_user_agents/crawler-user-agents.json.gz");
    let list: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    list.iter()
        .flat_map(|entry| entry["instances"].as_array().into_iter().flatten())
        .filter_map(|agent| agent.as_str().map(str::to_owned))
        .collect()
}
