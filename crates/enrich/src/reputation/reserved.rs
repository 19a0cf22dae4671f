//! Addresses that are never scored: nobody on the Internet can be met under them.
//!
//! Source: the IANA special-purpose registries for IPv4 and IPv6. The documentation networks
//! (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32, 3fff::/20) are reserved too but
//! are left out here: real traffic never has them, and demonstrations need addresses to score.

use std::net::IpAddr;

/// First and last address, in order.
const V4: [(u32, u32); 10] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    // Multicast, and what is kept for the future, broadcast included.
    v4([224, 0, 0, 0], 3),
];

/// Everything outside global unicast (2000::/3): loopback, unique local, link-local, NAT64, …
const V6: [(u128, u128); 4] = [
    (0, (0x2000 << 112) - 1),
    // Benchmarking, 2001:2::/48.
    (0x2001_0002 << 96, (0x2001_0002 << 96) | ((1 << 80) - 1)),
    // ORCHID, 2001:10::/28 and 2001:20::/28.
    (0x2001_0010 << 96, (0x2001_0030 << 96) - 1),
    (0x4000 << 112, u128::MAX),
];

const fn v4(octets: [u8; 4], bits: u32) -> (u32, u32) {
    let first = u32::from_be_bytes(octets);
    (first, first | u32::MAX >> bits)
}

/// Whether the address is private or reserved. v4-mapped v6 is judged as v4.
pub fn is_reserved(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => covers_v4(v4.to_bits(), v4.to_bits()),
        IpAddr::V6(v6) => covers_v6(v6.to_bits(), v6.to_bits()),
    }
}

/// Whether the whole range is reserved.
pub(super) fn covers_v4(first: u32, last: u32) -> bool {
    V4.iter().any(|&(from, to)| from <= first && last <= to)
}

/// See [`covers_v4`].
pub(super) fn covers_v6(first: u128, last: u128) -> bool {
    V6.iter().any(|&(from, to)| from <= first && last <= to)
}
