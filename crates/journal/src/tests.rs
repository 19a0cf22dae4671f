use crate::frame::{self, Decoded, FRAME_HEADER, SegmentHeader};
use proptest::prelude::*;

#[test]
fn headers_read_back_and_every_flipped_bit_is_noticed() {
    let header = SegmentHeader {
        segment: 7,
        previous: 5,
        previous_end: 4096,
    };
    let bytes = header.encode();
    assert_eq!(bytes.len() as u64, frame::SEGMENT_HEADER);
    assert_eq!(SegmentHeader::decode(&bytes), Some(header));
    for bit in 0..36 * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SegmentHeader::decode(&bad), None, "bit {bit}");
    }
    assert_eq!(SegmentHeader::decode(&bytes[..39]), None);
}

#[test]
fn a_frame_is_only_good_where_it_was_written() {
    let mut bytes = Vec::new();
    frame::encode(&mut bytes, 3, 40, 40, b"entry");
    let good = Decoded::Frame {
        length: 5,
        synced: 40,
    };
    assert_eq!(frame::decode(&bytes, 3, 40), good);
    assert_eq!(frame::decode(&bytes, 4, 40), Decoded::Bad);
    assert_eq!(frame::decode(&bytes, 3, 41), Decoded::Bad);
    let needed = bytes.len();
    assert_eq!(
        frame::decode(&bytes[..needed - 1], 3, 40),
        Decoded::Short { needed }
    );
    assert_eq!(frame::decode(&[0; 64], 3, 40), Decoded::Bad, "zeros are no frame");
}

#[test]
fn a_body_full_of_false_beginnings_does_not_hold_up_the_search() {
    let mut body = Vec::new();
    for _ in 0..200_000 {
        body.extend_from_slice(b"hFrm\x00\x00\x40\x00");
    }
    let begun = std::time::Instant::now();
    let mut bytes = vec![0];
    bytes.extend_from_slice(&body);
    assert_eq!(frame::next_good(&bytes, 1, 40), None);
    assert!(begun.elapsed().as_secs() < 20);
}

proptest! {
    #[test]
    fn any_entry_reads_back(entry: Vec<u8>, segment: u64, offset in 0..u64::MAX / 2) {
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, segment, offset, 40, &entry);
        prop_assert_eq!(bytes.len(), FRAME_HEADER + entry.len());
        let read = frame::decode(&bytes, segment, offset);
        prop_assert_eq!(read, Decoded::Frame { length: entry.len(), synced: 40 });
    }

    #[test]
    fn any_bytes_are_judged_without_panic(bytes: Vec<u8>) {
        frame::decode(&bytes, 1, 40);
        frame::next_good(&bytes, 1, 40);
        SegmentHeader::decode(&bytes);
    }
}
