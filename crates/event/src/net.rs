//! Addresses: CIDR blocks, canonical text, and the client behind trusted proxies.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses. A v4-mapped v6 address or block counts as v4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// First address of the block.
    base: IpAddr,
    /// Leading bits that are fixed: at most 32 for v4, 128 for v6.
    bits: u8,
}

/// The text is not an address or `address/bits`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a CIDR block like 10.0.0.0/8 or 2001:db8::/32: {0:?}")]
pub struct BadCidr(String);

impl Cidr {
    /// The block of `bits` leading bits around `address`; host bits are cleared. `None` when
    /// `bits` is more than the family has.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        match address {
            IpAddr::V4(v4) if bits <= 32 => Some(Cidr {
                base: Ipv4Addr::from_bits(v4.to_bits() & mask32(bits)).into(),
                bits,
            }),
            IpAddr::V6(v6) if bits <= 128 => match v6.to_ipv4_mapped() {
                Some(v4) if bits >= 96 => Cidr::new(v4.into(), bits - 96),
                _ => Some(Cidr {
                    base: Ipv6Addr::from_bits(v6.to_bits() & mask128(bits)).into(),
                    bits,
                }),
            },
            _ => None,
        }
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(v4)) => v4.to_bits() & mask32(self.bits) == base.to_bits(),
            (IpAddr::V6(base), IpAddr::V6(v6)) => v6.to_bits() & mask128(self.bits) == base.to_bits(),
            _ => false,
        }
    }

    pub fn base(&self) -> IpAddr {
        self.base
    }

    pub fn bits(&self) -> u8 {
        self.bits
    }
}

fn mask32(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

fn mask128(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = BadCidr;

    fn from_str(text: &str) -> Result<Self, BadCidr> {
        let bad = || BadCidr(text.chars().take(80).collect());
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(bits.parse::<u8>().map_err(|_| bad())?))
            }
            Some(_) => return Err(bad()),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits = bits.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
        Cidr::new(address, bits).ok_or_else(bad)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl TryFrom<String> for Cidr {
    type Error = BadCidr;

    fn try_from(text: String) -> Result<Self, BadCidr> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

/// Parses an address as logs write them: v4, v6, `[v6]`, `v4:port`, `[v6]:port`, a v6 zone.
/// v4-mapped v6 becomes v4.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let inner = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, after) = rest.split_once(']')?;
            let port = after
                .strip_prefix(':')
                .is_some_and(|port| port.parse::<u16>().is_ok());
            if !after.is_empty() && !port {
                return None;
            }
            inner
        }
        None => match text.split_once(':') {
            Some((v4, port)) if port.parse::<u16>().is_ok() => {
                return v4.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
            }
            _ => text,
        },
    };
    let bare = inner.split_once('%').map_or(inner, |(address, _zone)| address);
    bare.parse::<Ipv6Addr>()
        .ok()
        .map(|v6| IpAddr::V6(v6).to_canonical())
}

/// Whether the address is of a private network or of the machine itself: RFC 1918, shared
/// carrier space (RFC 6598), loopback, link-local, unique local v6.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && (b & 0xc0) == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Which peers are our own proxies, and which header they write the client into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientIpPolicy {
    /// Peers whose forwarded header is believed. Empty: nobody's is.
    pub trusted: Vec<Cidr>,
    /// Header that carries the hops; `X-Forwarded-For` when not set.
    pub header: Option<String>,
}

impl ClientIpPolicy {
    pub const DEFAULT_HEADER: &'static str = "x-forwarded-for";

    /// Lower-case name of the header that carries the hops.
    pub fn header_name(&self) -> String {
        self.header
            .as_deref()
            .unwrap_or(Self::DEFAULT_HEADER)
            .to_ascii_lowercase()
    }

    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|cidr| cidr.contains(address))
    }

    /// The client: the rightmost hop that is not a trusted proxy.
    ///
    /// `forwarded_for` is client-controlled on its left side, so it is read from the right and
    /// only as far as each hop is trusted; the walk stops at the first thing that is not an
    /// address, and the last trusted hop before it is the answer. When every hop is trusted the
    /// leftmost is the client.
    pub fn resolve(&self, peer: IpAddr, forwarded_for: Option<&str>) -> IpAddr {
        let mut client = peer.to_canonical();
        let Some(hops) = forwarded_for else {
            return client;
        };
        for hop in hops.rsplit(',') {
            if !self.trusts(client) {
                break;
            }
            match parse_address(hop) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }
}

#[cfg(test)]
mod tests;
