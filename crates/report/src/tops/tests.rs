use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[test]
fn exact_while_few() {
    let mut tops = Tops::default();
    for key in ["/a", "/b", "/a", "/a", "/c", "/b"] {
        tops.count(key);
    }
    assert_eq!(tops.top(2), vec![("/a".into(), 3), ("/b".into(), 2)]);
    assert_eq!(tops.distinct(), 3);
    assert!(!tops.is_approximate());
}

#[test]
fn long_keys_are_cut_at_a_character() {
    let mut tops = Tops::default();
    let long = "해".repeat(1000);
    tops.count(&long);
    tops.count(&format!("{long}x"));
    let top = tops.top(5);
    assert_eq!(top.len(), 1);
    assert!(top[0].0.len() <= KEY_BYTES_MAX && top[0].0.chars().all(|c| c == '해'));
}

#[test]
fn memory_stays_bounded_and_heavy_keys_stay_exact() {
    let mut tops = Tops::default();
    for i in 0..400_000u32 {
        tops.count(&format!("/random/{i}/{}", "x".repeat(100)));
        if i % 4 == 0 {
            tops.count("/login");
        }
    }
    assert!(tops.entries.len() <= KEYS_EXACT_MAX);
    assert!(tops.arena.len() <= ARENA_BYTES_MAX);
    assert!(tops.is_approximate());
    assert_eq!(tops.top(1), vec![("/login".into(), 100_000)]);
    let distinct = tops.distinct() as f64;
    assert!((distinct / 400_001.0 - 1.0).abs() < 0.03, "{distinct}");
}

proptest! {
    #[test]
    fn a_sketched_count_is_never_too_small_and_too_large_by_the_floor_at_most(
        keys in prop::collection::vec(0u32..60, 1..600),
        split in 0usize..600,
    ) {
        let mut truth: HashMap<String, u64> = HashMap::new();
        let (mut a, mut b) = (Tops::with_keys_max(16), Tops::with_keys_max(16));
        for (i, key) in keys.iter().enumerate() {
            // Squares make low keys frequent.
            let key = format!("k{}", key * key / 60);
            *truth.entry(key.clone()).or_default() += 1;
            if i < split { a.count(&key) } else { b.count(&key) }
        }
        a.merge(&b);
        prop_assert!(a.entries.len() <= 16);
        for (key, count) in a.top(16) {
            let real = truth[&key];
            prop_assert!(count >= real, "{key}: {count} < {real}");
            prop_assert!(count <= real + a.floor, "{key}: {count} > {real} + {}", a.floor);
        }
        for (key, real) in &truth {
            let kept = a.find(key.as_bytes()).is_some();
            prop_assert!(kept || *real <= a.floor, "{key}: {real} forgotten above the floor {}", a.floor);
        }
    }
}
