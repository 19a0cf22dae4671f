//! Memory of a prefix and time of a look-up, for lists of random prefixes.
//!
//! `cargo run --release -p haetae-enrich --example lookup_speed [prefixes]`

use haetae_enrich::reputation::prefixes::{Draft, PrefixSet, Verdict};
use haetae_event::Micros;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

const QUERIES: usize = 4_000_000;

fn main() {
    let prefixes = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(2_000_000usize);
    let one = |_: &mut StdRng| verdict(50);
    let many = |random: &mut StdRng| verdict(random.random_range(0..100));
    println!("{prefixes} prefixes, {QUERIES} look-ups each");
    measure("v4 /32, one score", prefixes, &one, |random| v4(random, 32, 32));
    measure("v4 /32, 100 scores", prefixes, &many, |random| v4(random, 32, 32));
    measure("v4 /24../32, one score", prefixes, &one, |random| {
        v4(random, 24, 32)
    });
    measure("v4 /24../32, 100 scores", prefixes, &many, |random| {
        v4(random, 24, 32)
    });
    measure("v6 /32../64, one score", prefixes, &one, |random| {
        v6(random, 32, 64)
    });
    measure("v6 /128, one score", prefixes, &one, |random| {
        v6(random, 128, 128)
    });
}

fn verdict(score: u8) -> Verdict {
    Verdict { score, expires: None }
}

enum Prefix {
    V4(u32, u32),
    V6(u128, u128),
}

fn v4(random: &mut StdRng, shortest: u32, longest: u32) -> Prefix {
    let mask = u32::MAX
        .checked_shl(32 - random.random_range(shortest..=longest))
        .unwrap_or(0);
    let first = random.random::<u32>() & mask;
    Prefix::V4(first, first | !mask)
}

fn v6(random: &mut StdRng, shortest: u32, longest: u32) -> Prefix {
    let mask = u128::MAX
        .checked_shl(128 - random.random_range(shortest..=longest))
        .unwrap_or(0);
    let first = (0x2 << 124 | random.random::<u128>() >> 4) & mask;
    Prefix::V6(first, first | !mask)
}

fn measure(
    name: &str,
    prefixes: usize,
    verdict: &dyn Fn(&mut StdRng) -> Verdict,
    prefix: impl Fn(&mut StdRng) -> Prefix,
) {
    let mut random = StdRng::seed_from_u64(7);
    let mut draft = Draft::default();
    let mut hits: Vec<IpAddr> = Vec::with_capacity(prefixes);
    for _ in 0..prefixes {
        let verdict = verdict(&mut random);
        match prefix(&mut random) {
            Prefix::V4(first, last) => {
                draft.add_v4(first, last, verdict);
                hits.push(IpAddr::V4(first.into()));
            }
            Prefix::V6(first, last) => {
                draft.add_v6(first, last, verdict);
                hits.push(IpAddr::V6(first.into()));
            }
        }
    }
    let start = Instant::now();
    let set = PrefixSet::of(draft);
    let build = start.elapsed();
    let is_v4 = hits.first().is_some_and(IpAddr::is_ipv4);
    let asked = |at_random: bool| -> Vec<IpAddr> {
        let mut random = StdRng::seed_from_u64(11);
        let mut one = |_| match (at_random, is_v4) {
            (false, _) => hits[random.random_range(0..hits.len())],
            (true, true) => IpAddr::V4(random.random::<u32>().into()),
            (true, false) => IpAddr::V6((0x2 << 124 | random.random::<u128>() >> 4).into()),
        };
        (0..QUERIES).map(&mut one).collect()
    };
    let (hit_ns, found) = time(&set, &asked(false));
    let (random_ns, _) = time(&set, &asked(true));
    assert_eq!(found, QUERIES, "every listed address is known");
    println!(
        "{name:24} {:5.2} bytes a prefix ({} runs), {hit_ns:5.0} ns a hit, {random_ns:5.0} ns at random, built in {build:.2?}",
        set.bytes() as f64 / prefixes as f64,
        set.runs(),
    );
}

fn time(set: &PrefixSet, addresses: &[IpAddr]) -> (f64, usize) {
    let start = Instant::now();
    let mut found = 0;
    for &address in addresses {
        found += usize::from(black_box(set.verdict(address, Micros(0))).is_some());
    }
    (start.elapsed().as_nanos() as f64 / addresses.len() as f64, found)
}
