use super::*;
use proptest::prelude::*;

const KNOWN: [&str; 6] = [
    "",
    "a",
    "status",
    "request_uri",
    "http_user_agent",
    "http_user_agenT",
];

fn meaning(key: &str) -> Option<u16> {
    KNOWN.iter().position(|known| *known == key).map(|at| at as u16)
}

#[test]
fn what_is_kept_is_bounded() {
    let mut order = KeyOrder::new(KNOWN);
    for number in 0..100_000 {
        let mut cursor = Cursor::default();
        assert_eq!(order.find(&mut cursor, &format!("key{number}")), None);
        assert_eq!(
            order.find(&mut cursor, &"x".repeat(number % 200)).is_some(),
            number % 200 == 0
        );
        assert_eq!(order.find(&mut cursor, "status"), meaning("status"));
    }
    assert!(order.seen.len() <= 1 + KNOWN.len() + LEARNED_MAX && order.places.len() <= order.seen.len());
    assert!(order.seen.iter().all(|seen| seen.key.len() <= LEARNED_BYTES_MAX));
}

#[test]
fn the_first_of_equal_keys_counts() {
    let mut order = KeyOrder::new(["a", "b", "a"]);
    assert_eq!(order.find(&mut Cursor::default(), "a"), Some(0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_a_list_finds(
        records in prop::collection::vec(prop::collection::vec(prop_oneof![
            prop::sample::select(KNOWN.to_vec()).prop_map(str::to_owned),
            "[a-c]{0,3}|http_user_agen[a-z]|x{60,70}",
        ], 0..12), 0..20),
    ) {
        let mut order = KeyOrder::new(KNOWN);
        for record in &records {
            let mut cursor = Cursor::default();
            for key in record {
                prop_assert_eq!(order.find(&mut cursor, key), meaning(key), "{}", key);
            }
        }
    }

    #[test]
    fn equality(a in "[ab]{0,20}", b in "[ab]{0,20}", at in any::<prop::sample::Index>()) {
        prop_assert_eq!(is_same(a.as_bytes(), b.as_bytes()), a == b);
        prop_assert!(is_same(a.as_bytes(), a.clone().as_bytes()));
        let mut other = a.clone().into_bytes();
        if !other.is_empty() {
            let at = at.index(other.len());
            other[at] = b'c';
            prop_assert!(!is_same(a.as_bytes(), &other));
        }
    }
}
