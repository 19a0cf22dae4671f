//! Look-ups over the network, by `hickory-resolver`.
//!
//! Reverse names: RFC 1035, 3.5 and RFC 3596, 2.5. A name that is no host name (RFC 952 and 1123;
//! underscores are let through) is dropped: it could be anything once it is written as text.

use haetae_enrich::crawlers::{Lookup, Resolver};
use haetae_enrich::reputation::is_reserved;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Reply, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records of one answer that are looked at; a message of 64 KiB holds some thousands.
const RECORDS_MAX: usize = 256;

/// What every resolver of the internet knows the name servers of.
const LANDMARK: &str = "com.";

/// How long it counts that the landmark was seen, or was not.
const SEEN_FOR: Duration = Duration::from_secs(600);
const UNSEEN_FOR: Duration = Duration::from_secs(60);

/// Who is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Server {
    /// The resolver of the machine (`/etc/resolv.conf`).
    #[default]
    System,
    At(SocketAddr),
}

impl FromStr for Server {
    type Err = DnsError;

    /// `system`, or an address with or without port.
    fn from_str(text: &str) -> Result<Server, DnsError> {
        const PORT: u16 = 53;
        if text == "system" {
            return Ok(Server::System);
        }
        let bare = |text: &str| {
            text.parse()
                .ok()
                .map(|address: IpAddr| SocketAddr::new(address, PORT))
        };
        let at = text.parse().ok().or_else(|| bare(text));
        at.map(Server::At)
            .ok_or_else(|| DnsError::Server(text.to_owned()))
    }
}

/// How long and how often is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    pub server: Server,
    /// Of one try.
    pub timeout: Duration,
    pub tries: u32,
}

impl Default for DnsSettings {
    fn default() -> Self {
        DnsSettings {
            server: Server::System,
            timeout: Duration::from_secs(2),
            tries: 2,
        }
    }
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    #[error("{0:?} is no resolver: write system, or an address such as 127.0.0.1:5353")]
    Server(String),
    #[error("the machine names no resolver: {0}")]
    NoServer(String),
    #[error("no resolver can be made: {0}")]
    Setup(String),
}

/// Hears, once a change, that the name system cannot be used, or can again.
pub type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// Asks the name system. Its calls block: they must not be made from asynchronous code.
pub struct Dns {
    runtime: tokio::runtime::Runtime,
    resolver: TokioResolver,
    /// Longest time of one look-up, all tries, servers and aliases together.
    bound: Duration,
    outlook: Mutex<Option<(Instant, bool)>>,
    tell: Tell,
}

impl Dns {
    /// Asks nothing yet.
    ///
    /// # Errors
    /// [`DnsError`].
    pub fn new(settings: &DnsSettings, tell: Tell) -> Result<Dns, DnsError> {
        let setup = |error: &dyn std::fmt::Display| DnsError::Setup(error.to_string());
        let tries = settings.tries.max(1);
        let mut builder = match settings.server {
            Server::System => {
                TokioResolver::builder_tokio().map_err(|error| DnsError::NoServer(error.to_string()))?
            }
            Server::At(address) => {
                TokioResolver::builder_with_config(one_server(address), TokioRuntimeProvider::default())
            }
        };
        options(builder.options_mut(), settings.timeout, tries);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("dns")
            .enable_all()
            .build()
            .map_err(|error| setup(&error))?;
        let resolver = {
            let _inside = runtime.enter();
            builder.build().map_err(|error| setup(&error))?
        };
        Ok(Dns {
            runtime,
            resolver,
            // A cut answer is asked for again over TCP, an alias is one more question.
            bound: settings.timeout * (tries + 1),
            outlook: Mutex::new(None),
            tell,
        })
    }

    /// Whether the resolver knows the internet; asked at most every minute, and waited for.
    pub fn sees_the_internet(&self) -> bool {
        let mut outlook = self.outlook.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *outlook;
        if let Some((since, sees)) = before
            && since.elapsed() < if sees { SEEN_FOR } else { UNSEEN_FOR }
        {
            return sees;
        }
        let name = Name::from_ascii(LANDMARK).expect("a name");
        let sees = matches!(self.ask(name, RecordType::NS), Lookup::Found { .. });
        *outlook = Some((Instant::now(), sees));
        drop(outlook);
        match (before.map(|(_, sees)| sees), sees) {
            (None | Some(true), false) => (self.tell)(
                "crawlers: the name system of this machine does not know the internet; claims of crawlers stay unverified",
            ),
            (Some(false), true) => (self.tell)("crawlers: the name system answers again"),
            _ => {}
        }
        sees
    }

    fn ask(&self, name: Name, kind: RecordType) -> Lookup<Record> {
        let asked = self.resolver.lookup(name, kind);
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(self.bound, asked).await });
        match answer {
            Err(_too_late) => Lookup::Failed,
            Ok(Err(error)) if is_denial(&error) => Lookup::Nothing,
            Ok(Err(_)) => Lookup::Failed,
            Ok(Ok(found)) => {
                let records = found
                    .answers()
                    .iter()
                    .filter(|record| record.record_type() == kind);
                let values: Vec<Record> = records.take(RECORDS_MAX).cloned().collect();
                let ttl_us = found
                    .valid_until()
                    .saturating_duration_since(Instant::now())
                    .as_micros();
                match values.is_empty() {
                    true => Lookup::Nothing,
                    false => Lookup::Found {
                        values,
                        ttl_us: i64::try_from(ttl_us).unwrap_or(i64::MAX),
                    },
                }
            }
        }
    }
}

impl Resolver for Dns {
    fn reverse(&self, address: IpAddr) -> Lookup<String> {
        if is_reserved(address) || !self.sees_the_internet() {
            return Lookup::Failed;
        }
        let answer = self.ask(Name::from(address), RecordType::PTR);
        kept(answer, |record| match &record.data {
            RData::PTR(name) => host_name(&name.0),
            _ => None,
        })
    }

    fn forward(&self, name: &str, like: IpAddr) -> Lookup<IpAddr> {
        let Some(name) = absolute(name) else {
            return Lookup::Nothing;
        };
        if !self.sees_the_internet() {
            return Lookup::Failed;
        }
        let kind = match like {
            IpAddr::V4(_) => RecordType::A,
            IpAddr::V6(_) => RecordType::AAAA,
        };
        kept(self.ask(name, kind), |record| match &record.data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
    }
}

fn one_server(address: SocketAddr) -> ResolverConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
    let server = NameServerConfig::new(address.ip(), true, connections);
    ResolverConfig::from_parts(None, Vec::new(), vec![server])
}

fn options(options: &mut ResolverOpts, timeout: Duration, tries: u32) {
    options.timeout = timeout;
    options.attempts = tries as usize - 1;
    options.use_hosts_file = ResolveHosts::Never;
    options.preserve_intermediates = false;
    options.edns0 = true;
    // Answers are kept by whoever asks, for as long as they hold.
    options.cache_size = 0;
}

/// The zone says that there is no such record. Every other refusal is no answer.
fn is_denial(error: &NetError) -> bool {
    match error {
        NetError::Dns(Reply::NoRecordsFound(none)) => {
            matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
        }
        _ => false,
    }
}

fn kept<T>(answer: Lookup<Record>, value: impl Fn(&Record) -> Option<T>) -> Lookup<T> {
    match answer {
        Lookup::Found { values, ttl_us } => Lookup::Found {
            values: values.iter().filter_map(value).collect(),
            ttl_us,
        },
        Lookup::Nothing => Lookup::Nothing,
        Lookup::Failed => Lookup::Failed,
    }
}

/// As text without the last dot; `None` for what is no name of a host.
fn host_name(name: &Name) -> Option<String> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let sound = name
        .iter()
        .all(|label| !label.is_empty() && label.iter().all(plain));
    let labels: Vec<&str> = name
        .iter()
        .map_while(|label| std::str::from_utf8(label).ok())
        .collect();
    (sound && !labels.is_empty()).then(|| labels.join(".").to_ascii_lowercase())
}

/// The name from the root on, so that no search domain is tried.
fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    host_name(&name).map(|_| name)
}
