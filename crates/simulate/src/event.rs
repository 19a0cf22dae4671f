//! What the generators produce.

use haetae_event::Micros;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Shared text: paths, user agents and referers repeat.
pub type Text = Arc<str>;

/// One record, in the vocabulary of no particular format.
#[derive(Clone, Debug, PartialEq)]
pub enum SimEvent {
    Web(WebRequest),
    Flow(FlowRecord),
}

impl SimEvent {
    /// Event time: the end of a response, the start of a flow.
    pub fn ts(&self) -> Micros {
        match self {
            SimEvent::Web(request) => request.ts,
            SimEvent::Flow(flow) => flow.start,
        }
    }
}

/// What the content network's edge did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Edge {
    Hit,
    RefreshHit,
    Miss,
    Error,
}

impl Edge {
    pub fn as_str(self) -> &'static str {
        match self {
            Edge::Hit => "Hit",
            Edge::RefreshHit => "RefreshHit",
            Edge::Miss => "Miss",
            Edge::Error => "Error",
        }
    }
}

/// One HTTP request, as the client sent it (path and query still percent-encoded).
#[derive(Clone, Debug, PartialEq)]
pub struct WebRequest {
    /// Unique within the traffic: position in time order, from 0.
    pub sequence: u64,
    /// Seed of the traffic: makes request ids unique across plans.
    pub seed: u64,
    /// Whole milliseconds.
    pub ts: Micros,
    pub client: IpAddr,
    pub client_port: u16,
    pub method: &'static str,
    pub host: &'static str,
    pub path: Text,
    pub query: Option<Text>,
    pub status: u16,
    pub referer: Option<Text>,
    pub ua: Option<Text>,
    /// Request bytes, headers included.
    pub bytes_in: u64,
    /// Response bytes, headers included.
    pub bytes_out: u64,
    pub time_taken_ms: u32,
    pub session: Option<u64>,
    /// The account named in the request or logged in, where the application's own log has it.
    pub account: Option<Text>,
    /// First and last byte of the part asked for, of a 206 answer.
    pub range: Option<(u64, u64)>,
    pub edge: Edge,
    pub content_type: &'static str,
    pub http_version: &'static str,
}

impl WebRequest {
    /// Path and query as sent.
    pub fn uri(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.to_string(),
        }
    }
}

/// Whether a flow record tells of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FlowStatus {
    Accept,
    Reject,
    /// No traffic in the interval; the address fields mean nothing.
    NoData,
    /// Records were lost; the address fields mean nothing.
    SkipData,
}

/// One VPC flow record, default version 2.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRecord {
    /// Unique within the traffic: position in time order, from 0.
    pub sequence: u64,
    /// Number of the network interface; printed as `eni-…`.
    pub interface: u32,
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub source_port: u16,
    pub destination_port: u16,
    /// IANA number.
    pub protocol: u8,
    pub packets: u64,
    pub bytes: u64,
    /// Whole seconds.
    pub start: Micros,
    /// Whole seconds.
    pub end: Micros,
    pub status: FlowStatus,
}
