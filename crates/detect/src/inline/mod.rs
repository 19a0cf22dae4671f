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

use crate::engine::value::{Column, Value, split_uri};
use ahash::RandomState;
use aho_corasick::AhoCorasick;
use haetae_event::asset::is_asset;
use haetae_event::{EventBatch, TenantId};
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
    settings: InlineSettings,
    agents: AhoCorasick,
    counts: Counts,
    hasher: RandomState,
    model: RwLock<Option<Arc<dyn InlineModel>>>,
}

/// What a window's key is about.
const CLIENT: u8 = 0;
const SENSITIVE: u8 = 1;
const STATIC: u8 = 2;

impl Inline {
    /// # Panics
    /// When the list of agents is larger than an automaton can be (2 GiB).
    pub fn new(settings: InlineSettings, model: Option<Box<dyn InlineModel>>) -> Inline {
        let agents = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&settings.user_agent.contains)
            .expect("a list of names fits an automaton");
        Inline {
            counts: Counts::new(settings.window_s, settings.memory_mib << 20),
            agents,
            settings,
            hasher: RandomState::new(),
            model: RwLock::new(model.map(Arc::from)),
        }
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
        let counted = self.count(request, Origin::Inline);
        self.rates(&counted, &mut verdict);
        self.agent(request, &mut verdict);
        self.accept(request, &mut verdict);
        let mut answer = verdict.answer(self.settings.score_min);
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
            self.count(&request, Origin::Log);
        }
    }

    /// Clients and paths that are remembered, and how many were forgotten to make room.
    pub fn keys(&self) -> (usize, u64) {
        self.counts.keys()
    }

    fn count(&self, request: &InlineRequest<'_>, origin: Origin) -> Counted {
        let at = request.ts_us.div_euclid(1_000_000);
        let client = self.hasher.hash_one((request.tenant.as_str(), request.ip));
        let count = |kind: u8, of: &str| {
            let key = self.hasher.hash_one((client, kind, of));
            self.counts.count(key, at, origin)
        };
        let stem = split_uri(request.uri).0;
        let sensitive = stem.split('/').any(|segment| {
            let listed = &self.settings.sensitive_uri.segments;
            listed.iter().any(|known| known.eq_ignore_ascii_case(segment))
        });
        Counted {
            client: count(CLIENT, ""),
            sensitive: if sensitive { count(SENSITIVE, "") } else { 0 },
            // The query is left out: changing it does not make another file.
            static_file: if is_asset(stem) { count(STATIC, stem) } else { 0 },
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
