use super::*;
use proptest::prelude::*;

fn plainly(chunk: &[u8; WIDTH]) -> u32 {
    (0..WIDTH).fold(0, |marks, i| marks | u32::from(is_special(chunk[i])) << i)
}

#[test]
fn every_byte_at_every_place() {
    for around in [b'a', 0, 0x1f, 0x20, b'"', b'\\', 0x7f, 0x80, 0xff] {
        for byte in 0..=255 {
            for at in 0..WIDTH {
                let mut chunk = [around; WIDTH];
                chunk[at] = byte;
                assert_eq!(marks(&chunk), plainly(&chunk), "{byte} at {at} in {around}");
                assert_eq!(
                    marks_plainly(&chunk),
                    plainly(&chunk),
                    "{byte} at {at} in {around}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn signs_are_where_they_are(bytes in prop::collection::vec(prop_oneof![4 => any::<u8>(), 4 => prop::sample::select(b"\"\\{}".to_vec())], 64)) {
        let chunk: &[u8; 64] = bytes.as_slice().try_into().expect("64 of them");
        let (got, want) = (signs(chunk), signs_plainly(chunk));
        prop_assert_eq!(got.quotes, want.quotes);
        prop_assert_eq!(got.slashes, want.slashes);
        prop_assert_eq!(got.opens, want.opens);
        prop_assert_eq!(got.closes, want.closes);
    }

    #[test]
    fn finds_the_first(bytes in prop::collection::vec(prop_oneof![8 => 0x20u8.., 1 => any::<u8>()], 0..100), from in 0usize..110) {
        let want = (from..bytes.len()).find(|&at| is_special(bytes[at]));
        prop_assert_eq!(special(&bytes, from), want);
        prop_assert_eq!(Marks::new(&bytes).next(from), want);
    }
}
