use super::*;
use proptest::prelude::*;

#[test]
fn times() {
    assert_eq!(date_days(b"1970-01-02"), Some(1));
    for bad in [
        "1970-02-30",
        "1970-13-01",
        "1970-00-01",
        "1970/01/01",
        "197-01-011",
        "",
    ] {
        assert_eq!(date_days(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(time_seconds(b"23:59:60"), Some(86_400));
    assert_eq!(time_seconds(b"24:00:00"), None);
    assert_eq!(clf_time(b"10/Oct/2000:13:55:36 -0700"), Some(971_211_336_000_000));
    assert_eq!(clf_time(b"10/Okt/2000:13:55:36 -0700"), None);
}

#[test]
fn epochs_by_size() {
    for value in [
        1_772_366_400.0,
        1_772_366_400_000.0,
        1_772_366_400_000_000.0,
        1.7723664e18,
    ] {
        assert_eq!(epoch_us(value), Some(1_772_366_400_000_000), "{value}");
    }
    assert_eq!(epoch_us(f64::NAN), None);
}

#[test]
fn integers_reach_both_ends_of_their_range() {
    let ends = [
        (i64::MAX.to_string(), Some(i64::MAX)),
        (i64::MIN.to_string(), Some(i64::MIN)),
        ("9223372036854775808".to_owned(), None),
        ("-9223372036854775809".to_owned(), None),
        ("1000000000000000000".to_owned(), Some(1_000_000_000_000_000_000)),
        ("0000000000000000000000007".to_owned(), Some(7)),
        ("922337203685477580x".to_owned(), None),
        ("-".to_owned(), None),
        (String::new(), None),
    ];
    for (text, want) in ends {
        assert_eq!(integer(text.as_bytes()), want, "{text}");
    }
}

#[test]
fn short_integers() {
    let text = b"xx,:--0123456789";
    for start in 0..text.len() {
        for end in start..=text.len() {
            let part = &text[start..end];
            let want = (end >= 8 && part.len() <= 8 && part.iter().all(u8::is_ascii_digit))
                .then(|| integer(part))
                .flatten();
            assert_eq!(short_integer(text, &(start..end)), want, "{start}..{end}");
        }
    }
    assert_eq!(short_integer(b"99999999", &(0..8)), Some(99_999_999));
    assert_eq!(short_integer(b"99999999", &(0..9)), None);
}

#[test]
fn every_octet() {
    for octet in 0..=1100u32 {
        for text in [
            format!("{octet}.0.10.255"),
            format!("7.8.9.{octet}"),
            format!("1.{octet:03}.2.3"),
        ] {
            let want = text.parse::<Ipv4Addr>().ok().map(u32::from);
            assert_eq!(canonical_v4(text.as_bytes()), want, "{text}");
        }
    }
    for text in [
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.:",
        "1.2.3.4\0",
        ".1.2.3.4",
        "1.2.3.4.",
        "........",
        "1.2.3.\u{e9}",
    ] {
        assert_eq!(canonical_v4(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_agree_with_the_standard_library(text in "-?[0-9]{0,21}(\\.[0-9]{0,6})?") {
        prop_assert_eq!(integer(text.as_bytes()), text.parse().ok());
        if let (Some(number), Ok(want)) = (decimal(text.as_bytes()), text.parse::<f64>()) {
            prop_assert_eq!(number, want);
        }
    }

    #[test]
    fn canonical_v4_is_what_the_standard_library_prints(text in "[0-9]{0,4}(\\.[0-9]{0,4}){2,4}") {
        let want = text.parse::<std::net::Ipv4Addr>().is_ok_and(|v4| v4.to_string() == text);
        prop_assert_eq!(is_canonical_v4(text.as_bytes()), want);
        prop_assert_eq!(address(&text), parse_address(&text));
    }

    #[test]
    fn any_eight_bytes(eight in prop::array::uniform8(prop_oneof![3 => b'0'..=b'9', 1 => any::<u8>()])) {
        let digits = eight.iter().take_while(|b| b.is_ascii_digit()).count();
        prop_assert_eq!(leading_digits(&eight), digits);
        for start in 0..8 {
            let part = &eight[start..];
            let want = part.iter().all(u8::is_ascii_digit).then(|| integer(part)).flatten();
            prop_assert_eq!(short_integer(&eight, &(start..8)), want);
        }
    }
}
