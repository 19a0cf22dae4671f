//! Sets of prefixes against a model that looks at every entry.

use haetae_enrich::reputation::prefixes::{Draft, PrefixSet, Verdict};
use haetae_event::Micros;
use proptest::prelude::*;
use std::net::IpAddr;

#[derive(Clone, Debug)]
struct Entry {
    first: u128,
    last: u128,
    verdict: Verdict,
}

/// The narrowest entry around the address that counts; of equals the highest score.
fn model(entries: &[Entry], address: u128, now: Micros) -> Option<u8> {
    let counts = |entry: &&Entry| {
        (entry.first..=entry.last).contains(&address) && entry.verdict.expires.is_none_or(|end| now < end)
    };
    let around = entries.iter().filter(counts);
    around
        .min_by_key(|entry| (entry.last - entry.first, u8::MAX - entry.verdict.score))
        .map(|entry| entry.verdict.score)
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let expires = prop::option::weighted(0.3, (0i64..40).prop_map(Micros));
    (0u8..6, expires).prop_map(|(score, expires)| Verdict { score, expires })
}

/// Few bits, so that entries overlap; edges of both ends and of the /16 and /64 cuts included.
fn position(bits: u32) -> impl Strategy<Value = u128> {
    let max = u128::MAX >> (128 - bits);
    let cut = if bits == 32 { 16 } else { 64 };
    (
        0u128..40,
        prop::sample::select(vec![
            0,
            (1 << cut) - 20,
            (3 << cut) - 20,
            (u128::MAX >> (128 - bits)) - 40,
        ]),
    )
        .prop_map(move |(offset, base)| (base + offset).min(max))
}

fn entries(bits: u32, verdicts: impl Strategy<Value = Verdict>) -> impl Strategy<Value = Vec<Entry>> {
    let entry = (position(bits), position(bits), verdicts).prop_map(|(a, b, verdict)| Entry {
        first: a.min(b),
        last: a.max(b),
        verdict,
    });
    prop::collection::vec(entry, 0..24)
}

fn check(bits: u32, entries: &[Entry]) -> Result<(), TestCaseError> {
    let mut draft = Draft::default();
    for entry in entries {
        match bits {
            32 => draft.add_v4(entry.first as u32, entry.last as u32, entry.verdict),
            _ => draft.add_v6(entry.first, entry.last, entry.verdict),
        }
    }
    let set = PrefixSet::of(draft);
    prop_assert_eq!(set.left_out(), 0);
    let max = u128::MAX >> (128 - bits);
    let edges = entries.iter().flat_map(|e| {
        [
            e.first,
            e.last,
            e.first.saturating_sub(1),
            e.last.saturating_add(1).min(max),
            (e.first & e.last) + (e.first ^ e.last) / 2,
        ]
    });
    for address in edges.chain([0, max, max / 2]) {
        let ip = match bits {
            32 => IpAddr::V4((address as u32).into()),
            _ => IpAddr::V6(address.into()),
        };
        // A v4-mapped v6 address is asked as v4, whatever v6 entries say.
        if ip.to_canonical() != ip {
            continue;
        }
        for now in [Micros(0), Micros(20), Micros(100)] {
            let got = set.verdict(ip, now).map(|v| v.score);
            prop_assert_eq!(got, model(entries, address, now), "{} at {:?}", ip, now);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn v4_as_the_model(list in entries(32, verdict())) {
        check(32, &list)?;
    }

    #[test]
    fn v6_as_the_model(list in entries(128, verdict())) {
        check(128, &list)?;
    }

    #[test]
    fn lists_of_one_verdict_as_the_model(
        v4 in entries(32, Just(Verdict { score: 7, expires: None })),
        v6 in entries(128, Just(Verdict { score: 7, expires: Some(Micros(30)) })),
    ) {
        check(32, &v4)?;
        check(128, &v6)?;
    }
}

const SURE: Verdict = Verdict {
    score: 50,
    expires: None,
};

#[test]
fn everything_and_nothing() {
    assert!(
        PrefixSet::of(Draft::default())
            .verdict("1.2.3.4".parse().unwrap(), Micros(0))
            .is_none()
    );
    assert!(PrefixSet::of(Draft::default()).bytes() < 64);
    let mut draft = Draft::default();
    draft.add_v4(0, u32::MAX, SURE);
    draft.add_v6(0, u128::MAX, SURE);
    draft.add_v4(5, 4, SURE);
    let set = PrefixSet::of(draft);
    for text in [
        "0.0.0.0",
        "255.255.255.255",
        "::",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "::ffff:1.2.3.4",
    ] {
        assert_eq!(
            set.verdict(text.parse().unwrap(), Micros(0)),
            Some(SURE),
            "{text}"
        );
    }
}

#[test]
fn neighbours_merge_and_many_addresses_stay_small() {
    let mut draft = Draft::default();
    for address in 0x0100_0000..0x0100_0000 + 60_000u32 {
        draft.add_v4(address, address, SURE);
    }
    assert_eq!(PrefixSet::of(draft).runs(), 1);
    let mut draft = Draft::default();
    for n in 0..1_000_000u32 {
        draft.add_v4(n * 4_001, n * 4_001, SURE);
    }
    let set = PrefixSet::of(draft);
    assert_eq!(set.runs(), 1_000_000);
    assert!(set.bytes() < 5_000_000, "{} bytes", set.bytes());
}

/// Every entry covers every other one, each with its own verdict: bounded, and counted.
#[test]
fn a_hostile_pile_is_bounded() {
    let mut draft = Draft::default();
    for n in 0..100_000u32 {
        let verdict = Verdict {
            score: 50,
            expires: Some(Micros(i64::from(n))),
        };
        draft.add_v4(n, 0x00f0_0000, verdict);
    }
    let start = std::time::Instant::now();
    let set = PrefixSet::of(draft);
    assert!(set.left_out() >= 99_000);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
