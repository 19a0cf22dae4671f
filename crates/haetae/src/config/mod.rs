//! `haetae.yaml`: the keys of the contract, read once and passed down.

mod load;
mod schema;
#[cfg(test)]
mod tests;
mod units;

pub use load::find_and_load;
pub use schema::json_schema;
pub use units::{ByteSize, HumanDuration, parse_duration};

use haetae_detect::cost::CostOptions;
use haetae_enrich::EnrichConfig;
use haetae_enrich::pii::{AddressPolicy, PiiPolicy, RawPolicy, TextPolicy};
use haetae_event::{Level, TenantId};
use haetae_pipeline::Policies;
use haetae_sandbox::{PublicKey, Quota};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The language of reports, notifications and errors for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Ko,
    En,
}

impl Language {
    /// From `LC_ALL`, `LC_MESSAGES` or `LANG`; English unless it says Korean.
    pub fn from_environment() -> Language {
        let named = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        match named {
            Some(value) if value.starts_with("ko") => Language::Ko,
            _ => Language::En,
        }
    }
}

/// The whole file. Every key has a default; an empty file is a valid configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: String,
    /// File holding the token that `/v1/ingest` asks for on a non-loopback listener.
    pub ingest_token_file: Option<PathBuf>,
    /// Further names the API answers to, beside the listen address.
    pub allowed_hosts: Vec<String>,
    pub language: Option<Language>,
    pub timezone: Option<String>,
    pub trusted_proxies: Vec<String>,
    pub client_ip_header: Option<String>,
    pub flush_interval: HumanDuration,
    /// Folder with further Sigma rules, loaded beside the built-in ones.
    pub rules_dir: Option<PathBuf>,
    pub dlq_size_max: ByteSize,
    pub retention_days: Option<u32>,
    pub sources: Vec<Spanned<SourceConfig>>,
    pub notify: NotifyConfig,
    /// What of personal data is stored, and what tenants have of their own.
    pub pii: PiiConfig,
    /// Who may add parsers.
    pub parsers: ParsersConfig,
    /// Country, network and reputation of client addresses.
    pub enrich: EnrichConfig,
    /// Whether clients that say to be crawlers are.
    pub crawlers: CrawlersConfig,
    /// What is learned of clients' windows.
    pub models: ModelsConfig,
    /// How the site is billed: plan, region, what stands behind the edge.
    pub cost: CostOptions,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data_dir: PathBuf::from("./haetae-data"),
            listen: "127.0.0.1:8480".to_owned(),
            ingest_token_file: None,
            allowed_hosts: Vec::new(),
            language: None,
            timezone: None,
            trusted_proxies: Vec::new(),
            client_ip_header: None,
            flush_interval: HumanDuration(Duration::from_secs(10)),
            rules_dir: None,
            dlq_size_max: ByteSize(256 << 20),
            retention_days: None,
            sources: Vec::new(),
            notify: NotifyConfig::default(),
            pii: PiiConfig::default(),
            parsers: ParsersConfig::default(),
            enrich: EnrichConfig::default(),
            crawlers: CrawlersConfig::default(),
            models: ModelsConfig::default(),
            cost: CostOptions::default(),
        }
    }
}

impl Config {
    pub fn language(&self) -> Language {
        self.language.unwrap_or_else(Language::from_environment)
    }

    /// The time zone for people.
    pub fn timezone(&self) -> jiff::tz::TimeZone {
        match &self.timezone {
            Some(name) => jiff::tz::TimeZone::get(name).unwrap_or(jiff::tz::TimeZone::UTC),
            None => jiff::tz::TimeZone::system(),
        }
    }
}

/// Which kind of source an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceType {
    S3,
    File,
}

/// What happens to an object after its events are committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterCommit {
    #[default]
    Keep,
    Archive,
    Delete,
}

/// One entry of `sources`. The keys of all types stand side by side so that a mistake is
/// reported with its line; `validate` refuses those that do not belong to the entry's type.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    pub r#type: SourceType,
    #[serde(default)]
    pub tenant: TenantId,
    /// Overrides detection by content: a built-in format, or `NAME[@vN]` of a user's parser.
    pub format: Option<String>,
    /// Field list of custom VPC flow logs that come without a header.
    pub format_string: Option<String>,
    /// Zone of times that name none: an IANA name or an offset. Default: UTC.
    pub time_zone: Option<String>,
    // type: s3
    pub bucket: Option<String>,
    pub prefix: Option<String>,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub interval: Option<HumanDuration>,
    pub delay: Option<HumanDuration>,
    pub after_commit: Option<AfterCommit>,
    pub archive_prefix: Option<String>,
    // type: file
    pub paths: Option<Vec<String>>,
}

/// `pii`: the policy of every tenant, and of those that have their own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PiiConfig {
    pub src_ip: AddressPolicy,
    pub text: TextPolicy,
    pub account: TextPolicy,
    pub raw: RawPolicy,
    /// Whole policies: what a tenant's leaves out is kept as it is.
    pub tenants: BTreeMap<TenantId, PiiPolicy>,
}

impl PiiConfig {
    pub fn policies(&self) -> Policies {
        Policies {
            default: PiiPolicy {
                src_ip: self.src_ip,
                text: self.text,
                account: self.account,
                raw: self.raw,
            },
            tenants: self.tenants.clone(),
        }
    }
}

/// `parsers`: users' parsers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParsersConfig {
    /// Public keys, `ed25519:…`; a parser signed by none of them is refused.
    pub trusted_keys: Vec<String>,
    /// Wall time an hour that failures of one module may cost; then it is suspended.
    pub failure_budget: HumanDuration,
}

impl Default for ParsersConfig {
    fn default() -> Self {
        ParsersConfig {
            trusted_keys: Vec::new(),
            failure_budget: HumanDuration(Quota::default().failure_budget),
        }
    }
}

impl ParsersConfig {
    pub fn quota(&self) -> Quota {
        Quota {
            failure_budget: self.failure_budget.0,
            ..Quota::default()
        }
    }

    /// The keys, read.
    ///
    /// # Errors
    /// Which one is none; the loader has checked that already.
    pub fn keys(&self) -> Result<Vec<PublicKey>, String> {
        let read = |(at, line): (usize, &String)| {
            line.parse()
                .map_err(|error| format!("parsers.trusted_keys[{at}]: {error}"))
        };
        self.trusted_keys.iter().enumerate().map(read).collect()
    }
}

/// `crawlers`: the check of those that say to be one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrawlersConfig {
    /// Ask the name system about them; without it they stay unverified, but for ranges.
    pub verify: bool,
    /// `system`, or the address of a resolver.
    pub resolver: String,
    /// Folder with the ranges that operators publish, refreshed by somebody else.
    pub ranges_dir: Option<PathBuf>,
}

impl Default for CrawlersConfig {
    fn default() -> Self {
        CrawlersConfig {
            verify: true,
            resolver: "system".to_owned(),
            ranges_dir: None,
        }
    }
}

impl CrawlersConfig {
    /// What is wrong with it, if anything.
    fn mistake(&self) -> Option<String> {
        let resolver = self.resolver.parse::<haetae_resolve::Server>();
        let empty = self
            .ranges_dir
            .as_ref()
            .is_some_and(|dir| dir.as_os_str().is_empty());
        match resolver {
            Err(error) => Some(format!("crawlers.resolver: {error}")),
            Ok(_) => empty.then(|| "crawlers.ranges_dir must not be empty".to_owned()),
        }
    }
}

/// How often the service trains a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetrainEvery {
    Off,
    Every(Duration),
}

/// `models`: retraining, and which model judges at the door.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelsConfig {
    /// The model that is retrained and that `/detect` asks.
    pub name: String,
    pub retrain_every: RetrainEvery,
    /// How far back from the newest stored event a candidate learns.
    pub train_on: HumanDuration,
    /// How far back it is held beside the model in use.
    pub shadow_for: HumanDuration,
    /// Clients a day that a model may tell about.
    pub alerts_per_day: f64,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        ModelsConfig {
            name: "web".to_owned(),
            retrain_every: RetrainEvery::Every(DAY),
            train_on: HumanDuration(DAY * 14),
            shadow_for: HumanDuration(DAY * 7),
            alerts_per_day: 2.0,
        }
    }
}

impl ModelsConfig {
    /// What is wrong with it, if anything.
    fn mistake(&self) -> Option<&'static str> {
        let named = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(named) {
            return Some("models.name is 1 to 64 of a-z, 0-9, `_` and `-`");
        }
        if !(0.0..=1e6).contains(&self.alerts_per_day) {
            return Some("models.alerts_per_day is a number from 0 to 1000000");
        }
        let minute = Duration::from_secs(60);
        (self.train_on.0 < minute || self.shadow_for.0 < minute)
            .then_some("models.train_on and models.shadow_for are 1m or more")
    }
}

/// How often the KPI summary is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KpiEvery {
    Off,
    Every(Duration),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifyConfig {
    pub min_level: Level,
    pub kpi_every: KpiEvery,
    pub slack: Option<SlackConfig>,
}

impl Default for NotifyConfig {
    fn default() -> Self {
        NotifyConfig {
            min_level: Level::High,
            kpi_every: KpiEvery::Every(Duration::from_secs(3600)),
            slack: None,
        }
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The incoming webhook; it is a credential and never printed.
    pub webhook_url: Option<String>,
    /// The same, read from a file.
    pub webhook_url_file: Option<PathBuf>,
}

impl std::fmt::Debug for SlackConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlackConfig(…)")
    }
}

impl SlackConfig {
    /// The webhook's URL, from the key or from the file.
    ///
    /// # Errors
    /// When neither or both keys are set, or the file cannot be read.
    pub fn url(&self) -> Result<String, String> {
        match (&self.webhook_url, &self.webhook_url_file) {
            (Some(url), None) if url.is_empty() => {
                Err("notify.slack.webhook_url is empty; set it or remove `slack`".to_owned())
            }
            (Some(url), None) => Ok(url.clone()),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|e| format!("notify.slack.webhook_url_file {}: {e}", path.display())),
            _ => Err("notify.slack needs one of webhook_url and webhook_url_file".to_owned()),
        }
    }
}
