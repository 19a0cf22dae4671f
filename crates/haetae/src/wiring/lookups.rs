//! The remote reputation service over HTTP: the far end of the look-ups of enrichment.
//!
//! One thread takes requests at the configured pace and hands them to the runtime; replies go back
//! in the order in which they come. Every request is answered, with `Failed` while the service is
//! left alone: after a 429, or when it failed several times in a row.
//!
//! What is never printed: the URL, the header and the proxy, all of which may hold a key.

use anyhow::{Context, Result, bail};
use haetae_enrich::remote::{
    Answer, Answers, CachedLookup, FetcherEnd, REPLY_BYTES_MAX, RemoteScore, RemoteService, Work, channel,
};
use haetae_event::Clock;
use haetae_incident::Language;
use haetae_pipeline::SharedScore;
use haetae_respond::OperatorLine;
use haetae_respond::slack::retry_after;
use haetae_source::StopFlag;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, redirect};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests on their way to the service at once.
const CONCURRENCY: usize = 8;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// From the first byte out to the last byte in.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon the thread notices that it should stop.
const STEP: Duration = Duration::from_millis(100);

/// So many failures in a row, and the service is left alone for a while, each time twice as long.
const FAILURES_MAX: u32 = 5;
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// A 429 without a time, and the longest that is believed.
const WAIT_DEFAULT: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

const TELL_EVERY: Duration = Duration::from_secs(60);

/// Both ends, ready to run.
pub struct Lookups {
    score: SharedScore,
    end: FetcherEnd<u8>,
    asker: Arc<Asker>,
    pace: Duration,
}

impl Lookups {
    /// Asks nothing yet. Uses the process's default rustls crypto provider.
    ///
    /// # Errors
    /// When `header_file` or `proxy` cannot be used, or no HTTP client can be made.
    pub fn new(service: &RemoteService, clock: Arc<dyn Clock>, operator: OperatorLine) -> Result<Self> {
        let bounds = service.bounds();
        let (near, end) = channel(bounds.in_flight_max);
        let lookup = CachedLookup::new(Box::new(near), clock.clone(), bounds);
        let asker = Asker {
            client: client(service)?,
            service: service.clone(),
            clock,
            operator,
            health: Mutex::default(),
        };
        Ok(Lookups {
            score: Arc::new(Mutex::new(RemoteScore::new(lookup))),
            end,
            asker: Arc::new(asker),
            pace: Duration::from_secs(1) / service.requests_per_s,
        })
    }

    /// What the operator must know before the first request.
    pub fn announcement(service: &RemoteService, language: Language) -> String {
        let (name, host, pace) = (&service.name, service.host(), service.requests_per_s);
        match language {
            Language::Ko => format!(
                "주의: 접속자 주소가 이 장비를 떠납니다. enrich.remote {name}: 공인 주소를 {host}에 보냅니다(초당 {pace}개까지)"
            ),
            Language::En => format!(
                "note: client addresses leave this machine. enrich.remote {name}: public addresses are sent to {host} (up to {pace} a second)"
            ),
        }
    }

    /// The enricher.
    pub fn score(&self) -> SharedScore {
        self.score.clone()
    }

    /// Serves requests until `stop` is set or nobody can make any.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn spawn(self, runtime: Handle, stop: StopFlag) -> std::io::Result<JoinHandle<()>> {
        let Lookups { end, asker, pace, .. } = self;
        std::thread::Builder::new()
            .name("lookups".to_owned())
            .spawn(move || serve(&end, &asker, pace, &runtime, &stop))
    }
}

fn serve(end: &FetcherEnd<u8>, asker: &Arc<Asker>, pace: Duration, runtime: &Handle, stop: &StopFlag) {
    let slots = Arc::new(Semaphore::new(CONCURRENCY));
    let mut next = Instant::now();
    while !stop.is_set() {
        let address = match end.next(STEP) {
            Work::Fetch(address) => address,
            Work::Idle => continue,
            Work::Closed => return,
        };
        if asker.is_paused() {
            end.answer(address, Answer::Failed);
            continue;
        }
        if stop.sleep(next.saturating_duration_since(Instant::now())) {
            return;
        }
        let Some(slot) = free_slot(&slots, runtime, stop) else {
            return;
        };
        next = Instant::now() + pace;
        runtime.spawn(one(asker.clone(), address, end.answers(), slot));
    }
}

/// Waits for one of the requests on their way to end; `None` when told to stop.
fn free_slot(slots: &Arc<Semaphore>, runtime: &Handle, stop: &StopFlag) -> Option<OwnedSemaphorePermit> {
    while !stop.is_set() {
        let free = slots.clone().acquire_owned();
        let free = runtime.block_on(async { tokio::time::timeout(STEP, free).await });
        if let Ok(slot) = free {
            return slot.ok();
        }
    }
    None
}

async fn one(asker: Arc<Asker>, address: IpAddr, answers: Answers<u8>, slot: OwnedSemaphorePermit) {
    let answer = asker.ask(address).await;
    answers.answer(address, answer);
    drop(slot);
}

fn client(service: &RemoteService) -> Result<Client> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(path) = &service.header_file {
        let (name, value) = header(path)?;
        headers.insert(name, value);
    }
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .https_only(service.url.starts_with("https:"))
        .pool_max_idle_per_host(CONCURRENCY)
        .user_agent(concat!("haetae/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers);
    if let Some(proxy) = &service.proxy {
        // The error may repeat the address with its password.
        let Ok(proxy) = reqwest::Proxy::all(proxy) else {
            bail!("enrich.remote.proxy is not a URL such as http://proxy.example:3128");
        };
        builder = builder.proxy(proxy);
    }
    builder
        .build()
        .map_err(|error| anyhow::anyhow!("enrich.remote: no HTTP client: {}", error.without_url()))
}

/// The one line of the file; nothing of it is repeated in errors.
fn header(path: &Path) -> Result<(HeaderName, HeaderValue)> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read enrich.remote.header_file {shown}"))?;
    let parsed = text.trim().split_once(':').and_then(|(name, value)| {
        let name: HeaderName = name.trim().parse().ok()?;
        let mut value: HeaderValue = value.trim().parse().ok()?;
        value.set_sensitive(true);
        Some((name, value))
    });
    parsed.with_context(|| format!("enrich.remote.header_file {shown} is not one line `Name: value`"))
}

/// One request at a time, and whether there should be any.
struct Asker {
    client: Client,
    service: RemoteService,
    clock: Arc<dyn Clock>,
    operator: OperatorLine,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    paused_until: Option<Instant>,
    told: Option<Instant>,
    untold: u64,
}

/// Why there is no answer.
struct Trouble {
    why: String,
    /// The service said when to come back.
    wait: Option<Duration>,
}

impl Trouble {
    fn plain(why: impl Into<String>) -> Self {
        Trouble {
            why: why.into(),
            wait: None,
        }
    }
}

impl Asker {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_paused(&self) -> bool {
        self.health()
            .paused_until
            .is_some_and(|until| Instant::now() < until)
    }

    async fn ask(&self, address: IpAddr) -> Answer<u8> {
        // The pause may have begun while this request waited for its turn.
        if self.is_paused() {
            return Answer::Failed;
        }
        match self.fetch(address).await {
            Ok(answer) => {
                self.health().failures = 0;
                answer
            }
            Err(trouble) => {
                let line = self.health().failed(&trouble, Instant::now());
                if let Some(line) = line {
                    let (name, host) = (&self.service.name, self.service.host());
                    (self.operator)(&format!("enrich.remote {name} ({host}): {line}"));
                }
                Answer::Failed
            }
        }
    }

    async fn fetch(&self, address: IpAddr) -> Result<Answer<u8>, Trouble> {
        let sent = self.client.get(self.service.url_of(address)).send().await;
        let response = sent.map_err(|error| Trouble::plain(kind(&error)))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(Answer::NotFound),
            status => return Err(self.refusal(status, &response)),
        }
        let reply = read(response).await?;
        self.service
            .score(&reply)
            .map_err(|error| Trouble::plain(error.to_string()))
    }

    fn refusal(&self, status: u16, response: &Response) -> Trouble {
        let said = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after::parse(value, self.clock.now()));
        let wait = match status {
            429 => Some(said.unwrap_or(WAIT_DEFAULT)),
            503 => said,
            _ => None,
        };
        Trouble {
            why: format!("HTTP {status}"),
            wait: wait.map(|wait| wait.min(WAIT_MAX)),
        }
    }
}

impl Health {
    /// Takes a failure in; the line for the operator, at most once a minute.
    fn failed(&mut self, trouble: &Trouble, now: Instant) -> Option<String> {
        self.failures = self.failures.saturating_add(1);
        let paused = self.paused_until.is_some_and(|until| now < until);
        let pause = trouble.wait.or_else(|| {
            // Those that were on their way when the pause began do not make it longer.
            let doubled = self.failures.checked_sub(FAILURES_MAX).filter(|_| !paused)?;
            Some((PAUSE_FIRST * 2u32.pow(doubled.min(10))).min(PAUSE_MAX))
        });
        if let Some(pause) = pause {
            self.paused_until = self.paused_until.max(Some(now + pause));
        }
        if self
            .told
            .is_some_and(|told| now.duration_since(told) < TELL_EVERY)
        {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        let mut line = trouble.why.clone();
        if let Some(pause) = pause {
            line.push_str(&format!("; asked again in {} s", pause.as_secs()));
        }
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            line.push_str(&format!("; {untold} failures since the last line like this"));
        }
        line.push_str("; rows go on without its score");
        Some(line)
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut reply = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if reply.len() + chunk.len() <= REPLY_BYTES_MAX => {
                reply.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => {
                return Err(Trouble::plain(format!(
                    "the reply is larger than {REPLY_BYTES_MAX} bytes"
                )));
            }
            Ok(None) => return Ok(reply),
            Err(error) => return Err(Trouble::plain(kind(&error))),
        }
    }
}

/// The kind of a transport error: its own text may carry the URL.
fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "connection failed"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_pause_longer_and_longer_and_are_told_once_a_minute() {
        let mut health = Health::default();
        let start = Instant::now();
        let down = Trouble::plain("cannot connect");
        assert!(health.failed(&down, start).is_some());
        for _ in 1..FAILURES_MAX {
            assert_eq!(health.paused_until, None);
            assert_eq!(health.failed(&down, start), None);
        }
        assert_eq!(health.paused_until, Some(start + PAUSE_FIRST));
        // On its way when the pause began.
        health.failed(&down, start);
        assert_eq!(health.paused_until, Some(start + PAUSE_FIRST));
        let later = start + TELL_EVERY;
        let line = health.failed(&down, later).expect("a minute later");
        assert!(line.contains("5 failures since"), "{line}");
        assert_eq!(health.paused_until, Some(later + PAUSE_FIRST * 4));
        for _ in 0..100 {
            health.failures = health.failures.saturating_add(1);
        }
        health.failed(&down, later + PAUSE_MAX);
        assert_eq!(health.paused_until, Some(later + PAUSE_MAX * 2));
    }

    #[test]
    fn the_service_says_when_to_come_back() {
        let mut health = Health::default();
        let start = Instant::now();
        let busy = Trouble {
            why: "HTTP 429".to_owned(),
            wait: Some(Duration::from_secs(7)),
        };
        let line = health.failed(&busy, start).expect("the first");
        assert!(line.contains("HTTP 429; asked again in 7 s"), "{line}");
        assert_eq!(health.paused_until, Some(start + Duration::from_secs(7)));
    }

    #[test]
    fn a_header_file_is_one_line_and_never_repeated() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("header");
        std::fs::write(&path, "X-Api-Key: s3cret\n").expect("written");
        let (name, value) = header(&path).expect("sound");
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("x-api-key", b"s3cret".as_slice())
        );
        assert!(!format!("{value:?}").contains("s3cret"));
        for bad in ["s3cret", "a b: s3cret", "A: s3cret\nB: s3cret", ""] {
            std::fs::write(&path, bad).expect("written");
            let said = format!("{:#}", header(&path).expect_err(bad));
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}
