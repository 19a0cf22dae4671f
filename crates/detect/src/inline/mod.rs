//! The answer to one request at a time: what `POST /detect` says.
//!
//! What is here: the seed rules (rate of a client, programs no visitor uses, `Accept` headers that
//! do not fit, sensitive paths, a static file asked for over and over), then a learned model, if
//! one is given. Counters are kept per origin, so that a request which comes again in the access
//! log weighs no more than once.
//!
//! What is not here: HTTP, and findings: those come from the logs.

mod counts;
mod settings;

pub use counts::{Counts, Origin};
pub use settings::InlineSettings;

use crate::behaviours::paths::{Segments, normalised};
use crate::engine::value::{Column, Value};
use ahash::RandomState;
use aho_corasick::AhoCorasick;
use haetae_event::asset::is_asset;
use haetae_event::net::parse_address;
use haetae_event::{EventBatch, TenantId};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// One request, as the site describes it.
#[derive(Clone, Debug)]
pub struct InlineRequest<'a> {
    pub tenant: &'a TenantId,
    /// The client's address, canonical text.
    pub ip: &'a str,
    /// Event time, µs.
    pub ts_us: i64,
    pub method: &'a str,
    pub uri: &'a str,
    pub ua: Option<&'a str>,
    /// Name and value, as sent; `None` when the site does not pass headers on.
    pub headers: Option<&'a [(&'a str, &'a str)]>,
}

/// What reached the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Rule,
    Model,
}

/// What is said of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub anomaly: bool,
    pub method: Option<Method>,
    /// The rule (or model) with the highest score.
    pub rule_id: Option<Arc<str>>,
    /// 0..1.
    pub score: f64,
    /// For people, one for each rule that held.
    pub reasons: Vec<String>,
}

/// A learned model behind the rules.
pub trait InlineModel: Send + Sync {
    /// Name and version, e.g. `traffic@3`.
    fn id(&self) -> &str;

    /// Score 0..1 and whether it is an anomaly, with the features that made it so; `None` while
    /// too little is known of the client. `count` is the client's requests in the window.
    fn score(&self, request: &InlineRequest<'_>, count: u64) -> Option<(f64, bool, Vec<String>)>;

    /// Requests of an access log, some of which may have been asked about before: those must not
    /// weigh twice.
    fn observe(&self, _batch: &EventBatch) {}
}

/// The judge. Shared by all connections; a request takes at most four short locks.
pub struct Inline {
    seed: RwLock<Arc<Seed>>,
    hasher: RandomState,
    model: RwLock<Option<Arc<dyn InlineModel>>>,
}

/// The seed rules, ready for requests, with what was counted for them.
struct Seed {
    settings: InlineSettings,
    agents: AhoCorasick,
    counts: Arc<Counts>,
}

impl Seed {
    fn new(settings: InlineSettings, counts: Arc<Counts>) -> Seed {
        let agents = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&settings.user_agent.contains)
            .expect("a list of names fits an automaton");
        Seed {
            settings,
            agents,
            counts,
        }
    }

    fn counts_of(settings: &InlineSettings) -> Arc<Counts> {
        Arc::new(Counts::new(settings.window_s, settings.memory_mib << 20))
    }
}

/// What a window's key is about.
const CLIENT: u8 = 0;
const SENSITIVE: u8 = 1;
const STATIC: u8 = 2;

impl Inline {
    /// # Panics
    /// When the list of agents is larger than an automaton can be (2 GiB).
    pub fn new(settings: InlineSettings, model: Option<Box<dyn InlineModel>>) -> Inline {
        let counts = Seed::counts_of(&settings);
        Inline {
            seed: RwLock::new(Arc::new(Seed::new(settings, counts))),
            hasher: RandomState::new(),
            model: RwLock::new(model.map(Arc::from)),
        }
    }

    /// Other seed rules from the next request on. What was counted stays, unless the window or the
    /// memory is another.
    ///
    /// # Panics
    /// As [`Inline::new`].
    pub fn set_settings(&self, settings: InlineSettings) {
        let before = self.seed();
        if before.settings == settings {
            return;
        }
        let same = before.settings.window_s == settings.window_s
            && before.settings.memory_mib == settings.memory_mib;
        let counts = match same {
            true => before.counts.clone(),
            false => Seed::counts_of(&settings),
        };
        let seed = Arc::new(Seed::new(settings, counts));
        *self.seed.write().unwrap_or_else(PoisonError::into_inner) = seed;
    }

    fn seed(&self) -> Arc<Seed> {
        self.seed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another model, or none, from the next request on.
    pub fn set_model(&self, model: Option<Arc<dyn InlineModel>>) {
        *self.model.write().unwrap_or_else(PoisonError::into_inner) = model;
    }

    fn model(&self) -> Option<Arc<dyn InlineModel>> {
        self.model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts the request and judges it.
    pub fn judge(&self, request: &InlineRequest<'_>) -> Answer {
        let mut verdict = Held::default();
        let seed = self.seed();
        let counted = seed.count(&self.hasher, request, Origin::Inline);
        seed.rates(&counted, &mut verdict);
        seed.agent(request, &mut verdict);
        seed.accept(request, &mut verdict);
        let mut answer = verdict.answer(seed.settings.score_min);
        // The model sees every request, so that its window is whole when no rule holds.
        let model = self.model();
        let judged = model
            .as_ref()
            .and_then(|model| model.score(request, counted.client));
        if !answer.anomaly
            && let (Some(model), Some((score, anomaly, reasons))) = (&model, judged)
        {
            if anomaly {
                answer.method = Some(Method::Model);
                answer.rule_id = Some(model.id().into());
                answer.reasons.extend(reasons);
            }
            answer.anomaly = anomaly;
            answer.score = answer.score.max(score);
        }
        answer
    }

    /// Counts the requests of an access log, so that what was not asked about is known too.
    pub fn observe(&self, batch: &EventBatch) {
        if !batch.dataset.is_web() {
            return;
        }
        if let Some(model) = self.model() {
            model.observe(batch);
        }
        let columns = ["src_ip", "method", "uri", "ua"].map(|name| Column::of(batch, name));
        let text = |at: usize, row: usize| match columns[at].value(row) {
            Value::Text(text) => Some(text),
            _ => None,
        };
        let seed = self.seed();
        for (row, &ts_us) in batch.ts().values().iter().enumerate() {
            let (Some(ip), Some(uri)) = (text(0, row), text(2, row)) else {
                continue;
            };
            let request = InlineRequest {
                tenant: &batch.tenant,
                ip,
                ts_us,
                method: text(1, row).unwrap_or("GET"),
                uri,
                ua: text(3, row),
                headers: None,
            };
            seed.count(&self.hasher, &request, Origin::Log(batch.dataset));
        }
    }

    /// Clients and paths that are remembered, and how many were forgotten to make room.
    pub fn keys(&self) -> (usize, u64) {
        self.seed().counts.keys()
    }
}

impl Seed {
    fn count(&self, hasher: &RandomState, request: &InlineRequest<'_>, origin: Origin) -> Counted {
        let at = request.ts_us.div_euclid(1_000_000);
        let client = hasher.hash_one((request.tenant.as_str(), client_of(request.ip)));
        let count = |kind: u8, of: &str| {
            let key = hasher.hash_one((client, kind, of));
            self.counts.count(key, at, origin)
        };
        let path = normalised(request.uri);
        let sensitive = Segments::of(&path).any_of(&self.settings.sensitive_uri.segments);
        Counted {
            client: count(CLIENT, ""),
            sensitive: if sensitive { count(SENSITIVE, "") } else { 0 },
            // The query is left out: changing it does not make another file.
            static_file: if is_asset(&path) { count(STATIC, &path) } else { 0 },
        }
    }

    fn rates(&self, counted: &Counted, verdict: &mut Held) {
        let s = &self.settings;
        let seconds = s.window_s;
        if counted.client >= s.ip_rate.requests_min {
            let line = format!("{} requests in {seconds} s", counted.client);
            verdict.hold("inline.ip_rate", s.ip_rate.score, line);
        }
        if counted.sensitive >= s.sensitive_uri.requests_min {
            let line = format!(
                "{} requests for sensitive paths in {seconds} s",
                counted.sensitive
            );
            verdict.hold("inline.sensitive_uri", s.sensitive_uri.score, line);
        }
        if counted.static_file >= s.static_repeat.requests_min {
            let line = format!(
                "the same static file {} times in {seconds} s",
                counted.static_file
            );
            verdict.hold("inline.static_repeat", s.static_repeat.score, line);
        }
    }

    fn agent(&self, request: &InlineRequest<'_>, verdict: &mut Held) {
        let s = &self.settings.user_agent;
        let agent = request.ua.unwrap_or("").trim();
        if agent.is_empty() || agent == "-" {
            verdict.hold("inline.user_agent", s.empty_score, "no User-Agent".into());
        } else if let Some(found) = self.agents.find(agent) {
            let name = &s.contains[found.pattern().as_usize()];
            verdict.hold("inline.user_agent", s.score, format!("User-Agent of {name}"));
        }
    }

    fn accept(&self, request: &InlineRequest<'_>, verdict: &mut Held) {
        let (Some(headers), Some(agent)) = (request.headers, request.ua) else {
            return;
        };
        let header = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim())
        };
        if !claims_browser(agent) || is_asset(request.uri) {
            return;
        }
        let line = match header("accept") {
            None | Some("") => "a browser's User-Agent without an Accept header",
            Some(accept) if !accept.contains('/') => "an Accept header that names no media type",
            // Browsers say what they accept of a page they navigate to; only scripts of a page ask
            // for anything, and then they name the page and the way they were sent.
            Some("*/*")
                if request.method.eq_ignore_ascii_case("GET")
                    && header("accept-language").is_none()
                    && header("referer").is_none()
                    && header("sec-fetch-mode").is_none() =>
            {
                "a browser's User-Agent with the headers of a script"
            }
            Some(_) => return,
        };
        verdict.hold("inline.accept", self.settings.accept.score, line.into());
    }
}

/// Who is counted as one: an address, of v6 its /64, which is what one customer or one machine has
/// and may change within at will (RFC 8981; RIPE-690 on assignments).
fn client_of(ip: &str) -> Result<[u8; 8], &str> {
    match ip.contains(':').then(|| parse_address(ip)).flatten() {
        Some(IpAddr::V6(six)) => Ok(*six.octets().first_chunk().expect("sixteen octets")),
        _ => Err(ip),
    }
}

/// Window counts with the request itself; 0 where it is no such request.
struct Counted {
    client: u64,
    sensitive: u64,
    static_file: u64,
}

/// Rules that held, the highest first in `rule`.
#[derive(Default)]
struct Held {
    rule: Option<&'static str>,
    score: f64,
    reasons: Vec<String>,
}

impl Held {
    fn hold(&mut self, rule: &'static str, score: f64, reason: String) {
        if self.rule.is_none() || score > self.score {
            self.rule = Some(rule);
            self.score = score;
        }
        self.reasons.push(reason);
    }

    fn answer(self, score_min: f64) -> Answer {
        let anomaly = self.rule.is_some() && self.score >= score_min;
        Answer {
            anomaly,
            method: anomaly.then_some(Method::Rule),
            rule_id: self.rule.filter(|_| anomaly).map(Arc::from),
            score: self.score,
            reasons: self.reasons,
        }
    }
}

/// Whether an agent says it is a person's browser.
fn claims_browser(agent: &str) -> bool {
    let robot = ["bot", "spider", "crawl", "preview", "compatible;"];
    agent.starts_with("Mozilla/5.0 (")
        && ["Chrome/", "Firefox/", "Safari/"]
            .iter()
            .any(|name| agent.contains(name))
        && !robot.iter().any(|name| {
            memchr::memmem::find(agent.to_ascii_lowercase().as_bytes(), name.as_bytes()).is_some()
        })
}
