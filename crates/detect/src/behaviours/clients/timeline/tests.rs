use super::*;
use std::collections::BTreeMap;

fn hit(n: u32, actors: u32) -> Hit {
    let mixed = n.wrapping_mul(0x9E37_79B9) ^ (n >> 7);
    Hit::new(Seen {
        who: (mixed % actors).wrapping_mul(0x0101_7F4B),
        at: (mixed >> 3) % 1_800 * 1_000_000,
        template: 1 + mixed % 5,
        exact: 0,
        agent: 0,
        kind: if n.is_multiple_of(3) {
            Kind::Asset
        } else {
            Kind::Page
        },
        call: false,
        post: false,
        referer: false,
        claimed: false,
        refused: n.is_multiple_of(9),
        session: true,
        library: false,
    })
}

fn counted(hits: impl Iterator<Item = Minute>, until: u32) -> BTreeMap<(u32, u8), (u32, u32, u32)> {
    let mut sums: BTreeMap<(u32, u8), (u32, u32, u32)> = BTreeMap::new();
    for minute in hits.filter(|minute| until == u32::MAX || minute.who < until) {
        let entry = sums.entry((minute.who, minute.minute)).or_default();
        entry.0 += minute.requests;
        entry.1 += minute.pages;
        entry.2 += minute.assets;
    }
    sums.retain(|_, sum| *sum != (0, 0, 0));
    sums
}

#[test]
fn what_is_known_of_actors_is_exact_in_any_order_however_many_come() {
    for actors in [3, 40, 2_000] {
        let hits: Vec<Hit> = (0..30_000).map(|n| hit(n, actors)).collect();
        let mut forward = Span::new(0, hits[0]);
        let mut backward = Span::new(0, hits[hits.len() - 1]);
        for (n, hit) in hits.iter().enumerate().skip(1) {
            forward.add(*hit);
            backward.add(hits[hits.len() - 1 - n]);
            if n % 1_700 == 0 {
                backward.settle();
            }
        }
        forward.settle();
        backward.settle();
        assert!(forward.dropped() > 0);
        let (minutes, until) = forward.minutes();
        let known = counted(minutes, until);
        let (minutes, same) = backward.minutes();
        assert_eq!((&known, until), (&counted(minutes, same), same));
        assert_eq!(
            known,
            counted(hits.iter().map(Minute::of), until),
            "{actors} actors"
        );
        // Forty actors in thirty minutes are more than there is room for, too.
        assert_eq!(until < u32::MAX, actors >= 40);
        assert!(forward.bytes() < 100_000);
    }
}
