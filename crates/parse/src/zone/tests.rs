use super::*;
use proptest::prelude::*;

fn zone(name: &str) -> LocalZone {
    name.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn names_and_offsets() {
    for name in ["Asia/Seoul", "asia/seoul", "+09:00", "+0900", "+09"] {
        let offset = zone(name).offset_at(1_772_323_200, &mut LastOffset::default());
        assert_eq!(offset, Some(32_400), "{name}");
    }
    assert!(zone("UTC").is_utc() && zone("Z").is_utc() && zone("-00:00").is_utc());
    assert!(!zone("Europe/London").is_utc());
    for wrong in [
        "",
        "Seoul",
        "KST9",
        "+9",
        "+26:00",
        "+09:60",
        "Asia/Seoul ",
        "local",
        "../etc/passwd",
    ] {
        let error = wrong.parse::<LocalZone>().expect_err(wrong);
        assert_eq!(error, UnknownZone(wrong.to_owned()));
        assert!(error.to_string().contains("Asia/Seoul"), "{error}");
    }
}

/// Zones whose clocks change at odd minutes, by odd amounts, twice a day apart, or never again.
const ODD: [&str; 10] = [
    "Asia/Seoul",
    "America/New_York",
    "America/St_Johns",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Africa/Monrovia",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Antarctica/Troll",
];

proptest! {
    #[test]
    fn what_was_asked_before_changes_nothing(
        place in 0..ODD.len(),
        start in -3_000_000_000i64..5_000_000_000,
        steps in prop::collection::vec(
            prop_oneof![-4000i64..4000, -90_000i64..90_000, -20_000_000i64..20_000_000],
            1..200,
        ),
    ) {
        let zone = zone(ODD[place]);
        let (mut at, mut last) = (start, LastOffset::default());
        for step in steps {
            at += step;
            prop_assert_eq!(zone.offset_at(at, &mut last), zone.look_up(at), "{} at {}", ODD[place], at);
        }
    }

    #[test]
    fn around_every_change(place in 0..ODD.len(), back in 0usize..120, by in prop::collection::vec(-100_000i64..100_000, 1..50)) {
        let zone = zone(ODD[place]);
        let from = Timestamp::from_second(1_800_000_000).expect("in range");
        let Some(change) = zone.zone.preceding(from).nth(back) else { return Ok(()) };
        let mut last = LastOffset::default();
        for by in by {
            let at = change.timestamp().as_second() + by;
            prop_assert_eq!(zone.offset_at(at, &mut last), zone.look_up(at), "{} at {}", ODD[place], at);
        }
    }
}

#[test]
fn the_ends_of_time_have_no_offset() {
    for at in [i64::MIN, i64::MAX, -400_000_000_000, 300_000_000_000] {
        assert_eq!(zone("Asia/Seoul").offset_at(at, &mut LastOffset::default()), None);
    }
}
