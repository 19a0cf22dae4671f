//! The keys of JSON objects that mean something: which columns they fill, and which member of a
//! record is its time, its client, and so on.

use crate::combined::CORE;
use crate::json_columns::is_missing;
use crate::json_scan::{Kind, Member};
use crate::key_order::{Cursor, KeyOrder};
use crate::plan::{Plan, Slot};

/// Spellings of a record's time, the first with a value wins.
pub const TIME: &[&str] = &[
    "ts",
    "@timestamp",
    "timestamp",
    "time",
    "datetime",
    "time_iso8601",
    "time_local",
    "msec",
    "start_time",
    "eventTime",
    // Traefik writes its own names.
    "StartUTC",
];
/// Spellings of the peer's address.
pub const CLIENT: &[&str] = &[
    "src_ip",
    "client_ip",
    "clientIp",
    "clientip",
    "remote_addr",
    "remote_ip",
    "remote_host",
    "source_ip",
    "ip",
    "peer_ip",
    "ClientHost",
];
/// Spellings of the header with the hops.
pub const FORWARDED: &[&str] = &[
    "http_x_forwarded_for",
    "x_forwarded_for",
    "x-forwarded-for",
    "X-Forwarded-For",
    "xff",
];

/// What a known key fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    Text(Slot),
    I32(Slot),
    I64(Slot),
    F64(Slot),
    Bool(Slot),
}

/// (column, its keys), by type.
pub const TEXT: &[(&str, &[&str])] = &[
    (
        "method",
        &[
            "method",
            "request_method",
            "http_method",
            "httpMethod",
            "verb",
            "RequestMethod",
        ],
    ),
    // `request_uri` is as logged; nginx's `uri` is decoded and has no query.
    (
        "uri",
        &["request_uri", "uri", "url", "path", "uri_path", "RequestPath"],
    ),
    (
        "ua",
        &[
            "ua",
            "user_agent",
            "http_user_agent",
            "userAgent",
            "agent",
            "request_User-Agent",
            "User-Agent",
        ],
    ),
    (
        "dst_host",
        &[
            "host",
            "dst_host",
            "http_host",
            "server_name",
            "hostname",
            "vhost",
            "RequestHost",
        ],
    ),
    (
        "account",
        &[
            "account",
            "user_id",
            "userId",
            "user",
            "username",
            "account_id",
            "remote_user",
            "ClientUsername",
        ],
    ),
    ("session_id", &["session_id", "sessionId", "session"]),
    ("request_id", &["request_id", "requestId", "req_id"]),
    ("trace_id", &["trace_id", "traceId", "trace.id"]),
    ("rule_id", &["rule_id", "ruleId"]),
    ("ja4", &["ja4"]),
    (
        "http_referer",
        &[
            "http_referer",
            "referer",
            "referrer",
            "request_Referer",
            "Referer",
        ],
    ),
    (
        "protocol",
        &[
            "protocol",
            "server_protocol",
            "http_version",
            "RequestProtocol",
            "proto",
        ],
    ),
    ("http_x_forwarded_for", FORWARDED),
    ("request", &["request"]),
    ("level", &["level", "severity", "lvl"]),
    ("message", &["message", "msg"]),
    ("service", &["service", "logger"]),
];
const WHOLE: &[(&str, &[&str])] = &[
    (
        "bytes_out",
        &[
            "bytes_out",
            "bytes",
            "body_bytes_sent",
            "bytes_sent",
            "response_size",
            "response_bytes",
            "size",
            "DownstreamContentSize",
        ],
    ),
    (
        "bytes_in",
        &[
            "bytes_in",
            "request_length",
            "request_size",
            "bytes_received",
            "request_bytes",
            "RequestContentSize",
        ],
    ),
];
/// The query, where the path stands alone.
const QUERY: &[&str] = &["args", "query_string", "query"];
pub const STATUS: &[&str] = &[
    "status",
    "status_code",
    "statusCode",
    "response_status",
    "http_status",
    "code",
    "DownstreamStatus",
];
const DURATION: &[&str] = &["request_time"];
const BLOCKED: &[&str] = &["blocked"];

/// A key's name, its rank among the spellings of its column, the column's number, what it fills.
pub type KnownKey = (&'static str, usize, usize, Fill);

/// The keys that fill columns: of Core v1 and those that `native` says the dataset has. A column
/// it lacks has its keys in the attributes. Only in an access record (`web`) is it certain what
/// `bytes` and `size` count.
pub fn known_keys(plan: &Plan, web: bool, native: impl Fn(&str) -> bool) -> Vec<KnownKey> {
    let mut keys = Vec::new();
    let mut columns = 0;
    let mut add = |column: &str, names: &[&'static str], fill: fn(Slot) -> Fill| {
        columns += 1;
        if native(column) || CORE.contains(&column) {
            keys.extend(
                names
                    .iter()
                    .enumerate()
                    .map(|(rank, name)| (*name, rank, columns, fill(plan.slot(column)))),
            );
        }
    };
    TEXT.iter()
        .for_each(|(column, names)| add(column, names, Fill::Text));
    WHOLE
        .iter()
        .for_each(|(column, names)| add(column, if web { names } else { &names[..1] }, Fill::I64));
    add("status", if web { STATUS } else { &STATUS[..3] }, Fill::I32);
    add("request_time", DURATION, Fill::F64);
    add("blocked", BLOCKED, Fill::Bool);
    keys
}

/// What is looked for under several spellings, but for the columns: [`TIME`], [`CLIENT`], the hops,
/// [`QUERY`].
pub const ROLES: usize = 4;
pub const TIME_ROLE: usize = 0;
pub const CLIENT_ROLE: usize = 1;
pub const HOPS_ROLE: usize = 2;
pub const QUERY_ROLE: usize = 3;
/// The rank of a key that does not have the role.
const NO_RANK: u8 = u8::MAX;

/// Every key that means something.
pub struct Keys {
    order: KeyOrder,
    meanings: Vec<Meaning>,
}

/// What a key may be.
struct Meaning {
    /// By role: the key's rank among its spellings.
    ranks: [u8; ROLES],
    /// Rank among the spellings of its column, the column's number, what it fills.
    column: Option<(usize, usize, Fill)>,
    is_request: bool,
}

/// Members of the record at hand.
#[derive(Default)]
pub struct Found {
    /// By role: the best-ranked one with a value, of equal ones the last, and its rank.
    pub roles: [Option<(usize, u8)>; ROLES],
    /// The last one named `request`.
    pub request: Option<usize>,
    /// (member, its rank, what it fills): the best-ranked one of each column, of equal ones the last.
    pub chosen: Vec<(usize, usize, Fill)>,
    /// By a column's number: its place in `chosen`, or [`NOT_CHOSEN`].
    places: Vec<usize>,
    /// Those whose column another one fills.
    pub losers: Vec<usize>,
    /// Those without a column.
    pub rest: Vec<usize>,
}

const NOT_CHOSEN: usize = usize::MAX;

impl Found {
    /// The member in a role, `None` when none with a value can have it.
    pub fn in_role<'m>(&self, members: &'m [Member], role: usize) -> Option<&'m Member> {
        let (at, _) = self.roles[role]?;
        members.get(at)
    }

    fn clear(&mut self) {
        self.roles = [None; ROLES];
        self.request = None;
        self.chosen.clear();
        self.places.fill(NOT_CHOSEN);
        self.losers.clear();
        self.rest.clear();
    }

    /// Takes a member with a value for a column.
    fn choose(&mut self, at: usize, (rank, column, fill): (usize, usize, Fill)) {
        if self.places.len() <= column {
            self.places.resize(column + 1, NOT_CHOSEN);
        }
        match self.chosen.get_mut(self.places[column]) {
            Some(best) if rank <= best.1 => {
                self.losers.push(best.0);
                (best.0, best.1) = (at, rank);
            }
            Some(_) => self.losers.push(at),
            None => {
                self.places[column] = self.chosen.len();
                self.chosen.push((at, rank, fill));
            }
        }
    }

    /// Takes a member with a value for the roles it can have.
    fn cast(&mut self, at: usize, ranks: [u8; ROLES]) {
        for (best, rank) in self.roles.iter_mut().zip(ranks) {
            if rank != NO_RANK && best.is_none_or(|(_, known)| rank <= known) {
                *best = Some((at, rank));
            }
        }
    }
}

impl Keys {
    /// Of a name that fills two columns the first counts.
    pub fn new(columns: &[KnownKey], header: &str) -> Self {
        let (mut names, mut meanings): (Vec<String>, Vec<Meaning>) = (Vec::new(), Vec::new());
        let mut of = |name: &str| {
            let at = names.iter().position(|known| known == name);
            at.unwrap_or_else(|| {
                names.push(name.to_owned());
                meanings.push(Meaning {
                    ranks: [NO_RANK; ROLES],
                    column: None,
                    is_request: name == "request",
                });
                names.len() - 1
            })
        };
        let plain_header = header.replace('-', "_");
        let hops: Vec<&str> = [header, &plain_header]
            .into_iter()
            .chain(FORWARDED.iter().copied())
            .collect();
        let mut ranks = Vec::new();
        for (role, spellings) in [TIME, CLIENT, &hops, QUERY].into_iter().enumerate() {
            for (rank, name) in spellings.iter().enumerate() {
                ranks.push((of(name), role, rank as u8));
            }
        }
        let fills: Vec<_> = columns
            .iter()
            .map(|(name, rank, column, fill)| (of(name), (*rank, *column, *fill)))
            .collect();
        of("request");
        for (at, role, rank) in ranks {
            let known = &mut meanings[at].ranks[role];
            *known = rank.min(*known);
        }
        for (at, column) in fills {
            meanings[at].column.get_or_insert(column);
        }
        Keys {
            order: KeyOrder::new(names.iter().map(String::as_str)),
            meanings,
        }
    }

    /// Finds out what every member is. What has a column is neither time nor client.
    pub fn find(&mut self, text: &str, members: &[Member], found: &mut Found) {
        found.clear();
        let mut cursor = Cursor::default();
        for (at, member) in members.iter().enumerate() {
            let key = &text[member.key.span.clone()];
            let meaning = self.order.find(&mut cursor, key);
            let Some(meaning) = meaning.and_then(|at| self.meanings.get(usize::from(at))) else {
                found.rest.push(at);
                continue;
            };
            let missing = is_missing(text, &member.value);
            if meaning.is_request {
                found.request = Some(at);
            }
            if meaning.ranks != [NO_RANK; ROLES] && !missing {
                found.cast(at, meaning.ranks);
            }
            let scalar = !matches!(member.value.kind, Kind::Object | Kind::Array);
            match meaning.column.filter(|_| scalar) {
                Some(_) if missing => {}
                Some(column) => found.choose(at, column),
                None => {
                    let known = meaning.ranks[TIME_ROLE] != NO_RANK || meaning.ranks[CLIENT_ROLE] != NO_RANK;
                    if !(known && missing) {
                        found.rest.push(at);
                    }
                }
            }
        }
    }
}
