//! SIGKILL at random moments: nothing acknowledged is lost, nothing is stored or found twice.

use crate::support::s3::S3;
use crate::support::service::{Service, output, sql, stderr, stdout};
use crate::support::site::Site;
use crate::support::webhook::{Answer, Webhook};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Kills per run: enough to meet every phase, bounded so that `./test` ends in time.
fn kills() -> u64 {
    match std::env::var("HAETAE_TEST_SCALE").as_deref() {
        Ok("full") => 220,
        _ => 25,
    }
}

/// xorshift64*: the same moments for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % below
    }
}

/// Where the client finds the service at the moment.
type Address = Arc<Mutex<Option<std::net::SocketAddr>>>;

/// Posts batch after batch; a batch that got no 200 is posted again under the same key.
fn client(address: Address, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicU64>) {
    const LINES: u64 = 20;
    let mut batch = 0u64;
    while !stop.load(Ordering::SeqCst) {
        let lines: Vec<String> = (0..LINES)
            .map(|i| {
                let at = jiff::Timestamp::now();
                format!("{{\"ts\":\"{at}\",\"src_ip\":\"198.51.100.{}\",\"method\":\"GET\",\"uri\":\"/p\",\"status\":200,\"ua\":\"Mozilla/5.0\",\"request_id\":\"r-{batch}-{i}\"}}\n", i % 50)
            })
            .collect();
        let body = lines.concat();
        let key = format!("batch-{batch}");
        loop {
            let now = *address.lock().expect("not poisoned");
            let headers = [
                ("Content-Type", "application/x-ndjson"),
                ("Idempotency-Key", key.as_str()),
            ];
            let reply = now.map(|a| {
                crate::support::http::request(a, "POST", "/v1/ingest?dataset=web", &headers, body.as_bytes())
            });
            if let Some(Ok(reply)) = reply
                && reply.status == 200
            {
                acknowledged.fetch_add(LINES, Ordering::SeqCst);
                break;
            }
            if stop.load(Ordering::SeqCst) {
                // The last batch may have been taken in or not; it is settled by the final service.
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        batch += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn kills_lose_nothing_and_repeat_nothing() {
    let Some(s3) = S3::start() else { return };
    let hook = Webhook::start();
    let dir = tempfile::tempdir().expect("temp dir");
    let site = Site::simulate(dir.path(), "site", &["mixed", "--seed", "3", "--duration", "40m"]);
    s3.create_bucket("logs");
    configure(dir.path(), &s3, &hook);
    let mut objects = site.objects().into_iter();
    let (address, stop) = (Address::default(), Arc::new(AtomicBool::new(false)));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let poster = {
        let (address, stop, acknowledged) = (address.clone(), stop.clone(), acknowledged.clone());
        std::thread::spawn(move || client(address, stop, acknowledged))
    };
    let mut random = Random(0x5eed);
    let total = kills();
    let each = site.objects().len() as u64 / total + 1;
    for _ in 0..total {
        for (name, bytes) in objects.by_ref().take(each as usize) {
            s3.put("logs", &name, &bytes);
        }
        if random.next(6) == 0 {
            hook.script([Answer::Status(503), Answer::RetryAfterS(429, 1)]);
        }
        let mut service = Service::start(dir.path(), &[]);
        *address.lock().expect("not poisoned") = Some(service.address);
        std::thread::sleep(Duration::from_millis(random.next(1800)));
        service.kill();
        *address.lock().expect("not poisoned") = None;
    }
    for (name, bytes) in objects {
        s3.put("logs", &name, &bytes);
    }
    let service = Service::start(dir.path(), &[]);
    *address.lock().expect("not poisoned") = Some(service.address);
    std::thread::sleep(Duration::from_secs(1));
    stop.store(true, Ordering::SeqCst);
    poster.join().expect("the client ends");
    settle(&s3, &service, site.events() + acknowledged.load(Ordering::SeqCst));
    check(dir.path(), &site, &service, acknowledged.load(Ordering::SeqCst));
    service.stop();
    let doctor = output(dir.path(), &["doctor"]);
    assert!(doctor.status.success(), "{}{}", stdout(&doctor), stderr(&doctor));
    check_messages(&hook, total);
}

fn configure(dir: &Path, s3: &S3, hook: &Webhook) -> PathBuf {
    let path = dir.join("haetae.yaml");
    let text = format!(
        "listen: 127.0.0.1:0\nlanguage: en\nflush_interval: 300ms\nsources:\n  - type: s3\n    bucket: logs\n    region: us-east-1\n    \
         endpoint: {}\n    interval: 1s\n    after_commit: delete\nnotify:\n  kpi_every: off\n  slack:\n    webhook_url: {}\n",
        s3.endpoint(),
        hook.url()
    );
    std::fs::write(&path, text).expect("config");
    path
}

/// Waits until the bucket is empty and the rows are there.
fn settle(s3: &S3, service: &Service, rows: u64) {
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        let stored = service.sql("SELECT count(*) AS n FROM events")[0]["n"]
            .as_u64()
            .unwrap_or_default();
        if s3.keys("logs").is_empty() && stored >= rows {
            std::thread::sleep(Duration::from_secs(5));
            return;
        }
        assert!(
            Instant::now() < end,
            "stored {stored} of {rows}, objects left {:?}\n{}",
            s3.keys("logs"),
            service
                .log()
                .lines()
                .rev()
                .take(30)
                .collect::<Vec<_>>()
                .join("\n")
        );
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn check(dir: &Path, site: &Site, service: &Service, acknowledged: u64) {
    let number = |text: &str| sql(dir, text)[0]["n"].as_u64().expect("a number");
    assert_eq!(
        number("SELECT count(*) AS n FROM cloudfront"),
        site.web_events(),
        "collected web events, once each"
    );
    assert_eq!(
        number("SELECT count(*) AS n FROM vpcflow"),
        site.flow_events(),
        "collected flows, once each"
    );
    let rows = number("SELECT count(*) AS n FROM web");
    let distinct = number("SELECT count(DISTINCT request_id) AS n FROM web");
    assert_eq!(rows, distinct, "a pushed event is stored twice");
    // One more batch may have been taken in whose reply the client no longer awaited.
    assert!(
        rows == acknowledged || rows == acknowledged + 20,
        "acknowledged {acknowledged}, stored {rows}"
    );
    let findings = service.get("/v1/findings?limit=5000").json();
    let findings = findings.as_array().expect("findings").clone();
    crate::support::site::assert_all_reported(site, &findings);
    let mut lines = crate::support::site::comparable(&findings);
    let before = lines.len();
    lines.dedup();
    assert_eq!(lines.len(), before, "a finding is stored twice");
}

fn check_messages(hook: &Webhook, kills: u64) {
    let messages: Vec<String> = hook.accepted().iter().map(ToString::to_string).collect();
    assert!(!messages.is_empty(), "attacks were told");
    let mut unique = messages.clone();
    unique.sort();
    unique.dedup();
    let repeated = messages.len() - unique.len();
    assert!(
        repeated as u64 <= kills,
        "{repeated} repeated messages for {kills} kills"
    );
    eprintln!(
        "crash test: {kills} kills, {} messages, {repeated} repeated",
        messages.len()
    );
}
