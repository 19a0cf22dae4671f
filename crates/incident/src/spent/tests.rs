use super::*;
use haetae_event::Micros;
use haetae_event::time::HOUR_US;
use proptest::prelude::*;

fn entity(kind: &str, value: &str) -> Entity {
    Entity {
        kind: kind.into(),
        value: value.into(),
    }
}

/// Entity, first and last minute, dollars.
type One = (Entity, i64, i64, f64);

fn one(kind: &str, value: &str, from: i64, to: i64, dollars: f64) -> One {
    (entity(kind, value), from, to, dollars)
}

fn sum(all: &[One]) -> Option<f64> {
    let spent = all.iter().map(|(entity, from, to, dollars)| Spent {
        entity,
        window: TimeWindow {
            start: Micros(from * MINUTE_US),
            end: Micros(to * MINUTE_US),
        },
        cost: Cost {
            so_far: *dollars,
            per_24h: *dollars,
        },
    });
    together(spent).map(|cost| cost.so_far)
}

#[test]
fn nothing_metered_costs_nothing_known() {
    assert_eq!(sum(&[]), None);
}

#[test]
fn overlapping_findings_of_one_client_count_once_and_later_ones_add() {
    let a = one("ip", "192.0.2.1", 0, 25, 5.0);
    let b = one("src_ip", "192.0.2.1", 3, 8, 2.0);
    assert_eq!(sum(&[a.clone(), b.clone()]), Some(5.0));
    // 25 and 28 lie in one bucket, 30 in the next.
    assert_eq!(sum(&[a.clone(), one("ip", "192.0.2.1", 28, 29, 3.0)]), Some(5.0));
    assert_eq!(sum(&[a, b, one("ip", "192.0.2.1", 30, 31, 3.0)]), Some(8.0));
}

#[test]
fn two_short_ones_may_be_dearer_than_the_long_one_between() {
    let all = [
        one("ip", "192.0.2.1", 0, 9, 4.0),
        one("ip", "192.0.2.1", 5, 15, 6.0),
        one("ip", "192.0.2.1", 10, 19, 3.0),
    ];
    assert_eq!(sum(&all), Some(7.0));
}

#[test]
fn clients_add_up_and_their_network_covers_them() {
    let a = one("ip", "192.0.2.1", 0, 5, 4.0);
    let b = one("ip", "192.0.2.200", 0, 5, 3.0);
    let far = one("ip", "192.0.3.1", 0, 5, 1.0);
    let net = |dollars| one("block", "192.0.2.0/24", 0, 9, dollars);
    assert_eq!(sum(&[a.clone(), b.clone(), far.clone()]), Some(8.0));
    assert_eq!(sum(&[net(10.0), a.clone(), b.clone(), far.clone()]), Some(11.0));
    assert_eq!(
        sum(&[a.clone(), net(2.0), far.clone(), b.clone()]),
        Some(8.0),
        "late members"
    );
    let wide = one("net", "192.0.0.0/16", 0, 9, 20.0);
    assert_eq!(sum(&[a, net(10.0), wide, far, b]), Some(20.0));
    let six = [
        one("ip", "2001:db8::1", 0, 5, 1.0),
        one("block", "2001:db8::/64", 0, 5, 3.0),
    ];
    assert_eq!(sum(&six), Some(3.0));
}

#[test]
fn other_ways_to_look_at_the_same_requests_are_not_added() {
    let all = [
        one("ip", "192.0.2.1", 0, 5, 4.0),
        one("path", "/a", 0, 5, 3.0),
        one("path", "/b", 0, 5, 3.0),
        one("site", "x", 0, 5, 5.0),
        one("site", "y", 0, 5, 5.0),
    ];
    assert_eq!(sum(&all), Some(6.0));
}

#[test]
fn what_is_no_amount_adds_nothing() {
    let all = [
        one("ip", "192.0.2.1", 0, 5, f64::NAN),
        one("ip", "192.0.2.2", 0, 5, -3.0),
        one("ip", "192.0.2.3", 0, 5, f64::INFINITY),
        one("ip", "no address", 0, 5, 2.0),
    ];
    assert_eq!(sum(&all), Some(2.0));
}

#[test]
fn rates_add_up_over_clients_and_not_over_time() {
    let spent = |entity, hour: i64, per_24h| Spent {
        entity,
        window: TimeWindow {
            start: Micros(hour * HOUR_US),
            end: Micros(hour * HOUR_US),
        },
        cost: Cost { so_far: 1.0, per_24h },
    };
    let (a, b) = (entity("ip", "192.0.2.1"), entity("ip", "192.0.2.2"));
    let all = [spent(&a, 0, 10.0), spent(&a, 5, 30.0), spent(&b, 5, 7.0)];
    let cost = together(all).expect("metered");
    assert_eq!((cost.so_far, cost.per_24h), (3.0, 37.0));
}

type Request = (u8, u8, u8, i64);
type Holds = Box<dyn Fn(&Request) -> bool>;
type View = (u8, u8, u8, i64, i64);

/// One request: client of 192.0.2-3.x, path, minute; costs a dollar.
fn traffic() -> impl Strategy<Value = Vec<Request>> {
    prop::collection::vec((2u8..4, 0u8..4, 0u8..3, 0i64..120), 0..60)
}

/// What a finding is about, and its window.
fn views() -> impl Strategy<Value = Vec<View>> {
    prop::collection::vec((0u8..4, 2u8..4, 0u8..4, 0i64..120, 0i64..60), 0..12)
}

/// The finding that a cost meter would price: all of its entity's requests in its buckets.
fn priced(requests: &[Request], view: &View) -> One {
    let &(kind, net, host, from, minutes) = view;
    let (about, holds): (Entity, Holds) = match kind {
        0 => (
            entity("ip", &format!("192.0.{net}.{host}")),
            Box::new(move |r| (r.0, r.1) == (net, host)),
        ),
        1 => (
            entity("block", &format!("192.0.{net}.0/24")),
            Box::new(move |r| r.0 == net),
        ),
        2 => (
            entity("path", &format!("/{}", host % 3)),
            Box::new(move |r| r.2 == host % 3),
        ),
        _ => (entity("site", "shop"), Box::new(|_| true)),
    };
    let buckets = from / 10..=(from + minutes) / 10;
    let seen = requests
        .iter()
        .filter(|r| buckets.contains(&(r.3 / 10)) && holds(r));
    (about, from, from + minutes, seen.count() as f64)
}

proptest! {
    #[test]
    fn never_more_than_all_the_traffic_and_never_less_than_the_dearest(requests in traffic(), views in views()) {
        let all: Vec<One> = views.iter().map(|view| priced(&requests, view)).collect();
        let total = sum(&all).unwrap_or(0.0);
        let dearest = all.iter().map(|one| one.3).fold(0.0, f64::max);
        prop_assert!(total <= requests.len() as f64, "{total} of {}", requests.len());
        prop_assert!(total >= dearest);
    }

    #[test]
    fn order_does_not_matter(
        requests in traffic(),
        (views, shuffled) in views().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let of = |views: &[View]| {
            let all: Vec<One> = views.iter().map(|view| priced(&requests, view)).collect();
            sum(&all)
        };
        prop_assert_eq!(of(&views), of(&shuffled));
    }

    #[test]
    fn a_finding_more_never_costs_less(requests in traffic(), views in views()) {
        let all: Vec<One> = views.iter().map(|view| priced(&requests, view)).collect();
        let mut before = 0.0;
        for n in 1..=all.len() {
            let now = sum(&all[..n]).expect("metered");
            prop_assert!(now >= before);
            before = now;
        }
    }
}
