//! Flows as the detectors of this folder see them: one direction of a conversation, oriented.
//!
//! Flow records know no client and server: the answer to a request is a record of its own, to the
//! high port the request came from. Flags (OR-ed over the aggregation interval) tell them apart
//! where a SYN is among them; otherwise the ports do.

use crate::columns::{Flags, Numbers, Texts};
use haetae_event::{Dataset, EventBatch, net};
use std::net::{IpAddr, Ipv6Addr};

/// Ports from here on are what operating systems give to clients (Linux; others begin higher).
pub const EPHEMERAL_FROM: u16 = 32_768;

/// Services seldom listen between here and [`EPHEMERAL_FROM`].
const SERVICE_BELOW: u16 = 16_384;

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;
const TCP: u8 = 6;
const ICMP: [u8; 2] = [1, 58];

/// An address; v4 as v4-mapped v6. Ordered as its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 16]);

impl Address {
    pub fn parse(text: &str) -> Option<Address> {
        let v4 = parse_v4(text.as_bytes()).map(|v4| Address::of(IpAddr::V4(v4.into())));
        v4.or_else(|| net::parse_address(text).map(Address::of))
    }

    pub fn of(address: IpAddr) -> Address {
        Address(match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        })
    }

    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }

    pub fn is_private(self) -> bool {
        net::is_private(self.ip())
    }

    /// A mixed 64-bit number of it, the same everywhere.
    pub fn mixed(self) -> u64 {
        let [low, high] = [0, 8].map(|at| {
            let bytes: [u8; 8] = std::array::from_fn(|n| self.0[at + n]);
            u64::from_le_bytes(bytes)
        });
        mix(low ^ mix(high))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.ip().fmt(f)
    }
}

/// The finalizer of SplitMix64: every bit of the input moves every bit of the output.
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Dotted decimal, without leading zeros, as canonical columns have it.
fn parse_v4(text: &[u8]) -> Option<u32> {
    let (mut address, mut octet, mut digits, mut dots) = (0u32, 0u32, 0, 0);
    for &byte in text {
        match byte {
            b'0'..=b'9' if digits < 3 && !(digits == 1 && octet == 0) => {
                octet = octet * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && dots < 3 && octet < 256 => {
                address = address << 8 | octet;
                (octet, digits) = (0, 0);
                dots += 1;
            }
            _ => return None,
        }
    }
    (dots == 3 && digits > 0 && octet < 256).then_some(address << 8 | octet)
}

/// Who speaks in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// The side that opened the conversation.
    Request,
    Answer,
    Unknown,
}

/// How sure it is that nothing but a knock happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knock {
    /// Refused, or a SYN that was never followed.
    Failed,
    /// One or two small packets of TCP, no flags logged: a half-open scan, or the tail of an
    /// ordinary connection that reached into the next aggregation interval.
    Tiny,
}

/// One flow record.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// First packet, µs.
    pub ts: i64,
    pub src: Address,
    pub dst: Address,
    pub src_private: bool,
    pub dst_private: bool,
    pub src_port: u16,
    pub dst_port: u16,
    /// IANA number; 0 where the log does not say.
    pub protocol: u8,
    pub flags: Option<u8>,
    pub packets: Option<u64>,
    pub bytes: u64,
    pub refused: bool,
    /// Reputation of the source.
    pub ti_score: i64,
    pub orientation: Orientation,
    /// Whether this is a knock at a port, and how sure that is.
    pub knock: Option<Knock>,
}

impl Flow {
    /// With what follows from the rest.
    fn oriented(mut self) -> Flow {
        self.orientation = self.oriented_by();
        self.knock = self.knocked();
        self
    }

    fn oriented_by(&self) -> Orientation {
        if let Some(flags) = self.flags.filter(|flags| flags & SYN != 0) {
            return match flags & ACK {
                0 => Orientation::Request,
                _ => Orientation::Answer,
            };
        }
        if ICMP.contains(&self.protocol) {
            return Orientation::Request;
        }
        let (src, dst) = (self.src_port, self.dst_port);
        match (src < 1024, dst < 1024) {
            (true, true) => Orientation::Unknown,
            (true, false) => Orientation::Answer,
            (false, true) => Orientation::Request,
            _ if src < SERVICE_BELOW && dst >= EPHEMERAL_FROM => Orientation::Answer,
            _ if dst < SERVICE_BELOW && src >= EPHEMERAL_FROM => Orientation::Request,
            _ => Orientation::Unknown,
        }
    }

    fn knocked(&self) -> Option<Knock> {
        if self.orientation == Orientation::Answer {
            return None;
        }
        if self.refused {
            return Some(Knock::Failed);
        }
        if self.protocol != TCP || self.packets.is_none_or(|packets| packets > 3) {
            return None;
        }
        match self.flags {
            Some(flags) => (flags & (SYN | ACK | FIN) == SYN).then_some(Knock::Failed),
            None => (self.packets.is_some_and(|packets| packets <= 2)
                && self.bytes <= TINY_BYTES
                && self.dst_private
                && self.orientation == Orientation::Request)
                .then_some(Knock::Tiny),
        }
    }
}

/// Two packets without data: headers of 20 to 60 bytes each.
const TINY_BYTES: u64 = 120;

/// Which columns hold what, by dataset.
struct Names {
    dst: &'static str,
    src_port: &'static str,
    dst_port: &'static str,
    protocol: &'static str,
    packets: &'static str,
    bytes: &'static str,
}

const FLOW_LOG: Names = Names {
    dst: "dstaddr",
    src_port: "srcport",
    dst_port: "dstport",
    protocol: "protocol",
    packets: "packets",
    bytes: "bytes",
};

const CEF: Names = Names {
    dst: "dst",
    src_port: "spt",
    dst_port: "dpt",
    protocol: "proto",
    packets: "",
    bytes: "bytes_out",
};

const LEEF: Names = Names {
    dst: "dst",
    src_port: "srcport",
    dst_port: "dstport",
    protocol: "proto",
    packets: "srcpackets",
    bytes: "bytes_in",
};

/// All columns that are read of any dataset.
pub const COLUMNS: &[&str] = &[
    "dst_host",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "action",
    "tcp_flags",
    "blocked",
    "ti_score",
    "dst",
    "spt",
    "dpt",
    "proto",
    "srcpackets",
    "bytes_in",
    "bytes_out",
    "uri",
];

fn names(dataset: Dataset) -> Option<&'static Names> {
    match dataset {
        Dataset::VpcFlow => Some(&FLOW_LOG),
        Dataset::Cef => Some(&CEF),
        Dataset::Leef => Some(&LEEF),
        _ => None,
    }
}

/// The flows of a batch: rows with both addresses and a destination port. `NODATA` and `SKIPDATA`
/// have neither. None for other datasets. `found` is emptied first.
pub fn flows(batch: &EventBatch, found: &mut Vec<Flow>) {
    found.clear();
    let Some(names) = names(batch.dataset) else {
        return;
    };
    let (texts, numbers) = (|name| Texts::of(batch, name), |name| Numbers::of(batch, name));
    let (srcs, hosts, dsts) = (texts("src_ip"), texts("dst_host"), texts(names.dst));
    let (src_ports, dst_ports) = (numbers(names.src_port), numbers(names.dst_port));
    let (protocols, named) = (numbers(names.protocol), texts(names.protocol));
    let (packets, bytes) = (numbers(names.packets), numbers(names.bytes));
    let (actions, blocked) = (texts("action"), Flags::of(batch, "blocked"));
    let (flags, scores) = (numbers("tcp_flags"), numbers("ti_score"));
    let address = |column: &Texts<'_>, row: usize| column.get(row).and_then(Address::parse);
    let port = |column: &Numbers<'_>, row: usize| column.get(row).and_then(|n| u16::try_from(n).ok());
    for (row, &ts) in batch.ts().values().iter().enumerate() {
        let Some(dst_port) = port(&dst_ports, row) else {
            continue;
        };
        let dst = address(&hosts, row).or_else(|| address(&dsts, row));
        let (Some(src), Some(dst)) = (address(&srcs, row), dst) else {
            continue;
        };
        let flow = Flow {
            ts,
            src,
            dst,
            src_private: src.is_private(),
            dst_private: dst.is_private(),
            src_port: port(&src_ports, row).unwrap_or(0),
            dst_port,
            protocol: protocol(&protocols, &named, row),
            flags: flags.get(row).and_then(|n| u8::try_from(n).ok()),
            packets: packets.get(row).and_then(|n| u64::try_from(n).ok()),
            bytes: bytes.get(row).and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            refused: match actions.get(row) {
                Some(action) => action.eq_ignore_ascii_case("REJECT"),
                None => blocked.is_set(row),
            },
            ti_score: scores.get(row).unwrap_or(0),
            orientation: Orientation::Unknown,
            knock: None,
        };
        found.push(flow.oriented());
    }
}

#[inline]
fn protocol(numbers: &Numbers<'_>, names: &Texts<'_>, row: usize) -> u8 {
    if let Some(number) = numbers.get(row) {
        return u8::try_from(number).unwrap_or(0);
    }
    match names.get(row) {
        Some(name) if name.eq_ignore_ascii_case("tcp") => TCP,
        Some(name) if name.eq_ignore_ascii_case("udp") => 17,
        Some(name) if name.eq_ignore_ascii_case("icmp") => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(src_port: u16, dst_port: u16, flags: Option<u8>) -> Flow {
        let address = |text| Address::parse(text).expect("an address");
        Flow {
            ts: 0,
            src: address("203.0.113.5"),
            dst: address("10.0.0.1"),
            src_private: false,
            dst_private: true,
            src_port,
            dst_port,
            protocol: TCP,
            flags,
            packets: Some(1),
            bytes: 44,
            refused: false,
            ti_score: 0,
            orientation: Orientation::Unknown,
            knock: None,
        }
        .oriented()
    }

    #[test]
    fn addresses_are_read_as_the_library_reads_them() {
        for text in [
            "10.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "01.2.3.4",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "1..2.3",
            "::1",
            "2001:db8::5",
            "::ffff:10.1.2.3",
            "",
            "-",
            "1.2.3.4 ",
        ] {
            assert_eq!(
                Address::parse(text).map(Address::ip),
                net::parse_address(text),
                "{text:?}"
            );
        }
        assert!(Address::parse("10.9.9.9").expect("an address").is_private());
    }

    #[test]
    fn ports_and_flags_orient() {
        use Orientation::{Answer, Request, Unknown};
        for (src, dst, flags, expected) in [
            (51_000, 443, None, Request),
            (443, 51_000, None, Answer),
            (53, 2_000, None, Answer),
            (8_080, 40_000, None, Answer),
            (40_000, 8_080, None, Request),
            (443, 8_080, Some(2), Request),
            (51_000, 443, Some(18), Answer),
            (51_000, 443, Some(1), Request),
            (50_000, 40_000, None, Unknown),
            (123, 123, None, Unknown),
        ] {
            assert_eq!(
                flow(src, dst, flags).orientation,
                expected,
                "{src} {dst} {flags:?}"
            );
        }
    }

    #[test]
    fn knocks_are_failed_or_tiny() {
        assert_eq!(flow(50_000, 22, None).knock, Some(Knock::Tiny));
        assert_eq!(flow(50_000, 22, Some(2)).knock, Some(Knock::Failed));
        assert_eq!(flow(50_000, 22, Some(3)).knock, None, "opened and closed");
        assert_eq!(flow(50_000, 22, Some(0)).knock, None, "in the middle of a flow");
        let refused = |src, dst| {
            let flow = Flow {
                refused: true,
                ..flow(src, dst, None)
            };
            flow.oriented()
        };
        assert_eq!(refused(50_000, 40_000).knock, Some(Knock::Failed));
        assert_eq!(refused(443, 50_000).knock, None, "a late answer");
        let long = Flow {
            packets: Some(12),
            bytes: 2_000,
            ..flow(50_000, 22, None)
        }
        .oriented();
        assert_eq!(long.knock, None);
    }
}
