//! A small S3 over HTTP for tests: list, get with ranges, head, copy, delete, and faults.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "test inputs are small and known"
)]

use haetae_event::identity::{digest, hex};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Every request is answered so.
    All(u16, &'static str),
    /// Requests for this key are.
    Key(String, u16, &'static str),
    /// The first so many bodies end after so many bytes.
    Cut { times: u32, after: usize },
    /// No answer at all.
    Silent,
}

#[derive(Default)]
pub struct Content {
    pub objects: BTreeMap<String, Vec<u8>>,
    pub troubles: Vec<Trouble>,
    pub requests: Vec<String>,
    pub largest_page: usize,
    pub hidden_from_get: HashSet<String>,
}

pub struct MiniS3 {
    pub endpoint: String,
    pub content: Arc<Mutex<Content>>,
}

struct Request {
    method: String,
    key: String,
    query: HashMap<String, String>,
    headers: HashMap<String, String>,
}

struct Reply {
    status: u16,
    headers: String,
    body: Vec<u8>,
    cut: Option<usize>,
}

pub fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &hex(&digest(&[bytes]))[..16])
}

fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl MiniS3 {
    pub fn start(objects: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let content = Arc::new(Mutex::new(Content::default()));
        for (key, bytes) in objects {
            content
                .lock()
                .unwrap()
                .objects
                .insert((*key).to_owned(), bytes.to_vec());
        }
        let shared = content.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let content = shared.clone();
                std::thread::spawn(move || serve(stream, &content));
            }
        });
        MiniS3 { endpoint, content }
    }

    pub fn trouble(&self, trouble: Trouble) {
        self.content.lock().unwrap().troubles.push(trouble);
    }

    pub fn well_again(&self) {
        self.content.lock().unwrap().troubles.clear();
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.content
            .lock()
            .unwrap()
            .objects
            .insert(key.to_owned(), bytes.to_vec());
    }

    pub fn keys(&self) -> Vec<String> {
        self.content.lock().unwrap().objects.keys().cloned().collect()
    }
}

fn serve(stream: TcpStream, content: &Mutex<Content>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader) {
        if content.lock().unwrap().troubles.contains(&Trouble::Silent) {
            std::thread::sleep(Duration::from_secs(20));
            return;
        }
        let reply = answer(&request, &mut content.lock().unwrap());
        let sent = if request.method == "HEAD" {
            &[][..]
        } else {
            &reply.body[..]
        };
        let head = format!(
            "HTTP/1.1 {} X\r\ncontent-length: {}\r\n{}\r\n",
            reply.status,
            reply.body.len(),
            reply.headers
        );
        let end = reply.cut.unwrap_or(sent.len()).min(sent.len());
        let written = writer
            .write_all(head.as_bytes())
            .and_then(|()| writer.write_all(&sent[..end]));
        if written.is_err() || reply.cut.is_some() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
    let mut parts = line.split_whitespace();
    let (method, target) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length: usize = headers
        .get("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0u8; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.map(|(name, value)| (plain(name), plain(value))).collect();
    let key = plain(
        path.trim_start_matches('/')
            .split_once('/')
            .map_or("", |(_, key)| key),
    );
    // A bulk deletion names its keys in the body.
    let key = match String::from_utf8_lossy(&body).split_once("<Key>") {
        Some((_, rest)) if method == "POST" => rest.split('<').next().unwrap_or("").to_owned(),
        _ => key,
    };
    Some(Request {
        method,
        key,
        query,
        headers,
    })
}

fn fault(status: u16, code: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    Reply {
        status,
        headers: String::new(),
        body: body.into_bytes(),
        cut: None,
    }
}

fn answer(request: &Request, content: &mut Content) -> Reply {
    content
        .requests
        .push(format!("{} {}", request.method, request.key));
    for trouble in &content.troubles {
        match trouble {
            Trouble::All(status, code) => return fault(*status, code),
            Trouble::Key(key, status, code) if *key == request.key => return fault(*status, code),
            _ => {}
        }
    }
    if request.query.contains_key("list-type") {
        return list(request, content);
    }
    match request.method.as_str() {
        "GET" | "HEAD" => get(request, content),
        "PUT" => {
            let from = plain(request.headers.get("x-amz-copy-source").map_or("", |from| from));
            let from = from
                .trim_start_matches('/')
                .split_once('/')
                .map_or("", |(_, key)| key)
                .to_owned();
            match content.objects.get(&from).cloned() {
                Some(bytes) => {
                    let body = format!(
                        "<CopyObjectResult><ETag>{}</ETag></CopyObjectResult>",
                        etag(&bytes)
                    );
                    content.objects.insert(request.key.clone(), bytes);
                    Reply {
                        status: 200,
                        headers: String::new(),
                        body: body.into_bytes(),
                        cut: None,
                    }
                }
                None => fault(404, "NoSuchKey"),
            }
        }
        "DELETE" => {
            content.objects.remove(&request.key);
            Reply {
                status: 204,
                headers: String::new(),
                body: Vec::new(),
                cut: None,
            }
        }
        _ => {
            content.objects.remove(&request.key);
            let body = format!(
                "<DeleteResult><Deleted><Key>{}</Key></Deleted></DeleteResult>",
                request.key
            );
            Reply {
                status: 200,
                headers: String::new(),
                body: body.into_bytes(),
                cut: None,
            }
        }
    }
}

fn get(request: &Request, content: &mut Content) -> Reply {
    let found = content
        .objects
        .get(&request.key)
        .filter(|_| !content.hidden_from_get.contains(&request.key));
    let Some(bytes) = found.cloned() else {
        return fault(404, "NoSuchKey");
    };
    if request
        .headers
        .get("if-match")
        .is_some_and(|wanted| *wanted != etag(&bytes))
    {
        return fault(412, "PreconditionFailed");
    }
    let mut headers = format!(
        "etag: {}\r\nlast-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
        etag(&bytes)
    );
    let mut reply = Reply {
        status: 200,
        headers: String::new(),
        body: bytes.clone(),
        cut: None,
    };
    if let Some(range) = request
        .headers
        .get("range")
        .and_then(|text| text.strip_prefix("bytes="))
    {
        let (from, to) = range.split_once('-').expect("from-to");
        let from: usize = from.parse().expect("a number");
        let to = to.parse().unwrap_or(bytes.len() - 1).min(bytes.len() - 1);
        headers.push_str(&format!("content-range: bytes {from}-{to}/{}\r\n", bytes.len()));
        reply = Reply {
            status: 206,
            body: bytes[from..=to].to_vec(),
            ..reply
        };
    }
    for trouble in &mut content.troubles {
        if let Trouble::Cut { times, after } = trouble
            && *times > 0
            && request.method == "GET"
        {
            *times -= 1;
            reply.cut = Some(*after);
            break;
        }
    }
    Reply { headers, ..reply }
}

fn list(request: &Request, content: &mut Content) -> Reply {
    let prefix = request.query.get("prefix").map_or("", String::as_str);
    let after = request
        .query
        .get("continuation-token")
        .cloned()
        .unwrap_or_default();
    let page_keys: usize = request
        .query
        .get("max-keys")
        .and_then(|text| text.parse().ok())
        .unwrap_or(1000);
    let mut matching = content
        .objects
        .range(after.clone()..)
        .filter(|(key, _)| key.starts_with(prefix) && **key > after);
    let page: Vec<_> = matching.by_ref().take(page_keys).collect();
    let more = matching.next().is_some();
    let mut body = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
    body.push_str(&format!("<IsTruncated>{more}</IsTruncated>"));
    if let (true, Some((last, _))) = (more, page.last()) {
        body.push_str(&format!("<NextContinuationToken>{last}</NextContinuationToken>"));
    }
    for (key, bytes) in &page {
        let (size, etag) = (bytes.len(), etag(bytes));
        body.push_str(&format!(
            "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>{etag}</ETag><Size>{size}</Size></Contents>"
        ));
    }
    body.push_str("</ListBucketResult>");
    let shown = page.len();
    content.largest_page = content.largest_page.max(shown);
    Reply {
        status: 200,
        headers: String::new(),
        body: body.into_bytes(),
        cut: None,
    }
}
