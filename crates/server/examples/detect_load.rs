//! Open-loop load on `POST /detect`: requests leave at fixed times, whether or not earlier ones
//! were answered, and each latency counts from the time its request was due, so that a server that
//! stalls cannot hide the requests it held up (coordinated omission).
//!
//! `detect_load ADDRESS [requests_per_s] [seconds] [connections]`; prints one Markdown table row.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "python-requests/2.32",
];
const PATHS: [&str; 6] = [
    "/",
    "/event/1042?date=2026-03-01",
    "/api/v1/seats?section=B",
    "/login",
    "/static/app.4f2c.js",
    "/search?q=%ED%8B%B0%EC%BC%93%20%EC%98%88%EB%A7%A4&page=2",
];

struct Load {
    address: String,
    connections: u64,
    requests_per_s: f64,
    end: Duration,
    started: Instant,
    anomalies: AtomicU64,
    failed: AtomicU64,
}

/// A request of one of about 50,000 clients, a few of them busy.
fn request(load: &Load, n: u64) -> Vec<u8> {
    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    let client = if mixed.is_multiple_of(50) {
        n % 7
    } else {
        mixed % 50_000
    };
    let agent = match mixed % 40 {
        0 => AGENTS[2],
        1..20 => AGENTS[1],
        _ => AGENTS[0],
    };
    let body = format!(
        r#"{{"ip":"10.{}.{}.{}","method":"GET","uri":"{}","ua":"{agent}","headers":{{"Accept":"text/html,*/*;q=0.8","Accept-Language":"ko-KR"}},"request_id":"{n}"}}"#,
        client >> 16,
        (client >> 8) & 255,
        client & 255,
        PATHS[(mixed % 6) as usize],
    );
    format!(
        "POST /detect HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        load.address,
        body.len()
    )
    .into_bytes()
}

/// Reads one answer; `Some(anomaly)` when it is a 200.
fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<bool>> {
    buffer.clear();
    let mut chunk = [0u8; 4096];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(buffer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length: Option<usize> = head.lines().find_map(|line| {
            let line = line.to_ascii_lowercase();
            line.strip_prefix("content-length:")?.trim().parse().ok()
        });
        if length.is_some_and(|length| body.len() >= length) {
            let ok = head.starts_with("HTTP/1.1 200");
            return Ok(ok.then(|| body.contains("\"anomaly\":true")));
        }
    }
}

/// One connection's share of the schedule: latency and due time of each request, µs.
fn drive(load: &Load, connection: u64) -> Vec<(u32, u64)> {
    let mut latencies = Vec::new();
    let mut buffer = Vec::new();
    let Ok(mut stream) = TcpStream::connect(&load.address) else {
        load.failed.fetch_add(1, Ordering::Relaxed);
        return latencies;
    };
    stream.set_nodelay(true).ok();
    for n in (connection..).step_by(usize::try_from(load.connections).expect("a few connections")) {
        let due = Duration::from_secs_f64(n as f64 / load.requests_per_s);
        if due >= load.end {
            break;
        }
        if let Some(wait) = due.checked_sub(load.started.elapsed()) {
            std::thread::sleep(wait);
        }
        let answered = stream
            .write_all(&request(load, n))
            .and_then(|()| answer(&mut stream, &mut buffer));
        match answered {
            Ok(Some(anomaly)) => {
                load.anomalies.fetch_add(u64::from(anomaly), Ordering::Relaxed);
                let late = load.started.elapsed().saturating_sub(due);
                let late = u32::try_from(late.as_micros()).unwrap_or(u32::MAX);
                latencies.push((late, u64::try_from(due.as_micros()).unwrap_or(u64::MAX)));
            }
            Ok(None) => {
                load.failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                load.failed.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
    latencies
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(address) = arguments.next() else {
        eprintln!("usage: detect_load ADDRESS [requests_per_s] [seconds] [connections]");
        return ExitCode::from(2);
    };
    let mut number = |default: f64| {
        arguments
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (requests_per_s, seconds, connections) = (number(20_000.0), number(20.0), number(64.0));
    let load = Arc::new(Load {
        address,
        connections: connections as u64,
        requests_per_s,
        end: Duration::from_secs_f64(seconds),
        started: Instant::now() + Duration::from_millis(200),
        anomalies: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let threads: Vec<_> = (0..load.connections)
        .map(|connection| {
            let load = load.clone();
            std::thread::spawn(move || {
                std::thread::sleep(load.started.saturating_duration_since(Instant::now()));
                drive(&load, connection)
            })
        })
        .collect();
    let mut latencies: Vec<(u32, u64)> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("threads do not panic"))
        .collect();
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        f64::from(latencies.get(place).map_or(0, |&(late, _)| late)) / 1000.0
    };
    println!(
        "| {requests_per_s:.0}/s asked | {:.0}/s answered | p50 {:.2} ms | p90 {:.2} | p99 {:.2} | p99.9 {:.2} | max {:.2} | {} anomalies | {} failed |",
        latencies.len() as f64 / seconds,
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0),
        load.anomalies.load(Ordering::Relaxed),
        load.failed.load(Ordering::Relaxed),
    );
    stalls(&latencies);
    ExitCode::SUCCESS
}

/// Says when answers took longest: a stall shows as many late requests due one after the other.
fn stalls(latencies: &[(u32, u64)]) {
    const LATE_US: u32 = 20_000;
    let mut late: Vec<(u64, u32)> = latencies
        .iter()
        .filter(|(late, _)| *late > LATE_US)
        .map(|&(late, due)| (due, late))
        .collect();
    late.sort_unstable();
    for run in late.chunk_by(|a, b| b.0 - a.0 < u64::from(LATE_US)) {
        let longest = run.iter().map(|(_, late)| *late).max().unwrap_or(0);
        eprintln!(
            "stall at {:.2} s: {} requests, the longest {:.0} ms",
            run[0].0 as f64 / 1e6,
            run.len(),
            f64::from(longest) / 1000.0
        );
    }
}
