//! Addresses: Korean access networks for people, documentation and test ranges for attackers.

use crate::cloudfront::mix;
use rand::{Rng, RngExt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First octets and the range of the second, of Korean access networks.
const HOMES: [(u8, u8, u8); 8] = [
    (121, 128, 191),
    (175, 192, 255),
    (211, 192, 231),
    (1, 224, 255),
    (58, 224, 239),
    (112, 144, 191),
    (106, 240, 255),
    (220, 64, 95),
];
pub(crate) const MOBILE: [(u8, u8, u8); 4] = [(223, 32, 63), (39, 7, 7), (117, 111, 111), (106, 101, 102)];

/// The office: everyone behind one address.
pub(crate) const OFFICE: IpAddr = IpAddr::V4(Ipv4Addr::new(211, 234, 118, 50));

/// Another office, each seed's own.
pub(crate) fn office(seed: u64, index: u64) -> IpAddr {
    IpAddr::V4(within(&HOMES, mix(mix(seed ^ 0x0FF1CE).wrapping_add(index))))
}

/// Networks of Korean access providers that no ordinary visitor of the simulation lives in:
/// where rented residential proxies come from.
const PROXIES: [(u8, u8, u8); 5] = [
    (175, 112, 126),
    (218, 48, 55),
    (14, 32, 63),
    (59, 0, 31),
    (183, 96, 110),
];

/// The `index`-th residential proxy of the seed: different for every index below six million.
pub(crate) fn proxy(seed: u64, index: u32) -> Ipv4Addr {
    let seconds: u64 = PROXIES.iter().map(|net| u64::from(net.2 - net.1) + 1).sum();
    // A step that shares no factor with the number of places: a bijection.
    let place = (u64::from(index) * 1_000_003 + mix(seed ^ 0x9017) % 1_000_000) % (seconds * 64_000);
    let (mut second, rest) = (place / 64_000, place % 64_000);
    for (first, low, high) in PROXIES {
        let width = u64::from(high - low) + 1;
        if second < width {
            return Ipv4Addr::new(
                first,
                low + second as u8,
                (rest / 250) as u8,
                (rest % 250) as u8 + 2,
            );
        }
        second -= width;
    }
    Ipv4Addr::new(PROXIES[0].0, PROXIES[0].1, 0, 2)
}

/// The `index`-th server of hosting companies, each in a network of its own; different for
/// every index below 16,000.
pub(crate) fn server(seed: u64, index: u32) -> Ipv4Addr {
    let place = (u64::from(index) * 7_919 + mix(seed ^ 0x5E21)) % 16_000;
    Ipv4Addr::new(198, 18, 64 + (place % 64) as u8, (place / 64) as u8 + 2)
}

/// The `index`-th rented /24 of the seed, below 256; the first three octets. From the benchmark
/// range of RFC 2544, away from [`attacker`]'s part of it.
pub(crate) fn rented(seed: u64, index: u32) -> [u8; 3] {
    let first = (mix(seed ^ 0x2E17) & 0xff) as u32;
    [
        198,
        19,
        (first.wrapping_add(index * 16 + index / 16) & 0xff) as u8,
    ]
}

/// The `index`-th machine of a botnet spread over the world.
pub(crate) fn zombie(seed: u64, index: u32) -> Ipv4Addr {
    const NETS: [u8; 16] = [
        5, 37, 46, 77, 91, 95, 109, 113, 123, 151, 171, 178, 186, 188, 190, 201,
    ];
    // A bijection on 24 bits below the net: odd factor, then an offset.
    let bits = mix(seed ^ 0x2083);
    let host = index.wrapping_mul(0x9e_3779).wrapping_add(bits as u32) & 0x00ff_ffff;
    let [_, b, c, d] = host.to_be_bytes();
    Ipv4Addr::new(
        NETS[(index as usize + (bits >> 32) as usize % 16) % 16],
        b,
        c,
        d.clamp(1, 254),
    )
}

fn within(nets: &[(u8, u8, u8)], bits: u64) -> Ipv4Addr {
    let net = nets[(bits >> 32) as usize % nets.len()];
    let second = net.1 + ((bits >> 24) as u8) % (net.2 - net.1 + 1);
    Ipv4Addr::new(net.0, second, (bits >> 8) as u8, 1 + (bits as u8) % 254)
}

/// The address of member `index` of the seed's public.
pub(crate) fn person(seed: u64, index: u64) -> IpAddr {
    let bits = mix(mix(seed ^ 0xA11CE).wrapping_add(index));
    match bits >> 60 {
        // One in sixteen on IPv6, from the two large mobile networks.
        0 => {
            let net = if bits & 1 == 0 { 0x2001_0e60 } else { 0x2001_02d8 };
            let host = u128::from(bits) << 64 | u128::from(mix(bits));
            IpAddr::V6(Ipv6Addr::from((net << 96) | (host & ((1 << 96) - 1))))
        }
        1..=5 => IpAddr::V4(within(&MOBILE, bits)),
        _ => IpAddr::V4(within(&HOMES, bits)),
    }
}

/// The `index`-th gateway of the mobile networks: many people behind each.
pub(crate) fn carrier_gateway(seed: u64, index: u64) -> IpAddr {
    IpAddr::V4(within(&MOBILE, mix(mix(seed ^ 0xCA44).wrapping_add(index))))
}

/// The `index`-th attacker: from the documentation ranges of RFC 5737, then from the
/// benchmark range of RFC 2544. Different for every index below 130,000.
pub(crate) fn attacker(seed: u64, index: u32) -> Ipv4Addr {
    const NETS: [[u8; 3]; 3] = [[203, 0, 113], [198, 51, 100], [192, 0, 2]];
    let place = index + (mix(seed) % 100) as u32;
    if place < 750 {
        let net = NETS[place as usize % 3];
        return Ipv4Addr::new(net[0], net[1], net[2], (place / 3) as u8 + 2);
    }
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + place % (1 << 17))
}

/// A public address outside documentation ranges: internet background noise.
pub(crate) fn stranger(rng: &mut impl Rng) -> Ipv4Addr {
    const NETS: [u8; 10] = [45, 80, 89, 92, 103, 141, 162, 167, 185, 194];
    let net = NETS[rng.random_range(0..NETS.len())];
    Ipv4Addr::new(net, rng.random(), rng.random(), rng.random_range(1..255))
}
