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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_agree_with_the_standard_library(text in "-?[0-9]{0,19}(\\.[0-9]{0,6})?") {
        if let Some(number) = integer(text.as_bytes()) {
            prop_assert_eq!(Some(number), text.parse().ok());
        }
        if let (Some(number), Ok(want)) = (decimal(text.as_bytes()), text.parse::<f64>()) {
            prop_assert_eq!(number, want);
        }
    }

    #[test]
    fn canonical_v4_is_what_the_standard_library_prints(text in "[0-9]{0,4}(\\.[0-9]{0,4}){2,4}") {
        let want = text.parse::<std::net::Ipv4Addr>().is_ok_and(|v4| v4.to_string() == text);
        prop_assert_eq!(is_canonical_v4(text.as_bytes()), want);
    }
}
